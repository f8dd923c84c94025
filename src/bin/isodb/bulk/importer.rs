//! What every format gives its documents to: the store, the changes of the next commit, the commits, their ids.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use anyhow::Result;
use isodb::{BlobId, Changeset, CommitId, Condition, Database, Expect, Key, KeyError, Kind, Objects, RefName, TreeId};
use isodb::{MAX_DOCUMENT, ObjectError, STREAM_FROM};
use serde_json::json;

use crate::args::{CommitArgs, OnArgs};
use crate::context::Context;
use crate::error::{Failure, is_closed_pipe, say};
use crate::input::unreadable;
use crate::output::Output;
use crate::progress::Progress;

/// How an import makes its commits.
pub(crate) struct Plan<'a> {
    pub(crate) prefix: Option<Key>,
    /// Remove what was there and does not come again.
    pub(crate) mirror: bool,
    /// A commit every so many documents.
    pub(crate) every: Option<usize>,
    pub(crate) commit: &'a CommitArgs,
    pub(crate) on: &'a OnArgs,
    pub(crate) json: bool,
}

/// The import of all inputs.
pub(crate) struct Importer<'a> {
    context: &'a Context,
    db: &'a Database,
    plan: Plan<'a>,
    target: RefName,
    parents: Vec<CommitId>,
    expect: Expect,
    /// Nobody may be reading the ids any more: the documents are stored all the same.
    out: Option<Output>,
    changes: Changeset,
    /// Of the next commit.
    documents: usize,
    bytes: u64,
    /// In the commits that are made.
    before: u64,
    last: Option<CommitId>,
    commits: u64,
    skipped: Vec<(&'static str, u64, String)>,
    progress: Progress,
    /// How many bytes of the inputs are read, and how many there are if that is known.
    pub(crate) position: Rc<Cell<u64>>,
    pub(crate) total: Option<u64>,
}

