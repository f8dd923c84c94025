//! `rm`: documents and folders go, all of them or none.

use super::refused;
use crate::support::Sandbox;

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    let lines: String =
        ["a", "a/b", "a/b/c", "d", "e/f"].iter().map(|key| format!("{{\"key\":\"{key}\",\"value\":1}}\n")).collect();
    sandbox.isodb_with_input(["apply"], lines).ok();
    sandbox
}

fn left(sandbox: &Sandbox) -> Vec<String> {
    sandbox.isodb(["ls", "-r"]).ok().lines()
}

#[test]
fn documents() {
    let sandbox = filled();
    let commit = sandbox.isodb(["rm", "a/b", "d"]).ok().line();
    assert_eq!(sandbox.isodb(["head"]).ok().line(), commit);
    assert_eq!(left(&sandbox), ["a", "a/b/c", "e/f"]);
    assert_eq!(sandbox.git(["log", "-1", "--format=%s"]).ok().line(), "rm a/b and 1 more");
    let line = sandbox.isodb(["rm", "e/f", "--json"]).ok().line();
    let head = sandbox.isodb(["head"]).ok().line();
    assert_eq!(line, format!(r#"{{"commit":"{head}","new":true}}"#));
    sandbox.isodb(["rm", "a", "a/b/c"]).ok();
    assert_eq!(left(&sandbox), [""; 0]);
    // What is left is the empty tree.
    assert_eq!(sandbox.git(["ls-tree", "HEAD"]).ok().text(), "");
    sandbox.check_with_git();
}

#[test]
fn when_one_is_not_there_none_goes() {
    let sandbox = filled();
    let head = sandbox.isodb(["head"]).ok().line();
    refused(sandbox.isodb(["rm", "a", "x"]), 1, "there is no document \"x\"");
    // A folder is no document.
    refused(sandbox.isodb(["rm", "e"]), 1, "there is no document \"e\"");
    refused(sandbox.isodb(["rm", "-r", "a", "x"]), 1, "there is nothing at or below \"x\"");
    refused(sandbox.isodb(["rm"]), 2, "<KEY>");
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
}

#[test]
fn whole_folders() {
    let sandbox = filled();
    sandbox.isodb(["rm", "-r", "a/b/", "e"]).ok();
    assert_eq!(left(&sandbox), ["a", "d"]);
    refused(sandbox.isodb(["rm", "-r", "/"]), 2, "/ is not a key");
    sandbox.isodb(["rm", "-r", "a", "d"]).ok();
    assert_eq!(left(&sandbox), [""; 0]);
    sandbox.check_with_git();
}

#[test]
fn expectations_and_given_parents() {
    let sandbox = filled();
    let first = sandbox.isodb(["head"]).ok().line();
    let on = sandbox.isodb(["rm", "a", "--on", &first]).ok().line();
    assert_eq!(left(&sandbox).len(), 5);
    refused(sandbox.isodb(["rm", "a", "--expect", &on]), 3, &first);
    refused(sandbox.isodb(["rm", "a", "--expect", "none"]), 3, &first);
    sandbox.isodb(["rm", "a", "--expect", &first, "-m", "gone", "--author", "Bob <bob@farm>"]).ok();
    assert_eq!(sandbox.git(["log", "-1", "--format=%s|%an|%ae"]).ok().line(), "gone|Bob|bob@farm");
}
