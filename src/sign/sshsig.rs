//! SSHSIG: OpenSSH's signatures of messages, and the armor that git stores them in.

use sha2::{Digest as _, Sha256, Sha512};

use super::wire::{Reader, put_string};
use super::{PublicKey, SignError, armor, maths};

/// What the armor calls it.
const LABEL: &str = "SSH SIGNATURE";

const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// The longest armor that is read, in bytes: what a certificate with a long list of names needs.
const MAX_ARMOR: usize = 128 * 1024;

/// A signature of a message by a key, for a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    key: PublicKey,
    namespace: String,
    hash: Hash,
    /// As SSH encodes signatures, the algorithm first.
    signature: Vec<u8>,
}

/// What a message is hashed with before it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha512,
}

impl Hash {
    fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Sha512 => "sha512",
        }
    }
}

impl Signature {
    /// Reads the armor, from its first character to its last, perhaps with a line feed behind it.
    pub fn parse(armor: &[u8]) -> Result<Signature, SignError> {
        if armor.len() > MAX_ARMOR {
            return Err(wrong("it is too long"));
        }
        let armor = armor.strip_suffix(b"\n").unwrap_or(armor);
        let other = armor.strip_prefix(b"-----BEGIN ").filter(|rest| !rest.starts_with(LABEL.as_bytes()));
        if let Some(other) = other {
            let kind = match other.starts_with(b"PGP ") {
                true => "an OpenPGP signature",
                false => "a signature that is not SSH's",
            };
            return Err(SignError::Unsupported(kind.into()));
        }
        Signature::from_blob(&armor::read(armor, LABEL).map_err(wrong)?)
    }

    /// The armor, without a line feed at its end.
    pub fn armor(&self) -> String {
        let mut armor = String::new();
        armor::write(&mut armor, LABEL, &self.to_blob());
        armor
    }

    fn from_blob(blob: &[u8]) -> Result<Signature, SignError> {
        let mut reader = Reader::new(blob);
        let damaged = || wrong("its bytes are damaged");
        if reader.bytes(MAGIC.len()) != Some(MAGIC) {
            return Err(damaged());
        }
        let version = reader.u32().ok_or_else(damaged)?;
        if version != VERSION {
            return Err(SignError::Unsupported(format!("an SSH signature of version {version}")));
        }
        let mut fields = || {
            Some((reader.string()?, reader.text()?, reader.string()?, reader.text()?, reader.string()?, reader.end()?))
        };
        let (key, namespace, reserved, hash, signature, ()) = fields().ok_or_else(damaged)?;
        // What stands here is not signed: OpenSSH signs an empty string in its place.
        if namespace.is_empty() || !reserved.is_empty() {
            return Err(damaged());
        }
        let hash = [Hash::Sha256, Hash::Sha512].into_iter().find(|known| known.name() == hash);
        let hash = hash.ok_or_else(|| SignError::Unsupported("a signature with such a hash".into()))?;
        let (key, namespace) = (PublicKey::from_blob(key)?, namespace.to_owned());
        Ok(Signature { key, namespace, hash, signature: signature.to_vec() })
    }

    fn to_blob(&self) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend_from_slice(&VERSION.to_be_bytes());
        put_string(&mut blob, self.key.blob());
        put_string(&mut blob, self.namespace.as_bytes());
        put_string(&mut blob, b"");
        put_string(&mut blob, self.hash.name().as_bytes());
        put_string(&mut blob, &self.signature);
        blob
    }

    /// A signature from what `sign` makes of the bytes that have to be signed.
    pub(super) fn make(
        key: &PublicKey,
        namespace: &str,
        message: &[u8],
        sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, SignError>,
    ) -> Result<Signature, SignError> {
        let hash = Hash::Sha512;
        let signature = sign(&signed_data(namespace, hash, message))?;
        Ok(Signature { key: key.clone(), namespace: namespace.to_owned(), hash, signature })
    }

    /// The key that it says it is of.
    pub fn public_key(&self) -> &PublicKey {
        &self.key
    }

    /// What it says it is for.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it is for this namespace, and its key signed this message. Whether the key may is not asked:
    /// [`AllowedSigners::judge`](super::AllowedSigners::judge) tells.
    pub fn verify(&self, namespace: &str, message: &[u8]) -> Result<(), SignError> {
        if self.namespace != namespace {
            return Err(SignError::Namespace { found: self.namespace.clone(), wanted: namespace.to_owned() });
        }
        maths::verify(&self.key, &self.signature, &signed_data(namespace, self.hash, message))
    }
}

/// The bytes that are signed for a message.
fn signed_data(namespace: &str, hash: Hash, message: &[u8]) -> Vec<u8> {
    let mut data = MAGIC.to_vec();
    put_string(&mut data, namespace.as_bytes());
    put_string(&mut data, b"");
    put_string(&mut data, hash.name().as_bytes());
    match hash {
        Hash::Sha256 => put_string(&mut data, &Sha256::digest(message)),
        Hash::Sha512 => put_string(&mut data, &Sha512::digest(message)),
    }
    data
}

fn wrong(reason: &str) -> SignError {
    SignError::Malformed(reason.into())
}
