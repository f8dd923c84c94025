//! Upper bounds of what is in conflict in root trees, each told by other trees: a commit that stores no conflict brings none,
//! and a merge brings those that it could not decide.
//!
//! The file `isodb/conflicts` has a bound a line, in the order in which they were found (`docs/format/conflicts.md`). A bound
//! says something of ids alone, so it never becomes wrong, whatever is removed or damaged: lines that cannot be read are
//! passed over, and so are those that rest on what is not told before them. The file can be deleted at any time.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::database::Database;
use crate::disk::Access;
use crate::object::TreeId;
use crate::store::new_stem;
use crate::tree::Key;

/// Whenever the file has grown by so many bytes, it is seen whether it has become long.
const STEP: u64 = 256 << 10;

/// With more bytes or more bounds than this it is written anew, with the newest bounds alone.
const LIMIT: usize = 4 << 20;
const MOST: usize = 2000;

/// How many bounds are kept then.
const KEPT: usize = 256;

/// More keys than this are not said again of a commit that is made on another one.
const MANY: usize = 1000;

/// How many hex digits of a line's hash stand at its start.
const CHECK: usize = 16;

/// An upper bound of what is in conflict in a root tree: `keys`, and what is in conflict in the trees `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) tree: TreeId,
    pub(crate) from: Vec<TreeId>,
    pub(crate) keys: Vec<Key>,
}

/// The bounds that are known, as far as they are told completely.
#[derive(Default)]
pub(in crate::database) struct Bounds {
    /// What each is told by stands before it, or is told by nothing else.
    known: Vec<Known>,
    places: HashMap<TreeId, usize>,
}

struct Known {
    tree: TreeId,
    from: Vec<usize>,
    keys: Vec<Key>,
}

/// Bounds of commits that are made one on the other, parents first, of which few have to be noted.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    made: Vec<(Bound, Next)>,
    places: HashMap<TreeId, usize>,
}

/// What comes after a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Nothing,
    /// Commits that were made on it, whose bounds say all that its own does.
    Commits,
    /// A merge, or a commit whose bound rests on its own.
    Merge,
}

impl Database {
    /// The bounds that are noted.
    pub(in crate::database) fn conflict_bounds(&self) -> Bounds {
        self.disk.read(&self.conflict_path()).map(|bytes| Bounds::parse(&bytes)).unwrap_or_default()
    }

    /// Notes bounds. Nobody waits until they are durable, and where they cannot be written, documents are walked later.
    pub(crate) fn note_conflicts(&self, bounds: &[Bound]) {
        let lines: Vec<u8> = bounds.iter().map(Bound::encode).filter(|line| line.len() < LIMIT / 2).flatten().collect();
        let path = self.conflict_path();
        if lines.is_empty() || self.disk.append(&path, &lines).is_err() {
            // Who may not write here can work all the same.
            return;
        }
        let len = self.disk.stat(&path).map_or(0, |stat| stat.len);
        if len / STEP > len.saturating_sub(lines.len() as u64) / STEP {
            let bounds = self.conflict_bounds();
            if len > LIMIT as u64 || bounds.known.len() > MOST {
                // Where that fails, the file stays as long as it is until it has grown again.
                let _ = self.rewrite(&path, &bounds.newest());
            }
        }
    }

    fn rewrite(&self, path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
        let temporary = self.root.join("isodb").join("tmp").join(format!("conflicts-{}", new_stem()));
        let written = self.disk.write_new(&temporary, bytes, Access::ReadWrite);
        written.and_then(|()| self.disk.rename(&temporary, path)).inspect_err(|_| {
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&temporary);
        })
    }

    fn conflict_path(&self) -> PathBuf {
        self.root.join("isodb").join("conflicts")
    }
}

impl Bounds {
    fn parse(bytes: &[u8]) -> Bounds {
        let mut bounds = Bounds::default();
        let empty = Bound { tree: TreeId::EMPTY, from: Vec::new(), keys: Vec::new() };
        bounds.add(empty);
        bytes.split(|byte| *byte == b'\n').filter_map(Bound::parse).for_each(|bound| bounds.add(bound));
        bounds
    }

    fn add(&mut self, bound: Bound) {
        let Bound { tree, from, keys } = bound;
        // Of two only one that is told by nothing else takes the other's place, so that none is told by itself.
        if !from.is_empty() && self.places.contains_key(&tree) {
            return;
        }
        let Some(from) = from.iter().map(|tree| self.places.get(tree).copied()).collect() else { return };
        self.places.insert(tree, self.known.len());
        self.known.push(Known { tree, from, keys });
    }

