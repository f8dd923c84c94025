//! What a stream has: the commits, parents first, and how much that is. Two plans of the same wants and the same common
//! commits are the same, whenever and by whomever they are made: that is what lets a cut stream go on.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use sha2::{Digest as _, Sha256};

use super::content::Ready;
use super::record::MAX_PARENTS;
use super::submit::Token;
use crate::database::{self, Database, is_merge_commit};
use crate::object::{BlobId, Commit, CommitId, Id, Kind, Objects, ReadOnce, TagId, TreeId};
use crate::store::Store;
use crate::sync::error::{Error, Result};
use crate::sync::select::peel;
use crate::tree::{self, Change, Document, Key, Range, Tree};

/// Of the documents of a first commit, the sizes of so many are looked at and then of one in so many: to look at all would
/// take as long as to read them.
const LOOKED_AT: u64 = 4096;
const PART: u8 = 16;
/// The changes of so many documents in all are kept from counting them until they are sent, with so many bytes of contents.
const KEPT: usize = 1 << 14;
const KEPT_BYTES: usize = 4 << 20;
/// What is sent of a commit beside its documents has about so many bytes.
const OF_COMMIT: u64 = 512;

/// How much a stream has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Commits, merge commits included.
    pub commits: u64,
    /// Documents that these write or remove, merge commits left out.
    pub documents: u64,
    /// The bytes of the documents that are written, before anything is compressed; about so many where there are thousands.
    pub bytes: u64,
}

impl Totals {
    /// What is left of it.
    pub(super) fn less(&self, done: &Totals) -> Totals {
        Totals {
            commits: self.commits.saturating_sub(done.commits),
            documents: self.documents.saturating_sub(done.documents),
            bytes: self.bytes.saturating_sub(done.bytes),
        }
    }
}

/// A commit that is sent.
pub(super) struct Planned {
    pub(super) id: CommitId,
    pub(super) parents: Vec<CommitId>,
    /// `None` for a merge commit, of which no more is sent.
    pub(super) own: Option<Own>,
}

/// What is sent of a commit that somebody made.
pub(super) struct Own {
    pub(super) tree: TreeId,
    /// The place among the parents of the one that its changes are to.
    pub(super) base: Option<usize>,
    /// The tree of that.
    pub(super) before: TreeId,
    /// The changes, where they were kept.
    pub(super) changes: Option<Vec<Kept>>,
}

/// A change, and the new content where that is ready already.
pub(super) struct Kept {
    pub(super) change: Change,
    pub(super) content: Option<Ready>,
}

impl Kept {
    /// About how many bytes its records have where the new content has so many.
    fn raw(&self, size: u64) -> u64 {
        let content = match &self.content {
            Some(ready @ (Ready::Whole(_) | Ready::Delta(..))) => ready.held() as u64,
            Some(Ready::Long(_)) | None => size,
        };
        self.change.key.path().len() as u64 + content
    }
}

/// How much is kept of a plan.
#[derive(Default)]
struct Room {
    documents: AtomicUsize,
    bytes: AtomicUsize,
}

/// All that is to be sent.
pub(in crate::sync) struct Plan {
    pub(super) commits: Vec<Planned>,
    pub(super) tags: Vec<TagId>,
    pub(in crate::sync) totals: Totals,
    /// About how many bytes its records have.
    pub(super) raw: u64,
}

