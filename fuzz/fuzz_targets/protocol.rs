//! Fuzzes what `bodies/protocol.rs` says.

#![no_main]

#[allow(dead_code)]
#[path = "../farm.rs"]
mod farm;

#[path = "../bodies/protocol.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