impl<'a> Importer<'a> {
    pub(crate) fn new(context: &'a Context, db: &'a Database, plan: Plan<'a>) -> Result<Importer<'a>> {
        let changes = match (&plan.prefix, plan.mirror) {
            (_, false) => Changeset::new(),
            (None, true) => Changeset::whole_tree(TreeId::EMPTY),
            (Some(prefix), true) => {
                let mut changes = Changeset::new();
                changes.remove_folder(prefix.clone());
                changes
            }
        };
        Ok(Importer {
            target: context.target(plan.commit)?,
            parents: context.parents(db, &plan.on.on)?,
            expect: context.expect(db, plan.commit.expect.as_deref())?,
            out: Some(Output::new(context)),
            changes,
            documents: 0,
            bytes: 0,
            before: 0,
            last: None,
            commits: 0,
            skipped: Vec::new(),
            progress: Progress::new(context, "documents"),
            position: Rc::default(),
            total: None,
            context,
            db,
            plan,
        })
    }

    /// A key as it is stored.
    pub(crate) fn below_prefix(&self, key: Key) -> Result<Key, KeyError> {
        match &self.plan.prefix {
            None => Ok(key),
            Some(prefix) => format!("{prefix}/{key}").parse(),
        }
    }

    /// The key, as it is stored, that a text of the input stands for.
    pub(crate) fn key(&self, text: &str) -> Result<Key, KeyError> {
        self.below_prefix(text.parse()?)
    }

    /// The database's own directory.
    pub(crate) fn root(&self) -> &Path {
        self.db.root()
    }

    /// Stores a document.
    pub(crate) fn put(&mut self, key: Key, content: &[u8]) -> Result<()> {
        let blob = self.db.store().put(Kind::Blob, content)?;
        self.changes.put(key, BlobId(blob));
        self.took(content.len() as u64)
    }

    /// Stores a document of `size` bytes, in constant memory. `place` is named when the source fails.
    pub(crate) fn put_stream(&mut self, key: Key, size: u64, source: &mut dyn Read, place: &str) -> Result<()> {
        if size > MAX_DOCUMENT {
            return Err(self.wrong(&format!("{place}: a document can have at most 2 GiB")));
        }
        let stored = match size {
            0..=STREAM_FROM => {
                let mut content = Vec::new();
                match source.take(size + 1).read_to_end(&mut content) {
                    Ok(_) if content.len() as u64 == size => return self.put(key, &content),
                    Ok(_) => return Err(self.wrong(&format!("{place}: its size changed while it was read"))),
                    Err(source) => Err(ObjectError::Io { path: "the input".into(), source }),
                }
            }
            _ => self.db.store().put_stream(Kind::Blob, size, source),
        };
        let blob = stored.map_err(|error| match error {
            ObjectError::Io { path, source } if path.as_os_str() == "the input" => {
                unreadable(place, source).hint(self.what_became()).into()
            }
            error => anyhow::Error::from(error),
        })?;
        self.changes.put(key, BlobId(blob));
        self.took(size)
    }

    /// Removes a document.
    pub(crate) fn remove(&mut self, key: Key) -> Result<()> {
        self.changes.remove(key);
        self.took(0)
    }

    /// Makes the commit depend on what a key holds before it.
    pub(crate) fn require(&mut self, key: Key, condition: Condition) {
        self.changes.require(key, condition);
    }

    /// Something of the input is no document.
    pub(crate) fn skip(&mut self, what: &'static str, name: &str) {
        match self.skipped.iter_mut().find(|(known, ..)| *known == what) {
            Some((_, count, _)) => *count += 1,
            None => self.skipped.push((what, 1, name.to_owned())),
        }
    }

    /// The error of a wrong input, with what became of what stands before it.
    pub(crate) fn wrong(&self, text: &str) -> anyhow::Error {
        Failure::usage(text).hint(self.what_became()).into()
    }

    /// What is stored of what was read, for a hint.
    pub(crate) fn what_became(&self) -> String {
        match self.last {
            Some(last) => format!("the first {} records are stored, the last commit is {last}", self.before),
            None => "nothing of this input was stored".into(),
        }
    }

    fn took(&mut self, bytes: u64) -> Result<()> {
        self.documents += 1;
        self.bytes += bytes;
        let documents = self.before + self.documents as u64;
        self.progress.set_bytes(documents, self.position.get(), self.total);
        if Some(self.documents) == self.plan.every { self.commit() } else { Ok(()) }
    }

    /// Makes the commit of what was taken, and tells its id.
    fn commit(&mut self) -> Result<()> {
        let changes = std::mem::take(&mut self.changes);
        let (documents, bytes) = (std::mem::take(&mut self.documents), std::mem::take(&mut self.bytes));
        if self.plan.mirror && self.plan.prefix.is_none() && documents == 0 {
            // Nothing else puts the tree that is left.
            self.db.store().put(Kind::Tree, b"")?;
        }
        let message = format!("import {documents} documents");
        let info = self.context.commit_info(self.db, self.plan.commit, message)?;
        let outcome = if self.plan.on.on.is_empty() {
            let outcome = self.db.commit(&self.target, self.expect, &changes, &info)?;
            self.context.start_upkeep(self.db, outcome);
            outcome
        } else {
            self.db.commit_on(&self.parents, &changes, &info, &mut self.context.runner()?)?
        };
        if self.expect != Expect::Any {
            self.expect = outcome.head.map_or(Expect::Absent, |id| Expect::At(id.0));
        }
        self.before += documents as u64;
        self.last = outcome.head;
        self.commits += 1;
        let as_json = self.plan.json;
        let print = |out: &mut Output| {
            let id = outcome.head.map(|id| id.to_string());
            if as_json {
                out.json(&json!({"commit": id, "new": outcome.is_new, "documents": documents, "bytes": bytes}))?;
            } else if let Some(id) = outcome.head {
                out.record(&out.id(id))?;
            }
            out.flush()
        };
        match self.out.as_mut().map_or(Ok(()), print) {
            Err(error) if is_closed_pipe(&error) => self.out = None,
            printed => printed?,
        }
        Ok(())
    }

    /// Makes the last commit, and tells what was left out.
    pub(crate) fn finish(mut self) -> Result<()> {
        if self.documents > 0 || self.commits == 0 {
            self.commit()?;
        }
        let Importer { progress, skipped, context, .. } = self;
        drop(progress);
        for (what, count, first) in skipped.iter().filter(|_| !context.is_quiet()) {
            say(&format!("warning: skipped {count} {what}, the first: {first}"));
        }
        Ok(())
    }
}
