//! Checking a whole database: every object, every link, the format's own rules, refs and logs.
//!
//! First all objects are read where they lie, by all cores; then the links between them are followed from the refs.

mod links;
mod lost;
mod repair;

use std::path::Path;

use super::Database;
use super::error::{Error, Result};
use crate::object::{self, CommitId, Id, IdMap, IdSet, Kind};
use crate::script::Runner;
use crate::store::{Census, Fault};
use crate::tree;

pub use lost::Lost;
pub use repair::Repair;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Odd, but nothing is wrong or lost.
    Warning,
    /// Damage, or something that isodb would not have written.
    Error,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of problem it is, by a name that stays the same in all versions (`docs/format/fsck.md`).
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The object, ref or file that it is about.
    pub subject: String,
    /// What is wrong with it.
    pub message: String,
}

/// What was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsckReport {
    /// The objects in the store, without those that it borrows: these have a check of their own.
    pub objects: u64,
    /// Those of them that no ref and no log leads to.
    pub unreachable: u64,
    /// The commits that were reached.
    pub commits: u64,
    /// The refs.
    pub refs: u64,
    /// How many problems are errors.
    pub errors: u64,
}

/// Which part of the work is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsckStage {
    /// Reading all objects; objects are counted.
    Objects,
    /// Following the links; commits and folders are counted.
    Links,
    /// Making merge commits again; they are counted.
    Merges,
}

/// Is told how much is done, and of how much.
pub type FsckProgress<'p> = &'p mut dyn FnMut(FsckStage, u64, u64);

struct Check<'a> {
    db: &'a Database,
    report: FsckReport,
    found: &'a mut dyn FnMut(Problem),
    census: Census,
    /// Objects that the census does not have, by kind: borrowed ones, and those that were written meanwhile.
    others: IdMap<Kind>,
    /// The missing objects, each of which is told of once for each thing that leads to it.
    missing: IdSet,
    /// The merge commits that were reached.
    merges: Vec<CommitId>,
}

impl Database {
    /// Checks the database. `found` is told of each problem as it is found. With something that runs merge scripts, merge
    /// commits are made again and compared as well.
    ///
    /// # Errors
    /// Only when the disk fails, or this machine fails to run a script: damage is a problem, not an error.
    pub fn fsck(
        &self,
        runner: Option<&mut dyn Runner>,
        found: &mut dyn FnMut(Problem),
        progress: FsckProgress<'_>,
    ) -> Result<FsckReport> {
        let mut check = self.check(found, progress)?;
        if let Some(runner) = runner {
            check.merges(runner, progress)?;
        }
        Ok(check.report)
    }

    fn check<'a>(&'a self, found: &'a mut dyn FnMut(Problem), progress: FsckProgress<'_>) -> Result<Check<'a>> {
        let census = self.store().census()?;
        let report = FsckReport::default();
        let mut check = Check {
            db: self,
            report,
            found,
            census,
            others: IdMap::default(),
            missing: IdSet::default(),
            merges: Vec::new(),
        };
        check.objects(progress)?;
        check.links(progress)?;
        if let Some(reason) = self.check_commit_graph()? {
            check.problem("graph-damaged", "objects/info/commit-graph", reason);
        }
        (check.report.objects, check.report.unreachable) = check.census.count();
        Ok(check)
    }
}

/// Whether the disk failed, and nothing is known of the object.
fn is_of_disk(error: &object::Error) -> bool {
    matches!(error, object::Error::Io { .. })
}

impl Check<'_> {
    fn problem(&mut self, id: &'static str, subject: impl ToString, message: impl ToString) {
        self.report.errors += 1;
        let (subject, message) = (subject.to_string(), message.to_string());
        (self.found)(Problem { id, severity: Severity::Error, subject, message });
    }

    fn warning(&mut self, id: &'static str, subject: impl ToString, message: impl ToString) {
        let (subject, message) = (subject.to_string(), message.to_string());
        (self.found)(Problem { id, severity: Severity::Warning, subject, message });
    }

    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(self.db.root()).unwrap_or(path).display().to_string()
    }

    fn objects(&mut self, progress: FsckProgress<'_>) -> Result<()> {
        let store = self.db.store();
        for (path, reason) in store.strange_files()? {
            self.problem("object-stray", self.relative(&path), reason);
        }
        let mut told = |done, total| progress(FsckStage::Objects, done, total);
        for Fault { rule, file, object, reason, is_harmless } in store.verify_all(&self.census, &mut told)? {
            let file = self.relative(&file);
            match object {
                Some(id) if file.ends_with(".pack") => self.problem(rule, id, format!("{reason} (in {file})")),
                Some(id) => self.problem(rule, id, reason),
                None if is_harmless => self.warning(rule, file, reason),
                None => self.problem(rule, file, reason),
            }
        }
        Ok(())
    }

    /// Makes the merge commits again that were reached.
    fn merges(&mut self, runner: &mut dyn Runner, progress: FsckProgress<'_>) -> Result<()> {
        let merges = std::mem::take(&mut self.merges);
        let (mut done, total) = (0, merges.len() as u64);
        let db = self.db;
        db.check_merges(&merges, runner, &mut |id, checked| {
            match checked {
                Ok(wrong) => wrong.into_iter().for_each(|wrong| self.problem("merge-wrong", id, wrong.reason)),
                Err(Error::Object(error) | Error::Tree(tree::Error::Object(error))) if !is_of_disk(&error) => {}
                // What is damaged below it was told of.
                Err(Error::Tree(tree::Error::Format { .. })) => {}
                Err(error) => return Err(error),
            }
            done += 1;
            progress(FsckStage::Merges, done, total);
            Ok(())
        })
    }

    /// Whether an object is there and of a kind; tells of it if not. `from` says what leads to it.
    fn expect(&mut self, id: Id, kind: Option<Kind>, from: &dyn std::fmt::Display) -> Option<Kind> {
        let known = self.census.sound(id);
        let found = match known {
            Some((_, found)) => Some(found),
            None => self.other(id),
        };
        match (found, kind) {
            (Some(found), Some(kind)) if found != kind => {
                self.problem("link-kind", id, format!("it is a {found}, but {from} leads to it as a {kind}"));
                None
            }
            (Some(found), _) => {
                if let Some((number, _)) = known {
                    self.census.reach(number);
                }
                Some(found)
            }
            (None, _) => {
                if !self.census.is_damaged(id) {
                    let kind = kind.map_or("object", Kind::name);
                    self.problem("object-missing", id, format!("the {kind} is missing, and {from} leads to it"));
                }
                None
            }
        }
    }

    /// The kind of an object that was not counted.
    fn other(&mut self, id: Id) -> Option<Kind> {
        if let Some(kind) = self.others.get(&id) {
            return Some(*kind);
        }
        if self.missing.contains(&id) {
            return None;
        }
        let kind = self.db.store().verify(id).ok().flatten();
        match kind {
            Some(kind) => drop(self.others.insert(id, kind)),
            None => drop(self.missing.insert(id)),
        }
        kind
    }

    /// Whether something was found to lead to an object.
    fn is_reached(&self, id: Id) -> bool {
        self.census.sound(id).is_some_and(|(number, _)| self.census.is_reached(number))
    }
}
