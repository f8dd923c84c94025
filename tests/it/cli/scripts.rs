//! Merge scripts on the command line: what they decide, and what becomes of a merge when this machine cannot run them.

use crate::support::Sandbox;

/// Two sides that changed one document, under a script in Rhai.
fn two_sides(script: &str) -> Sandbox {
    two_sides_under("_isodb/merge/stock.rhai", script.as_bytes())
}

/// Two sides that changed one document, under a script of this key.
fn two_sides_under(key: &str, script: &[u8]) -> Sandbox {
    let sandbox = Sandbox::with_database();
    let rules = format!(r#"[{{"keys":"stock/*","use":"script","script":"{key}"}}]"#);
    sandbox.isodb_with_input(["put", "_isodb/merge/rules"], rules).ok();
    sandbox.isodb_with_input(["put", key], script).ok();
    sandbox.isodb_with_input(["put", "stock/hay"], "{\"stock\":10}\n").ok();
    sandbox.isodb(["ref", "set", "barn", "HEAD"]).ok();
    for (name, stock) in [("main", 12), ("barn", 7)] {
        sandbox.isodb_with_input(["put", "stock/hay", "--ref", name], format!("{{\"stock\":{stock}}}\n")).ok();
    }
    sandbox
}

#[test]
fn a_script_decides() {
    let sandbox = two_sides(include_str!("../../fixtures/scripts/stock.rhai"));
    sandbox.isodb(["merge", "barn"]).ok();
    assert_eq!(sandbox.isodb(["get", "stock/hay"]).ok().text(), "{\"stock\":9}\n");
    sandbox.check_with_git();
}

#[test]
fn a_script_is_told_who_changed_what() {
    let sandbox = two_sides(
        "fn merge(key, base, left, right, sides) {
            let found = [sides.left, sides.right];
            found.sort(|one, other| if one.commit < other.commit { -1 } else { 1 });
            #{by: found.map(|side| [side.author, side.time, side.commit])}
        }",
    );
    let mut commits = ["main", "barn"].map(|name| sandbox.isodb(["rev-parse", name]).ok().line());
    commits.sort();
    sandbox.isodb(["merge", "barn"]).ok();
    let by = commits.map(|commit| format!("[\"Ann <ann@farm>\",1700000000,\"{commit}\"]")).join(",");
    assert_eq!(sandbox.isodb(["get", "stock/hay"]).ok().text(), format!("{{\"by\":[{by}]}}\n"));
}

#[test]
fn a_script_that_wants_too_much_leaves_the_conflict() {
    let sandbox = two_sides("fn merge(key, base, left, right) { print(\"seen\"); loop {} }");
    let merged = sandbox.isodb(["merge", "barn"]).status(1);
    assert!(!merged.stderr().contains("seen"));
    assert_eq!(sandbox.isodb(["conflicts"]).status(1).text(), "stock/hay\n");
}

/// A module whose `merge` has this body.
fn module(merge: &str) -> Vec<u8> {
    let text = format!(
        r#"(module (memory (export "memory") 1) (global $at (mut i32) (i32.const 0))
             (func (export "alloc") (param i32) (result i32)
               (global.get $at) (global.set $at (i32.add (global.get $at) (local.get 0))))
             (func $deeper (call $deeper))
             (func (export "merge") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64) {merge}))"#
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn a_compiled_script_decides() {
    let base = "(i64.or (i64.shl (i64.extend_i32_u (local.get 2)) (i64.const 32)) (i64.extend_i32_u (local.get 3)))";
    let sandbox = two_sides_under("_isodb/merge/stock.wasm", &module(base));
    sandbox.isodb(["merge", "barn"]).ok();
    assert_eq!(sandbox.isodb(["get", "stock/hay"]).ok().text(), "{\"stock\":10}\n");
    sandbox.check_with_git();
}

#[test]
fn a_compiled_script_that_wants_too_much_leaves_the_conflict() {
    for (script, why) in [
        (module("(loop br 0) (i64.const 0)"), "took more than 10000000 steps"),
        (module("(call $deeper) (i64.const 0)"), "calls went deeper"),
        (module("(loop (drop (memory.grow (i32.const 1))) br 0) (i64.const 0)"), "took more than 10000000 steps"),
        (b"\0asm garbage".to_vec(), "the module is not valid"),
    ] {
        let sandbox = two_sides_under("_isodb/merge/stock.wasm", &script);
        sandbox.isodb(["merge", "barn"]).status(1);
        assert_eq!(sandbox.isodb(["conflicts"]).status(1).text(), "stock/hay\n");
        let told = sandbox.isodb(["rule", "test", "stock/hay", "--count", "1"]).status(1).text();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn a_machine_that_cannot_run_scripts_merges_nothing() {
    let sandbox = two_sides(include_str!("../../fixtures/scripts/stock.rhai"));
    let before = sandbox.git(["for-each-ref"]).ok().text();
    // Enough for the merge, and not for the process of scripts with its stack.
    let failed = sandbox.bash("ulimit -v 250000; MALLOC_ARENA_MAX=1 isodb merge barn").status(5);
    assert_eq!(
        failed.stderr().lines().next(),
        Some("error: the process that runs merge scripts ended with status 5"),
        "{}",
        failed.stderr()
    );
    assert_eq!(sandbox.git(["for-each-ref"]).ok().text(), before);
    sandbox.isodb(["merge", "barn"]).ok();
    assert_eq!(sandbox.isodb(["get", "stock/hay"]).ok().text(), "{\"stock\":9}\n");
}
