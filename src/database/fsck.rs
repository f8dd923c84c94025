//! Checking a whole database: every object, every link, the format's own rules, refs and logs.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::Database;
use super::error::Result;
use crate::object::{self, CommitId, Id, Kind, Objects, TagId, TreeId};
use crate::refs::{RefName, RefValue};
use crate::tree::{FolderChecker, Role};

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
    /// The objects in the store.
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

struct Check<'a> {
    db: &'a Database,
    report: FsckReport,
    found: &'a mut dyn FnMut(Problem),
    /// The sound objects of the store.
    kinds: HashMap<Id, Kind>,
    /// The objects that were told of as damaged.
    damaged: HashSet<Id>,
    reached: HashSet<Id>,
}

impl Database {
    /// Checks the database. `found` is told of each problem as it is found, `progress` how many of how many objects
    /// have been read.
    ///
    /// # Errors
    /// Only when the disk fails: damage is a problem, not an error.
    pub fn fsck(&self, found: &mut dyn FnMut(Problem), progress: &mut dyn FnMut(u64, u64)) -> Result<FsckReport> {
        let mut check = Check {
            db: self,
            report: FsckReport::default(),
            found,
            kinds: HashMap::new(),
            damaged: HashSet::new(),
            reached: HashSet::new(),
        };
        check.objects(progress)?;
        let roots = check.refs()?;
        check.history(roots)?;
        if let Some(reason) = self.check_commit_graph()? {
            check.problem("graph-damaged", "objects/info/commit-graph", reason);
        }
        check.report.unreachable = check.kinds.keys().filter(|id| !check.reached.contains(*id)).count() as u64;
        Ok(check.report)
    }
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

