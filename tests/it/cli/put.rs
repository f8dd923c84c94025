//! `put`: what it stores, from where, on what conditions, and what it prints.

use std::os::unix::fs::PermissionsExt;

use super::refused;
use crate::support::Sandbox;

#[test]
fn a_document_comes_back_and_git_agrees() {
    let sandbox = Sandbox::with_database();
    let commit = sandbox.isodb_with_input(["put", "animals/bella"], "{\"born\":2021}\n").ok().line();
    assert_eq!(sandbox.isodb(["get", "animals/bella"]).ok().text(), "{\"born\":2021}\n");
    assert_eq!(sandbox.isodb(["head"]).ok().line(), commit);
    assert_eq!(sandbox.git(["rev-parse", "HEAD"]).ok().line(), commit);
    assert_eq!(sandbox.git(["show", "HEAD:animals/bella/blob"]).ok().text(), "{\"born\":2021}\n");
    sandbox.check_with_git();
}

#[test]
fn the_content_is_a_file_or_stdin() {
    let sandbox = Sandbox::with_database();
    let file = sandbox.write("notes.txt", b"from a file\0\xff");
    sandbox.isodb(["put", "a", "notes.txt"]).ok();
    assert_eq!(sandbox.isodb(["get", "a"]).ok().bytes(), b"from a file\0\xff");
    sandbox.isodb_with_input(["put", "b", "-"], "from stdin").ok();
    assert_eq!(sandbox.isodb(["get", "b"]).ok().text(), "from stdin");
    sandbox.isodb_with_input(["put", "c"], "").ok();
    assert_eq!(sandbox.isodb(["get", "c"]).ok().bytes(), b"");
    sandbox.isodb(["-C", "/", "--db", sandbox.db().to_str().unwrap(), "put", "d", file.to_str().unwrap()]).ok();
    assert_eq!(sandbox.isodb(["get", "d"]).ok().bytes(), b"from a file\0\xff");
    assert_eq!(sandbox.bash("isodb put e <(echo piped) && isodb get e").ok().lines()[1], "piped");
    sandbox.check_with_git();
}

#[test]
fn what_cannot_be_read_is_refused() {
    let sandbox = Sandbox::with_database();
    std::fs::create_dir(sandbox.path().join("folder")).unwrap();
    refused(sandbox.isodb(["put", "a", "no-such-file"]), 2, "no-such-file");
    refused(sandbox.isodb(["put", "a", "folder"]), 2, "folder is a directory");
    refused(sandbox.bash("isodb put a </"), 2, "stdin");
    let secret = sandbox.write("secret", "x");
    std::fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).unwrap();
    // Nothing is forbidden to the superuser.
    if std::fs::read(&secret).is_err() {
        refused(sandbox.isodb(["put", "a", "secret"]), 5, "secret");
    }
    refused(sandbox.isodb(["head"]), 1, "no commit yet");
    let temporary = std::fs::read_dir(sandbox.db().join("isodb/tmp")).unwrap().count();
    assert_eq!(temporary, 0, "nothing is left behind");
}

#[test]
fn nobody_is_left_waiting_at_a_terminal() {
    let sandbox = Sandbox::with_database();
    for command in ["put a", "apply", "hash-object"] {
        let ran = sandbox.bash(&format!("script -qec 'isodb {command} 2>&1' /dev/null </dev/null")).status(2);
        let text = ran.text();
        assert!(text.contains("stdin is a terminal") && text.contains("give - to type it"), "{command}: {text}");
    }
}

