//! Scripts that never end, or take all there is: each ends in a conflict, at the same point on every machine.

use super::super::instance::Instance;
use super::super::setup;
use super::{bytes, compile, job, module, reason, run};
use crate::script::limits::wasm::FUEL;
use crate::script::{Job, Verdict};

const TOO_LONG: &str = "the script took more than 10000000 steps";
const TOO_DEEP: &str = "the script's calls went deeper than 1000 calls or 1048576 bytes";

/// The fuel that a job takes.
fn fuel(source: &[u8], job: &Job) -> u64 {
    let engine = wasmi::Engine::new(&setup::config());
    let module = wasmi::Module::new(&engine, source).unwrap();
    let mut instance = Instance::new(&module).unwrap();
    let versions = [&job.base, &job.left, &job.right].map(Option::as_deref);
    let mut inputs = vec![Some(job.key.as_bytes())];
    inputs.extend(versions);
    instance.merge("merge", &inputs).unwrap();
    FUEL - instance.fuel_left()
}

#[test]
fn endless_scripts_end() {
    for (rest, body) in [
        ("", "(loop br 0)"),
        ("", "(loop (br_if 0 (i32.const 1)))"),
        ("", "(loop (br_table 0 0 (i32.const 5)))"),
        ("(func $f)", "(loop (call $f) br 0)"),
        ("(func $start (loop br 0)) (start $start)", ""),
        ("", "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 131072)) br 0)"),
        ("", "(loop (memory.copy (i32.const 1) (i32.const 0) (i32.const 131071)) br 0)"),
        ("", "(loop (drop (memory.grow (i32.const 1))) br 0)"),
        ("(table 1 funcref)", "(loop (drop (table.grow (ref.null func) (i32.const 1000))) br 0)"),
        // A callee with many locals, which are cleared at each call.
        (&format!("(func $f (local {}))", "i64 ".repeat(1000)), "(loop (call $f) br 0)"),
    ] {
        assert_eq!(reason(&module(rest, &format!("{body} (i64.const 0)"))), TOO_LONG, "{rest} {body}");
    }
    let alloc = r#"(module (memory (export "memory") 1)
        (func (export "alloc") (param i32) (result i32) (loop br 0) (i32.const 0))
        (func (export "merge") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64) (i64.const 0)))"#;
    assert_eq!(reason(&bytes(alloc)), TOO_LONG);
}

#[test]
fn deep_calls_end() {
    assert_eq!(reason(&module("(func $f (call $f))", "(call $f) (i64.const 0)")), TOO_DEEP);
    assert_eq!(reason(&module("(func $f (call $g)) (func $g (call $f))", "(call $f) (i64.const 0)")), TOO_DEEP);
    let indirect =
        "(table 1 funcref) (elem (i32.const 0) $f) (type $t (func)) (func $f (call_indirect (type $t) (i32.const 0)))";
    assert_eq!(reason(&module(indirect, "(call $f) (i64.const 0)")), TOO_DEEP);
    // A recursion of this depth, and then of one more; `merge` itself is a call too.
    let deep = |depth: u32| {
        let f = "(func $f (param i32) (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1))))))";
        module(f, &format!("(call $f (i32.const {depth})) (i64.const 0)"))
    };
    assert_eq!(run(&deep(998), &job(None, Some("a"), Some("b"))), Verdict::Deleted);
    assert_eq!(reason(&deep(999)), TOO_DEEP);
    // Frames so large that the stack is full long before the calls are too many.
    let wide = format!("(func $f (local {}) (call $f))", "i64 ".repeat(1000));
    assert_eq!(reason(&module(&wide, "(call $f) (i64.const 0)")), TOO_DEEP);
}

