//! `apply`: many changes as one commit, or a commit each.

use super::{refused, sentence};
use crate::support::Sandbox;

fn apply(sandbox: &Sandbox, lines: &str) -> String {
    sandbox.isodb_with_input(["apply"], lines).ok().line()
}

#[test]
fn every_member() {
    let sandbox = Sandbox::with_database();
    apply(&sandbox, "{\"key\":\"gone\",\"value\":1}");
    let lines = concat!(
        "{\"key\":\"value\", \"value\" : { \"n\" : 1.50, \"n2\":1e400 } }\n",
        "\n",
        "{\"text\":\"line\\n\\u00e9\",\"key\":\"text\"}\r\n",
        "{\"key\":\"base64\",\"base64\":\"AP8=\"}\r\n",
        "  {\"key\":\"gone\",\"delete\":true}  \n",
        "{\"key\":\"never\",\"delete\":true}\n",
        "{\"key\":\"null\",\"value\":null}\n",
        "{\"key\":\"twice\",\"value\":1}\n",
        "{\"key\":\"twice\",\"value\":2}",
    );
    let commit = apply(&sandbox, lines);
    assert_eq!(sandbox.isodb(["head"]).ok().line(), commit);
    assert_eq!(sandbox.isodb(["ls", "-r"]).ok().lines(), ["base64", "null", "text", "twice", "value"]);
    assert_eq!(sandbox.isodb(["get", "value"]).ok().text(), "{ \"n\" : 1.50, \"n2\":1e400 }");
    assert_eq!(sandbox.isodb(["get", "text"]).ok().text(), "line\n\u{e9}");
    assert_eq!(sandbox.isodb(["get", "base64"]).ok().bytes(), b"\0\xff");
    assert_eq!(sandbox.isodb(["get", "twice"]).ok().text(), "2");
    assert_eq!(sandbox.git(["log", "--format=%s"]).ok().lines(), ["apply 8 changes", "apply 1 changes"]);
    sandbox.check_with_git();
}

