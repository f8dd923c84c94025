//! Everything that can be reached from given objects, and what differs between two trees.
//!
//! The room's walks know objects alone: no key, no folder, no ref. None of them recurses, so a deep tree costs no
//! stack. What was seen already is the business of who walks, in a form that suits how many objects there are.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::object::{Commit, CommitId, EntryRef, Error, Id, Kind, Mode, Objects, TagId, Tree, TreeId, tree_order};

type Result<T, E = Error> = std::result::Result<T, E>;

/// One name at which two trees differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangedEntry<'a> {
    /// The names that lead to it from the trees that are compared, with `/` between them (no name holds one).
    pub path: &'a [u8],
    /// What the old tree has there.
    pub old: Option<(Mode, Id)>,
    /// What the new tree has there.
    pub new: Option<(Mode, Id)>,
}

/// Two trees that are compared, or one where the other has none, and how far they are.
struct Frame {
    old: Option<Arc<Tree>>,
    new: Option<Arc<Tree>>,
    next_old: usize,
    next_new: usize,
    /// How long the path to the trees is.
    path: usize,
}

impl Frame {
    fn open(objects: &dyn Objects, old: Option<TreeId>, new: Option<TreeId>, path: usize) -> Result<Frame> {
        let read = |id: Option<TreeId>| id.map(|id| objects.tree(id)).transpose();
        Ok(Frame { old: read(old)?, new: read(new)?, next_old: 0, next_new: 0, path })
    }

    /// The next name that either has, with what they have there.
    fn next(&mut self) -> Option<(Option<EntryRef<'_>>, Option<EntryRef<'_>>)> {
        let old = self.old.as_ref().and_then(|tree| tree.entry(self.next_old));
        let new = self.new.as_ref().and_then(|tree| tree.entry(self.next_new));
        let order = match (old, new) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => tree_order((old.name, old.is_tree()), (new.name, new.is_tree())),
        };
        self.next_old += usize::from(order.is_le());
        self.next_new += usize::from(order.is_ge());
        Some((old.filter(|_| order.is_le()), new.filter(|_| order.is_ge())))
    }
}

/// Compares two trees name by name, as stored, and tells `visit` of every entry that differs; where it answers true,
/// the trees that stand there are compared as well, before the next name. Equal ids are passed over unread. Without
/// an old tree all is new. A file and a tree of one name are two entries.
///
/// # Errors
/// Those of `visit`, and of trees that cannot be read.
pub fn changed_entries(
    objects: &dyn Objects,
    old: Option<TreeId>,
    new: TreeId,
    visit: &mut dyn FnMut(&ChangedEntry<'_>) -> Result<bool>,
) -> Result<()> {
    if old == Some(new) {
        return Ok(());
    }
    let mut path: Vec<u8> = Vec::new();
    let mut frames = vec![Frame::open(objects, old, Some(new), 0)?];
    while let Some(frame) = frames.last_mut() {
        path.truncate(frame.path);
        let Some((old, new)) = frame.next() else {
            frames.pop();
            continue;
        };
        let value = |entry: Option<EntryRef<'_>>| entry.map(|entry| (entry.mode, entry.id));
        let (name, old, new) = (old.or(new).map_or(&[][..], |entry| entry.name), value(old), value(new));
        if old == new {
            continue;
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        let goes_on = visit(&ChangedEntry { path: &path, old, new })?;
        let tree = |value: Option<(Mode, Id)>| value.filter(|(mode, _)| *mode == Mode::Tree).map(|(_, id)| TreeId(id));
        let (old, new) = (tree(old), tree(new));
        if goes_on && old != new {
            frames.push(Frame::open(objects, old, new, path.len())?);
        }
    }
    Ok(())
}

/// Who walks: keeps what was seen.
pub(super) trait Seen {
    /// Whether an object was seen.
    fn has(&self, id: Id) -> bool;

    /// Notes an object; false when it was seen already. `version` is an object of the same kind that stands in the place
    /// of this one in another version: of [`reachable`] a newer one, that was seen before; of [`added`] an older one.
    fn add(&mut self, id: Id, kind: Kind, version: Option<Id>) -> Result<bool>;
}

/// How a walk deals with what it cannot follow.
pub(super) struct Bounds<'a> {
    /// Commits whose parents are left out, since the database was cloned without them.
    pub(super) shallow: &'a [CommitId],
    /// Whether objects that are missing or damaged are passed over: nothing promises what is unreachable.
    pub(super) is_lenient: bool,
}

/// A commit that waits for its turn.
struct Waiting {
    time: i64,
    /// In which order it was met: of commits of one second the first goes first.
    number: Reverse<usize>,
    id: CommitId,
    commit: Commit,
    /// The commit that led here, and its tree.
    newer: Option<(CommitId, TreeId)>,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Waiting) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Waiting) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Waiting) -> Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

