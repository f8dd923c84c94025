//! `conflicts`, and how other commands show documents in conflict.

use serde_json::{Value, json};

use super::refused;
use crate::support::Sandbox;
use crate::support::farm::{Farm, START};

fn blob(text: &str) -> String {
    isodb::hash(isodb::Kind::Blob, text.as_bytes()).to_string()
}

#[test]
fn a_line_each() {
    let Farm { sandbox, commits } = Farm::new();
    let list = |args: &[&str], status| sandbox.isodb([&["conflicts"], args].concat()).status(status).text();
    assert_eq!(list(&[], 1), "animals/bella\nnotes/old\n\"stock/a\\nb\"\nstock/hay\n");
    assert_eq!(list(&["-z"], 1), "animals/bella\0notes/old\0stock/a\nb\0stock/hay\0");
    assert_eq!(list(&["stock/"], 1), "\"stock/a\\nb\"\nstock/hay\n");
    assert_eq!(list(&["stock/hay"], 1), "stock/hay\n");
    assert_eq!((list(&["notes/new"], 0), list(&["--at", &commits[1]], 0)), (String::new(), String::new()));
    assert_eq!((list(&["--count"], 1), list(&["--count", "--at", "HEAD^1"], 0)), ("4\n".into(), "0\n".into()));
    assert_eq!(list(&["--count", "--json", "notes"], 1), "{\"count\":1}\n");
    assert_eq!(sandbox.isodb(["conflicts"]).stderr(), "");
    // Before the first commit, and with no conflict any more.
    assert_eq!(Sandbox::with_database().isodb(["conflicts"]).ok().text(), "");
    for key in ["animals/bella", "notes/old", "stock/hay", "stock/a\nb"] {
        assert_eq!(list(&[], 1), list(&["--at", "HEAD^{tree}"], 1));
        sandbox.isodb(["rm", key]).ok();
    }
    assert_eq!(list(&[], 0), "");
    assert_eq!(list(&["--count", "--at", &commits[3]], 1), "4\n");
    refused(sandbox.isodb(["conflicts", "--at", "no-such"]), 1, "no-such");
}

#[test]
fn versions_and_who_wrote_them() {
    let Farm { sandbox, commits } = Farm::new();
    let mut lines = sandbox.isodb(["conflicts", "--long", "notes"]).status(1).lines();
    assert_eq!(lines.remove(0), "deleted\t-\t2020-09-13T12:28:20Z\tBo\tnotes/old");
    assert_eq!(lines.remove(0), format!("{}\t4\t2020-09-13T12:30:00Z\tCy\tnotes/old", blob("two\n")));
    assert!(lines.is_empty());
    let version = |text: &str, name: &str, time: i64, commit: &str| {
        let email = format!("{}@farm", name.to_lowercase());
        let author = json!({"name": name, "email": email, "time": time});
        json!({"id": blob(text), "size": text.len(), "author": author, "time": time, "commit": commit})
    };
    let one = |args: &[&str]| -> Value { serde_json::from_str(&sandbox.isodb(args).text()).expect("one line of JSON") };
    let hay = one(&["conflicts", "--json", "stock/hay"]);
    let mut versions =
        vec![version("12", "Bo", START + 100, &commits[1]), version("15", "Cy", START + 200, &commits[2])];
    versions.sort_by_key(|version| version["id"].to_string());
    let winner = versions[1]["id"].clone();
    assert_eq!(hay, json!({"key": "stock/hay", "base": null, "versions": versions, "winner": winner}));
    assert_eq!(one(&["show", "--json", "stock/hay"]), hay);
    let old = one(&["conflicts", "--json", "notes/old"]);
    assert_eq!((&old["base"], &old["winner"]), (&json!(blob("one\n")), &json!(blob("two\n"))));
    assert_eq!((&old["versions"][0]["id"], &old["versions"][0]["deleted"]), (&Value::Null, &json!(true)));
    assert_eq!(old["versions"][0]["commit"], json!(commits[1]));
    // Of a tree that is no commit's nobody knows who wrote it.
    let tree = one(&["conflicts", "--json", "--at", "HEAD^{tree}", "stock/hay"]);
    assert_eq!(tree["versions"][0], json!({"id": hay["versions"][0]["id"], "size": 2}));
    let long = sandbox.isodb(["conflicts", "--long", "--at", "HEAD^{tree}", "stock/hay"]).status(1).text();
    assert!(long.contains("\t2\t-\t-\tstock/hay\n"), "{long}");
}

