//! Playing the steps of a simulation: the nodes are refs of one database in memory, and what must hold is looked at all
//! along the way.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use super::change::change;
use super::plan::{Back, START, Step};
use super::random::Random;
use super::sample::{Kept, Sample, Start};
use super::{Event, Finding, Place};
use crate::database::error::Result;
use crate::database::{Changeset, CommitInfo, Database, init};
use crate::disk::FaultDisk;
use crate::json::{self, Value};
use crate::object::{BlobId, CommitId, Ident, Kind, Objects, Person};
use crate::refs::{Expect, RefName};
use crate::tree::{Conflict, Document};

/// In how many random orders all meet one after the other at the end.
const ORDERS: usize = 3;

/// How merges are made: by the rules of the database, or by what a test puts in their place.
pub(super) trait Merge {
    /// Brings a ref to the merge of where it is and of another head; where it is then.
    fn merge(&mut self, db: &Database, name: &RefName, other: CommitId, who: &Ident) -> Result<CommitId>;

    /// Whether a merge that is made again is the same.
    fn is_same_again(&mut self, db: &Database, merge: CommitId) -> Result<bool>;
}

/// What came of a run.
pub(super) struct Played {
    pub(super) writes: usize,
    pub(super) merges: usize,
    /// How many of the documents are in conflict when all have met.
    pub(super) conflicts: usize,
    pub(super) events: Vec<Event>,
    /// What did not hold, and how many of the steps had been played by then.
    pub(super) failure: Option<(Finding, usize)>,
}

/// Which of the writes a node knows, a bit each.
type Known = Vec<u64>;

/// A node, or one of the meetings at the end.
#[derive(Clone)]
struct Node {
    place: Place,
    name: RefName,
    head: CommitId,
    known: Known,
}

/// What was written to a document and what was taken from it by those who had seen it; `None` is the deletion.
#[derive(Default)]
struct Record {
    written: BTreeSet<Option<BlobId>>,
    dropped: BTreeSet<Option<BlobId>>,
    has_object: bool,
}

struct World<'s, 'm> {
    db: Database,
    merge: &'m mut dyn Merge,
    samples: &'s [Sample],
    nodes: Vec<Node>,
    /// The head that everybody has who knows these writes.
    heads: HashMap<Known, CommitId>,
    records: Vec<Record>,
    writes: usize,
    merges: usize,
    events: Vec<Event>,
    /// The head when all have met.
    end: Option<CommitId>,
}

/// Plays the steps, and lets all nodes meet at the end. `progress` is told how many steps are done.
///
/// # Errors
/// Those of merging; that something does not hold is no error but part of the answer.
pub(super) fn play(
    start: &Start,
    nodes: usize,
    steps: &[Step],
    seed: u64,
    merge: &mut dyn Merge,
    progress: &mut dyn FnMut(usize),
) -> Result<Played> {
    let mut world = World::new(start, nodes, steps.len(), merge)?;
    let mut failure = None;
    for (at, step) in steps.iter().enumerate() {
        progress(at);
        let found = match step {
            Step::Write { node, documents, seed, time } => {
                world.write(*node, documents, *seed, *time)?;
                None
            }
            Step::Meet { node, with, back } => world.meet(*node, *with, *back)?,
        };
        if let Some(found) = found {
            failure = Some((found, at + 1));
            break;
        }
    }
    if failure.is_none() {
        failure = world.end(&mut Random::part(seed, usize::MAX))?.map(|found| (found, steps.len()));
    }
    let conflicts = world.conflicts()?;
    let World { writes, merges, events, .. } = world;
    Ok(Played { writes, merges, conflicts, events, failure })
}

impl<'s, 'm> World<'s, 'm> {
    /// Nodes that all have the documents, and know of nothing else.
    fn new(start: &'s Start, nodes: usize, steps: usize, merge: &'m mut dyn Merge) -> Result<World<'s, 'm>> {
        let (disk, path) = (Arc::new(FaultDisk::new()), Path::new("simulation.isodb"));
        let main = RefName::from_user("main").expect("a name that refs can have");
        init(&*disk, path, &main)?;
        let db = Database::open(disk, path)?;
        let mut changes = Changeset::new();
        let mut records = Vec::new();
        for (key, content) in &start.settings {
            changes.put(key.clone(), BlobId(db.store.put(Kind::Blob, content)?));
        }
        for sample in &start.samples {
            let blob = BlobId(db.store.put(Kind::Blob, &sample.content)?);
            changes.put(sample.key.clone(), blob);
            let has_object = is_object(&sample.content);
            records.push(Record { written: [Some(blob)].into(), has_object, ..Record::default() });
        }
        let info = info("start", START)?;
        let head = db.commit(&main, Expect::Absent, &changes, &info)?.head.expect("there are documents to commit");
        let mut world = World {
            db,
            merge,
            samples: &start.samples,
            nodes: Vec::new(),
            heads: HashMap::new(),
            records,
            writes: 0,
            merges: 0,
            events: Vec::new(),
            end: None,
        };
        let known = vec![0; steps / 64 + 1];
        for node in 0..nodes {
            world.add(Place::Node(node + 1), head, known.clone())?;
        }
        Ok(world)
    }

