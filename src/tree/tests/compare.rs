//! Comparing on several threads gives what the plain walk gives, in its order, wherever it ends.

use std::ops::ControlFlow;

use super::raw::{child, leaf, part, tree};
use super::state::{Step, key, shapes};
use crate::object::{Id, Memory, TreeId};
use crate::tree::{Change, Error, Tree};

/// How many documents such a state has.
const DOCUMENTS: usize = 6044;

/// What comparing gives until `most` are given, and how it ends.
fn compare(
    old: &Tree<'_, Memory>,
    new: &Tree<'_, Memory>,
    prefix: Option<&str>,
    threads: usize,
    most: usize,
) -> (Vec<Change>, Result<(), Error>) {
    let mut given = Vec::new();
    let result = old.compare(
        new,
        prefix.map(key).as_ref(),
        threads,
        |_, change| Ok((change, 100)),
        |change| {
            given.push(change);
            Ok(if given.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        },
    );
    (given, result)
}

#[test]
fn as_the_plain_walk() {
    for every in [1, 7, 100, 6000] {
        let (mut state, old) = (shapes(every, b"old"), shapes(every, b"new"));
        let before = state.root;
        let edits = old.documents.iter().map(|(key, leaf)| (key.clone(), Step::Put(leaf.clone())));
        state.apply(&edits.collect::<Vec<_>>());
        let (old, new) = (Tree::new(&state.objects, before), state.tree());
        for prefix in [None, Some("flat"), Some("small/7"), Some("deep/deep"), Some("none")] {
            let diff = old.diff(&new, prefix.map(key).as_ref()).unwrap();
            let expected: Vec<Change> = diff.map(Result::unwrap).collect();
            assert!(prefix.is_some() || expected.len() == DOCUMENTS.div_ceil(every), "{every}");
            for (threads, most) in [(1, 10_000), (2, 10_000), (5, 10_000), (0, 10_000), (2, 1), (2, 201), (3, 1500)] {
                let (given, result) = compare(&old, &new, prefix, threads, most);
                assert!(result.is_ok());
                assert_eq!(given.len(), expected.len().min(most), "{prefix:?} {threads} {most}");
                assert!(given.iter().eq(expected.iter().take(most)), "{every} {prefix:?} {threads} {most}");
            }
        }
    }
}

#[test]
fn an_error_comes_at_its_place() {
    let objects = &Memory::new();
    let absent = TreeId(Id::from_bytes([7; 32]));
    let empty = tree(objects, Vec::new());
    for place in [0, 5, 16, 80, 250, 700, 1999] {
        let folder = |missing: TreeId| {
            let names = (0..2000).map(|i| (i, format!("{i:04}")));
            let edges = names.map(|(i, name)| child(name, if i == place { missing } else { leaf(objects) })).collect();
            tree(objects, edges)
        };
        // A document that cannot be read, and a part between others.
        let in_parts = |at: usize| {
            let full = |p: usize| tree(objects, (0..10).map(|i| child(format!("{p:04}-{i}"), leaf(objects))).collect());
            let edges = (0..200).map(|p| part(format!("{p:04}-0"), if p == at { absent } else { full(p) }));
            tree(objects, edges.collect())
        };
        for (root, before) in [(folder(absent), place), (in_parts(place / 10), place / 10 * 10)] {
            for threads in [1, 2, 4] {
                let (old, new) = (Tree::new(objects, empty), Tree::new(objects, root));
                let (given, result) = compare(&old, &new, None, threads, usize::MAX);
                assert!(matches!(result, Err(Error::Object(_))), "{place} {threads}");
                assert_eq!(given.len(), before, "{place} on {threads} threads");
                // What fails behind the end is not met.
                let (given, result) = compare(&old, &new, None, threads, before.max(1));
                assert!(result.is_ok() == (before > 0) && given.len() == before);
            }
        }
    }
}
