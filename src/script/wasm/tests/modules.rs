//! Modules that are no script, and those that only look strange.

use super::{bytes, compile, compiled, job, module, reason, run};
use crate::script::Verdict;

/// A module without the parts that are to be left out or changed.
fn parts(memory: &str, alloc: &str, merge: &str) -> Vec<u8> {
    bytes(&format!("(module {memory} {alloc} {merge})"))
}

const MEMORY: &str = r#"(memory (export "memory") 1)"#;
const ALLOC: &str = r#"(func (export "alloc") (param i32) (result i32) (i32.const 0))"#;
const MERGE: &str = r#"(func (export "merge") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64) (i64.const 0))"#;
const MERGE_WITH: &str =
    r#"(func (export "merge_with") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i64) (i64.const 0))"#;

fn refusal(module: &[u8]) -> String {
    match compile(module) {
        Err(reason) => reason,
        Ok(_) => panic!("it compiles"),
    }
}

#[test]
fn a_module_exports_what_the_engine_calls() {
    assert!(compile(&parts(MEMORY, ALLOC, MERGE)).is_ok());
    assert_eq!(refusal(&parts("", ALLOC, MERGE)), r#"the module exports no memory "memory""#);
    assert_eq!(refusal(&parts("(memory 1)", ALLOC, MERGE)), r#"the module exports no memory "memory""#);
    assert_eq!(refusal(&parts(MEMORY, "", MERGE)), r#"the module exports no function "alloc""#);
    assert_eq!(refusal(&parts(MEMORY, ALLOC, "")), r#"the module exports no function "merge""#);
    let both = format!("{MERGE} {MERGE_WITH}");
    assert_eq!(refusal(&parts(MEMORY, ALLOC, &both)), r#"the module exports both "merge" and "merge_with""#);
    assert!(compile(&parts(MEMORY, ALLOC, MERGE_WITH)).is_ok());
}

#[test]
fn an_export_of_another_type_is_none() {
    let wrong = |name: &str| format!("the export {name:?} is not what it should be");
    let memory = r#"(global (export "memory") i32 (i32.const 0))"#;
    assert_eq!(refusal(&parts(memory, ALLOC, MERGE)), r#"the module exports no memory "memory""#);
    let alloc = r#"(func (export "alloc") (param i64) (result i32) (i32.const 0))"#;
    assert_eq!(refusal(&parts(MEMORY, alloc, MERGE)), wrong("alloc"));
    let alloc = r#"(global (export "alloc") i32 (i32.const 0))"#;
    assert_eq!(refusal(&parts(MEMORY, alloc, MERGE)), wrong("alloc"));
    let merge = r#"(func (export "merge") (param i32 i32 i32 i32 i32 i32 i32) (result i64) (i64.const 0))"#;
    assert_eq!(refusal(&parts(MEMORY, ALLOC, merge)), wrong("merge"));
    let merge = r#"(func (export "merge") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 0))"#;
    assert_eq!(refusal(&parts(MEMORY, ALLOC, merge)), wrong("merge"));
    let reason = format!(r#"{MERGE} (func (export "reason") (result i32) (i32.const 0))"#);
    assert_eq!(refusal(&parts(MEMORY, ALLOC, &reason)), wrong("reason"));
}

#[test]
fn there_is_nothing_to_import() {
    let import = r#"(import "env" "clock" (func))"#;
    assert_eq!(
        refusal(&parts(import, &format!("{MEMORY} {ALLOC}"), MERGE)),
        r#"the module imports "clock", and there is nothing to import"#
    );
    let memory = r#"(import "env" "memory" (memory 1))"#;
    assert!(refusal(&parts(memory, ALLOC, MERGE)).contains(r#"imports "memory""#));
}

#[test]
fn what_is_no_module_is_refused() {
    let whole = parts(MEMORY, ALLOC, MERGE);
    for len in 0..whole.len() {
        assert!(refusal(&whole[..len]).starts_with("the module"), "{len}");
    }
    for garbage in [&b"fn merge() {}"[..], b"\0asm\x01\0\0\0\x0a\xff\xff\xff\xff\x0f", &[0xff; 4096]] {
        assert!(refusal(garbage).starts_with("the module is not valid: "), "{garbage:?}");
    }
    assert_eq!(refusal(&[0; (256 << 10) + 1]), "the module has 262145 bytes, more than 262144");
}

/// Whatever byte is changed, there is a verdict or a reason, and the same each time.
#[test]
fn a_damaged_module_has_an_answer_too() {
    let whole = include_bytes!("../../../../tests/fixtures/scripts/readings.wasm");
    let of = job(None, Some("a\n"), Some("b\n"));
    let mut kinds = [0; 2];
    for at in (0..whole.len()).step_by(23) {
        let mut damaged = whole.to_vec();
        damaged[at] ^= 1 << (at % 8);
        let answer = || compile(&damaged).map(|mut script| script.run(&of, &mut |_| ()));
        let first = answer();
        kinds[usize::from(first.is_ok())] += 1;
        assert_eq!(first, answer(), "{at}");
    }
    assert!(kinds[0] > 20 && kinds[1] > 20, "{kinds:?}");
}

#[test]
fn what_differs_between_machines_or_engines_is_off() {
    for rest in [
        "(memory 1 1 shared)",
        "(memory i64 1)",
        "(func (drop (v128.const i32x4 0 0 0 0)))",
        "(func $f (return_call $f))",
        "(memory 1) (memory 1)",
        "(tag)",
        "(type (struct))",
        "(func (param externref) (drop (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0))) (drop))",
    ] {
        let text = bytes(&format!("(module {rest})"));
        assert!(refusal(&text).starts_with("the module is not valid: "), "{rest}");
    }
}

#[test]
fn a_start_function_runs_before_each_document() {
    let start = "(func $start (i32.store8 (i32.const 7) (i32.const 65))) (start $start)";
    let verdict = run(&module(start, "(i64.const 0x700000001)"), &job(None, Some("a"), Some("b")));
    assert_eq!(verdict, Verdict::Merged(b"A".to_vec()));
    assert_eq!(
        reason(&module("(func $start unreachable) (start $start)", "(i64.const 0)")),
        "the script stopped itself"
    );
    let segment = r#"(data (i32.const 131071) "ab")"#;
    assert_eq!(reason(&module(segment, "(i64.const 0)")), "the script reached beyond its memory");
    let elements = "(table 1 funcref) (func $f) (elem (i32.const 1) $f)";
    assert_eq!(reason(&module(elements, "(i64.const 0)")), "the module could not be started");
}

#[test]
fn a_module_may_carry_names_and_notes() {
    let noted = module(r#"(@custom "name" "\ff\ff rubbish")"#, "(i64.const 0)");
    assert_eq!(run(&noted, &job(None, Some("a"), Some("b"))), Verdict::Deleted);
    assert!(!compiled(&noted).takes_sides());
}
