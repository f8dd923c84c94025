//! Documents in, a verdict out.

use super::{compiled, job, module, reason, run};
use crate::script::{Dialect, InProcess, Job, Runner, Script, Side, Verdict};

/// The compiled script that the guide shows.
const READINGS: &[u8] = include_bytes!("../../../../tests/fixtures/scripts/readings.wasm");

fn merged(text: &str) -> Verdict {
    Verdict::Merged(text.into())
}

fn conflict(reason: &str) -> Verdict {
    Verdict::Conflict(reason.into())
}

/// `merge`'s body that returns one of its documents.
fn returns(at: &str, len: &str) -> String {
    format!("(i64.or (i64.shl (i64.extend_i32_u {at}) (i64.const 32)) (i64.extend_i32_u {len}))")
}

#[test]
fn a_compiled_script_merges_what_it_was_written_for() {
    let mut script = compiled(READINGS);
    let mut check = |base, left, right, verdict| {
        assert_eq!(script.run(&job(base, left, right), &mut |_| ()), verdict, "{base:?} {left:?} {right:?}");
    };
    check(Some("1 a\n2 b\n"), Some("1 a\n2 b\n4 d\n"), Some("1 a\n3 c\n"), merged("1 a\n3 c\n4 d\n"));
    check(None, Some("2 b\n"), Some("1 ü\n2 b\n"), merged("1 ü\n2 b\n"));
    check(Some("1 a\n"), Some(""), Some(""), merged(""));
    check(Some("1 a\n"), None, Some("2 b\n"), conflict("one side deleted the readings"));
}

#[test]
fn a_compiled_script_merges_json_by_its_members() {
    let mut script = compiled(include_bytes!("../../../../tests/fixtures/scripts/farm.wasm"));
    let mut check = |base, left, right, verdict| {
        assert_eq!(script.run(&job(base, left, right), &mut |_| ()), verdict, "{base:?} {left:?} {right:?}");
    };
    let base = Some("{\"stock\":10,\"a\":[1,{\"b\":\"}\\\"\"}],\"c\":1.50}\n");
    let left = Some("{\"stock\":12,\"a\":[1,{\"b\":\"}\\\"\"}],\"c\":1.50,\"l\":{}}\n");
    let right = Some("{ \"stock\" : 7, \"a\":[1,{\"b\":\"}\\\"\"}], \"r\":null }\n");
    let both = "{\"stock\":9,\"a\":[1,{\"b\":\"}\\\"\"}],\"l\":{},\"r\":null}\n";
    check(base, left, right, merged(both));
    check(None, Some("{\"stock\":1}"), Some("{\"stock\":2}"), merged("{\"stock\":3}"));
    check(None, Some("{\"a\":1}"), Some("{\"a\":2}"), conflict("both sides changed \"a\""));
    check(None, Some("{\"stock\":1}"), Some("{\"stock\":1.5}"), conflict("both sides changed \"stock\""));
    check(base, left, Some("7"), conflict("a version is no object"));
    check(base, None, right, conflict("one side deleted it"));
}

#[test]
fn documents_arrive_as_they_are_stored() {
    let echo = |at: &str, len: &str| module("", &returns(at, len));
    let of = job(Some("base"), Some("le\0ft"), Some("richtig, größer"));
    assert_eq!(run(&echo("(local.get $key)", "(local.get $keys)"), &of), merged("farm/stock"));
    assert_eq!(run(&echo("(local.get $base)", "(local.get $bases)"), &of), merged("base"));
    assert_eq!(run(&echo("(local.get $left)", "(local.get $lefts)"), &of), merged("le\0ft"));
    assert_eq!(run(&echo("(local.get $right)", "(local.get $rights)"), &of), merged("richtig, größer"));
    let bytes = Job { left: Some(vec![0xff, 0, 0xfe]), ..of };
    assert_eq!(run(&echo("(local.get $left)", "(local.get $lefts)"), &bytes), Verdict::Merged(vec![0xff, 0, 0xfe]));
}

#[test]
fn what_is_absent_has_the_length_minus_one_and_what_is_empty_zero() {
    // One digit for each: its length and one, which is at most 9 here.
    let digit =
        |place: u32, len: &str| format!("(i32.store8 (i32.const {place}) (i32.add (local.get {len}) (i32.const 49)))");
    let body = format!("{} {} {} (i64.const 3)", digit(0, "$bases"), digit(1, "$lefts"), digit(2, "$rights"));
    let script = module("", &body);
    assert_eq!(run(&script, &job(None, Some(""), Some("b"))), merged("012"));
    assert_eq!(run(&script, &job(Some("four"), None, Some(""))), merged("501"));
}

#[test]
fn a_result_of_zero_deletes_and_an_empty_one_does_not() {
    assert_eq!(run(&module("", "(i64.const 0)"), &job(None, Some("a"), Some("b"))), Verdict::Deleted);
    assert_eq!(run(&module("", "(i64.const 0x100000000)"), &job(None, Some("a"), Some("b"))), merged(""));
}