    /// The keys among which all are that are in conflict in any of these trees; `None` where one of them is not known.
    pub(in crate::database) fn of(&self, trees: &[TreeId]) -> Option<BTreeSet<Key>> {
        let mut todo: Vec<usize> = trees.iter().map(|tree| self.places.get(tree).copied()).collect::<Option<_>>()?;
        let mut is_seen = vec![false; self.known.len()];
        let mut keys = BTreeSet::new();
        while let Some(place) = todo.pop() {
            if !std::mem::replace(&mut is_seen[place], true) {
                let known = &self.known[place];
                keys.extend(known.keys.iter().cloned());
                todo.extend(&known.from);
            }
        }
        Some(keys)
    }

    /// The trees that are known, the newest first.
    pub(super) fn trees(&self) -> impl Iterator<Item = TreeId> {
        self.known.iter().rev().map(|known| known.tree)
    }

    /// The newest bounds, told by nothing else, as lines.
    fn newest(&self) -> Vec<u8> {
        let mut lines = Vec::new();
        let mut len = 0;
        for tree in self.trees().take(KEPT) {
            let keys = self.of(&[tree]).into_iter().flatten().collect();
            let line = Bound { tree, from: Vec::new(), keys }.encode();
            len += line.len();
            if len > LIMIT / 2 {
                break;
            }
            lines.push(line);
        }
        lines.reverse();
        lines.concat()
    }
}

impl Gathered {
    /// Adds the bound of a commit that somebody made. What that is made on need not be noted for it.
    pub(crate) fn commit(&mut self, mut bound: Bound) {
        if let [from] = bound.from[..]
            && let Some(&place) = self.places.get(&from)
        {
            let (before, next) = &mut self.made[place];
            if before.keys.len() <= MANY {
                bound.keys.extend_from_slice(&before.keys);
                bound.from.clone_from(&before.from);
                *next = (*next).max(Next::Commits);
            } else {
                *next = Next::Merge;
            }
        }
        self.add(bound);
    }

    /// Adds the bound of a merge. What that is made of may be merged again with others, so it is noted as well.
    pub(crate) fn merge(&mut self, bound: Bound) {
        for tree in &bound.from {
            if let Some(&place) = self.places.get(tree) {
                self.made[place].1 = Next::Merge;
            }
        }
        self.add(bound);
    }

    fn add(&mut self, bound: Bound) {
        if let Some(&place) = self.places.get(&bound.tree) {
            // The same documents as before are as they were; now something may end with them.
            self.made[place].1 = Next::Merge;
        } else if !bound.from.contains(&bound.tree) {
            self.places.insert(bound.tree, self.made.len());
            self.made.push((bound, Next::Nothing));
        }
    }

    /// What is to be noted.
    pub(crate) fn into_bounds(self) -> Vec<Bound> {
        self.made.into_iter().filter(|(_, next)| *next != Next::Commits).map(|(bound, _)| bound).collect()
    }
}

impl Bound {
    /// The line's end comes first: so a line that a power cut left torn spoils no other one.
    fn encode(&self) -> Vec<u8> {
        let mut text = self.tree.to_string();
        for tree in &self.from {
            text.push(' ');
            text.push_str(&tree.to_string());
        }
        if !self.keys.is_empty() {
            let keys: Vec<_> = self.keys.iter().map(|key| key.text()).collect();
            text.push_str(" [");
            text.push_str(&serde_json::Value::from(keys).to_string()[1..]);
        }
        format!("\n{} {text}", check(text.as_bytes())).into_bytes()
    }

    /// `None` for anything that [`Bound::encode`] would not have written.
    fn parse(line: &[u8]) -> Option<Bound> {
        let (expected, text) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        if check(text.as_bytes()) != expected {
            return None;
        }
        let (ids, keys) = match text.split_once(" [") {
            Some((ids, keys)) => (ids, serde_json::from_str(&format!("[{keys}")).ok()?),
            None => (text, Vec::<String>::new()),
        };
        let mut ids = ids.split(' ').map(|id| id.parse().ok());
        let (tree, from) = (ids.next()??, ids.collect::<Option<_>>()?);
        let keys = keys.iter().map(|key| key.parse().ok()).collect::<Option<_>>()?;
        Some(Bound { tree, from, keys })
    }
}