    /// Adds a node that has this head; its number.
    fn add(&mut self, place: Place, head: CommitId, known: Known) -> Result<usize> {
        let name = RefName::from_user(&place.to_string().replace(' ', "-")).expect("a name that refs can have");
        self.db.set_ref(&name, Some(head.0), Expect::Absent, &who(place, START)?, "simulation")?;
        self.nodes.push(Node { place, name, head, known });
        Ok(self.nodes.len() - 1)
    }

    /// A node makes a commit.
    fn write(&mut self, node: usize, documents: &[usize], seed: u64, time: i64) -> Result<()> {
        let Node { place, name, head, .. } = self.nodes[node].clone();
        let tree = self.db.tree_of(Some(head))?;
        let mut changes = Changeset::new();
        let mut done = Vec::new();
        for &number in documents {
            let sample = &self.samples[number];
            let document = tree.get(&sample.key)?;
            let versions = versions(&self.db, document)?;
            let old = content(&self.db, document.map(|document| document.blob))?;
            let new = choose(&self.db, sample, &versions, old.as_deref(), &mut Random::part(seed, number))?;
            let blob = match &new {
                Some(new) => Some(BlobId(self.db.store.put(Kind::Blob, new)?)),
                None => None,
            };
            if versions == [blob].into() {
                continue;
            }
            match blob {
                Some(blob) => changes.put(sample.key.clone(), blob),
                None => changes.remove(sample.key.clone()),
            }
            let is_resolution = versions.len() > 1;
            self.events.push(Event::Wrote { place, key: sample.key.clone(), old, new: new.clone(), is_resolution });
            done.push((number, versions, blob, new.is_some_and(|new| is_object(&new))));
        }
        if done.is_empty() {
            return Ok(());
        }
        let outcome = self.db.commit(&name, Expect::At(head.0), &changes, &info(&place.to_string(), time)?)?;
        for (number, versions, blob, is_object) in done {
            let record = &mut self.records[number];
            record.written.insert(blob);
            record.dropped.extend(versions.into_iter().filter(|version| *version != blob));
            record.has_object |= is_object;
        }
        let node = &mut self.nodes[node];
        node.head = outcome.head.unwrap_or(head);
        node.known[self.writes / 64] |= 1 << (self.writes % 64);
        self.heads.insert(node.known.clone(), node.head);
        self.writes += 1;
        Ok(())
    }

    /// Two nodes meet.
    fn meet(&mut self, node: usize, with: usize, back: Back) -> Result<Option<Finding>> {
        let before = self.nodes[node].clone();
        let other = self.nodes[with].clone();
        let found = self.take_in(node, &other)?;
        if found.is_some() {
            return Ok(found);
        }
        match back {
            Back::Nothing => Ok(None),
            Back::Old => self.take_in(with, &before),
            Back::New => {
                let now = self.nodes[node].clone();
                self.take_in(with, &now)
            }
        }
    }

    /// A node takes in a head, and what its owner knew then.
    fn take_in(&mut self, node: usize, other: &Node) -> Result<Option<Finding>> {
        let Node { place, name, .. } = &self.nodes[node];
        let head = self.merge.merge(&self.db, name, other.head, &who(*place, START)?)?;
        self.merges += 1;
        self.events.push(Event::Merged { place: *place, with: other.place, head });
        let node = &mut self.nodes[node];
        node.head = head;
        node.known.iter_mut().zip(&other.known).for_each(|(known, also)| *known |= also);
        let expected = *self.heads.entry(node.known.clone()).or_insert(head);
        Ok((expected != head).then_some(Finding::HeadsDiffer { place: node.place, head, expected }))
    }

