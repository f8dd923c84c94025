//! What is remembered changes no answer: neither what came since, nor another anchor, nor a revocation that comes late.

use proptest::prelude::*;

use super::*;
use crate::database::tests::sample;

fn forget(disk: &FaultDisk) -> bool {
    disk.remove(Path::new("/farm.isodb/isodb/verified")).is_ok()
}

#[test]
fn a_revocation_that_comes_late_counts_for_what_is_remembered() {
    let (ann, bo) = (ann(), bo());
    let (disk, db) = anchored(&[&ann]);
    let root = list(&db, &ann, &[], &[ann.line(&[]), bo.line(&[])]);
    let beside = change(&db, &bo, &[root], &[("a", Some("1"))]);
    let before = verified(&db, &[beside]);
    assert!(disk.read(Path::new("/farm.isodb/isodb/verified")).is_ok());
    assert_eq!(before, verified(&db, &[beside]));
    let revoked = list(&db, &ann, &[root], &[ann.line(&[]), bo.revoked()]);
    branch(&db, "main", revoked);
    assert_eq!((word(&db, beside), word(&db, root)), ("revoked", "signed"));
    verified(&db, &[revoked, beside]);
    // With the branch goes the revocation.
    let who = Ident::new("Ann", "ann@farm", 1).unwrap();
    db.set_ref(&RefName::from_user("main").unwrap(), None, Expect::Any, &who, "test").unwrap();
    assert_eq!(word(&db, beside), "signed");
    assert_eq!(verified(&db, &[beside]), before);
}

#[test]
fn other_anchors_make_other_answers() {
    let (ann, bo) = (ann(), bo());
    let (disk, mut db) = anchored(&[&ann]);
    let root = change(&db, &ann, &[], &[("a", Some("1"))]);
    assert_eq!(verified(&db, &[root]), [(root.0, "signed")]);
    set(&mut db, "trust.anchor", &bo.key.public_key().fingerprint());
    assert_eq!(verified(&db, &[root]), [(root.0, "unknown-key")]);
    assert_eq!(verified(&reopen(&disk), &[root]), [(root.0, "unknown-key")]);
}

/// One step of a random history: who signs, on which earlier commits, and what for a change it is.
#[derive(Clone, Debug)]
struct Step {
    by: u8,
    parents: Vec<prop::sample::Index>,
    what: u8,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let parents = prop_oneof![4 => Just(vec![]), 3 => prop::collection::vec(any::<prop::sample::Index>(), 1..3)];
    let step = (0u8..4, parents, 0u8..12).prop_map(|(by, parents, what)| Step { by, parents, what });
    prop::collection::vec(step, 2..24)
}

/// Makes a step, and answers its commit.
fn make(db: &Database, step: &Step, n: usize, made: &[CommitId]) -> CommitId {
    let people = [ann(), bo(), eve()];
    let mut parents: Vec<CommitId> = step.parents.iter().map(|at| made[at.index(n)]).collect();
    if step.what == 5 {
        parents.extend([made[n - 1], made[n / 2]]);
    }
    parents.sort_unstable();
    parents.dedup();
    if parents.is_empty() {
        parents.extend(made.last());
    }
    let lines = |which: &[usize]| -> String { which.iter().map(|n| people[*n].line(&[])).collect() };
    let list = match step.what {
        0 => Some(lines(&[0, 1])),
        1 => Some(lines(&[1])),
        2 => Some(lines(&[1]) + &people[0].revoked()),
        3 => Some(lines(&[0, 2]) + &people[1].revoked()),
        4 => Some(lines(&[0]) + &people[1].line(&["doc/**"])),
        _ => None,
    };
    if step.what == 5 {
        return db.merge_of(&parents, &mut NoScripts).unwrap().head;
    }
    let (key, text) = (format!("doc/{n}"), n.to_string());
    let puts: Puts<'_> = match &list {
        Some(list) => &[(ALLOWED_SIGNERS, Some(list))],
        None => &[(&key, Some(&text))],
    };
    change_at(db, people.get(usize::from(step.by)), &parents, puts, 1000 + n as i64)
}

#[test]
fn with_and_without_memory_the_answer_is_the_same() {
    let mut words = std::collections::BTreeMap::new();
    for nth in 0..16 {
        let (disk, db) = anchored(&[&ann()]);
        let mut made: Vec<CommitId> = Vec::new();
        let root = list(&db, &ann(), &[], &[ann().line(&[]), bo().line(&[])]);
        made.push(root);
        for (n, step) in sample(steps(), nth).iter().enumerate() {
            made.push(make(&db, step, n + 1, &made));
            branch(&db, &format!("b{n}"), made[n + 1]);
            // Now and then somebody looks.
            if n % 5 == 2 {
                verified(&db, &[made[n]]);
            }
        }
        db.write_commit_graph(&made[..made.len() / 2]).unwrap();
        let db = reopen(&disk);
        let with = verified(&db, &made);
        assert_eq!(with, verified(&db, &made));
        forget(&disk);
        assert_eq!(with, verified(&db, &made), "history {nth}");
        disk.remove(Path::new("/farm.isodb/objects/info/commit-graph")).unwrap();
        forget(&disk);
        let db = reopen(&disk);
        assert_eq!(with, verified(&db, &made), "history {nth}");
        forget(&disk);
        for (id, stands) in with.iter().step_by(3) {
            assert_eq!(word(&db, CommitId(*id)), *stands, "history {nth}, alone");
        }
        with.iter().for_each(|(_, stands)| *words.entry(*stands).or_insert(0) += 1);
    }
    for stands in ["signed", "merge", "unsigned", "unknown-key", "not-allowed", "revoked", "outside-clause"] {
        assert!(words.contains_key(stands), "{stands} never comes up: {words:?}");
    }
}
