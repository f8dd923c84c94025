//! The feed of changes: what a record says, where a consumer goes on, and following while others write.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::{Value, json};

use super::refused;
use crate::support::farm::Farm;
use crate::support::{NOW, Ran, Sandbox};

/// `isodb changes --follow` in a process of its own, which ends with the value.
struct Follower {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Follower {
    /// The interval is so long that nothing comes by it.
    fn start(sandbox: &Sandbox, args: &[&str]) -> Follower {
        let mut command = sandbox.isodb_command(["changes", "--follow"].iter().chain(args));
        if cfg!(target_os = "linux") {
            command.args(["--interval", "3600"]);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Follower { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.strip_suffix('\n').expect("a line").to_owned()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn put(sandbox: &Sandbox, key: &str, text: &str) -> String {
    sandbox.isodb_with_input(["put", key, "--no-sync"], text).ok().line()
}

fn records(ran: Ran) -> Vec<Value> {
    ran.ok().lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn records_and_where_to_go_on() {
    let sandbox = Sandbox::with_database();
    let one = put(&sandbox, "a/x", "1");
    put(&sandbox, "a/y", "one\n");
    let two = put(&sandbox, "b", "{\"n\":1.50}\n");
    let [x, y, b] = ["a/x", "a/y", "b"].map(|key| sandbox.isodb(["rev-parse", &format!("HEAD:{key}")]).ok().line());
    let all = sandbox.isodb(["changes"]).ok().lines();
    let expected = [format!("put {x} 1 a/x"), format!("put {y} 4 a/y"), format!("put {b} 11 b")];
    assert_eq!(all, [&expected[..], &[format!("commit {two} {NOW}")]].concat());
    assert_eq!(sandbox.isodb(["changes", "--since", "none"]).ok().lines(), all);
    assert_eq!(sandbox.isodb(["changes", "--since", &one, "a"]).ok().lines(), [&expected[1..2], &all[3..]].concat());
    assert_eq!(sandbox.isodb(["changes", "--since", &two]).ok().lines(), all[3..]);
    assert_eq!(sandbox.isodb(["changes", "none/"]).ok().lines(), all[3..]);

    sandbox.isodb(["rm", "a/x", "--no-sync"]).ok();
    let last = put(&sandbox, "a/y", "\u{1}");
    let time: i64 = NOW.parse().unwrap();
    let gone =
        json!({"key": "a/x", "what": "delete", "old": x, "new": null, "size": null, "commit": last, "time": time});
    let new = sandbox.isodb(["rev-parse", "HEAD:a/y"]).ok().line();
    let mut changed = gone.clone();
    for (name, value) in
        [("key", json!("a/y")), ("what", json!("put")), ("old", json!(y)), ("new", json!(new)), ("size", json!(1))]
    {
        changed[name] = value;
    }
    let end = json!({"commit": last, "time": time, "changes": 2});
    let answer = records(sandbox.isodb(["changes", "--json", "--since", &two]));
    assert_eq!(answer, [gone.clone(), changed.clone(), end.clone()]);
    changed["text"] = json!("\u{1}");
    assert_eq!(records(sandbox.isodb(["changes", "--json", "--values", "--since", &two])), [gone, changed, end]);
    let values = sandbox.isodb(["changes", "--json", "--values", "b"]).ok().lines();
    assert!(values[0].ends_with(",\"value\":{\"n\":1.50},\"newline\":true}"), "{}", values[0]);

    // Backwards, and between histories that have nothing in common.
    sandbox.isodb(["ref", "set", "back", &one]).ok();
    let lines = sandbox.isodb(["changes", "--ref", "back", "--since", &two]).ok().lines();
    assert_eq!(lines, ["delete - - a/y".to_owned(), "delete - - b".to_owned(), format!("commit {one} {NOW}")]);
}

#[test]
fn each_commit_is_a_batch_of_its_own() {
    let sandbox = Sandbox::with_database();
    let commits = [("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")].map(|(key, text)| put(&sandbox, key, text));
    let [first, second, third, last] = commits;
    let lines = |args: &[&str]| sandbox.isodb([&["changes", "--each"], args].concat()).ok().lines();
    let ends =
        |args: &[&str]| -> Vec<String> { lines(args).into_iter().filter(|line| line.starts_with("commit ")).collect() };
    let end = |id: &str| format!("commit {id} {NOW}");
    let whole = lines(&[]);
    let keys: Vec<&str> = whole.iter().step_by(2).map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!((keys.as_slice(), whole.len()), (&["a", "b", "a", "b"][..], 8));
    assert_eq!(lines(&["--since", &second]), whole[4..]);
    assert_eq!(ends(&["--since", &first]), [end(&second), end(&third), end(&last)]);
    // One that changed nothing there is left out, but where to go on is always told.
    assert_eq!(ends(&["a"]), [end(&first), end(&third), end(&last)]);
    assert_eq!(lines(&["--since", &last]), [end(&last)]);
}

#[test]
fn conflicts_and_a_merge_that_replaces_another() {
    let Farm { sandbox, commits: [ann, bo, cy, merge] } = Farm::new();
    let lines = sandbox.isodb(["changes", "--json", "--since", &bo]).ok();
    let by_key = |ran: Ran| -> Vec<(String, String)> {
        let mut records = records(ran);
        let end = records.pop().unwrap();
        assert_eq!(end["changes"], records.len());
        let text = |record: &Value, name: &str| record[name].as_str().unwrap().to_owned();
        records.iter().map(|record| (text(record, "key"), text(record, "what"))).collect()
    };
    let expected = [
        ("animals/bella", "conflict"),
        ("notes/new", "put"),
        ("notes/old", "conflict"),
        ("stock/a\nb", "conflict"),
        ("stock/hay", "conflict"),
    ];
    let owned =
        |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
    assert_eq!(by_key(lines), owned(&expected));
    let odd = sandbox.isodb(["changes", "--since", &bo, "stock"]).ok();
    assert!(odd.lines()[0].ends_with(" 1 \"stock/a\\nb\""), "{}", odd.lines()[0]);
    let odd = sandbox.isodb(["changes", "-z", "--since", &bo, "stock"]).ok().text();
    assert!(odd.contains(" 1 stock/a\nb\0conflict ") && odd.ends_with(&format!(" {}\0", 1_600_000_200)), "{odd:?}");

    // A third commit on the first makes another merge commit, which does not descend from this one.
    let dan = sandbox.isodb_with_input(["put", "dan", "--on", &ann], "4").ok().line();
    let third = sandbox.isodb(["merge", &dan]).status(1).line();
    sandbox.git(["merge-base", "--is-ancestor", &merge, &third]).status(1);
    for each in [&["changes", "--json"][..], &["changes", "--json", "--each"]] {
        let ran = sandbox.isodb([each, &["--since", &merge]].concat());
        assert_eq!(by_key(ran), owned(&[("dan", "put")]));
    }
    // What a merge brought to the side that one comes from.
    let ran = sandbox.isodb(["changes", "--json", "--each", "--since", &cy, "notes/new"]);
    assert_eq!(records(ran).len(), 1, "Cy had it");
}

#[test]
fn what_is_wrong_is_said() {
    let sandbox = Sandbox::with_database();
    assert_eq!(sandbox.isodb(["changes"]).ok().text(), "", "before the first commit");
    refused(sandbox.isodb(["changes", "--ref", "side"]), 1, "refs/heads/side has no commit yet");
    put(&sandbox, "a", "1");
    refused(sandbox.isodb(["changes", "--since", "nonsense"]), 1, "there is no revision \"nonsense\"");
    refused(sandbox.isodb(["changes", "--since", "HEAD:a"]), 2, "names a blob, and a commit is wanted");
    refused(sandbox.isodb(["changes", "--values"]), 2, "--values goes with --json");
    refused(sandbox.isodb(["changes", "--interval", "0"]), 2, "it is no number of seconds");
    refused(sandbox.isodb(["changes", "a//b"]), 2, "empty segment");
}

#[test]
fn a_follower_is_told_at_once() {
    let sandbox = Sandbox::with_database();
    let mut all = Follower::start(&sandbox, &["--json", "--values"]);
    let first = put(&sandbox, "a\nb", "1");
    let record: Value = serde_json::from_str(&all.line()).unwrap();
    assert_eq!([&record["key"], &record["value"], &record["commit"]], [&json!("a\nb"), &json!(1), &json!(first)]);
    let end: Value = serde_json::from_str(&all.line()).unwrap();
    assert_eq!([&end["commit"], &end["changes"]], [&json!(first), &json!(1)]);
    let mut some = Follower::start(&sandbox, &["b"]);
    assert_eq!(some.line(), format!("commit {first} {NOW}"), "up to here there is nothing");
    for n in 0..20 {
        let head = put(&sandbox, "b", &n.to_string());
        let record: Value = serde_json::from_str(&all.line()).unwrap();
        assert_eq!([&record["value"], &record["commit"]], [&json!(n), &json!(head)]);
        all.line();
        assert!(some.line().ends_with(" b"));
        assert_eq!(some.line(), format!("commit {head} {NOW}"));
    }
    // Moves of other kinds: refs that are packed, by git too, and HEAD that leads elsewhere.
    sandbox.git(["pack-refs", "--all"]).ok();
    put(&sandbox, "b", "packed");
    assert!(some.line().ends_with(" 6 b"));
    some.line();
    // What is followed may have moved into another pack meanwhile.
    put(&sandbox, "b/c", "packed before it was seen");
    sandbox.isodb(["-q", "gc", "--prune=now"]).ok();
    assert!(some.line().ends_with(" 25 b/c"));
    some.line();
    sandbox.isodb(["rm", "b/c"]).ok();
    assert_eq!(some.line(), "delete - - b/c");
    some.line();
    sandbox.git(["update-ref", "refs/heads/deep/side", &first]).ok();
    sandbox.git(["symbolic-ref", "HEAD", "refs/heads/deep/side"]).ok();
    assert_eq!(some.line(), "delete - - b");
    assert_eq!(some.line(), format!("commit {first} {NOW}"));
    sandbox.git(["update-ref", "-d", "refs/heads/deep/side"]).ok();
    put(&sandbox, "b", "an unborn branch is no change, and this is its first commit");
    assert!(some.line().ends_with(" b"));
}

#[test]
fn a_reader_that_goes_away_ends_a_follower() {
    let sandbox = Sandbox::with_database();
    put(&sandbox, "a", "1");
    // Though nothing comes any more.
    let ran = sandbox.bash("set -o pipefail; isodb changes --follow --interval 3600 | head -1").ok();
    assert_eq!(ran.stderr(), "");
    assert!(ran.line().ends_with(" 1 a"));
}

#[test]
fn a_stopped_follower_goes_on_without_a_gap() {
    let sandbox = Sandbox::in_memory();
    sandbox.isodb(["init"]).ok();
    // The consumer is stopped again and again, at any moment; it keeps what came before the last checkpoint.
    let script = r#"
        writer() { for n in $(seq 60); do isodb put "k/$((n % 7))" <<<"$n" >/dev/null; done; isodb put end <<<1 >/dev/null; }
        writer &
        echo none >at
        until [ -e all/end ]; do
            timeout 0.2 isodb -q changes --follow --json --values --since "$(<at)" >batch
            grep -n '^{"commit"' batch | tail -1 >last
            [ -s last ] || continue
            head -n "$(cut -d: -f1 last)" batch | grep -v '^{"commit"' >>known
            sed 's/.*"commit":"\([0-9a-f]*\)".*/\1/' last >at
            if grep -q '"key":"end"' known; then mkdir -p all; touch all/end; fi
        done
        wait
    "#;
    sandbox.bash(script).ok();
    let known = std::fs::read_to_string(sandbox.path().join("known")).unwrap();
    let mut documents = std::collections::BTreeMap::new();
    for line in known.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let before = documents.insert(record["key"].as_str().unwrap().to_owned(), record["new"].clone());
        assert_eq!(before.unwrap_or(Value::Null), record["old"], "nothing is left out");
    }
    for (key, id) in &documents {
        assert_eq!(json!(sandbox.isodb(["rev-parse", &format!("HEAD:{key}")]).ok().line()), *id);
    }
    assert_eq!(documents.len(), 8);
}
