//! The versions of a document in conflict: which there are, who wrote each of them, and choosing one.

use super::Database;
use super::error::{Error, Result};
use super::origins::Origin;
use crate::object::{BlobId, CommitId, TreeId};
use crate::tree::{Document, Key};

/// A document in conflict, with its versions.
#[derive(Clone, Debug)]
pub struct InConflict {
    /// Where it is.
    pub key: Key,
    /// The document as its folder has it.
    pub document: Document,
    /// The content that all versions came from, where there was one.
    pub base: Option<BlobId>,
    /// The versions: the deletion first if it is one, then the contents in ascending order of id.
    pub versions: Vec<Version>,
}

/// One of the versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The content; `None` is the deletion.
    pub id: Option<BlobId>,
    /// Who wrote it and when, where that is known.
    pub origin: Option<Origin>,
}

impl Version {
    /// What orders versions by age: the committer's time, then the id, the deletion being the lowest. A version of which
    /// nothing is known is older than all others.
    fn age(&self) -> (Option<i64>, Option<BlobId>) {
        (self.origin.as_ref().map(|origin| origin.committer.seconds()), self.id)
    }
}

/// A way to choose one version of a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The version that was written last, by the committers' clocks; of several the one with the greatest id.
    Latest,
    /// The version that was written first; of several the one with the lowest id.
    Earliest,
    /// The version with the lowest id, the deletion being lower than all contents.
    Left,
    /// The version with the greatest id: the one that readers get while nobody has chosen.
    Right,
    /// The content that all versions came from.
    Base,
}

impl InConflict {
    /// The version that is chosen (`None` is the deletion). No answer where the versions have no base and that was
    /// the choice.
    pub fn choose(&self, choice: Choice) -> Option<Option<BlobId>> {
        match choice {
            Choice::Latest => self.versions.iter().max_by_key(|version| version.age()).map(|version| version.id),
            Choice::Earliest => self.versions.iter().min_by_key(|version| version.age()).map(|version| version.id),
            Choice::Left => self.versions.first().map(|version| version.id),
            Choice::Right => self.versions.last().map(|version| version.id),
            Choice::Base => self.base.map(Some),
        }
    }
}

impl Database {
    /// The versions of some documents in conflict, with who wrote each as seen from `heads`; without heads nothing is
    /// known of that.
    ///
    /// # Errors
    /// [`Error::NoConflict`] for a document that is in none; when a commit or a tree cannot be read.
    pub fn versions(&self, heads: &[CommitId], documents: &[(Key, Document)]) -> Result<Vec<InConflict>> {
        let objects = self.tree(TreeId::EMPTY);
        let mut all = Vec::with_capacity(documents.len());
        let mut wanted = Vec::new();
        for (key, document) in documents {
            let conflict = document.conflict.ok_or_else(|| Error::NoConflict(key.clone()))?;
            let conflict = objects.conflict(conflict)?;
            let ids = conflict.deleted.then_some(None).into_iter().chain(conflict.versions.into_iter().map(Some));
            let versions: Vec<Version> = ids.map(|id| Version { id, origin: None }).collect();
            wanted.extend(versions.iter().map(|version| (key.clone(), version.id)));
            all.push(InConflict { key: key.clone(), document: *document, base: conflict.base, versions });
        }
        if !heads.is_empty() {
            let mut origins = self.origins(heads, &wanted)?.into_iter();
            for version in all.iter_mut().flat_map(|document| &mut document.versions) {
                version.origin = origins.next().flatten();
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Ident, Kind, hash};

    fn blob(text: &str) -> BlobId {
        BlobId(hash(Kind::Blob, text.as_bytes()))
    }

    /// A conflict of versions, each with when it was written, if that is known.
    fn conflict(versions: &[(Option<BlobId>, Option<i64>)], base: Option<BlobId>) -> InConflict {
        let origin = |time| {
            let who = Ident::new("Ann", "ann@farm", time).unwrap();
            Origin { commit: CommitId(blob("commit").0), author: who.clone(), committer: who }
        };
        let mut versions: Vec<Version> =
            versions.iter().map(|(id, time)| Version { id: *id, origin: time.map(origin) }).collect();
        versions.sort_by_key(|version| version.id);
        let winner = versions.last().and_then(|version| version.id).expect("there is a content");
        InConflict { key: "k".parse().unwrap(), document: winner.into(), base, versions }
    }

    #[test]
    fn choices() {
        let (one, two) = (blob("1").min(blob("2")), blob("1").max(blob("2")));
        let choices = [Choice::Latest, Choice::Earliest, Choice::Left, Choice::Right, Choice::Base];
        let chosen = |document: InConflict| choices.map(|choice| document.choose(choice));
        let some = |id| Some(Some(id));
        let all = conflict(&[(Some(one), Some(20)), (Some(two), Some(10)), (None, Some(15))], Some(one));
        assert_eq!(chosen(all), [some(one), some(two), Some(None), some(two), some(one)]);
        // Of one second the ids decide, and the deletion is the lowest.
        let all = conflict(&[(Some(one), Some(5)), (Some(two), Some(5)), (None, Some(5))], None);
        assert_eq!(chosen(all), [some(two), Some(None), Some(None), some(two), None]);
        // What nobody knows of is the oldest.
        let all = conflict(&[(Some(one), Some(0)), (Some(two), None)], None);
        assert_eq!(chosen(all), [some(one), some(two), some(one), some(two), None]);
    }
}
