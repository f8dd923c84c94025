//! `fsck`: every kind of damage is found, under its stable id, with status 4.

use std::path::PathBuf;

use crate::support::{Sandbox, run};

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    // Each object in a file of its own, to damage it alone.
    sandbox.isodb(["config", "core.unpackLimit", "1000"]).ok();
    let lines: String = (0..100).map(|n| format!("{{\"key\":\"f/{n}\",\"value\":{n}}}\n")).collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], lines).ok();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    sandbox.isodb_with_input(["put", "a"], "2").ok();
    sandbox.isodb(["ref", "set", "side", "HEAD~1"]).ok();
    sandbox
}

/// The ids of the problems that are found, and the exit status that they ask for.
#[track_caller]
fn problems(sandbox: &Sandbox, status: i32) -> Vec<String> {
    let ran = sandbox.isodb(["fsck", "--json"]).status(status);
    let records = ran.lines();
    let parsed: Vec<serde_json::Value> = records.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let lines = sandbox.isodb(["fsck"]).status(status).lines();
    assert_eq!(lines.len(), parsed.len());
    for (record, line) in parsed.iter().zip(&lines) {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        assert!(line.starts_with(&format!("{} {} ", text("severity"), text("id"))), "{line}");
        assert!(!line.contains("Error") && !line.contains("Some("), "{line}");
    }
    let mut ids: Vec<String> = parsed.iter().map(|record| record["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    ids.dedup();
    ids
}

fn object(sandbox: &Sandbox, revision: &str) -> PathBuf {
    let id = sandbox.git(["rev-parse", revision]).ok().line();
    sandbox.db().join("objects").join(&id[..2]).join(&id[2..])
}

/// Replaces a file that may be read-only.
fn replace(path: &PathBuf, content: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn a_sound_database() {
    let sandbox = filled();
    let ran = sandbox.isodb(["fsck"]).ok();
    assert_eq!(ran.text(), "");
    let objects = sandbox.isodb(["cat-object", "--all"]).ok().lines().len();
    assert_eq!(ran.stderr(), format!("checked {objects} objects (0 unreachable), 3 commits, 2 refs: 0 errors\n"));
    sandbox.isodb_with_input(["hash-object", "-w"], "nobody's").ok();
    assert!(sandbox.isodb(["fsck"]).ok().stderr().contains("(1 unreachable)"));
    assert_eq!(problems(&Sandbox::with_database(), 0), [""; 0]);
}

#[test]
fn damaged_objects() {
    for revision in ["HEAD:a/blob", "HEAD^{tree}", "HEAD~1", "HEAD:f"] {
        let sandbox = filled();
        let path = object(&sandbox, revision);
        let sound = std::fs::read(&path).unwrap();
        // Before the fourth byte are bits that mean nothing: they fill up what stands before the length of a stored block.
        for (n, byte) in sound.iter().enumerate().skip(3).step_by(sound.len() / 5 + 1) {
            let mut flipped = sound.clone();
            flipped[n] = byte ^ 0x10;
            replace(&path, &flipped);
            assert_eq!(problems(&sandbox, 4), ["object-damaged"], "{revision}, byte {n}");
        }
        for len in [0, 1, sound.len() / 2, sound.len() - 1] {
            replace(&path, &sound[..len]);
            assert_eq!(problems(&sandbox, 4), ["object-damaged"], "{revision}, {len} bytes");
        }
        replace(&path, &[sound.as_slice(), b"x"].concat());
        assert_eq!(problems(&sandbox, 4), ["object-damaged"], "{revision}, a byte more");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(problems(&sandbox, 4), ["object-missing"], "{revision}");
        std::fs::write(&path, &sound).unwrap();
        assert_eq!(problems(&sandbox, 0), [""; 0], "{revision}");
    }
}

#[test]
fn files_with_wrong_names() {
    let sandbox = filled();
    let (one, other) = (object(&sandbox, "HEAD:a/blob"), object(&sandbox, "HEAD~1:a/blob"));
    let content = std::fs::read(&other).unwrap();
    replace(&one, &content);
    assert_eq!(problems(&sandbox, 4), ["object-damaged"]);
    let sandbox = filled();
    let one = object(&sandbox, "HEAD:a/blob");
    std::fs::copy(&one, one.with_file_name("stray")).unwrap();
    assert_eq!(problems(&sandbox, 4), ["object-stray"]);
}

#[test]
fn commits_that_lead_astray() {
    let sandbox = filled();
    let blob = sandbox.git(["rev-parse", "HEAD:a/blob"]).ok().line();
    let tree = sandbox.git(["rev-parse", "HEAD^{tree}"]).ok().line();
    let nowhere = "1".repeat(64);
    let commit = |tree: &str, parents: &[&str], time: u64| {
        let parents: String = parents.iter().map(|parent| format!("parent {parent}\n")).collect();
        let body = format!("tree {tree}\n{parents}author A <a> {time} +0000\ncommitter A <a> {time} +0000\n\nm\n");
        sandbox.isodb_with_input(["hash-object", "-w", "-t", "commit"], body).ok().line()
    };
    let head = sandbox.isodb(["head"]).ok().line();
    for (id, found, status) in [
        (commit(&blob, &[], 5), "link-kind", 4),
        (commit(&tree, &[&blob], 5), "link-kind", 4),
        (commit(&nowhere, &[], 5), "object-missing", 4),
        (commit(&tree, &[&nowhere], 5), "object-missing", 4),
        (commit(&tree, &[&head], 5), "commit-time", 0),
    ] {
        sandbox.write(".isodb/refs/heads/bad", format!("{id}\n"));
        assert_eq!(problems(&sandbox, status), [found]);
    }
}

/// Makes a tree of these lines with git.
fn tree(sandbox: &Sandbox, lines: &str) -> String {
    let mut command = sandbox.command("git");
    command.args(["--git-dir=.isodb", "mktree"]);
    run(command, Some(lines.as_bytes())).ok().line()
}

/// Makes the folder `doc` of these lines with git, and leads a ref to it.
fn folder(sandbox: &Sandbox, lines: &str) {
    let root = tree(sandbox, &format!("040000 tree {}\tdoc\n", tree(sandbox, lines)));
    let commit = sandbox.git(["-c", "user.name=G", "-c", "user.email=g", "commit-tree", "-m", "m", &root]).ok().line();
    sandbox.git(["-c", "user.name=G", "-c", "user.email=g", "update-ref", "refs/heads/made", &commit]).ok();
    // What was there before is not to be told of again.
    std::fs::remove_file(sandbox.db().join("logs/refs/heads/made")).ok();
}

#[test]
fn trees_that_isodb_would_not_have_made() {
    let sandbox = filled();
    let id = |revision: &str| sandbox.git(["rev-parse", revision]).ok().line();
    let (blob, inner, parts) = (id("HEAD:a/blob"), id("HEAD:a"), id("HEAD:f"));
    let edge = |name: &str| format!("040000 tree {inner}\t{name}\n");
    let part =
        sandbox.git(["ls-tree", &parts]).ok().lines().into_iter().find(|line| line.contains("\t.part:")).unwrap();
    let part = part.split_whitespace().nth(2).unwrap().to_owned();
    let empty = sandbox.bash("git --git-dir=.isodb mktree </dev/null").ok().line();
    // A folder of more than 64 children with all of them in its own tree.
    let children = sandbox.isodb(["ls", "f"]).ok().lines();
    let flat: String = children.iter().map(|key| edge(key.strip_prefix("f/").unwrap())).collect();
    for (lines, found) in [
        (format!("100644 blob {blob}\tfile\n") + &edge("child"), "folder-edge"),
        (format!("100755 blob {blob}\tblob\n") + &edge("child"), "folder-edge"),
        (format!("040000 tree {inner}\tblob\n"), "folder-name"),
        (edge("%2e"), "folder-name"),
        (edge("%41"), "folder-name"),
        (edge("a~b"), "folder-name"),
        (edge(&"x".repeat(241)), "folder-name"),
        (format!("040000 tree {empty}\tx\n"), "folder-empty"),
        (flat, "folder-shape"),
        (format!("040000 tree {part}\t.part:x\n"), "folder-shape"),
        (format!("040000 tree {inner}\t.conflict\n") + &edge("child"), "conflict-form"),
        (format!("040000 tree {inner}\t.conflict\n100644 blob {blob}\tblob\n"), "conflict-form"),
    ] {
        folder(&sandbox, &lines);
        assert_eq!(problems(&sandbox, 4), [found], "{lines}");
    }
    folder(&sandbox, &edge("plain"));
    assert_eq!(problems(&sandbox, 0), [""; 0]);
}

#[test]
fn conflicts() {
    let sandbox = filled();
    let mut ids = ["HEAD:a/blob", "HEAD~1:a/blob"].map(|revision| sandbox.git(["rev-parse", revision]).ok().line());
    ids.sort();
    let versions: String = ids.iter().map(|id| format!("100644 blob {id}\t{id}\n")).collect();
    let conflict = tree(&sandbox, &versions);
    let document = |winner| format!("100644 blob {winner}\tblob\n040000 tree {conflict}\t.conflict\n");
    folder(&sandbox, &document(&ids[1]));
    assert_eq!(problems(&sandbox, 0), [""; 0]);
    folder(&sandbox, &document(&ids[0]));
    assert_eq!(problems(&sandbox, 4), ["conflict-winner"]);
}

#[test]
fn refs_and_logs() {
    let sandbox = filled();
    let head = sandbox.isodb(["head"]).ok().line();
    let blob = sandbox.git(["rev-parse", "HEAD:a/blob"]).ok().line();
    let nowhere = "1".repeat(64);
    for (file, content, found, status) in [
        ("refs/heads/bad", "junk\n".to_owned(), "ref-damaged", 4),
        ("refs/heads/bad", String::new(), "ref-damaged", 4),
        ("refs/heads/bad", format!("{head} x\n"), "ref-damaged", 4),
        ("refs/heads/bad", format!("{nowhere}\n"), "object-missing", 4),
        ("refs/heads/bad", format!("{blob}\n"), "link-kind", 4),
        ("refs/heads/a b", format!("{head}\n"), "ref-damaged", 4),
        ("refs/heads/loop", "ref: refs/heads/loop\n".to_owned(), "", 0),
        (
            "packed-refs",
            format!("# pack-refs with: peeled fully-peeled sorted \n{head} refs/heads/p\njunk\n"),
            "ref-damaged",
            4,
        ),
        (
            "packed-refs",
            format!("# pack-refs with: peeled fully-peeled sorted \n{nowhere} refs/heads/p\n"),
            "object-missing",
            4,
        ),
        ("HEAD", "ref: refs/tags/x\n".to_owned(), "head-target", 4),
        ("HEAD", "junk\n".to_owned(), "head-damaged", 4),
        ("logs/refs/heads/main", "junk\n".to_owned(), "log-line", 0),
        ("logs/refs/heads/side", format!("{nowhere} {head} A <a> 1 +0000\tm\n"), "object-missing", 4),
    ] {
        let path = sandbox.db().join(file);
        let before = std::fs::read(&path).ok();
        std::fs::write(&path, &content).unwrap();
        let wanted: Vec<&str> = Some(found).filter(|found| !found.is_empty()).into_iter().collect();
        assert_eq!(problems(&sandbox, status), wanted, "{file}: {content:?}");
        match before {
            Some(before) => std::fs::write(&path, before).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
    }
    assert_eq!(problems(&sandbox, 0), [""; 0]);
}

#[test]
fn one_damaged_ref_hides_no_other_damage() {
    let sandbox = filled();
    std::fs::write(sandbox.db().join("refs/heads/aaa"), "junk").unwrap();
    std::fs::remove_file(object(&sandbox, "HEAD:a/blob")).unwrap();
    assert_eq!(problems(&sandbox, 4), ["object-missing", "ref-damaged"]);
}

#[test]
fn a_log_that_cannot_be_read() {
    let sandbox = filled();
    let log = sandbox.db().join("logs/refs/heads/side");
    std::fs::remove_file(&log).unwrap();
    std::os::unix::fs::symlink("side", &log).unwrap();
    assert_eq!(problems(&sandbox, 4), ["log-damaged"]);
}
