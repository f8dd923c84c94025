//! `show`: a commit with its changes, a tag, a tree, a document.

use super::refused;
use crate::support::Sandbox;

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    sandbox
        .isodb_with_input(["apply"], "{\"key\":\"a\",\"value\":{\"n\":1}}\n{\"key\":\"b\",\"text\":\"x\\n\"}\n")
        .ok();
    sandbox
        .isodb_with_input(
            ["apply", "-m", "second"],
            "{\"key\":\"a\",\"value\":{\"n\":2}}\n{\"key\":\"b\",\"delete\":true}\n{\"key\":\"c/d\",\"value\":0}\n",
        )
        .ok();
    sandbox
}

#[test]
fn a_commit_and_what_it_changed() {
    let sandbox = filled();
    let head = sandbox.isodb(["head"]).ok().line();
    let header = format!("commit {head}\nAuthor:    Ann <ann@farm>\nDate:      2023-11-14T22:13:20Z\n\n    second\n\n");
    assert_eq!(sandbox.isodb(["show"]).ok().text(), format!("{header}M\ta\nD\tb\nA\tc/d\n"));
    assert_eq!(
        sandbox.isodb(["show", "--stat", &head]).ok().text(),
        format!("{header}M\t7\t7\ta\nD\t2\t-\tb\nA\t-\t1\tc/d\n")
    );
    let patch = sandbox.isodb(["show", "-p", "main"]).ok().text();
    assert!(patch.contains("M\ta\n- /n: 1\n+ /n: 2\n"), "{patch}");
    let first = sandbox.isodb(["show", "HEAD~1"]).ok().text();
    assert!(first.ends_with("    apply 2 changes\n\nA\ta\nA\tb\n"), "{first}");
}

#[test]
fn a_commit_as_json() {
    let sandbox = filled();
    let record: serde_json::Value = serde_json::from_str(&sandbox.isodb(["show", "--json"]).ok().line()).unwrap();
    let id = |revision: &str| sandbox.isodb(["rev-parse", revision]).ok().line();
    assert_eq!(record["commit"], id("HEAD"));
    assert_eq!(
        record["changes"],
        serde_json::json!([
            {"key": "a", "status": "changed", "old": id("HEAD~1:a"), "new": id("HEAD:a")},
            {"key": "b", "status": "removed", "old": id("HEAD~1:b"), "new": null},
            {"key": "c/d", "status": "added", "old": null, "new": id("HEAD:c/d")},
        ])
    );
}

#[test]
fn other_objects() {
    let sandbox = filled();
    assert_eq!(sandbox.isodb(["show", "HEAD~1:b"]).ok().text(), "x\n");
    let blob = sandbox.isodb(["rev-parse", "HEAD~1:b"]).ok().line();
    assert_eq!(
        sandbox.isodb(["show", "--json", "HEAD~1:b"]).ok().line(),
        format!(r#"{{"id":"{blob}","kind":"blob","size":2}}"#)
    );
    assert_eq!(sandbox.isodb(["show", "HEAD^{tree}"]).ok().text(), sandbox.isodb(["ls-tree", "HEAD"]).ok().text());
    assert_eq!(
        sandbox.isodb(["show", "--json", "HEAD^{tree}"]).ok().text(),
        sandbox.isodb(["ls-tree", "HEAD", "--json"]).ok().text()
    );
    sandbox.git(["-c", "user.name=T", "-c", "user.email=t", "tag", "-a", "v1", "-m", "the first"]).ok();
    let text = sandbox.isodb(["show", "v1"]).ok().text();
    assert!(text.starts_with("tag v1\nthe first\ncommit "), "{text}");
    let json = sandbox.isodb(["show", "v1", "--json"]).ok().lines();
    let tag: serde_json::Value = serde_json::from_str(&json[0]).unwrap();
    let (id, target) = (sandbox.git(["rev-parse", "v1"]).ok().line(), sandbox.isodb(["head"]).ok().line());
    assert_eq!(tag, serde_json::json!({"tag": "v1", "id": id, "target": target, "message": "the first\n"}));
    refused(sandbox.isodb(["show", "no-such"]), 1, "no-such");
    refused(sandbox.isodb(["show", "HEAD:no"]), 1, "no document \"no\"");
}
