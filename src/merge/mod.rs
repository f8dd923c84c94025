//! Merging: three trees into one, and what decides between the versions of a document.
//!
//! [`three_way`] brings together what two sides did and lists the documents that they disagree on. Whoever called it
//! decides on each of these, and [`ThreeWay::finish`] makes the tree. Nothing depends on which side is left. [`Rules`]
//! say how to decide by the key; [`merge_json`] and [`merge_text`] do it by the contents (`docs/format/rules.md`).

mod decimal;
mod diff;
mod document;
mod fields;
mod json;
mod list;
mod pattern;
mod rules;
mod slide;
#[cfg(test)]
mod tests;
mod text;
mod versions;

use std::sync::{Mutex, PoisonError};

use crate::object::{BlobId, Objects, TreeId};
use crate::tree::{self, Conflict, Edit, Edits, Key, Tree};

pub use fields::{Field, Fields};
pub use json::{is_json_object, merge_json};
pub use pattern::{Pattern, PatternError};
pub use rules::{Method, Rule, Rules, RulesError};
pub use text::merge_text;

use versions::Merged;

/// The longest content that is merged, in bytes: 16 MiB. A document with a longer version stays in conflict.
pub const MAX_CONTENT: usize = 16 << 20;

/// Which of two versions is the later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Later {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// What merging three trees comes to before its disputes are decided.
#[derive(Clone, Debug)]
pub struct ThreeWay {
    left: TreeId,
    /// What makes the merged tree of the left one, but for the disputes.
    edits: Edits,
    /// The documents that both sides changed, differently, in the order of their keys.
    pub disputes: Vec<Dispute>,
}

/// A document that two sides changed differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// Where it is.
    pub key: Key,
    /// More than one version (the deletion may be one), and the content that they came from, where there was one.
    pub set: Conflict,
}

/// What becomes of a document in dispute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// All versions stay, in conflict.
    Keep,
    /// The document has this content, which is among the objects when the tree is written.
    Merged(BlobId),
    /// There is no document any more.
    Deleted,
}

/// Merges what `left` and `right` changed since `base`.
///
/// A document that one side alone changed is taken as that side has it, conflict and all. The sets of versions of one
/// that both changed differently are merged; with more than one version left it is in dispute. Swapping the sides
/// changes nothing.
///
/// # Errors
/// [`tree::Error`] where a tree cannot be read or is no folder.
pub fn three_way<O: Objects + Sync + ?Sized>(
    objects: &O,
    base: TreeId,
    left: TreeId,
    right: TreeId,
) -> Result<ThreeWay, tree::Error> {
    if left == base {
        return Ok(ThreeWay { left: right, edits: Edits::new(), disputes: Vec::new() });
    }
    if right == base || left == right {
        return Ok(ThreeWay { left, edits: Edits::new(), disputes: Vec::new() });
    }
    let disputes = Mutex::new(Vec::new());
    let edits = tree::merge_edits(objects, [base, left, right], |key, sides| {
        Ok(match versions::merge(objects, sides)? {
            Merged::Left => None,
            Merged::Right => Some(sides[2].map_or(Edit::Remove, Edit::Put)),
            Merged::Absent => Some(Edit::Remove),
            Merged::One(blob) => Some(Edit::Put(blob.into())),
            Merged::Dispute(set) => {
                let dispute = Dispute { key: key.clone(), set };
                disputes.lock().unwrap_or_else(PoisonError::into_inner).push(dispute);
                None
            }
        })
    })?;
    let mut disputes = disputes.into_inner().unwrap_or_else(PoisonError::into_inner);
    disputes.sort_unstable_by(|one, other| one.key.cmp(&other.key));
    Ok(ThreeWay { left, edits, disputes })
}

impl ThreeWay {
    /// Writes the merged tree. The decisions are those on the disputes, in their order; a dispute without one is kept
    /// as a conflict.
    ///
    /// # Errors
    /// [`tree::Error`] where an object cannot be read or written.
    pub fn finish<O: Objects + Sync + ?Sized>(
        mut self,
        objects: &O,
        decisions: &[Decision],
    ) -> Result<TreeId, tree::Error> {
        let decisions = decisions.iter().copied().chain(std::iter::repeat(Decision::Keep));
        for (dispute, decision) in self.disputes.iter().zip(decisions) {
            let document = match decision {
                Decision::Keep => dispute.set.write(objects)?,
                Decision::Merged(blob) => Some(blob.into()),
                Decision::Deleted => None,
            };
            self.edits.push(&dispute.key, document.map_or(Edit::Remove, Edit::Put));
        }
        Ok(Tree::new(objects, self.left).edit(&self.edits)?.id())
    }
}
