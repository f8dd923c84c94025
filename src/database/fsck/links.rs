//! Following all links from the refs and their logs: commits, folders, documents.

use std::fmt::Display;

use super::{Check, FsckProgress, FsckStage};
use crate::database::error::Result;
use crate::database::merge::is_merge_commit;
use crate::object::{self, CommitId, Id, IdSet, Kind, Objects, TagId, TreeId};
use crate::refs::{RefName, RefValue};
use crate::store::{Census, Store, Walk};
use crate::tree::{FolderChecker, Role};

/// So many commits and folders are gone through before progress is told.
const TELL: u64 = 1024;

/// How far the walk is.
#[derive(Default)]
struct FolderWalk {
    checker: FolderChecker,
    /// What the census does not know and is gone through.
    seen: [IdSet; 2],
    done: u64,
}

impl Check<'_> {
    /// Checks refs and logs, and all that they lead to.
    pub(super) fn links(&mut self, progress: FsckProgress<'_>) -> Result<()> {
        let roots = self.refs()?;
        let total = self.census.walkable();
        self.history(roots, &mut |done| progress(FsckStage::Links, done.min(total), total))
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
            self.log(&name, &mut roots)?;
        }
        Ok(roots)
    }

    fn log(&mut self, name: &RefName, roots: &mut Vec<CommitId>) -> Result<()> {
        let log = match self.db.refs().log(name) {
            Ok(log) => log,
            Err(error) => {
                self.problem("log-damaged", format!("logs/{name}"), error);
                return Ok(());
            }
        };
        let lines = log.damaged_lines();
        if lines > 0 {
            // A power cut leaves a torn line where a move was being logged that had not been promised yet.
            self.warning("log-line", format!("logs/{name}"), format!("{lines} lines are no entries"));
        }
        let from = format!("the log of {name}");
        let mut before = Id::ZERO;
        for entry in log.newest_first() {
            for id in [entry.new, entry.old] {
                // What a line says that the ref was at, the line before says that it went to.
                if id.is_zero() || id == before || self.is_reached(id) {
                    continue;
                }
                before = id;
                if let Some(found) = self.expect(id, None, &from) {
                    roots.extend(self.commits_of_tag(id, found, &from)?);
                }
            }
        }
        Ok(())
    }

    /// The commit that an object is or leads to as a tag.
    fn commits_of_tag(&mut self, id: Id, kind: Kind, from: &dyn Display) -> Result<Option<CommitId>> {
        let (mut id, mut kind) = (id, kind);
        while kind == Kind::Tag {
            let tag = self.db.store().tag(TagId(id))?;
            match self.expect(tag.target, Some(tag.kind), &format_args!("tag {id} of {from}")) {
                Some(found) => (id, kind) = (tag.target, found),
                None => return Ok(None),
            }
        }
        Ok((kind == Kind::Commit).then_some(CommitId(id)))
    }

    fn history(&mut self, roots: Vec<CommitId>, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let mut todo = roots;
        let mut folders = FolderWalk::default();
        while let Some(id) = todo.pop() {
            if !self.is_new(id.0, Walk::Root, &mut folders) {
                continue;
            }
            self.report.commits += 1;
            folders.step(progress);
            let commit = match self.objects_read().commit(id) {
                Ok(commit) => commit,
                Err(object::Error::Io { path, source }) => return Err(object::Error::Io { path, source }.into()),
                // Told of when the objects were read.
                Err(_) => continue,
            };
            if is_merge_commit(&commit) {
                self.merges.push(id);
            }
            for parent in &commit.parents {
                if self.expect(parent.0, Some(Kind::Commit), &format_args!("commit {id}")).is_none() {
                    continue;
                }
                todo.push(*parent);
                let before = self.objects_read().commit(*parent);
                if before.is_ok_and(|before| before.committer.seconds() > commit.committer.seconds()) {
                    self.warning("commit-time", id, format!("it is earlier than its parent {parent}"));
                }
            }
            if self.expect(commit.tree.0, Some(Kind::Tree), &format_args!("commit {id}")).is_some() {
                self.folders(commit.tree, &mut folders, progress);
            }
        }
        Ok(())
    }

    fn objects_read(&self) -> Counted<'_> {
        Counted { store: self.db.store(), census: &self.census }
    }

    /// Notes that an object is gone through; false when it was already.
    fn is_new(&self, id: Id, walk: Walk, folders: &mut FolderWalk) -> bool {
        match self.census.sound(id) {
            Some((number, _)) => self.census.walk(number, walk),
            None => folders.seen[usize::from(walk == Walk::Root)].insert(id),
        }
    }

    /// Checks a root folder and all below it that has not been checked yet.
    fn folders(&mut self, root: TreeId, walk: &mut FolderWalk, progress: &mut dyn FnMut(u64)) {
        let mut todo = vec![(root, Role::Root)];
        while let Some((id, role)) = todo.pop() {
            let as_what = if role == Role::Root { Walk::Root } else { Walk::Folder };
            if !self.is_new(id.0, as_what, walk) {
                continue;
            }
            walk.step(progress);
            let check = walk.checker.check(&self.objects_read(), id, role);
            for finding in check.findings {
                self.problem(finding.rule, finding.tree, finding.reason);
            }
            let from = format_args!("folder {id}");
            // The folder's own tree, which may stand for nothing else.
            if let Some((number, _)) = self.census.sound(id.0) {
                self.census.reach(number);
            }
            for error in check.errors {
                match error {
                    object::Error::Missing { id, kind } => drop(self.expect(id, kind, &from)),
                    object::Error::WrongKind { id, expected, .. } => drop(self.expect(id, Some(expected), &from)),
                    // Told of when the objects were read.
                    _ => {}
                }
            }
            for blob in check.blobs {
                self.expect(blob.0, Some(Kind::Blob), &from);
            }
            for child in check.children {
                if !self.is_plain(child, walk, progress) {
                    todo.push((child, Role::Folder));
                }
            }
        }
    }

    /// Whether a folder is a document with nothing else, whose content is sound: then it is gone through by this.
    fn is_plain(&mut self, folder: TreeId, walk: &mut FolderWalk, progress: &mut dyn FnMut(u64)) -> bool {
        let Some((number, Kind::Tree)) = self.census.sound(folder.0) else { return false };
        let Some(content) = self.census.content(number) else { return false };
        if self.census.walk(number, Walk::Folder) {
            walk.step(progress);
            self.census.reach(number);
            self.census.reach(content);
        }
        true
    }
}

impl FolderWalk {
    fn step(&mut self, progress: &mut dyn FnMut(u64)) {
        self.done += 1;
        if self.done.is_multiple_of(TELL) {
            progress(self.done);
        }
    }
}

/// The store's objects as they were counted, noting which trees are read: they are those that are reached.
pub(super) struct Counted<'a> {
    pub(super) store: &'a Store,
    pub(super) census: &'a Census,
}

impl Objects for Counted<'_> {
    fn get(&self, id: Id) -> Result<Option<object::Object>, object::Error> {
        if let Some((number, _)) = self.census.sound(id) {
            self.census.reach(number);
        }
        self.census.read(self.store, id)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, object::Error> {
        self.store.put(kind, body)
    }
}