/// The first digits of a line's SHA-256.
fn check(text: &[u8]) -> String {
    let mut digits = hex::encode(Sha256::digest(text));
    digits.truncate(CHECK);
    digits
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::database::tests::{database, reopen};
    use crate::disk::Disk;
    use crate::object::{Kind, hash};

    fn tree(number: usize) -> TreeId {
        TreeId(hash(Kind::Tree, number.to_string().as_bytes()))
    }

    fn bound(of: usize, from: &[usize], keys: &[&str]) -> Bound {
        let keys = keys.iter().map(|key| key.parse().unwrap()).collect();
        Bound { tree: tree(of), from: from.iter().map(|number| tree(*number)).collect(), keys }
    }

    fn keys_of(db: &Database, of: &[usize]) -> Option<Vec<String>> {
        let trees: Vec<TreeId> = of.iter().map(|number| tree(*number)).collect();
        Some(db.conflict_bounds().of(&trees)?.iter().map(|key| key.text().into_owned()).collect())
    }

    #[test]
    fn a_bound_has_what_it_is_told_by() {
        let (_, db) = database();
        db.note_conflicts(&[bound(1, &[], &["a \n\"b", "x"]), bound(2, &[1], &[]), bound(3, &[], &["y"])]);
        db.note_conflicts(&[bound(4, &[2, 3], &["z"])]);
        assert_eq!(keys_of(&db, &[2]).unwrap(), ["a \n\"b", "x"]);
        assert_eq!(keys_of(&db, &[4]).unwrap(), ["a \n\"b", "x", "y", "z"]);
        assert_eq!(keys_of(&db, &[2, 5]), None);
        // One that is told by nothing else counts from then on.
        db.note_conflicts(&[bound(1, &[4], &[]), bound(4, &[], &["z"])]);
        assert_eq!(keys_of(&db, &[4]).unwrap(), ["z"]);
        assert_eq!(db.conflict_bounds().of(&[TreeId::EMPTY]).unwrap().len(), 0);
    }

    #[test]
    fn a_line_of_commits_is_noted_once() {
        let mut all = Gathered::default();
        all.commit(bound(1, &[0], &["a"]));
        all.commit(bound(2, &[1], &[]));
        all.commit(bound(3, &[2], &["b"]));
        // A branch from the middle, a merge of both, and one on that which goes back to what was before it.
        all.commit(bound(4, &[2], &["c"]));
        all.merge(bound(5, &[3, 4], &["d"]));
        all.commit(bound(6, &[5], &[]));
        all.commit(bound(5, &[6], &[]));
        let expected = [bound(3, &[0], &["b", "a"]), bound(4, &[0], &["c", "a"]), bound(5, &[3, 4], &["d"])];
        assert_eq!(all.into_bounds(), expected);
    }

    #[test]
    fn a_file_that_has_grown_long_begins_anew() {
        let (disk, db) = database();
        let path = Path::new("/farm.isodb/isodb/conflicts");
        db.note_conflicts(&[bound(0, &[], &["k"])]);
        // Lines so long that there are not many of them, of keys that are in no conflict.
        let long: Vec<String> = (0..200).map(|n| format!("{n}{}", "x".repeat(190))).collect();
        let long: Vec<&str> = long.iter().map(String::as_str).collect();
        let mut number = 1;
        let len = || disk.stat(path).unwrap().len;
        let mut longest = 0;
        while len() >= longest {
            longest = len();
            db.note_conflicts(&[bound(number, &[], &long), bound(number + 1, &[number - 1], &[])]);
            number += 2;
        }
        assert!(longest > LIMIT as u64 - STEP && len() < LIMIT as u64);
        let db = reopen(&disk);
        // All of the even ones are told by the first, which is gone.
        assert_eq!(keys_of(&db, &[0]), None);
        assert_eq!(keys_of(&db, &[number - 1]).unwrap(), ["k"]);
        assert_eq!(keys_of(&db, &[number - 2]).unwrap().len(), 200);
        // One that is too long for the file is left out.
        let far: Vec<String> = (0..LIMIT / 190).map(|n| format!("{n}{}", "x".repeat(190))).collect();
        let far: Vec<&str> = far.iter().map(String::as_str).collect();
        db.note_conflicts(&[bound(number + 1, &[], &far), bound(number + 2, &[], &[])]);
        assert_eq!((keys_of(&db, &[number + 1]), keys_of(&db, &[number + 2])), (None, Some(Vec::new())));
    }

    #[test]
    fn a_file_with_many_lines_begins_anew() {
        let (disk, db) = database();
        let path = Path::new("/farm.isodb/isodb/conflicts");
        db.note_conflicts(&[bound(0, &[], &["k"])]);
        for number in 1..10_000 {
            db.note_conflicts(&[bound(number, &[number - 1], &[])]);
            assert!(disk.stat(path).unwrap().len < 3 * STEP);
        }
        assert_eq!(keys_of(&db, &[9_999]).unwrap(), ["k"]);
    }
}
