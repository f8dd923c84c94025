//! `isodb rule`: the document of merge rules.

use crate::support::Sandbox;

/// The document of rules, as it is stored.
fn rules(sandbox: &Sandbox) -> String {
    sandbox.isodb(["get", "_isodb/merge/rules"]).ok().text()
}

#[test]
fn rules_are_added_listed_and_removed() {
    let sandbox = Sandbox::with_database();
    assert_eq!(sandbox.isodb(["rule", "list"]).ok().text(), "");
    let id = sandbox
        .isodb(["rule", "add", "stock/*", "json", "--field", "/count=sum", "--field", "/**/seen=max"])
        .ok()
        .text();
    assert_eq!(sandbox.isodb(["rev-parse", "HEAD"]).ok().text(), id);
    sandbox.isodb(["rule", "add", "**", "keep"]).ok();
    let json = sandbox.isodb(["rule", "add", "**/*.md", "text", "--before", "1", "-m", "notes", "--json"]).ok().text();
    assert!(json.ends_with(",\"new\":true}\n"), "{json}");
    assert_eq!(sandbox.isodb(["log", "-n", "1", "--oneline"]).ok().text().split_once(' ').unwrap().1, "notes\n");
    let list = "1 **/*.md text\n2 stock/* json /count=sum /**/seen=max\n3 ** keep\n";
    assert_eq!(sandbox.isodb(["rule", "list"]).ok().text(), list);
    assert_eq!(
        sandbox.isodb(["rule", "list", "--at", "HEAD~2", "-z"]).ok().text(),
        "1 stock/* json /count=sum /**/seen=max\0"
    );
    let json = "{\"number\":1,\"keys\":\"**/*.md\",\"use\":\"text\"}\n\
                {\"number\":2,\"keys\":\"stock/*\",\"use\":\"json\",\"fields\":{\"/count\":\"sum\",\"/**/seen\":\"max\"}}\n\
                {\"number\":3,\"keys\":\"**\",\"use\":\"keep\"}\n";
    assert_eq!(sandbox.isodb(["rule", "list", "--json"]).ok().text(), json);

    sandbox.isodb(["rule", "remove", "1"]).ok();
    sandbox.isodb(["rule", "remove", "stock/*"]).ok();
    assert_eq!(rules(&sandbox), "[\n{\"keys\":\"**\",\"use\":\"keep\"}\n]\n");
    sandbox.isodb(["rule", "remove", "1"]).ok();
    assert_eq!(rules(&sandbox), "[]\n");
}

#[test]
fn a_script_is_stored_with_its_rule() {
    let sandbox = Sandbox::with_database();
    sandbox.write("cows.rhai", "fn merge(key, base, left, right) { left }");
    sandbox.isodb(["rule", "add", "cows/*", "script", "--script-file", "cows.rhai"]).ok();
    assert_eq!(sandbox.isodb(["log", "--oneline"]).ok().text().lines().count(), 1);
    let script = sandbox.isodb(["get", "_isodb/merge/cows.rhai"]).ok().text();
    assert_eq!(script, "fn merge(key, base, left, right) { left }");
    let add = ["rule", "add", "x", "script", "--script", "_isodb/merge/y", "--engine", "rhai/1"];
    let ran = sandbox.isodb(add).status(1);
    assert!(ran.stderr().starts_with("error: there is no document \"_isodb/merge/y\"\n"), "{}", ran.stderr());
    sandbox.isodb(add.into_iter().chain(["--script-file", "cows.rhai"])).ok();
    let list = "1 cows/* script _isodb/merge/cows.rhai rhai/1\n2 x script _isodb/merge/y rhai/1\n";
    assert_eq!(sandbox.isodb(["rule", "list"]).ok().text(), list);
}

#[test]
fn a_script_that_does_not_compile_is_refused() {
    let sandbox = Sandbox::with_database();
    let source = "fn merge(key, base, left, right) {\n    left +\n}";
    sandbox.write("cows.rhai", source);
    sandbox.write("cows.wasm", "no module");
    sandbox.isodb_with_input(["put", "_isodb/merge/stored.rhai"], source).ok();
    let head = sandbox.isodb(["head"]).ok().text();
    for (args, why) in [
        (["--script-file", "cows.rhai"], "_isodb/merge/cows.rhai cannot be run: the script does not compile: "),
        (["--script-file", "cows.wasm"], "_isodb/merge/cows.wasm cannot be run: the module is not valid: "),
        (
            ["--script", "_isodb/merge/stored.rhai"],
            "_isodb/merge/stored.rhai cannot be run: the script does not compile: ",
        ),
    ] {
        let error = sandbox.isodb(["rule", "add", "cows/*", "script"].into_iter().chain(args)).status(2).stderr();
        assert!(error.starts_with(&format!("error: {why}")), "{error}");
        assert!(args[1].ends_with("wasm") || error.contains("(line 3, position 1)"), "{error}");
        assert_eq!(sandbox.isodb(["head"]).ok().text(), head);
    }
}

