//! `resolve`: one document, many at once, and what else ends a conflict.

use super::refused;
use crate::support::farm::Farm;

fn blob(text: &str) -> String {
    isodb::hash(isodb::Kind::Blob, text.as_bytes()).to_string()
}

fn left(farm: &Farm) -> Vec<String> {
    let ran = farm.sandbox.isodb(["conflicts"]);
    let keys = ran.lines();
    ran.status(i32::from(!keys.is_empty()));
    keys
}

fn get(farm: &Farm, key: &str) -> String {
    let ran = farm.sandbox.isodb(["get", "--strict", key]).ok();
    assert_eq!(ran.stderr(), "");
    ran.text()
}

#[test]
fn one_document() {
    let farm = Farm::new();
    let run = |args: &[&str]| farm.sandbox.isodb([&["resolve"], args].concat());
    let commit = run(&["animals/bella", "--take", &blob("{\"kg\":431}")[..6]]).ok().line();
    assert_eq!(farm.sandbox.isodb(["head"]).ok().line(), commit);
    assert_eq!(get(&farm, "animals/bella"), "{\"kg\":431}");
    assert_eq!(
        farm.sandbox.git(["log", "-1", "--format=%s %P"]).ok().line(),
        format!("resolve animals/bella {}", farm.commits[3])
    );
    refused(run(&["animals/bella", "--take", "base"]), 1, "\"animals/bella\" is not in conflict");
    run(&["notes/old", "--take", "base"]).ok();
    assert_eq!(get(&farm, "notes/old"), "one\n");
    farm.sandbox.isodb_with_input(["resolve", "stock/a\nb", "-m", "both"], "3").ok();
    assert_eq!(get(&farm, "stock/a\nb"), "3");
    assert_eq!(farm.sandbox.git(["log", "-1", "--format=%s"]).ok().line(), "both");
    let file = farm.sandbox.write("hay", "27");
    let json = run(&["stock/hay", file.to_str().unwrap(), "--json"]).ok().line();
    let head = farm.sandbox.isodb(["head"]).ok().line();
    assert_eq!(json, format!("{{\"commit\":\"{head}\",\"left\":0,\"new\":true,\"resolved\":1}}"));
    assert_eq!((get(&farm, "stock/hay"), left(&farm)), ("27".to_owned(), Vec::new()));
    farm.sandbox.check_with_git();
}

#[test]
fn what_cannot_be_resolved() {
    let farm = Farm::new();
    let run = |args: &[&str]| farm.sandbox.isodb([&["resolve"], args].concat());
    refused(run(&["notes/new", "--take", "base"]), 1, "\"notes/new\" is not in conflict");
    refused(run(&["no", "--take", "base"]), 1, "no document \"no\"");
    refused(run(&["stock/hay", "--take", "base"]), 1, "have no base");
    refused(run(&["stock/hay", "--take", "0123"]), 1, "no version 0123");
    refused(run(&["stock/hay", "--take", "xyz"]), 2, "no version");
    refused(run(&["notes/old", "--take", "deleted"]), 1, "the deletion");
    refused(run(&["stock/hay", "notes/old", "--take", "base"]), 2, "more than one KEY");
    refused(run(&["stock/hay", "x", "y"]), 2, "more than one KEY");
    refused(run(&["stock/hay", "no-such-file"]), 2, "no-such-file");
    refused(run(&["--take-latest", "stock/*", "no/**"]), 1, "no document in conflict matches \"no/**\"");
    refused(run(&["--take-latest", "notes/new"]), 1, "no document in conflict matches");
    refused(run(&["--take-base", "**"]), 1, "have no base");
    refused(run(&["--take-latest", "a//b"]), 2, "empty segment");
    refused(run(&["--take-latest"]), 2, "KEY");
    refused(run(&["--take-latest", "--take-left", "**"]), 2, "--take-left");
    refused(run(&["stock/hay", "--take", "base", "--delete"]), 2, "--delete");
    refused(run(&["stock/hay", "--delete", "--on", "HEAD", "--on", "HEAD^1"]), 2, "--on is given twice");
    refused(run(&["stock/hay", "--delete", "--expect", "HEAD^1"]), 3, "");
    assert_eq!(farm.sandbox.isodb(["head"]).ok().line(), farm.commits[3]);
    assert_eq!(left(&farm).len(), 4);
    let empty = crate::support::Sandbox::with_database();
    refused(empty.isodb(["resolve", "a", "--take", "base"]), 1, "no document \"a\"");
    refused(empty.isodb(["resolve", "--take-latest", "**"]), 1, "no document in conflict");
}

