//! The integration tests, one program. Each module is about one thing:
//!
//! - `cli`: the commands, spawned as a user's shell would
//! - `concurrency`: many processes at once
//! - `crash`: power cuts, full disks, killed processes
//! - `docs`: what the documents show is what the program does
//! - `fuzz_seeds`: what is fuzzed, on its seeds
//! - `http`: databases over HTTP, with git and isodb on both sides
//! - `links`: links that fail, and many nodes that meet over all kinds of them
//! - `matrix`: git and isodb as each other's clients and servers, over whatever there is
//! - `scripts`: what merge scripts answer, bit by bit
//! - `support`: a hermetic environment, with git beside it as the oracle
//! - `tidy`: the house rules that a compiler does not check

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub)]

mod cli;
mod concurrency;
mod crash;
mod docs;
mod fuzz_seeds;
mod http;
mod links;
mod matrix;
mod scripts;
mod sharing;
mod support;
mod tidy;