#[test]
fn what_is_wrong_changes_nothing() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["rule", "add", "a", "keep"]).ok();
    sandbox.isodb(["rule", "add", "a", "text"]).ok();
    let head = sandbox.isodb(["head"]).ok().text();
    for (args, status, error) in [
        (
            &["add", "a//b", "keep"][..],
            2,
            "merge rule 3 is wrong: pattern \"a//b\" has an empty segment (a slash at its start or end, or two in a row)",
        ),
        (
            &["add", "b", "json", "--field", "/a=add"],
            2,
            "merge rule 3 is wrong: the field \"/a\" has the unknown kind \"add\": it can be sum, max, min, union, list, latest",
        ),
        (&["add", "b", "json", "--field", "/a"], 2, "\"/a\" is no field"),
        (&["add", "b", "json", "--field", "/a=sum", "--field", "/a=max"], 2, "the field \"/a\" is given twice"),
        (
            &["add", "b", "text", "--field", "/a=sum"],
            2,
            "merge rule 3 is wrong: it has the member \"fields\", which a rule of the kind \"text\" does not have",
        ),
        (&["add", "b", "script"], 2, "merge rule 3 is wrong: it has no \"script\""),
        (
            &["add", "b", "script", "--script", "_isodb/merge/x.lua"],
            2,
            "merge rule 3 is wrong: \"script\" is \"_isodb/merge/x.lua\": its ending tells no engine, so \"engine\" has to: rhai/1 or wasm/1",
        ),
        (&["add", "b", "keep", "--before", "3"], 2, "there is no merge rule 3: there are 2"),
        (&["remove", "3"], 1, "there is no merge rule 3: there are 2"),
        (&["remove", "b"], 1, "there is no merge rule with the pattern \"b\""),
        (&["remove", "a"], 2, "several merge rules have the pattern \"a\""),
        (&["remove", "1", "--expect", "HEAD~1"], 3, ""),
    ] {
        let ran = sandbox.isodb(["rule"].iter().chain(args)).status(status);
        let line = ran.stderr();
        assert!(line.starts_with(&format!("error: {error}")), "{args:?}: {line}");
        assert_eq!(sandbox.isodb(["head"]).ok().text(), head, "{args:?}");
    }
    sandbox.isodb_with_input(["put", "_isodb/merge/rules"], "[{\"keys\":\"a\",\"use\":\"newest\"}]").ok();
    for args in [&["rule", "list"][..], &["rule", "add", "b", "keep"]] {
        let error = sandbox.isodb(args).status(2).stderr();
        assert!(error.starts_with("error: merge rule 1 is wrong: \"use\" is the unknown \"newest\""), "{error}");
    }
}

#[test]
fn rules_are_made_on_other_commits_as_well() {
    let sandbox = Sandbox::with_database();
    let first = sandbox.isodb(["rule", "add", "a", "keep"]).ok().text();
    sandbox.isodb(["rule", "add", "b", "keep"]).ok();
    let on = sandbox.isodb(["rule", "add", "c", "keep", "--on", first.trim()]).ok().text();
    assert_eq!(sandbox.isodb(["rule", "list", "--at", on.trim()]).ok().text(), "1 a keep\n2 c keep\n");
    let other = sandbox.isodb(["rule", "add", "d", "keep", "--ref", "other"]).ok().text();
    assert_eq!(sandbox.isodb(["rule", "list", "--at", other.trim()]).ok().text(), "1 d keep\n");
    assert_eq!(sandbox.isodb(["rule", "list"]).ok().text(), "1 a keep\n2 b keep\n");
}

