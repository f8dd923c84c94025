//! A commit as it is signed, and what a list of who may sign says of its signer.

use super::broken;
use crate::database::error::Result;
use crate::database::is_merge_commit;
use crate::database::trust::{Claim, Clause, Permission, Seal, Standing, seal};
use crate::object::{Commit, CommitId, Kind, Objects};
use crate::sign::PublicKey;
use crate::tree::Key;

/// A commit, and the bytes that are signed.
#[derive(Clone, Debug)]
pub(super) struct Signed {
    pub(super) id: CommitId,
    pub(super) commit: Commit,
    body: Vec<u8>,
}

impl Signed {
    pub(super) fn load<O: Objects + ?Sized>(objects: &O, id: CommitId) -> Result<Signed> {
        let body = objects.require(id.0, Kind::Commit)?;
        let commit = Commit::parse(&body).map_err(|error| error.of_object(id.0))?;
        Ok(Signed { id, commit, body })
    }

    pub(super) fn is_merge(&self) -> bool {
        is_merge_commit(&self.commit)
    }

    /// The key that signed the commit; `None` where nobody did. A merge commit is signed by nobody, whatever it carries.
    ///
    /// # Errors
    /// When the signature is not good, or of a kind that is not read here.
    pub(super) fn signer(&self) -> Result<Option<PublicKey>> {
        if self.is_merge() {
            return Ok(None);
        }
        match seal(Kind::Commit, &self.body) {
            Seal::None => Ok(None),
            Seal::Foreign => {
                Err(broken(&format!("commit {} is signed with OpenPGP, which is not checked here", self.id)))
            }
            Seal::Bad(error) => Err(broken(&format!("the signature of commit {} is not good: {error}", self.id))),
            Seal::Good(key) => Ok(Some(key)),
        }
    }

    /// What a list is asked about the commit's signer.
    pub(super) fn claim<'a>(&'a self, signer: &'a PublicKey) -> Claim<'a> {
        Claim { key: signer, who: Some(&self.commit.committer) }
    }
}

/// What a signer may do.
#[derive(Clone, Debug)]
pub(super) struct Right {
    pub(super) principal: String,
    key: PublicKey,
    clause: Clause,
}

impl Right {
    /// What a list permits the signer of a commit.
    pub(super) fn of(permission: Permission, signer: &PublicKey, commit: &Signed) -> Result<Right> {
        match permission {
            Permission::Allowed { principal, clause } => Ok(Right { principal, key: signer.clone(), clause }),
            Permission::Refused(standing) => Err(refused(commit, &standing)),
        }
    }

    /// Whether the document at a key may be changed.
    pub(super) fn covers(&self, key: &Key) -> bool {
        self.clause.allows(key)
    }

    /// Refuses a commit for a document that its signer may not change.
    pub(super) fn expect(&self, key: &Key, commit: &Signed) -> Result<()> {
        if self.covers(key) {
            return Ok(());
        }
        let (principal, document) = (self.principal.clone(), Some(key.clone()));
        Err(refused(commit, &Standing::OutsideClause { principal, key: self.key.clone(), document }))
    }
}

fn refused(commit: &Signed, standing: &Standing) -> crate::database::Error {
    broken(&format!("commit {} cannot be relied on: {standing}", commit.id))
}
