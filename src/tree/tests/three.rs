//! What three trees make of the left one, against models; which trees are read for it; trees that are no folders.

use std::collections::BTreeSet;
use std::sync::Mutex;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::model::{self, Documents, Leaf};
use super::names::{nested_key, openers, openers_up_to};
use super::properties::{nested_step, size, steps, sweep};
use super::raw::{child, edge, leaf, part, tree};
use super::state::{State, Step, key};
use crate::object::{BlobId, Error, Id, Kind, Memory, Mode, Object, Objects, TreeId};
use crate::tree::edit::Action;
use crate::tree::three::merge_edits_on;
use crate::tree::{Edit, Edits, Key, Result, Tree, merge_edits};

/// Merges so that of two changes of a document the right one wins, and answers the merged tree and which documents were
/// asked for.
fn right_wins<O: Objects + Sync>(objects: &O, trees: [TreeId; 3]) -> Result<(TreeId, Vec<Key>)> {
    let merge = |threads| {
        let asked = Mutex::new(Vec::new());
        let edits = merge_edits_on(threads, 1, objects, trees, |key, [base, left, right]| {
            assert!(right != base && right != left);
            asked.lock().unwrap().push(key.clone());
            Ok(Some(right.map_or(Edit::Remove, Edit::Put)))
        })?;
        let mut asked = asked.into_inner().unwrap();
        assert!(threads > 1 || asked.is_sorted_by(|a, b| a < b));
        asked.sort();
        Ok((Tree::new(objects, trees[1]).edit(&edits)?.id(), asked))
    };
    let alone = merge(1);
    let shared = merge(3);
    assert!(alone.is_err() && shared.is_err() || alone.as_ref().unwrap() == shared.as_ref().unwrap());
    alone
}

/// Three states of the same objects.
struct Three {
    objects: Memory,
    states: [(TreeId, Documents); 3],
}

/// What both sides make of a base.
fn three(mut state: State, left: &[(String, Step)], right: &[(String, Step)]) -> Three {
    let base = (state.root, state.documents.clone());
    let mut side = |batch| {
        (state.root, state.documents) = base.clone();
        state.apply(batch);
        (state.root, state.documents.clone())
    };
    let (left, right) = (side(left), side(right));
    Three { objects: state.objects, states: [base, left, right] }
}

