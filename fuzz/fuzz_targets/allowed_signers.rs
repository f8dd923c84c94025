//! Fuzzes what `bodies/allowed_signers.rs` says.

#![no_main]

#[path = "../bodies/allowed_signers.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
