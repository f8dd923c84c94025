//! `log`: the same history as git's, of all documents or of some, in every form.

use super::refused;
use crate::support::{Sandbox, run};

/// Puts a document at a time of its own.
fn put(sandbox: &Sandbox, key: &str, content: &str, time: u64, args: &[&str]) -> String {
    let mut command = sandbox.isodb_command([&["put", key], args].concat());
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("ISODB_{role}_DATE"), format!("@{}", 1_000_000_000 + time));
    }
    run(command, Some(content.as_bytes())).ok().line()
}

/// A base, two sides and a merge of them, and a commit on top.
fn merged() -> Sandbox {
    let sandbox = Sandbox::with_database();
    put(&sandbox, "a", "1", 1000, &[]);
    let left = put(&sandbox, "left", "1", 2000, &["--on", "HEAD"]);
    let left = put(&sandbox, "left", "2", 4000, &["--on", &left]);
    let right = put(&sandbox, "right", "1", 3000, &["--on", "HEAD"]);
    let merge = put(&sandbox, "right", "1", 5000, &["--on", &left, "--on", &right, "-m", "both sides"]);
    sandbox.isodb(["ref", "set", "main", &merge]).ok();
    put(&sandbox, "a", "2", 6000, &[]);
    sandbox
}

fn ids(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    let lines = sandbox.isodb([&["log", "--oneline"], args].concat()).ok().lines();
    lines.iter().map(|line| line[..64].to_owned()).collect()
}

fn git_ids(sandbox: &Sandbox, args: &[&str]) -> Vec<String> {
    sandbox.git([&["log", "--format=%H"], args].concat()).ok().lines()
}

#[test]
fn the_order_is_gits() {
    let sandbox = merged();
    assert_eq!(ids(&sandbox, &[]).len(), 6);
    assert_eq!(ids(&sandbox, &[]), git_ids(&sandbox, &[]));
    assert_eq!(ids(&sandbox, &["-n", "3"]), git_ids(&sandbox, &["-n", "3"]));
    assert_eq!(ids(&sandbox, &["-n", "0"]), [""; 0]);
    assert_eq!(ids(&sandbox, &["--at", "HEAD~1^2"]), git_ids(&sandbox, &["HEAD~1^2"]));
    assert_eq!(ids(&sandbox, &["--at", "HEAD~1^2", "--at", "HEAD~1^1"]), git_ids(&sandbox, &["HEAD~1^2", "HEAD~1^1"]));
    put(&sandbox, "side", "1", 3500, &["--ref", "side"]);
    assert_eq!(ids(&sandbox, &["--all"]).len(), 7);
    assert_eq!(ids(&sandbox, &["--all"]), git_ids(&sandbox, &["--all"]));
    let graph: Vec<String> = sandbox.isodb(["log", "--graph", "--oneline"]).ok().lines();
    let drawn: Vec<String> = graph
        .iter()
        .filter(|l| l.contains('*'))
        .map(|l| l.split_whitespace().find(|w| w.len() == 64).unwrap().into())
        .collect();
    assert_eq!(drawn, git_ids(&sandbox, &["--date-order"]));
    // Two lines lie side by side between the merge and the base.
    assert!(graph.iter().any(|line| line.starts_with("| *") || line.starts_with("* |")), "{graph:?}");
}

#[test]
fn commits_of_one_second_keep_gits_order() {
    let sandbox = Sandbox::with_database();
    for n in 0..20 {
        put(&sandbox, "a", &n.to_string(), 1000, &[]);
    }
    let left = put(&sandbox, "b", "1", 1000, &["--on", "HEAD~3"]);
    let merge = put(&sandbox, "b", "1", 1000, &["--on", "HEAD", "--on", &left]);
    sandbox.isodb(["ref", "set", "main", &merge]).ok();
    assert_eq!(ids(&sandbox, &[]), git_ids(&sandbox, &[]));
}

#[test]
fn the_history_of_some_documents() {
    let sandbox = merged();
    for (keys, paths) in [
        (vec!["a"], vec!["a"]),
        (vec!["left"], vec!["left"]),
        (vec!["right"], vec!["right"]),
        (vec!["left", "a"], vec!["left", "a"]),
        (vec!["left/"], vec!["left"]),
        (vec!["no"], vec!["no"]),
    ] {
        assert_eq!(ids(&sandbox, &keys), git_ids(&sandbox, &[&["--"], paths.as_slice()].concat()), "{keys:?}");
    }
    assert_eq!(ids(&sandbox, &["left"]).len(), 2);
    sandbox.isodb(["rm", "left"]).ok();
    assert_eq!(ids(&sandbox, &["left"]).len(), 3);
    refused(sandbox.isodb(["log", "a//b"]), 2, "empty segment");
}

