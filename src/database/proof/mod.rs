//! Proofs: that a commit has a document, or has none, in a file that is checked without a database.
//!
//! A proof is a claim and the objects that the ordinary reading asks for to see that it holds; `format` is its bytes,
//! `examine` the reading, `chain` what leads from one commit to another. Making one (`make`) needs the store; checking one
//! (`check`) needs nothing but its bytes. **Invariant:** every object is hashed when it is read, and what nobody asks for
//! is refused.

mod bag;
mod chain;
mod check;
mod examine;
mod format;
mod make;
mod signer;
#[cfg(test)]
mod tests;

use super::error::Error;
use crate::object::{BlobId, CommitId, Ident};
use crate::sign::PublicKey;
use crate::tree::{Conflict, Key};

pub use check::check_proof;

/// What a proof that holds says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The document's key.
    pub key: Key,
    /// The commit that has it so.
    pub commit: CommitId,
    /// The content and its size in bytes; `None` where the commit has no document at the key. In a conflict, the version
    /// with the greatest id.
    pub content: Option<(BlobId, u64)>,
    /// The versions, where nobody has chosen between them yet.
    pub conflict: Option<Conflict>,
    /// Who made the change, as the commit says.
    pub author: Ident,
    /// Who made the commit, and when, as it says.
    pub committer: Ident,
    /// Whose signature the commit carries. `None` only for a commit that the caller trusts by its id.
    pub signer: Option<ProofSigner>,
    /// What leads to the commit from another one.
    pub chain: Option<ProofChain>,
}

/// The signer of a proof's commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofSigner {
    /// The key of the signature.
    pub key: PublicKey,
    /// Who that is by a list of who may sign: the caller's, else that of the commit's first parent, which a chain from a
    /// commit that the caller trusts has. `None` when neither was asked.
    pub principal: Option<String>,
}

/// The commits that lead to a proof's commit from another one: each could sign by what the one before it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofChain {
    /// Where it begins.
    pub since: CommitId,
    /// How many signed commits come after that.
    pub signed: u64,
    /// How many merge commits come after that.
    pub merges: u64,
}

/// The error of a proof that does not hold.
fn broken(reason: &str) -> Error {
    Error::Proof(reason.to_owned())
}
