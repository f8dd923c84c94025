//! `init`: where a database is made, and what is refused.

use super::refused;
use crate::support::Sandbox;

#[test]
fn here_or_in_a_directory() {
    let sandbox = Sandbox::new();
    let root = sandbox.path().canonicalize().unwrap();
    assert_eq!(sandbox.isodb(["init"]).ok().line(), root.join(".isodb").display().to_string());
    assert_eq!(sandbox.isodb(["init", "new/dir"]).ok().line(), "new/dir/.isodb");
    assert_eq!(sandbox.isodb(["init", "farm.isodb"]).ok().line(), "farm.isodb");
    assert_eq!(sandbox.isodb(["-C", "new", "init", "x"]).ok().line(), "new/x/.isodb");
    assert_eq!(sandbox.isodb(["--db", "given", "init"]).ok().line(), "given");
    let json = sandbox.isodb(["init", "again", "--json"]).ok().line();
    assert_eq!(json, r#"{"new":true,"path":"again/.isodb"}"#);
    for dir in [".isodb", "new/dir/.isodb", "farm.isodb", "new/x/.isodb", "given", "again/.isodb"] {
        assert_eq!(std::fs::read_to_string(root.join(dir).join("HEAD")).unwrap(), "ref: refs/heads/main\n");
        let fsck = sandbox.bash(&format!("git --git-dir={dir} fsck --strict --full 2>&1")).ok();
        assert!(fsck.text().lines().all(|line| line.starts_with("notice: ")), "{}", fsck.text());
    }
}

#[test]
fn twice_changes_nothing() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    let ran = sandbox.isodb(["init", "--branch", "other"]).ok();
    assert_eq!(ran.stderr(), "note: it was a database already, and is left as it was\n");
    assert!(ran.line().ends_with("/.isodb"));
    assert_eq!(sandbox.isodb(["-q", "init"]).ok().stderr(), "");
    assert!(sandbox.isodb(["-q", "init", "--json"]).ok().line().starts_with(r#"{"new":false,"#));
    assert_eq!(sandbox.isodb(["get", "a"]).ok().text(), "1");
    assert_eq!(sandbox.isodb(["head", "--name"]).ok().line(), "refs/heads/main");
}

#[test]
fn the_first_branch() {
    let sandbox = Sandbox::new();
    sandbox.isodb(["init", "--branch", "trunk"]).ok();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    assert_eq!(sandbox.isodb(["ref", "list"]).ok().line().split(' ').next_back(), Some("refs/heads/trunk"));
    refused(sandbox.isodb(["init", "other", "--branch", "a b"]), 2, "cannot be the name of a ref");
    assert!(!sandbox.path().join("other").exists());
    sandbox.check_with_git();
}

#[test]
fn what_is_in_the_way_stays() {
    let sandbox = Sandbox::new();
    sandbox.write("full.isodb/notes.txt", "mine");
    refused(sandbox.isodb(["init", "full.isodb"]), 2, "it exists and holds \"notes.txt\"");
    sandbox.write("file", "mine");
    refused(sandbox.isodb(["init", "file"]), 2, "file");
    sandbox.write("file.isodb", "mine");
    refused(sandbox.isodb(["init", "file.isodb"]), 2, "it is a file");
    sandbox.write("dir/.isodb", "mine");
    refused(sandbox.isodb(["init", "dir"]), 2, "it is a file");
    assert_eq!(std::fs::read_dir(sandbox.path().join("full.isodb")).unwrap().count(), 1);
    // A directory that holds other things can hold a database beside them.
    sandbox.write("project/main.rs", "mine");
    sandbox.isodb(["init", "project"]).ok();
    refused(sandbox.isodb(["init", "/proc/no"]), 5, "/proc/no");
    // What git made is no database of ours, and stays as it is.
    sandbox.bash("git init -q --bare --object-format=sha256 git.isodb").ok();
    refused(sandbox.isodb(["init", "git.isodb"]), 2, "git.isodb");
}

#[test]
fn a_database_that_was_being_made_is_made() {
    let sandbox = Sandbox::with_database();
    std::fs::remove_file(sandbox.db().join("config")).unwrap();
    refused(sandbox.isodb(["ls"]), 2, "it has no file `config`");
    sandbox.isodb(["init"]).ok();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    sandbox.check_with_git();
}
