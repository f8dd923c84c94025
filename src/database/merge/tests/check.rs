//! Merge commits made again: right ones are found to be right, and whatever is forged is found.

use super::*;

fn put(key: &str, text: &str) -> [(String, Option<String>); 1] {
    [(key.to_owned(), Some(text.to_owned()))]
}

/// Three sides that disagree, a sound merge of them, and a commit on top of it.
fn history(db: &Database) -> (CommitId, CommitId) {
    let start = author(db, "o", &[], &put("a", "1"), 1);
    let sides = ["2", "3", "4"].map(|text| author(db, text, &[start], &put("a", text), 5));
    let head = merged(db, &sides).head;
    (head, author(db, "top", &[head], &put("b", "1"), 6))
}

fn forge(db: &Database, head: CommitId, change: impl FnOnce(&mut Commit)) -> CommitId {
    let mut commit = db.store().commit(head).unwrap();
    change(&mut commit);
    let id = db.store().put(Kind::Commit, &commit.encode()).unwrap();
    db.store().flush(&[]).unwrap();
    CommitId(id)
}

#[test]
fn what_is_right_is_found_to_be_right() {
    let (_, db) = database();
    let (head, top) = history(&db);
    for commit in [head, top] {
        assert_eq!(db.check_merge(commit, &mut NoScripts).unwrap(), None);
    }
    let mut seen = Vec::new();
    let count = |heads: &[CommitId], without: &[CommitId], seen: &mut Vec<(u64, u64)>| {
        let mut told = |done, total| seen.push((done, total));
        db.verify_merges(heads, without, &mut NoScripts, &mut |wrong| panic!("{wrong:?}"), &mut told).unwrap()
    };
    assert_eq!((count(&[top, head], &[], &mut seen), &seen[..]), (1, &[(1, 1)][..]));
    assert_eq!(count(&[top], &[head], &mut seen), 0);
}

#[test]
fn whatever_is_changed_is_found() {
    let (_, db) = database();
    let (head, top) = history(&db);
    let parents = db.store().commit(head).unwrap().parents;
    let cases: [(CommitId, Option<CommitId>, &str); 10] = [
        (forge(&db, head, |commit| commit.tree = TreeId::EMPTY), Some(head), "its tree is "),
        (forge(&db, head, |commit| commit.parents.reverse()), Some(head), "its parents are not"),
        (forge(&db, head, |commit| commit.author = ident(5)), Some(head), "its author or committer is not isodb merge"),
        (forge(&db, head, |commit| commit.message = b"merged\n".to_vec()), Some(head), "its message is not"),
        (
            forge(&db, head, |commit| commit.headers.push(("gpgsig-sha256".into(), b"x".to_vec()))),
            Some(head),
            "it has headers that no merge commit has",
        ),
        (
            forge(&db, head, |commit| commit.headers[0].1 = format!("1 {}", top.0).into_bytes()),
            Some(head),
            "its header isodb-merge is \"1 ",
        ),
        (
            forge(&db, head, |commit| commit.headers[0].1 = b"1".to_vec()),
            Some(head),
            "its header isodb-merge is \"1\",",
        ),
        (
            forge(&db, head, |commit| commit.headers[0].1 = b"9 x".to_vec()),
            None,
            "version \"9\" of the merge algorithm",
        ),
        (forge(&db, head, |commit| commit.parents.push(head)), None, "its parent"),
        (
            forge(&db, head, |commit| commit.parents = vec![parents[0], parents[0]]),
            Some(parents[0]),
            "its parents are not what a merge is of",
        ),
    ];
    for (id, expected, words) in cases {
        let wrong = db.check_merge(id, &mut NoScripts).unwrap().unwrap_or_else(|| panic!("{words}"));
        assert_eq!((wrong.commit, wrong.expected), (id, expected), "{words}");
        assert!(wrong.reason.starts_with(words), "{wrong:?}");
        let mut found = Vec::new();
        let heads = [id, top];
        db.verify_merges(&heads, &[], &mut NoScripts, &mut |wrong| found.push(wrong), &mut |_, _| ()).unwrap();
        assert_eq!(found, [wrong]);
    }
}

#[test]
fn a_forged_merge_gives_way_to_a_right_one() {
    let (_, db) = database();
    let (head, _) = history(&db);
    let forged = forge(&db, head, |commit| commit.tree = TreeId::EMPTY);
    let name = RefName::from_user("main").unwrap();
    db.set_ref(&name, Some(forged.0), Expect::Absent, &ident(1), "forged").unwrap();
    let merge = |heads: &[CommitId]| db.merge(&name, Expect::Any, heads, false, &mut NoScripts, &ident(1)).unwrap();
    let parents = db.store().commit(head).unwrap().parents;
    assert_eq!(merge(&parents).head, forged, "what the ref is at is believed");
    assert_eq!(merge(&[head]).head, head);
    assert_eq!(merge(&[forged]).head, head, "and comes not back");
}

#[test]
fn a_merge_by_rules_that_nobody_can_read_is_wrong() {
    let (_, db) = database();
    let start = author(&db, "o", &[], &put("_isodb/merge/rules", "[]"), 1);
    let sides = ["2", "3"].map(|text| author(&db, text, &[start], &put("a", text), 5));
    let head = merged(&db, &sides).head;
    let broken = ["2", "3"].map(|text| {
        let rules = put("_isodb/merge/rules", r#"[{"keys":"a","use":"newest"}]"#);
        let start = author(&db, "broken", &[], &rules, 1);
        author(&db, text, &[start], &put("a", text), 5)
    });
    let mut parents = broken.to_vec();
    parents.sort();
    let forged = forge(&db, head, |commit| commit.parents = parents);
    let wrong = db.check_merge(forged, &mut NoScripts).unwrap().unwrap();
    assert!(wrong.expected.is_none() && wrong.reason.contains("newest"), "{wrong:?}");
}
