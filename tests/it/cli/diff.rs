//! `diff`: which documents differ between two revisions, and how.

use super::refused;
use crate::support::Sandbox;

fn commit(sandbox: &Sandbox, documents: &[(&str, &str)]) {
    let lines: Vec<String> =
        documents.iter().map(|(k, t)| serde_json::json!({"key": k, "text": t}).to_string()).collect();
    sandbox.isodb_with_input(["apply"], lines.join("\n")).ok();
}

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    commit(&sandbox, &[("a", "1"), ("f/x", "1"), ("f/y", "1"), ("g", "1")]);
    commit(&sandbox, &[("a", "22"), ("f/z", "3")]);
    sandbox.isodb(["rm", "f/x"]).ok();
    sandbox
}

#[test]
fn names_and_sizes() {
    let sandbox = filled();
    let diff = |args: &[&str]| sandbox.isodb([&["diff"], args].concat()).ok().text();
    assert_eq!(diff(&["HEAD~2", "HEAD"]), "M\ta\nD\tf/x\nA\tf/z\n");
    assert_eq!(diff(&["HEAD~2"]), "M\ta\nD\tf/x\nA\tf/z\n");
    assert_eq!(diff(&["HEAD", "HEAD~2"]), "M\ta\nA\tf/x\nD\tf/z\n");
    assert_eq!(diff(&["HEAD~2", "HEAD", "f"]), "D\tf/x\nA\tf/z\n");
    assert_eq!(diff(&["HEAD~2", "HEAD", "f/"]), "D\tf/x\nA\tf/z\n");
    assert_eq!(diff(&["HEAD~2", "HEAD", "f/y"]), "");
    assert_eq!(diff(&["HEAD~2", "HEAD", "no"]), "");
    assert_eq!(diff(&["HEAD", "HEAD"]), "");
    assert_eq!(diff(&["--stat", "HEAD~2"]), "M\t1\t2\ta\nD\t1\t-\tf/x\nA\t-\t1\tf/z\n1 added, 1 changed, 1 removed\n");
    assert_eq!(diff(&["-z", "HEAD~2"]), "M\ta\0D\tf/x\0A\tf/z\0");
    let tree = sandbox.git(["rev-parse", "HEAD~2^{tree}"]).ok().line();
    assert_eq!(diff(&[&tree, "main"]), "M\ta\nD\tf/x\nA\tf/z\n");
    assert_eq!(diff(&["main@{2}", "main", "f"]), "D\tf/x\nA\tf/z\n");
    let id = |revision: &str| sandbox.isodb(["rev-parse", revision]).ok().line();
    assert_eq!(
        diff(&["--json", "HEAD~2", "HEAD", "a"]),
        format!(
            "{{\"key\":\"a\",\"new\":\"{}\",\"old\":\"{}\",\"status\":\"changed\"}}\n",
            id("HEAD:a"),
            id("HEAD~2:a")
        )
    );
}

#[test]
fn the_exit_code() {
    let sandbox = filled();
    assert_eq!(sandbox.isodb(["diff", "--exit-code", "HEAD~2", "HEAD", "f"]).status(1).text(), "D\tf/x\nA\tf/z\n");
    let ran = sandbox.isodb(["diff", "--exit-code", "HEAD~2", "HEAD", "f/y"]).ok();
    assert_eq!(ran.text() + &ran.stderr(), "");
    assert_eq!(sandbox.isodb(["diff", "--exit-code", "HEAD~2"]).status(1).stderr(), "", "a difference is no error");
    sandbox.isodb(["diff", "HEAD~2"]).ok();
    refused(sandbox.isodb(["diff"]), 2, "<A>");
    refused(sandbox.isodb(["diff", "no-such"]), 1, "no-such");
    refused(sandbox.isodb(["diff", "HEAD:a"]), 2, "a tree is wanted");
    refused(sandbox.isodb(["diff", "-p", "--json", "HEAD~1"]), 2, "cannot be used with");
}

/// The patch between two contents.
fn patch(old: &str, new: &str) -> String {
    let sandbox = Sandbox::with_database();
    commit(&sandbox, &[("k", old)]);
    commit(&sandbox, &[("k", new)]);
    let text = sandbox.isodb(["diff", "-p", "HEAD~1"]).ok().text();
    text.strip_prefix("M\tk\n").unwrap().to_owned()
}

#[test]
fn json_is_compared_by_field() {
    for (old, new, expected) in [
        (r#"{"a":1,"b":{"c":[1,2]}}"#, r#"{"a":1,"b":{"c":[1,3]}}"#, "- /b/c/1: 2\n+ /b/c/1: 3\n"),
        (r#"{"a":1}"#, r#"{"b":1}"#, "- /a: 1\n+ /b: 1\n"),
        (r#"{"x/y":1,"z~":1}"#, r#"{"x/y":2,"z~":2}"#, "- /x~1y: 1\n+ /x~1y: 2\n- /z~0: 1\n+ /z~0: 2\n"),
        (r#"[1]"#, r#"[1,{"a":null}]"#, "+ /1: {\"a\":null}\n"),
        (r#"{"a":1.0}"#, r#"{"a":1.00}"#, "- /a: 1.0\n+ /a: 1.00\n"),
        (r#"{"a":1}"#, r#"[1]"#, "- (all): {\"a\":1}\n+ (all): [1]\n"),
        ("{\"a\":\"\u{9b}\"}", r#"{"a":0}"#, "- /a: \"\u{fffd}\"\n+ /a: 0\n"),
    ] {
        assert_eq!(patch(old, new), expected);
    }
    // The same fields in another spelling: the lines tell.
    assert_eq!(
        patch("{\"a\":1}", "{ \"a\":1}"),
        "@@ -1 +1 @@\n-{\"a\":1}\n\\ no newline at the end\n+{ \"a\":1}\n\\ no newline at the end\n"
    );
}

#[test]
fn text_is_compared_by_line() {
    assert_eq!(patch("1\n2\n3\n4\n5\n", "1\n2\nthree\n4\n5\n"), "@@ -1,5 +1,5 @@\n 1\n 2\n-3\n+three\n 4\n 5\n");
    assert_eq!(patch("1", "2"), "@@ -1 +1 @@\n-1\n\\ no newline at the end\n+2\n\\ no newline at the end\n");
    assert_eq!(patch("a\u{1b}[0m\n", "b\n"), "@@ -1 +1 @@\n-a\u{fffd}[0m\n+b\n");
}

#[test]
fn bytes_and_additions() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "bin"], b"\0\xff").ok();
    sandbox.isodb_with_input(["put", "bin"], b"\0\xfe\xff").ok();
    assert_eq!(sandbox.isodb(["diff", "-p", "HEAD~1"]).ok().text(), "M\tbin\n  bytes differ: 2 before, 3 now\n");
    sandbox.isodb_with_input(["put", "new"], "line\n").ok();
    assert_eq!(sandbox.isodb(["diff", "-p", "HEAD~1"]).ok().text(), "A\tnew\n@@ -0,0 +1 @@\n+line\n");
}
