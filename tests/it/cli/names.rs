//! `ref` and `head`: names for commits and other objects, as git has them.

use super::refused;
use crate::support::Sandbox;

fn filled() -> (Sandbox, Vec<String>) {
    let sandbox = Sandbox::with_database();
    let ids = (0..3).map(|n| sandbox.isodb_with_input(["put", "a"], n.to_string()).ok().line()).collect();
    (sandbox, ids)
}

#[test]
fn set_and_get() {
    let (sandbox, ids) = filled();
    assert_eq!(sandbox.isodb(["ref", "set", "side/x", "HEAD~1"]).ok().text(), "");
    assert_eq!(sandbox.isodb(["ref", "get", "side/x"]).ok().line(), ids[1]);
    assert_eq!(sandbox.git(["rev-parse", "refs/heads/side/x"]).ok().line(), ids[1]);
    sandbox.isodb(["ref", "set", "refs/objects/doc", "HEAD:a"]).ok();
    let blob = sandbox.git(["rev-parse", "HEAD:a/blob"]).ok().line();
    assert_eq!(sandbox.isodb(["ref", "get", "refs/objects/doc"]).ok().line(), blob);
    assert_eq!(
        sandbox.isodb(["ref", "get", "--json", "main"]).ok().line(),
        format!(r#"{{"id":"{}","name":"refs/heads/main"}}"#, ids[2])
    );
    assert_eq!(sandbox.isodb(["ref", "get", "HEAD"]).ok().line(), ids[2]);
    refused(sandbox.isodb(["ref", "set", "x", "HEAD:a"]), 2, "a commit is wanted");
    refused(sandbox.isodb(["ref", "set", "HEAD", "HEAD:a"]), 2, "a commit is wanted");
    refused(sandbox.isodb(["ref", "set", "x", "no-such"]), 1, "no-such");
    refused(sandbox.isodb(["ref", "set", "x", &"0".repeat(64)]), 1, "no object has this id");
    refused(sandbox.isodb(["ref", "set", "main/x", "HEAD"]), 2, "cannot be made while refs/heads/main exists");
    refused(sandbox.isodb(["ref", "set", "side", "HEAD"]), 2, "refs/heads/side/x");
    let absent = refused(sandbox.isodb(["ref", "get", "mian"]), 1, "no ref has this name");
    assert!(absent.stderr().contains("hint: did you mean \"main\"?"));
    for bad in ["a b", "a..b", "", ".x", "a.lock", "@", "a/", "refs/", "x^", "a\u{7f}", "é\n"] {
        refused(sandbox.isodb(["ref", "set", "--", bad, "HEAD"]), 2, "cannot be the name of a ref");
    }
    refused(sandbox.isodb(["ref", "set", "--", "-x", "HEAD"]), 2, "cannot be the name of a ref");
    sandbox.check_with_git();
}

#[test]
fn expectations() {
    let (sandbox, ids) = filled();
    sandbox.isodb(["ref", "set", "x", &ids[0], "--expect", "none"]).ok();
    let lost = refused(sandbox.isodb(["ref", "set", "x", &ids[1], "--expect", "none"]), 3, "refs/heads/x is at");
    assert!(lost.stderr().contains(&ids[0]) && lost.stderr().contains("hint: somebody else was first"));
    refused(sandbox.isodb(["ref", "set", "x", &ids[1], "--expect", &ids[1]]), 3, &ids[0]);
    sandbox.isodb(["ref", "set", "x", &ids[1], "--expect", "x"]).ok();
    refused(sandbox.isodb(["ref", "set", "y", &ids[1], "--expect", "x"]), 3, "refs/heads/y does not exist");
    refused(sandbox.isodb(["ref", "delete", "x", "--expect", &ids[0]]), 3, &ids[1]);
    refused(sandbox.isodb(["ref", "delete", "x", "--expect", "none"]), 2, "cannot be expected not to exist");
    sandbox.isodb(["ref", "delete", "x", "--expect", &ids[1]]).ok();
    refused(sandbox.isodb(["ref", "get", "x"]), 1, "no ref has this name");
    refused(sandbox.isodb(["ref", "delete", "x"]), 1, "no ref has this name");
    refused(sandbox.isodb(["ref", "delete", "x", "--expect", &ids[1]]), 3, "does not exist");
}

#[test]
fn a_script_moves_a_name_by_expectation() {
    let (sandbox, ids) = filled();
    let script = "old=$(isodb ref get main) && new=$(echo 9 | isodb put b --on $old) && isodb ref set main $new --expect $old && isodb head";
    let head = sandbox.bash(script).ok().line();
    assert!(!ids.contains(&head));
    assert_eq!(sandbox.git(["rev-parse", "main^"]).ok().line(), ids[2]);
    sandbox.check_with_git();
}

#[test]
fn lists_are_gits() {
    let (sandbox, ids) = filled();
    for name in ["z", "a/b", "a-b", "ab", "refs/tags/v1", "refs/x/y"] {
        sandbox.isodb(["ref", "set", name, "HEAD"]).ok();
    }
    let list = |args: &[&str]| sandbox.isodb([&["ref", "list"], args].concat()).ok().text();
    let git = |args: &[&str]| {
        sandbox.git([&["for-each-ref", "--format=%(objectname) %(refname)"], args].concat()).ok().text()
    };
    assert_eq!(list(&[]), git(&[]));
    assert_eq!(list(&["refs/tags/"]), git(&["refs/tags/"]));
    assert_eq!(list(&["a/"]), git(&["refs/heads/a/"]));
    assert_eq!(list(&["refs/heads/a"]).lines().count(), 3, "names that start so");
    assert_eq!(list(&["-z", "refs/tags"]), format!("{} refs/tags/v1\0", ids[2]));
    assert_eq!(list(&["--json", "refs/tags"]), format!("{{\"id\":\"{}\",\"name\":\"refs/tags/v1\"}}\n", ids[2]));
    assert_eq!(list(&["no"]), "");
    sandbox.git(["pack-refs", "--all"]).ok();
    assert_eq!(list(&[]), git(&[]));
    sandbox.isodb(["ref", "delete", "a/b"]).ok();
    sandbox.isodb(["ref", "set", "z", "HEAD~1"]).ok();
    assert_eq!(list(&[]), git(&[]));
    sandbox.check_with_git();
}

#[test]
fn a_hundred_thousand_packed_names() {
    let (sandbox, ids) = filled();
    // As one file, which is what git makes of them: a hundred thousand loose ones are git's work, not ours.
    let packed: String = std::iter::once("# pack-refs with: peeled fully-peeled sorted \n".to_owned())
        .chain((0..100_000).map(|n: usize| format!("{} refs/heads/n/{n:06}\n", ids[n % 3])))
        .collect();
    sandbox.write(".isodb/packed-refs", packed);
    sandbox.git(["pack-refs", "--all"]).ok();
    assert_eq!(sandbox.isodb(["ref", "get", "n/077777"]).ok().line(), ids[77_777 % 3]);
    assert_eq!(sandbox.isodb(["ref", "get", "main"]).ok().line(), ids[2]);
    let head = sandbox.isodb_with_input(["put", "a"], "new").ok().line();
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
    assert_eq!(sandbox.isodb(["ref", "list"]).ok().lines().len(), 100_001);
    sandbox.isodb(["ref", "delete", "n/000000"]).ok();
    refused(sandbox.isodb(["ref", "get", "n/000000"]), 1, "no ref has this name");
    assert_eq!(sandbox.git(["for-each-ref"]).ok().lines().len(), 100_000);
}

#[test]
fn logs_are_gits() {
    let (sandbox, ids) = filled();
    sandbox.isodb(["ref", "set", "main", "HEAD~1", "-m", "two words\nand a line"]).ok();
    let git = sandbox.git(["reflog", "main", "--format=%H %gD %gs"]).ok().lines();
    let ours: Vec<String> = sandbox.isodb(["ref", "log", "main"]).ok().lines();
    let without_time = |line: &String| {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        format!("{} {} {}", words[0], words[1], words[3])
    };
    // git gives the name as it was asked for.
    assert_eq!(
        ours.iter().map(without_time).collect::<Vec<_>>(),
        git.iter().map(|l| l.replace("refs/heads/", "")).collect::<Vec<_>>()
    );
    assert_eq!(ours[0], format!("{} main@{{0}} 2023-11-14T22:13:20Z two words and a line", ids[1]));
    assert_eq!(sandbox.isodb(["ref", "log"]).ok().lines(), ours);
    assert_eq!(sandbox.isodb(["ref", "log", "-n", "1"]).ok().lines(), ours[..1]);
    assert_eq!(sandbox.isodb(["ref", "log", "-z", "-n", "1"]).ok().text(), format!("{}\0", ours[0]));
    let record: serde_json::Value =
        serde_json::from_str(&sandbox.isodb(["ref", "log", "--json", "-n", "1"]).ok().line()).unwrap();
    assert_eq!(
        record,
        serde_json::json!({
            "ref": "refs/heads/main", "number": 0, "old": ids[2], "new": ids[1], "name": "Ann", "email": "ann@farm",
            "time": 1_700_000_000, "message": "two words and a line",
        })
    );
}

#[test]
fn the_current_name() {
    let (sandbox, ids) = filled();
    assert_eq!(sandbox.isodb(["head", "--name"]).ok().line(), "refs/heads/main");
    assert_eq!(
        sandbox.isodb(["head", "--json"]).ok().line(),
        format!(r#"{{"commit":"{}","ref":"refs/heads/main"}}"#, ids[2])
    );
    assert_eq!(sandbox.isodb(["head", "new"]).ok().line(), "refs/heads/new");
    refused(sandbox.isodb(["head"]), 1, "refs/heads/new has no commit yet");
    assert_eq!(sandbox.isodb(["head", "--json"]).ok().line(), r#"{"commit":null,"ref":"refs/heads/new"}"#);
    sandbox.isodb_with_input(["put", "x"], "1").ok();
    assert_eq!(sandbox.isodb(["ls"]).ok().lines(), ["x"]);
    assert_eq!(sandbox.git(["symbolic-ref", "HEAD"]).ok().line(), "refs/heads/new");
    assert_eq!(sandbox.isodb(["head", "main"]).ok().line(), ids[2]);
    refused(sandbox.isodb(["head", "refs/tags/v1"]), 2, "not under refs/heads/");
    refused(sandbox.isodb(["head", "a b"]), 2, "cannot be the name of a ref");
    // A HEAD that git has detached.
    sandbox.git(["update-ref", "--no-deref", "HEAD", &ids[0]]).ok();
    assert_eq!(sandbox.isodb(["head"]).ok().line(), ids[0]);
    assert_eq!(sandbox.isodb(["head", "--name"]).ok().line(), "HEAD");
    sandbox.check_with_git();
}
