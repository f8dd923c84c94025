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
    assert_eq!(ran.stderr(), "error: there is no document \"_isodb/merge/y\"\n");
    sandbox.isodb(add.into_iter().chain(["--script-file", "cows.rhai"])).ok();
    let list = "1 cows/* script _isodb/merge/cows.rhai rhai/1\n2 x script _isodb/merge/y rhai/1\n";
    assert_eq!(sandbox.isodb(["rule", "list"]).ok().text(), list);
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
