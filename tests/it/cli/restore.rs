//! `restore`: an old state comes back as a new commit.

use super::refused;
use crate::support::Sandbox;

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    for lines in [
        "{\"key\":\"a\",\"value\":1}\n{\"key\":\"f/x\",\"value\":1}\n{\"key\":\"f/y\",\"value\":1}\n",
        "{\"key\":\"a\",\"value\":2}\n{\"key\":\"f/x\",\"delete\":true}\n{\"key\":\"f/z\",\"value\":2}\n{\"key\":\"new\",\"value\":2}\n",
    ] {
        sandbox.isodb_with_input(["apply"], lines).ok();
    }
    sandbox
}

fn tree(sandbox: &Sandbox, revision: &str) -> String {
    sandbox.git(["rev-parse", &format!("{revision}^{{tree}}")]).ok().line()
}

#[test]
fn documents() {
    let sandbox = filled();
    let old = sandbox.isodb(["rev-parse", "HEAD~1"]).ok().line();
    let commit = sandbox.isodb(["restore", "a", "f/x", "--from", "HEAD~1"]).ok().line();
    assert_eq!(sandbox.isodb(["head"]).ok().line(), commit);
    assert_eq!(sandbox.isodb(["get", "a", "f/x"]).ok().text(), "11");
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["a", "f/x", "f/y", "f/z", "new"]);
    assert_eq!(sandbox.git(["log", "-1", "--format=%s"]).ok().line(), format!("restore a and 1 more from {old}"));
    refused(sandbox.isodb(["restore", "a", "new", "--from", &old]), 1, "there is no document \"new\"");
    refused(sandbox.isodb(["restore", "a", "--from", "no-such"]), 1, "no-such");
    refused(sandbox.isodb(["restore", "--from", "HEAD"]), 2, "<KEY>");
    refused(sandbox.isodb(["restore", "a"]), 2, "--from");
    // What is so already makes no commit.
    assert_eq!(
        sandbox.isodb(["restore", "a", "--from", &old, "--json"]).ok().line(),
        format!(r#"{{"commit":"{commit}","new":false}}"#)
    );
    sandbox.check_with_git();
}

#[test]
fn folders() {
    let sandbox = filled();
    sandbox.isodb(["restore", "-r", "f/", "--from", "HEAD~1"]).ok();
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["a", "f/x", "f/y", "new"]);
    assert_eq!(sandbox.isodb(["get", "a"]).ok().text(), "2");
    assert_eq!(sandbox.git(["rev-parse", "HEAD:f"]).ok().line(), sandbox.git(["rev-parse", "HEAD~2:f"]).ok().line());
    refused(sandbox.isodb(["restore", "-r", "new", "--from", "HEAD~2"]), 1, "nothing at or below \"new\"");
    sandbox.check_with_git();
}

#[test]
fn everything() {
    let sandbox = filled();
    let commit = sandbox.isodb(["restore", "--all", "--from", "HEAD~1", "--expect", "HEAD"]).ok().line();
    assert_eq!(tree(&sandbox, "HEAD"), tree(&sandbox, "HEAD~2"));
    assert_eq!(sandbox.git(["rev-list", "--count", "HEAD"]).ok().line(), "3");
    assert_eq!(sandbox.isodb(["restore", "--all", "--from", "HEAD"]).ok().line(), commit);
    refused(sandbox.isodb(["restore", "--all", "--from", "HEAD~1", "--expect", "HEAD~1"]), 3, &commit);
    refused(sandbox.isodb(["restore", "--all", "a", "--from", "HEAD"]), 2, "cannot be used with");
    let reflog = sandbox.isodb(["rev-parse", "main@{1}"]).ok().line();
    sandbox.isodb(["restore", "--all", "--from", "main@{1}", "-m", "undo"]).ok();
    assert_eq!(tree(&sandbox, "HEAD"), tree(&sandbox, &reflog));
    sandbox.check_with_git();
}
