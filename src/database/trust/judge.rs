//! Judging commits: each at its place, by what its parents have, and then in the light of the whole history.
//!
//! At its place a commit is judged by its own bytes, the list in its first parent and the change that it makes. That can be
//! done for many at once. What follows from other commits comes on top: whether the list itself can be relied on, and
//! whether the key was revoked elsewhere (`view.rs`).

use std::collections::HashMap;

use super::clause::{Breach, breach};
use super::lists::{Claim, Clause, Lists, Permission, Place};
use super::memory::{self, Memory};
use super::seal::{Seal, bad, seal};
use super::standing::{Judged, Standing};
use super::view::View;
use super::walk::{PIECE, Walked, walk};
use crate::database::Database;
use crate::database::error::{Error, Result};
use crate::database::lineage::Lineage;
use crate::database::merge::is_merge_commit;
use crate::object::{self, Commit, CommitId, Ident, Kind, Objects, TagId, TreeId};
use crate::script::Runner;
use crate::sign::PublicKey;
use crate::tree::on_all_cores;

/// Judges the commits of one history. What several of them need is worked out once.
pub struct Judge<'a> {
    pub(super) db: &'a Database,
    pub(super) lineage: Lineage<'a>,
    pub(super) lists: Lists,
    pub(super) memory: Memory,
    pub(super) walked: Walked,
    /// How the commits that changed the list stand at their places.
    pub(super) local: HashMap<u32, Standing>,
    view: View,
    /// What is to be remembered: commits that are trusted, each with the number of how it stands.
    trusted: HashMap<CommitId, u32>,
}

/// What the bytes of a commit and its first parent tell.
enum First {
    Done(Standing),
    /// It says that it is a merge commit.
    Merge,
    /// Signed by somebody who may, with several parents.
    Several(Box<Several>),
}

/// What is left to ask of a signed commit of several parents.
struct Several {
    key: PublicKey,
    committer: Ident,
    tree: TreeId,
    parents: Vec<CommitId>,
    principal: String,
    clause: Clause,
}