#[test]
fn show_tells_the_versions_apart() {
    let Farm { sandbox, commits } = Farm::new();
    let text = sandbox.isodb(["show", "animals/bella"]).ok().text();
    assert_eq!(sandbox.isodb(["show", "HEAD:animals/bella"]).ok().text(), text);
    let (one, other) = (blob("{\"kg\":431}"), blob("{\"kg\":434}"));
    assert!(
        text.starts_with(&format!("conflict animals/bella: 2 versions\nbase {}\n\n", blob("{\"kg\":430}"))),
        "{text}"
    );
    for (id, name, date, commit, kg) in [
        (&one, "Bo <bo@farm>", "2020-09-13T12:28:20Z", &commits[1], 431),
        (&other, "Cy <cy@farm>", "2020-09-13T12:30:00Z", &commits[2], 434),
    ] {
        let winner = if *id == one.clone().max(other.clone()) { " (the one that get answers)" } else { "" };
        let version = format!(
            "\nversion {id}{winner}\nAuthor:    {name}\nDate:      {date}\nCommit:    {commit}\n- /kg: 430\n+ /kg: {kg}\n"
        );
        assert!(text.contains(&version), "{version} is not in {text}");
    }
    let text = sandbox.isodb(["show", "notes/old"]).ok().text();
    assert!(text.contains("\nversion deleted\nAuthor:    Bo <bo@farm>\n"), "{text}");
    let text = sandbox.isodb(["show", "stock/hay"]).ok().text();
    assert!(text.contains("\nno base\n") && text.contains("+12\n") && text.contains("+15\n"), "{text}");
    // Without a conflict it is the content.
    assert_eq!(sandbox.isodb(["show", "notes/new"]).ok().text(), "rain\n");
    assert_eq!(sandbox.isodb(["show", &format!("{}:animals/bella", commits[0])]).ok().text(), "{\"kg\":430}");
    // A revision wins.
    sandbox.isodb_with_input(["put", "main"], "a document").ok();
    assert!(sandbox.isodb(["show", "main"]).ok().text().starts_with("commit "));
    assert_eq!(sandbox.isodb(["show", "HEAD:main"]).ok().text(), "a document");
    sandbox.isodb_with_input(["put", "a:b"], "colon").ok();
    assert_eq!(sandbox.isodb(["show", "a:b"]).ok().text(), "colon");
    refused(sandbox.isodb(["show", "HEAD:no"]), 1, "there is no document \"no\"");
    refused(sandbox.isodb(["show", "no/such"]), 1, "there is no revision \"no/such\"");
}

#[test]
fn get_warns_and_can_refuse() {
    let Farm { sandbox, .. } = Farm::new();
    let winner = if blob("12") > blob("15") { "12" } else { "15" };
    let ran = sandbox.isodb(["get", "stock/hay"]).ok();
    assert_eq!(ran.text(), winner);
    let stderr = ran.stderr();
    assert!(
        stderr.starts_with("warning: \"stock/hay\" is in conflict, and this is one of 2 versions\nhint: "),
        "{stderr}"
    );
    assert_eq!(sandbox.isodb(["-q", "get", "stock/hay"]).ok().stderr(), "");
    assert_eq!(sandbox.isodb(["get", "notes/new"]).ok().stderr(), "");
    refused(sandbox.isodb(["get", "--strict", "stock/hay"]), 1, "\"stock/hay\" is in conflict");
    let ran = sandbox.isodb(["get", "--strict", "stock/hay", "notes/new", "notes/old"]).status(1);
    assert_eq!(ran.text(), "rain\n");
    assert_eq!(ran.stderr().lines().filter(|line| line.starts_with("error: ")).count(), 2);
    assert_eq!(sandbox.isodb(["get", "--strict", "notes/new"]).ok().text(), "rain\n");
    let line = sandbox.isodb(["get", "--json", "stock/hay"]).ok().line();
    let id = blob(winner);
    assert_eq!(
        line,
        format!("{{\"key\":\"stock/hay\",\"id\":\"{id}\",\"size\":2,\"conflict\":true,\"value\":{winner}}}")
    );
    let keys = "stock/hay\nnotes/new\nnotes/old\nno\n";
    let ran = sandbox.isodb_with_input(["get", "--batch"], keys).ok();
    assert!(ran.text().starts_with(&format!("{id} 2 stock/hay\n{winner}\n")), "{}", ran.text());
    assert!(ran.stderr().starts_with("warning: 2 documents are in conflict, "), "{}", ran.stderr());
    let ran = sandbox.isodb_with_input(["get", "--batch", "--strict"], keys).ok();
    let rain = format!("{} 5 notes/new\nrain\n\n", blob("rain\n"));
    assert_eq!(ran.text(), format!("conflict stock/hay\n{rain}conflict notes/old\nmissing no\n"));
    assert_eq!(ran.stderr(), "");
    let ran = sandbox.isodb_with_input(["get", "--batch", "--json", "--strict"], "stock/hay\n").ok();
    assert_eq!(ran.text(), "{\"conflict\":true,\"key\":\"stock/hay\"}\n");
    // What is printed can be stored, and is a choice then.
    sandbox.isodb_with_input(["apply"], line + "\n").ok();
    assert_eq!(sandbox.isodb(["conflicts", "stock/hay"]).ok().text(), "");
}

