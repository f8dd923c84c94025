//! Wrong command lines: one sentence, a hint that helps, status 2, and nothing changed.

use super::refused;
use crate::support::Sandbox;

#[track_caller]
fn hinted(sandbox: &Sandbox, args: &[&str], status: i32, words: &str, hint: &str) {
    let stderr = refused(sandbox.isodb(args), status, words).stderr();
    assert!(stderr.contains(&format!("hint: {hint}")), "{stderr}");
}

#[test]
fn did_you_mean() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "animals/bella"], "1").ok();
    sandbox.isodb(["ref", "set", "experiment", "HEAD"]).ok();
    hinted(&sandbox, &["gte", "a"], 2, "there is no command \"gte\"", "did you mean `isodb get`?");
    hinted(&sandbox, &["hash-objct"], 2, "hash-objct", "did you mean `isodb hash-object`?");
    hinted(&sandbox, &["ref", "lsit"], 2, "there is no command \"lsit\"", "did you mean `isodb ref list`?");
    hinted(&sandbox, &["frobnicate"], 2, "frobnicate", "the form is isodb [OPTIONS] <COMMAND>");
    hinted(&sandbox, &["ls", "--jsno"], 2, "--jsno", "did you mean --json?");
    hinted(&sandbox, &["ls", "--color=alwyas"], 2, "alwyas", "did you mean always?");
    hinted(&sandbox, &["get", "animals/bela"], 1, "\"animals/bela\"", "did you mean \"animals/bella\"?");
    hinted(&sandbox, &["get", "animal"], 1, "\"animal\"", "did you mean \"animals\"?");
    hinted(&sandbox, &["ref", "get", "experimnt"], 1, "experimnt", "did you mean \"experiment\"?");
    hinted(&sandbox, &["log", "--at", "experimnt~1"], 1, "experimnt", "did you mean \"experiment\"?");
    hinted(&sandbox, &["ref", "get", "zzz"], 1, "zzz", "`isodb ref list` shows the refs");
    hinted(&sandbox, &["completions", "zhs"], 2, "\"zhs\" is no shell", "bash, zsh, fish, powershell and elvish are");
}

#[test]
fn missing_and_surplus_words() {
    let sandbox = Sandbox::with_database();
    for command in
        ["put", "get", "rm", "diff", "rev-parse", "cat-object", "ls-tree", "config", "completions", "restore"]
    {
        refused(sandbox.isodb([command]), 2, "required");
    }
    for command in ["ref set", "ref get", "ref delete"] {
        let words: Vec<&str> = command.split(' ').collect();
        hinted(&sandbox, &words, 2, "required", &format!("the form is isodb {command} "));
    }
    for command in [
        "init a b",
        "put a b c",
        "ls a b",
        "apply a b",
        "show a b",
        "diff a b c d",
        "head a b",
        "count-objects a",
        "fsck a",
        "ref get a b",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        refused(sandbox.isodb(&words), 2, "unexpected argument");
    }
    for option in ["--db", "-C", "--color"] {
        refused(sandbox.isodb(["ls", option]), 2, option);
    }
    refused(sandbox.isodb(["put", "a", "--expect"]), 2, "--expect");
}

#[test]
fn no_command_is_a_question() {
    let sandbox = Sandbox::new();
    let ran = sandbox.isodb::<&str>([]).status(2);
    assert_eq!(ran.text(), "");
    assert_eq!(ran.stderr(), sandbox.isodb(["--help"]).ok().text());
    let ran = sandbox.isodb(["ref"]).status(2);
    assert_eq!(ran.text(), "");
    assert!(ran.stderr().contains("Usage: isodb ref"));
}
