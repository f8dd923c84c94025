//! Tests of the commit-graph file's form: what is written is read back, and no damage does more than make it useless.

use proptest::prelude::*;

use super::*;
use crate::disk::{FaultDisk, Survivors};
use crate::object::{Kind, hash};
use crate::store::tests::{empty_disk, store_on};

/// Commits in the order of their ids, each with parents among those made before it.
fn commits(shape: &[(Vec<prop::sample::Index>, i64)]) -> Vec<GraphCommit> {
    let id = |n: usize| CommitId(hash(Kind::Commit, n.to_string().as_bytes()));
    let mut order: Vec<usize> = (0..shape.len()).collect();
    order.sort_by_key(|n| id(*n));
    let place = |n: usize| order.iter().position(|at| *at == n).unwrap() as u32;
    let one = |n: usize| {
        let (parents, time) = &shape[n];
        let parents = if n == 0 { Vec::new() } else { parents.iter().map(|p| place(p.index(n))).collect() };
        GraphCommit { id: id(n), tree: TreeId(hash(Kind::Tree, n.to_string().as_bytes())), time: *time, parents }
    };
    order.iter().map(|n| one(*n)).collect()
}

fn filters(count: usize) -> Filters {
    let mut filters = Filters::default();
    for n in 0..count {
        let paths = |each: usize| Some((0..each).map(|k| FilterPath::new(format!("{n}/{k}").as_bytes())).collect());
        filters.push(match n % 4 {
            3 => None,
            each => paths(each),
        });
    }
    filters
}

fn file(commits: &[GraphCommit], filters: Option<&Filters>) -> Vec<u8> {
    let disk = empty_disk();
    store_on(&disk).write_commit_graph(commits, filters).unwrap();
    disk.read(&path(Path::new("/db/objects"))).unwrap()
}

fn open(bytes: &[u8]) -> Result<CommitGraph, &'static str> {
    CommitGraph::new(Bytes::Owned(bytes.to_vec()))
}

/// Looks at everything there is to look at.
fn read_all(graph: &CommitGraph) -> Vec<u32> {
    let mut parents = Vec::new();
    for position in 0..graph.len().min(1000) {
        let _ = (graph.find(graph.id(position)), graph.tree(position), graph.time(position));
        let _ = (graph.generation(position), graph.parents(position, &mut parents), graph.level(position));
        let _ = graph.filter(position).map(|filter| filter.may_hold(FilterPath::new(b"x")));
    }
    parents
}

