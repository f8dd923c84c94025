//! `isodb merge`: frontiers, fast-forwards, conflicts and their exit statuses, and what `log` says of it.

use crate::support::{Sandbox, has_tool};

/// Two branches on one beginning: `main` and `barn` have changed `stock/hay` differently, and each a document of its own.
fn farm() -> Sandbox {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "stock/hay"], "10").ok();
    sandbox.isodb(["ref", "set", "barn", "HEAD"]).ok();
    sandbox.isodb_with_input(["put", "stock/hay"], "12").ok();
    sandbox.isodb_with_input(["put", "field"], "sown").ok();
    sandbox.isodb_with_input(["put", "stock/hay", "--ref", "barn"], "9").ok();
    sandbox.isodb_with_input(["put", "cows", "--ref", "barn"], "3").ok();
    sandbox
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_merge_takes_both_sides_and_keeps_what_they_disagree_on() {
    let sandbox = farm();
    let ran = sandbox.isodb(["merge", "barn"]).status(1);
    let head = sandbox.isodb(["head"]).ok().line();
    assert_eq!(ran.line(), head);
    assert_eq!(
        ran.stderr(),
        "1 conflict is left (1 of them new)\nhint: `isodb conflicts` lists them, `isodb resolve KEY` chooses a version\n"
    );
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["cows", "field", "stock/hay"]);
    assert_eq!(sandbox.isodb(["get", "cows"]).ok().text(), "3");
    let frontier = sandbox.isodb(["merge", "--show-frontier"]).ok().lines();
    let mut heads = ["main@{1}", "barn"].map(|rev| sandbox.isodb(["rev-parse", rev]).ok().line());
    heads.sort();
    assert_eq!(frontier, heads);
    let other = sandbox.isodb(["merge", "--ref", "barn", "main", "-q"]).status(1);
    assert_eq!((other.line(), other.stderr()), (head.clone(), String::new()));
    let again = sandbox.isodb(["merge", "barn", "main", "HEAD~1"]).status(1);
    assert_eq!(again.line(), head, "nothing is new");
    assert!(again.stderr().starts_with("1 conflict is left (0 of them new)\n"), "{}", again.stderr());
    sandbox.isodb(["conflicts"]).status(1);
    sandbox.isodb_with_input(["put", "field"], "reaped").ok();
    assert!(sandbox.isodb(["merge", "barn"]).status(1).stderr().starts_with("1 conflict is left (0 of them new)\n"));
    sandbox.isodb_with_input(["put", "stock/hay"], "11").ok();
    assert_eq!(sandbox.isodb(["merge", "barn"]).ok().stderr(), "");
    sandbox.check_with_git();
}

#[test]
fn a_fast_forward_makes_no_commit() {
    let sandbox = farm();
    let barn = sandbox.isodb(["rev-parse", "barn"]).ok().line();
    assert_eq!(sandbox.isodb(["merge", "--ref", "old", "barn~1"]).ok().line(), barn_before(&sandbox));
    assert_eq!(sandbox.isodb(["merge", "--ref", "old", "barn"]).ok().line(), barn);
    assert_eq!(sandbox.isodb(["merge", "--ref", "old", "barn~2"]).ok().line(), barn);
    let log = sandbox.isodb(["ref", "log", "old"]).ok().text();
    assert_eq!(log.matches("merge: fast-forward").count(), 2, "{log}");
}

fn barn_before(sandbox: &Sandbox) -> String {
    sandbox.isodb(["rev-parse", "barn~1"]).ok().line()
}

#[test]
fn a_dry_run_and_json_tell_the_same() {
    let sandbox = farm();
    let before = sandbox.isodb(["head"]).ok().line();
    let objects = sandbox.isodb(["count-objects"]).ok().text();
    let told = sandbox.isodb(["merge", "--dry-run", "barn"]).status(1);
    assert_eq!(told.stderr(), "1 conflict would be left (1 of them new)\n");
    assert_eq!(sandbox.isodb(["head"]).ok().line(), before);
    assert_eq!(sandbox.isodb(["count-objects"]).ok().text(), objects);
    let done = json(&sandbox.isodb(["merge", "--json", "barn"]).status(1).line());
    assert_eq!((done["commit"].as_str().unwrap(), done["old"].as_str().unwrap()), (&*told.line(), &*before));
    assert_eq!((&done["new"], &done["merged"], &done["conflicts"]), (&true.into(), &0.into(), &1.into()));
    let frontier = json(&sandbox.isodb(["merge", "--show-frontier", "--json"]).ok().line());
    assert_eq!(
        (frontier["frontier"].clone(), done["frontier"].as_array().unwrap().len()),
        (done["frontier"].clone(), 2)
    );
}

#[test]
fn log_and_show_mark_merge_commits() {
    let sandbox = farm();
    let head = sandbox.isodb(["merge", "barn"]).status(1).line();
    assert_eq!(sandbox.isodb(["log", "--oneline", "-n", "1"]).ok().line(), format!("{head} merge of 2"));
    let log = sandbox.isodb(["log", "-n", "1"]).ok().text();
    assert!(log.starts_with(&format!("commit {head} (merge of 2)\nMerge:     ")), "{log}");
    assert!(log.contains("isodb merge <merge@isodb>"), "{log}");
    assert!(sandbox.isodb(["show"]).ok().text().starts_with(&format!("commit {head} (merge of 2)\n")));
    let logged = sandbox.isodb(["log", "--json"]).ok().lines();
    let marks: Vec<bool> = logged.iter().map(|line| json(line)["merge"] == true).collect();
    assert_eq!(marks, [true, false, false, false, false, false]);
}

