//! A folder has one shape: the checker finds nothing in that, and something in all others that git would accept.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::model;
use super::raw::{Node, cut, folder, leaf, nodes, opener_names, parts};
use crate::object::{BlobId, Kind, Memory, Objects, TreeId};
use crate::tree::{Edit, FolderChecker, Key, Role, Tree};

/// How one level is grouped.
#[derive(Clone, Debug)]
enum Grouping {
    /// As the format says.
    Right,
    /// As the format says for a level that is so many higher.
    Coarse(u32),
    /// As the format says but for one place, which is cut or not cut against it.
    Toggled(Index),
    /// As the format says, but one group is left as it is, beside the parts.
    LeftOut(Index),
    /// Anywhere.
    Random(Vec<bool>),
    /// In turn, so that the groups overlap.
    Dealt(usize),
}

fn grouping() -> impl Strategy<Value = Grouping> {
    prop_oneof![
        8 => Just(Grouping::Right),
        1 => (1..3_u32).prop_map(Grouping::Coarse),
        2 => any::<Index>().prop_map(Grouping::Toggled),
        1 => any::<Index>().prop_map(Grouping::LeftOut),
        1 => vec(proptest::bool::weighted(0.1), 1..300).prop_map(Grouping::Random),
        1 => (2..5_usize).prop_map(Grouping::Dealt),
    ]
}

fn group(objects: &Memory, nodes: Vec<Node>, level: u32, grouping: &Grouping) -> Vec<Node> {
    let is_right = |node: &Node, level| model::level(&node.first) >= level;
    let groups = match grouping {
        Grouping::Right => cut(nodes, |_, node| is_right(node, level)),
        Grouping::Coarse(more) => cut(nodes, |_, node| is_right(node, level + more)),
        Grouping::Toggled(index) => {
            let at = index.index(nodes.len());
            cut(nodes, |place, node| is_right(node, level) != (place == at))
        }
        Grouping::LeftOut(index) => {
            let mut groups = cut(nodes, |_, node| is_right(node, level));
            let left_out = groups.remove(index.index(groups.len()));
            return [parts(objects, groups), left_out].concat();
        }
        Grouping::Random(cuts) => cut(nodes, |place, _| cuts[place % cuts.len()]),
        Grouping::Dealt(hands) => {
            let hand = |first: usize| nodes.iter().skip(first).step_by(*hands).cloned().collect::<Vec<_>>();
            (0..*hands).map(hand).filter(|hand| !hand.is_empty()).collect()
        }
    };
    parts(objects, groups)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn only_the_one_shape_is_sound(
        taken in prop_oneof![1 => Just(vec![true]), 3 => vec(proptest::bool::weighted(0.6), 100..296)],
        groupings in vec(grouping(), 0..5),
    ) {
        let objects = &Memory::new();
        let child = leaf(objects);
        let names: Vec<_> =
            opener_names().into_iter().zip(taken.iter().cycle()).filter_map(|(name, taken)| taken.then_some(name)).collect();
        let document = Edit::Put(BlobId(objects.put(Kind::Blob, b"leaf").unwrap()).into());
        let edit = |name: &Vec<u8>| (Key::from_path(&format!("{}/", std::str::from_utf8(name).unwrap())).unwrap(), document);
        let empty = TreeId(objects.put(Kind::Tree, b"").unwrap());
        let right = Tree::new(objects, empty).edit(&names.iter().map(edit).collect()).unwrap().id();
        let mut grouped = nodes(names.into_iter().map(|name| (name, child)));
        for (grouping, level) in groupings.iter().zip(1..) {
            grouped = group(objects, grouped, level, grouping);
        }
        let id = folder(objects, grouped);
        let check = FolderChecker::new().check(objects, id, Role::Folder);
        prop_assert_eq!(check.findings.is_empty(), id == right, "{:?}", check.findings);
        prop_assert!(check.findings.iter().all(|finding| finding.rule == "folder-shape"), "{:?}", check.findings);
    }
}
