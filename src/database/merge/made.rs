//! Who wrote a version that a merge meets: whoever introduced it in the history of one of the heads. What a rule has made
//! in an earlier step of the same merge is in none of them; it counts as written with the latest of what it was made from.
//!
//! The steps of a merge ask of one head more each, and mostly of versions that were asked for before. What several heads
//! answer of a version is the latest of what each of them does, so only the new head is asked then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::decide::{Version, versions};
use crate::database::Database;
use crate::database::error::Result;
use crate::database::origins::Origin;
use crate::merge::Dispute;
use crate::object::{CommitId, Objects, TreeId};
use crate::tree::Key;

/// So few heads are all asked; of more, only those that have one of the versions in question.
const FEW: usize = 4;

/// What is known in one merge so far: of each document, what rules have made of it, and who wrote what.
#[derive(Debug, Default)]
pub(super) struct Made {
    documents: HashMap<Key, Past>,
    /// The tree of each head that was merged, in their order.
    trees: Vec<TreeId>,
    /// The versions of the documents of folders.
    versions: HashMap<Option<TreeId>, Rc<BTreeSet<Version>>>,
}

/// What is known of one document.
#[derive(Debug, Default)]
struct Past {
    /// Each result of a rule, with what it was made from.
    made: BTreeMap<Version, BTreeSet<Version>>,
    /// The versions that the heads have, by their numbers; of as many heads as were looked at.
    heads: Vec<Rc<BTreeSet<Version>>>,
    /// Who wrote the versions that were asked for.
    known: BTreeMap<Version, Known>,
}

/// Who wrote a version, as seen from so many heads.
#[derive(Debug, Default)]
struct Known {
    heads: usize,
    origin: Option<Origin>,
}

/// The origins of the versions of some documents.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: HashMap<Key, BTreeMap<Version, Origin>>,
}

impl Made {
    /// Notes that a rule has made this of a document in dispute.
    pub(super) fn add(&mut self, dispute: &Dispute, result: Version) {
        let made = &mut self.documents.entry(dispute.key.clone()).or_default().made;
        made.entry(result).or_default().extend(versions(&dispute.set));
    }

    /// The origins of all versions of some disputes, as seen from the heads. Those begin with the heads of earlier calls.
    pub(super) fn origins<'d>(
        &mut self,
        db: &Database,
        heads: &[CommitId],
        disputes: impl Iterator<Item = &'d Dispute>,
    ) -> Result<Origins> {
        let wanted: Vec<(&Key, Version)> =
            disputes.flat_map(|dispute| versions(&dispute.set).map(|version| (&dispute.key, version))).collect();
        if wanted.is_empty() {
            return Ok(Origins::default());
        }
        self.ask(db, heads, wanted.iter().copied())?;
        let has_none = |(key, version): &&(&Key, Version)| self.documents[*key].origin(*version).is_none();
        let unknown: Vec<(&Key, Version)> = wanted.iter().filter(has_none).copied().collect();
        let sources: Vec<(&Key, Version)> = unknown
            .into_iter()
            .flat_map(|(key, version)| self.documents[key].sources(version).into_iter().map(move |one| (key, one)))
            .collect();
        self.ask(db, heads, sources.into_iter())?;

        let mut origins = Origins::default();
        for (key, version) in wanted {
            let past = &self.documents[key];
            let latest =
                || past.sources(version).iter().filter_map(|one| past.origin(*one)).max_by_key(|one| one.rank());
            if let Some(origin) = past.origin(version).or_else(latest) {
                origins.known.entry(key.clone()).or_default().insert(version, origin.clone());
            }
        }
        Ok(origins)
    }

    /// Makes known who wrote these versions, as seen from the heads.
    fn ask<'d>(
        &mut self,
        db: &Database,
        heads: &[CommitId],
        wanted: impl Iterator<Item = (&'d Key, Version)>,
    ) -> Result<()> {
        for head in &heads[self.trees.len().min(heads.len())..] {
            self.trees.push(db.store().commit(*head)?.tree);
        }
        let mut asked: Vec<(Key, Version)> = Vec::new();
        let mut having = BTreeSet::new();
        for (key, version) in wanted {
            if !self.documents.contains_key(key) {
                self.documents.insert(key.clone(), Past::default());
            }
            let past = self.documents.get_mut(key).expect("it was put there if it was not");
            let known = past.known.entry(version).or_default();
            let new = std::mem::replace(&mut known.heads, heads.len())..heads.len();
            if heads.len() > FEW {
                for tree in &self.trees[past.heads.len().min(heads.len())..heads.len()] {
                    past.heads.push(read_versions(db, &mut self.versions, db.tree(*tree).folder(Some(key))?)?);
                }
            }
            let mut new = new.filter(|head| past.heads.get(*head).is_none_or(|its| its.contains(&version))).peekable();
            if new.peek().is_some() {
                asked.push((key.clone(), version));
                having.extend(new);
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let having: Vec<CommitId> = having.into_iter().map(|head| heads[head]).collect();
        let found = db.origins(&having, &asked)?;
        for ((key, version), origin) in asked.into_iter().zip(found) {
            let known = self.documents.get_mut(&key).and_then(|past| past.known.get_mut(&version));
            let known = known.expect("what was asked for has its place");
            if origin.as_ref().map(Origin::rank) > known.origin.as_ref().map(Origin::rank) {
                known.origin = origin;
            }
        }
        Ok(())
    }
}

impl Past {
    /// Who wrote a version, as far as that was asked for.
    fn origin(&self, version: Version) -> Option<&Origin> {
        self.known.get(&version)?.origin.as_ref()
    }

    /// A version with all that it was made from, directly or not.
    fn sources(&self, version: Version) -> BTreeSet<Version> {
        let mut all = BTreeSet::new();
        let mut todo = vec![version];
        while let Some(version) = todo.pop() {
            if all.insert(version) {
                todo.extend(self.made.get(&version).into_iter().flatten());
            }
        }
        all
    }
}

/// The versions of the document of a folder; where there is none, it was deleted, if it ever was.
fn read_versions(
    db: &Database,
    read: &mut HashMap<Option<TreeId>, Rc<BTreeSet<Version>>>,
    folder: Option<TreeId>,
) -> Result<Rc<BTreeSet<Version>>> {
    if let Some(known) = read.get(&folder) {
        return Ok(Rc::clone(known));
    }
    let document = folder.map(|folder| db.tree(folder).own_document()).transpose()?.flatten();
    let found: BTreeSet<Version> = match document {
        None => [None].into(),
        Some(document) => match document.conflict {
            Some(conflict) => versions(&db.tree(TreeId::EMPTY).conflict(conflict)?).collect(),
            None => [Some(document.blob)].into(),
        },
    };
    let found = Rc::new(found);
    read.insert(folder, Rc::clone(&found));
    Ok(found)
}

impl Origins {
    /// The commit that a version is from.
    pub(super) fn get(&self, key: &Key, version: Version) -> Option<&Origin> {
        self.known.get(key)?.get(&version)
    }

    /// The committer's time of a version, in seconds since 1970; without an origin, before all times.
    pub(super) fn time(&self, key: &Key, version: Version) -> i64 {
        self.get(key, version).map_or(i64::MIN, |origin| origin.committer.seconds())
    }
}
