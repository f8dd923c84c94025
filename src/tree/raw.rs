//! Comparing two trees as git sees them: every entry that differs, with its path, parts and edges included.
//!
//! Equal ids are passed over unread, so the cost follows the difference. Nothing here knows documents.

use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Result;
use crate::object::{self, EntryRef, Objects, TreeId, tree_order};

/// Two trees at one path, and how far each has been gone through.
struct Level {
    old: Arc<object::Tree>,
    new: Arc<object::Tree>,
    at: (usize, usize),
    /// The length of the path of these trees, with the slash behind it.
    path: usize,
}

/// What is told of an entry that differs: its path, what it was and what it is. It can end the walk.
pub(crate) type Visit<'a> = dyn FnMut(&[u8], Option<EntryRef<'_>>, Option<EntryRef<'_>>) -> ControlFlow<()> + 'a;

/// Tells of every entry that is different in `new` than in `old`, before what is below it. A tree and a file of one name
/// are told of one after the other.
///
/// # Errors
/// When a tree cannot be read.
pub(crate) fn changed_entries<O: Objects + ?Sized>(
    objects: &O,
    old: Option<TreeId>,
    new: Option<TreeId>,
    visit: &mut Visit<'_>,
) -> Result<()> {
    let load = |id: Option<TreeId>| id.map_or_else(|| Ok(Arc::new(object::Tree::empty())), |id| objects.tree(id));
    if old == new {
        return Ok(());
    }
    let mut path: Vec<u8> = Vec::new();
    let mut levels = vec![Level { old: load(old)?, new: load(new)?, at: (0, 0), path: 0 }];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path);
        let (mut old, mut new) = (level.old.entry(level.at.0), level.new.entry(level.at.1));
        let order = match (&old, &new) {
            (None, None) => {
                levels.pop();
                continue;
            }
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => tree_order((old.name, old.is_tree()), (new.name, new.is_tree())),
        };
        if order == Ordering::Less {
            new = None;
        } else if order == Ordering::Greater {
            old = None;
        }
        level.at.0 += usize::from(old.is_some());
        level.at.1 += usize::from(new.is_some());
        let Some(entry) = new.or(old).filter(|_| old != new) else { continue };
        path.extend_from_slice(entry.name);
        if visit(&path, old, new).is_break() {
            return Ok(());
        }
        if entry.is_tree() {
            path.push(b'/');
            let id = |entry: Option<EntryRef<'_>>| entry.map(|entry| TreeId(entry.id));
            let (old, new) = (load(id(old))?, load(id(new))?);
            levels.push(Level { old, new, at: (0, 0), path: path.len() });
        }
    }
    Ok(())
}

/// The path of a key that a git path stands for: without the parts that it leads through. `None` where it leads through
/// none, and where it ends at one.
pub(crate) fn without_parts(path: &[u8]) -> Option<Vec<u8>> {
    let is_part = |name: &&[u8]| name.starts_with(super::folder::PART);
    let names: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    if names.last().is_some_and(is_part) || !names.iter().any(is_part) {
        return None;
    }
    let kept: Vec<&[u8]> = names.into_iter().filter(|name| !is_part(name)).collect();
    Some(kept.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::object::{Entry, Id, Kind, Memory, Mode, encode_tree, hash};
    use proptest::prelude::*;

    type Flat = BTreeMap<(Vec<u8>, bool), (Mode, Id)>;

    /// Writes the tree of some files, each a path and a content; tells of every entry of it and of the trees below.
    fn write(objects: &Memory, files: &BTreeMap<String, u8>, prefix: &str, flat: &mut Flat) -> TreeId {
        let mut entries: BTreeMap<(&str, bool), Id> = BTreeMap::new();
        for (path, content) in files.range(prefix.to_owned()..).take_while(|(path, _)| path.starts_with(prefix)) {
            match path[prefix.len()..].split_once('/') {
                None => entries.insert((&path[prefix.len()..], false), hash(Kind::Blob, &[*content])),
                Some((name, _)) if entries.contains_key(&(name, false)) => continue,
                Some((name, _)) => {
                    entries.insert((name, true), write(objects, files, &format!("{prefix}{name}/"), flat).0)
                }
            };
        }
        let entry = |((name, is_tree), id): ((&str, bool), Id)| {
            let mode = if is_tree { Mode::Tree } else { Mode::Blob };
            flat.insert((format!("{prefix}{name}").into_bytes(), is_tree), (mode, id));
            Entry { mode, name: name.into(), id }
        };
        let mut entries: Vec<Entry> = entries.into_iter().map(entry).collect();
        TreeId(objects.put(Kind::Tree, &encode_tree(&mut entries)).unwrap())
    }

    proptest! {
        #[test]
        fn tells_of_what_differs_and_of_nothing_else(
            both in prop::collection::btree_map("[ab](/[ab]){0,3}", 0u8..2, 0..6),
            old in prop::collection::btree_map("[ab](/[ab.]){0,3}", 0u8..2, 0..6),
            new in prop::collection::btree_map("[ab](/[ab-]){0,3}", 0u8..2, 0..6),
        ) {
            let objects = Memory::new();
            let all = |more: BTreeMap<String, u8>| {
                let mut flat = Flat::new();
                let files = both.clone().into_iter().chain(more).filter(|(path, _)| !path.contains("/.")).collect();
                (write(&objects, &files, "", &mut flat), flat)
            };
            let ((old, olds), (new, news)) = (all(old), all(new));
            let mut told = Vec::new();
            changed_entries(&objects, Some(old), Some(new), &mut |path, old, new| {
                let plain = |entry: Option<EntryRef<'_>>| entry.map(|entry| (entry.mode, entry.id));
                let is_tree = old.or(new).is_some_and(|entry| entry.is_tree());
                told.push(((path.to_vec(), is_tree), (plain(old), plain(new))));
                ControlFlow::Continue(())
            }).unwrap();
            let count = told.len();
            let told: BTreeMap<_, _> = told.into_iter().collect();
            prop_assert_eq!(told.len(), count, "each once");
            let keys = olds.keys().chain(news.keys()).cloned();
            let both = keys.map(|key| { let pair = (olds.get(&key).copied(), news.get(&key).copied()); (key, pair) });
            let expected: BTreeMap<_, _> = both.filter(|(_, (old, new))| old != new).collect();
            prop_assert_eq!(told, expected);
        }
    }

    #[test]
    fn the_walk_ends_when_it_is_told_to() {
        let objects = Memory::new();
        let files = ["a/b/c", "a/d", "e"].map(|path| (path.to_owned(), 1)).into();
        let tree = write(&objects, &files, "", &mut Flat::new());
        let mut told = Vec::new();
        changed_entries(&objects, None, Some(tree), &mut |path, _, _| {
            told.push(String::from_utf8(path.to_vec()).unwrap());
            if told.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
        assert_eq!(told, ["a", "a/b", "a/b/c"]);
    }

    #[test]
    fn keys_of_paths() {
        let key = |path: &str| without_parts(path.as_bytes()).map(|key| String::from_utf8(key).unwrap());
        assert_eq!(key("a/.part:b/c").as_deref(), Some("a/c"));
        assert_eq!(key(".part:b/.part:b/c/.part:d/e").as_deref(), Some("c/e"));
        assert_eq!((key("a/b"), key("a/.part:b"), key("a/.part:b/.part:b")), (None, None, None));
    }
}
