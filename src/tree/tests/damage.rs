//! Damaged folders: the checker names the rule that each breaks, and goes through the rest.

use super::model;
use super::raw::{Node, blob, child, cut, edge, folder, leaf, nodes, opener_names, part, parts, tree};
use crate::object::{BlobId, Entry, Id, Memory, Mode, Objects, TreeId};
use crate::tree::{FolderCheck, FolderChecker, Role};

fn check(objects: &Memory, id: TreeId) -> FolderCheck {
    FolderChecker::new().check(objects, id, Role::Folder)
}

fn found(check: &FolderCheck) -> Vec<(&str, &str)> {
    check.findings.iter().map(|finding| (finding.rule, finding.reason.as_str())).collect()
}

/// Sees that a folder of these edges breaks one rule, for a reason that starts like this.
fn breaks(objects: &Memory, edges: Vec<Entry>, rule: &str, reason: &str) {
    let check = check(objects, tree(objects, edges));
    let found = found(&check);
    assert!(found.len() == 1 && found[0].0 == rule && found[0].1.contains(reason), "{found:?}");
}

/// Names, in order, of which so many open a part, and so many none.
fn names(cuts: usize, plain: usize) -> Vec<Vec<u8>> {
    let of_level = |level, count| {
        let names = opener_names().into_iter().filter(move |name| model::level(name) == level);
        // Spread over all of them, for parts of many sizes.
        names.step_by(1 + usize::from(count < 50)).take(count)
    };
    let mut names: Vec<_> = of_level(1, cuts).chain(of_level(0, plain)).collect();
    assert_eq!(names.len(), cuts + plain);
    names.sort_by_cached_key(|name| [name, b"/".as_slice()].concat());
    names
}

/// Children of these names, which are documents.
fn documents(objects: &Memory, names: &[Vec<u8>]) -> Vec<Node> {
    nodes(names.iter().map(|name| (name.clone(), leaf(objects))))
}

fn edges(nodes: Vec<Node>) -> Vec<Entry> {
    nodes.into_iter().map(|node| node.edge).collect()
}

/// Groups of children that make a sound folder, and the place of one that has two at least, as has the next.
fn groups(objects: &Memory) -> (Vec<Vec<Node>>, usize) {
    let groups = cut(documents(objects, &names(12, 100)), |_, node| model::level(&node.first) > 0);
    assert_eq!(found(&check(objects, folder(objects, parts(objects, groups.clone())))), []);
    let at = (1..groups.len()).find(|&at| groups[at].len() > 1 && groups[at + 1].len() > 1).unwrap();
    (groups, at)
}

#[test]
fn too_many_or_too_few_parts() {
    let objects = &Memory::new();
    let shape = |nodes, reason| breaks(objects, edges(nodes), "folder-shape", reason);
    let is_cut = |_, node: &Node| model::level(&node.first) > 0;
    let whole = |cuts, plain| documents(objects, &names(cuts, plain));
    shape(whole(1, 64), "too many edges");
    assert_eq!(found(&check(objects, folder(objects, whole(0, 100)))), []);
    shape(parts(objects, vec![whole(0, 100)]), "a single part");
    shape(parts(objects, cut(whole(4, 60), is_cut)), "should stand in its own tree");
    let deep = (0..20).fold(whole(0, 2), |nodes, _| parts(objects, vec![nodes]));
    shape(deep, "too deeply");
}

#[test]
fn parts_with_wrong_children() {
    let objects = &Memory::new();
    let (groups, at) = groups(objects);
    let shape = |groups, reason| breaks(objects, edges(parts(objects, groups)), "folder-shape", reason);
    let with = |new: Vec<Vec<Node>>| [&groups[..at], &new, &groups[at + 2..]].concat();
    let (this, next) = (groups[at].clone(), groups[at + 1].clone());
    shape(with(vec![[&this[..], &next].concat()]), "goes on where the next one");
    shape(with(vec![this[..1].to_vec(), this[1..].to_vec(), next.clone()]), "begins where none should");
    let (last, rest) = next.split_last().unwrap();
    shape(with(vec![[&this[..], std::slice::from_ref(last)].concat(), rest.to_vec()]), "not in order");
}

#[test]
fn edges_to_wrong_parts() {
    let objects = &Memory::new();
    let (groups, at) = groups(objects);
    let shape = |new: Vec<Entry>, reason| {
        let others = groups.iter().enumerate().filter(|&(i, _)| i != at).map(|(_, group)| group.clone()).collect();
        breaks(objects, [edges(parts(objects, others)), new].concat(), "folder-shape", reason);
    };
    let first = &groups[at][0].first;
    shape(edges(groups[at].clone()), "not all of one height");
    shape(vec![part(&groups[at][1].first, folder(objects, groups[at].clone()))], "not named by its first child");
    shape(vec![part(first, tree(objects, vec![]))], "a part is empty");
}

