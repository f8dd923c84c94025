//! `hash-object`, `ls-tree`, `count-objects`: beside git's.

use super::refused;
use crate::support::Sandbox;

#[test]
fn ids_are_gits() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    for (name, content) in [("empty", b"".to_vec()), ("text", b"hello\n".to_vec()), ("bytes", (0..=255).collect())] {
        sandbox.write(name, &content);
        let id = sandbox.git(["hash-object", &sandbox.path().join(name).display().to_string()]).ok().line();
        assert_eq!(sandbox.isodb(["hash-object", name]).ok().line(), id);
        assert_eq!(sandbox.isodb_with_input(["hash-object"], &content).ok().line(), id);
        assert_eq!(sandbox.isodb_with_input(["hash-object", "-"], &content).ok().line(), id);
        assert_eq!(sandbox.isodb(["cat-object", "-e", &id]).status(1).text(), "", "hashing stores nothing");
        assert_eq!(sandbox.isodb(["hash-object", "-w", name]).ok().line(), id);
        assert!(sandbox.git(["cat-file", "blob", &id]).ok().bytes() == content);
    }
    assert_eq!(
        sandbox.isodb(["hash-object", "--json", "text"]).ok().line(),
        format!(r#"{{"id":"{}","kind":"blob"}}"#, sandbox.isodb(["hash-object", "text"]).ok().line())
    );
    sandbox.check_with_git();
}

#[test]
fn hashing_needs_no_database() {
    let sandbox = Sandbox::new();
    sandbox.isodb_with_input(["hash-object"], "x").ok();
    refused(sandbox.isodb_with_input(["hash-object", "-w"], "x"), 2, "no database");
}

#[test]
fn other_kinds_must_have_their_form() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a/b"], "1").ok();
    sandbox.git(["-c", "user.name=T", "-c", "user.email=t", "tag", "-a", "v1", "-m", "m"]).ok();
    for (revision, kind) in [("HEAD", "commit"), ("HEAD^{tree}", "tree"), ("v1", "tag")] {
        let body = sandbox.isodb(["cat-object", revision]).ok();
        let id = sandbox.git(["rev-parse", revision]).ok().line();
        assert_eq!(sandbox.isodb_with_input(["hash-object", "-t", kind], body.bytes()).ok().line(), id);
        assert_eq!(sandbox.isodb_with_input(["hash-object", "-w", "-t", kind], body.bytes()).ok().line(), id);
        refused(sandbox.isodb_with_input(["hash-object", "-t", kind], "nonsense"), 2, &format!("not a {kind}: "));
    }
    let changed = sandbox.isodb(["cat-object", "HEAD"]).ok().text().replace("Ann", "Bob");
    let id = sandbox.isodb_with_input(["hash-object", "-w", "-t", "commit"], changed).ok().line();
    assert_eq!(sandbox.git(["log", "-1", "--format=%an", &id]).ok().line(), "Bob");
    refused(sandbox.isodb_with_input(["hash-object", "-t", "blub"], ""), 2, "\"blub\" is no kind of object");
    refused(sandbox.isodb(["hash-object", "no-such"]), 2, "no-such");
    refused(sandbox.isodb(["hash-object", "."]), 2, "is a directory");
    refused(sandbox.isodb(["hash-object", "-w", "."]), 2, "is a directory");
    refused(sandbox.bash("isodb hash-object -w </"), 2, "cannot read stdin");
    sandbox.check_with_git();
}

#[test]
fn a_tree_that_is_too_long_is_refused_not_cut() {
    let sandbox = Sandbox::with_database();
    let ran = sandbox.bash("head -c 268435457 /dev/zero | isodb hash-object -t tree");
    refused(ran, 2, "more than the limit of 268435456");
}

#[test]
fn trees_are_listed_as_git_does() {
    let sandbox = Sandbox::with_database();
    let lines: String = (0..300)
        .map(|n| format!("{{\"key\":\"f/{n}/.x/é\",\"value\":{n}}}\n{{\"key\":\"f/{n}\",\"value\":{n}}}\n"))
        .collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], lines).ok();
    let git = |args: &[&str]| sandbox.git([&["-c", "core.quotePath=false", "ls-tree"], args].concat()).ok();
    for (ours, gits) in [
        (vec!["HEAD"], vec!["HEAD"]),
        (vec!["HEAD:f"], vec!["HEAD:f"]),
        (vec!["HEAD:"], vec!["HEAD:"]),
        (vec![":f"], vec!["HEAD:f"]),
        (vec!["HEAD^{tree}"], vec!["HEAD^{tree}"]),
        (vec!["-r", "HEAD"], vec!["-r", "HEAD"]),
        (vec!["-rz", "HEAD"], vec!["-rz", "HEAD"]),
        (vec!["-z", "HEAD:f"], vec!["-z", "HEAD:f"]),
    ] {
        assert!(sandbox.isodb([&["ls-tree"], ours.as_slice()].concat()).ok().bytes() == git(&gits).bytes(), "{ours:?}");
    }
    let folder = sandbox.git(["rev-parse", "HEAD:f"]).ok().line();
    assert_eq!(
        sandbox.isodb(["ls-tree", "--json", "HEAD"]).ok().line(),
        format!(r#"{{"id":"{folder}","kind":"tree","mode":"040000","name":"f"}}"#)
    );
    // A folder is found by its key, through parts and escapes.
    assert!(sandbox.isodb(["ls-tree", "HEAD:f/17/.x"]).ok().line().ends_with("\té"));
    refused(sandbox.isodb(["ls-tree", "HEAD:no"]), 1, "nothing at or below \"no\"");
    refused(sandbox.isodb(["ls-tree", "no"]), 1, "no ref has this name");
    let blob = sandbox.isodb(["rev-parse", "HEAD:f/1"]).ok().line();
    refused(sandbox.isodb(["ls-tree", &blob]), 2, "a tree is wanted");
}