/// Why there is no plan.
pub(super) enum Unplanned {
    /// There is something that a stream has no form for.
    NotCarried,
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Unplanned {
    fn from(error: E) -> Unplanned {
        match error.into() {
            // Trees that are not isodb's.
            Error::Database(database::Error::Tree(tree::Error::Format { .. })) => Unplanned::NotCarried,
            error => Unplanned::Failed(error),
        }
    }
}

impl Plan {
    /// Works out what somebody lacks who wants some objects and has some commits, all of which are here.
    pub(super) fn new(db: &Database, wants: &[Id], common: &[CommitId]) -> Result<Plan, Unplanned> {
        let (mut heads, mut tags) = (Vec::new(), Vec::new());
        for &id in wants {
            let missing = || crate::object::Error::Missing { id, kind: None };
            let peeled = peel(db, id)?.ok_or_else(missing)?;
            if peeled.kind != Kind::Commit {
                return Err(Unplanned::NotCarried);
            }
            heads.push(CommitId(peeled.id));
            // A tag of a tag comes before it.
            tags.extend(peeled.tags.into_iter().rev());
        }
        let mut seen = std::collections::HashSet::new();
        tags.retain(|tag| seen.insert(*tag));
        let mut plan = Plan { commits: Vec::new(), tags, totals: Totals::default(), raw: 0 };
        let room = Room::default();
        let order = in_order(db, &heads, common)?;
        // What one commit has made the next one changes.
        let objects: &(dyn Objects + Sync) = if order.len() > 1 { db.store() } else { &ReadOnce(db.store()) };
        for id in order {
            let planned = plan.planned((db, objects), id, &room)?;
            plan.commits.push(planned);
        }
        plan.totals.commits = plan.commits.len() as u64;
        Ok(plan)
    }

    /// What tells this stream from any other: it is made of these commits and tags alone.
    pub(super) fn token(&self) -> Token {
        let mut hasher = Sha256::new();
        self.commits.iter().for_each(|planned| hasher.update(planned.id.0.as_bytes()));
        hasher.update([0]);
        self.tags.iter().for_each(|tag| hasher.update(tag.0.as_bytes()));
        let mut token = Token::default();
        token.copy_from_slice(&hasher.finalize()[..16]);
        token
    }

    /// What is sent of a commit; trees are read from `objects`.
    fn planned(
        &mut self,
        (db, objects): (&Database, &(dyn Objects + Sync)),
        id: CommitId,
        room: &Room,
    ) -> Result<Planned, Unplanned> {
        self.raw += OF_COMMIT;
        let commit = db.store().commit(id)?;
        if commit.parents.len() > MAX_PARENTS {
            return Err(Unplanned::NotCarried);
        }
        if is_merge_commit(&commit) {
            return Ok(Planned { id, parents: commit.parents, own: None });
        }
        let (base, before) = base(db, &commit)?;
        let mut own = Own { tree: commit.tree, base, before, changes: None };
        if before == TreeId::EMPTY {
            self.count_all(db, commit.tree)?;
        } else {
            let mut changes = Some(Vec::new());
            let work = |_: &_, change| look_at(db.store(), change, room).map(|looked| (looked, 0));
            let before = Tree::new(objects, before);
            before.compare(&before.with_root(commit.tree), None, 0, work, |(kept, size)| {
                self.totals.documents += 1;
                self.totals.bytes += size;
                self.raw += kept.as_ref().map_or(size, |kept| kept.raw(size));
                match (&mut changes, kept) {
                    (Some(changes), Some(kept)) => changes.push(kept),
                    _ => changes = None,
                }
                Ok::<_, Error>(ControlFlow::Continue(()))
            })?;
            own.changes = changes;
        }
        Ok(Planned { id, parents: commit.parents, own: Some(own) })
    }

