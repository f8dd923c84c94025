//! SSHSIG: OpenSSH's signatures of messages, and the armor that git stores them in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha512};

use super::wire::{Reader, put_string};
use super::{PublicKey, SignError, maths};

const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "\n-----END SSH SIGNATURE-----";
const MAGIC: &[u8] = b"SSHSIG";
const VERSION: u32 = 1;

/// How many characters ssh-keygen puts on a line.
const WIDTH: usize = 70;

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
        if let Some(other) = armor.strip_prefix(b"-----BEGIN ").filter(|rest| !rest.starts_with(b"SSH SIGNATURE")) {
            let pgp = other.starts_with(b"PGP ");
            let kind = if pgp { "an OpenPGP signature" } else { "a signature that is not SSH's" };
            return Err(SignError::Unsupported(kind.into()));
        }
        let lines = armor.strip_prefix(BEGIN.as_bytes()).and_then(|rest| rest.strip_suffix(END.as_bytes()));
        let lines = lines.ok_or_else(|| wrong("it does not begin and end as one"))?;
        Signature::from_blob(&STANDARD.decode(unfold(lines)?).map_err(|_| wrong("its base64 is damaged"))?)
    }

    /// The armor, without a line feed at its end.
    pub fn armor(&self) -> String {
        let base64 = STANDARD.encode(self.to_blob());
        let mut armor = String::from(BEGIN);
        for (at, c) in base64.chars().enumerate() {
            if at > 0 && at % WIDTH == 0 {
                armor.push('\n');
            }
            armor.push(c);
        }
        armor + END
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

/// Lines of one length into one, the last of which may be shorter.
fn unfold(lines: &[u8]) -> Result<Vec<u8>, SignError> {
    let width = lines.iter().position(|&byte| byte == b'\n').unwrap_or(lines.len());
    let mut base64 = Vec::with_capacity(lines.len());
    let mut is_last = false;
    for line in lines.split(|&byte| byte == b'\n') {
        if is_last || line.is_empty() || line.len() > width {
            return Err(wrong("its lines are not of one length"));
        }
        is_last = line.len() < width;
        base64.extend_from_slice(line);
    }
    Ok(base64)
}

fn wrong(reason: &str) -> SignError {
    SignError::Malformed(reason.into())
}
