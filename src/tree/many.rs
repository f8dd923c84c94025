//! Many keys at once, on all cores. They are looked up in their order, whatever the order in which they are asked for:
//! neighbours share the trees that lead to them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::cores::with_others;
use super::folder::{Folder, part_for};
use super::queue::threads_for;
use super::{Document, Key, Result, Tree};
use crate::object::{self, Id, Kind, Objects, TreeId};

/// A thread takes so many keys at a time; fewer than two such chunks are looked up by one.
const CHUNK: usize = 64;

impl<'a, O: Objects + Sync + ?Sized> Tree<'a, O> {
    /// Does `work` for each key and the document there, on so many threads (0: as many as the machine runs at once).
    /// The answers are in the order of the keys. The store is told of the contents of some documents before `work` is called
    /// for them, which is likely to read them.
    pub fn get_many<T: Send>(
        &self,
        keys: &[Key],
        threads: usize,
        work: impl Fn(&'a O, &Key, Result<Option<Document>>) -> T + Sync,
    ) -> Vec<T> {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by(|a, b| keys[*a].cmp(&keys[*b]));
        let chunks: Vec<&[usize]> = order.chunks(CHUNK).collect();
        let next = AtomicUsize::new(0);
        let done: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(keys.len()));
        let run = || {
            let mut way = Way { objects: self.objects, trees: Vec::new() };
            while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                let answers = answers(&mut way, self.root, keys, chunk, &work);
                done.lock().unwrap_or_else(PoisonError::into_inner).extend(answers);
            }
        };
        let threads = if chunks.len() > 2 { threads_for(threads).min(chunks.len()) } else { 1 };
        with_others(threads, run, run);
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_unstable_by_key(|(at, _)| *at);
        done.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// What `work` answers for these of the keys, with their places: first all folders are found, then all documents, and then
/// these are read, for the store is told of many at once.
fn answers<'a, O: Objects + ?Sized, T>(
    way: &mut Way<'a, O>,
    root: TreeId,
    keys: &[Key],
    chunk: &[usize],
    work: impl Fn(&'a O, &Key, Result<Option<Document>>) -> T,
) -> Vec<(usize, T)> {
    let objects = way.objects;
    let folders: Vec<Result<Option<TreeId>>> = chunk.iter().map(|&at| way.folder(root, &keys[at])).collect();
    let ids: Vec<Id> = folders.iter().flatten().flatten().map(|id| id.0).collect();
    objects.soon(Kind::Tree, &ids);
    let document = |id: TreeId| Ok(Folder::load(objects, id)?.document);
    let documents: Vec<Result<Option<Document>>> =
        folders.into_iter().map(|id| id?.map_or(Ok(None), document)).collect();
    let ids: Vec<Id> = documents.iter().flatten().flatten().map(|document| document.blob.0).collect();
    objects.soon(Kind::Blob, &ids);
    chunk.iter().zip(documents).map(|(&at, found)| (at, work(objects, &keys[at], found))).collect()
}

/// The way to the last key that was looked up.
struct Way<'a, O: ?Sized> {
    objects: &'a O,
    /// The trees of folders and parts, from the root on.
    trees: Vec<(TreeId, Arc<object::Tree>)>,
}

impl<O: Objects + ?Sized> Way<'_, O> {
    /// The folder at a key.
    fn folder(&mut self, root: TreeId, key: &Key) -> Result<Option<TreeId>> {
        let (mut at, mut depth) = (root, 0);
        for name in key.names() {
            let found = loop {
                let tree = self.tree(depth, at)?;
                depth += 1;
                match part_for(tree, name.as_bytes()) {
                    Some((_, part)) => at = part,
                    None => break tree.find(name.as_bytes(), true),
                }
            };
            match found {
                Some(entry) => at = TreeId(entry.id),
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The tree that comes after so many others.
    fn tree(&mut self, depth: usize, id: TreeId) -> Result<&object::Tree> {
        if self.trees.get(depth).is_none_or(|(held, _)| *held != id) {
            self.trees.truncate(depth);
            self.trees.push((id, self.objects.tree(id)?));
        }
        Ok(&self.trees[depth].1)
    }
}
