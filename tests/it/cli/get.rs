//! `get`: documents by key, by batch, as JSON.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use super::{refused, sentence};
use crate::support::Sandbox;

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    let lines = concat!(
        r#"{"key":"a","value":{"n": 1.0}}"#,
        "\n",
        r#"{"key":"a/b","text":"two\n"}"#,
        "\n",
        r#"{"key":"bytes","base64":"AP8="}"#,
        "\n",
        r#"{"key":"odd\nkey","text":"odd"}"#,
        "\n",
        r#"{"key":"\"q\"","text":"quoted"}"#,
        "\n",
    );
    sandbox.isodb_with_input(["apply"], lines).ok();
    sandbox
}

fn id(sandbox: &Sandbox, key: &str) -> String {
    sandbox.isodb(["rev-parse", &format!("HEAD:{key}")]).ok().line()
}

#[test]
fn several_documents_one_after_the_other() {
    let sandbox = filled();
    assert_eq!(sandbox.isodb(["get", "a", "a/b", "a"]).ok().text(), "{\"n\": 1.0}two\n{\"n\": 1.0}");
    let ran = sandbox.isodb(["get", "a", "no", "a/b"]).status(1);
    assert_eq!(ran.text(), "{\"n\": 1.0}two\n");
    sentence(ran, "there is no document \"no\"");
    refused(sandbox.isodb(["get", "bytse"]), 1, "bytse")
        .stderr()
        .contains("did you mean \"bytes\"?")
        .then_some(())
        .unwrap();
}

#[test]
fn as_it_was() {
    let sandbox = filled();
    sandbox.isodb_with_input(["put", "a"], "new").ok();
    assert_eq!(sandbox.isodb(["get", "a", "--at", "HEAD~1"]).ok().text(), "{\"n\": 1.0}");
    let tree = sandbox.git(["rev-parse", "HEAD~1^{tree}"]).ok().line();
    assert_eq!(sandbox.isodb(["get", "a", "--at", &tree]).ok().text(), "{\"n\": 1.0}");
    refused(sandbox.isodb(["get", "a", "--at", "HEAD~2"]), 1, "HEAD~2");
    refused(sandbox.isodb(["get", "a", "--at", "HEAD:a"]), 2, "a tree is wanted");
    sandbox.isodb(["rm", "a"]).ok();
    let gone = refused(sandbox.isodb(["get", "a"]), 1, "no document \"a\"");
    assert!(!gone.stderr().contains("did you mean \"a\""));
}

#[test]
fn before_the_first_commit_there_is_nothing() {
    let sandbox = Sandbox::with_database();
    refused(sandbox.isodb(["get", "a"]), 1, "there is no document \"a\"");
    assert_eq!(sandbox.isodb_with_input(["get", "--batch"], "a\n").ok().text(), "missing a\n");
}

