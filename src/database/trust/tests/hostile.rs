//! What a malicious peer sends stays outside, and what is sound comes in whole.

use super::*;
use crate::store::Store;

/// A database that wants signatures, and its head: `main`, where Ann may do all and Bo what is below `stock`.
fn farm() -> (FaultDisk, Database, CommitId) {
    let (ann, bo) = (ann(), bo());
    let (disk, mut db) = anchored(&[&ann]);
    set(&mut db, "trust.require", "signed");
    let root = list(&db, &ann, &[], &[ann.line(&[]), bo.line(&["stock/**"])]);
    let head = change(&db, &ann, &[root], &[("farm", Some("1")), ("stock/hay", Some("1"))]);
    branch(&db, "main", head);
    (disk, db, head)
}

/// A peer's database, which has what this one has, and makes commits as it likes.
fn peer(disk: &FaultDisk) -> Database {
    reopen(&disk.fork())
}

/// Sends all that the peer's commits have and this database lacks.
fn send(from: &Database, to: &Store, commits: &[CommitId]) {
    let mut todo: Vec<Id> = commits.iter().map(|id| id.0).collect();
    while let Some(id) = todo.pop() {
        if to.contains(id).unwrap() {
            continue;
        }
        let object = from.store().get(id).unwrap().unwrap();
        match object.kind {
            Kind::Commit => {
                let commit = from.store().commit(CommitId(id)).unwrap();
                todo.push(commit.tree.0);
                todo.extend(commit.parents.iter().map(|parent| parent.0));
            }
            Kind::Tree => todo.extend(from.store().tree(TreeId(id)).unwrap().iter().map(|entry| entry.id)),
            _ => {}
        }
        to.put(object.kind, &object.body).unwrap();
    }
}

fn main_to(db: &Database, new: CommitId) -> RefMove {
    let name = RefName::from_user("main").unwrap();
    RefMove { old: db.refs().get(&name).unwrap(), name, new: new.0 }
}

/// What stands against the move of `main` to a peer's commit, by the words for it.
fn refused(db: &Database, from: &Database, new: CommitId) -> Vec<&'static str> {
    let quarantine = db.quarantine().unwrap();
    send(from, quarantine.store(), &[new]);
    let refusals = quarantine.check(&[main_to(db, new)], &mut NoScripts).unwrap();
    refusals.iter().for_each(|refusal| assert!(refusal.to_string().contains("refs/heads/main")));
    refusals.iter().map(|refusal| refusal.refused.word()).collect()
}

#[test]
fn what_is_sound_comes_in() {
    let (disk, db, head) = farm();
    let other = peer(&disk);
    let new = change(&other, &bo(), &[head], &[("stock/hay", Some("2"))]);
    assert!(!db.store().contains(new.0).unwrap());
    let quarantine = db.quarantine().unwrap();
    send(&other, quarantine.store(), &[new]);
    assert_eq!(quarantine.check(&[main_to(&db, new)], &mut NoScripts).unwrap(), []);
    // Before it is let in, it can be read there and only there.
    assert_eq!(quarantine.database().merge_bases(new, &[head]).unwrap(), [head]);
    assert!(!db.store().contains(new.0).unwrap());
    let accepted = quarantine.accept().unwrap();
    branch(&db, "main", new);
    drop(accepted);
    assert_eq!(word(&db, new), "signed");
    assert!(reopen(&disk.fork()).document("main", &"stock/hay".parse().unwrap()).is_ok());
}

#[test]
fn what_nobody_vouches_for_stays_outside() {
    let (disk, mut db, head) = farm();
    let other = peer(&disk);
    let (ann, eve) = (ann(), eve());
    let unsigned = change_at(&other, None, &[head], &[("a", Some("1"))], 2000);
    assert_eq!(refused(&db, &other, unsigned), ["unsigned"]);
    let unknown = change(&other, &eve, &[head], &[("a", Some("1"))]);
    assert_eq!(refused(&db, &other, unknown), ["unknown-key"]);
    // The first fault taints what is built on it, however good that looks.
    let opened = list(&other, &eve, &[head], &[ann.line(&[]), eve.line(&[])]);
    let next = change(&other, &eve, &[opened], &[("a", Some("1"))]);
    assert_eq!(refused(&db, &other, next), ["unknown-key", "not-allowed"]);
    let on_top = change(&other, &ann, &[unsigned], &[("b", Some("1"))]);
    assert_eq!(refused(&db, &other, on_top), ["unsigned"]);
    let escaped = change(&other, &bo(), &[head], &[("stock/hay", None), ("farm", Some("2"))]);
    assert_eq!(refused(&db, &other, escaped), ["outside-clause"]);
    assert_eq!(db.store().usage().unwrap(), reopen(&disk.fork()).store().usage().unwrap());
    assert!(!db.store().contains(next.0).unwrap());

    let bad = other.store().require(change(&other, &ann, &[head], &[("a", Some("1"))]).0, Kind::Commit).unwrap();
    let bad = [&bad[..], b"more\n"].concat();
    let bad = CommitId(other.store().put(Kind::Commit, &bad).unwrap());
    for require in ["signed", "none"] {
        set(&mut db, "trust.require", require);
        assert_eq!(refused(&db, &other, bad), ["bad-signature"], "always");
    }
    assert_eq!([unsigned, unknown, next].map(|id| refused(&db, &other, id).len()), [0; 3]);
    set(&mut db, "trust.require", "all");
    assert!(db.quarantine().unwrap().check(&[], &mut NoScripts).is_err());
}

