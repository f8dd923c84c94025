//! Public keys, as the lines that OpenSSH keeps them in, and as the bytes that signatures name them by.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

use super::certificate::{self, Certificate};
use super::maths::Curve;
use super::wire::Reader;
use super::{SignError, maths};

/// The longest key that is read, in bytes: a certificate with a long list of names.
const MAX_KEY: usize = 64 * 1024;

/// A public key of SSH, or a certificate that holds one. Two are equal when their bytes are.
#[derive(Clone)]
pub struct PublicKey {
    blob: Arc<[u8]>,
    kind: &'static str,
    pub(super) material: Material,
}

/// What verifies signatures.
#[derive(Clone)]
pub(super) enum Material {
    Ed25519([u8; 32]),
    Ecdsa(Curve, Arc<[u8]>),
    /// The modulus and the exponent.
    Rsa(Arc<[u8]>, Arc<[u8]>),
    /// A security key, and the hash of the application that it was made for.
    SecurityEd25519([u8; 32], [u8; 32]),
    SecurityP256(Arc<[u8]>, [u8; 32]),
    Certificate(Arc<Certificate>),
}

/// The kinds of keys; each has a kind of certificate as well.
const KINDS: [(&str, &str); 7] = [
    ("ssh-ed25519", "ssh-ed25519-cert-v01@openssh.com"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256-cert-v01@openssh.com"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384-cert-v01@openssh.com"),
    ("ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521-cert-v01@openssh.com"),
    ("ssh-rsa", "ssh-rsa-cert-v01@openssh.com"),
    ("sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519-cert-v01@openssh.com"),
    ("sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com"),
];

/// Whether a word is the name of a kind of keys.
pub(super) fn is_kind(word: &str) -> bool {
    KINDS.iter().any(|(plain, certificate)| word == *plain || word == *certificate)
}

impl PublicKey {
    /// Reads `TYPE BASE64 [COMMENT]`, as in a `.pub` file, with at most a line end behind it.
    pub fn parse(line: &str) -> Result<PublicKey, SignError> {
        let line = line.strip_suffix('\n').unwrap_or(line).trim_end_matches('\r');
        if line.contains(['\n', '\r', '\0']) {
            return Err(wrong("it is not one line"));
        }
        PublicKey::parse_start(line.trim_start_matches([' ', '\t'])).map(|(key, _)| key)
    }

    /// Reads a key at the start of a text; gives the comment behind it too.
    pub(super) fn parse_start(text: &str) -> Result<(PublicKey, &str), SignError> {
        let (kind, rest) = text.split_once([' ', '\t']).ok_or_else(|| wrong("it is not a type and a key"))?;
        if !is_kind(kind) {
            return Err(match kind.chars().all(|c| c.is_ascii_graphic()) && kind.len() < 64 {
                true => SignError::Unsupported(format!("a key of the type {kind}")),
                false => wrong("it is not a type and a key"),
            });
        }
        let rest = rest.trim_start_matches([' ', '\t']);
        let end = rest.find([' ', '\t']).unwrap_or(rest.len());
        let blob = STANDARD.decode(&rest[..end]).map_err(|_| wrong("its base64 is damaged"))?;
        let key = PublicKey::from_blob(&blob)?;
        if key.kind != kind {
            return Err(wrong("it is of another type than it says"));
        }
        Ok((key, rest[end..].trim_matches([' ', '\t'])))
    }

    /// Reads the bytes of a key, as signatures and agents hold them.
    pub fn from_blob(blob: &[u8]) -> Result<PublicKey, SignError> {
        PublicKey::read(blob, true)
    }

    /// As [`PublicKey::from_blob`]; a certificate only if it may be one, so that none is inside of another.
    pub(super) fn read(blob: &[u8], certificates: bool) -> Result<PublicKey, SignError> {
        if blob.len() > MAX_KEY {
            return Err(wrong("it is too long"));
        }
        let mut reader = Reader::new(blob);
        let name = reader.text().ok_or_else(|| wrong("it does not say its type"))?;
        if let Some((plain, _)) = KINDS.iter().find(|(plain, _)| name == *plain) {
            let material = Material::read(plain, &mut reader).and_then(|material| reader.end().map(|()| material));
            let material = material.ok_or_else(|| wrong("its bytes are damaged"))?;
            return Ok(PublicKey { blob: blob.into(), kind: plain, material });
        }
        match KINDS.iter().find(|(_, certificate)| name == *certificate) {
            Some((plain, kind)) if certificates => {
                let certificate = certificate::read(blob, plain, reader)?;
                Ok(PublicKey { blob: blob.into(), kind, material: Material::Certificate(Arc::new(certificate)) })
            }
            Some((_, kind)) => Err(SignError::Unsupported(format!("a {kind} inside of a certificate"))),
            None if name.len() < 64 && name.chars().all(|c| c.is_ascii_graphic()) => {
                Err(SignError::Unsupported(format!("a key of the type {name}")))
            }
            None => Err(wrong("it does not say its type")),
        }
    }

    /// The bytes.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// The type, such as `ssh-ed25519`.
    pub fn kind(&self) -> &str {
        self.kind
    }

    /// What names the key to people: `SHA256:…`, as `ssh-keygen -l` shows it; a certificate has its key's.
    pub fn fingerprint(&self) -> String {
        let blob = self.certificate().map_or(self.blob(), |certificate| certificate.key().blob());
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
    }

    /// The certificate, if it is one.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.material {
            Material::Certificate(certificate) => Some(certificate),
            _ => None,
        }
    }
}

impl Material {
    /// Reads what follows the type's name.
    pub(super) fn read(kind: &str, reader: &mut Reader<'_>) -> Option<Material> {
        let material = match kind {
            "ssh-ed25519" => Material::Ed25519(reader.string()?.try_into().ok()?),
            "ssh-rsa" => {
                let exponent = reader.positive()?.into();
                Material::Rsa(reader.positive()?.into(), exponent)
            }
            "sk-ssh-ed25519@openssh.com" => {
                let key = reader.string()?.try_into().ok()?;
                Material::SecurityEd25519(key, Sha256::digest(reader.string()?).into())
            }
            "sk-ecdsa-sha2-nistp256@openssh.com" => {
                let point = Material::point(Curve::P256, reader)?;
                Material::SecurityP256(point, Sha256::digest(reader.string()?).into())
            }
            _ => {
                let curve = Curve::ALL.into_iter().find(|curve| kind == curve.algorithm())?;
                Material::Ecdsa(curve, Material::point(curve, reader)?)
            }
        };
        Some(material)
    }

    fn point(curve: Curve, reader: &mut Reader<'_>) -> Option<Arc<[u8]>> {
        let name = reader.text()?;
        let point = reader.string()?;
        (curve.algorithm().strip_prefix("ecdsa-sha2-") == Some(name) && maths::is_point(curve, point))
            .then(|| point.into())
    }
}

fn wrong(reason: &str) -> SignError {
    SignError::PublicKey(reason.into())
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, STANDARD.encode(&self.blob))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &PublicKey) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &PublicKey) -> Ordering {
        self.blob.cmp(&other.blob)
    }
}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &PublicKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
