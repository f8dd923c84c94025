//! `simulate`: nodes in memory, nothing of the database touched, the same run for the same seed.

use super::refused;
use crate::support::Sandbox;

fn farm() -> Sandbox {
    let sandbox = Sandbox::with_database();
    let lines: String = (0..6).map(|n| format!("{{\"key\":\"stock/{n}\",\"value\":{{\"bales\":{n}}}}}\n")).collect();
    sandbox.isodb_with_input(["apply"], lines).ok();
    sandbox
}

#[test]
fn a_run_holds_and_leaves_the_database_alone() {
    let sandbox = farm();
    let before = sandbox.bash("find .isodb -type f | sort | xargs cat | sha256sum").ok().line();
    let ran = sandbox.isodb(["simulate", "--nodes", "3", "--rounds", "8", "--seed", "5"]).ok();
    let line = ran.line();
    assert!(line.starts_with("3 nodes, 8 rounds, seed 5: after ") && line.contains(" merges all agree; "), "{line}");
    assert!(line.contains(" of 6 documents ") && line.ends_with(" in conflict"), "{line}");
    assert_eq!(sandbox.isodb(["simulate", "--nodes", "3", "--rounds", "8", "--seed", "5"]).ok().line(), line);
    assert_eq!(sandbox.bash("find .isodb -type f | sort | xargs cat | sha256sum").ok().line(), before);
}

#[test]
fn json_tells_the_seed_that_was_drawn() {
    let sandbox = farm();
    let line = sandbox.isodb(["simulate", "--rounds", "3", "--documents", "2", "--json"]).ok().line();
    let run: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&run["nodes"], &run["documents"], &run["failure"]), (&3.into(), &2.into(), &serde_json::Value::Null));
    let seed = run["seed"].to_string();
    let again = sandbox.isodb(["simulate", "--rounds", "3", "--documents", "2", "--json", "--seed", &seed]).ok().line();
    assert_eq!(again, line);
}

#[test]
fn there_must_be_documents_and_nodes() {
    let sandbox = Sandbox::with_database();
    refused(sandbox.isodb(["simulate"]), 2, "there is no document to simulate with");
    sandbox.isodb(["simulate", "--nodes", "1"]).status(2);
    let sandbox = farm();
    refused(sandbox.isodb(["simulate", "--at", "nowhere"]), 1, "nowhere");
}

#[test]
fn rules_that_cannot_be_read_are_named() {
    let sandbox = farm();
    sandbox.isodb_with_input(["put", "_isodb/merge/rules"], r#"[{"keys":"**","use":"magic"}]"#).ok();
    refused(sandbox.isodb(["simulate"]), 2, "magic");
}
