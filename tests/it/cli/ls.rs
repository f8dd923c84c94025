//! `ls`: what is listed, in which order, in which form.

use super::refused;
use crate::support::Sandbox;

/// Keys in the order of listings: by the segments' names, each as if it ended in a slash.
const KEYS: [&str; 9] = ["a b/c", "a-b", "a.b", "a", "a/b", "a/b/c", "ab", "b/x", "é"];

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    let lines: String = KEYS.iter().rev().map(|key| format!("{{\"key\":\"{key}\",\"text\":\"{key}\"}}\n")).collect();
    sandbox.isodb_with_input(["apply"], lines).ok();
    sandbox
}

fn ls(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    sandbox.isodb([&["ls"], args].concat()).ok().lines()
}

#[test]
fn children_and_all_documents() {
    let sandbox = filled();
    assert_eq!(ls(&sandbox, &[]), ["a b/", "a-b", "a.b", "a", "a/", "ab", "b/", "é"]);
    assert_eq!(ls(&sandbox, &["/"]), ls(&sandbox, &[]));
    assert_eq!(ls(&sandbox, &["a"]), ["a/b", "a/b/"]);
    assert_eq!(ls(&sandbox, &["a/"]), ["a/b", "a/b/"]);
    assert_eq!(ls(&sandbox, &["ab"]), [""; 0]);
    assert_eq!(ls(&sandbox, &["-r"]), KEYS);
    assert_eq!(ls(&sandbox, &["-r", "a"]), ["a", "a/b", "a/b/c"]);
    refused(sandbox.isodb(["ls", "x"]), 1, "there is nothing at or below \"x\"");
    refused(sandbox.isodb(["ls", "-r", "a/x"]), 1, "nothing at or below");
    sandbox.isodb(["ls", "--at", "HEAD", "-r"]).ok();
}

#[test]
fn ranges() {
    let sandbox = filled();
    // Every pair of bounds, against the list itself.
    for (from, first) in KEYS.iter().enumerate() {
        for (to, last) in KEYS.iter().enumerate().skip(from) {
            assert_eq!(ls(&sandbox, &["--from", first, "--to", last]), KEYS[from..to], "{first} {last}");
        }
        assert_eq!(ls(&sandbox, &["--from", first]), KEYS[from..]);
        assert_eq!(ls(&sandbox, &["--to", first]), KEYS[..from]);
    }
    assert_eq!(ls(&sandbox, &["a", "--from", "a/b"]), ["a/b", "a/b/c"]);
    assert_eq!(ls(&sandbox, &["a", "--from", "b"]), [""; 0]);
    assert_eq!(ls(&sandbox, &["--from", "zz", "--to", "b"]), [""; 0]);
    assert_eq!(ls(&sandbox, &["--from", "a/a", "--limit", "2"]), ["a/b", "a/b/c"]);
}

#[test]
fn limits_and_counts() {
    let sandbox = filled();
    assert_eq!(ls(&sandbox, &["-r", "--limit", "3"]), KEYS[..3]);
    assert_eq!(ls(&sandbox, &["--limit", "0"]), [""; 0]);
    assert_eq!(ls(&sandbox, &["-r", "--count"]), ["9"]);
    assert_eq!(ls(&sandbox, &["--count"]), ["8"]);
    assert_eq!(ls(&sandbox, &["a", "--count", "--limit", "1"]), ["1"]);
    assert_eq!(ls(&sandbox, &["-r", "x", "--count"]), ["0"]);
    assert_eq!(ls(&sandbox, &["-r", "--count", "--json"]), [r#"{"count":9}"#]);
    for bad in ["-1", "x", "", "99999999999999999999"] {
        refused(sandbox.isodb([&format!("--limit={bad}"), "ls"]), 2, "--limit");
        refused(sandbox.isodb(["ls", &format!("--limit={bad}")]), 2, "--limit");
    }
}

#[test]
fn before_the_first_commit() {
    let sandbox = Sandbox::with_database();
    assert_eq!(ls(&sandbox, &[]), [""; 0]);
    assert_eq!(ls(&sandbox, &["-r", "--count"]), ["0"]);
    refused(sandbox.isodb(["ls", "a"]), 1, "nothing at or below");
    refused(sandbox.isodb(["ls", "--at", "HEAD"]), 1, "no commit yet");
}

#[test]
fn ids_and_sizes() {
    let sandbox = filled();
    let blob = sandbox.git(["rev-parse", "HEAD:a/blob"]).ok().line();
    let folder = sandbox.git(["rev-parse", "HEAD:a"]).ok().line();
    let long = ls(&sandbox, &["--long"]);
    assert_eq!(long[3..5], [format!("{blob} 1 a"), format!("{folder} - a/")]);
    let long = ls(&sandbox, &["-rl", "a"]);
    assert_eq!(long[0], format!("{blob} 1 a"));
    let json = ls(&sandbox, &["--json", "--long"]);
    assert_eq!(
        json[3..5],
        [format!(r#"{{"id":"{blob}","key":"a","size":1}}"#), r#"{"folder":true,"key":"a"}"#.to_owned()]
    );
    assert_eq!(ls(&sandbox, &["-r", "--json", "--limit", "1", "a"]), [format!(r#"{{"id":"{blob}","key":"a"}}"#)]);
}

#[test]
fn as_it_was() {
    let sandbox = filled();
    sandbox.isodb(["rm", "-r", "a"]).ok();
    assert_eq!(ls(&sandbox, &["-r", "--at", "HEAD~1"]), KEYS);
    assert_eq!(ls(&sandbox, &["-r"]).len(), KEYS.len() - 3);
}

#[test]
fn records_that_end_in_nul() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a\nb/c"], "1").ok();
    assert_eq!(sandbox.isodb(["ls", "-z"]).ok().text(), "a\nb/\0");
    assert_eq!(sandbox.isodb(["ls", "-rz"]).ok().text(), "a\nb/c\0");
    assert_eq!(ls(&sandbox, &[]), [r#""a\nb"/"#]);
    assert_eq!(ls(&sandbox, &["-r"]), [r#""a\nb/c""#]);
    let read = sandbox.bash("isodb ls -rz | isodb get --batch -z | tr '\\0' '|'").ok().text();
    assert!(read.ends_with(" 1 a\nb/c|1|"), "{read}");
}

#[test]
fn large_folders_keep_their_order() {
    let sandbox = Sandbox::with_database();
    let mut keys: Vec<String> = (0..1000).map(|n| format!("f/{}", n * 7919 % 1000)).collect();
    let lines: String = keys.iter().map(|key| format!("{{\"key\":\"{key}\",\"value\":0}}\n")).collect();
    sandbox.isodb_with_input(["apply"], lines).ok();
    keys.sort_by_key(|key| format!("{key}/"));
    assert_eq!(ls(&sandbox, &["f"]), keys);
    assert_eq!(ls(&sandbox, &["-r"]), keys);
    assert_eq!(ls(&sandbox, &["-r", "--limit", "700"]), keys[..700]);
    assert_eq!(ls(&sandbox, &["-r", "--count", "--limit", "700"]), ["700"]);
    assert_eq!(ls(&sandbox, &["-r", "--count"]), ["1000"]);
    assert_eq!(ls(&sandbox, &["-rl"]).iter().filter(|line| line.contains(" 1 f/")).count(), 1000);
    assert_eq!(ls(&sandbox, &["--from", "f/5", "--to", "f/6"]).len(), 111);
    sandbox.check_with_git();
}
