//! Checking folders against every rule of the format: names, edges, the one canonical shape, conflicts.
//!
//! The shape is checked from each part's own edges and a summary of the parts below it, so that a part which many
//! folders share (the history of one large folder) is read once.

use std::collections::HashMap;

use super::folder::{Conflict, Edge};
use super::part::{MAX_HEIGHT, NODE_LIMIT, level};
use super::{Error, key};
use crate::object::{self, BlobId, Mode, Objects, TreeId, tree_order};

/// Which folder is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// A commit's root tree: the one folder that may be empty.
    Root,
    /// Any other folder.
    Folder,
}

/// One rule that a tree breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule, by a name that stays the same in all versions.
    pub rule: &'static str,
    /// The tree that breaks it.
    pub tree: TreeId,
    /// What is wrong.
    pub reason: String,
}

/// What a check of one folder found, and where to go on.
#[derive(Debug, Default)]
pub struct FolderCheck {
    /// The rules that it breaks.
    pub findings: Vec<Finding>,
    /// Its trees that could not be read.
    pub errors: Vec<object::Error>,
    /// The sub-folders that were met for the first time in a part, or stand in the folder's own tree.
    pub children: Vec<TreeId>,
    /// The contents of its document.
    pub blobs: Vec<BlobId>,
}

/// What a list of edges is to the list that holds it.
#[derive(Clone, Debug)]
struct Summary {
    /// How many levels of parts lie below: 0 for a list of children.
    height: u32,
    /// The names of the first and the last child below.
    first: Vec<u8>,
    last: Vec<u8>,
    /// How many edges it has.
    edges: usize,
    /// How many edges the lists right below it have in all.
    below: usize,
    /// The greatest level of an edge but the first.
    max_level: u32,
}

/// Checks folders, remembering the parts that it has seen.
#[derive(Debug, Default)]
pub struct FolderChecker {
    parts: HashMap<TreeId, Option<Summary>>,
}

impl FolderChecker {
    /// A checker that has seen nothing.
    pub fn new() -> Self {
        FolderChecker::default()
    }

    /// Checks the folder with this tree; its parts are checked with it, its sub-folders are not.
    pub fn check<O: Objects + ?Sized>(&mut self, objects: &O, id: TreeId, role: Role) -> FolderCheck {
        let mut found = FolderCheck::default();
        let tree = match objects.tree(id) {
            Ok(tree) => tree,
            Err(error) => {
                found.errors.push(error);
                return found;
            }
        };
        let has_document = tree.find(b"blob", false).is_some();
        if role == Role::Root && tree.iter().any(|e| Edge::of(&e).is_of_document()) {
            found.find("folder-edge", id, "the root has no key, so no document can be there");
        }
        if tree.find(b".conflict", true).is_some() && !has_document {
            found.find("conflict-form", id, "it has a conflict but no document");
        }
        if tree.iter().all(|e| !matches!(Edge::of(&e), Edge::Child(_) | Edge::Part(_))) {
            self.list(objects, id, &tree, 0, &mut found);
            if !has_document && role == Role::Folder {
                found.find("folder-empty", id, "it has neither a document nor children");
            }
            return found;
        }
        if let Some(own) = self.list(objects, id, &tree, 0, &mut found) {
            let reason = if own.edges > NODE_LIMIT && own.max_level > own.height {
                "it has too many edges and could be cut into parts"
            } else if own.height > 0 && own.edges < 2 {
                "it has a single part"
            } else if own.height > 0 && own.below <= NODE_LIMIT {
                "its parts hold so few edges that they should stand in its own tree"
            } else {
                return found;
            };
            found.find("folder-shape", id, reason);
        }
        found
    }