#[test]
fn merges_that_lie_stay_outside() {
    let (disk, mut db, head) = farm();
    let other = peer(&disk);
    let sides = ["a", "b"].map(|key| change(&other, &ann(), &[head], &[(key, Some("1"))]));
    let merge = other.merge_of(&sides, &mut NoScripts).unwrap().head;
    let mut lie = other.store().commit(merge).unwrap();
    lie.tree = tree_of(&other, &[merge], &[("farm", Some("mine"))]);
    let lie = CommitId(other.store().put(Kind::Commit, &lie.encode()).unwrap());
    for require in ["signed", "none"] {
        set(&mut db, "trust.require", require);
        assert_eq!(refused(&db, &other, lie), ["wrong-merge"]);
        assert_eq!(refused(&db, &other, merge), [""; 0]);
    }
}

#[test]
fn refs_do_not_go_backwards_or_sideways() {
    let (disk, db, head) = farm();
    let other = peer(&disk);
    let ann = ann();
    let root = db.store().commit(head).unwrap().parents[0];
    assert_eq!(refused(&db, &other, root), ["backwards"]);
    let beside = change(&other, &ann, &[root], &[("a", Some("1"))]);
    assert_eq!(refused(&db, &other, beside), ["sideways"]);
    let merge = other.merge_of(&[head, beside], &mut NoScripts).unwrap().head;
    assert_eq!(refused(&db, &other, merge), [""; 0]);
    // From one merge to another of more is no loss, though it does not descend from the first.
    let quarantine = db.quarantine().unwrap();
    send(&other, quarantine.store(), &[merge]);
    let accepted = quarantine.accept().unwrap();
    branch(&db, "main", merge);
    drop(accepted);
    let third = change(&other, &ann, &[root], &[("b", Some("1"))]);
    let larger = other.merge_of(&[merge, third], &mut NoScripts).unwrap().head;
    assert!(!other.is_ancestor(merge, larger).unwrap());
    assert_eq!(refused(&db, &other, larger), [""; 0]);
    let smaller = other.merge_of(&[head, third], &mut NoScripts).unwrap().head;
    assert_eq!(refused(&db, &other, smaller), ["sideways"]);
    assert_eq!(refused(&db, &other, head), ["backwards"]);
}

#[test]
fn what_is_missing_or_malformed_stays_outside() {
    let (disk, mut db, head) = farm();
    set(&mut db, "trust.require", "none");
    let other = peer(&disk);
    let new = change(&other, &ann(), &[head], &[("a/b/c", Some("1")), ("d", Some("2"))]);
    let mut objects = Vec::new();
    {
        let all = db.quarantine().unwrap();
        send(&other, all.store(), &[new]);
        all.store().flush(&[]).unwrap();
        objects.extend(all.store().ids().unwrap().into_iter().filter(|id| !db.store().contains(*id).unwrap()));
    }
    assert!(objects.len() > 5);
    for left_out in &objects {
        let quarantine = db.quarantine().unwrap();
        for id in objects.iter().filter(|id| *id != left_out) {
            let object = other.store().get(*id).unwrap().unwrap();
            quarantine.store().put(object.kind, &object.body).unwrap();
        }
        let refusals = quarantine.check(&[main_to(&db, new)], &mut NoScripts).unwrap();
        let [Refusal { refused: Refused::Damaged { reason }, .. }] = &refusals[..] else { panic!("{refusals:?}") };
        assert!(reason.contains(&left_out.to_string()) && reason.contains("missing"), "{reason}");
    }
    // A tree that is no folder of the format, and a ref to what is no commit.
    let mut entries = vec![crate::object::Entry {
        mode: crate::object::Mode::Blob,
        name: b"README".to_vec(),
        id: blob(other.store(), "x").0,
    }];
    let junk = TreeId(other.store().put(Kind::Tree, &crate::object::encode_tree(&mut entries)).unwrap());
    let junk = put(other.store(), Some(&ann()), "ann@farm", junk, &[head], 2000);
    assert_eq!(refused(&db, &other, junk), ["damaged"]);
    let tree = db.store().commit(head).unwrap().tree;
    assert_eq!(refused(&db, &other, CommitId(tree.0)), ["no-commit"]);
    assert_eq!(refused(&db, &other, head), [""; 0]);
}