/// Shows `seen` every object that can be reached from `roots` and was not seen before: commits newest first, and of
/// each its trees and blobs that no later one has, in the order of the trees. An object that was seen is taken for
/// one that has been walked.
pub(super) fn reachable(
    objects: &dyn Objects,
    roots: &[(Id, Kind)],
    bounds: &Bounds<'_>,
    seen: &mut dyn Seen,
) -> Result<()> {
    let mut walk = Walk { objects, bounds, waiting: BinaryHeap::new(), met: 0 };
    let mut others = Vec::new();
    for &(id, kind) in roots {
        let mut root = Some((id, kind));
        while let Some((id, kind)) = root.take() {
            match kind {
                Kind::Commit => walk.wait(CommitId(id), None, seen)?,
                Kind::Tag if !seen.has(id) => {
                    let Some(tag) = walk.lenient(objects.tag(TagId(id)))? else { continue };
                    seen.add(id, Kind::Tag, None)?;
                    root = Some((tag.target, tag.kind));
                }
                Kind::Tag => {}
                Kind::Tree | Kind::Blob => others.push((id, kind)),
            }
        }
    }
    while let Some(next) = walk.waiting.pop() {
        let Waiting { id, commit, newer, .. } = next;
        if !seen.add(id.0, Kind::Commit, newer.map(|newer| newer.0.0))? {
            continue;
        }
        walk.tree(commit.tree, newer.map(|newer| newer.1), seen)?;
        if !bounds.shallow.contains(&id) {
            for &parent in &commit.parents {
                walk.wait(parent, Some((id, commit.tree)), seen)?;
            }
        }
    }
    for (id, kind) in others {
        if kind == Kind::Tree {
            walk.tree(TreeId(id), None, seen)?;
        } else {
            seen.add(id, kind, None)?;
        }
    }
    Ok(())
}

/// Shows `seen` what each of some commits has that its parents have not, of trees and contents what no parent has in the
/// same place. The commits come parents first: what a parent has was shown before, or is of no interest.
pub(super) fn added(objects: &dyn Objects, commits: &[CommitId], seen: &mut dyn Seen) -> Result<()> {
    for &id in commits {
        let commit = objects.commit(id)?;
        let of_parent = |parent: &CommitId| Ok(objects.commit(*parent)?.tree.0);
        let before = commit.parents.iter().map(of_parent).collect::<Result<Vec<Id>>>()?;
        seen.add(id.0, Kind::Commit, commit.parents.first().map(|parent| parent.0))?;
        if !before.contains(&commit.tree.0) && seen.add(commit.tree.0, Kind::Tree, before.first().copied())? {
            added_below(objects, before, commit.tree.0, seen)?;
        }
    }
    Ok(())
}

