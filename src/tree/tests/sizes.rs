//! New folders of all sizes: the tree is the model's, and nothing is written that is not in it.

use super::model::{self, Documents, Ids, Leaf};
use super::state::{State, Step};
use crate::object::TreeId;

/// Sees that a new folder of these children becomes what the model makes of it, with and without a document of its
/// own, and just that.
fn check_new(names: &[String]) {
    for own in [None, Some("f")] {
        let below = names.iter().map(|name| format!("f/{name}"));
        let documents: Documents = below.chain(own.map(str::to_owned)).map(|key| (key, Leaf::of(b"x"))).collect();
        let state = State::of(documents);
        let (root, mut expected) = model::objects(&state.documents);
        expected.insert(*TreeId::EMPTY.0.as_bytes());
        let written: Ids = state.objects.ids().iter().map(|id| *id.as_bytes()).collect();
        assert_eq!((state.root, written.len()), (root, expected.len()), "{} children", names.len());
        assert!(written == expected);
    }
}

fn of_levels(levels: std::ops::Range<u32>, count: usize) -> Vec<String> {
    let names = (0..).map(|i| format!("n{i:05}"));
    names.filter(|name| levels.contains(&model::level(name.as_bytes()))).take(count).collect()
}

#[test]
fn around_the_limit() {
    for count in [1, 2, 63, 64, 65, 66, 128, 129] {
        check_new(&of_levels(0..20, count));
    }
}

#[test]
fn a_single_group_is_not_cut_however_large() {
    for count in [64, 65, 66, 500] {
        check_new(&of_levels(0..1, count));
        // The first child opens no group.
        let opener = of_levels(1..2, 1).remove(0);
        let after = of_levels(0..1, count + 1000).into_iter().filter(|name| *name > opener).take(count);
        check_new(&[vec![opener.clone()], after.collect()].concat());
    }
    // More groups than a tree holds, and none of them opens another above.
    let mut names = of_levels(1..2, 70);
    names.extend(of_levels(0..1, 70));
    check_new(&names);
    check_new(&of_levels(1..2, 65));
}

#[test]
fn ten_thousand_and_more() {
    check_new(&of_levels(0..20, 12_345));
    let nested: Vec<String> =
        (0..12_345).map(|i| format!("{}/{}/{i:05}", i % 7, if i % 2 == 0 { i % 1000 } else { i % 3 })).collect();
    check_new(&nested);
}

#[test]
fn many_new_children_among_old_ones() {
    let all = of_levels(0..20, 12_000);
    let put = |names: &mut dyn Iterator<Item = &String>, content: &[u8]| -> Vec<(String, Step)> {
        names.map(|name| (format!("f/{name}"), Step::Put(Leaf::of(content)))).collect()
    };
    for every in [3, 120, 4000] {
        let mut state = State::new();
        state.apply(&put(&mut all.iter().step_by(every), b"old"));
        state.apply(&put(&mut all.iter(), b"new"));
        let remove = |name: &String| (format!("f/{name}"), Step::Remove);
        state.apply(&all.iter().skip(every).step_by(2).map(remove).collect::<Vec<_>>());
        state.apply(&all.iter().skip(40).map(remove).collect::<Vec<_>>());
        state.check_folders();
    }
}