    fn objects(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<()> {
        let store = self.db.store();
        for (path, reason) in store.strange_files()? {
            self.problem("object-stray", self.relative(&path), reason);
        }
        let ids = store.ids()?;
        let total = ids.len() as u64;
        for (done, id) in (0..).zip(ids) {
            progress(done, total);
            self.report.objects += 1;
            match store.verify(id) {
                Ok(Some(kind)) => {
                    self.kinds.insert(id, kind);
                }
                // Another process packed or removed it since it was listed.
                Ok(None) => {}
                Err(object::Error::Damaged { reason, .. }) => {
                    self.damaged.insert(id);
                    self.problem("object-damaged", id, reason);
                }
                Err(error @ object::Error::TooLarge { .. }) => {
                    self.damaged.insert(id);
                    self.problem("object-large", id, error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        progress(total, total);
        Ok(())
    }

    /// Whether an object is there and of a kind; tells of it if not. `from` says what leads to it.
    fn expect(&mut self, id: Id, kind: Option<Kind>, from: &dyn std::fmt::Display) -> Option<Kind> {
        // Objects that were written while the check went on were not listed.
        let found = match self.kinds.get(&id) {
            Some(found) => Some(*found),
            None if id == TreeId::EMPTY.0 => Some(Kind::Tree),
            None => self.db.store().verify(id).ok().flatten(),
        };
        match (found, kind) {
            (Some(found), Some(kind)) if found != kind => {
                self.problem("link-kind", id, format!("it is a {found}, but {from} leads to it as a {kind}"));
                None
            }
            (Some(found), _) => {
                self.reached.insert(id);
                Some(found)
            }
            (None, _) => {
                if !self.damaged.contains(&id) {
                    let kind = kind.map_or("object", Kind::name);
                    self.problem("object-missing", id, format!("the {kind} is missing, and {from} leads to it"));
                }
                None
            }
        }
    }

    /// Checks refs, HEAD and logs; the commits that history starts from.
    fn refs(&mut self) -> Result<Vec<CommitId>> {
        let refs = self.db.refs();
        for (path, reason) in refs.strange_files()? {
            self.problem("ref-damaged", self.relative(&path), reason);
        }
        match refs.read(&RefName::head()) {
            Ok(Some(RefValue::Symbolic(name))) if name.is_branch() => {}
            Ok(Some(RefValue::Symbolic(name))) => {
                self.problem("head-target", "HEAD", format!("it leads to {name}, which is no branch"))
            }
            Ok(Some(RefValue::Id(_))) => {}
            Ok(None) => self.problem("head-damaged", "HEAD", "it is missing"),
            Err(error) => self.problem("head-damaged", "HEAD", error),
        }
        let mut tips: Vec<(RefName, Id)> = refs.list_sound("refs/")?;
        tips.extend(refs.get(&RefName::head()).ok().flatten().map(|id| (RefName::head(), id)));
        let mut roots = Vec::new();
        let mut logged: Vec<RefName> = vec![RefName::head()];
        for (name, id) in tips {
            self.report.refs += u64::from(name != RefName::head());
            let kind = (name.is_branch() || name == RefName::head()).then_some(Kind::Commit);
            if let Some(found) = self.expect(id, kind, &name) {
                roots.extend(self.commits_of_tag(id, found, &name)?);
            }
            logged.push(name);
        }
        logged.sort();
        logged.dedup();
        for name in logged {
            let log = match refs.log(&name) {
                Ok(log) => log,
                Err(error) => {
                    self.problem("log-damaged", format!("logs/{name}"), error);
                    continue;
                }
            };
            let lines = log.damaged_lines();
            if lines > 0 {
                // A power cut leaves a torn line where a move was being logged that had not been promised yet.
                self.warning("log-line", format!("logs/{name}"), format!("{lines} lines are no entries"));
            }
            for entry in log.newest_first() {
                for id in [entry.old, entry.new] {
                    if !id.is_zero() && !self.reached.contains(&id) {
                        let from = format!("the log of {name}");
                        if let Some(found) = self.expect(id, None, &from) {
                            roots.extend(self.commits_of_tag(id, found, &from)?);
                        }
                    }
                }
            }
        }
        Ok(roots)
    }

    /// The commit that an object is or leads to as a tag.
    fn commits_of_tag(&mut self, id: Id, kind: Kind, from: &dyn std::fmt::Display) -> Result<Option<CommitId>> {
        let (mut id, mut kind) = (id, kind);
        while kind == Kind::Tag {
            let tag = self.db.store().tag(TagId(id))?;
            match self.expect(tag.target, Some(tag.kind), &format!("tag {id} of {from}")) {
                Some(found) => (id, kind) = (tag.target, found),
                None => return Ok(None),
            }
        }
        Ok((kind == Kind::Commit).then_some(CommitId(id)))
    }

    fn history(&mut self, roots: Vec<CommitId>) -> Result<()> {
        let mut seen: HashSet<CommitId> = HashSet::new();
        let mut todo = roots;
        let mut folders = FolderWalk { checker: FolderChecker::new(), seen: HashSet::new() };
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            self.report.commits += 1;
            let commit = match self.db.store().commit(id) {
                Ok(commit) => commit,
                Err(object::Error::Io { path, source }) => return Err(object::Error::Io { path, source }.into()),
                // Told of when the objects were read.
                Err(_) => continue,
            };
            let from = format!("commit {id}");
            for parent in &commit.parents {
                if self.expect(parent.0, Some(Kind::Commit), &from).is_none() {
                    continue;
                }
                todo.push(*parent);
                let earlier =
                    self.db.store().commit(*parent).is_ok_and(|p| p.committer.seconds() > commit.committer.seconds());
                if earlier {
                    self.warning("commit-time", id, format!("it is earlier than its parent {parent}"));
                }
            }
            if self.expect(commit.tree.0, Some(Kind::Tree), &from).is_some() {
                self.folders(commit.tree, &mut folders);
            }
        }
        Ok(())
    }

    /// Checks a root folder and all below it that has not been checked yet.
    fn folders(&mut self, root: TreeId, walk: &mut FolderWalk) {
        let mut todo = vec![(root, Role::Root)];
        while let Some((id, role)) = todo.pop() {
            if !walk.seen.insert((id, role)) {
                continue;
            }
            self.reached.insert(id.0);
            let objects = Reached { store: self.db.store(), reached: std::cell::RefCell::new(&mut self.reached) };
            let check = walk.checker.check(&objects, id, role);
            for finding in check.findings {
                self.problem(finding.rule, finding.tree, finding.reason);
            }
            let from = format!("folder {id}");
            for error in check.errors {
                match error {
                    object::Error::Missing { id, kind } => {
                        self.expect(id, kind, &from);
                    }
                    object::Error::WrongKind { id, expected, .. } => {
                        self.expect(id, Some(expected), &from);
                    }
                    // Told of when the objects were read.
                    _ => {}
                }
            }
            for blob in check.blobs {
                self.expect(blob.0, Some(Kind::Blob), &from);
            }
            todo.extend(check.children.into_iter().map(|child| (child, Role::Folder)));
        }
    }
}

/// Which folders have been checked.
struct FolderWalk {
    checker: FolderChecker,
    seen: HashSet<(TreeId, Role)>,
}

/// The store's objects, noting which were read: they are those that are reached.
struct Reached<'a, 'r> {
    store: &'a crate::store::Store,
    reached: std::cell::RefCell<&'r mut HashSet<Id>>,
}

impl Objects for Reached<'_, '_> {
    fn get(&self, id: Id) -> Result<Option<object::Object>, object::Error> {
        self.reached.borrow_mut().insert(id);
        self.store.get(id)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, object::Error> {
        self.store.put(kind, body)
    }
}
