//! Fuzzes what `bodies/private_key.rs` says.

#![no_main]

#[path = "../bodies/private_key.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
