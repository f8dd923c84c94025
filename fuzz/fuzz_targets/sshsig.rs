//! Fuzzes what `bodies/sshsig.rs` says.

#![no_main]

#[path = "../bodies/sshsig.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