    /// Checks the edges of a folder's own tree (depth 0) or of a part. `None` when they make no list.
    fn list<O: Objects + ?Sized>(
        &mut self,
        objects: &O,
        id: TreeId,
        tree: &object::Tree,
        depth: u32,
        found: &mut FolderCheck,
    ) -> Option<Summary> {
        let mut list: Option<Summary> = None;
        let mut sound = true;
        let mut ordered = true;
        for entry in tree.iter() {
            let (name, part) = match Edge::of(&entry) {
                Edge::Child(name) => (name, None),
                Edge::Part(name) => (name, Some(TreeId(entry.id))),
                Edge::Blob if depth == 0 => {
                    found.blobs.push(BlobId(entry.id));
                    continue;
                }
                Edge::Conflict if depth == 0 => {
                    found.check_conflict(objects, id, tree, TreeId(entry.id));
                    continue;
                }
                _ => {
                    let name = String::from_utf8_lossy(entry.name);
                    found.find(
                        "folder-edge",
                        id,
                        &format!("an edge {name:?} ({}) has no place here", entry.mode.octal()),
                    );
                    sound = false;
                    continue;
                }
            };
            if !key::is_child_name(name) {
                found.find("folder-name", id, &format!("{:?} is no segment's name", String::from_utf8_lossy(name)));
                sound = false;
                continue;
            }
            let inside = match part {
                None => {
                    found.children.push(TreeId(entry.id));
                    Summary::of_child(name)
                }
                Some(part) => match self.part(objects, part, depth + 1, found) {
                    Some(summary) if summary.first == name => summary,
                    Some(_) => {
                        found.find("folder-shape", part, "a part is not named by its first child");
                        sound = false;
                        continue;
                    }
                    None => {
                        sound = false;
                        continue;
                    }
                },
            };
            match &mut list {
                None => {
                    list =
                        Some(Summary { height: inside.height, edges: 1, below: inside.edges, max_level: 0, ..inside })
                }
                // The edges that follow are gone through for what they lead to, but the shape is told of once.
                Some(list) if ordered => {
                    if let Err(reason) = list.add(inside) {
                        found.find("folder-shape", id, reason);
                        ordered = false;
                    }
                }
                Some(_) => {}
            }
        }
        if depth > 0 && sound && list.is_none() {
            found.find("folder-shape", id, "a part is empty");
        }
        list.filter(|_| sound && ordered)
    }

    /// The summary of a part as an edge of the list that holds it.
    fn part<O: Objects + ?Sized>(
        &mut self,
        objects: &O,
        id: TreeId,
        depth: u32,
        found: &mut FolderCheck,
    ) -> Option<Summary> {
        if let Some(known) = self.parts.get(&id) {
            return known.clone();
        }
        let summary = if depth > MAX_HEIGHT {
            found.find("folder-shape", id, "its parts are nested too deeply");
            None
        } else {
            match objects.tree(id) {
                Ok(tree) => self.list(objects, id, &tree, depth, found),
                Err(error) => {
                    found.errors.push(error);
                    None
                }
            }
        };
        let summary = summary.and_then(|list| {
            if list.max_level > list.height {
                found.find("folder-shape", id, "a part goes on where the next one should begin");
                return None;
            }
            Some(Summary { height: list.height + 1, ..list })
        });
        self.parts.insert(id, summary.clone());
        summary
    }
}

impl Summary {
    /// A child, as an edge of a list.
    fn of_child(name: &[u8]) -> Summary {
        Summary { height: 0, first: name.to_vec(), last: name.to_vec(), edges: 1, below: 0, max_level: 0 }
    }

    /// Adds the next edge to a list.
    fn add(&mut self, next: Summary) -> Result<(), &'static str> {
        if next.height != self.height {
            return Err("its parts are not all of one height");
        }
        if !tree_order((&self.last, true), (&next.first, true)).is_lt() {
            return Err("its children are not in order across its parts");
        }
        let level = level(&next.first);
        if level < self.height {
            return Err("a part begins where none should");
        }
        self.max_level = self.max_level.max(level);
        self.last = next.last;
        self.edges += 1;
        self.below += next.edges;
        Ok(())
    }
}

impl FolderCheck {
    fn find(&mut self, rule: &'static str, tree: TreeId, reason: &str) {
        self.findings.push(Finding { rule, tree, reason: reason.to_owned() });
    }

    fn check_conflict<O: Objects + ?Sized>(&mut self, objects: &O, folder: TreeId, tree: &object::Tree, id: TreeId) {
        match Conflict::load(objects, id) {
            Ok(conflict) => {
                let blob = tree.find(b"blob", false).filter(|e| e.mode == Mode::Blob).map(|e| BlobId(e.id));
                if blob.is_some() && blob != conflict.versions.last().copied() {
                    self.find("conflict-winner", folder, "its document is not the version with the greatest id");
                }
                self.blobs.extend(conflict.versions.iter().copied().chain(conflict.base));
                self.blobs.extend(conflict.deleted.then_some(BlobId::EMPTY));
            }
            Err(Error::Format { reason, .. }) => self.find("conflict-form", id, &reason),
            Err(Error::Object(error)) => self.errors.push(error),
        }
    }
}
