//! Origins of versions against what the definition says of one version at a time.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::*;
use crate::database::Origin;
use crate::tree::{Conflict, Document};

/// The states of a document: which of three contents and the deletion (the lowest bit) are its versions, and whether
/// there is a base. Only the deletion is no document.
type State = u8;

const BASE: u8 = 16;

/// A commit with the states that it gives to documents.
#[derive(Clone, Debug)]
struct Made {
    parents: Vec<prop::sample::Index>,
    time: i64,
    is_merge: bool,
    states: Vec<(u16, State)>,
}

fn histories(longest: usize) -> impl Strategy<Value = Vec<Made>> {
    let states = prop::collection::vec((0..NUMBERS_ASKED, 1u8..32), 0..6);
    let parents = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let made = (parents, 0i64..20, prop::bool::weighted(0.4), states)
        .prop_map(|(parents, time, is_merge, states)| Made { parents, time, is_merge, states });
    prop::collection::vec(made, 1..longest)
}

/// Documents that are asked about: more than are looked up one by one.
const NUMBERS_ASKED: u16 = 12;

fn content(n: u8) -> BlobId {
    BlobId(crate::object::hash(Kind::Blob, &[n]))
}

fn versions(state: State) -> BTreeSet<Option<BlobId>> {
    (0..4).filter(|n| state & (1 << n) != 0).map(|n| (n > 0).then(|| content(n))).collect()
}

fn document(db: &Database, state: State) -> Option<Document> {
    let versions = versions(state);
    let deleted = versions.contains(&None);
    let base = (state & BASE != 0).then(|| content(9));
    Conflict { versions: versions.into_iter().flatten().collect(), base, deleted }.write(db.store()).unwrap()
}

fn keys_asked(n: u16) -> Key {
    key(if n < 6 { n } else { NUMBERS - n })
}

fn make_states(db: &Database, made: &[Made]) -> Vec<CommitId> {
    for n in [1, 2, 3, 9] {
        db.store().put(Kind::Blob, &[n]).unwrap();
    }
    // Enough in one folder for parts.
    let many: Edits = (20..120).map(|n| (key(n), Edit::Put(content(1).into()))).collect();
    let start = Tree::new(db.store(), TreeId::EMPTY).edit(&many).unwrap().id();
    let mut ids: Vec<CommitId> = Vec::new();
    for (n, made) in made.iter().enumerate() {
        let mut parents: Vec<CommitId> = Vec::new();
        for at in made.parents.iter().filter(|_| n > 0) {
            let parent = ids[at.index(n)];
            if !parents.contains(&parent) {
                parents.push(parent);
            }
        }
        let tree = parents.first().map_or(start, |id| db.store().commit(*id).unwrap().tree);
        let edit = |(n, state): &(u16, State)| (keys_asked(*n), document(db, *state).map_or(Edit::Remove, Edit::Put));
        let tree = Tree::new(db.store(), tree).edit(&made.states.iter().map(edit).collect()).unwrap().id();
        let headers = if made.is_merge { vec![("isodb-merge".to_owned(), b"1 0".to_vec())] } else { Vec::new() };
        let (author, committer) = (ident(n as i64), ident(made.time));
        let commit = Commit { tree, parents, author, committer, headers, message: n.to_string().into_bytes() };
        ids.push(CommitId(db.store().put(Kind::Commit, &commit.encode()).unwrap()));
    }
    db.store().flush(&[]).unwrap();
    ids
}

/// The definition, for one version and one head after the other.
struct Model<'a> {
    db: &'a Database,
    commits: HashMap<CommitId, Commit>,
}