/// The same for what is below a tree, which stands where those `before` it stood.
fn added_below(objects: &dyn Objects, before: Vec<Id>, tree: Id, seen: &mut dyn Seen) -> Result<()> {
    let mut todo = vec![(before, tree)];
    while let Some((before, tree)) = todo.pop() {
        let before = before.into_iter().map(|id| objects.tree(TreeId(id))).collect::<Result<Vec<_>>>()?;
        let tree = objects.tree(TreeId(tree))?;
        for entry in tree.iter() {
            let Some(kind) = kind_at(entry.mode) else { continue };
            let versions: Vec<Id> = before.iter().filter_map(|before| in_place(before, entry, kind)).collect();
            if !versions.contains(&entry.id)
                && seen.add(entry.id, kind, versions.first().copied())?
                && kind == Kind::Tree
            {
                todo.push((versions, entry.id));
            }
        }
    }
    Ok(())
}

/// What a tree has in the place of an entry of a later one. For a tree whose name is new that is the one before it: what
/// was cut off from that, or is like it, is found there.
fn in_place(before: &Tree, entry: EntryRef<'_>, kind: Kind) -> Option<Id> {
    let found = match before.position(entry.name, entry.is_tree()) {
        Ok(at) => before.entry(at),
        Err(at) if kind == Kind::Tree => before.entry(at.checked_sub(1)?),
        Err(_) => None,
    };
    found.filter(|found| kind_at(found.mode) == Some(kind)).map(|found| found.id)
}

struct Walk<'a> {
    objects: &'a dyn Objects,
    bounds: &'a Bounds<'a>,
    waiting: BinaryHeap<Waiting>,
    met: usize,
}

impl Walk<'_> {
    fn lenient<T>(&self, read: Result<T>) -> Result<Option<T>> {
        match read {
            Err(Error::Missing { .. } | Error::Damaged { .. } | Error::WrongKind { .. }) if self.bounds.is_lenient => {
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    fn wait(&mut self, id: CommitId, newer: Option<(CommitId, TreeId)>, seen: &dyn Seen) -> Result<()> {
        if seen.has(id.0) {
            return Ok(());
        }
        if let Some(commit) = self.lenient(self.objects.commit(id))? {
            self.met += 1;
            let (time, number) = (commit.committer.seconds(), Reverse(self.met));
            self.waiting.push(Waiting { time, number, id, commit, newer });
        }
        Ok(())
    }

    /// Walks a tree. All of `newer`, the tree in its place in a later version, has been seen.
    fn tree(&self, id: TreeId, newer: Option<TreeId>, seen: &mut dyn Seen) -> Result<()> {
        if !seen.add(id.0, Kind::Tree, newer.map(|newer| newer.0))? {
            return Ok(());
        }
        if !self.bounds.is_lenient {
            return changed_entries(self.objects, newer, id, &mut |entry| visit(entry, seen));
        }
        // One level at a time, so that what is missing costs only what is below it.
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            self.lenient(changed_entries(self.objects, None, id, &mut |entry| {
                if visit(entry, seen)? {
                    todo.extend(entry.new.map(|(_, id)| TreeId(id)));
                }
                Ok(false)
            }))?;
        }
        Ok(())
    }
}

/// The kind of what a tree's entry of this mode leads to; none for a commit of another repository.
fn kind_at(mode: Mode) -> Option<Kind> {
    match mode {
        Mode::Tree => Some(Kind::Tree),
        Mode::Gitlink => None,
        _ => Some(Kind::Blob),
    }
}

/// Notes what stands at a name; true for a tree to be walked.
fn visit(entry: &ChangedEntry<'_>, seen: &mut dyn Seen) -> Result<bool> {
    let Some((mode, id)) = entry.new else { return Ok(false) };
    let Some(found) = kind_at(mode) else { return Ok(false) };
    let newer = entry.old.filter(|(mode, _)| kind_at(*mode) == Some(found)).map(|(_, id)| id);
    Ok(newer != Some(id) && seen.add(id, found, newer)? && found == Kind::Tree)
}

#[cfg(test)]
pub(super) mod tests;