#[test]
fn the_same_content_makes_no_commit() {
    let sandbox = Sandbox::with_database();
    let first = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    assert_eq!(sandbox.isodb_with_input(["put", "a"], "1").ok().line(), first);
    let again = sandbox.isodb_with_input(["put", "a", "--json"], "1").ok().line();
    let blob = sandbox.git(["rev-parse", "HEAD:a/blob"]).ok().line();
    assert_eq!(again, format!(r#"{{"commit":"{first}","id":"{blob}","key":"a","new":false}}"#));
    let changed = sandbox.isodb_with_input(["put", "a", "--json"], "2").ok().line();
    assert!(changed.ends_with(r#""key":"a","new":true}"#), "{changed}");
    assert_eq!(sandbox.git(["rev-list", "--count", "HEAD"]).ok().line(), "2");
}

#[test]
fn a_condition_on_the_document() {
    let sandbox = Sandbox::with_database();
    let put = |condition: &str, content: &str| sandbox.isodb_with_input(["put", "a", "--if", condition], content);
    put("none", "1").ok();
    let head = sandbox.isodb(["head"]).ok().line();
    refused(put("none", "2"), 3, "\"a\" holds");
    let id = sandbox.isodb(["rev-parse", "HEAD:a"]).ok().line();
    put(&id, "2").ok();
    refused(put(&id, "3"), 3, &id);
    put("HEAD:a", "3").ok();
    refused(put(&format!("{head}:a"), "4"), 3, "\"a\" holds");
    refused(put("nonsense", "4"), 1, "nonsense");
    refused(put("HEAD:b", "4"), 1, "no document \"b\"");
    refused(sandbox.isodb_with_input(["put", "b", "--if", &id], "1"), 3, "does not exist");
    assert_eq!(sandbox.isodb(["get", "a"]).ok().text(), "3");
    sandbox.check_with_git();
}

#[test]
fn a_condition_on_the_ref() {
    let sandbox = Sandbox::with_database();
    let put = |expect: &str, content: &str| sandbox.isodb_with_input(["put", "a", "--expect", expect], content);
    let first = put("none", "1").ok().line();
    refused(put("none", "2"), 3, "refs/heads/main is at");
    let second = put(&first, "2").ok().line();
    let lost = refused(put(&first, "3"), 3, &second);
    assert!(lost.stderr().contains(&first));
    put("HEAD~0", "3").ok();
    refused(put("HEAD~9", "4"), 1, "HEAD~9");
    // The expectation holds even where there is nothing to change.
    refused(put(&first, "3"), 3, "refs/heads/main is at");
    assert_eq!(sandbox.isodb(["get", "a"]).ok().text(), "3");
}

#[test]
fn a_commit_on_given_parents_moves_no_ref() {
    let sandbox = Sandbox::with_database();
    let base = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    let put = |args: &[&str], content: &str| sandbox.isodb_with_input([&["put", "b"], args].concat(), content).ok();
    let left = put(&["--on", "HEAD"], "left").line();
    let right = put(&["--on", &base], "right").line();
    assert_ne!(left, right);
    assert_eq!(sandbox.isodb(["head"]).ok().line(), base);
    assert_eq!(sandbox.isodb(["get", "b", "--at", &left]).ok().text(), "left");
    let merge = put(&["--on", &left, "--on", &right], "both").line();
    assert_eq!(
        sandbox.git(["rev-parse", &format!("{merge}^1"), &format!("{merge}^2")]).ok().lines(),
        [left.clone(), right]
    );
    let alone = put(&["--on", "none"], "alone").line();
    assert_eq!(sandbox.isodb(["ls", "-r", "--at", &alone]).ok().line(), "b");
    assert_eq!(sandbox.git(["rev-list", "--count", &alone]).ok().line(), "1");
    // No change: the parent itself.
    assert_eq!(put(&["--on", &left], "left").line(), left);
    sandbox.isodb(["ref", "set", "main", &merge, "--expect", &base]).ok();
    assert_eq!(sandbox.isodb(["get", "b"]).ok().text(), "both");
    refused(sandbox.isodb(["put", "b", "--on", "HEAD", "--expect", "HEAD"]), 2, "cannot be used with");
    refused(sandbox.isodb(["put", "b", "--on", "no-such"]), 1, "no-such");
    sandbox.check_with_git();
}

#[test]
fn another_ref_and_a_message() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a", "--ref", "side", "-m", "erste\n\nzwei"], "1").ok();
    refused(sandbox.isodb(["head"]), 1, "no commit yet");
    let text = sandbox.git(["cat-file", "-p", "refs/heads/side"]).ok().text();
    assert!(text.ends_with("\n\nerste\n\nzwei\n"), "{text}");
    sandbox.isodb_with_input(["put", "a\nb", "--ref", "refs/heads/side"], "1").ok();
    assert_eq!(sandbox.git(["log", "-1", "--format=%s", "side"]).ok().line(), r#"put "a\nb""#);
    refused(sandbox.isodb_with_input(["put", "a", "--ref", "a b"], "1"), 2, "cannot be the name of a ref");
    sandbox.isodb(["head", "side"]).ok();
    sandbox.check_with_git();
}

#[test]
fn large_documents_pass_through() {
    let sandbox = Sandbox::with_database();
    for megabytes in [5, 20] {
        let content: Vec<u8> = (0..megabytes << 20).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let file = sandbox.write("large", &content);
        let expected = sandbox.git(["hash-object", file.to_str().unwrap()]).ok().line();
        sandbox.isodb(["put", "from/file", "large"]).ok();
        sandbox.isodb_with_input(["put", "from/stdin"], &content).ok();
        assert_eq!(sandbox.isodb(["rev-parse", "HEAD:from/file", "HEAD:from/stdin"]).ok().lines(), vec![&*expected; 2]);
        assert!(sandbox.isodb(["get", "from/stdin"]).ok().bytes() == content);
        assert!(sandbox.isodb(["cat-object", "HEAD:from/file"]).ok().bytes() == content);
        assert_eq!(sandbox.isodb(["hash-object", "large"]).ok().line(), expected);
        assert_eq!(sandbox.isodb_with_input(["hash-object"], &content).ok().line(), expected);
        let line = sandbox.isodb(["get", "--json", "from/file"]).ok();
        sandbox.isodb_with_input(["apply"], line.text().replace("from/file", "from/json")).ok();
        assert_eq!(sandbox.isodb(["rev-parse", "HEAD:from/json"]).ok().line(), expected);
    }
    sandbox.check_with_git();
}