impl Model<'_> {
    fn state(&self, id: CommitId, key: &Key) -> Option<Document> {
        self.db.tree(self.commits[&id].tree).get(key).unwrap()
    }

    fn has(&self, id: CommitId, key: &Key, version: Option<BlobId>) -> bool {
        match self.state(id, key) {
            None => version.is_none(),
            Some(Document { blob, conflict: None }) => version == Some(blob),
            Some(Document { conflict: Some(tree), .. }) => {
                let conflict = self.db.tree(TreeId::EMPTY).conflict(tree).unwrap();
                version.map_or(conflict.deleted, |version| conflict.versions.contains(&version))
            }
        }
    }

    fn origin(&self, heads: &[CommitId], key: &Key, version: Option<BlobId>) -> Option<Origin> {
        let mut todo: Vec<CommitId> = heads.iter().copied().filter(|id| self.has(*id, key, version)).collect();
        let (mut seen, mut found) = (HashSet::new(), Vec::new());
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            let (commit, state) = (&self.commits[&id], self.state(id, key));
            let same = |parent: &&CommitId| self.state(**parent, key) == state;
            let mut next: Vec<CommitId> = commit.parents.iter().filter(same).copied().collect();
            if next.is_empty() && commit.header("isodb-merge").is_some() {
                next.extend(commit.parents.iter().filter(|parent| self.has(**parent, key, version)));
            }
            let never_was = commit.parents.is_empty() && state.is_none();
            if next.is_empty() && !never_was {
                found.push(id);
            }
            todo.extend(next);
        }
        let id = found.into_iter().max_by_key(|id| (self.commits[id].committer.seconds(), *id))?;
        let commit = &self.commits[&id];
        Some(Origin { commit: id, author: commit.author.clone(), committer: commit.committer.clone() })
    }
}

fn model<'a>(db: &'a Database, ids: &[CommitId]) -> Model<'a> {
    Model { db, commits: ids.iter().map(|id| (*id, db.store().commit(*id).unwrap())).collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_the_definition_says(
        made in histories(24),
        heads in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        asked in 1..=NUMBERS_ASKED,
        known in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
    ) {
        let (disk, db) = database();
        let ids = make_states(&db, &made);
        let pick = |some: &[prop::sample::Index]| some.iter().map(|at| ids[at.index(ids.len())]).collect::<Vec<_>>();
        let heads = pick(&heads);
        let wanted: Vec<(Key, Option<BlobId>)> =
            (0..asked).rev().flat_map(|n| versions(31).into_iter().map(move |v| (keys_asked(n), v))).collect();
        let model = model(&db, &ids);
        let expected: Vec<_> = wanted.iter().map(|(key, version)| model.origin(&heads, key, *version)).collect();
        // With a commit-graph file of none, of some and of all commits.
        for roots in [Vec::new(), pick(&known), ids.clone()] {
            db.write_commit_graph(&roots).unwrap();
            let db = reopen(&disk);
            prop_assert_eq!(&db.origins(&heads, &wanted).unwrap(), &expected);
        }
    }
}

/// A history by hand: the parents and the time of each commit, whether it is a merge commit, and the state of key 0.
fn history(db: &Database, commits: &[(&[usize], i64, bool, State)]) -> Vec<CommitId> {
    let mut ids: Vec<CommitId> = Vec::new();
    for (n, (parents, time, is_merge, state)) in commits.iter().enumerate() {
        let edits: Edits = [(key(0), document(db, *state).map_or(Edit::Remove, Edit::Put))].into_iter().collect();
        let tree = Tree::new(db.store(), TreeId::EMPTY).edit(&edits).unwrap().id();
        let parents = parents.iter().map(|at| ids[*at]).collect();
        let headers = if *is_merge { vec![("isodb-merge".to_owned(), b"1 0".to_vec())] } else { Vec::new() };
        let (author, committer) = (ident(*time), ident(*time));
        let commit = Commit { tree, parents, author, committer, headers, message: n.to_string().into_bytes() };
        ids.push(CommitId(db.store().put(Kind::Commit, &commit.encode()).unwrap()));
    }
    ids
}

fn origin(db: &Database, head: CommitId, version: u8) -> Option<CommitId> {
    let version = (version > 0).then(|| content(version));
    db.origins(&[head], &[(key(0), version)]).unwrap().pop().unwrap().map(|origin| origin.commit)
}

const DELETED: State = 1;
const ONE: State = 2;
const TWO: State = 4;
const THREE: State = 8;

