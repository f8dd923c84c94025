//! Where a database stands: its head, what is in conflict, what has come from elsewhere and is not merged.

use super::Database;
use super::error::{Error, Result};
use crate::object::{CommitId, Kind, TreeId};
use crate::refs::RefName;

/// Where a database stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// The ref that HEAD leads to; HEAD itself when it is detached.
    pub name: RefName,
    /// Its commit, if it has one.
    pub head: Option<CommitId>,
    /// How many documents are in conflict there.
    pub conflicts: usize,
    /// The refs below `refs/remotes/` with authored commits that the head does not have, in the order of their names.
    pub unmerged: Vec<(RefName, CommitId)>,
}

impl Database {
    /// Where the database stands.
    ///
    /// # Errors
    /// When a ref, a commit or a tree cannot be read.
    pub fn status(&self) -> Result<Status> {
        let (name, head) = self.head()?;
        let tree = head.map_or(Ok(TreeId::EMPTY), |_| self.tree_of(head).map(|tree| tree.id()))?;
        Ok(Status { name, head, conflicts: self.conflicts(tree, None)?.len(), unmerged: self.unmerged(head)? })
    }

    fn unmerged(&self, head: Option<CommitId>) -> Result<Vec<(RefName, CommitId)>> {
        let mut found = Vec::new();
        for (name, id) in self.refs.list("refs/remotes/")? {
            // git's `REMOTE/HEAD` leads to another of them.
            if name.as_str().ends_with("/HEAD") {
                continue;
            }
            let id = self.peel(id)?;
            if self.kind_of(id)? == Kind::Commit && !self.is_merged(CommitId(id), head)? {
                found.push((name, CommitId(id)));
            }
        }
        Ok(found)
    }

    fn is_merged(&self, commit: CommitId, head: Option<CommitId>) -> Result<bool> {
        let Some(head) = head else { return Ok(false) };
        match self.is_safe_move(commit, head) {
            // Whoever merges it is told.
            Err(Error::DamagedMerge { .. }) => Ok(false),
            is_merged => is_merged,
        }
    }
}