    /// All nodes meet: one after the other in several orders, and by twos. Then the merges are made again, and what was
    /// written is looked for.
    fn end(&mut self, random: &mut Random) -> Result<Option<Finding>> {
        let count = self.nodes.len();
        let mut first = 0;
        for order in 0..=ORDERS {
            let mut rest: Vec<usize> = (0..count).collect();
            random.shuffle(&mut rest);
            let by_twos = order == ORDERS;
            let mut meetings: Vec<usize> = Vec::new();
            for node in rest {
                let Node { head, known, place, .. } = self.nodes[node].clone();
                if let (Some(&meeting), false) = (meetings.first(), by_twos) {
                    let other = self.nodes[node].clone();
                    if let Some(found) = self.take_in(meeting, &other)? {
                        return Ok(Some(found));
                    }
                } else {
                    let meeting = Place::Meeting(self.nodes.len() - count + 1);
                    self.events.push(Event::Began { place: meeting, with: place });
                    meetings.push(self.add(meeting, head, known)?);
                }
            }
            while meetings.len() > 1 {
                let mut left = Vec::new();
                for pair in meetings.chunks(2) {
                    left.push(pair[0]);
                    if let [one, other] = *pair {
                        let other = self.nodes[other].clone();
                        if let Some(found) = self.take_in(one, &other)? {
                            return Ok(Some(found));
                        }
                    }
                }
                meetings = left;
            }
            // The others come to the same head, so one is enough to show what is lost.
            if order == 0 {
                self.end = meetings.first().map(|&meeting| self.nodes[meeting].head);
                first = self.events.len();
            }
        }
        let mut heads: Vec<CommitId> = self.heads.values().copied().collect();
        heads.sort_unstable();
        for head in heads {
            if !self.merge.is_same_again(&self.db, head)? {
                return Ok(Some(Finding::NotSame { merge: head }));
            }
        }
        let lost = self.lost()?;
        if lost.is_some() {
            self.events.truncate(first);
        }
        Ok(lost)
    }

    /// A version that somebody wrote, that nobody took away who had seen it, and that is not there all the same.
    fn lost(&self) -> Result<Option<Finding>> {
        let tree = self.db.tree_of(self.end)?;
        for (sample, record) in self.samples.iter().zip(&self.records) {
            let is_kept = match sample.kept {
                Kept::Always => true,
                Kept::UnlessObject => !record.has_object,
                Kept::No => false,
            };
            if !is_kept {
                continue;
            }
            let found = versions(&self.db, tree.get(&sample.key)?)?;
            if let Some(&version) = record.written.difference(&record.dropped).find(|version| !found.contains(version))
            {
                return Ok(Some(Finding::Lost { key: sample.key.clone(), version }));
            }
        }
        Ok(None)
    }

    /// How many documents are in conflict when all have met.
    fn conflicts(&self) -> Result<usize> {
        let tree = self.db.tree_of(self.end)?;
        let mut count = 0;
        for sample in self.samples {
            count += usize::from(tree.get(&sample.key)?.is_some_and(|document| document.conflict.is_some()));
        }
        Ok(count)
    }
}

/// The versions of a document, the deletion among them; an absent one has that alone.
fn versions(db: &Database, document: Option<Document>) -> Result<BTreeSet<Option<BlobId>>> {
    Ok(match document {
        None => [None].into(),
        Some(Document { blob, conflict: None }) => [Some(blob)].into(),
        Some(Document { conflict: Some(conflict), .. }) => {
            let Conflict { versions, deleted, .. } = db.tree_of(None)?.conflict(conflict)?;
            versions.into_iter().map(Some).chain(deleted.then_some(None)).collect()
        }
    })
}

fn content(db: &Database, blob: Option<BlobId>) -> Result<Option<Vec<u8>>> {
    match blob {
        Some(blob) => Ok(Some(db.store.blob(blob)?.to_vec())),
        None => Ok(None),
    }
}

/// What a node makes of a document: a conflict is resolved to one of its versions or written over, a document is changed
/// or deleted now and then, and one that is not there comes back.
fn choose(
    db: &Database,
    sample: &Sample,
    versions: &BTreeSet<Option<BlobId>>,
    old: Option<&[u8]>,
    random: &mut Random,
) -> Result<Option<Vec<u8>>> {
    if versions.len() > 1 && random.percent(60) {
        let version = versions.iter().nth(random.below(versions.len())).copied().flatten();
        return content(db, version);
    }
    Ok(match old {
        Some(_) if random.percent(8) => None,
        old => Some(change(old.unwrap_or(&sample.content), random)),
    })
}

fn is_object(content: &[u8]) -> bool {
    matches!(json::parse(content), Ok(Value::Object(_)))
}

fn person(place: &str) -> Result<Person> {
    Ok(Person::new(place, "simulation@isodb")?)
}

fn who(place: Place, time: i64) -> Result<Ident> {
    Ok(person(&place.to_string())?.at(time)?)
}

fn info(place: &str, time: i64) -> Result<CommitInfo> {
    let person = person(place)?;
    Ok(CommitInfo {
        author: person.clone(),
        author_time: time,
        committer: person,
        committer_time: time,
        message: "simulation".into(),
        signer: None,
    })
}
