//! What the stored bytes of a commit or a tag say by themselves: whether there is a signature, and whether it is good.
//!
//! Nothing here asks who may sign, so this is done for many commits at once, on all cores.

use super::standing::Standing;
use crate::object::Kind;
use crate::sign::{self, PublicKey, SignError, Signature};

/// How a signature of OpenPGP begins, which git knows too.
const PGP: &[u8] = b"-----BEGIN PGP ";

/// What is known of the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seal {
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
pub(super) fn seal(kind: Kind, body: &[u8]) -> Seal {
    let Some(signed) = sign::split(kind, body) else { return Seal::None };
    if signed.armor.starts_with(PGP) {
        return Seal::Foreign;
    }
    let checked = Signature::parse(&signed.armor).and_then(|signature| {
        signature.verify(sign::NAMESPACE, &signed.payload)?;
        Ok(signature.public_key().clone())
    });
    match checked {
        Ok(key) => Seal::Good(key),
        Err(error) => Seal::Bad(error),
    }
}
