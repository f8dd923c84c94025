//! Keys on the command line: every valid one is taken and comes back, every other one is refused in one sentence.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use super::refused;
use crate::support::Sandbox;

#[test]
fn odd_keys_come_back() {
    let sandbox = Sandbox::with_database();
    let longest = format!("{}xx", format!("{}/", "y".repeat(240)).repeat(17))[..4096].to_owned();
    assert_eq!(longest.len(), 4096);
    let keys = [
        "a b",
        " ",
        "a\nb",
        "a\tb",
        "\u{1b}[31m",
        "\u{7f}",
        "\u{9b}x",
        "é",
        "🐄",
        "\u{200d}",
        "\u{feff}",
        "blob",
        ".git",
        "..",
        ".",
        "GIT~1",
        "a\\b",
        "%",
        "%41",
        "con",
        "a:b",
        "*",
        "--",
        "-k",
        "\"",
        "'",
        "blob/blob",
        ".part:x",
        ".conflict",
        "git~1/x",
        &longest,
        &"x".repeat(240),
        &"%".repeat(80),
    ];
    for (n, key) in keys.iter().enumerate() {
        sandbox.isodb_with_input(["put", "--", key], n.to_string()).ok();
        assert_eq!(sandbox.isodb(["get", "--", key]).ok().text(), n.to_string(), "{key:?}");
        assert_eq!(sandbox.isodb(["cat-object", &format!("HEAD:{key}")]).ok().text(), n.to_string(), "{key:?}");
    }
    let listed = sandbox.isodb(["ls", "-r", "-z"]).ok().text();
    let mut listed: Vec<&str> = listed.split_terminator('\0').collect();
    let mut wanted = keys.to_vec();
    listed.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    let quoted = sandbox.isodb(["ls", "-r"]).ok().text();
    assert!(!quoted.chars().any(|c| c.is_control() && c != '\n'), "{quoted:?}");
    for line in [r#""a\nb""#, r#""\u001b[31m""#, r#""\u007f""#, r#""\u009bx""#, r#""\"""#] {
        assert!(quoted.lines().any(|l| l == line), "{line} is not in {quoted}");
    }
    for line in sandbox.isodb(["ls", "-r", "--json"]).ok().lines() {
        let record: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(keys.contains(&record["key"].as_str().unwrap()));
    }
    sandbox.check_with_git();
}

#[test]
fn what_is_no_key_is_refused_everywhere() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    let head = sandbox.isodb(["head"]).ok().line();
    let long = "x/".repeat(2048) + "x";
    let bad = [
        ("", "a key is empty"),
        ("/", "empty segment"),
        ("/a", "empty segment"),
        ("a//b", "empty segment"),
        (&"x".repeat(241), "241 bytes after escaping, and 240 is the limit"),
        (&".".repeat(239), "241 bytes"),
        (&"~".repeat(81), "243 bytes"),
        (&long, "4097 bytes, and 4096 is the limit"),
    ];
    for (key, words) in bad {
        refused(sandbox.isodb_with_input(["put", key], "x"), 2, words);
        refused(sandbox.isodb(["get", key]), 2, words);
        refused(sandbox.isodb(["rm", key]), 2, words);
        refused(sandbox.isodb(["restore", key, "--from", "HEAD"]), 2, words);
        refused(sandbox.isodb(["ls", "--from", key]), 2, words);
        refused(sandbox.isodb(["rev-parse", &format!("HEAD:{key}")]), 2, words);
        let line = serde_json::json!({"key": key, "value": 1}).to_string();
        refused(sandbox.isodb_with_input(["apply"], &line), 2, words)
            .stderr()
            .contains("line 1: ")
            .then_some(())
            .unwrap();
    }
    refused(sandbox.isodb_with_input(["put", "a/"], "x"), 2, "empty segment");
    refused(sandbox.isodb_with_input(["apply"], r#"{"key":"a\u0000","value":1}"#), 2, "NUL character");
    // A slash behind a folder's key is how ls shows it.
    assert_eq!(sandbox.isodb(["ls", "-r", "a/"]).ok().line(), "a");
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
}

#[test]
fn arguments_that_are_not_utf_8_are_refused() {
    let sandbox = Sandbox::with_database();
    let bad = OsStr::from_bytes(b"a\xff");
    for command in ["put", "get", "rm", "ls", "log", "rev-parse", "cat-object", "show", "ls-tree", "config", "head"] {
        refused(sandbox.isodb([OsStr::new(command), bad]), 2, "not valid UTF-8");
    }
    refused(sandbox.isodb([bad]), 2, "no command");
    // A file's name can be anything.
    std::fs::write(sandbox.path().join(bad), "content").unwrap();
    sandbox.isodb([OsStr::new("put"), OsStr::new("a"), bad]).ok();
    assert_eq!(sandbox.isodb(["get", "a"]).ok().text(), "content");
}

#[test]
fn a_dash_needs_two_before_it() {
    let sandbox = Sandbox::with_database();
    let ran = refused(sandbox.isodb_with_input(["put", "-k"], "1"), 2, "-k");
    assert!(ran.stderr().contains("use '-- -k'"));
    sandbox.isodb_with_input(["put", "--", "-k"], "1").ok();
    sandbox.isodb(["rm", "--", "-k"]).ok();
}

#[test]
fn keys_in_errors_cannot_steer_a_terminal() {
    let sandbox = Sandbox::with_database();
    for key in ["a\u{1b}[2Jb", "a\nerror: b", "a\u{9b}b", "a\rb"] {
        refused(sandbox.isodb(["get", key]), 1, "there is no document");
        refused(sandbox.isodb(["ls", "--limit", key]), 2, "--limit");
        refused(sandbox.isodb([key]), 2, "no command");
        refused(sandbox.isodb(["rev-parse", key]), 1, "no revision");
        refused(sandbox.isodb(["--db", key, "ls"]), 2, "is not a database");
    }
}