#[test]
fn by_batch() {
    let sandbox = filled();
    let (a, b) = (id(&sandbox, "a"), id(&sandbox, "a/b"));
    let ran = sandbox.isodb_with_input(["get", "--batch"], "a\nno\na/b\na//b\n\na").ok();
    assert_eq!(
        ran.text(),
        format!(
            "{a} 10 a\n{{\"n\": 1.0}}\nmissing no\n{b} 4 a/b\ntwo\n\nmissing a//b\nmissing \n{a} 10 a\n{{\"n\": 1.0}}\n"
        )
    );
    // A key in quotes is a key of its own here.
    let ran = sandbox.isodb_with_input(["get", "--batch"], "\"odd\\nkey\"\n\"q\"\n").ok();
    assert_eq!(ran.lines()[0], r#"missing "\"odd\\nkey\"""#);
    assert_eq!(ran.lines()[2], "quoted");
    assert_eq!(sandbox.isodb_with_input(["get", "--batch"], "").ok().text(), "");
    let ran = sandbox.isodb_with_input(["get", "--batch"], b"a\xff\n").ok();
    assert_eq!(ran.text(), "missing a\u{fffd}\n");
}

#[test]
fn a_batch_of_many() {
    let sandbox = Sandbox::with_database();
    for (key, text) in [("k/7", "seven"), ("k/19999", "late")] {
        sandbox.isodb_with_input(["put", key], text).ok();
    }
    let (seven, late) = (id(&sandbox, "k/7"), id(&sandbox, "k/19999"));
    // More than is read at once, and more than is looked up at once; some keys lie across the end of what was read.
    let input: String = (0..20_000).map(|n| format!("k/{n}\n")).collect();
    let answer = |n| match n {
        7 => format!("{seven} 5 k/7\nseven\n"),
        19_999 => format!("{late} 4 k/19999\nlate\n"),
        _ => format!("missing k/{n}\n"),
    };
    let expected: String = (0..20_000).map(answer).collect();
    assert!(sandbox.isodb_with_input(["get", "--batch"], input).ok().text() == expected);
}

#[test]
fn by_batch_with_nul() {
    let sandbox = filled();
    let odd = id(&sandbox, "odd\nkey");
    let ran = sandbox.isodb_with_input(["get", "--batch", "-z"], "odd\nkey\0x\ny\0").ok();
    assert_eq!(ran.text(), format!("{odd} 3 odd\nkey\0odd\0missing x\ny\0"));
}

#[test]
fn a_batch_answers_before_the_next_question() {
    let sandbox = filled();
    let mut command = sandbox.isodb_command(["get", "--batch"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    stdin.write_all(b"a").unwrap();
    for _ in 0..3 {
        // The start of the next question may be there already.
        stdin.write_all(b"/b\na").unwrap();
        let mut lines = [String::new(), String::new(), String::new()];
        for line in &mut lines {
            stdout.read_line(line).unwrap();
        }
        assert!(lines[0].ends_with(" 4 a/b\n") && lines[1] == "two\n" && lines[2] == "\n", "{lines:?}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_long_batch_is_answered_in_order() {
    let sandbox = Sandbox::with_database();
    let content = |i: usize| if i == 1000 { "x".repeat(40_000) } else { format!("document {i}") };
    let lines: String = (0..3000).map(|i| format!("{{\"key\":\"f/{i}\",\"text\":\"{}\"}}\n", content(i))).collect();
    sandbox.isodb_with_input(["apply"], lines).ok();
    let all: Vec<usize> = (0..3500).map(|i| i * 7919 % 3500).collect();
    let keys: String = all.iter().map(|i| format!("f/{i}\n")).collect();
    let plain = sandbox.isodb_with_input(["get", "--batch"], &keys).ok().lines();
    let json = sandbox.isodb_with_input(["get", "--batch", "--json"], &keys).ok().lines();
    let mut plain = plain.iter();
    for (i, line) in all.iter().zip(&json) {
        let head = plain.next().unwrap();
        if *i >= 3000 {
            assert_eq!((head, line), (&format!("missing f/{i}"), &format!(r#"{{"key":"f/{i}","missing":true}}"#)));
            continue;
        }
        assert!(head.ends_with(&format!(" {} f/{i}", content(*i).len())), "{head}");
        assert_eq!(plain.next().unwrap(), &content(*i));
        assert!(line.starts_with(&format!(r#"{{"key":"f/{i}","id":""#)) && line.ends_with("\"}"), "{line}");
    }
    assert!(plain.next().is_none() && json.len() == all.len());
    // What comes before a wrong question is answered.
    let ran = sandbox.isodb_with_input(["get", "--batch", "--json"], "f/1\n\"f\nf/2\n").status(2);
    assert_eq!(ran.lines().len(), 1);
}

#[test]
fn json_comes_back_by_apply() {
    let sandbox = filled();
    let (a, q) = (id(&sandbox, "a"), id(&sandbox, "\"q\""));
    assert_eq!(
        sandbox.isodb(["get", "--json", "a", "\"q\""]).ok().text(),
        format!(
            "{{\"key\":\"a\",\"id\":\"{a}\",\"size\":10,\"value\":{{\"n\": 1.0}}}}\n\
             {{\"key\":\"\\\"q\\\"\",\"id\":\"{q}\",\"size\":6,\"text\":\"quoted\"}}\n"
        )
    );
    assert!(sandbox.isodb(["get", "--json", "bytes"]).ok().line().ends_with(r#""base64":"AP8="}"#));
    assert_eq!(
        sandbox.isodb_with_input(["get", "--batch", "--json"], "no\n").ok().line(),
        r#"{"key":"no","missing":true}"#
    );
    refused(sandbox.isodb_with_input(["get", "--batch", "--json"], "\"a\n"), 2, "JSON quoting");
    // Every document of one database, into another.
    let all = sandbox.bash("isodb ls -r | isodb get --batch --json").ok().text();
    assert_eq!(all.lines().count(), 5);
    let other = Sandbox::with_database();
    other.isodb_with_input(["apply"], &all).ok();
    let tree = |sandbox: &Sandbox| sandbox.isodb(["rev-parse", "HEAD^{tree}"]).ok().line();
    assert_eq!(tree(&other), tree(&sandbox));
}

#[test]
fn contents_that_are_nearly_json() {
    let sandbox = Sandbox::with_database();
    for (n, content) in
        ["1", " 1", "1\n", "[1,\n2]", "nul", "", "\"\\ud800\"", "{\"a\":1,\"a\":2}", "1 2", "é"].iter().enumerate()
    {
        sandbox.isodb_with_input(["put", &format!("k{n}")], content).ok();
        let line = sandbox.isodb(["get", "--json", &format!("k{n}")]).ok().text();
        sandbox.isodb_with_input(["apply"], line.replace(&format!("\"k{n}\""), "\"copy\"")).ok();
        assert_eq!(sandbox.isodb(["get", "copy"]).ok().text(), *content);
    }
    // Large ones are printed as they are read.
    let text = "é\"\\\u{1}\n\t".repeat(700_000);
    sandbox.isodb_with_input(["put", "large"], &text).ok();
    let line = sandbox.isodb(["get", "--json", "large"]).ok().text();
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(value["text"] == text.as_str());
}

#[test]
fn damaged_documents_are_not_answered() {
    let sandbox = filled();
    let id = id(&sandbox, "a/b");
    let path = sandbox.db().join("objects").join(&id[..2]).join(&id[2..]);
    std::fs::remove_file(&path).unwrap();
    refused(sandbox.isodb(["get", "a/b"]), 4, "missing");
    std::fs::write(&path, b"junk").unwrap();
    refused(sandbox.isodb(["get", "a/b"]), 4, "is damaged");
    refused(sandbox.isodb(["get", "--json", "a/b"]), 4, "is damaged");
}

#[test]
fn json_with_a_final_newline_is_a_value_and_comes_back_with_it() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "k"], "{\"n\": 1.0}\n").ok();
    sandbox.isodb_with_input(["put", "two"], "1\n\n").ok();
    let printed = sandbox.isodb(["get", "--json", "k", "two"]).ok().text();
    assert!(printed.contains(r#""value":{"n": 1.0},"newline":true}"#), "{printed}");
    assert!(printed.contains(r#""text":"1\n\n"}"#), "{printed}");
    let tree = sandbox.isodb(["rev-parse", "HEAD^{tree}"]).ok().line();
    sandbox.isodb(["init", "copy.isodb"]).ok();
    sandbox.isodb_with_input(["--db", "copy.isodb", "apply"], printed).ok();
    assert_eq!(sandbox.isodb(["--db", "copy.isodb", "rev-parse", "HEAD^{tree}"]).ok().line(), tree);
}

#[test]
fn a_folder_without_a_document_is_told_from_nothing() {
    let sandbox = filled();
    sandbox.isodb(["rm", "a"]).ok();
    let ran = refused(sandbox.isodb(["get", "a"]), 1, "no document \"a\"");
    assert!(ran.stderr().contains("hint: `isodb ls a` lists what is below it"), "{}", ran.stderr());
}