#[test]
fn what_cannot_be_merged_changes_nothing() {
    let sandbox = farm();
    let head = sandbox.isodb(["head"]).ok().line();
    sandbox.isodb(["merge"]).status(2);
    sandbox.isodb(["merge", "shed"]).status(1);
    sandbox.isodb(["merge", "barn:cows"]).status(2);
    let refused = sandbox.isodb(["merge", "barn", "--expect", "barn"]).status(3);
    assert!(refused.stderr().contains("somebody else was first"), "{}", refused.stderr());
    sandbox.isodb(["merge", "barn", "--expect", "none"]).status(3);
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
    let empty = Sandbox::with_database();
    empty.isodb(["merge", "HEAD"]).status(1);
    empty.isodb(["merge", "--show-frontier"]).status(1);
}

#[test]
fn a_forged_merge_commit_is_refused() {
    if !has_tool("git") {
        return;
    }
    let sandbox = farm();
    sandbox.isodb(["merge", "barn"]).status(1);
    let text = sandbox.git(["cat-file", "commit", "HEAD"]).ok().text();
    let (first, rest) = text.split_once("\nparent ").unwrap();
    let (_, rest) = rest.split_once('\n').unwrap();
    let forged =
        sandbox.isodb_with_input(["hash-object", "-w", "-t", "commit"], format!("{first}\n{rest}")).ok().line();
    let refused = sandbox.isodb(["merge", &forged]).status(4);
    assert!(refused.stderr().contains("says that it is a merge commit, but it has 1 parents"), "{}", refused.stderr());
}

#[test]
fn a_commit_on_several_starts_from_what_they_come_to() {
    let sandbox = farm();
    let own = sandbox.isodb_with_input(["put", "stock/hay", "--on", "barn", "--on", "main"], "11").ok().line();
    assert_eq!(sandbox.isodb(["ls", "-r", "--at", &own]).ok().lines(), ["cows", "field", "stock/hay"]);
    assert_eq!(sandbox.isodb(["get", "stock/hay", "--at", &own]).ok().text(), "11");
    assert_eq!(sandbox.isodb(["conflicts", "--at", &own, "--count"]).ok().line(), "0");
    let left = sandbox.isodb_with_input(["put", "new", "--on", "barn", "--on", "main"], "1").ok().line();
    assert_eq!(sandbox.isodb(["conflicts", "--at", &left]).status(1).line(), "stock/hay");
    assert_eq!(sandbox.isodb(["merge", &own]).ok().line(), own, "it is a commit like any other");
    sandbox.check_with_git();
}

#[test]
fn rules_and_scripts_come_with_the_data() {
    let sandbox = Sandbox::with_database();
    let rules = r#"[{"keys":"stock/*","use":"script","script":"_isodb/merge/stock.rhai"},{"keys":"log","use":"text"}]"#;
    let script = r#"fn merge(key, base, left, right) {
        if left.bales < 0 || right.bales < 0 { conflict("negative"); }
        left.bales += right.bales - base.bales;
        left
    }"#;
    sandbox.isodb_with_input(["put", "_isodb/merge/rules"], rules).ok();
    sandbox.isodb_with_input(["put", "_isodb/merge/stock.rhai"], script).ok();
    for key in ["stock/hay", "stock/straw"] {
        sandbox.isodb_with_input(["put", key], r#"{"bales":10}"#).ok();
    }
    sandbox.isodb_with_input(["put", "log"], "a\nb\nc\n").ok();
    sandbox.isodb(["ref", "set", "barn", "HEAD"]).ok();
    for (name, hay, straw, log) in [("main", 12, 11, "A\nb\nc\n"), ("barn", 7, -1, "a\nb\nC\n")] {
        let put = |key: &str, text: &str| sandbox.isodb_with_input(["put", key, "--ref", name], text).ok();
        put("stock/hay", &format!("{{\"bales\":{hay}}}"));
        put("stock/straw", &format!("{{\"bales\":{straw}}}"));
        put("log", log);
    }
    let done = json(&sandbox.isodb(["merge", "--json", "barn"]).status(1).line());
    assert_eq!((&done["merged"], &done["conflicts"]), (&2.into(), &1.into()));
    assert_eq!(sandbox.isodb(["get", "stock/hay"]).ok().text(), "{\"bales\":9}");
    assert_eq!(sandbox.isodb(["get", "log"]).ok().text(), "A\nb\nC\n");
    assert_eq!(sandbox.isodb(["conflicts"]).status(1).line(), "stock/straw");
    let folder = sandbox.isodb(["rev-parse", "HEAD^{tree}"]).ok().line();
    let folder = sandbox.git(["rev-parse", &format!("{folder}:_isodb/merge")]).ok().line();
    assert!(sandbox.git(["cat-file", "commit", "HEAD"]).ok().text().contains(&format!("\nisodb-merge 1 {folder}\n")));
    sandbox.check_with_git();
}

#[test]
fn rules_that_are_not_known_change_nothing() {
    let sandbox = farm();
    sandbox.isodb_with_input(["put", "_isodb/merge/rules"], r#"[{"keys":"**","use":"newest"}]"#).ok();
    let head = sandbox.isodb(["head"]).ok().line();
    let refused = sandbox.isodb(["merge", "barn"]).status(2);
    assert!(
        refused.stderr().contains("newest") && refused.stderr().contains("_isodb/merge/rules"),
        "{}",
        refused.stderr()
    );
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
}
