//! `verify` of signed histories, `log` and `show --show-signature`: as people meet them, from the first key to its theft.

use serde_json::Value;

use super::refused;
use crate::support::{Ran, Sandbox, run};

/// A farm where Ann has a key, signs, and is the first in the list.
fn farm() -> Sandbox {
    let sandbox = Sandbox::with_database();
    for who in ["ann", "bo"] {
        sandbox.isodb(["trust", "keygen", &format!("{who}.key")]).ok();
    }
    by(&sandbox, "ann", &["trust", "add", "ann@farm", "ann.key.pub"], "").ok();
    sandbox
}

/// Runs a command that makes a commit, as somebody who signs it.
fn by(sandbox: &Sandbox, who: &str, args: &[&str], input: &str) -> Ran {
    let key = sandbox.path().join(format!("{who}.key"));
    sandbox.isodb(["config", "user.signingKey", key.to_str().unwrap()]).ok();
    let mut command = sandbox.isodb_command([args, &["--sign"]].concat());
    command.env("ISODB_COMMITTER_EMAIL", format!("{who}@farm"));
    run(command, Some(input.as_bytes()))
}

/// Builds a commit on another without moving a ref, as somebody, at a time.
fn built(sandbox: &Sandbox, who: &str, on: &str, time: u64) -> String {
    let key = sandbox.path().join(format!("{who}.key"));
    sandbox.isodb(["config", "user.signingKey", key.to_str().unwrap()]).ok();
    let mut command = sandbox.isodb_command(["put", "work", "--on", on, "--sign"]);
    command.env("ISODB_COMMITTER_EMAIL", format!("{who}@farm"));
    command.env("ISODB_COMMITTER_DATE", format!("@{time}"));
    run(command, Some(format!("{who} {time}").as_bytes())).ok().line()
}

/// How the newest commit of a history stands, in a word.
fn word(sandbox: &Sandbox, revision: &str) -> String {
    let lines = sandbox.isodb(["verify", revision]).lines();
    lines[0].split('\t').nth(1).unwrap().to_owned()
}

#[test]
fn the_first_use_pins_the_one_key_of_the_first_commits() {
    let sandbox = farm();
    let fingerprint = |ran: &Ran| {
        let stderr = ran.stderr();
        let start = stderr.find("SHA256:").unwrap();
        stderr[start..start + 50].to_owned()
    };
    let ran = sandbox.isodb(["verify"]).ok();
    let line = ran.line();
    assert!(line.contains("\tsigned\tSHA256:"), "{line}");
    assert!(ran.stderr().starts_with("warning: this is the first use: the key SHA256:"), "{}", ran.stderr());
    assert!(ran.stderr().ends_with("checked 1 commit: 0 failed\n"), "{}", ran.stderr());
    let key = fingerprint(&ran);
    assert_eq!(sandbox.isodb(["config", "trust.anchor"]).ok().line(), key);
    assert_eq!(sandbox.isodb(["verify"]).ok().stderr(), "checked 1 commit: 0 failed\n");
    // Undone as it says, and not done where it is not sure.
    sandbox.isodb(["trust", "pin", "--remove", &key]).ok();
    sandbox.isodb_with_input(["put", "x", "--on", "none"], "1").ok();
    let other = sandbox.isodb_with_input(["put", "x", "--on", "none"], "1").ok().line();
    sandbox.isodb(["ref", "set", "other", &other]).ok();
    let ran = sandbox.isodb(["verify"]).ok();
    assert!(!ran.stderr().contains("first use"), "{}", ran.stderr());
    assert!(ran.lines().iter().any(|line| line.ends_with("\tunsigned")), "{}", ran.text());
    sandbox.isodb(["config", "trust.anchor"]).status(1);
    sandbox.isodb(["config", "trust.require", "signed"]).ok();
    let ran = sandbox.isodb(["verify"]).status(4);
    assert!(ran.stderr().contains("2 failed\nhint: nothing is pinned here"), "{}", ran.stderr());
}

