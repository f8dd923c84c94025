//! A scan gives what the plain walk gives, in its order, however many threads walk and wherever it ends.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::raw::{child, leaf, tree};
use super::state::{State, key, shapes};
use crate::object::{BlobId, Id, Memory, TreeId};
use crate::tree::walk::Documents;
use crate::tree::{Document, Error, Key, Range, Tree};

fn state() -> State {
    shapes(1, b"x")
}

/// What a scan gives until `most` are given, and how it ends.
fn scan(
    tree: &Tree<'_, Memory>,
    range: &Range,
    threads: usize,
    most: usize,
) -> (Vec<(Key, Document)>, Result<(), Error>) {
    let mut given = Vec::new();
    let work = |_: &Memory, key: Key, document| Ok(((key, document), 100));
    let result = tree.scan(range.clone(), threads, work, |item| {
        given.push(item);
        Ok(if given.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    });
    (given, result)
}

#[test]
fn all_ranges() {
    let state = state();
    let range = |range: [Option<&str>; 3]| {
        let [prefix, from, to] = range.map(|text| text.map(key));
        Range { prefix, from, to }
    };
    for bounds in [
        [None, None, None],
        [Some("flat"), None, None],
        [Some("small"), Some("small/5"), Some("small/8/1")],
        [None, Some("flat/8"), Some("small/5/1/r")],
        [None, Some("flat/7"), Some("flat/75")],
        [None, Some("zz"), None],
        [Some("none"), None, None],
    ] {
        let expected = state.expected(bounds);
        for (threads, most) in [(1, 10_000), (2, 10_000), (5, 10_000), (0, 10_000), (2, 1), (2, 201), (3, 1500)] {
            let (given, result) = scan(&state.tree(), &range(bounds), threads, most);
            assert!(result.is_ok());
            assert_eq!(given.len(), expected.len().min(most), "{bounds:?} {threads}");
            assert!(given.iter().eq(expected.iter().take(most)), "{bounds:?} {threads} {most}");
        }
    }
}

/// Walks so many documents, and what is then left in pieces.
fn in_pieces(tree: &Tree<'_, Memory>, range: Range, most: usize, len: usize) -> Vec<Vec<(Key, Document)>> {
    let mut documents = tree.documents(range).unwrap();
    let mut walked = vec![documents.by_ref().take(most).map(Result::unwrap).collect()];
    let range = documents.range();
    let piece = |piece| Documents::of_piece(tree.objects, range.clone(), piece).map(Result::unwrap).collect();
    walked.extend(documents.into_pieces(len).map(piece));
    walked
}

#[test]
fn pieces_are_all_that_is_left() {
    let state = state();
    for bounds in
        [[None, None, None], [Some("small"), Some("small/5"), Some("small/8/1")], [None, Some("flat/8"), None]]
    {
        let expected = state.expected(bounds);
        for most in [0, 1, 65, 400, 3020, 5000] {
            for len in [1, 64, 10_000] {
                let [prefix, from, to] = bounds.map(|text| text.map(key));
                let walked = in_pieces(&state.tree(), Range { prefix, from, to }, most, len);
                // What has not begun has no pieces yet.
                let count = if most == 0 { 0 } else { expected.len() };
                assert!(walked.concat().iter().eq(expected.iter().take(count)), "{bounds:?} {most} {len}");
            }
        }
    }
}

#[test]
fn the_first_pieces_are_of_about_the_length_that_is_wished_for() {
    let objects = &Memory::new();
    let leaf = leaf(objects);
    let folder = tree(objects, (0..50).map(|i| child(format!("{i:02}"), leaf)).collect());
    let root = tree(objects, (0..40).map(|i| child(format!("{i:02}"), folder)).collect());
    let walked = in_pieces(&Tree::new(objects, root), Range::default(), 60, 64);
    let lens: Vec<usize> = walked.iter().map(Vec::len).collect();
    // Of the second folder what is left; then three folders each, as two have given sixty; then all others.
    assert_eq!(lens, [60, 40, 150, 150, 150, 150, 150, 150, 150, 850]);
}

#[test]
fn an_error_comes_at_its_place() {
    let objects = &Memory::new();
    let absent = TreeId(Id::from_bytes([7; 32]));
    for place in [0, 5, 250, 700, 1999] {
        let names = (0..2000).map(|i| (i, format!("{i:04}")));
        let edges = names.map(|(i, name)| child(name, if i == place { absent } else { leaf(objects) })).collect();
        let root = tree(objects, edges);
        for threads in [1, 2, 4] {
            let (given, result) = scan(&Tree::new(objects, root), &Range::default(), threads, usize::MAX);
            assert!(given.len() == place && matches!(result, Err(Error::Object(_))), "{place} {threads}");
        }
        // What fails behind the end is not met.
        let (given, result) = scan(&Tree::new(objects, root), &Range::default(), 3, place.max(1));
        assert!(result.is_ok() == (place > 0) && given.len() == place);
    }
}

#[test]
fn the_errors_of_both_sides() {
    let state = state();
    let tree = state.tree();
    let failure = || Error::Format { id: TreeId::EMPTY, reason: "no".into() };
    let mut given = 0;
    let work = |_: &Memory, key: Key, _| if &*key.text() == "small/500/1/r" { Err(failure()) } else { Ok(((), 0)) };
    let count = |_| {
        given += 1;
        Ok(ControlFlow::Continue(()))
    };
    assert!(tree.scan(Range::default(), 2, work, count).is_err());
    let before = state.expected([None, None, Some("small/500/1/r")]).len();
    assert_eq!(given, before);
    let mut left = 1000;
    let refuse = |()| {
        left -= 1;
        if left == 0 { Err(failure()) } else { Ok(ControlFlow::Continue(())) }
    };
    assert!(tree.scan(Range::default(), 2, |_, _, _| Ok(((), 0)), refuse).is_err());
    assert_eq!(left, 0);
}

#[test]
#[should_panic = "in the midst"]
fn a_panic_ends_it() {
    let state = state();
    let done = AtomicUsize::new(0);
    let work = |_: &Memory, _, _| {
        assert!(done.fetch_add(1, Ordering::Relaxed) < 2000, "in the midst");
        Ok::<_, Error>(((), 0))
    };
    let _ = state.tree().scan(Range::default(), 3, work, |()| Ok(ControlFlow::Continue(())));
}

/// Of a thread that the scan has started, while the caller's is at work as well.
#[test]
#[should_panic = "in the midst"]
fn a_panic_elsewhere_ends_it() {
    let (state, caller) = (state(), thread::current().id());
    let (done, elsewhere) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |_: &Memory, _, _| {
        if thread::current().id() != caller {
            elsewhere.fetch_add(1, Ordering::Relaxed);
            panic!("in the midst");
        }
        // The first ones are the caller's alone.
        let is_late = done.fetch_add(1, Ordering::Relaxed) >= 1000;
        while is_late && elsewhere.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        Ok::<_, Error>(((), 0))
    };
    let _ = state.tree().scan(Range::default(), 3, work, |()| Ok(ControlFlow::Continue(())));
}

/// What cannot be given yet is not found without end, and what is large goes through all the same.
#[test]
fn nobody_goes_far_ahead() {
    let state = state();
    let worked = AtomicUsize::new(0);
    let mut given = 0;
    let large = 8 << 20;
    let work = |_: &Memory, _, _| {
        worked.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Error>(((), large))
    };
    let give = |()| {
        given += 1;
        let ahead = worked.load(Ordering::Relaxed) - given;
        assert!(ahead < 20, "{ahead}");
        Ok(ControlFlow::Continue(()))
    };
    state.tree().scan(Range { prefix: Some(key("flat")), ..Range::default() }, 3, work, give).unwrap();
    assert_eq!(given, 3001);
}

#[test]
fn many_keys_at_once() {
    let state = state();
    let tree = state.tree();
    let keys: Vec<Key> = (0..2000).map(|i| key(&format!("small/{}/1/{}", i % 700, ["r", "s"][i % 2]))).collect();
    for (threads, count) in [(0, 2000), (1, 2000), (3, 2000), (3, 129), (3, 10), (3, 0)] {
        let answers = tree.get_many(&keys[..count], threads, |_, key, found| (key.clone(), found.unwrap()));
        assert_eq!(answers.len(), count);
        for (answer, key) in answers.iter().zip(&keys) {
            assert_eq!((&answer.0, answer.1), (key, tree.get(key).unwrap()));
        }
        let there = answers.iter().filter(|(_, found)| *found == Some(BlobId(super::model::blob(b"x")).into()));
        assert_eq!(there.count(), count.div_ceil(2));
    }
}
