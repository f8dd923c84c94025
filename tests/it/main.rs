//! The integration tests, one program. Each module is about one thing:
//!
//! - `cli`: the commands, spawned as a user's shell would
//! - `concurrency`: many processes at once
//! - `crash`: power cuts, full disks, killed processes
//! - `support`: a hermetic environment, with git beside it as the oracle

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, unreachable_pub)]

mod cli;
mod concurrency;
mod crash;
mod support;
