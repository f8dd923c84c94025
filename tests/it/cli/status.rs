//! `status`: the head, conflicts, and what is not merged.

use serde_json::{Value, json};

use super::refused;
use crate::support::Sandbox;
use crate::support::farm::{Farm, START};

fn as_json(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.isodb(["status", "--json"]).ok().line()).unwrap()
}

#[test]
fn before_the_first_commit() {
    let sandbox = Sandbox::with_database();
    assert_eq!(
        sandbox.isodb(["status"]).ok().text(),
        "Ref:       refs/heads/main\nHead:      none yet\nConflicts: 0\n"
    );
    let nothing = json!({
        "ref": "refs/heads/main", "head": null, "subject": null, "time": null, "merge": false, "conflicts": 0,
        "unmerged": [],
    });
    assert_eq!(as_json(&sandbox), nothing);
    refused(Sandbox::new().isodb(["status"]), 2, "no database");
}

#[test]
fn a_merge_with_conflicts() {
    let Farm { sandbox, commits } = Farm::new();
    let text = |subject: &str, conflicts: u32| {
        let head = sandbox.isodb(["head"]).ok().line();
        let date = sandbox.git(["log", "-1", "--format=%cd", "--date=format:%Y-%m-%dT%H:%M:%SZ"]).ok().line();
        format!(
            "Ref:       refs/heads/main\nHead:      {head}\nDate:      {date}\nSubject:   {subject}\nConflicts: {conflicts}\n"
        )
    };
    let ran = sandbox.isodb(["status"]).ok();
    assert_eq!((ran.text(), ran.stderr()), (text("merge of 2 commits", 4), String::new()));
    let expected = json!({
        "ref": "refs/heads/main", "head": commits[3], "subject": "merge", "time": START + 200, "merge": true,
        "conflicts": 4, "unmerged": [],
    });
    assert_eq!(as_json(&sandbox), expected);
    sandbox.isodb(["resolve", "--take-latest", "**"]).ok();
    assert_eq!(sandbox.isodb(["status"]).ok().text(), text("resolve 4 conflicts", 0));
    // A ref that is not the head's branch.
    sandbox.git(["update-ref", "--no-deref", "HEAD", &commits[1]]).ok();
    assert!(sandbox.isodb(["status"]).ok().text().starts_with("Ref:       HEAD\n"));
}

#[test]
fn what_has_come_from_elsewhere() {
    let Farm { sandbox, commits } = Farm::new();
    let set = |name: &str, id: &str| sandbox.isodb(["ref", "set", name, id]).ok();
    // All of these are merged, or are no commits.
    set("refs/remotes/barn/main", &commits[1]);
    set("refs/remotes/field/main", &commits[3]);
    set("refs/remotes/barn/odd", "HEAD:notes/new");
    let new = sandbox.isodb_with_input(["put", "x", "--on", &commits[1], "-m", "on the hill"], "1").ok().line();
    assert_eq!(as_json(&sandbox)["unmerged"], json!([]));
    set("refs/remotes/hill/main", &new);
    sandbox.git(["symbolic-ref", "refs/remotes/hill/HEAD", "refs/remotes/hill/main"]).ok();
    let unmerged =
        json!([{"ref": "refs/remotes/hill/main", "commit": new, "subject": "on the hill", "time": 1_700_000_000}]);
    assert_eq!(as_json(&sandbox)["unmerged"], unmerged);
    let text = sandbox.isodb(["status"]).ok().text();
    assert!(text.ends_with(&format!("\nUnmerged:  {new} refs/remotes/hill/main\n")), "{text}");
    // Once they are merged, the merge that the others have made of part of it has nothing new.
    sandbox.isodb(["merge", "refs/remotes/hill/main"]).status(1);
    assert_eq!(as_json(&sandbox)["unmerged"], json!([]));
    // A merge commit that cannot be one is not taken for merged.
    let tree = sandbox.git(["rev-parse", "HEAD^{tree}"]).ok().line();
    let damaged = format!(
        "tree {tree}\nparent {new}\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\nisodb-merge 1 {}\n\nmerge\n",
        "0".repeat(64)
    );
    let damaged = sandbox.isodb_with_input(["hash-object", "-w", "-t", "commit"], damaged).ok().line();
    set("refs/remotes/bad/main", &damaged);
    assert_eq!(as_json(&sandbox)["unmerged"][0]["ref"], "refs/remotes/bad/main");
}
