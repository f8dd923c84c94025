//! What leads from one commit to a later one: each signed commit may stand where it does by the list of who may sign in its
//! first parent, and a merge commit has the same list as the parent through which it is reached.
//!
//! A merge commit cannot be made again without all that it merged. It need not be: with a list that is already believed it
//! allows nobody who could not have written on top of that parent as well. What it holds beside the list is not believed.

use std::collections::{HashMap, HashSet, VecDeque};

use super::broken;
use super::signer::{Right, Signed};
use crate::database::error::{Error, Result};
use crate::database::signers::signers_key;
use crate::database::trust::{Anchors, Lists, Place};
use crate::object::{CommitId, Objects};
use crate::tree::Key;

/// The commits from one to another, the later one first, and what makes the later one good.
pub(super) struct Chain {
    pub(super) commits: Vec<CommitId>,
    pub(super) merges: u64,
    /// What the signer of the last commit may do. `None` where the chain is that commit alone.
    pub(super) right: Option<Right>,
}

/// Why a commit follows another.
enum Link {
    Signed(Right),
    Merge,
}

/// Checks links between commits.
struct Links<'a, O> {
    objects: &'a O,
    lists: Lists,
}

impl<'a, O: Objects> Links<'a, O> {
    fn new(objects: &'a O) -> Links<'a, O> {
        // Nobody may sign where there is no list: whoever checks a proof has no anchors.
        Links { objects, lists: Lists::new(Anchors::default()) }
    }

    /// The document that says who may sign.
    fn list(&self, commit: &Signed) -> Result<Place> {
        self.lists.place(self.objects, commit.commit.tree)
    }

    /// Why a commit may follow one of its parents; the first, unless it is a merge commit.
    fn check(&self, child: &Signed, parent: &Signed) -> Result<Link> {
        let id = child.id;
        let list = self.list(parent)?;
        if child.is_merge() {
            return match self.list(child)? == list {
                true => Ok(Link::Merge),
                false => Err(broken(&format!("merge commit {id} has another list of who may sign than its parent"))),
            };
        }
        let signer = child.signer()?.ok_or_else(|| broken(&format!("commit {id} is not signed")))?;
        if list == Place::Empty {
            return Err(broken(&format!("commit {} has no list of who may sign", parent.id)));
        }
        let right = Right::of(self.lists.judge(self.objects, list, child.claim(&signer))?, &signer, child)?;
        if !right.covers(&signers_key()) && self.list(child)? != list {
            return Err(broken(&format!("the signer of commit {id} may not change who may sign")));
        }
        Ok(Link::Signed(right))
    }
}

/// Follows the chain from a commit back to an earlier one. `choose` tells which parent of a merge commit comes next.
pub(super) fn follow<O: Objects>(
    objects: &O,
    last: &Signed,
    since: CommitId,
    key: &Key,
    choose: &mut dyn FnMut(&[CommitId]) -> Option<CommitId>,
) -> Result<Chain> {
    let links = Links::new(objects);
    let mut chain = Chain { commits: vec![last.id], merges: 0, right: None };
    let mut at = last.clone();
    while at.id != since {
        let next = if at.is_merge() { choose(&at.commit.parents) } else { at.commit.parents.first().copied() };
        let next = next.ok_or_else(|| broken(&format!("no commit leads from {} to {since}", at.id)))?;
        let parent = Signed::load(objects, next)?;
        match links.check(&at, &parent)? {
            // Nobody vouches for what a merge commit holds.
            Link::Merge if at.id == last.id => return Err(broken(&format!("commit {} is a merge commit", at.id))),
            Link::Merge => chain.merges += 1,
            Link::Signed(right) if at.id == last.id => {
                right.expect(key, &at)?;
                chain.right = Some(right);
            }
            Link::Signed(_) => {}
        }
        chain.commits.push(next);
        at = parent;
    }
    Ok(chain)
}

/// Finds a way that [`follow`] can go: the parents in their order, without the first commit itself.
///
/// # Errors
/// When there is none: why the first commit that was met may not stand where it does.
pub(super) fn find<O: Objects>(objects: &O, last: CommitId, since: CommitId) -> Result<Vec<CommitId>> {
    let links = Links::new(objects);
    let mut came_from: HashMap<CommitId, CommitId> = HashMap::new();
    let mut seen = HashSet::from([last]);
    let mut queue = VecDeque::from([last]);
    let mut refused: Option<Error> = None;
    while let Some(id) = queue.pop_front() {
        if id == since {
            let mut way: Vec<CommitId> = std::iter::successors(Some(id), |id| came_from.get(id).copied()).collect();
            // The first commit itself is no step.
            way.pop();
            way.reverse();
            return Ok(way);
        }
        let commit = Signed::load(objects, id)?;
        let parents = &commit.commit.parents;
        for next in if commit.is_merge() { parents.as_slice() } else { &parents[..parents.len().min(1)] } {
            let parent = Signed::load(objects, *next)?;
            match links.check(&commit, &parent) {
                Ok(_) if seen.insert(*next) => {
                    came_from.insert(*next, id);
                    queue.push_back(*next);
                }
                Ok(_) => {}
                Err(error @ Error::Proof(_)) => drop(refused.get_or_insert(error)),
                Err(error) => return Err(error),
            }
        }
    }
    Err(refused.unwrap_or_else(|| broken(&format!("no signed commits lead from {since} to {last}"))))
}
