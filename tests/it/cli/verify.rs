//! `verify --merges`: forged merge commits are found, by it and by `fsck`.

use super::refused;
use crate::support::Sandbox;

/// Two sides and their merge, which HEAD is at.
fn merged() -> Sandbox {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    sandbox.isodb(["ref", "set", "barn", "HEAD"]).ok();
    sandbox.isodb_with_input(["put", "b"], "1").ok();
    sandbox.isodb_with_input(["put", "c", "--ref", "barn"], "1").ok();
    sandbox.isodb(["merge", "barn"]).ok();
    sandbox
}

/// A commit like HEAD but for its tree, which a branch leads to.
fn forged(sandbox: &Sandbox) -> String {
    let text = sandbox.git(["cat-file", "commit", "HEAD"]).ok().text();
    let (_, rest) = text.split_once('\n').unwrap();
    let tree = sandbox.isodb(["rev-parse", "barn^{tree}"]).ok().line();
    let text = format!("tree {tree}\n{rest}");
    let id = sandbox.isodb_with_input(["hash-object", "-w", "-t", "commit"], text).ok().line();
    sandbox.isodb(["ref", "set", "forged", &id]).ok();
    id
}

#[test]
fn right_merges() {
    let sandbox = merged();
    let ran = sandbox.isodb(["verify", "--merges"]).ok();
    assert_eq!((ran.text().as_str(), ran.stderr().as_str()), ("", "checked 1 merge commit: 0 wrong\n"));
    let ran = sandbox.isodb(["verify", "--merges", "main@{1}..main"]).ok();
    assert_eq!(ran.stderr(), "checked 1 merge commit: 0 wrong\n");
    assert_eq!(sandbox.isodb(["verify", "--merges", "main..main"]).ok().stderr(), "checked 0 merge commits: 0 wrong\n");
    assert_eq!(sandbox.isodb(["verify", "--merges", "barn", "-q"]).ok().stderr(), "");
    sandbox.isodb(["verify", "--merges", "none.."]).status(1);
    refused(sandbox.isodb(["verify", "--merges", "--failed"]), 2, "--merges");
    let lines = sandbox.isodb(["verify"]).ok().lines();
    let mut words: Vec<&str> = lines.iter().map(|line| &line[65..]).collect();
    words.sort_unstable();
    assert_eq!(words, ["merge", "unsigned", "unsigned", "unsigned"]);
    sandbox.isodb(["fsck", "-q"]).ok();
}

#[test]
fn a_forged_merge_is_found() {
    let sandbox = merged();
    let id = forged(&sandbox);
    let head = sandbox.isodb(["head"]).ok().line();
    let ran = sandbox.isodb(["verify", "--merges"]).status(4);
    assert_eq!(ran.stderr(), "checked 2 merge commits: 1 wrong\n");
    let line = ran.line();
    let (commit, reason) = line.split_once('\t').unwrap();
    assert!(commit == id && reason.starts_with("its tree is ") && reason.ends_with(&head), "{line}");
    let json: serde_json::Value =
        serde_json::from_str(&sandbox.isodb(["verify", "--merges", "forged", "--json"]).status(4).line()).unwrap();
    assert_eq!((json["commit"].as_str(), json["expected"].as_str()), (Some(&*id), Some(&*head)));
    sandbox.isodb(["verify", "--merges", "main"]).ok();
    let ran = sandbox.isodb(["verify", "--failed"]).status(4);
    assert_eq!(ran.line(), format!("{id}\twrong-merge\t{reason}"));

    let found = sandbox.isodb(["fsck"]).status(4);
    assert!(found.line().starts_with(&format!("error merge-wrong {id}: its tree is ")), "{}", found.line());
    assert!(found.stderr().ends_with("1 errors\n"), "{}", found.stderr());
    sandbox.isodb(["fsck", "--no-merges"]).ok();
    let repaired = sandbox.isodb(["fsck", "--repair", "-q"]).status(4);
    assert!(repaired.text().starts_with("error merge-wrong "), "nobody can repair that");
}

#[test]
fn a_script_that_cannot_be_run_is_no_wrong_merge() {
    let sandbox = Sandbox::with_database();
    let rules = r#"[{"keys":"a","use":"script","script":"_isodb/merge/a.rhai"}]"#;
    sandbox.isodb_with_input(["put", "_isodb/merge/rules"], rules).ok();
    sandbox.isodb_with_input(["put", "_isodb/merge/a.rhai"], "fn merge(key, base, left, right) { left }").ok();
    sandbox.isodb(["ref", "set", "barn", "HEAD"]).ok();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    sandbox.isodb_with_input(["put", "a", "--ref", "barn"], "2").ok();
    sandbox.isodb(["merge", "barn"]).ok();
    sandbox.isodb(["verify", "--merges"]).ok();
    // With so little memory there is no stack for scripts: the machine fails, not the merge.
    let starved = sandbox.bash("ulimit -v 200000; isodb verify --merges").status(5);
    assert_eq!(starved.text(), "");
}
