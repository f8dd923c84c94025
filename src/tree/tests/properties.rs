//! Whatever is put and removed, in whatever order and batches, the tree is the model's, and so is every answer.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::model::{Documents, Leaf};
use super::names::{SEGMENTS, leaf, nested_key, openers_up_to};
use super::state::{State, Step};
use crate::object::TreeId;

/// Asks everything about a state: each key of `keys` and what starts or ends there.
fn check_all(state: &State, keys: &[String]) {
    let key = |at: usize| keys.get(at).map(String::as_str);
    for text in keys {
        state.check_get(text);
    }
    state.check_documents([None, None, None]);
    for [prefix, from, to] in
        [[None, key(0), key(1)], [key(0), None, None], [key(1), key(2), None], [key(2), None, key(3)]]
    {
        state.check_documents([prefix, from, to]);
    }
    state.check_children(None, None);
    for text in keys {
        let (folder, segment) =
            text.rsplit_once('/').map_or((None, text.as_str()), |(folder, last)| (Some(folder), last));
        for (at, c) in segment.char_indices().take(4) {
            state.check_children(folder, Some(&segment[..at + c.len_utf8()]));
        }
        state.check_children(folder, Some(segment));
        state.check_children(Some(text), None);
    }
    state.check_folders();
}

/// Removes everything, half of it first, and sees that nothing is left.
fn check_removal(state: &mut State) {
    let all: Vec<(String, Step)> = state.documents.keys().map(|key| (key.clone(), Step::Remove)).collect();
    let half: Vec<_> = all.iter().step_by(2).cloned().collect();
    state.apply(&half);
    state.apply(&all);
    assert_eq!(state.root, TreeId::EMPTY);
}

pub(super) fn nested_step() -> impl Strategy<Value = Step> {
    let rest =
        vec(select(SEGMENTS.as_slice()), 0..3).prop_map(|names| names.iter().map(|name| format!("/{name}")).collect());
    prop_oneof![
        6 => leaf().prop_map(Step::Put),
        2 => Just(Step::Remove),
        1 => Just(Step::RemoveFolder),
        1 => btree_map(rest, leaf(), 0..4).prop_map(Step::PutFolder),
    ]
}

/// Changes to one folder: single ones, and ones of every n-th of a stretch of its names.
#[derive(Clone, Debug)]
pub(super) enum Sweep {
    One(Index, bool),
    Stretch { from: Index, count: usize, every: usize, put: bool },
    Everything,
}

pub(super) fn sweep() -> impl Strategy<Value = Sweep> {
    let stretch = (any::<Index>(), 1..400_usize, 1..6_usize, any::<bool>());
    prop_oneof![
        6 => (any::<Index>(), any::<bool>()).prop_map(|(at, put)| Sweep::One(at, put)),
        3 => stretch.prop_map(|(from, count, every, put)| Sweep::Stretch { from, count, every, put }),
        1 => Just(Sweep::Everything),
    ]
}

/// The changes of a sweep to the folder of these names; each number of `content` makes another document.
pub(super) fn steps(sweep: &Sweep, folder: &str, names: &[String], content: u8) -> Vec<(String, Step)> {
    let (picked, put): (Vec<usize>, bool) = match sweep {
        Sweep::One(at, put) => (vec![at.index(names.len())], *put),
        Sweep::Stretch { from, count, every, put } => {
            let from = from.index(names.len());
            ((from..names.len().min(from + count)).step_by(*every).collect(), *put)
        }
        Sweep::Everything => ((0..names.len()).collect(), true),
    };
    let step = || if put { Step::Put(Leaf::of(&[content])) } else { Step::Remove };
    picked.into_iter().map(|at| (format!("{folder}{}", names[at]), step())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn nested_folders(
        batches in vec(vec((nested_key(), nested_step()), 1..12), 1..7),
        others in vec(nested_key(), 4),
        past: Index,
    ) {
        let mut state = State::new();
        let mut states: Vec<(TreeId, Documents)> = Vec::new();
        for batch in &batches {
            states.push((state.root, state.documents.clone()));
            state.apply(batch);
        }
        let keys: Vec<String> = others.into_iter().chain(batches.concat().into_iter().map(|(key, _)| key)).collect();
        check_all(&state, &keys);
        let old = past.get(&states);
        state.check_diff(old, None);
        for prefix in &keys[..4] {
            state.check_diff(old, Some(prefix));
        }
        check_removal(&mut state);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn folders_with_up_to_three_levels_of_parts(
        folder in select(vec!["", "!w/", "w/x/"]),
        most in 0..=3_u32,
        batches in vec(vec(sweep(), 1..4), 1..9),
        picked in vec(any::<Index>(), 4),
        past: Index,
    ) {
        let names = openers_up_to(most);
        let mut state = State::new();
        let mut states: Vec<(TreeId, Documents)> = Vec::new();
        for (batch, content) in batches.iter().zip(0..) {
            states.push((state.root, state.documents.clone()));
            state.apply(&batch.iter().flat_map(|sweep| steps(sweep, folder, &names, content)).collect::<Vec<_>>());
        }
        let mut keys: Vec<String> = picked.iter().map(|at| format!("{folder}{}", at.get(&names))).collect();
        keys[3].push_str("/x");
        check_all(&state, &keys);
        state.check_diff(past.get(&states), None);
        state.check_diff(past.get(&states), folder.strip_suffix('/'));
        check_removal(&mut state);
    }
}

pub(super) fn size() -> impl Strategy<Value = usize> {
    prop_oneof![3 => 63..=66_usize, 1 => Just(128_usize), 2 => 1000..=5000_usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    #[test]
    fn folders_of_all_sizes(
        (old, new) in (size(), size()),
        scattered: bool,
        sweeps in vec(sweep(), 1..4),
        picked in vec(any::<Index>(), 4),
    ) {
        let name = |i: usize| if scattered { format!("{:08x}", (i as u32).wrapping_mul(2_654_435_761)) } else { format!("item-{i:06}") };
        let names: Vec<String> = (0..old.max(new)).map(name).collect();
        let put = |count: usize| names[..count].iter().map(|name| (format!("f/{name}"), Leaf::of(b"x"))).collect();
        let mut state = State::of(put(old));
        let first = (state.root, state.documents.clone());
        let resize = if new > old {
            names[old..new].iter().map(|name| (format!("f/{name}"), Step::Put(Leaf::of(b"y")))).collect()
        } else {
            names[new..old].iter().map(|name| (format!("f/{name}"), Step::Remove)).collect::<Vec<_>>()
        };
        state.apply(&resize);
        state.check_diff(&first, None);
        for (sweep, content) in sweeps.iter().zip(0..) {
            state.apply(&steps(sweep, "f/", &names, content));
        }
        let keys: Vec<String> = picked.iter().map(|at| format!("f/{}", at.get(&names))).collect();
        for text in &keys {
            state.check_get(text);
        }
        state.check_documents([None, Some(&keys[0]), Some(&keys[1])]);
        state.check_children(Some("f"), keys[2].strip_prefix("f/"));
        state.check_diff(&first, Some(&keys[3]));
        state.check_folders();
        state.apply(&[("f".to_owned(), Step::RemoveFolder)]);
        assert_eq!(state.root, TreeId::EMPTY);
    }
}
