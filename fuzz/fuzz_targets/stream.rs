//! Fuzzes what `bodies/stream.rs` says.

#![no_main]

#[allow(dead_code)]
#[path = "../farm.rs"]
mod farm;

#[path = "../bodies/stream.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