#[test]
fn memory_and_table_stop_growing() {
    // What memory.grow and table.grow answer, as one byte each: 255 where they refuse.
    let answers = |grow: &str| {
        let body = format!("(i32.store8 (i32.const 0) {grow}) (i64.const 1)");
        match run(&module("(table 1 funcref)", &body), &job(None, Some("a"), Some("b"))) {
            Verdict::Merged(bytes) => bytes[0],
            verdict => panic!("{verdict:?}"),
        }
    };
    assert_eq!(answers("(memory.grow (i32.const 254))"), 2);
    assert_eq!(answers("(memory.grow (i32.const 255))"), 255);
    assert_eq!(answers("(memory.grow (i32.const -1))"), 255);
    assert_eq!(answers("(table.grow (ref.null func) (i32.const 9999))"), 1);
    assert_eq!(answers("(table.grow (ref.null func) (i32.const 10000))"), 255);
    let starts = |memory: &str| {
        let text = format!(
            r#"(module {memory} (func (export "alloc") (param i32) (result i32) (i32.const 0))
               (func (export "merge") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64) (i64.const 0)))"#
        );
        compile(&bytes(&text)).err()
    };
    assert_eq!(starts(r#"(memory (export "memory") 256)"#), None);
    let refused = "the module starts with more than 16777216 bytes of memory";
    assert_eq!(starts(r#"(memory (export "memory") 257)"#).as_deref(), Some(refused));
    assert_eq!(starts(r#"(memory (export "memory") 65536)"#).as_deref(), Some(refused));
    let table = "(table 10001 funcref)";
    assert_eq!(reason(&module(table, "(i64.const 0)")), "the module could not be started");
    assert_eq!(
        reason(&module("(table 1 funcref) (table 1 funcref)", "(i64.const 0)")),
        "the module could not be started"
    );
}

#[test]
fn results_and_pieces_lie_in_the_memory() {
    for (result, why) in [
        ("0x1ffff00000002", "the script's result lies beyond its memory"),
        ("0x2000000000001", "the script's result lies beyond its memory"),
        ("0x8000000000000000", "the script's result lies beyond its memory"),
        ("-2", "the script's result has more than 1048576 bytes"),
        ("0x7fffffff7fffffff", "the script's result has more than 1048576 bytes"),
        ("0x00100001", "the script's result has more than 1048576 bytes"),
    ] {
        assert_eq!(reason(&module("", &format!("(i64.const {result})"))), why, "{result}");
    }
    assert_eq!(
        run(&module("", "(i64.const 0x1ffff00000001)"), &job(None, Some("a"), Some("b"))),
        Verdict::Merged(vec![0])
    );
    let alloc = |at: &str| {
        let text = format!(
            r#"(module (memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) (i32.const {at}))
               (func (export "merge") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64) (i64.const 1)))"#
        );
        run(&bytes(&text), &job(None, Some("a"), Some("b")))
    };
    for at in ["-1", "65536", "65530", "0x7fffffff"] {
        let why = "the script's \"alloc\" pointed beyond its memory";
        assert_eq!(alloc(at), Verdict::Conflict(why.into()), "{at}");
    }
    // Pieces that overlap are the script's own doing: the last one wins.
    assert_eq!(alloc("0"), Verdict::Merged(b"b".to_vec()));
}

#[test]
fn what_a_trap_says_is_isodbs_own_text() {
    for (body, why) in [
        ("(unreachable)", "the script stopped itself"),
        ("(drop (i32.load (i32.const 131072)))", "the script reached beyond its memory"),
        ("(drop (i32.div_s (i32.const 1) (i32.const 0)))", "the script divided by zero"),
        (
            "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))",
            "a result of the script is too large for an integer",
        ),
        ("(drop (i32.trunc_f32_s (f32.const nan)))", "the script turned a float into an integer that is none"),
        ("(call_indirect (type $t) (i32.const 7))", "the script reached beyond its table"),
        ("(call_indirect (type $t) (i32.const 1))", "the script called a function that is not there"),
        ("(drop (call_indirect (type $u) (i32.const 0)))", "the script called a function as one of another type"),
    ] {
        let rest = "(type $t (func)) (type $u (func (result i32))) (table 2 funcref) (elem (i32.const 0) $f) (func $f)";
        assert_eq!(reason(&module(rest, &format!("{body} (i64.const 0)"))), why, "{body}");
    }
}

#[test]
fn large_documents_are_refused() {
    let large = "x".repeat((1 << 20) + 1);
    let refused = Verdict::Conflict("a version has more than 1048576 bytes".into());
    for of in [job(Some(&large), Some("a"), Some("b")), job(None, Some(&large), Some("b"))] {
        assert_eq!(run(&module("", "(i64.const 0)"), &of), refused);
    }
}

/// Modules that are hard to compile: each is compiled or refused at once, whatever it makes of the bytes.
#[test]
fn modules_that_are_hard_to_compile_are_no_danger() {
    let pair = |open: &str, close: &str, many: usize| {
        module("", &format!("{} {} (i64.const 0)", open.repeat(many), close.repeat(many)))
    };
    let wide = format!("(type $t (func (param {0}) (result {0})))", "i64 ".repeat(32));
    let wide = |inner: &str| {
        module(&wide, &format!("{} {inner} {} (i64.const 0)", "i64.const 1 ".repeat(32), "drop ".repeat(32)))
    };
    for source in [
        pair("block ", "end ", 85_000),
        pair("loop ", "end ", 85_000),
        pair("i32.const 1 if ", "end ", 50_000),
        pair("local.get 0 i32.const 1 local.set 0 ", "drop ", 30_000),
        wide(&format!("{} {}", "block (type $t) ".repeat(60_000), "end ".repeat(60_000))),
        wide(&format!("block (type $t) i32.const 1 br_table {} 0 end", "0 ".repeat(100_000))),
        module(&format!("(func {})", "nop ".repeat(38)).repeat(5_500), "(i64.const 0)"),
    ] {
        assert_eq!(run(&source, &job(None, Some("a"), Some("b"))), Verdict::Deleted, "{}", source.len());
    }
    let refused = |source: &[u8]| compile(source).err().unwrap();
    // As many values as a function can hold, and more functions or locals than one has by good reason.
    assert!(refused(&pair("i32.const 0 ", "drop ", 80_000)).contains("registers"));
    assert!(refused(&module(&"(func)".repeat(9_000), "(i64.const 0)")).contains("bytes per function"));
    let locals = |count: usize| module(&format!("(func (local {}))", "i64 ".repeat(count)), "(i64.const 0)");
    assert!(compile(&locals(1_000)).is_ok());
    assert_eq!(refused(&locals(1_001)), "a function has 1001 locals, more than 1000");
}

/// What a job costs is part of the dialect: where it runs out decides about a conflict.
#[test]
fn fuel_is_counted_as_it_always_was() {
    let readings = include_bytes!("../../../../tests/fixtures/scripts/readings.wasm");
    let of = job(Some("1 a\n2 b\n"), Some("1 a\n2 b\n4 d\n"), Some("1 a\n3 c\n"));
    let small = job(None, Some("a"), Some("b"));
    let found = [
        fuel(readings, &of),
        fuel(&module("", "(i64.const 0)"), &small),
        fuel(&module("(func $f (local i64 i64))", "(call $f) (i64.const 0)"), &small),
        fuel(&module("", "(drop (memory.grow (i32.const 254))) (i64.const 0)"), &small),
        fuel(&module("", "(memory.fill (i32.const 0) (i32.const 1) (i32.const 100000)) (i64.const 0)"), &small),
        fuel(
            &module("(table 1 funcref)", "(drop (table.grow (ref.null func) (i32.const 9999))) (i64.const 0)"),
            &small,
        ),
        fuel(&module("(func $s (drop (f64.sqrt (f64.const 2)))) (start $s)", "(i64.const 0)"), &small),
    ];
    assert_eq!(found, [16521, 20, 29, 260118, 1586, 647, 23]);
}
