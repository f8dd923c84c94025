//! The vectors that the reference in Python computed (`tests/fixtures/vectors.json`): the room and the model give
//! the same ids.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::model::{self, Documents, Leaf};
use super::state::{State, key};
use crate::object::{Commit, CommitId, Ident, TreeId};
use crate::tree::part;

fn vectors(section: &str) -> serde_json::Map<String, Value> {
    let all: Value = serde_json::from_str(include_str!("../../../tests/fixtures/vectors.json")).unwrap();
    all[section].as_object().unwrap().clone()
}

#[test]
fn names() {
    let names = vectors("names");
    assert!(names.len() > 30);
    for (text, expected) in names {
        let expected: Vec<&str> = expected.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(key(&text).names().collect::<Vec<_>>(), expected);
        assert_eq!(model::segments(&text), expected.iter().map(|name| name.as_bytes()).collect::<Vec<_>>());
    }
}

#[test]
fn levels() {
    let levels = vectors("levels");
    for i in 0..4000 {
        let name = format!("item-{i:06}");
        let expected = levels.get(&name).map_or(0, |level| level.as_u64().unwrap());
        assert_eq!(u64::from(part::level(name.as_bytes())), expected, "{name}");
        assert_eq!(u64::from(model::level(name.as_bytes())), expected, "{name}");
    }
}

/// The documents of a set, as the reference makes them.
fn documents(title: &str) -> Documents {
    let numbered = |count: usize, key: &dyn Fn(usize) -> String| -> Documents {
        (0..count).map(|i| (key(i), Leaf::of(i.to_string().as_bytes()))).collect()
    };
    let listed = |list: &[(&str, &[u8])]| -> Documents {
        list.iter().map(|&(key, content)| (key.to_owned(), Leaf::of(content))).collect()
    };
    match title {
        "empty" => listed(&[]),
        "one" => listed(&[("hello", b"world\n")]),
        "document-and-folder" => listed(&[("people", b"2"), ("people/alice", b"{}"), ("people/bob", b"{}")]),
        "same-content" => listed(&[("a", b"x"), ("b", b"x"), ("c/d", b"x")]),
        "empty-document" => listed(&[("nothing", b"")]),
        "binary" => listed(&[("bytes", &(0..=255).collect::<Vec<u8>>())]),
        "nasty-names" => {
            let content = |i: usize| Leaf::of(format!("doc {i}").as_bytes());
            NASTY.iter().enumerate().filter(|(_, key)| **key != "zz/").map(|(i, &k)| (k.into(), content(i))).collect()
        }
        "flat-in-document" => {
            let mut documents = numbered(300, &|i| format!("d/{i}"));
            documents.insert("d".into(), Leaf::of(b"top"));
            documents
        }
        "nested" => (0..3000)
            .map(|i| (format!("farms/{:02}/fields/{}/readings/{i:04}", i % 7, i % 13), format!("{{\"t\":{i}}}")))
            .map(|(key, content)| (key, Leaf::of(content.as_bytes())))
            .collect(),
        "hashed-names" => numbered(2000, &|i| hex::encode(Sha256::digest(i.to_string()))),
        flat => {
            let count = flat.strip_prefix("flat-").and_then(|count| count.parse().ok());
            numbered(count.unwrap_or_else(|| panic!("a set without documents: {flat}")), &|i| format!("item-{i:06}"))
        }
    }
}

/// The reference's list of names, in its order: a document's content is its place.
const NASTY: [&str; 39] = [
    "blob",
    "a/blob",
    "a/blob/blob",
    ".",
    "..",
    ".git",
    ".GIT/config",
    "git~1",
    "a b",
    "a-b",
    "a",
    "a.b",
    "a/b",
    "%",
    "%41",
    "a%2Fb",
    "é/ü",
    "日本/語",
    "x\\y",
    "tab\there",
    "nl\nhere",
    "\u{200c}.git",
    "del\x7f",
    "a/.part:x",
    ".conflict",
    "-",
    "--help",
    "*",
    "a/b/c/d/e/f/g/h/i/j",
    "a:b",
    "con",
    "trailing.",
    "trailing ",
    "\u{feff}bom",
    "😀",
    "~",
    "!",
    "zz/",
    "z",
];

#[test]
fn sets() {
    let sets = vectors("sets");
    assert!(sets.len() > 15);
    for (title, expected) in sets {
        let documents = documents(&title);
        let count = documents.len();
        let (root, ids) = model::objects(&documents);
        let state = State::of(documents);
        let stored = state.objects.len() - usize::from(!ids.contains(TreeId::EMPTY.0.as_bytes()));
        let found = serde_json::json!({ "documents": count, "root": state.root.to_string(), "objects": stored });
        assert_eq!(found, expected, "{title}");
        assert_eq!((root, ids.len()), (state.root, stored), "{title}");
        state.check_folders();
    }
}

#[test]
fn conflicts() {
    for (title, expected) in vectors("conflicts") {
        let (versions, base, deleted): (&[&[u8]], Option<&[u8]>, bool) = match title.as_str() {
            "two" => (&[b"left", b"right"], Some(b"base"), false),
            "no-base" => (&[b"1", b"2"], None, false),
            "deleted" => (&[b"kept"], Some(b"base"), true),
            "three" => (&[b"1", b"2", b"3"], Some(b"0"), false),
            other => panic!("a conflict without documents: {other}"),
        };
        let versions = versions.iter().map(|version| version.to_vec()).collect();
        let leaf = Leaf { versions, base: base.map(<[u8]>::to_vec), deleted };
        let state = State::of([("k".to_owned(), leaf)].into());
        assert_eq!(state.root.to_string(), expected.as_str().unwrap(), "{title}");
        state.check_get("k");
        state.check_folders();
    }
}

#[test]
fn commits() {
    let vectors = vectors("commits");
    let commit = |tree, parents: Vec<CommitId>, who: &str, headers, message: &str| {
        let who = Ident::parse(who.as_bytes()).unwrap();
        let message = message.as_bytes().to_vec();
        Commit { tree, parents, author: who.clone(), committer: who, headers, message }.id()
    };
    let hello = State::of(documents("one")).root;
    let first = commit(hello, vec![], "Ann <ann@farm> 1700000000 +0000", vec![], "put hello\n");
    let note = vec![("isodb-note".to_owned(), b"two\nlines".to_vec())];
    let second = commit(State::new().root, vec![first], "Bo <bo@farm> 1700000060 +0000", note, "rm hello\n");
    assert_eq!(vectors["first"], first.to_string());
    assert_eq!(vectors["second-with-header"], second.to_string());
    assert_eq!(vectors.len(), 2);
}
