//! `import`: many documents in one commit or a few, from NDJSON; what holds for every format.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::{refused, sentence};
use crate::support::{Sandbox, has_tool};

const HERD: &str = "{\"key\":\"a/b\",\"value\":{ \"n\": 1.50 }}\n{\"key\":\"a/c\",\"text\":\"x\\n\"}\n\n{\"key\":\"blob\",\"base64\":\"AP8=\"}\n{\"key\":\"a/c\",\"value\":2,\"newline\":true}\n";

#[test]
fn lines_from_a_file_and_from_stdin() {
    let sandbox = Sandbox::with_database();
    assert_eq!(sandbox.isodb(["import"]).ok().text(), "", "there is no commit to name");
    sandbox.write("herd.ndjson", HERD);
    let commit = sandbox.isodb(["import", "herd.ndjson"]).ok().line();
    assert_eq!(sandbox.isodb(["head"]).ok().line(), commit);
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["blob", "a/b", "a/c"]);
    assert_eq!(sandbox.isodb(["get", "a/b"]).ok().text(), "{ \"n\": 1.50 }");
    assert_eq!(sandbox.isodb(["get", "a/c"]).ok().text(), "2\n", "the last line counts");
    assert_eq!(sandbox.isodb(["get", "blob"]).ok().bytes(), b"\0\xff");
    // Again, in every way: no second commit.
    for args in [["import", "-"], ["import", "--format=ndjson"], ["import", "--no-sync"]] {
        assert_eq!(sandbox.isodb_with_input(args, HERD).ok().line(), commit, "{args:?}");
    }
    assert_eq!(sandbox.git(["log", "--format=%s"]).ok().line(), "import 4 documents");
    let json = sandbox.isodb_with_input(["import", "--json"], HERD).ok().line();
    assert_eq!(json, format!(r#"{{"bytes":19,"commit":"{commit}","documents":4,"new":false}}"#));
    let lines = "{\"key\":\"a/b\",\"delete\":true}\n{\"key\":\"d\",\"value\":1,\"if\":\"none\"}\n";
    sandbox.isodb_with_input(["import", "-m", "by hand", "--ref", "side"], lines).ok();
    assert_eq!(sandbox.isodb(["ls", "--at", "side"]).ok().lines(), ["d"]);
    assert_eq!(sandbox.git(["log", "--format=%s", "side"]).ok().line(), "by hand");
    refused(sandbox.isodb_with_input(["import"], "{\"key\":\"a/b\",\"value\":1,\"if\":\"none\"}"), 3, "\"a/b\" holds");
    refused(sandbox.isodb_with_input(["import", "--expect", "none"], "{\"key\":\"e\",\"value\":1}"), 3, &commit);
    let built = sandbox.isodb_with_input(["import", "--on", "none"], "{\"key\":\"e\",\"value\":1}").ok().line();
    assert_eq!(sandbox.isodb(["ls", "--at", &built]).ok().lines(), ["e"]);
    assert_eq!(sandbox.isodb(["head"]).ok().line(), commit);
    sandbox.check_with_git();
}

#[test]
fn many_inputs_are_one_commit() {
    let sandbox = Sandbox::with_database();
    sandbox.write("one.jsonl", "{\"key\":\"k\",\"value\":1}");
    sandbox.write("two", " \n{\"key\":\"k\",\"value\":2}\n{\"key\":\"l\",\"value\":1}");
    sandbox.write("three/deep/file", "3");
    let ran = sandbox.isodb(["import", "--json", "one.jsonl", "two", "three", "one.jsonl", "--prefix", "p/"]).ok();
    assert!(ran.line().starts_with(r#"{"bytes":5,"#), "{}", ran.line());
    assert!(ran.line().ends_with(r#""documents":5,"new":true}"#), "{}", ran.line());
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["p/deep/file", "p/k", "p/l"]);
    assert_eq!(sandbox.isodb(["get", "p/k"]).ok().text(), "1");
    assert_eq!(sandbox.git(["rev-list", "--count", "HEAD"]).ok().line(), "1");
    refused(sandbox.isodb(["import", "one.jsonl", "no-such"]), 2, "cannot read no-such");
    let deep = format!("{{\"key\":\"{}\",\"value\":1}}", format!("{}/", "x".repeat(240)).repeat(16) + &"y".repeat(239));
    sandbox.isodb_with_input(["import"], &deep).ok();
    refused(sandbox.isodb_with_input(["import", "--prefix", "p"], &deep), 2, "stdin: line 1: key");
}

#[test]
fn a_bad_line_is_named_and_nothing_is_stored() {
    let sandbox = Sandbox::with_database();
    sandbox.write("good.ndjson", "{\"key\":\"k\",\"value\":1}\n");
    for (line, words) in [
        ("x", "it is not a JSON object"),
        ("{\"key\":\"a\"}", "none of value, text, base64 and delete"),
        ("{\"key\":\"a//b\",\"value\":1}", "empty segment"),
    ] {
        sandbox.write("bad.ndjson", format!("{{\"key\":\"k\",\"value\":1}}\n\n{line}\n"));
        let ran = refused(sandbox.isodb(["import", "good.ndjson", "bad.ndjson"]), 2, "bad.ndjson: line 3: ");
        assert!(ran.stderr().contains(words), "{line}: {}", ran.stderr());
        assert!(ran.stderr().contains("hint: nothing of this input was stored"));
    }
    refused(sandbox.isodb(["head"]), 1, "no commit yet");
    let counted = sandbox.isodb(["count-objects"]).ok().lines();
    assert_eq!((&counted[0][..], &counted[2][..]), ("count: 0", "in-pack: 0"));
    refused(sandbox.isodb_with_input(["import"], "key,value\n"), 2, "it is not known what stdin is");
    refused(sandbox.isodb_with_input(["import", "--format", "dir"], "{}"), 2, "stdin is not a directory");
    refused(sandbox.isodb(["import", "--format", "ndjson", "."]), 2, "is a directory");
    refused(sandbox.isodb(["import", "--format", "xml"]), 2, "xml");
    refused(sandbox.isodb(["import", "--prefix", "a//b"]), 2, "empty segment");
}

#[test]
fn a_commit_every_few_records() {
    let sandbox = Sandbox::with_database();
    let lines: String = (0..10).map(|n| format!("{{\"key\":\"n/{n}\",\"value\":{n}}}\n")).collect();
    let ids = sandbox.isodb_with_input(["import", "--commit-every", "3"], &lines).ok().lines();
    assert_eq!(ids.len(), 4);
    let log = sandbox.git(["log", "--reverse", "--format=%H %s"]).ok().lines();
    let documents = [3, 3, 3, 1];
    let wanted: Vec<String> =
        ids.iter().zip(documents).map(|(id, count)| format!("{id} import {count} documents")).collect();
    assert_eq!(log, wanted);
    let whole = Sandbox::with_database();
    whole.isodb_with_input(["import"], &lines).ok();
    let root = |sandbox: &Sandbox| sandbox.git(["rev-parse", "HEAD^{tree}"]).ok().line();
    assert_eq!(root(&sandbox), root(&whole));
    let again = sandbox.isodb_with_input(["import", "--commit-every", "5", "--json"], &lines).ok().lines();
    let line = format!(r#"{{"bytes":5,"commit":"{}","documents":5,"new":false}}"#, ids[3]);
    assert_eq!(again, [line.clone(), line], "no empty commit at the end");
    refused(sandbox.isodb(["import", "--commit-every", "0"]), 2, "at least 1");
    refused(sandbox.isodb(["import", "--commit-every", "2", "--on", "HEAD"]), 2, "cannot be used with");
    // What stands before a bad record stays.
    let bad = format!("{}x\n", lines.replace("n/", "m/"));
    let ran = sandbox.isodb_with_input(["import", "--commit-every", "4"], bad).status(2);
    let made = ran.lines();
    assert_eq!(made.len(), 2);
    let stderr = sentence(ran, "stdin: line 11: it is not a JSON object").stderr();
    assert!(stderr.contains(&format!("hint: the first 8 records are stored, the last commit is {}", made[1])));
    assert_eq!(sandbox.isodb(["ls", "m"]).ok().lines().len(), 8);
    // Each commit is expected on the one before.
    let ids =
        sandbox.isodb_with_input(["import", "--commit-every", "1", "--expect", "HEAD", "--prefix", "q"], &lines).ok();
    assert_eq!(ids.lines().len(), 10);
    sandbox.check_with_git();
}

#[test]
fn a_mirror_has_what_the_input_has() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["import"], HERD).ok();
    let lines = "{\"key\":\"b\",\"value\":1}\n{\"key\":\"d/e\",\"value\":1}\n";
    sandbox.isodb_with_input(["import", "--prefix", "a", "--delete"], lines).ok();
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["blob", "a/b", "a/d/e"]);
    let head = sandbox.isodb_with_input(["import", "--delete"], lines).ok().line();
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["b", "d/e"]);
    assert_eq!(sandbox.isodb_with_input(["import", "--delete"], lines).ok().line(), head, "nothing to change");
    refused(sandbox.isodb(["import", "--delete", "--commit-every", "2"]), 2, "cannot be used with");
    sandbox.isodb_with_input(["import", "--delete"], "").ok();
    assert_eq!(sandbox.isodb(["ls"]).ok().text(), "");
    sandbox.check_with_git();
}

#[test]
fn gzip_is_unpacked() {
    if !has_tool("gzip") {
        return;
    }
    let sandbox = Sandbox::with_database();
    sandbox.write("herd.ndjson", HERD);
    sandbox.write("t.csv", "a,b\n1,2\n");
    sandbox.bash("gzip -k herd.ndjson t.csv && cat herd.ndjson.gz herd.ndjson.gz >odd").ok();
    sandbox.isodb(["import", "herd.ndjson.gz"]).ok();
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["blob", "a/b", "a/c"]);
    let json = sandbox.bash("isodb import --json - <odd").ok().line();
    assert!(json.contains("\"documents\":8"), "both members: {json}");
    sandbox.isodb(["import", "--key", "t/{a}", "t.csv.gz"]).ok();
    assert_eq!(sandbox.isodb(["get", "t/1"]).ok().text(), r#"{"a":"1","b":"2"}"#);
    let ran = sandbox.bash("head -c 60 herd.ndjson.gz | isodb import");
    refused(ran, 2, "stdin");
}

#[test]
fn ten_thousand_records_and_closed_pipes() {
    let sandbox = Sandbox::in_memory();
    sandbox.isodb(["init"]).ok();
    let lines: String = (0..10_000).map(|n| format!("{{\"key\":\"k/{}/{n}\",\"value\":{n}}}\n", n % 7)).collect();
    sandbox.write("lines.ndjson", &lines);
    sandbox.isodb(["import", "--no-sync", "lines.ndjson"]).ok();
    assert_eq!(sandbox.isodb(["ls", "-r", "--count"]).ok().line(), "10000");
    assert_eq!(sandbox.git(["rev-list", "--count", "HEAD"]).ok().line(), "1");
    assert_eq!(sandbox.isodb(["get", "k/3/9999"]).ok().text(), "9999");
    let script = "set -o pipefail; head -n 300 lines.ndjson |
        isodb import --no-sync --commit-every 10 --prefix p | head -n 1 >first";
    sandbox.bash(script).ok();
    assert_eq!(sandbox.isodb(["ls", "-r", "--count", "p"]).ok().line(), "300", "nobody reads the ids any more");
}

#[test]
fn a_killed_import_leaves_the_database_as_it_was() {
    let sandbox = Sandbox::with_database();
    let head = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    let mut command: Command = sandbox.isodb_command(["import"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // More than a pipe holds: the command has begun to store when all is written.
    for n in 0..5_000 {
        writeln!(stdin, "{{\"key\":\"n/{n}\",\"text\":\"{}\"}}", "x".repeat(100)).unwrap();
    }
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["a"]);
    sandbox.check_with_git();
    sandbox.isodb_with_input(["import"], "{\"key\":\"b\",\"value\":1}").ok();
    sandbox.check_with_git();
}
