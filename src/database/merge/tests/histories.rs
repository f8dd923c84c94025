//! Random histories of a few nodes: crossing ones, merges on merges, resolutions. Whoever knows the same authored commits
//! has the same head, and it holds what the model says.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::model::{Doc, History, State, shown};
use super::*;

/// One node writes, perhaps after it has learned what another knows.
#[derive(Clone, Debug)]
struct Tick {
    node: Index,
    learns_from: Option<Index>,
    /// Whether it writes on one of the heads that it knows alone.
    on_part: Option<Index>,
    puts: Vec<(u8, Option<u8>)>,
    /// Which version of each conflict is chosen.
    resolves: Option<Index>,
    time: i64,
}

const KEYS: [&str; 5] = ["a", "b", "c", "f/x", "f/x/y"];

fn ticks() -> impl Strategy<Value = Vec<Tick>> {
    let index = || any::<Index>();
    let some = move |weight| prop::option::weighted(weight, index());
    let puts = prop::collection::vec((0..KEYS.len() as u8, prop::option::weighted(0.8, 0..6u8)), 0..4);
    let tick = (index(), some(0.5), some(0.25), puts, some(0.4), 0..100i64);
    let tick = tick.prop_map(|(node, learns_from, on_part, puts, resolves, time)| Tick {
        node,
        learns_from,
        on_part,
        puts,
        resolves,
        time,
    });
    prop::collection::vec(tick, 3..14)
}

/// Plays a history; answers what each of the nodes knows.
fn play(db: &Database, history: &mut History, ticks: &[Tick], nodes: usize) -> Vec<BTreeSet<CommitId>> {
    let mut known = vec![BTreeSet::new(); nodes];
    for (n, tick) in ticks.iter().enumerate() {
        let node = tick.node.index(nodes);
        if let Some(other) = tick.learns_from {
            let other: BTreeSet<CommitId> = known[other.index(nodes)].clone();
            known[node].extend(other);
        }
        let mut on = history.maximal(known[node].iter().copied());
        if let Some(part) = tick.on_part.filter(|_| !on.is_empty()) {
            on = vec![on[part.index(on.len())]];
        }
        let mut state = if on.is_empty() { State::new() } else { history.state(&on) };
        let mut changes: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (key, doc) in state.iter().filter(|(_, doc)| doc.versions.len() > 1) {
            let contents: Vec<&Vec<u8>> = doc.versions.iter().flatten().collect();
            if let Some(choice) = tick.resolves {
                let content = contents[choice.index(contents.len())];
                changes.insert(key.clone(), Some(String::from_utf8(content.clone()).unwrap()));
            }
        }
        for (at, content) in &tick.puts {
            changes.insert(KEYS[usize::from(*at)].to_owned(), content.map(|content| content.to_string()));
        }
        let changes: Vec<(String, Option<String>)> = changes.into_iter().collect();
        for (key, content) in &changes {
            match content {
                Some(content) => drop(state.insert(key.clone(), Doc::of(content.as_bytes()))),
                None => drop(state.remove(key)),
            }
        }
        if on.len() > 1 {
            let head = merged(db, &on).head;
            let merged = history.state(&on);
            history.add(db, head, merged);
        }
        let id = author(db, &format!("n{n}"), &on, &changes, tick.time);
        assert_eq!(documents(db, id), shown(&state), "the commit n{n}");
        history.add(db, id, state);
        known[node].insert(id);
    }
    known
}

fn key_of(doc: &Doc) -> BTreeSet<Vec<u8>> {
    doc.versions.iter().flatten().cloned().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nodes_that_know_the_same_have_the_same_head(
        ticks in ticks(),
        nodes in 2..6usize,
        meetings in prop::collection::vec((any::<Index>(), any::<Index>()), 0..20),
    ) {
        let (disk, db) = database();
        let mut history = History::default();
        let known = play(&db, &mut history, &ticks, nodes);
        let everyone: Vec<CommitId> = known.iter().flatten().copied().collect();
        let last = merged(&db, &everyone);
        prop_assert_eq!(&last.frontier, &history.frontier(&everyone));
        let state = history.state(&everyone);
        prop_assert_eq!(documents(&db, last.head), shown(&state));
        let conflicts = state.values().filter(|doc| doc.versions.len() > 1).count() as u64;
        prop_assert_eq!(last.conflicts, conflicts);

        // Each node is a ref; they meet in pairs, in any order, and at last everyone has met everyone.
        let db = reopen(&disk);
        let name = |n: usize| RefName::from_user(&format!("node{n}")).unwrap();
        let meet = |db: &Database, one: usize, heads: &[CommitId]| {
            let outcome = db.merge(&name(one), Expect::Any, heads, false, &mut NoScripts, &ident(1)).unwrap();
            assert_eq!(db.refs().get(&name(one)).unwrap(), Some(outcome.head.0));
            if let Some(old) = outcome.old {
                assert!(db.is_safe_move(old, outcome.head).unwrap());
            }
        };
        for (n, known) in known.iter().enumerate() {
            if !known.is_empty() {
                meet(&db, n, &known.iter().copied().collect::<Vec<_>>());
            }
        }
        let head = |db: &Database, n: usize| db.refs().get(&name(n)).unwrap().map(CommitId);
        let all = (0..nodes).flat_map(|one| (0..nodes).map(move |other| (one, other)));
        let pairs: Vec<(usize, usize)> =
            meetings.iter().map(|(one, other)| (one.index(nodes), other.index(nodes))).chain(all.clone()).chain(all).collect();
        for (one, other) in pairs {
            if let Some(theirs) = head(&db, other) {
                meet(&db, one, &[theirs]);
            }
        }
        for n in 0..nodes {
            prop_assert_eq!(head(&db, n), Some(last.head), "node {}", n);
        }
        let commit = db.store().commit(last.head).unwrap();
        if is_merge_commit(&commit) {
            prop_assert_eq!(&commit.parents, &last.frontier);
            for parent in commit.parents {
                prop_assert!(!is_merge_commit(&db.store().commit(parent).unwrap()));
            }
        }
    }

    #[test]
    fn nothing_disappears_that_no_side_replaced(ticks in ticks(), nodes in 2..5usize) {
        let (_, db) = database();
        let mut history = History::default();
        let known = play(&db, &mut history, &ticks, nodes);
        let all: Vec<CommitId> = known.iter().flatten().copied().collect::<BTreeSet<_>>().into_iter().collect();
        let mut ever: BTreeSet<Vec<u8>> = BTreeSet::new();
        for id in &all {
            ever.extend(history.commits[id].1.values().flat_map(key_of));
        }
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                let both = documents(&db, merged(&db, &[*one, *other]).head);
                let [left, right] = [one, other].map(|id| &history.commits[id].1);
                for key in left.keys().filter(|key| right.contains_key(*key)) {
                    prop_assert!(both.get(key).is_some_and(|versions| versions.iter().any(Option::is_some)), "{}", key);
                }
                prop_assert!(both.values().flatten().flatten().all(|content| ever.contains(content)));
            }
        }
    }
}
