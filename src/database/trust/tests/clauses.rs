//! Who may change some documents only: no way of changing others is found.

use super::*;
use crate::object::{Entry, Mode, encode_tree};
use crate::tree::{Conflict, Edit, Edits, Tree};

/// A history whose head lets Bo change what is below `stock`, with documents there and elsewhere.
fn farm(db: &Database) -> CommitId {
    let (ann, bo) = (ann(), bo());
    let root = list(db, &ann, &[], &[ann.line(&[]), bo.line(&["stock/**", "odd name/*"])]);
    let mut puts: Vec<(String, Option<&str>)> = (0..200).map(|n| (format!("herd/{n}"), Some("1"))).collect();
    puts.extend(["stock/hay", "stock/oats", "stock", "farm"].map(|key| (key.to_owned(), Some("1"))));
    let puts: Vec<(&str, Option<&str>)> = puts.iter().map(|(key, text)| (&**key, *text)).collect();
    change(db, &ann, &[root], &puts)
}

fn outside(db: &Database, id: CommitId) -> Option<String> {
    match standing(db, id) {
        Standing::OutsideClause { document, principal, .. } => {
            assert_eq!(principal, "bo@farm");
            Some(document.map_or("(form)".into(), |key| key.text().into_owned()))
        }
        other => {
            assert_eq!(other.word(), "signed", "{other}");
            None
        }
    }
}

/// A commit of Bo's with a tree of his own making.
fn by_bo(db: &Database, tree: TreeId, parents: &[CommitId]) -> CommitId {
    let id = put(db.store(), Some(&bo()), "bo@farm", tree, parents, 9000);
    db.store().flush(&[]).unwrap();
    id
}

#[test]
fn changes_outside_are_found() {
    let (_, db) = anchored(&[&ann()]);
    let head = farm(&db);
    let puts: [(Puts<'_>, Option<&str>); 8] = [
        (&[("stock/hay", Some("2")), ("stock", None), ("odd name/x", Some("1"))], None),
        (&[("stock/new/deep", Some("2"))], None),
        (&[("farm", Some("2"))], Some("farm")),
        (&[("stock/hay", Some("2")), ("herd/7", None)], Some("herd/7")),
        (&[("herd/new", Some("2"))], Some("herd/new")),
        (&[("stock/hay", None), ("hay", Some("1"))], Some("hay")),
        (&[(ALLOWED_SIGNERS, Some(""))], Some(ALLOWED_SIGNERS)),
        (&[("_isodb/merge/rules", Some("[]"))], Some("_isodb/merge/rules")),
    ];
    for (puts, expected) in puts {
        let id = change(&db, &bo(), &[head], puts);
        assert_eq!(outside(&db, id).as_deref(), expected, "{puts:?}");
    }
    // A whole folder, and all that there is.
    let edits: Edits = [("herd".parse().unwrap(), Edit::RemoveFolder)].into_iter().collect();
    let tree = db.tree_of(Some(head)).unwrap().edit(&edits).unwrap().id();
    assert_eq!(outside(&db, by_bo(&db, tree, &[head])).as_deref(), Some("herd/0"));
    assert_eq!(outside(&db, by_bo(&db, TreeId::EMPTY, &[head])).as_deref(), Some(ALLOWED_SIGNERS));
}

#[test]
fn conflict_data_counts_as_the_document() {
    let (_, db) = anchored(&[&ann()]);
    let head = farm(&db);
    for (key, expected) in [("stock/hay", None), ("farm", Some("farm"))] {
        let tree = db.tree_of(Some(head)).unwrap();
        let blob = blob(db.store(), "2");
        let old = tree.get(&key.parse().unwrap()).unwrap().unwrap().blob;
        let conflict = Conflict { versions: [blob, old].into(), base: None, deleted: false };
        let document = conflict.write(db.store()).unwrap().unwrap();
        let edits: Edits = [(key.parse().unwrap(), Edit::Put(document))].into_iter().collect();
        let id = by_bo(&db, tree.edit(&edits).unwrap().id(), &[head]);
        assert_eq!(outside(&db, id).as_deref(), expected);
    }
}

#[test]
fn folders_in_another_form_hide_nothing() {
    let (_, db) = anchored(&[&ann()]);
    let head = farm(&db);
    let tree = db.tree_of(Some(head)).unwrap();
    // The folder `herd` has parts. One child goes into a part where a reader who looks for it by name does not.
    let herd = tree.folder(Some(&"herd".parse().unwrap())).unwrap().unwrap();
    let entries = |id: TreeId| -> Vec<Entry> {
        let tree = db.store().tree(id).unwrap();
        tree.iter().map(|entry| Entry { mode: entry.mode, name: entry.name.to_vec(), id: entry.id }).collect()
    };
    let write = |mut entries: Vec<Entry>| TreeId(db.store().put(Kind::Tree, &encode_tree(&mut entries)).unwrap());
    let mut parts = entries(herd);
    assert!(parts.len() > 1 && parts[1].name.starts_with(b".part:"));
    let mut second = entries(TreeId(parts[1].id));
    let moved = second.pop().unwrap();
    let name = String::from_utf8(moved.name.clone()).unwrap();
    let mut first = entries(TreeId(parts[0].id));
    first.push(moved);
    (parts[0].id, parts[1].id) = (write(first).0, write(second).0);
    let hidden = write(parts);
    let mut root = entries(tree.id());
    root.iter_mut().find(|entry| entry.name == b"herd").unwrap().id = hidden.0;
    let root = write(root);
    let key: Key = format!("herd/{name}").parse().unwrap();
    assert_eq!(Tree::new(db.store(), root).get(&key).unwrap(), None, "a reader does not find it");
    assert!(outside(&db, by_bo(&db, root, &[head])).is_some());
    // Nor does a tree that is none of the format's.
    let junk = write(vec![Entry { mode: Mode::Blob, name: b"README".to_vec(), id: blob(db.store(), "x").0 }]);
    assert_eq!(outside(&db, by_bo(&db, junk, &[head])).as_deref(), Some("(form)"));
}

#[test]
fn with_several_parents_the_change_is_that_of_their_merge() {
    let (ann, bo) = (ann(), bo());
    let (_, db) = anchored(&[&ann]);
    let base = farm(&db);
    let ours = change(&db, &bo, &[base], &[("stock/hay", Some("2"))]);
    let theirs = change(&db, &ann, &[base], &[("farm", Some("2")), ("stock/oats", Some("2"))]);
    let fair = change(&db, &bo, &[ours, theirs], &[("stock/hay", Some("3"))]);
    assert_eq!(outside(&db, fair), None);
    // Taking one side's tree undoes what the other one did, which no comparison with that side shows.
    let tree = |id| db.store().commit(id).unwrap().tree;
    assert_eq!(outside(&db, by_bo(&db, tree(ours), &[ours, theirs])).as_deref(), Some("farm"));
    assert_eq!(outside(&db, by_bo(&db, tree(theirs), &[ours, theirs])), None, "his own document may go back");
    assert_eq!(outside(&db, by_bo(&db, tree(base), &[base, theirs])).as_deref(), Some("farm"));
    // The lists of all parents count: here the clause is narrower than where the commit says that it stands.
    let narrow = list(&db, &ann, &[theirs], &[ann.line(&[]), bo.line(&["stock/oats"])]);
    let both = change(&db, &bo, &[ours, narrow], &[("stock/hay", Some("3"))]);
    assert_eq!(outside(&db, both).as_deref(), Some("stock/hay"));
}