impl Three {
    /// Sees that the merged trees are those that the documents make, from both sides and with any of the three as base.
    fn check(&self) {
        for [base, left, right] in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [2, 1, 0]] {
            let [base, left, right] = [base, left, right].map(|at| &self.states[at]);
            let (merged, asked) = right_wins(&self.objects, [base.0, left.0, right.0]).unwrap();
            assert!(asked.is_sorted_by(|a, b| a < b));
            let mut expected = left.1.clone();
            for key in base.1.keys().chain(right.1.keys()) {
                let [base, left, right] = [base, left, right].map(|side| side.1.get(key));
                if base == right {
                    continue;
                }
                assert!(left == base || left == right || asked.contains(&super::state::key(key)), "{key}");
                match right {
                    Some(leaf) => drop(expected.insert(key.clone(), leaf.clone())),
                    None => drop(expected.remove(key)),
                }
            }
            assert_eq!(merged, model::root(&expected));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nested_folders(
        base in vec((nested_key(), nested_step()), 1..20),
        [left, right] in [vec((nested_key(), nested_step()), 1..8), vec((nested_key(), nested_step()), 1..8)],
    ) {
        let mut state = State::new();
        state.apply(&base);
        three(state, &left, &right).check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn folders_with_up_to_three_levels_of_parts(
        folder in select(vec!["", "!w/", "w/x/"]),
        most in 0..=3_u32,
        filled in vec(sweep(), 1..4),
        [left, right] in [vec(sweep(), 1..4), vec(sweep(), 1..4)],
    ) {
        let names = openers_up_to(most);
        let batch = |sweeps: &[_], content| {
            sweeps.iter().zip(content..).flat_map(|(sweep, content)| steps(sweep, folder, &names, content)).collect::<Vec<_>>()
        };
        let mut state = State::new();
        state.apply(&batch(&filled, 0));
        let [left, right] = [batch(&left, 10), batch(&right, 11)];
        three(state, &left, &right).check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn folders_of_all_sizes(sizes in [size(), size(), size()], [left, right] in [vec(sweep(), 0..4), vec(sweep(), 0..4)]) {
        let names: Vec<String> = (0..*sizes.iter().max().unwrap()).map(|i| format!("item-{i:06}")).collect();
        let of = |count: usize| names[..count].iter().map(|name| (format!("f/{name}"), Leaf::of(b"x"))).collect();
        let resized = |to: usize, sweeps: &[_], content| {
            let from = sizes[0];
            let more = names[from.min(to)..to].iter().map(|name| (format!("f/{name}"), Step::Put(Leaf::of(b"y"))));
            let fewer = names[to.min(from)..from].iter().map(|name| (format!("f/{name}"), Step::Remove));
            let swept = sweeps.iter().flat_map(|sweep| steps(sweep, "f/", &names, content));
            more.chain(fewer).chain(swept).collect::<Vec<_>>()
        };
        let (left, right) = (resized(sizes[1], &left, 10), resized(sizes[2], &right, 11));
        three(State::of(of(sizes[0])), &left, &right).check();
    }
}

/// Large folders in one another: a part's path also starts with the path of a part of the folder around it.
#[test]
fn parts_of_folders_in_parts() {
    let text = |outer: usize, inner: usize| format!("{outer:02}/{outer}-{inner:03}");
    let all = (0..99).flat_map(|outer| (0..if outer % 9 == 0 { 150 } else { 1 }).map(move |inner| (outer, inner)));
    let state = State::of(all.clone().map(|(outer, inner)| (text(outer, inner), Leaf::of(b"1"))).collect());
    let folders = [state.root, state.tree().folder(Some(&key("00"))).unwrap().unwrap()];
    assert!(
        folders.iter().all(|id| state.objects.tree(*id).unwrap().iter().next().unwrap().name.starts_with(b".part:0"))
    );
    let side = |at: usize| {
        let changed = all.clone().enumerate().filter(move |(i, _)| i % 50 == at);
        changed.map(|(_, (outer, inner))| (text(outer, inner), Step::Put(Leaf::of(&[at as u8])))).collect::<Vec<_>>()
    };
    let (left, right) = (side(0), side(25));
    state.check_folders();
    let three = three(state, &left, &right);
    let edits = merge_edits(&three.objects, three.states.each_ref().map(|side| side.0), |_, _| Ok(None)).unwrap();
    let mut sorted = edits.sorted();
    let mut parts = 0;
    while let Some((_, action)) = sorted.peek() {
        parts += usize::from(matches!(action, Action::PutPart { .. }));
        sorted.advance();
    }
    assert!(parts > 5, "{parts}");
    three.check();
}

/// A part that holds but one part begins and ends as that one does, but does not take its place.
#[test]
fn a_side_that_grew_by_a_level_of_parts() {
    let level = |name: &String| model::level(&model::segments(name)[0]);
    let names = openers();
    let tops: Vec<usize> = (0..names.len()).filter(|&at| level(&names[at]) == 3).collect();
    let inner = |pair: &[usize]| (pair[0]..pair[1]).filter(|&at| level(&names[at]) == 2).count();
    let pair = tops.windows(2).min_by_key(|pair| inner(pair)).unwrap();
    let (stretch, is_second) = (pair[0]..pair[1], |at: &usize| level(&names[*at]) == 2);
    let outside: Vec<usize> = (0..names.len()).filter(|at| is_second(at) && !stretch.contains(at)).collect();
    let low = (0..names.len()).filter(|at| !is_second(at));
    let put = |at: usize, content: u8| (names[at].clone(), Step::Put(Leaf::of(&[content])));

    let mut state = State::new();
    state.apply(&low.chain(outside[..40].iter().copied()).map(|at| put(at, 1)).collect::<Vec<_>>());
    let grown: Vec<_> = outside.iter().map(|&at| put(at, 1)).chain([put(pair[0] + 1, 3)]).collect();
    let three = three(state, &[put(outside[0], 2)], &grown);
    let edges = three.states.each_ref().map(|(root, _)| three.objects.tree(*root).unwrap().len());
    assert!(edges[0] > 40 && edges[2] == 5, "{edges:?}");
    three.check();
}

/// Objects in memory that note which are read.
#[derive(Default)]
struct Noting {
    objects: Memory,
    read: Mutex<BTreeSet<Id>>,
}

impl Noting {
    fn take(&self) -> BTreeSet<Id> {
        std::mem::take(&mut self.read.lock().unwrap())
    }
}

impl Objects for Noting {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        self.read.lock().unwrap().insert(id);
        self.objects.get(id)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        self.objects.put(kind, body)
    }
}

fn put(text: String, content: u8) -> (Key, Edit) {
    (key(&text), Edit::Put(BlobId(Id::from_bytes([content; 32])).into()))
}

/// A folder of 20,000 documents and small ones beside it; on the left all but a few of them changed.
fn large(objects: &Noting) -> [Tree<'_, Noting>; 2] {
    let item = |content| move |i: usize| put(format!("items/{i:06}"), content);
    let other = |i: usize| put(format!("others/{}/{i}", i % 10), 1);
    let all: Edits = (0..20_000).map(item(1)).chain((0..100).map(other)).collect();
    let base = Tree::new(objects, TreeId::EMPTY).edit(&all).unwrap();
    let left = base.edit(&(0..20_000).filter(|i| i / 100 != 77).map(item(2)).collect()).unwrap();
    [base, left]
}

#[test]
fn what_one_side_alone_changed_is_not_read() {
    let objects = &Noting::default();
    let [base, left] = large(objects);
    let right = base.edit(&Edits::from_iter([put("items/007750".into(), 3), put("others/4/4".into(), 3)])).unwrap();
    objects.take();
    for trees in [[base, left, right], [base, right, left]] {
        let edits = merge_edits(objects, trees.map(|tree| tree.id()), |_, _| panic!("nothing is in dispute")).unwrap();
        let read = objects.take();
        assert!(read.len() < 200 || trees[2].id() == left.id(), "{} objects", read.len());
        for (side, text) in [(right, "others/4"), (right, "items/007750"), (left, "items/000001")] {
            let folder = side.folder(Some(&key(text))).unwrap().unwrap();
            assert!(!read.contains(&folder.0), "{text} is taken as a whole");
        }
        objects.take();
        trees[1].edit(&edits).unwrap();
    }
}

/// Both sides change documents all over a folder: where a part has changes of one side only, it is taken as it is.
#[test]
fn a_part_that_one_side_alone_changed_is_not_read() {
    let objects = &Noting::default();
    let item = |content| move |i: usize| put(format!("{i:06}"), content);
    let base = Tree::new(objects, TreeId::EMPTY).edit(&(0..20_000).map(item(1)).collect()).unwrap();
    let left = base.edit(&(0..20_000).step_by(1000).map(item(2)).collect()).unwrap();
    let right = base.edit(&(500..20_000).step_by(1000).map(item(3)).collect()).unwrap();
    objects.take();
    let trees = [base, left, right].map(|tree| tree.id());
    let edits = merge_edits(objects, trees, |_, _| panic!("nothing is in dispute")).unwrap();
    let merged = left.edit(&edits).unwrap();
    let read = objects.take().len();
    let expected = right.edit(&(0..20_000).step_by(1000).map(item(2)).collect()).unwrap();
    assert_eq!(merged.id(), expected.id());
    assert_eq!(edits.len(), 20);
    // The root, and of each side the parts that lead to 20 parts, for which there are 600 / 32 at most.
    assert!(read < 100, "{read} objects");
}

#[test]
fn the_deepest_key() {
    let objects = &Memory::new();
    let path = "a/".repeat(2047);
    let tree = |name: &str, content| {
        Tree::new(objects, TreeId::EMPTY).edit(&Edits::from_iter([put(format!("{path}{name}"), content)])).unwrap().id()
    };
    let (base, left, right) = (tree("a", 1), tree("a", 2), tree("b", 3));
    let (merged, asked) = right_wins(objects, [base, left, right]).unwrap();
    assert_eq!((merged, asked), (right, vec![key(&format!("{path}a"))]));
    let (merged, asked) = right_wins(objects, [TreeId::EMPTY, left, right]).unwrap();
    let both = Edits::from_iter([put(format!("{path}a"), 2), put(format!("{path}b"), 3)]);
    assert_eq!(merged, Tree::new(objects, TreeId::EMPTY).edit(&both).unwrap().id());
    assert!(asked.is_empty());
}

#[test]
fn trees_that_are_no_folders_are_errors() {
    let objects = &Memory::new();
    let document = leaf(objects);
    let nested = (0..20).fold(tree(objects, vec![child("a", document)]), |id, _| tree(objects, vec![part("a", id)]));
    let sound = |name: &str| tree(objects, vec![child(name, document)]);
    let foreign = [
        tree(objects, vec![child("a", document), edge(Mode::Executable, "b", document)]),
        tree(objects, vec![edge(Mode::Blob, "blob", document)]),
        tree(objects, vec![child(".conflict", document)]),
        tree(objects, vec![child(b"\xFF", document)]),
        tree(objects, vec![child(".x", document)]),
    ];
    for foreign in foreign {
        let error = right_wins(objects, [sound("c"), sound("d"), foreign]).unwrap_err();
        assert!(matches!(error, crate::tree::Error::Format { .. }), "{error}");
        for trees in [[foreign, sound("c"), sound("d")], [sound("c"), foreign, sound("d")]] {
            let _ = right_wins(objects, trees);
        }
    }
    let nested = [nested, tree(objects, vec![part("a", nested)]), tree(objects, vec![part("a", sound("a"))])];
    for at in 0..3 {
        let mut trees = nested;
        trees.rotate_left(at);
        let _ = right_wins(objects, trees);
    }
    let missing = TreeId(Id::from_bytes([7; 32]));
    assert!(right_wins(objects, [sound("c"), sound("d"), missing]).is_err());
}
