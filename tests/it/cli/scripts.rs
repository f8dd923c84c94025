//! Merge scripts on the command line: what they decide, and what becomes of a merge when this machine cannot run them.

use crate::support::Sandbox;

/// Two sides that changed one document, under a script.
fn two_sides(script: &str) -> Sandbox {
    let sandbox = Sandbox::with_database();
    let rules = r#"[{"keys":"stock/*","use":"script","script":"_isodb/merge/stock.rhai"}]"#;
    sandbox.isodb_with_input(["put", "_isodb/merge/rules"], rules).ok();
    sandbox.isodb_with_input(["put", "_isodb/merge/stock.rhai"], script).ok();
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