    /// Counts all documents of a tree, on all cores.
    fn count_all(&mut self, db: &Database, tree: TreeId) -> Result<(), Unplanned> {
        let (mut documents, mut looked, mut bytes) = (0u64, 0u64, 0u64);
        let is_looked_at =
            |blob: &BlobId, number: u64| number < LOOKED_AT || blob.0.as_bytes()[31].is_multiple_of(PART);
        let counted = AtomicU64::new(0);
        let work = |store: &Store, _: Key, document: Document| {
            let is_looked_at = is_looked_at(&document.blob, counted.fetch_add(1, Ordering::Relaxed));
            let size = if is_looked_at { Some(size(store, document.blob.0)?) } else { None };
            Ok::<_, Error>((size, 0))
        };
        Tree::new(db.store(), tree).scan(Range::default(), 0, work, |size| {
            documents += 1;
            looked += u64::from(size.is_some());
            bytes += size.unwrap_or_default();
            Ok(ControlFlow::Continue(()))
        })?;
        let bytes = (u128::from(bytes) * u128::from(documents) / u128::from(looked.max(1))) as u64;
        self.totals.documents += documents;
        self.totals.bytes += bytes;
        self.raw += bytes;
        Ok(())
    }
}

/// A change, if there is room for it, and the size of the new content, which is made ready to be sent meanwhile.
fn look_at(store: &Store, change: Change, room: &Room) -> Result<(Option<Kept>, u64)> {
    let is_kept = room.documents.fetch_add(1, Ordering::Relaxed) < KEPT;
    let Some(new) = change.new else { return Ok((is_kept.then_some(Kept { change, content: None }), 0)) };
    if !is_kept || new.conflict.is_some() || room.bytes.load(Ordering::Relaxed) > KEPT_BYTES {
        let size = size(store, new.blob.0)?;
        return Ok((is_kept.then_some(Kept { change, content: None }), size));
    }
    let content = Ready::of(store, new.blob, change.old.map(|old| old.blob))?;
    room.bytes.fetch_add(content.held(), Ordering::Relaxed);
    let size = content.size();
    Ok((Some(Kept { change, content: Some(content) }), size))
}

fn size(store: &Store, id: Id) -> Result<u64> {
    let missing = crate::object::Error::Missing { id, kind: Some(Kind::Blob) };
    Ok(store.header(id)?.ok_or(missing)?.1)
}

/// The parent from which a commit has fewest changes, the first of these; and its tree.
fn base(db: &Database, commit: &Commit) -> Result<(Option<usize>, TreeId), Unplanned> {
    let mut best: Option<(usize, TreeId, usize)> = None;
    for (place, parent) in commit.parents.iter().enumerate() {
        let tree = db.store().commit(*parent)?.tree;
        if commit.parents.len() == 1 {
            return Ok((Some(place), tree));
        }
        let most = best.map_or(usize::MAX, |(_, _, count)| count);
        let mut count = 0;
        for change in db.tree(tree).diff(&db.tree(commit.tree), None)?.take(most) {
            change?;
            count += 1;
        }
        if count < most {
            best = Some((place, tree, count));
        }
    }
    Ok(best.map_or((None, TreeId::EMPTY), |(place, tree, _)| (Some(place), tree)))
}

/// The commits that are lacked, each behind its parents: in an order that depends on them and the wanted ones alone.
fn in_order(db: &Database, heads: &[CommitId], common: &[CommitId]) -> Result<Vec<CommitId>> {
    let mut lacked: HashMap<CommitId, Option<Vec<CommitId>>> = HashMap::new();
    for id in db.commits_since(heads, common)? {
        lacked.insert(id, Some(db.store().commit(id)?.parents));
    }
    let mut order = Vec::with_capacity(lacked.len());
    let mut heads = heads.to_vec();
    heads.sort_unstable();
    // The way down from a head, each commit with how many of its parents were looked at.
    let mut way: Vec<(CommitId, Vec<CommitId>, usize)> = Vec::new();
    let mut enter = |way: &mut Vec<_>, id: CommitId| {
        let parents = lacked.get_mut(&id).and_then(Option::take);
        way.extend(parents.map(|parents| (id, parents, 0)));
    };
    for head in heads {
        enter(&mut way, head);
        while let Some((id, parents, at)) = way.last_mut() {
            match parents.get(*at).copied() {
                Some(parent) => {
                    *at += 1;
                    enter(&mut way, parent);
                }
                None => {
                    order.push(*id);
                    way.pop();
                }
            }
        }
    }
    Ok(order)
}