#[test]
fn many_documents() {
    let farm = Farm::new();
    let plan = |args: &[&str]| farm.sandbox.isodb([&["resolve", "--dry-run"], args].concat()).ok().lines();
    let (hay, bella) = (["12", "15"].map(blob), ["{\"kg\":431}", "{\"kg\":434}"].map(blob));
    let line = |id: &str, key: &str| format!("{id} {key}");
    assert_eq!(
        plan(&["--take-latest", "stock/hay", "notes/*"]),
        [line(&blob("two\n"), "notes/old"), line(&hay[1], "stock/hay")]
    );
    assert_eq!(
        plan(&["--take-earliest", "stock/hay", "notes/*"]),
        ["deleted notes/old".to_owned(), line(&hay[0], "stock/hay")]
    );
    let (least, greatest) = (bella[0].clone().min(bella[1].clone()), bella[0].clone().max(bella[1].clone()));
    assert_eq!(
        plan(&["--take-left", "animals/**", "notes/old"]),
        [line(&least, "animals/bella"), "deleted notes/old".to_owned()]
    );
    assert_eq!(plan(&["--take-right", "animals/*"]), [line(&greatest, "animals/bella")]);
    assert_eq!(
        plan(&["--take-base", "animals/**", "notes/**"]),
        [line(&blob("{\"kg\":430}"), "animals/bella"), line(&blob("one\n"), "notes/old")]
    );
    assert_eq!(plan(&["--delete", "stock/*"]), ["deleted \"stock/a\\nb\"", "deleted stock/hay"]);
    assert_eq!(plan(&["--delete", "--json", "stock/hay"]), [r#"{"id":null,"key":"stock/hay"}"#]);
    assert_eq!(plan(&["stock/hay", "--take", &hay[0]]), [line(&hay[0], "stock/hay")]);
    assert_eq!(farm.sandbox.isodb(["head"]).ok().line(), farm.commits[3]);
    let json = farm.sandbox.isodb(["resolve", "--json", "--take-latest", "stock/**", "**"]).ok().line();
    assert!(json.ends_with("\"new\":true,\"resolved\":4}"), "{json}");
    assert_eq!(farm.sandbox.git(["log", "-1", "--format=%s"]).ok().line(), "resolve 4 conflicts");
    assert_eq!(
        (get(&farm, "stock/hay"), get(&farm, "notes/old"), left(&farm)),
        ("15".into(), "two\n".into(), Vec::new())
    );
    farm.sandbox.check_with_git();
}

#[test]
fn removing_and_building_on_a_revision() {
    let farm = Farm::new();
    let on = farm.sandbox.isodb(["resolve", "--delete", "notes/old", "--on", "HEAD"]).ok().line();
    assert_eq!(left(&farm).len(), 4);
    assert_eq!(farm.sandbox.isodb(["conflicts", "--count", "--at", &on]).status(1).line(), "3");
    farm.sandbox.isodb(["ref", "set", "other", &on]).ok();
    farm.sandbox.isodb(["resolve", "--delete", "stock/*", "--ref", "other"]).ok();
    assert_eq!(
        farm.sandbox.isodb(["ls", "-r", "--at", "other"]).ok().lines(),
        ["animals/bella", "notes/new", "notes/today"]
    );
    assert_eq!(left(&farm).len(), 4);
}

#[test]
fn a_key_with_stars_is_found_by_itself() {
    let farm = Farm::of(
        &[("x", Some("1"))],
        &[("a*/b**", Some("1")), ("ab/b", Some("1"))],
        &[("a*/b**", Some("2")), ("ab/b", Some("2"))],
    );
    refused(farm.sandbox.isodb(["resolve", "--take-left", "b**"]), 2, "**");
    let lines = farm.sandbox.isodb(["resolve", "--dry-run", "--delete", "a*/b**"]).ok().lines();
    assert_eq!(lines, ["deleted a*/b**"]);
    farm.sandbox.isodb(["resolve", "a*/b**", "--take", &blob("1")]).ok();
    assert_eq!(left(&farm), ["ab/b"]);
    farm.sandbox.isodb(["resolve", "--take-left", "a*/b"]).ok();
    assert_eq!(left(&farm), [""; 0]);
}

#[test]
fn put_rm_and_apply_resolve_as_well() {
    let farm = Farm::new();
    let winner = farm.sandbox.isodb(["-q", "get", "stock/hay"]).ok().text();
    let commit = farm.sandbox.isodb_with_input(["put", "stock/hay"], &winner).ok().line();
    assert_ne!(commit, farm.commits[3], "the content is the same, and the choice is new");
    assert_eq!(get(&farm, "stock/hay"), winner);
    farm.sandbox.isodb(["rm", "notes/old"]).ok();
    farm.sandbox.isodb_with_input(["apply"], "{\"key\":\"animals/bella\",\"value\":{\"kg\":440}}\n").ok();
    assert_eq!(left(&farm), ["\"stock/a\\nb\""]);
    farm.sandbox.isodb(["restore", "animals/bella", "--from", &farm.commits[3]]).ok();
    assert_eq!(left(&farm), ["animals/bella", "\"stock/a\\nb\""]);
}

const RULES: &str = r#"[
    {"keys": "animals/*", "use": "json", "fields": {"/kg": "max"}},
    {"keys": "stock/*", "use": "latest"},
    {"keys": "notes/old", "use": "keep"}
]"#;

#[test]
fn by_the_rules_of_today() {
    let farm = Farm::new();
    let run = |args: &[&str]| farm.sandbox.isodb([&["resolve", "--rules"], args].concat());
    // Without a rule for them nothing is decided.
    let ran = run(&[]).status(1);
    assert_eq!((ran.line(), ran.stderr().lines().next()), (farm.commits[3].clone(), Some("4 conflicts left")));
    let head = farm.sandbox.isodb_with_input(["put", "_isodb/merge/rules"], RULES).ok().line();
    let plan = run(&["--dry-run"]).status(1).lines();
    let line = |text: &str, key: &str| format!("{} {key}", blob(text));
    let (hay, other) = (line("15", "stock/hay"), line("2", "\"stock/a\\nb\""));
    assert_eq!(plan, [line("{\"kg\":434}", "animals/bella"), "conflict notes/old".to_owned(), other, hay.clone()]);
    assert_eq!(run(&["-n", "stock/hay"]).ok().lines(), [hay]);
    let plan = run(&["-n", "--json", "notes/**"]).status(1).line();
    assert!(plan.contains("\"reason\":\"") && plan.contains("\"conflict\":true,\"key\":\"notes/old\""), "{plan}");
    assert_eq!(farm.sandbox.isodb(["head"]).ok().line(), head);
    refused(run(&["no/*"]), 1, "no document in conflict matches");
    refused(run(&["--take", "base"]), 2, "--take");
    run(&["stock/hay"]).ok();
    assert_eq!(farm.sandbox.git(["log", "-1", "--format=%s"]).ok().line(), "resolve stock/hay by rules");
    let ran = run(&["--json"]).status(1);
    assert!(ran.line().ends_with("\"left\":1,\"new\":true,\"resolved\":2}"), "{}", ran.line());
    assert_eq!(left(&farm), ["notes/old"]);
    assert_eq!((get(&farm, "animals/bella"), get(&farm, "stock/hay")), ("{\"kg\":434}".to_owned(), "15".to_owned()));
    // With nothing in conflict there is nothing to do.
    farm.sandbox.isodb(["resolve", "notes/old", "--delete"]).ok();
    let head = farm.sandbox.isodb(["head"]).ok().line();
    assert_eq!(run(&[]).ok().line(), head);
    assert_eq!(crate::support::Sandbox::with_database().isodb(["resolve", "--rules"]).ok().text(), "");
    farm.sandbox.check_with_git();
}

#[test]
fn rules_that_cannot_be_used_change_nothing() {
    let farm = Farm::new();
    let rules = "[{\"keys\":\"**\",\"use\":\"newest\"}]";
    let head = farm.sandbox.isodb_with_input(["put", "_isodb/merge/rules"], rules).ok().line();
    refused(farm.sandbox.isodb(["resolve", "--rules"]), 2, "newest");
    assert_eq!((farm.sandbox.isodb(["head"]).ok().line(), left(&farm).len()), (head, 4));
    let script = "[{\"keys\":\"stock/hay\",\"use\":\"script\",\"script\":\"_isodb/merge/sum.rhai\"}]";
    farm.sandbox.isodb_with_input(["put", "_isodb/merge/rules"], script).ok();
    farm.sandbox.isodb(["resolve", "--rules", "stock/hay"]).status(1);
    let sum = "fn merge(key, base, left, right) { left + right }";
    farm.sandbox.isodb_with_input(["put", "_isodb/merge/sum.rhai"], sum).ok();
    farm.sandbox.isodb(["resolve", "--rules", "stock/hay"]).ok();
    assert_eq!(get(&farm, "stock/hay"), "27");
}
