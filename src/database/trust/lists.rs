//! The list of allowed signers as it is in some tree: finding it, reading it, and what it says of a key.
//!
//! Most commits leave the list as it is, so what was found is kept by the folder `_isodb` that it was found in, and what
//! was read by the document's ids.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::anchors::Anchors;
use super::standing::Standing;
use crate::database::error::Result;
use crate::database::signers::{MAX_LEN, signers_key};
use crate::merge::Pattern;
use crate::object::{self, BlobId, CommitId, Ident, Objects, TreeId};
use crate::sign::{self, AllowedSigners, Judgement, PublicKey};
use crate::tree::{self, Conflict, Document, Key, Tree};

/// The folder that is looked up first.
const OWN: &str = "_isodb";

/// So many versions of a list in conflict are read. Of more, nobody is allowed.
const MAX_VERSIONS: usize = 16;

/// What a tree has at the key of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::database) enum Place {
    /// Nothing: the anchors decide.
    Empty,
    /// A list.
    List(Document),
    /// Folders that are none of isodb's format: nobody is allowed.
    Broken(TreeId),
}

/// A list that was read: all of its versions.
#[derive(Debug)]
pub(super) struct List {
    /// What every one of these allows is allowed. `None` is the deletion: the anchors decide.
    versions: Vec<Option<AllowedSigners>>,
    /// Why there is none that could allow anything.
    broken: Option<String>,
}

/// A signature whose maths is right, as a list judges it.
#[derive(Clone, Copy, Debug)]
pub(in crate::database) struct Claim<'a> {
    pub(in crate::database) key: &'a PublicKey,
    /// The committer or tagger.
    pub(in crate::database) who: Option<&'a Ident>,
}

/// What a list says of a claim.
#[derive(Clone, Debug)]
pub(in crate::database) enum Permission {
    /// It allows it, for these documents.
    Allowed { principal: String, clause: Clause },
    /// It does not.
    Refused(Standing),
}

/// Which documents somebody may change: those that match one pattern of each list.
#[derive(Clone, Debug, Default)]
pub(in crate::database) struct Clause(Vec<Vec<Pattern>>);

/// The lists of one database.
#[derive(Debug)]
pub(in crate::database) struct Lists {
    anchors: Anchors,
    key: Key,
    own: Key,
    places: RwLock<HashMap<TreeId, Place>>,
    read: RwLock<HashMap<Document, Arc<List>>>,
}

impl Lists {
    pub(in crate::database) fn new(anchors: Anchors) -> Lists {
        let key = |text: &str| text.parse().expect("it is a key");
        let list = signers_key();
        let list = list.text();
        let below =
            list.strip_prefix(OWN).and_then(|rest| rest.strip_prefix('/')).expect("the list is below the folder");
        let (places, read) = (RwLock::default(), RwLock::default());
        Lists { anchors, key: key(below), own: key(OWN), places, read }
    }

    pub(super) fn anchors(&self) -> &Anchors {
        &self.anchors
    }

    /// What a root tree has.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub(in crate::database) fn place<O: Objects + ?Sized>(&self, objects: &O, root: TreeId) -> Result<Place> {
        let found = (|| {
            let tree = Tree::new(objects, root);
            let Some(own) = tree.folder(Some(&self.own))? else { return Ok(Place::Empty) };
            if let Some(place) = self.places.read().unwrap_or_else(PoisonError::into_inner).get(&own) {
                return Ok(*place);
            }
            let place = tree.with_root(own).get(&self.key)?.map_or(Place::Empty, Place::List);
            self.places.write().unwrap_or_else(PoisonError::into_inner).insert(own, place);
            Ok(place)
        })();
        match found {
            Err(tree::Error::Format { .. }) => Ok(Place::Broken(root)),
            found => Ok(found?),
        }
    }

    /// The list of a place that is not empty.
    fn list<O: Objects + ?Sized>(&self, objects: &O, document: Document) -> Result<Arc<List>> {
        if let Some(list) = self.read.read().unwrap_or_else(PoisonError::into_inner).get(&document) {
            return Ok(list.clone());
        }
        let list = Arc::new(read(objects, document)?);
        self.read.write().unwrap_or_else(PoisonError::into_inner).insert(document, list.clone());
        Ok(list)
    }

    /// What the list of a place says of a signature.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub(in crate::database) fn judge<O: Objects + ?Sized>(
        &self,
        objects: &O,
        place: Place,
        claim: Claim<'_>,
    ) -> Result<Permission> {
        match place {
            Place::Empty => Ok(self.by_anchors(claim)),
            Place::Broken(_) => Ok(refused(claim, "the folders of the list are not in isodb's format".into())),
            Place::List(document) => {
                let list = self.list(objects, document)?;
                if let Some(reason) = &list.broken {
                    return Ok(refused(claim, reason.clone()));
                }
                let mut all: Option<(String, Clause)> = None;
                for version in &list.versions {
                    let said = match version {
                        None => self.by_anchors(claim),
                        Some(list) => by_usable(list, claim),
                    };
                    let Permission::Allowed { principal, clause } = said else { return Ok(said) };
                    match &mut all {
                        None => all = Some((principal, clause)),
                        Some((_, narrowed)) => narrowed.narrow(clause),
                    }
                }
                let (principal, clause) = all.expect("a list has a version");
                Ok(Permission::Allowed { principal, clause })
            }
        }
    }

    fn by_anchors(&self, Claim { key, .. }: Claim<'_>) -> Permission {
        if self.anchors.has_key(key) {
            return Permission::Allowed { principal: key.fingerprint(), clause: Clause::default() };
        }
        let reason = "there is no list of allowed signers there, and it is no anchor".to_owned();
        Permission::Refused(Standing::UnknownKey { key: Some(key.clone()), reason })
    }

    /// The keys that the list of a place revokes, in any of its versions.
    ///
    /// # Errors
    /// When the list cannot be read.
    pub(super) fn revoked<O: Objects + ?Sized>(&self, objects: &O, place: Place) -> Result<Vec<PublicKey>> {
        let Place::List(document) = place else { return Ok(Vec::new()) };
        let list = self.list(objects, document)?;
        let mut keys: Vec<PublicKey> = Vec::new();
        for (key, _) in list.versions.iter().flatten().flat_map(AllowedSigners::revoked) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
        Ok(keys)
    }
}

