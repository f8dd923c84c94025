//! The rules in force: the folder `_isodb/merge` of a merge, as it comes out when it alone is merged, without any rule.
//!
//! A document of it that is in conflict takes what the step was merged over, so the folder never holds a conflict: of two
//! rules that disagree, the one before both goes on holding, on every node.

use std::collections::HashMap;

use super::frontier::{Base, Frontier, Step};
use crate::database::error::Result;
use crate::database::lineage::Lineage;
use crate::merge::{Rules, three_way};
use crate::object::{CommitId, Entry, Kind, Mode, Objects, TreeId, encode_tree};
use crate::tree::{Edit, Edits, Range, Tree};

/// What was worked out so far.
#[derive(Debug, Default)]
pub(super) struct InForce {
    folders: HashMap<Frontier, Option<TreeId>>,
    /// Whether a folder holds a conflict.
    conflicts: HashMap<TreeId, bool>,
}

impl InForce {
    /// The folder in force in the merge of a frontier; those in force in the merges that are its bases are known.
    pub(super) fn of_frontier<O: Objects + Sync>(
        &mut self,
        objects: &O,
        lineage: &mut Lineage<'_>,
        frontier: &Frontier,
        steps: &[Step],
    ) -> Result<Option<TreeId>> {
        let mut folders = Vec::with_capacity(frontier.len());
        for commit in frontier.iter() {
            folders.push(folder(objects, lineage, *commit)?);
        }
        let folder = match folders[..] {
            [first, ..] if folders.iter().all(|folder| *folder == first) && !self.has_conflict(objects, first)? => {
                first
            }
            _ => {
                let mut merged = root(objects, folders.first().copied().flatten())?;
                for (step, next) in steps.iter().zip(&folders[1..]) {
                    let base = match &step.base {
                        Base::Nothing => TreeId::EMPTY,
                        Base::Commit(id) => root(objects, folder(objects, lineage, *id)?)?,
                        Base::Merge(frontier) => root(objects, self.folders.get(frontier).copied().flatten())?,
                    };
                    let next = root(objects, *next)?;
                    merged = three_way(objects, base, merged, next)?.finish(objects, &[])?;
                    merged = settled(objects, merged, base)?;
                }
                Tree::new(objects, merged).folder(Some(&Rules::folder()))?
            }
        };
        self.folders.insert(frontier.clone(), folder);
        Ok(folder)
    }

    fn has_conflict<O: Objects + Sync>(&mut self, objects: &O, folder: Option<TreeId>) -> Result<bool> {
        let Some(folder) = folder else { return Ok(false) };
        if let Some(has) = self.conflicts.get(&folder) {
            return Ok(*has);
        }
        let mut has = false;
        for document in Tree::new(objects, root(objects, Some(folder))?).documents(Range::default())? {
            has |= document?.1.conflict.is_some();
        }
        self.conflicts.insert(folder, has);
        Ok(has)
    }
}

/// The folder of a commit, as its tree has it.
fn folder<O: Objects>(objects: &O, lineage: &mut Lineage<'_>, commit: CommitId) -> Result<Option<TreeId>> {
    let place = lineage.place(commit);
    Ok(Tree::new(objects, lineage.tree(place)?).folder(Some(&Rules::folder()))?)
}

/// The folder in force where nothing is merged: that of a root tree, without conflicts.
pub(super) fn of_tree<O: Objects + Sync>(objects: &O, tree: TreeId) -> Result<Option<TreeId>> {
    let folder = Tree::new(objects, tree).folder(Some(&Rules::folder()))?;
    let root = root(objects, folder)?;
    Ok(Tree::new(objects, settled(objects, root, root)?).folder(Some(&Rules::folder()))?)
}

/// A root tree with nothing but the folder.
pub(super) fn root<O: Objects>(objects: &O, folder: Option<TreeId>) -> Result<TreeId> {
    let Some(mut id) = folder else { return Ok(TreeId::EMPTY) };
    let names: Vec<String> = Rules::folder().names().map(str::to_owned).collect();
    for name in names.into_iter().rev() {
        let mut entries = [Entry { mode: Mode::Tree, name: name.into(), id: id.0 }];
        id = TreeId(objects.put(Kind::Tree, &encode_tree(&mut entries))?);
    }
    Ok(id)
}

/// A tree with what the base has in place of each document in conflict; where the base's is in conflict itself, with what
/// that one came from.
fn settled<O: Objects + Sync>(objects: &O, tree: TreeId, base: TreeId) -> Result<TreeId> {
    let (tree, base) = (Tree::new(objects, tree), Tree::new(objects, base));
    let mut edits = Edits::new();
    for document in tree.documents(Range::default())? {
        let (key, document) = document?;
        if document.conflict.is_none() {
            continue;
        }
        let old = match base.get(&key)? {
            Some(old) => match old.conflict {
                Some(conflict) => base.conflict(conflict)?.base,
                None => Some(old.blob),
            },
            None => None,
        };
        edits.push(&key, old.map_or(Edit::Remove, |blob| Edit::Put(blob.into())));
    }
    Ok(tree.edit(&edits)?.id())
}
