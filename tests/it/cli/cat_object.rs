//! `cat-object`: every object as git shows it.

use super::refused;
use crate::support::Sandbox;

/// A database with objects of every kind, some of git's making.
fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    // Loose, until git packs them.
    sandbox.isodb(["config", "core.unpackLimit", "1000"]).ok();
    let lines: String =
        (0..150).map(|n| format!("{{\"key\":\"f/é{n}\",\"text\":\"{}\\n\"}}\n", "x".repeat(n))).collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], lines).ok();
    sandbox.isodb_with_input(["put", "bytes", "-m", "zwei\n\nabsätze\n"], b"\0\xff\r\n").ok();
    sandbox.isodb(["rm", "f/é7"]).ok();
    sandbox.git(["-c", "user.name=T", "-c", "user.email=t", "tag", "-a", "v1", "-m", "m\nn"]).ok();
    sandbox
}

fn all(sandbox: &Sandbox) -> Vec<String> {
    sandbox.isodb(["cat-object", "--all"]).ok().lines()
}

#[test]
fn all_objects_are_those_that_git_lists() {
    let sandbox = filled();
    let listed = sandbox.git(["cat-file", "--batch-all-objects", "--batch-check"]).ok().lines();
    assert!(listed.len() > 300);
    assert_eq!(all(&sandbox), listed);
    let json = sandbox.isodb(["cat-object", "--all", "--json"]).ok().lines();
    let words: Vec<&str> = listed[0].split(' ').collect();
    assert_eq!(json[0], format!(r#"{{"id":"{}","kind":"{}","size":{}}}"#, words[0], words[1], words[2]));
    assert_eq!(sandbox.isodb(["cat-object", "--all", "-z"]).ok().text(), listed.join("\0") + "\0");
    let loose = sandbox.git(["count-objects", "-v"]).ok().text();
    let counted = sandbox.isodb(["count-objects"]).ok().lines();
    assert!(loose.starts_with(&format!("count: {}\n", listed.len())), "{loose}");
    let bytes: u64 = walk(&sandbox.db().join("objects"));
    let loose = listed.len();
    assert_eq!(
        counted,
        [&format!("count: {loose}"), &format!("size: {bytes}"), "in-pack: 0", "packs: 0", "size-pack: 0"]
    );
    assert_eq!(
        sandbox.isodb(["count-objects", "--json"]).ok().line(),
        format!(r#"{{"count":{loose},"in-pack":0,"packs":0,"size":{bytes},"size-pack":0}}"#)
    );
    // git packs all of it, and it is all there.
    sandbox.git(["gc", "-q", "--prune=never"]).ok();
    assert_eq!(all(&sandbox), listed);
    let packed = sandbox.git(["count-objects", "-v"]).ok().lines();
    let counted = sandbox.isodb(["count-objects"]).ok().lines();
    for line in counted.iter().filter(|line| !line.starts_with("size")) {
        assert!(packed.contains(line), "{line}: {packed:?}");
    }
    assert!(counted.contains(&format!("in-pack: {loose}")), "{counted:?}");
}

/// The bytes of all files below a directory.
fn walk(dir: &std::path::Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap()).fold(0, |sum, entry| {
        let metadata = entry.metadata().unwrap();
        sum + if metadata.is_dir() { walk(&entry.path()) } else { metadata.len() }
    })
}

#[test]
fn batches_are_gits_byte_for_byte() {
    let sandbox = filled();
    let mut input: String = all(&sandbox).iter().map(|line| line[..64].to_owned() + "\n").collect();
    input += "HEAD\nmain~1\nv1\nno-such\nHEAD^{tree}\nHEAD~99\n\nHEAD^{nonsense}\n";
    for option in ["--batch", "--batch-check"] {
        let ours = sandbox.isodb_with_input(["cat-object", option], &input).ok();
        sandbox.write("input", &input);
        let git = sandbox.bash(&format!("git --git-dir=.isodb cat-file {option} <input")).ok();
        assert!(ours.bytes() == git.bytes(), "{option}");
    }
    assert_eq!(
        sandbox.isodb_with_input(["cat-object", "--batch-check", "-z"], "HEAD\nx\0").ok().text(),
        "HEAD\nx missing\0"
    );
    assert_eq!(
        sandbox.isodb_with_input(["cat-object", "--batch-check", "--json"], "no").ok().line(),
        r#"{"missing":true,"revision":"no"}"#
    );
    assert!(
        sandbox
            .isodb_with_input(["cat-object", "--batch"], "HEAD:bytes")
            .ok()
            .bytes()
            .ends_with(b" blob 4\n\0\xff\r\n\n")
    );
}

#[test]
fn one_object_as_git_shows_it() {
    let sandbox = filled();
    let ids: Vec<String> = all(&sandbox).iter().map(|line| line[..64].to_owned()).collect();
    let kinds = ["HEAD", "HEAD~1", "HEAD^{tree}", "HEAD~1^{tree}", "v1"].map(str::to_owned);
    for revision in kinds.iter().chain(ids.iter().step_by(40)) {
        for option in ["-t", "-s", "-p"] {
            let ours = sandbox.isodb(["cat-object", option, revision]).ok();
            let git = sandbox.git(["-c", "core.quotePath=false", "cat-file", option, revision]).ok();
            assert!(ours.bytes() == git.bytes(), "{option} {revision}");
        }
        let kind = sandbox.git(["cat-file", "-t", revision]).ok().line();
        let body = sandbox.git(["cat-file", &kind, revision]).ok();
        assert!(sandbox.isodb(["cat-object", revision]).ok().bytes() == body.bytes());
        // The raw bytes are those that the id is the hash of.
        let hash = sandbox.bash(&format!("isodb cat-object --raw '{revision}' | sha256sum")).ok().text();
        assert_eq!(hash[..64], sandbox.git(["rev-parse", revision]).ok().line());
        assert_eq!(sandbox.isodb(["cat-object", "-e", revision]).ok().text(), "");
    }
    let size = sandbox.isodb(["cat-object", "-s", "HEAD"]).ok().line();
    let head = sandbox.isodb(["head"]).ok().line();
    assert_eq!(
        sandbox.isodb(["cat-object", "--json", "HEAD"]).ok().line(),
        format!(r#"{{"id":"{head}","kind":"commit","size":{size}}}"#)
    );
}

#[test]
fn what_is_not_there() {
    let sandbox = filled();
    for revision in ["no-such", "HEAD~99", "HEAD:no", &"1".repeat(64)] {
        let ran = sandbox.isodb(["cat-object", "-e", revision]).status(1);
        assert_eq!(ran.text() + &ran.stderr(), "", "{revision}");
        refused(sandbox.isodb(["cat-object", "-t", revision]), 1, revision.trim_start_matches("HEAD:"));
    }
    refused(sandbox.isodb(["cat-object"]), 2, "<REV>");
    refused(sandbox.isodb(["cat-object", "-t", "-s", "HEAD"]), 2, "cannot be used with");
    refused(sandbox.isodb(["cat-object", "--all", "HEAD"]), 2, "cannot be used with");
}

#[test]
fn long_headers_are_folded_for_people() {
    let sandbox = filled();
    let body = sandbox.git(["cat-file", "commit", "HEAD"]).ok().text();
    let (headers, message) = body.split_once("\n\n").unwrap();
    let signature = "gpgsig-sha256 -----BEGIN SSH SIGNATURE-----\n one\n two\n -----END SSH SIGNATURE-----";
    let signed = format!("{headers}\n{signature}\n\n{message}");
    let id = sandbox.isodb_with_input(["hash-object", "-w", "-t", "commit"], &signed).ok().line();
    let folded = format!("{headers}\ngpgsig-sha256 -----BEGIN SSH SIGNATURE-----\n … 3 more lines\n\n{message}");
    assert_eq!(sandbox.isodb(["cat-object", "-p", &id]).ok().text(), folded);
    assert_eq!(sandbox.isodb(["cat-object", &id]).ok().text(), signed);
}

#[test]
fn the_empty_tree_is_always_there() {
    let sandbox = Sandbox::with_database();
    let id = sandbox.bash("git --git-dir=.isodb hash-object -t tree /dev/null").ok().line();
    assert_eq!(sandbox.isodb(["cat-object", "-t", &id]).ok().line(), sandbox.git(["cat-file", "-t", &id]).ok().line());
    assert_eq!(sandbox.isodb(["cat-object", "-p", &id]).ok().text(), "");
    assert_eq!(sandbox.isodb(["show", &id]).ok().text(), "");
    assert_eq!(sandbox.isodb(["ls", "--at", &id]).ok().text(), "");
    assert_eq!(sandbox.isodb(["cat-object", "--all"]).ok().text(), "");
}