#[test]
fn rotation_and_theft() {
    let sandbox = farm();
    sandbox.isodb(["config", "trust.require", "signed"]).ok();
    sandbox.isodb(["verify", "-q"]).ok();
    let unsigned = sandbox.isodb_with_input(["put", "x", "--on", "main"], "1").ok();
    assert!(unsigned.stderr().starts_with("warning: this is not signed"), "{}", unsigned.stderr());
    assert_eq!(by(&sandbox, "ann", &["put", "a"], "1").ok().stderr(), "");
    by(&sandbox, "ann", &["trust", "add", "bo@farm", "bo.key.pub"], "").ok();
    let before = by(&sandbox, "ann", &["put", "a"], "2").ok().line();
    by(&sandbox, "bo", &["trust", "remove", "ann@farm"], "").ok();
    by(&sandbox, "bo", &["put", "b"], "1").ok();
    let ran = sandbox.isodb(["verify"]).ok();
    assert_eq!(ran.stderr(), "checked 6 commits: 0 failed\n");
    assert!(ran.lines()[0].ends_with("\tsigned\tbo@farm"), "{}", ran.text());
    let late = built(&sandbox, "ann", "main", 1_700_000_100);
    let ran = sandbox.isodb(["verify", "--failed", &format!("main..{late}")]).status(4);
    assert!(ran.line().starts_with(&format!("{late}\tunknown-key\tSHA256:")), "{}", ran.text());
    assert_eq!(word(&sandbox, &built(&sandbox, "ann", "main", 1_500_000_000)), "unknown-key");
    // Beside the removal Ann's key is good, until it is revoked.
    let beside = built(&sandbox, "ann", &before, 1_700_000_000);
    assert_eq!(word(&sandbox, &beside), "signed");
    let warned = by(&sandbox, "bo", &["trust", "remove", "--revoke", "bo.key.pub", "--force", "--on", "main"], "").ok();
    assert!(warned.stderr().contains("a key cannot revoke itself"), "{}", warned.stderr());
    let warned = by(&sandbox, "bo", &["trust", "remove", "--revoke", "ann.key.pub"], "").ok();
    assert_eq!(warned.stderr(), "");
    assert_eq!(word(&sandbox, &beside), "revoked");
    assert_eq!(word(&sandbox, &built(&sandbox, "ann", "main", 1_700_000_200)), "revoked");
    sandbox.isodb(["verify", "main"]).ok();
    sandbox.check_with_git();
}

#[test]
fn records_and_settings() {
    let sandbox = farm();
    sandbox.isodb(["verify", "-q"]).ok();
    let plain = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    let ran = sandbox.isodb(["verify", "--json"]).ok();
    let records: Vec<Value> = ran.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records[0]["commit"], plain);
    let words = |record: &Value| (record["standing"].clone(), record["passes"].clone());
    assert_eq!(words(&records[0]), ("unsigned".into(), true.into()));
    assert_eq!((&records[0]["key"], &records[0]["principal"]), (&Value::Null, &Value::Null));
    assert_eq!(words(&records[1]), ("signed".into(), true.into()));
    assert!(records[1]["key"].as_str().unwrap().starts_with("SHA256:"), "{}", records[1]);
    assert_eq!(sandbox.isodb(["verify", "-z"]).ok().text().matches('\0').count(), 2);
    assert_eq!(sandbox.isodb(["verify", "HEAD~1..HEAD"]).ok().stderr(), "checked 1 commit: 0 failed\n");
    for (name, value, words) in
        [("trust.require", "everything", "none or signed"), ("trust.anchor", "ann@farm", "the fingerprint of a key")]
    {
        sandbox.isodb(["config", name, value]).ok();
        refused(sandbox.isodb(["verify"]), 2, words);
        sandbox.isodb(["config", "--unset", name]).ok();
    }
    refused(sandbox.isodb(["verify", "nowhere"]), 1, "nowhere");
}

