//! Completion: the kept scripts are the program's own, and it completes commands, options, refs and keys.

use std::path::Path;

use super::refused;
use crate::support::{Sandbox, run};

#[test]
fn the_kept_scripts_are_the_programs_own() {
    let sandbox = Sandbox::new();
    for (shell, file) in
        [("bash", "isodb.bash"), ("zsh", "_isodb"), ("fish", "isodb.fish"), ("powershell", "isodb.ps1")]
    {
        let made = sandbox.isodb(["completions", shell]).ok();
        assert!(made.text().contains("isodb"), "{shell}");
        let kept =
            std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("completions").join(file)).unwrap_or_default();
        assert!(
            kept == made.bytes(),
            "completions/{file} is out of date: run `cargo run -- completions {shell} > completions/{file}`"
        );
    }
    sandbox.isodb(["completions", "elvish"]).ok();
    refused(sandbox.isodb(["completions", "cmd"]), 2, "\"cmd\" is no shell");
    let ran = sandbox.bash("isodb completions bash >script && source ./script && complete -p isodb");
    assert!(ran.ok().line().ends_with(" isodb"));
}

/// What completing the last of these words offers.
fn complete(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let mut command = sandbox.isodb_command(["--", "isodb"]);
    command.args(words);
    command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    command.env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_COMP_TYPE", "9").env("_CLAP_COMPLETE_SPACE", "true");
    run(command, None).ok().lines()
}

#[test]
fn commands_and_options() {
    let sandbox = Sandbox::with_database();
    assert_eq!(complete(&sandbox, &["ha"]), ["hash-object"]);
    assert_eq!(complete(&sandbox, &["ref", "de"]), ["delete"]);
    assert_eq!(complete(&sandbox, &["ls", "--js"]), ["--json"]);
    assert_eq!(complete(&sandbox, &["ls", "--color", "al"]), ["always"]);
    let all = complete(&sandbox, &[""]);
    for command in ["init", "put", "get", "ref", "fsck"] {
        assert!(all.iter().any(|word| word == command), "{command} is not in {all:?}");
    }
}

#[test]
fn live_refs() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    for name in ["maintenance", "side", "refs/tags/v1"] {
        sandbox.isodb(["ref", "set", name, "HEAD"]).ok();
    }
    assert_eq!(complete(&sandbox, &["ref", "get", "ma"]), ["main", "maintenance"]);
    assert_eq!(complete(&sandbox, &["ref", "set", "side", "v"]), ["v1"]);
    assert_eq!(complete(&sandbox, &["log", "--at", "si"]), ["side"]);
    assert_eq!(complete(&sandbox, &["put", "x", "--expect", "HE"]), ["HEAD"]);
    assert_eq!(complete(&sandbox, &["head", "refs/heads/s"]), ["refs/heads/side"]);
    assert_eq!(complete(&sandbox, &["rev-parse", "side:"]), ["side:a"]);
}

#[test]
fn live_keys() {
    let sandbox = Sandbox::with_database();
    let keys = [
        "an",
        "an-x/y",
        "an.b",
        "animals/bella",
        "animals/ben",
        "animals/zoe",
        "ana",
        "blob",
        "bl",
        "blobs",
        ".hidden",
        "b%",
        "é",
    ];
    let mut lines: String = keys.iter().map(|key| format!("{{\"key\":\"{key}\",\"value\":1}}\n")).collect();
    // Enough for the folder to be cut into parts.
    lines.extend((0..500).map(|n| format!("{{\"key\":\"n/{n}\",\"value\":1}}\n")));
    sandbox.isodb_with_input(["apply", "--no-sync"], lines).ok();
    let sorted = |words: &[&str]| {
        let mut found = complete(&sandbox, words);
        found.sort();
        found
    };
    assert_eq!(sorted(&["get", "an"]), ["an", "an-x/", "an.b", "ana", "animals/"]);
    assert_eq!(sorted(&["get", "animals/be"]), ["animals/bella", "animals/ben"]);
    assert_eq!(sorted(&["rm", "x", "animals/"]), ["animals/bella", "animals/ben", "animals/zoe"]);
    assert_eq!(sorted(&["get", "bl"]), ["bl", "blob", "blobs"]);
    assert_eq!(sorted(&["get", "blob"]), ["blob", "blobs"]);
    assert_eq!(sorted(&["get", "."]), [".hidden"]);
    assert_eq!(sorted(&["get", "b%"]), ["b%"]);
    assert_eq!(sorted(&["get", "zz"]), [""; 0]);
    assert_eq!(sorted(&["cat-object", "HEAD:animals/z"]), ["HEAD:animals/zoe"]);
    for start in ["0", "1", "2", "49", "499", "5", "7", "99"] {
        let wanted: Vec<String> =
            (0..500).map(|n| n.to_string()).filter(|n| n.starts_with(start)).map(|n| format!("n/{n}")).collect();
        let mut found = sorted(&["get", &format!("n/{start}")]);
        let mut wanted = wanted;
        wanted.sort();
        found.dedup();
        assert_eq!(found, wanted, "{start}");
    }
    // The database is the one that the line names.
    let other = Sandbox::new();
    let db = sandbox.db().display().to_string();
    assert_eq!(complete(&other, &["--db", &db, "get", "animals/z"]), ["animals/zoe"]);
    assert_eq!(complete(&other, &["-C", &db, "get", "animals/z"]), ["animals/zoe"]);
    assert_eq!(complete(&other, &[&format!("--db={db}"), "get", "animals/z"]), ["animals/zoe"]);
    assert_eq!(complete(&other, &["get", "animals/z"]), [""; 0]);
}