#[test]
fn get_reads_each_version() {
    let Farm { sandbox, .. } = Farm::new();
    let get = |which: &str| sandbox.isodb(["get", "animals/bella", "--version", which]);
    for kg in [431, 434] {
        let text = format!("{{\"kg\":{kg}}}");
        let ran = get(&blob(&text)[..8]).ok();
        assert_eq!((ran.text(), ran.stderr()), (text.clone(), String::new()));
        assert_eq!(get(&blob(&text).to_uppercase()).ok().text(), text);
    }
    assert_eq!(get("base").ok().text(), "{\"kg\":430}");
    refused(get("deleted"), 1, "the deletion has no content");
    refused(get("0123"), 1, "has no version 0123");
    refused(get(&blob("{\"kg\":430}")), 1, "has no version");
    refused(get("abc"), 2, "\"abc\" is no version");
    refused(sandbox.isodb(["get", "stock/hay", "--version", "base"]), 1, "have no base");
    refused(sandbox.isodb(["get", "a", "b", "--version", "base"]), 2, "one KEY");
    refused(sandbox.isodb(["get", "no", "--version", "base"]), 1, "no document \"no\"");
    assert_eq!(sandbox.isodb(["get", "notes/new", "--version", &blob("rain\n")]).ok().text(), "rain\n");
    let json = sandbox.isodb(["get", "animals/bella", "--json", "--version", "base"]).ok().line();
    assert!(json.contains("\"value\":{\"kg\":430}") && !json.contains("conflict"), "{json}");
}

#[test]
fn diff_shows_what_is_in_conflict() {
    let Farm { sandbox, commits } = Farm::new();
    let lines = sandbox.isodb(["diff", &commits[0], "HEAD", "--json"]).ok().lines();
    let in_conflict: Vec<bool> = lines.iter().map(|line| line.contains("\"conflict\":true")).collect();
    assert_eq!(in_conflict, [true, false, true, true, true]);
    // The winner's own side has the same content, and no conflict.
    let winner = sandbox.isodb(["-q", "get", "stock/hay"]).ok().text();
    let side = if winner == "12" { &commits[1] } else { &commits[2] };
    assert_eq!(sandbox.isodb(["diff", side, "HEAD", "stock/hay"]).ok().text(), "M\tstock/hay\n");
    let patch = sandbox.isodb(["diff", "-p", side, "HEAD", "stock/hay"]).ok().text();
    assert_eq!(patch, "M\tstock/hay\n  the content is the same; the versions in conflict differ\n");
    let log = sandbox.isodb(["log", "--oneline", "stock/hay"]).ok().lines();
    assert_eq!(log.len(), 3, "the merge and both sides: {log:?}");
    let ran = sandbox.isodb(["export"]).ok();
    assert!(ran.stderr().contains("4 documents are in conflict"), "{}", ran.stderr());
    sandbox.check_with_git();
}