impl<'a> Judge<'a> {
    /// A judge of all that some commits and all refs lead to.
    ///
    /// # Errors
    /// When an object cannot be read; [`Error::Script`] when this machine failed to run a merge script; [`Error::Config`]
    /// for anchors that are none.
    pub(super) fn new(db: &'a Database, heads: &[CommitId], runner: &mut dyn Runner) -> Result<Judge<'a>> {
        let mut heads = heads.to_vec();
        heads.extend(db.heads()?);
        let anchors = db.anchors()?;
        let memory = Memory::load(&*db.disk, &memory::path(&db.root.join("isodb")), &anchors);
        let lists = Lists::new(anchors);
        let mut judge = Judge {
            db,
            lineage: db.lineage()?,
            lists,
            memory,
            walked: Walked::default(),
            local: HashMap::new(),
            view: View::default(),
            trusted: HashMap::new(),
        };
        if !judge.is_memory_of(&heads)? || !judge.look(&heads, runner)? {
            // What is remembered was found without a revocation that is known by now, or with one that is not.
            judge.memory = Memory::default();
            judge.look(&heads, runner)?;
        }
        Ok(judge)
    }

    /// Whether all revocations that are remembered are in the history of some commits.
    fn is_memory_of(&mut self, heads: &[CommitId]) -> Result<bool> {
        let by: Vec<u32> = self.memory.revocations.iter().map(|one| self.lineage.place(one.by)).collect();
        let Some(least) = by.iter().map(|place| self.lineage.generation(*place)).min() else { return Ok(true) };
        let heads = heads.iter().map(|head| self.lineage.place(*head)).collect();
        let reached = self.lineage.reach(heads, least)?;
        Ok(by.into_iter().all(|place| reached.has(place)))
    }

    /// Goes through the history and takes a view of it. False when what is remembered does not fit it.
    fn look(&mut self, heads: &[CommitId], runner: &mut dyn Runner) -> Result<bool> {
        self.walked = walk(self.db, &mut self.lineage, heads, &self.memory, &self.lists)?;
        let changing: Vec<u32> = (0..self.walked.entries.len() as u32)
            .filter(|number| {
                let entry = self.walked.entry(*number);
                entry.record.is_none() && !entry.is_pinned && self.walked.is_list_changed(*number)
            })
            .collect();
        self.local = self.at_places(&changing, runner)?;
        let Some(view) = View::take(self)? else { return Ok(false) };
        self.view = view;
        Ok(true)
    }

    /// Tells how commits of this history stand, in the order given.
    ///
    /// # Errors
    /// As for the judge itself; [`Error::Invalid`] for a commit that is not in the history.
    pub fn judge(&mut self, commits: &[CommitId], runner: &mut dyn Runner) -> Result<Vec<Judged>> {
        let is_new = |number: &u32| {
            let entry = self.walked.entry(*number);
            entry.record.is_none() && !entry.is_pinned && !self.local.contains_key(number)
        };
        let mut new: Vec<u32> =
            commits.iter().filter_map(|commit| self.walked.number(*commit)).filter(is_new).collect();
        new.sort_unstable();
        new.dedup();
        let new = self.at_places(&new, runner)?;
        let mut judged = Vec::with_capacity(commits.len());
        for commit in commits {
            let standing = self.standing(*commit, &new)?;
            if let Some(number) = self.memory.number(&standing) {
                self.trusted.insert(*commit, number);
            }
            judged.push(Judged { id: commit.0, standing });
        }
        Ok(judged)
    }

    /// How a commit stands that is remembered, pinned, or has been judged at its place.
    fn standing(&mut self, commit: CommitId, new: &HashMap<u32, Standing>) -> Result<Standing> {
        if let Some(record) = self.memory.get(commit) {
            return Ok(self.memory.standing(record).clone());
        }
        let unknown = || Error::Invalid(format!("commit {commit} is not in the history that is judged"));
        let number = self.walked.number(commit).ok_or_else(unknown)?;
        if self.walked.entry(number).is_pinned {
            return Ok(Standing::Pinned);
        }
        let local = new.get(&number).or_else(|| self.local.get(&number)).ok_or_else(unknown)?.clone();
        let Standing::Signed { key, .. } = &local else { return Ok(local) };
        let mut view = std::mem::take(&mut self.view);
        let seen = view.seen(self, number, key);
        self.view = view;
        Ok(seen?.unwrap_or(local))
    }

    /// Judges commits at their places.
    fn at_places(&self, numbers: &[u32], runner: &mut dyn Runner) -> Result<HashMap<u32, Standing>> {
        let mut found = HashMap::with_capacity(numbers.len());
        let first = on_all_cores(numbers, PIECE, |number| self.first(*number));
        let mut merges = Vec::new();
        for (number, first) in numbers.iter().zip(first) {
            match first? {
                First::Done(standing) => drop(found.insert(*number, standing)),
                First::Merge => merges.push(self.walked.entry(*number).id),
                First::Several(several) => {
                    found.insert(*number, self.several(*several, runner)?);
                }
            }
        }
        self.db.check_merges(&merges, runner, &mut |commit, checked| {
            let standing = match checked? {
                None => Standing::Merge,
                Some(wrong) => Standing::WrongMerge { expected: wrong.expected, reason: wrong.reason },
            };
            let number = self.walked.number(commit).expect("it is from the history");
            found.insert(number, standing);
            Ok(())
        })?;
        Ok(found)
    }

    /// What a commit's bytes, its first parent, and the change of a single parent tell.
    fn first(&self, number: u32) -> Result<First> {
        let entry = self.walked.entry(number);
        let body = self.db.store().require(entry.id.0, Kind::Commit)?;
        let commit = Commit::parse(&body).map_err(|error| error.of_object(entry.id.0))?;
        let parents = || self.walked.parents(number).map(|(_, parent)| parent);
        if commit.tree != entry.tree || !parents().map(|parent| parent.id).eq(commit.parents.iter().copied()) {
            let path = self.db.root.join("objects/info/commit-graph");
            let reason = format!("what it says of commit {} is wrong", entry.id);
            return Err(object::Error::DamagedFile { path, reason }.into());
        }
        if is_merge_commit(&commit) {
            return Ok(First::Merge);
        }
        let key = match seal(Kind::Commit, &body) {
            Seal::None => return Ok(First::Done(Standing::Unsigned)),
            Seal::Foreign => return Ok(First::Done(foreign())),
            Seal::Bad(error) => return Ok(First::Done(bad(&error))),
            Seal::Good(key) => key,
        };
        let place = parents().next().map_or(Place::Empty, |parent| parent.list);
        let claim = Claim { key: &key, who: Some(&commit.committer) };
        let (principal, clause) = match self.lists.judge(self.db.store(), place, claim)? {
            Permission::Refused(standing) => return Ok(First::Done(standing)),
            Permission::Allowed { principal, clause } => (principal, clause),
        };
        if commit.parents.len() > 1 {
            let Commit { tree, parents, committer, .. } = commit;
            return Ok(First::Several(Box::new(Several { key, committer, tree, parents, principal, clause })));
        }
        let before = parents().next().map_or(TreeId::EMPTY, |parent| parent.tree);
        let found = breach(self.db.store(), before, commit.tree, &clause)?;
        Ok(First::Done(signed(key, principal, found)))
    }

    /// A signed commit of several parents: its own change is that of their merge, whose list has to allow it too.
    fn several(&self, several: Several, runner: &mut dyn Runner) -> Result<Standing> {
        let Several { key, committer, tree, parents, principal, mut clause } = several;
        let lists =
            parents.iter().map(|parent| self.walked.number(*parent).map(|number| self.walked.entry(number).list));
        let lists: Vec<Option<Place>> = lists.collect();
        if clause.is_open() && lists.windows(2).all(|pair| pair[0] == pair[1]) {
            return Ok(signed(key, principal, None));
        }
        let looked = self.db.with_merged_tree(&parents, runner, |objects, merged| {
            let place = self.lists.place(objects, merged)?;
            match self.lists.judge(objects, place, Claim { key: &key, who: Some(&committer) })? {
                Permission::Refused(standing) => return Ok(standing),
                Permission::Allowed { clause: other, .. } => clause.narrow(other),
            }
            let found = breach(objects, merged, tree, &clause)?;
            Ok(signed(key.clone(), principal.clone(), found))
        });
        match looked {
            Err(error @ (Error::DamagedMerge { .. } | Error::Rules(_))) => {
                Ok(Standing::NotAllowed { key, reason: format!("its parents cannot be merged: {error}") })
            }
            looked => looked,
        }
    }

    /// Tells how an annotated tag stands: by the list in the commit that it leads to, as said by its tagger.
    ///
    /// # Errors
    /// As [`Judge::judge`].
    pub fn tag(&mut self, tag: TagId) -> Result<Standing> {
        let body = self.db.store().require(tag.0, Kind::Tag)?;
        let key = match seal(Kind::Tag, &body) {
            Seal::None => return Ok(Standing::Unsigned),
            Seal::Foreign => return Ok(foreign()),
            Seal::Bad(error) => return Ok(bad(&error)),
            Seal::Good(key) => key,
        };
        let tag = self.db.store().tag(tag)?;
        let target = CommitId(self.db.peel(tag.target)?);
        let Some(number) = self.walked.number(target).filter(|_| tag.tagger.is_some()) else {
            let reason = "it leads to no commit, or does not say who made it".to_owned();
            return Ok(Standing::NotAllowed { key, reason });
        };
        let claim = Claim { key: &key, who: tag.tagger.as_ref() };
        let principal = match self.lists.judge(self.db.store(), self.walked.entry(number).list, claim)? {
            Permission::Refused(standing) => return Ok(standing),
            Permission::Allowed { principal, .. } => principal,
        };
        let seen = self.view.of_tag(&self.walked, number, &key);
        Ok(seen.unwrap_or(Standing::Signed { principal, key }))
    }

    /// Writes down which of the commits that were judged are trusted, for the next time. Who may not write here can read all
    /// the same.
    pub(super) fn remember(mut self) {
        // What was found while revocations contradict each other is not for the next time.
        let Some(revocations) = self.view.agreed() else { return };
        let mut is_whole = vec![false; self.walked.entries.len()];
        for (number, entry) in self.walked.entries.iter().enumerate() {
            let standing = self.trusted.get(&entry.id).copied();
            let above = entry.parents.iter().all(|parent| is_whole[*parent as usize]);
            let was_whole = entry.record.is_some_and(|record| record.is_whole);
            is_whole[number] = was_whole || (above && (standing.is_some() || entry.record.is_some()));
            if let Some(standing) = standing
                && entry.record.is_none_or(|record| record.is_whole != is_whole[number])
            {
                self.memory.add(entry.id, standing, is_whole[number]);
            }
        }
        if self.memory.is_new() {
            self.memory.revocations = revocations;
            let _ = self.memory.write(&*self.db.disk, &self.db.root.join("isodb"), self.lists.anchors());
        }
    }
}

/// How a signature of OpenPGP stands.
fn foreign() -> Standing {
    Standing::UnknownKey { key: None, reason: "it is signed with OpenPGP, which is not checked here".into() }
}

/// How a commit stands that somebody may have signed, by what its change does that it may not.
fn signed(key: PublicKey, principal: String, breach: Option<Breach>) -> Standing {
    match breach {
        None => Standing::Signed { principal, key },
        Some(Breach::Document(document)) => Standing::OutsideClause { principal, key, document: Some(document) },
        Some(Breach::Form) => Standing::OutsideClause { principal, key, document: None },
    }
}