#[test]
fn rules_are_tried() {
    let sandbox = Sandbox::with_database();
    assert_eq!(sandbox.isodb(["rule", "test"]).ok().text(), "");
    sandbox.isodb(["rule", "add", "stock/*", "json", "--field", "/n=sum"]).ok();
    sandbox.isodb(["rule", "add", "other", "text"]).ok();
    sandbox.isodb(["rule", "add", "kept", "keep"]).ok();
    sandbox.isodb_with_input(["put", "stock/hay"], "{\"n\":10}").ok();
    sandbox.isodb_with_input(["put", "kept"], "1").ok();
    sandbox.isodb_with_input(["put", "notes/today"], "calm\n").ok();
    let lines = sandbox.isodb(["rule", "test", "--count", "50"]).ok().lines();
    assert!(
        lines[0].starts_with("rule 1 stock/*: 50 cases, 0 real: ") && lines[0].ends_with(" left in conflict"),
        "{lines:?}"
    );
    for line in ["rule 2 other: no document", "rule 3 kept: nothing to try"] {
        assert!(lines.iter().any(|found| found == line), "{line} in {lines:?}");
    }
    let only = sandbox.isodb(["rule", "test", "kept", "--json"]).ok().lines();
    assert_eq!(only.len(), 3);
    assert!(only[2].starts_with("{\"conflicts\":[],\"documents\":1,\"keys\":\"kept\""), "{}", only[2]);
    let seeds = [1, 1, 2].map(|seed: u8| sandbox.isodb(["rule", "test", "--seed", &seed.to_string()]).ok().text());
    assert!(seeds[0] == seeds[1] && seeds[0] != seeds[2]);
}

#[test]
fn a_script_that_fails_is_shown_with_a_document() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "notes/today"], "calm\n").ok();
    sandbox.write("broken.rhai", "no script");
    let test = ["rule", "test", "notes/*", "--script", "broken.rhai", "--count", "20"];
    let text = sandbox.isodb(test).status(1).text();
    for part in [
        "without a rule: 20 cases, 0 real: 0 merged, 20 left in conflict",
        "fails: without a rule, 20 times; for one, notes/today",
        "  base:    \"calm\\n\"",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    let lines = sandbox.isodb(test.into_iter().chain(["--json"])).status(1).lines();
    assert!(
        lines[1].contains("\"base\":{\"text\":\"calm\\n\"}") && lines[1].contains("\"flaw\":\"fails\""),
        "{lines:?}"
    );
    let error = sandbox.isodb(["rule", "test", "--script", "missing.rhai"]).status(2).stderr();
    assert!(error.starts_with("error: cannot read "), "{error}");
    sandbox.write("x.lua", "");
    let error = sandbox.isodb(["rule", "test", "--script", "x.lua"]).status(2).stderr();
    assert!(error.contains("its ending tells no engine"), "{error}");
}

#[test]
fn what_is_wrong_with_a_script_is_shown() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "stock/hay"], "{\"n\":10}").ok();
    let test = |source: &str| {
        sandbox.write("x.rhai", source);
        sandbox.isodb(["rule", "test", "--script", "x.rhai", "--count", "30", "--json"])
    };
    let flaws = |lines: Vec<String>| -> Vec<String> {
        let flaw = |line: &String| Some(line.split_once("\"flaw\":\"")?.1.split_once('"')?.0.to_owned());
        lines.iter().filter_map(flaw).filter(|flaw| flaw != "slow").collect()
    };
    let left = test("fn merge(key, base, left, right) { left }").status(1);
    assert!(flaws(left.lines()).contains(&"not-commutative".to_owned()), "{:?}", left.lines());
    let constant = "fn merge(key, base, left, right) { print(key); `one` }";
    let ran = test(constant).status(1);
    assert_eq!(flaws(ran.lines()), ["not-idempotent"]);
    assert!(ran.stderr().starts_with("script: stock/hay\n"), "{}", ran.stderr());
    let max = "fn merge(key, base, left, right) {
        if left == () || right == () { return if left == () { right } else { left }; }
        let a = left.get(\"n\");
        let b = right.get(\"n\");
        if a == () || b == () { conflict(\"no number\"); }
        #{n: if a > b { a } else { b }}
    }";
    let found = flaws(test(max).status(1).lines());
    // It drops all other members, which a version merged with itself shows.
    assert_eq!(found, ["not-idempotent"]);
}

#[test]
fn a_rule_on_several_commits_joins_what_they_come_to() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["rule", "add", "a", "keep"]).ok();
    let base = sandbox.isodb(["head"]).ok().text();
    let without = sandbox.isodb_with_input(["put", "--on", base.trim(), "k"], b"1").ok().text();
    let with = sandbox.isodb(["rule", "add", "b", "text", "--on", base.trim()]).ok().text();
    for (one, other) in [(&without, &with), (&with, &without)] {
        let on = ["rule", "add", "c", "latest", "--on", one.trim(), "--on", other.trim()];
        let joined = sandbox.isodb(on).ok().text();
        let list = sandbox.isodb(["rule", "list", "--at", joined.trim()]).ok().text();
        assert_eq!(list, "1 a keep\n2 b text\n3 c latest\n");
    }
}
