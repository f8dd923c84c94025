//! Who wrote a version that a merge meets: whoever introduced it in the history of one of the heads. What a rule has made
//! in an earlier step of the same merge is in none of them; it counts as written with the latest of what it was made from.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::decide::{Version, versions};
use crate::database::Database;
use crate::database::error::Result;
use crate::database::origins::Origin;
use crate::merge::Dispute;
use crate::object::{CommitId, Objects, TreeId};
use crate::tree::Key;

/// So few heads are all asked; of more, only those that have one of the versions in question.
const FEW: usize = 4;

/// What rules have made in the steps of one merge so far: of each document, each result with what it was made from.
#[derive(Debug, Default)]
pub(super) struct Made {
    from: HashMap<Key, BTreeMap<Version, BTreeSet<Version>>>,
    /// The tree of each head that was merged, in their order.
    trees: Vec<TreeId>,
    /// The folder of a document in the heads, as far as that was asked for.
    folders: HashMap<Key, Vec<Option<TreeId>>>,
    /// The versions of the documents of such folders.
    versions: HashMap<Option<TreeId>, BTreeSet<Version>>,
}

/// The origins of the versions of some documents.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: HashMap<Key, BTreeMap<Version, Origin>>,
}

impl Made {
    /// Notes that a rule has made this of a document in dispute.
    pub(super) fn add(&mut self, dispute: &Dispute, result: Version) {
        let made = self.from.entry(dispute.key.clone()).or_default();
        made.entry(result).or_default().extend(versions(&dispute.set));
    }

    /// The origins of all versions of some disputes, as seen from the heads.
    pub(super) fn origins<'d>(
        &mut self,
        db: &Database,
        heads: &[CommitId],
        disputes: impl Iterator<Item = &'d Dispute>,
    ) -> Result<Origins> {
        let mut wanted = Vec::new();
        let mut asked: Vec<(Key, Version)> = Vec::new();
        for dispute in disputes {
            for version in versions(&dispute.set) {
                asked.extend(self.sources(&dispute.key, version).into_iter().map(|one| (dispute.key.clone(), one)));
                wanted.push((&dispute.key, version));
            }
        }
        if wanted.is_empty() {
            return Ok(Origins::default());
        }
        asked.sort_unstable();
        asked.dedup();
        let found = db.origins(&self.having(db, heads, &asked)?, &asked)?;
        let found: HashMap<(Key, Version), Origin> =
            asked.into_iter().zip(found).filter_map(|(one, origin)| Some((one, origin?))).collect();
        let mut known: HashMap<Key, BTreeMap<Version, Origin>> = HashMap::new();
        for (key, version) in wanted {
            let origin = |version: &Version| found.get(&(key.clone(), *version));
            let sources = || self.sources(key, version);
            let latest = || sources().iter().filter_map(origin).max_by_key(|origin| origin.rank()).cloned();
            if let Some(origin) = origin(&version).cloned().or_else(latest) {
                known.entry(key.clone()).or_default().insert(version, origin);
            }
        }
        Ok(Origins { known })
    }

    /// Those of the heads that have one of some versions.
    fn having(&mut self, db: &Database, heads: &[CommitId], asked: &[(Key, Version)]) -> Result<Vec<CommitId>> {
        if heads.len() <= FEW {
            return Ok(heads.to_vec());
        }
        for head in &heads[self.trees.len().min(heads.len())..] {
            self.trees.push(db.store().commit(*head)?.tree);
        }
        let mut having = BTreeSet::new();
        for (key, version) in asked {
            let folders = self.folders.entry(key.clone()).or_default();
            for tree in &self.trees[folders.len().min(heads.len())..heads.len()] {
                folders.push(db.tree(*tree).folder(Some(key))?);
            }
            for (head, folder) in folders.iter().enumerate() {
                let versions = match self.versions.entry(*folder) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(read_versions(db, *folder)?),
                };
                if versions.contains(version) {
                    having.insert(head);
                }
            }
        }
        Ok(having.into_iter().map(|head| heads[head]).collect())
    }

    /// A version with all that it was made from, directly or not.
    fn sources(&self, key: &Key, version: Version) -> BTreeSet<Version> {
        let mut all = BTreeSet::new();
        let mut todo = vec![version];
        while let Some(version) = todo.pop() {
            if all.insert(version) {
                todo.extend(self.from.get(key).and_then(|made| made.get(&version)).into_iter().flatten());
            }
        }
        all
    }
}

/// The versions of the document of a folder; where there is none, it was deleted, if it ever was.
fn read_versions(db: &Database, folder: Option<TreeId>) -> Result<BTreeSet<Version>> {
    let Some(document) = folder.map(|folder| db.tree(folder).own_document()).transpose()?.flatten() else {
        return Ok([None].into());
    };
    match document.conflict {
        Some(conflict) => Ok(versions(&db.tree(TreeId::EMPTY).conflict(conflict)?).collect()),
        None => Ok([Some(document.blob)].into()),
    }
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