#[test]
fn times() {
    let sandbox = merged();
    for (args, git) in [
        (["--since", "@1000003000"], ["--since=@1000003000"]),
        (["--until", "@1000003000"], ["--until=@1000003000"]),
        (["--since", "2001-09-09T02:53:20Z"], ["--since=@1000004000"]),
    ] {
        let found = ids(&sandbox, &args);
        assert!(!found.is_empty() && found.len() < 6);
        assert_eq!(found, git_ids(&sandbox, &git), "{args:?}");
    }
    assert_eq!(ids(&sandbox, &["--since", "@1000002000", "--until", "@1000004000"]).len(), 3);
    refused(sandbox.isodb(["log", "--since", "whenever"]), 2, "\"whenever\" is not a time");
}

#[test]
fn the_forms() {
    let sandbox = merged();
    let head = sandbox.isodb(["head"]).ok().line();
    let merge = sandbox.git(["rev-parse", "HEAD~1"]).ok().line();
    let parents = sandbox.git(["rev-parse", "HEAD~1^1", "HEAD~1^2"]).ok().lines();
    let text = sandbox.isodb(["log", "-n", "2"]).ok().text();
    assert_eq!(
        text,
        format!(
            "commit {head}\nAuthor:    Ann <ann@farm>\nDate:      2001-09-09T03:26:40Z\n\n    put a\n\n\
             commit {merge}\nMerge:     {} {}\nAuthor:    Ann <ann@farm>\nDate:      2001-09-09T03:10:00Z\n\n    both sides\n",
            &parents[0][..12],
            &parents[1][..12]
        )
    );
    assert_eq!(sandbox.isodb(["log", "-n", "1", "--oneline"]).ok().line(), format!("{head} put a"));
    assert_eq!(
        sandbox.isodb(["log", "-n", "2", "--oneline", "-z"]).ok().text(),
        format!("{head} put a\0{merge} both sides\0")
    );
    assert_eq!(sandbox.isodb(["log", "-z"]).ok().text().split_terminator('\0').count(), 6);
    let json = sandbox.isodb(["log", "--json"]).ok().lines();
    let records: Vec<serde_json::Value> = json.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), 6);
    let tree = sandbox.git(["rev-parse", "HEAD~1^{tree}"]).ok().line();
    let ann = serde_json::json!({"name": "Ann", "email": "ann@farm", "time": 1_000_005_000});
    assert_eq!(
        records[1],
        serde_json::json!({
            "commit": merge, "tree": tree, "parents": parents, "author": ann, "committer": ann, "message": "both sides\n",
        })
    );
    refused(sandbox.isodb(["log", "--graph", "--json"]), 2, "cannot be used with");
}

#[test]
fn what_git_wrote_is_shown_safely() {
    let sandbox = merged();
    let tree = sandbox.git(["rev-parse", "HEAD^{tree}"]).ok().line();
    let mut command = sandbox.command("git");
    command.args(["--git-dir", ".isodb", "commit-tree", &tree, "-m", "red \u{1b}[31m alert\u{9b}", "-p", "HEAD"]);
    command.envs([
        ("GIT_AUTHOR_NAME", "Bob"),
        ("GIT_AUTHOR_EMAIL", "b"),
        ("GIT_COMMITTER_NAME", "C"),
        ("GIT_COMMITTER_EMAIL", "c"),
    ]);
    let commit = run(command, None).ok().line();
    sandbox.git(["update-ref", "HEAD", &commit]).ok();
    for args in [vec!["log"], vec!["log", "--oneline"], vec!["show"], vec!["log", "--graph"]] {
        let text = sandbox.isodb(&args).ok().text();
        assert!(text.contains("alert") && !text.chars().any(|c| c.is_control() && c != '\n'), "{args:?}: {text:?}");
    }
    let text = sandbox.isodb(["show"]).ok().text();
    assert!(text.contains("Author:    Bob <b>") && text.contains("Committer: C <c>"), "{text}");
}

#[test]
fn before_the_first_commit() {
    let sandbox = Sandbox::with_database();
    refused(sandbox.isodb(["log"]), 1, "refs/heads/main has no commit yet");
    assert_eq!(sandbox.isodb(["log", "--all"]).ok().text(), "");
}