#[test]
fn a_conflict_has_the_scripts_reason_or_none() {
    assert_eq!(reason(&module("", "(i64.const -1)")), "the script left the conflict, and gave no reason");
    let says = |text: &str, at: &str| {
        let data = format!(r#"(data (i32.const 8) "{text}") (func (export "reason") (result i64) {at})"#);
        reason(&module(&data, "(i64.const -1)"))
    };
    assert_eq!(says("too late", "(i64.const 0x800000008)"), "too late");
    assert_eq!(says(r"\ff", "(i64.const 0x800000001)"), "the script's reason is no text");
    assert_eq!(says("", "(i64.const 0x8000003e9)"), "the script's reason has more than 1000 bytes");
    assert_eq!(says("", "(i64.const 0x8000000000000000)"), "the script's reason lies beyond its memory");
    assert_eq!(says("", "(unreachable)"), "the script stopped itself");
    assert_eq!(says("", "(loop br 0) (i64.const 0)"), "the script took more than 10000000 steps");
}

#[test]
fn a_result_for_json_versions_is_json() {
    let script = |data: &str| {
        let text = data.replace('"', "\\\"");
        module(&format!(r#"(data (i32.const 0) "{text}")"#), &format!("(i64.const {})", data.len()))
    };
    let json = job(Some("x"), Some("{\"a\":1}"), Some("{\"a\":2}\n"));
    let refused = conflict("the versions are JSON, and the script's result is not");
    assert_eq!(run(&script(r#"{"a": 1.50}"#), &json), merged(r#"{"a": 1.50}"#));
    for bad in [r#"{"a":1"#, r#"{"a":1,"a":2}"#, "NaN", " "] {
        assert_eq!(run(&script(bad), &json), refused, "{bad}");
        assert_eq!(run(&script(bad), &job(None, Some("1"), None)), refused, "{bad}");
        assert_eq!(run(&script(bad), &job(None, Some("1"), Some("text"))), merged(bad));
    }
}

#[test]
fn a_script_that_asks_learns_who_made_the_versions() {
    let text = super::module("", "(i64.const 0)");
    assert!(!compiled(&text).takes_sides());
    let module = super::bytes(
        r#"(module (memory (export "memory") 1) (global $at (mut i32) (i32.const 0))
             (func (export "alloc") (param i32) (result i32)
               (global.get $at) (global.set $at (i32.add (global.get $at) (local.get 0))))
             (func (export "merge_with") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i64)
               (if (i32.lt_s (local.get 9) (i32.const 0)) (then (return (i64.const -1))))
               (i64.or (i64.shl (i64.extend_i32_u (local.get 8)) (i64.const 32)) (i64.extend_i32_u (local.get 9)))))"#,
    );
    assert!(compiled(&module).takes_sides());
    let of = job(None, Some("a"), Some("b"));
    assert_eq!(run(&module, &of), conflict("the script left the conflict, and gave no reason"));
    let side = |author: &str, time, commit: &str| Side { author: author.into(), time, commit: commit.into() };
    let sides = Some([side("Ann \"A\" <ann@farm>", -5, "12ab"), side("Bo <bo@farm>", 1_700_000_000, "34cd")]);
    let expected = r#"{"left":{"author":"Ann \"A\" <ann@farm>","time":-5,"commit":"12ab"},"right":{"author":"Bo <bo@farm>","time":1700000000,"commit":"34cd"}}"#;
    assert_eq!(run(&module, &Job { sides, ..of }), merged(expected));
}

#[test]
fn nothing_is_left_from_one_document_to_the_next() {
    let body = "(i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 49)))
                (global.set $at (i32.const 70000)) (i64.const 1)";
    let script = module("", body);
    let mut engine = compiled(&script);
    for _ in 0..3 {
        assert_eq!(engine.run(&job(None, Some("a"), Some("b")), &mut |_| ()), merged("1"));
    }
}

#[test]
fn floats_that_are_no_number_are_the_same_everywhere() {
    // 0/0, a signalling NaN with a payload passed through min and through demotion and promotion.
    let store = |at: u32, value: &str| format!("(f64.store (i32.const {at}) {value})");
    let noisy = "(f64.reinterpret_i64 (i64.const 0xfff4000000000123))";
    let body = [
        store(0, "(f64.div (f64.const 0) (f64.const 0))"),
        store(8, &format!("(f64.min {noisy} (f64.const 1))")),
        store(16, &format!("(f64.promote_f32 (f32.demote_f64 {noisy}))")),
        store(24, &format!("(f64.nearest (f64.add {noisy} {noisy}))")),
        "(i64.const 32)".into(),
    ];
    let Verdict::Merged(found) = run(&module("", &body.concat()), &job(None, Some("a"), Some("b"))) else { panic!() };
    for value in found.chunks(8) {
        assert_eq!(u64::from_le_bytes(value.try_into().unwrap()), 0x7ff8_0000_0000_0000);
    }
}

#[test]
fn a_runner_takes_modules_by_their_dialect() {
    let mut runner = InProcess::new().unwrap();
    let script = Script { dialect: Dialect::Wasm1, source: READINGS.to_vec() };
    let broken = Script { source: b"\0asm".to_vec(), ..script.clone() };
    let loaded = [&broken, &script, &broken].map(|script| runner.load(script).unwrap().script);
    // One that is there already is not loaded twice.
    assert_eq!(loaded, [0, 1, 0]);
    let first = job(None, Some("a\n"), Some("b\n"));
    let verdicts = runner.run(&[first.clone(), Job { script: 1, ..first }]).unwrap();
    assert_eq!(verdicts[1], merged("a\nb\n"));
    assert!(matches!(&verdicts[0], Verdict::Conflict(reason) if reason.starts_with("the module is not valid")));
}
