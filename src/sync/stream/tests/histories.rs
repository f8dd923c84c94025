//! Histories of all kinds come out as they were, whole or in two halves, and from any record on.

use proptest::prelude::*;

use super::*;
use crate::database::tests::{database, key, make, put_commit, steps};
use crate::object::{BlobId, Kind, Objects, TreeId};
use crate::sync::tests::{assert_whole, with_history};
use crate::tree::{Edit, Edits, Tree};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_history_arrives(
        steps in steps(14),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        packed in any::<bool>(),
    ) {
        let (db, made) = with_history(&steps, packed);
        let (_, other) = database();
        let first: Vec<CommitId> = picks.iter().map(|at| made[at.index(made.len())]).collect();
        let ids = |commits: &[CommitId]| commits.iter().map(|id| id.0).collect::<Vec<Id>>();
        accept(carry(&db, &other, &ids(&first), &[]).unwrap(), &first);
        assert_whole(&other, &first);
        accept(carry(&db, &other, &ids(&made), &first).unwrap(), &made);
        assert_whole(&other, &made);
        assert_eq!(plan(&db, &ids(&made), &made).totals, Totals::default());
    }

    #[test]
    fn a_cut_stream_goes_on(steps in steps(10), cuts in prop::collection::vec(any::<prop::sample::Index>(), 1..4)) {
        let (_, db) = database();
        let made = make(&db, &steps);
        let wants: Vec<Id> = made.iter().map(|id| id.0).collect();
        let plan = plan(&db, &wants, &[]);
        let (_, other) = database();
        let mut taker = Taker::new(other.quarantine().unwrap());
        let mut runner = runner().unwrap();
        for cut in cuts {
            let blocks = blocks(&db, &plan, taker.position());
            take(&mut taker, &blocks[..cut.index(blocks.len())], &mut runner).unwrap();
        }
        let rest = blocks(&db, &plan, taker.position());
        take(&mut taker, &rest, &mut runner).unwrap();
        prop_assert!(taker.has_ended());
        prop_assert_eq!(taker.done(), plan.totals);
        accept(taker.into_quarantine(), &made);
        assert_whole(&other, &made);
    }
}

#[test]
fn what_may_be_in_conflict_is_noted_of_what_came() {
    let (_, db) = database();
    let blob = BlobId(db.store().put(Kind::Blob, b"1").unwrap());
    let (mut tree, mut commits) = (TreeId::EMPTY, Vec::new());
    for number in 0..3 {
        let edits = Edits::from_iter([(key(number), Edit::Put(blob.into()))]);
        tree = Tree::new(db.store(), tree).edit(&edits).unwrap().id();
        commits.push(put_commit(&db, tree, commits.last().copied().into_iter().collect(), 1, "a day"));
    }
    db.store().flush(&[]).unwrap();
    let (_, other) = database();
    accept(carry(&db, &other, &[commits[2].0], &[]).unwrap(), &commits[2..]);
    let note = other.disk().read(&other.root().join("isodb").join("conflicts")).unwrap();
    // One line, of the last commit: it has no more in conflict than the empty tree.
    let expected = format!(" {} {}", db.store().commit(commits[2]).unwrap().tree, TreeId::EMPTY);
    let note = String::from_utf8(note).unwrap();
    assert!(note.ends_with(&expected) && note.lines().count() == 2, "{note}");
}