/// Reads the versions of a list.
fn read<O: Objects + ?Sized>(objects: &O, document: Document) -> Result<List> {
    let broken = |reason: String| Ok(List { versions: Vec::new(), broken: Some(reason) });
    let mut versions = vec![document.blob];
    let mut is_deleted = false;
    if let Some(conflict) = document.conflict {
        let conflict = match Tree::new(objects, TreeId::EMPTY).conflict(conflict) {
            Err(tree::Error::Format { reason, .. }) => return broken(format!("the list cannot be read: {reason}")),
            conflict => conflict?,
        };
        let Conflict { versions: others, deleted, .. } = conflict;
        versions.extend(others.into_iter().filter(|other| *other != document.blob));
        is_deleted = deleted;
    }
    if versions.len() > MAX_VERSIONS {
        return broken(format!("the list is in conflict between {} versions", versions.len()));
    }
    let mut list = List { versions: is_deleted.then_some(None).into_iter().collect(), broken: None };
    for version in versions {
        match parse(objects, version)? {
            Some(signers) => list.versions.push(Some(signers)),
            None => return broken(format!("the list has more than {MAX_LEN} bytes")),
        }
    }
    Ok(list)
}

/// One version, without the lines whose clauses are no patterns.
fn parse<O: Objects + ?Sized>(objects: &O, blob: BlobId) -> Result<Option<AllowedSigners>> {
    let text = match objects.blob(blob) {
        Err(object::Error::TooLarge { .. }) => return Ok(None),
        text => text?,
    };
    if text.len() as u64 > MAX_LEN {
        return Ok(None);
    }
    Ok(Some(usable(AllowedSigners::parse(&text))))
}

/// A list without the lines whose clauses are no patterns.
fn usable(mut list: AllowedSigners) -> AllowedSigners {
    list.remove(|signer| patterns(&signer.keys).is_none());
    list
}

fn patterns(clause: &[String]) -> Option<Vec<Pattern>> {
    clause.iter().map(|text| text.parse().ok()).collect()
}

/// What a list says that is in no database.
pub(in crate::database) fn by_list(list: &AllowedSigners, claim: Claim<'_>) -> Permission {
    by_usable(&usable(list.clone()), claim)
}

/// What one version of a list says.
fn by_usable(list: &AllowedSigners, claim: Claim<'_>) -> Permission {
    let Claim { key, who } = claim;
    let (email, time) = who.map_or(("", 0), |who| (who.email(), who.seconds()));
    match list.judge(key, sign::NAMESPACE, email, time) {
        Judgement::Allowed { principal, keys } => {
            let clause = keys.map(|keys| patterns(&keys).unwrap_or_default());
            Permission::Allowed { principal, clause: Clause(clause.into_iter().collect()) }
        }
        Judgement::UnknownKey => {
            let reason = "no allowed signer has this key".to_owned();
            Permission::Refused(Standing::UnknownKey { key: Some(key.clone()), reason })
        }
        Judgement::Revoked => Permission::Refused(Standing::Revoked { key: key.clone(), by: None }),
        Judgement::OtherPrincipal { principals } => {
            refused(claim, format!("signed with the key of {principals}, but the committer is {email:?}"))
        }
        Judgement::OtherNamespace => refused(claim, "its key is not allowed to sign commits and tags".into()),
        Judgement::NotValidThen { .. } => refused(claim, "its key was not valid then".into()),
        Judgement::Certificate { reason } => refused(claim, reason),
    }
}

fn refused(claim: Claim<'_>, reason: String) -> Permission {
    Permission::Refused(Standing::NotAllowed { key: claim.key.clone(), reason })
}

impl Clause {
    /// Whether every document may be changed.
    pub(super) fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a document may be changed.
    pub(in crate::database) fn allows(&self, key: &Key) -> bool {
        self.0.iter().all(|patterns| patterns.iter().any(|pattern| pattern.matches(key)))
    }

    /// Leaves only what the other one allows too.
    pub(super) fn narrow(&mut self, other: Clause) {
        self.0.extend(other.0);
    }
}

/// Whether the revocation of a key is about a signature by another: the same, or a certificate of it.
pub(super) fn concerns(revoked: &PublicKey, key: &PublicKey) -> bool {
    let of = key.certificate().map(|certificate| (certificate.key(), certificate.authority()));
    revoked == key || of.is_some_and(|(inner, authority)| revoked == inner || revoked == authority)
}

/// A revocation, where a commit brought it into the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Revocation {
    /// The commit.
    pub(super) by: CommitId,
    /// The key.
    pub(super) key: PublicKey,
}
