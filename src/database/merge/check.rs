//! Making merge commits again, and comparing: each is what its parents make it, or it is damaged.
//!
//! Nobody need be believed for it: the rules and scripts that were in force are in the history too.

use super::fold::Merger;
use super::frontier::{HEADER, is_merge_commit};
use crate::database::Database;
use crate::database::error::{Error, Result};
use crate::object::{Commit, CommitId, Objects};
use crate::script::Runner;

/// A merger that holds so many objects in memory is replaced by a new one.
const OBJECTS: usize = 1 << 18;

/// A merge commit that is not what its parents make it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongMerge {
    /// The commit.
    pub commit: CommitId,
    /// The merge commit of the same parents; nothing where they have none.
    pub expected: Option<CommitId>,
    /// What is wrong, for people.
    pub reason: String,
}

impl Database {
    /// Makes a merge commit again, and tells what is wrong with it, if anything is. Nothing is stored. Of a commit that
    /// does not say that it is a merge commit nothing is wrong.
    ///
    /// # Errors
    /// When an object cannot be read; [`Error::Script`] when this machine failed to run a script.
    pub fn check_merge(&self, commit: CommitId, runner: &mut dyn Runner) -> Result<Option<WrongMerge>> {
        Merger::new(self, runner)?.check(commit)
    }

    /// Checks merge commits one after the other, as [`Database::check_merge`] does; what several of them need is worked out
    /// once. `told` gets each answer, and says whether to go on.
    pub(in crate::database) fn check_merges(
        &self,
        commits: &[CommitId],
        runner: &mut dyn Runner,
        told: &mut dyn FnMut(CommitId, Result<Option<WrongMerge>>) -> Result<()>,
    ) -> Result<()> {
        let mut commits = commits.iter().copied();
        let mut next = commits.next();
        while next.is_some() {
            let mut merger = Merger::new(self, &mut *runner)?;
            while let Some(commit) = next.filter(|_| merger.objects.len() < OBJECTS) {
                told(commit, merger.check(commit))?;
                next = commits.next();
            }
        }
        Ok(())
    }

    /// Checks all merge commits that can be reached from `heads` and not from `without`; answers how many there are.
    /// `found` is told of each wrong one, `progress` of how many are done, and of how many.
    ///
    /// # Errors
    /// As [`Database::check_merge`].
    pub fn verify_merges(
        &self,
        heads: &[CommitId],
        without: &[CommitId],
        runner: &mut dyn Runner,
        found: &mut dyn FnMut(WrongMerge),
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64> {
        let merges = self.merges(heads, without)?;
        let (mut done, total) = (0, merges.len() as u64);
        self.check_merges(&merges, runner, &mut |_, checked| {
            checked?.into_iter().for_each(&mut *found);
            done += 1;
            progress(done, total);
            Ok(())
        })?;
        Ok(total)
    }

    /// The merge commits that can be reached from some commits and not from others.
    fn merges(&self, heads: &[CommitId], without: &[CommitId]) -> Result<Vec<CommitId>> {
        let mut merges = Vec::new();
        for id in self.commits_since(heads, without)? {
            if is_merge_commit(&self.store.commit(id)?) {
                merges.push(id);
            }
        }
        Ok(merges)
    }
}

impl Merger<'_> {
    fn check(&mut self, id: CommitId) -> Result<Option<WrongMerge>> {
        let commit = self.db.store().commit(id)?;
        if !is_merge_commit(&commit) {
            return Ok(None);
        }
        let wrong = |expected, reason: String| Ok(Some(WrongMerge { commit: id, expected, reason }));
        let expected = match self.expected(id) {
            Ok(expected) => expected,
            Err(Error::DamagedMerge { commit, reason }) if commit == id => return wrong(None, reason),
            // What nobody can merge has no merge commit.
            Err(error @ (Error::DamagedMerge { .. } | Error::Rules(_))) => return wrong(None, error.to_string()),
            Err(error) => return Err(error),
        };
        let expected_id = expected.id();
        if expected_id == id {
            return Ok(None);
        }
        let reason = difference(&commit, &expected);
        wrong(Some(expected_id), format!("{reason}; what its parents make is {expected_id}"))
    }

    /// The merge commit, or the single authored one, of what a merge commit says that it is the merge of.
    fn expected(&mut self, id: CommitId) -> Result<Commit> {
        let frontier = self.frontier(&[id])?;
        if let [single] = frontier[..] {
            return Ok(self.db.store().commit(single)?);
        }
        let folded = self.merge(&frontier)?;
        self.commit(&frontier, &folded)
    }
}

/// Says in what a commit differs from the one that it should be.
fn difference(commit: &Commit, expected: &Commit) -> String {
    if commit.parents != expected.parents {
        "its parents are not what a merge is of, in the order of their ids".into()
    } else if commit.tree != expected.tree {
        format!("its tree is {}, not {}", commit.tree, expected.tree)
    } else if commit.header(HEADER) != expected.header(HEADER) {
        let text = |commit: &Commit| String::from_utf8_lossy(commit.header(HEADER).unwrap_or_default()).into_owned();
        format!("its header {HEADER} is {:?}, not {:?}", text(commit), text(expected))
    } else if (&commit.author, &commit.committer) != (&expected.author, &expected.committer) {
        format!("its author or committer is not {}", expected.author)
    } else if commit.headers != expected.headers {
        "it has headers that no merge commit has".into()
    } else {
        "its message is not that of merge commits".into()
    }
}
