//! The computed examples in `tests/fixtures`: ids of authored commits and of the merges of them.

use serde_json::Value;

use super::*;

fn texts(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Makes the commits of a history, and answers them by name.
fn play(db: &Database, steps: &Value) -> BTreeMap<String, CommitId> {
    let mut names: BTreeMap<String, CommitId> = BTreeMap::new();
    for step in steps.as_array().unwrap() {
        let name = step["name"].as_str().unwrap();
        let on: Vec<CommitId> = texts(&step["on"]).iter().map(|name| names[name]).collect();
        let puts = step["put"].as_object().unwrap().iter();
        let puts = puts.map(|(key, text)| (key.clone(), Some(text.as_str().unwrap().to_owned())));
        let changes: Vec<_> = puts.chain(texts(&step["rm"]).into_iter().map(|key| (key, None))).collect();
        let id = author(db, name, &on, &changes, step["time"].as_i64().unwrap());
        names.insert(name.to_owned(), id);
    }
    names
}

fn check(text: &str, at_least: usize) {
    let histories: BTreeMap<String, Value> = serde_json::from_str(text).unwrap();
    assert!(histories.len() >= at_least);
    for (title, history) in histories {
        let (disk, db) = database();
        let names = play(&db, &history["steps"]);
        for (name, id) in history["commits"].as_object().unwrap() {
            assert_eq!(names[name].to_string(), id.as_str().unwrap(), "{title}: {name}");
        }
        let db = reopen(&disk);
        for merge in history["merges"].as_array().unwrap() {
            let heads: Vec<CommitId> = texts(&merge["heads"]).iter().map(|name| names[name]).collect();
            let head = merged(&db, &heads).head;
            let tree = db.tree_of(Some(head)).unwrap().id();
            assert_eq!(tree.to_string(), merge["tree"].as_str().unwrap(), "{title}: {merge}");
            assert_eq!(head.to_string(), merge["head"].as_str().unwrap(), "{title}: {merge}");
            let documents = documents(&db, head);
            let conflicts = documents.iter().filter(|(_, versions)| versions.len() > 1);
            let conflicts: Vec<String> = conflicts.map(|(key, _)| key.clone()).collect();
            assert_eq!(conflicts, texts(&merge["conflicts"]), "{title}: {merge}");
        }
    }
}

#[test]
fn the_formats_own() {
    check(include_str!("../../../../tests/fixtures/merge_vectors.json"), 12);
}

#[test]
fn histories_at_random() {
    check(include_str!("../../../../tests/fixtures/merge_histories.json"), 40);
}
