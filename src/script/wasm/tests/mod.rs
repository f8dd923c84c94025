//! The engine of `wasm/1`: what scripts can answer, what is no script, and that each ends within its limits.

mod answers;
mod limits;
mod modules;

use super::{Engine, compile};
use crate::script::{Job, Verdict};

/// A job with these versions.
fn job(base: Option<&str>, left: Option<&str>, right: Option<&str>) -> Job {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Job { script: 0, key: "farm/stock".into(), base: bytes(base), left: bytes(left), right: bytes(right), sides: None }
}

/// A module's bytes: whatever else it has, and the body of `merge`, whose result is an i64. `alloc` hands out memory
/// from the second page on, and `$at` is where the next piece will lie.
fn module(rest: &str, merge: &str) -> Vec<u8> {
    bytes(&format!(
        r#"(module
             (memory (export "memory") 2)
             (global $at (mut i32) (i32.const 65536))
             (func (export "alloc") (param $size i32) (result i32)
               (global.get $at)
               (global.set $at (i32.add (global.get $at) (local.get $size))))
             {rest}
             (func (export "merge") (param $key i32) (param $keys i32) (param $base i32) (param $bases i32)
               (param $left i32) (param $lefts i32) (param $right i32) (param $rights i32) (result i64)
               {merge}))"#
    ))
}

fn bytes(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

fn compiled(module: &[u8]) -> Box<dyn Engine> {
    compile(module).unwrap_or_else(|reason| panic!("{reason}"))
}

/// What a script answers.
fn run(module: &[u8], job: &Job) -> Verdict {
    compiled(module).run(job, &mut |_| ())
}

/// Why a script leaves the conflict of two versions.
fn reason(module: &[u8]) -> String {
    match run(module, &job(None, Some("a"), Some("b"))) {
        Verdict::Conflict(reason) => reason,
        verdict => panic!("{verdict:?}"),
    }
}
