//! What a commit has at a key, and what leads to the commit: the questions that a proof answers.
//!
//! They are put to the store when a proof is made, and to the proof's own objects when it is checked.

use super::broken;
use super::chain::{self, Chain};
use super::format::Claim;
use super::signer::Signed;
use crate::database::error::Result;
use crate::object::{CommitId, Objects, TreeId};
use crate::tree::{Conflict, Document, Key, Tree};

/// What the objects of a proof say.
pub(super) struct Examined {
    pub(super) commit: Signed,
    pub(super) conflict: Option<Conflict>,
    pub(super) chain: Option<Chain>,
}

/// Looks whether a claim holds. `choose` tells which of the parents of a merge commit the chain goes on with.
///
/// # Errors
/// When the objects say something else, and when one is missing.
pub(super) fn examine<O: Objects>(
    objects: &O,
    claim: &Claim,
    choose: &mut dyn FnMut(&[CommitId]) -> Option<CommitId>,
) -> Result<Examined> {
    let commit = Signed::load(objects, claim.commit)?;
    let document = document(objects, commit.commit.tree, &claim.key)?;
    if document.map(|document| document.blob) != claim.content {
        return Err(broken(&format!("commit {} has something else at {:?}", commit.id, claim.key)));
    }
    let conflict = document.and_then(|document| Some((document.blob, document.conflict?)));
    let conflict = match conflict {
        Some((blob, id)) => {
            let conflict = Tree::new(objects, id).conflict(id)?;
            if conflict.versions.last() != Some(&blob) {
                return Err(broken("the document's content is not that of its conflict's last version"));
            }
            Some(conflict)
        }
        None => None,
    };
    let chain = claim.since.map(|since| chain::follow(objects, &commit, since, &claim.key, choose)).transpose()?;
    Ok(Examined { commit, conflict, chain })
}

/// The document at a key.
pub(super) fn document<O: Objects>(objects: &O, tree: TreeId, key: &Key) -> Result<Option<Document>> {
    Ok(Tree::new(objects, tree).get(key)?)
}