#[test]
fn edges_with_no_place() {
    let objects = &Memory::new();
    let content = blob(objects, b"x");
    for name in ["blob", "%61", "%2f", "a~", "a\u{7f}", &"x".repeat(241)] {
        breaks(objects, vec![child(name, leaf(objects))], "folder-name", "no segment's name");
    }
    breaks(objects, vec![child(b"\xff", leaf(objects))], "folder-name", "no segment's name");
    breaks(objects, vec![part("", leaf(objects))], "folder-name", "no segment's name");
    let foreign = [
        edge(Mode::Blob, "README", content),
        edge(Mode::Blob, ".conflict", content),
        edge(Mode::Blob, ".part:a", content),
        edge(Mode::Executable, "a", content),
        edge(Mode::Executable, "blob", content),
        edge(Mode::Link, "blob", content),
        edge(Mode::Gitlink, "a", content),
        child(".hidden", leaf(objects)),
    ];
    for foreign in foreign {
        breaks(objects, vec![child("z", leaf(objects)), foreign], "folder-edge", "has no place here");
    }
    let (groups, _) = groups(objects);
    let mut groups = edges(parts(objects, groups));
    let last = groups.pop().unwrap();
    let mut inside: Vec<Entry> = objects.tree(TreeId(last.id)).unwrap().iter().map(Entry::from).collect();
    inside.push(edge(Mode::Blob, "blob", content));
    groups.push(Entry { id: tree(objects, inside).into(), ..last });
    breaks(objects, groups, "folder-edge", "has no place here");
}

#[test]
fn empty_folders_and_the_root() {
    let objects = &Memory::new();
    let empty = tree(objects, vec![]);
    breaks(objects, vec![], "folder-empty", "neither a document nor children");
    let as_root = |id| FolderChecker::new().check(objects, id, Role::Root);
    assert_eq!(found(&as_root(empty)), []);
    let document = leaf(objects);
    assert_eq!(found(&check(objects, document)), []);
    let findings = as_root(document).findings;
    assert!(findings.len() == 1 && findings[0].rule == "folder-edge", "{findings:?}");
}

#[test]
fn conflicts() {
    let objects = &Memory::new();
    let mut versions = [blob(objects, b"1"), blob(objects, b"2")];
    versions.sort();
    let [low, high] = versions;
    let version = |id: BlobId| edge(Mode::Blob, id.to_string(), id);
    let with = |winner: BlobId, conflict: Vec<Entry>| {
        vec![edge(Mode::Blob, "blob", winner), child(".conflict", tree(objects, conflict))]
    };
    let both = || vec![version(low), version(high)];
    let good = check(objects, tree(objects, with(high, both())));
    assert_eq!((found(&good), good.blobs.len()), (vec![], 3));
    breaks(objects, with(low, both()), "conflict-winner", "greatest id");
    breaks(objects, with(blob(objects, b"3"), both()), "conflict-winner", "greatest id");
    let form = |conflict, reason| breaks(objects, with(high, conflict), "conflict-form", reason);
    form(vec![version(high)], "a single version");
    form(vec![], "no content");
    let deleted = || edge(Mode::Blob, "deleted", blob(objects, b""));
    form(vec![deleted()], "no content");
    let good = check(objects, tree(objects, with(high, vec![version(high), deleted()])));
    assert_eq!((found(&good), good.blobs.contains(&BlobId::EMPTY)), (vec![], true));
    form([both(), vec![edge(Mode::Blob, "deleted", low)]].concat(), "no version");
    form([both(), vec![edge(Mode::Blob, "more", low)]].concat(), "no version");
    form([both(), vec![edge(Mode::Blob, Id::ZERO.to_string(), low)]].concat(), "no version");
    form([both(), vec![child("base", leaf(objects))]].concat(), "other than contents");
    let alone = [&with(high, both())[1..], &[child("a", leaf(objects))]].concat();
    breaks(objects, alone, "conflict-form", "no document");
}

#[test]
fn what_follows_damage_is_still_gone_through() {
    let objects = &Memory::new();
    let (groups, at) = groups(objects);
    let children = groups.iter().map(Vec::len).sum::<usize>();
    let mut damaged = edges(parts(objects, groups[..at].to_vec()));
    damaged.extend(groups[at..].iter().flat_map(|group| edges(group.clone())));
    damaged.push(edge(Mode::Blob, "blob", blob(objects, b"x")));
    damaged.push(part("!", TreeId(Id::from_bytes([7; 32]))));
    let check = check(objects, tree(objects, damaged));
    assert_eq!(found(&check).len(), 1);
    assert_eq!((check.children.len(), check.blobs.len(), check.errors.len()), (children, 1, 1));
}

#[test]
fn a_part_that_folders_share_is_read_once() {
    let objects = &Memory::new();
    let (groups, at) = groups(objects);
    let old = folder(objects, parts(objects, groups.clone()));
    let mut fewer = groups.clone();
    fewer[at].pop();
    let new = folder(objects, parts(objects, fewer.clone()));
    let mut checker = FolderChecker::new();
    let children = groups.iter().map(Vec::len).sum::<usize>();
    assert_eq!(checker.check(objects, old, Role::Folder).children.len(), children);
    let second = checker.check(objects, new, Role::Folder);
    assert_eq!((found(&second), second.children.len()), (vec![], fewer[at].len()));
}