#[test]
fn each_version_of_a_conflict_has_its_own() {
    let (_, db) = database();
    let ids = history(
        &db,
        &[
            (&[], 10, false, ONE),
            (&[0], 20, false, TWO),
            (&[0], 30, false, DELETED),
            (&[1, 2], 30, true, TWO | DELETED),
            (&[3], 40, false, TWO | DELETED),
            // A rule made the last one out of those.
            (&[4, 1], 50, true, THREE),
        ],
    );
    assert_eq!((origin(&db, ids[4], 2), origin(&db, ids[4], 0)), (Some(ids[1]), Some(ids[2])));
    assert_eq!((origin(&db, ids[4], 1), origin(&db, ids[0], 0)), (None, None));
    assert_eq!(origin(&db, ids[5], 3), Some(ids[5]));
}

#[test]
fn what_two_wrote_alike_is_of_the_later_one() {
    let (_, db) = database();
    // The clock of the last one runs behind that of its parent.
    let ids = history(
        &db,
        &[
            (&[], 1000, false, ONE),
            (&[0], 2000, false, TWO),
            (&[0], 10, false, TWO),
            (&[1, 2], 2000, true, TWO),
            (&[0], 5, false, DELETED),
            (&[3, 4], 2000, true, TWO | DELETED),
        ],
    );
    assert_eq!(origin(&db, ids[3], 2), Some(ids[1]));
    assert_eq!(origin(&db, ids[2], 2), Some(ids[2]));
    assert_eq!((origin(&db, ids[5], 2), origin(&db, ids[5], 0)), (Some(ids[1]), Some(ids[4])));
    // Of one second, the greatest id.
    let ids = history(&db, &[(&[], 1, false, ONE), (&[], 1, true, ONE), (&[0, 1], 1, true, ONE)]);
    assert_eq!(origin(&db, ids[2], 1), Some(ids[0].max(ids[1])));
}

#[test]
fn crossing_merges_lead_to_both_sides() {
    let (_, db) = database();
    let ids = history(
        &db,
        &[
            (&[], 1, false, ONE),
            (&[0], 2, false, TWO),
            (&[0], 3, false, THREE),
            (&[1, 2], 3, true, TWO | THREE),
            // One chose, the other did not.
            (&[3], 4, false, THREE),
            (&[3], 5, false, TWO | THREE),
            (&[4, 5], 5, true, THREE),
            // A choice of what was there before anybody wrote.
            (&[6], 6, false, ONE),
        ],
    );
    assert_eq!(origin(&db, ids[6], 3), Some(ids[4]));
    assert_eq!(origin(&db, ids[5], 3), Some(ids[2]));
    assert_eq!(origin(&db, ids[5], 2), Some(ids[1]));
    assert_eq!(origin(&db, ids[7], 1), Some(ids[7]));
}

#[test]
fn a_ladder_of_crossing_merges_takes_no_time() {
    let (disk, db) = database();
    let mut commits: Vec<(Vec<usize>, i64, bool, State)> = vec![(vec![], 1, false, ONE), (vec![], 1, false, ONE)];
    for n in 1..400 {
        // Times that go back make every order by time wrong.
        let rung = |time| (vec![2 * n - 2, 2 * n - 1], time, false, ONE);
        commits.extend([rung(1000 - n as i64), rung(1000 + n as i64)]);
    }
    let commits: Vec<(&[usize], i64, bool, State)> = commits.iter().map(|(p, t, m, s)| (&p[..], *t, *m, *s)).collect();
    let ids = history(&db, &commits);
    db.store().flush(&[]).unwrap();
    let last = *ids.last().unwrap();
    assert_eq!(origin(&db, last, 1), Some(ids[0].max(ids[1])));
    db.write_commit_graph(&ids).unwrap();
    assert_eq!(origin(&reopen(&disk), last, 1), Some(ids[0].max(ids[1])));
    // A file whose generation numbers are the times alone, and so in no order of descent.
    let path = Path::new("/farm.isodb/objects/info/commit-graph");
    let file = disk.read(path).unwrap();
    let entry = file.windows(4).position(|name| name == b"GDA2").unwrap();
    let start = u64::from_be_bytes(*file[entry + 4..].first_chunk().unwrap());
    disk.write_at(path, start, &vec![0; 4 * ids.len()]).unwrap();
    assert_eq!(origin(&reopen(&disk), last, 1), Some(ids[0].max(ids[1])));
}
