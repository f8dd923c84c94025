//! What the stored bytes of a commit or a tag say by themselves: whether there is a signature, and whether it is good.
//!
//! Nothing here asks who may sign, so this is done for many commits at once, on all cores.

use super::standing::Standing;
use crate::object::Kind;
use crate::sign::{self, PublicKey, SignError};

/// How a signature of OpenPGP begins, which git knows too.
const PGP: &[u8] = b"-----BEGIN PGP ";

/// What is known of the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::database) enum Seal {
    /// There is none.
    None,
    /// It is of a kind that is not of this world: nothing is known of it.
    Foreign,
    /// It is not good.
    Bad(SignError),
    /// It was made by this key over these very bytes.
    Good(PublicKey),
}

/// How an object stands whose signature is not good.
pub(super) fn bad(error: &SignError) -> Standing {
    Standing::BadSignature { reason: error.to_string() }
}

/// Looks at the signature in the stored bytes of an object.
pub(in crate::database) fn seal(kind: Kind, body: &[u8]) -> Seal {
    match sign::verified(kind, body) {
        Ok(None) => Seal::None,
        Ok(Some(signature)) => Seal::Good(signature.public_key().clone()),
        Err(_) if sign::split(kind, body).is_some_and(|signed| signed.armor.starts_with(PGP)) => Seal::Foreign,
        Err(error) => Seal::Bad(error),
    }
}
