//! `isodb tag`: both kinds of tags, as git makes and reads them.

use super::refused;
use crate::support::Sandbox;

#[test]
fn tags_are_made_listed_and_deleted() {
    let sandbox = Sandbox::with_database();
    assert_eq!(sandbox.isodb(["tag"]).ok().text(), "");
    let first = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    let head = sandbox.isodb_with_input(["put", "a"], "2").ok().line();
    assert_eq!(sandbox.isodb(["tag", "light"]).ok().line(), head);
    let id = sandbox.isodb(["tag", "deep/er", "HEAD~1", "-m", "the count\n\nof spring"]).ok().line();
    let text = format!(
        "object {first}\ntype commit\ntag deep/er\ntagger Ann <ann@farm> 1700000000 +0000\n\nthe count\n\nof spring\n"
    );
    assert_eq!(sandbox.isodb(["cat-object", "deep/er"]).ok().text(), text);
    // git makes the same object of the same tag.
    let made = sandbox.bash(
        "git --git-dir=.isodb -c user.name=Ann -c user.email=ann@farm tag -m 'the count\n\nof spring' -f deep/er HEAD~1",
    );
    made.ok();
    assert_eq!(sandbox.isodb(["rev-parse", "refs/tags/deep/er"]).ok().line(), id);

    assert_eq!(sandbox.isodb(["tag"]).ok().text(), format!("{id} deep/er\n{head} light\n"));
    assert_eq!(sandbox.isodb(["tag", "-z"]).ok().text(), format!("{id} deep/er\0{head} light\0"));
    let records: Vec<serde_json::Value> =
        sandbox.isodb(["tag", "--json"]).ok().lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        records,
        [
            serde_json::json!({
                "name": "deep/er", "id": id, "target": first, "kind": "commit", "signed": false,
                "tagger": {"name": "Ann", "email": "ann@farm", "time": 1_700_000_000}, "message": "the count\n\nof spring\n",
            }),
            serde_json::json!({
                "name": "light", "id": head, "target": head, "kind": "commit", "signed": false, "tagger": null,
                "message": null,
            }),
        ]
    );
    assert_eq!(sandbox.git(["tag"]).ok().text(), "deep/er\nlight\n");

    sandbox.isodb(["tag", "-d", "refs/tags/light"]).ok();
    refused(sandbox.isodb(["tag", "-d", "light"]), 1, "there is no tag \"light\"");
    assert_eq!(sandbox.isodb(["tag"]).ok().text(), format!("{id} deep/er\n"));
    sandbox.check_with_git();
}

#[test]
fn a_tag_that_exists_is_left() {
    let sandbox = Sandbox::with_database();
    let first = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    sandbox.isodb(["tag", "v1"]).ok();
    let head = sandbox.isodb_with_input(["put", "a"], "2").ok().line();
    refused(sandbox.isodb(["tag", "v1"]), 3, &format!("the tag v1 exists, and leads to {first}"));
    refused(sandbox.isodb(["tag", "v1", "HEAD~1"]), 3, "the tag v1 exists");
    assert_eq!(sandbox.isodb(["tag", "v1", "--force"]).ok().line(), head);
    refused(sandbox.isodb(["tag", "v1/x"]), 2, "refs/tags/v1/x cannot be made while refs/tags/v1 exists");
    refused(sandbox.isodb(["tag", "a..b"]), 2, "refs/tags/a..b");
    refused(sandbox.isodb(["tag", "v2", "no-such"]), 1, "\"no-such\"");
    refused(sandbox.isodb(["tag", "v2", "-d", "-m", "x"]), 2, "--message");
    refused(sandbox.isodb(["tag", "-m", "x"]), 2, "");
    // Other objects than commits can be tagged, and tags themselves.
    let blob = sandbox.isodb(["tag", "content", "HEAD:a"]).ok().line();
    assert_eq!(sandbox.isodb(["cat-object", "-t", "content"]).ok().line(), "blob");
    sandbox.isodb(["tag", "inner", "content", "-m", "1"]).ok();
    let record = sandbox.isodb(["tag", "outer", "inner", "-m", "2", "--json"]).ok().line();
    assert!(record.contains(&format!("\"target\":\"{blob}\"")) && record.contains("\"kind\":\"blob\""), "{record}");
    sandbox.check_with_git();
}

#[test]
fn a_database_without_commits_has_nothing_to_tag() {
    let sandbox = Sandbox::with_database();
    refused(sandbox.isodb(["tag", "v1"]), 1, "has no commit yet");
}