fn shape() -> impl Strategy<Value = Vec<(Vec<prop::sample::Index>, i64)>> {
    let time = prop_oneof![0..2000i64, MAX_TIME - 9..=MAX_TIME];
    prop::collection::vec((prop::collection::vec(any::<prop::sample::Index>(), 0..5), time), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(shape in shape(), with_filters: bool) {
        let commits = commits(&shape);
        let filters = with_filters.then(|| filters(commits.len()));
        let bytes = file(&commits, filters.as_ref());
        let graph = open(&bytes).unwrap();
        prop_assert!(graph.is_whole() && graph.len() as usize == commits.len());
        for (position, commit) in (0..).zip(&commits) {
            prop_assert_eq!(graph.find(commit.id), Some(position));
            let mut parents = Vec::new();
            prop_assert!(graph.parents(position, &mut parents));
            prop_assert_eq!(&parents, &commit.parents);
            prop_assert_eq!((graph.id(position), graph.tree(position)), (commit.id, commit.tree));
            prop_assert_eq!(graph.time(position), commit.time);
            let above = parents.iter().map(|at| graph.generation(*at)).max().unwrap_or(0);
            prop_assert_eq!(graph.generation(position), (above + 1).max(commit.time as u64));
            let level = parents.iter().map(|at| graph.level(*at)).max().unwrap_or(0);
            prop_assert_eq!(graph.level(position), level + 1);
            prop_assert_eq!(graph.filter(position).is_some(), with_filters);
            if let Some(filter) = graph.filter(position) {
                let path = |k: u32| FilterPath::new(format!("{position}/{k}").as_bytes());
                prop_assert!((0..position % 4).all(|k| filter.may_hold(path(k))));
            }
        }
        prop_assert_eq!(graph.find(CommitId(Id::ZERO)), None);
        prop_assert_eq!(graph.find(CommitId(Id::from_bytes([0xff; 32]))), None);
    }

    #[test]
    fn damage_is_seen_and_never_a_panic(
        shape in shape(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end: prop::sample::Index,
    ) {
        let commits = commits(&shape);
        let mut bytes = file(&commits, Some(&filters(commits.len())));
        if let Ok(graph) = open(&bytes[..end.index(bytes.len())]) {
            prop_assert!(!graph.is_whole());
            read_all(&graph);
        }
        let sound = bytes.clone();
        for (at, byte) in flips {
            // Most of them where the sizes and places are.
            let at = at.index(if byte % 2 == 0 { bytes.len() } else { 130.min(bytes.len()) });
            bytes[at] ^= byte;
        }
        if let Ok(graph) = open(&bytes) {
            prop_assert_eq!(graph.is_whole(), bytes == sound);
            prop_assert!(read_all(&graph).iter().all(|at| *at < graph.len()));
        }
    }
}

#[test]
fn other_files_are_refused() {
    let bytes = file(&commits(&[(Vec::new(), 7)]), None);
    let reason = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        open(&bytes).unwrap_err()
    };
    assert_eq!(reason(&|bytes| bytes.truncate(7)), "it is shorter than its header");
    assert_eq!(reason(&|bytes| bytes[0] = b'X'), "it does not start as a commit-graph does");
    assert_eq!(reason(&|bytes| bytes[5] = 1), "it is of a version, or for ids, that are not known");
    assert_eq!(reason(&|bytes| bytes[7] = 1), "it is one of several that belong together");
    assert_eq!(reason(&|bytes| bytes.truncate(60)), "its table of chunks is cut short");
    assert_eq!(reason(&|bytes| bytes[12] = 1), "its table of chunks is wrong");
    assert_eq!(reason(&|bytes| bytes[8] = b'X'), "it has no fanout");
    assert_eq!(reason(&|bytes| bytes.copy_within(8..12, 20)), "a chunk stands there twice");
    assert_eq!(reason(&|bytes| bytes[20] = b'X'), "its list of ids has a wrong size");
}

#[test]
fn a_filter_that_is_not_ours_is_not_asked_about_keys() {
    let commits = commits(&[(Vec::new(), 7)]);
    let bytes = file(&commits, Some(&filters(1)));
    assert!(open(&bytes).unwrap().filter(0).is_some());
    let at = bytes.windows(4).position(|name| name == KEYS).unwrap();
    let mut other = bytes.clone();
    other[at] = b'X';
    assert!(open(&other).unwrap().filter(0).is_none());
    assert!(open(&file(&commits, None)).unwrap().filter(0).is_none());
}

#[test]
fn a_file_is_replaced_whole_or_not_at_all() {
    let shape: Vec<_> = (0..20).map(|n| (Vec::new(), n)).collect();
    let (few, many) = (commits(&shape[..5]), commits(&shape));
    let start = empty_disk();
    store_on(&start).write_commit_graph(&few, None).unwrap();
    let whole = start.fork();
    let before = whole.operations();
    store_on(&whole).write_commit_graph(&many, None).unwrap();
    let operations = whole.operations() - before;
    let check = |disk: &FaultDisk, is_new: bool, what: &str| {
        let graph = store_on(disk).open_commit_graph().unwrap().unwrap();
        assert!(graph.is_whole(), "{what}");
        assert!(graph.len() == 20 || graph.len() == 5 && !is_new, "{what}: {} commits", graph.len());
    };
    for survivors in Survivors::all() {
        check(&whole.after_power_cut(survivors), true, "no cut");
    }
    for n in 0..operations {
        let disk = start.fork();
        disk.fail_at(n, io::ErrorKind::StorageFull);
        let written = store_on(&disk).write_commit_graph(&many, None);
        disk.heal();
        check(&disk, written.is_ok(), &format!("failed at {n}"));
        let disk = start.fork();
        disk.cut_at(n);
        let written = store_on(&disk).write_commit_graph(&many, None);
        for survivors in Survivors::all() {
            check(&disk.after_power_cut(survivors), written.is_ok(), &format!("cut at {n}, {survivors}"));
        }
    }
    store_on(&whole).write_commit_graph(&[], None).unwrap();
    store_on(&whole).write_commit_graph(&[], None).unwrap();
    assert!(store_on(&whole).open_commit_graph().unwrap().is_none());
}