#[test]
fn from_a_file_and_without_a_change() {
    let sandbox = Sandbox::with_database();
    assert_eq!(sandbox.isodb(["apply"]).ok().text(), "", "there is no commit to name");
    assert_eq!(sandbox.isodb(["apply", "--json"]).ok().line(), r#"{"commit":null,"new":false}"#);
    sandbox.write("changes", "{\"key\":\"a\",\"value\":1}\n");
    let commit = sandbox.isodb(["apply", "changes"]).ok().line();
    assert_eq!(sandbox.isodb(["apply", "changes"]).ok().line(), commit);
    assert_eq!(sandbox.isodb(["apply"]).ok().line(), commit);
    assert_eq!(
        sandbox.isodb(["apply", "--json", "changes"]).ok().line(),
        format!(r#"{{"commit":"{commit}","new":false}}"#)
    );
    refused(sandbox.isodb(["apply", "no-such"]), 2, "no-such");
    refused(sandbox.isodb(["apply", "."]), 2, "is a directory");
}

#[test]
fn a_bad_line_is_named_and_nothing_is_stored() {
    let sandbox = Sandbox::with_database();
    for (line, words) in [
        ("x", "it is not a JSON object"),
        ("[1]", "it is not a JSON object"),
        ("{\"key\":\"a\"", "EOF"),
        ("{\"key\":\"a\"}", "none of value, text, base64 and delete"),
        ("{\"value\":1}", "missing field `key`"),
        ("{\"key\":1,\"value\":1}", "line 3: "),
        ("{\"key\":\"a\",\"value\":1,\"value\":2}", "duplicate field `value`"),
        ("{\"key\":\"a\",\"key\":\"a\",\"value\":2}", "duplicate field `key`"),
        ("{\"key\":\"a\",\"value\":1,\"text\":\"x\"}", "more than one of"),
        ("{\"key\":\"a\",\"text\":1}", "line 3: "),
        ("{\"key\":\"a\",\"base64\":\"*\"}", "base64 is wrong"),
        ("{\"key\":\"a\",\"delete\":false}", "can only be true"),
        ("{\"key\":\"a\",\"vlaue\":1}", "vlaue"),
        ("{\"key\":\"a\",\"value\":1,\"if\":\"x\"}", "neither an id nor \"none\""),
        ("{\"key\":\"a\",\"value\":01}", "line 3: "),
        ("{\"key\":\"a\",\"value\":1} {}", "line 3: "),
        ("{\"key\":\"a/\",\"value\":1}", "empty segment"),
        ("{\"key\":\"\\ud800\",\"value\":1}", "line 3: "),
    ] {
        let input = format!("{{\"key\":\"k\",\"value\":1}}\n\n{line}\n{{\"key\":\"l\",\"value\":1}}\n");
        let ran = refused(sandbox.isodb_with_input(["apply"], &input), 2, "line 3: ");
        assert!(ran.stderr().contains(words), "{line}: {}", ran.stderr());
        assert!(ran.stderr().contains("hint: nothing of this input was stored"));
    }
    refused(sandbox.isodb_with_input(["apply"], b"{\"key\":\"\xff\",\"value\":1}"), 2, "line 1: it is not valid UTF-8");
    refused(sandbox.isodb(["head"]), 1, "no commit yet");
    assert_eq!(sandbox.isodb(["count-objects"]).ok().lines()[0], "count: 0");
}

#[test]
fn a_line_that_never_ends_is_refused() {
    let sandbox = Sandbox::with_database();
    let ran =
        sandbox.bash("(printf '{\"key\":\"a\",\"text\":\"'; head -c 300000000 /dev/zero | tr '\\0' x) | isodb apply");
    refused(ran, 2, "line 1: it is longer than 256 MiB");
}

#[test]
fn conditions() {
    let sandbox = Sandbox::with_database();
    apply(&sandbox, "{\"key\":\"a\",\"value\":1,\"if\":\"none\"}\n{\"key\":\"b\",\"value\":1,\"if\":\"none\"}");
    let id = sandbox.isodb(["rev-parse", "HEAD:a"]).ok().line();
    let head =
        apply(&sandbox, &format!("{{\"key\":\"a\",\"value\":2,\"if\":\"{id}\"}}\n{{\"key\":\"c\",\"value\":2}}"));
    let late = format!("{{\"key\":\"d\",\"value\":3}}\n{{\"key\":\"a\",\"delete\":true,\"if\":\"{id}\"}}");
    refused(sandbox.isodb_with_input(["apply"], &late), 3, "\"a\" holds");
    refused(
        sandbox.isodb_with_input(["apply"], "{\"key\":\"a\",\"value\":3,\"if\":\"none\"}"),
        3,
        "no document was expected",
    );
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
    refused(sandbox.isodb_with_input(["apply", "--expect", "HEAD~1"], "{\"key\":\"e\",\"value\":1}"), 3, &head);
    let built = sandbox.isodb_with_input(["apply", "--on", "HEAD~1"], "{\"key\":\"e\",\"value\":1}").ok().line();
    assert_eq!(sandbox.isodb(["ls", "-r", "--at", &built]).ok().lines(), ["a", "b", "e"]);
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
}

#[test]
fn a_commit_a_line() {
    let sandbox = Sandbox::with_database();
    let lines = "{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":1}\n{\"key\":\"b\",\"value\":1}\n{\"key\":\"a\",\"delete\":true}\n";
    let ids = sandbox.isodb_with_input(["apply", "--each"], lines).ok().lines();
    assert_eq!(ids.len(), 4);
    assert_eq!(ids[1], ids[2], "no change, no commit");
    assert_eq!(
        sandbox.git(["log", "--format=%H %s"]).ok().lines(),
        [format!("{} rm a", ids[3]), format!("{} put b", ids[1]), format!("{} put a", ids[0])]
    );
    for every in ["1", "2", "3", "100"] {
        let sandbox = Sandbox::with_database();
        let same = sandbox.isodb_with_input(["apply", "--each", "--sync-every", every], lines).ok().lines();
        assert_eq!(same, ids, "--sync-every {every}");
        sandbox.check_with_git();
    }
    let json = sandbox.isodb_with_input(["apply", "--each", "--json"], "{\"key\":\"b\",\"value\":1}").ok().line();
    assert_eq!(json, format!(r#"{{"commit":"{}","new":false}}"#, ids[3]));
    refused(sandbox.isodb(["apply", "--each", "--sync-every", "0"]), 2, "at least 1");
    refused(sandbox.isodb(["apply", "--sync-every", "2"]), 2, "--each");
    refused(sandbox.isodb(["apply", "--each", "--on", "HEAD"]), 2, "cannot be used with");
}

#[test]
fn lines_that_are_there_are_waited_for_together_and_one_alone_is_answered() {
    let sandbox = Sandbox::with_database();
    let lines: String = (0..300).map(|n| format!("{{\"key\":\"n/{n}\",\"value\":{n}}}\n")).collect();
    sandbox.write("lines", &lines);
    assert_eq!(sandbox.isodb(["apply", "--each", "lines"]).ok().lines().len(), 300);
    assert_eq!(sandbox.git(["rev-list", "--count", "HEAD"]).ok().line(), "300");
    let log = || std::fs::read_to_string(sandbox.db().join("logs/HEAD")).unwrap();
    assert_eq!(log().lines().count(), 1, "{}", log());
    // The next line comes only when this one's id has been read; an empty line is nothing to wait for.
    let ids = sandbox.bash(
        "coproc isodb apply --each; for n in 1 2 3; do
            printf '{\"key\":\"k\",\"value\":%s}\\n\\n{\"key\"' $n >&${COPROC[1]}
            read -r id <&${COPROC[0]}; echo $id
            printf ':\"l\",\"value\":%s}\\n' $n >&${COPROC[1]}
            read -r id <&${COPROC[0]}; echo $id
        done",
    );
    assert_eq!(ids.ok().lines().len(), 6);
    assert_eq!(log().lines().count(), 7);
    sandbox.check_with_git();
}

#[test]
fn a_bad_line_among_commits() {
    for every in [&[][..], &["--sync-every=1"], &["--sync-every=2"], &["--sync-every=10"]] {
        let sandbox = Sandbox::with_database();
        let args = [&["apply", "--each"], every].concat();
        let lines = "{\"key\":\"a\",\"value\":1}\n{\"key\":\"b\",\"value\":1}\n{\"key\":\"c\",\"value\":1}\nx\n{\"key\":\"d\",\"value\":1}\n";
        let ran = sandbox.isodb_with_input(&args, lines).status(2);
        assert_eq!(ran.lines().len(), 3);
        let stderr = sentence(ran, "line 4: it is not a JSON object").stderr();
        assert!(stderr.contains("hint: the lines before it are stored"), "{stderr}");
        assert_eq!(sandbox.isodb(["ls"]).ok().lines(), ["a", "b", "c"]);
        let lines =
            "{\"key\":\"e\",\"value\":1}\n{\"key\":\"a\",\"value\":1,\"if\":\"none\"}\n{\"key\":\"f\",\"value\":1}\n";
        let ran = sandbox.isodb_with_input(&args, lines).status(3);
        assert_eq!(ran.lines().len(), 1);
        sentence(ran, "line 2: \"a\" holds");
        assert_eq!(sandbox.isodb(["ls"]).ok().lines(), ["a", "b", "c", "e"]);
        sandbox.check_with_git();
    }
}

#[test]
fn ten_thousand_lines() {
    let sandbox = Sandbox::with_database();
    let lines: String = (0..10_000).map(|n| format!("{{\"key\":\"k/{}/{n}\",\"value\":{n}}}\n", n % 7)).collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], &lines).ok();
    assert_eq!(sandbox.isodb(["ls", "-r", "--count"]).ok().line(), "10000");
    assert_eq!(sandbox.git(["rev-list", "--count", "HEAD"]).ok().line(), "1");
    refused(sandbox.isodb(["get", &format!("k/{}/9999", 9998 % 7)]), 1, "no document");
    assert_eq!(sandbox.isodb(["get", &format!("k/{}/9999", 9999 % 7)]).ok().text(), "9999");
    // Removing them all one way or another ends at the same tree.
    let lines: String = (0..10_000).map(|n| format!("{{\"key\":\"k/{}/{n}\",\"delete\":true}}\n", n % 7)).collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], &lines).ok();
    assert_eq!(sandbox.isodb(["ls"]).ok().text(), "");
    sandbox.check_with_git();
}

#[test]
fn a_reader_that_goes_away_loses_no_line() {
    let sandbox = Sandbox::with_database();
    let lines: String = (0..200).map(|n| format!("{{\"key\":\"n/{n}\",\"value\":{n}}}\n")).collect();
    sandbox.write("lines", lines);
    sandbox.bash("set -o pipefail; isodb apply --no-sync --each --sync-every 20 lines | head -n 1 >first").ok();
    assert_eq!(sandbox.isodb(["ls", "-r", "--count"]).ok().line(), "200");
}
