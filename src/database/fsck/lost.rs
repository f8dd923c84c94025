//! Which documents at which commits cannot be read any more.

use std::collections::{HashMap, VecDeque};

use super::{Check, FsckProgress, FsckReport, Problem};
use crate::database::Database;
use crate::database::error::Result;
use crate::object::{CommitId, Id, IdSet, Kind, Objects, TagId, TreeId};
use crate::refs::RefName;
use crate::tree::{Key, Soundness, lost};

use super::links::Counted;

/// Something that cannot be read, and where it is missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The document's or the folder's key; `None` for the root folder, for a commit and a tag.
    pub key: Option<Key>,
    /// What is lost: a document's content (a blob), a folder with all below it (a tree) or a part of one, a commit with
    /// its whole tree and all that is known by way of it alone, or a tag.
    pub kind: Kind,
    /// The object.
    pub object: Id,
    /// The first commit, from the newest on, in which it is missed; for a commit, itself.
    pub commit: CommitId,
    /// That commit by the name of a ref, such as `main~3`, where it is on the ref's first line.
    pub revision: Option<String>,
    /// In how many more commits it is missed.
    pub more: u64,
}

/// A commit that is to be looked at, and what it is called.
struct Waiting {
    id: CommitId,
    name: Option<(RefName, u64)>,
}

impl Database {
    /// Checks the database, and tells `found` which documents at which commits cannot be read: in the order of the
    /// refs, newest first, each object at a key once. `problems` is told of what else is wrong.
    ///
    /// # Errors
    /// Only when the disk fails.
    pub fn losses(
        &self,
        problems: &mut dyn FnMut(Problem),
        found: &mut dyn FnMut(Lost),
        progress: FsckProgress<'_>,
    ) -> Result<FsckReport> {
        let mut check = self.check(problems, progress)?;
        if check.report.errors > 0 {
            check.lost()?.into_iter().for_each(found);
        }
        Ok(check.report)
    }
}

impl Check<'_> {
    fn lost(&mut self) -> Result<Vec<Lost>> {
        let refs = self.db.refs();
        let mut tips = refs.list_sound("refs/")?;
        // A branch stands for HEAD as well.
        tips.extend(refs.get(&RefName::head()).ok().flatten().map(|id| (RefName::head(), id)));
        let mut losses = Losses::default();
        let mut seen = IdSet::default();
        for (name, id) in tips {
            let mut todo = VecDeque::new();
            todo.extend(self.commit_of(name, id, &mut losses));
            while let Some(Waiting { id, name }) = todo.pop_front() {
                if !seen.insert(id.0) {
                    continue;
                }
                let objects = Counted { store: self.db.store(), census: &self.census };
                let revision = || {
                    name.as_ref().map(|(name, back)| match back {
                        0 => name.short().to_owned(),
                        back => format!("{}~{back}", name.short()),
                    })
                };
                let Ok(commit) = objects.commit(id) else {
                    losses.add(None, Kind::Commit, id.0, id, &revision);
                    continue;
                };
                lost(&objects, commit.tree, &mut |key, kind, object| losses.add(key, kind, object, id, &revision));
                for (at, parent) in commit.parents.into_iter().enumerate() {
                    let name = name.clone().filter(|_| at == 0).map(|(name, back)| (name, back + 1));
                    todo.push_back(Waiting { id: parent, name });
                }
            }
        }
        Ok(losses.all)
    }

    /// The commit that a ref leads to, through tags.
    fn commit_of(&self, name: RefName, id: Id, losses: &mut Losses) -> Option<Waiting> {
        let objects = Counted { store: self.db.store(), census: &self.census };
        let mut at = id;
        loop {
            match objects.get(at).ok().flatten().map(|object| object.kind) {
                Some(Kind::Commit) => return Some(Waiting { id: CommitId(at), name: Some((name, 0)) }),
                Some(Kind::Tag) => at = objects.tag(TagId(at)).ok()?.target,
                // A ref may lead to other objects, which are no documents.
                Some(_) => return None,
                None => {
                    losses.add(None, Kind::Commit, at, CommitId(at), &|| Some(name.short().to_owned()));
                    return None;
                }
            }
        }
    }
}

/// What was found to be lost so far.
#[derive(Default)]
struct Losses {
    all: Vec<Lost>,
    places: HashMap<(Option<Key>, Id), usize>,
}

impl Losses {
    fn add(
        &mut self,
        key: Option<&Key>,
        kind: Kind,
        object: Id,
        commit: CommitId,
        revision: &dyn Fn() -> Option<String>,
    ) {
        let place = *self.places.entry((key.cloned(), object)).or_insert(self.all.len());
        match self.all.get_mut(place) {
            Some(lost) => lost.more += 1,
            None => {
                self.all.push(Lost { key: key.cloned(), kind, object, commit, revision: revision(), more: 0 });
            }
        }
    }
}

impl Soundness for Counted<'_> {
    fn is_sound(&self, id: Id) -> bool {
        self.census.sound(id).is_some() || self.store.verify(id).is_ok_and(|kind| kind.is_some())
    }

    fn is_clean(&self, id: TreeId) -> bool {
        self.census
            .sound(id.0)
            .is_some_and(|(number, _)| self.census.is_clean(number) || self.census.content(number).is_some())
    }

    fn set_clean(&self, id: TreeId) {
        if let Some((number, _)) = self.census.sound(id.0) {
            self.census.set_clean(number);
        }
    }
}