#[test]
fn tags_that_a_range_names_are_verified() {
    let sandbox = farm();
    sandbox.isodb(["verify", "-q"]).ok();
    let tagged = by(&sandbox, "ann", &["tag", "v1", "-m", "first"], "").ok();
    assert_eq!(tagged.stderr(), "");
    sandbox.isodb(["tag", "v2", "-m", "second"]).ok();
    sandbox.isodb(["config", "trust.require", "signed"]).ok();
    let ran = sandbox.isodb(["verify", "v1", "--json"]).ok();
    let tag: Value = serde_json::from_str(&ran.lines()[0]).unwrap();
    assert_eq!((tag["standing"].as_str(), tag["principal"].as_str()), (Some("signed"), Some("ann@farm")));
    assert_eq!(tag["tag"], sandbox.isodb(["rev-parse", "v1"]).ok().line());
    assert!(ran.stderr().ends_with("checked 1 commit and 1 tag: 0 failed\n"), "{}", ran.stderr());
    let ran = sandbox.isodb(["verify", "main..v2"]).status(4);
    assert!(ran.line().ends_with("\tunsigned"), "{}", ran.text());
    let shown = sandbox.isodb(["show", "v1", "--show-signature"]).ok().text();
    assert!(shown.contains("tag v1\nSignature: signed by ann@farm (SHA256:"), "{shown}");
}

#[test]
fn log_and_show_tell_of_signatures() {
    let sandbox = farm();
    sandbox.isodb(["verify", "-q"]).ok();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    by(&sandbox, "ann", &["put", "a"], "2").ok();
    let text = sandbox.isodb(["log", "--show-signature"]).ok().text();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Signature: ")).collect();
    assert!(lines[0].starts_with("Signature: signed by ann@farm (SHA256:"), "{text}");
    assert_eq!((lines.len(), lines[1]), (3, "Signature: unsigned"));
    assert!(!sandbox.isodb(["log"]).ok().text().contains("Signature"));
    let json = |args: &[&str]| -> Vec<Value> {
        sandbox.isodb(args).ok().lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let records = json(&["log", "--json", "--show-signature"]);
    assert_eq!(records[0]["signature"]["principal"], "ann@farm");
    assert_eq!((records[1].get("signature"), json(&["log", "--json"])[0].get("signature")), (Some(&Value::Null), None));
    let shown = json(&["show", "HEAD", "--json", "--show-signature"]);
    assert_eq!(shown[0]["signature"]["standing"], "signed");
    assert!(sandbox.isodb(["show", "--show-signature"]).ok().text().contains("Signature: signed by ann@farm"));
    let line = sandbox.isodb(["log", "--oneline", "--show-signature", "-n", "1"]).ok().line();
    assert!(line.contains("[signed by ann@farm (SHA256:"), "{line}");
}

#[test]
fn what_git_signs_is_verified_and_what_is_changed_is_not() {
    let sandbox = farm();
    sandbox.isodb(["verify", "-q"]).ok();
    let head = by(&sandbox, "ann", &["put", "a"], "1").ok().line();
    let body = sandbox.isodb(["cat-object", &head]).ok().text();
    let changed = body.replace("put a", "put b");
    let id = sandbox.isodb_with_input(["hash-object", "-w", "-t", "commit"], changed).ok().line();
    let ran = sandbox.isodb(["verify", &format!("main~1..{id}")]).status(4);
    assert!(ran.line().starts_with(&format!("{id}\tbad-signature\t")), "{}", ran.text());
    if crate::support::has_tool("git") {
        let tree = sandbox.isodb(["rev-parse", "main^{tree}"]).ok().line();
        let mut command = sandbox.command("git");
        command.arg(format!("--git-dir={}", sandbox.db().display())).args(["-c", "gpg.format=ssh"]);
        command.arg("-c").arg(format!("user.signingKey={}", sandbox.path().join("ann.key").display()));
        command.args(["commit-tree", "-S", "-p", "main", "-m", "by git", &tree]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Ann").env(format!("GIT_{role}_EMAIL"), "ann@farm");
        }
        let id = run(command, None).ok().line();
        assert_eq!(word(&sandbox, &id), "signed");
    }
}
