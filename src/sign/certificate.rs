//! Certificates: a key, the names that it stands for and until when, signed by the key of an authority.

use super::key::{Material, PublicKey};
use super::wire::Reader;
use super::{SignError, maths};

/// In a certificate: it is for people, not for hosts.
const FOR_USERS: u32 = 1;

/// A certificate of OpenSSH's. Its authority's signature was verified when it was read.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: PublicKey,
    authority: PublicKey,
    is_for_users: bool,
    id: String,
    principals: Vec<String>,
    valid_after: u64,
    valid_before: u64,
    has_critical_options: bool,
}

impl Certificate {
    /// The key that signs.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// The authority's key.
    pub fn authority(&self) -> &PublicKey {
        &self.authority
    }

    /// What the authority calls it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The names that the key stands for.
    pub fn principals(&self) -> &[String] {
        &self.principals
    }

    /// Whether it lets its key sign for `identity` at `time`, in seconds since 1970. Else [`SignError::Certificate`].
    /// A certificate that names nobody is for nobody, and one with critical options is refused: they limit logins, and
    /// whether they hold cannot be told of a signature.
    pub fn check(&self, identity: &str, time: i64) -> Result<(), SignError> {
        let refuse = |reason: &str| Err(SignError::Certificate(reason.into()));
        if !self.is_for_users {
            return refuse("it is a host's");
        }
        if self.has_critical_options {
            return refuse("it has critical options");
        }
        // Before 1970 no certificate is valid: OpenSSH has no such times.
        let Ok(time) = u64::try_from(time) else { return refuse("it is not valid yet") };
        if time < self.valid_after {
            return refuse("it is not valid yet");
        }
        if time >= self.valid_before {
            return refuse("it has expired");
        }
        if self.principals.is_empty() {
            return refuse("it names nobody");
        }
        if !self.principals.iter().any(|principal| principal == identity) {
            return refuse("it is for others");
        }
        Ok(())
    }
}

/// Reads a certificate of keys of the type `plain`, from behind its own type's name.
pub(super) fn read(blob: &[u8], plain: &'static str, mut reader: Reader<'_>) -> Result<Certificate, SignError> {
    let damaged = || SignError::PublicKey("its bytes are damaged".into());
    reader.string().ok_or_else(damaged)?;
    let start = reader.rest();
    let material = Material::read(plain, &mut reader).ok_or_else(damaged)?;
    let fields = &start[..start.len() - reader.rest().len()];
    drop(material);
    let mut key = Vec::with_capacity(plain.len() + 4 + fields.len());
    super::wire::put_string(&mut key, plain.as_bytes());
    key.extend_from_slice(fields);
    let mut fields = || {
        let _serial = reader.u64()?;
        let kind = reader.u32()?;
        let id = reader.text()?.to_owned();
        let principals = strings(reader.string()?)?;
        let valid = (reader.u64()?, reader.u64()?);
        let has_critical_options = !reader.string()?.is_empty();
        let _extensions = reader.string()?;
        let _reserved = reader.string()?;
        Some((kind, id, principals, valid, has_critical_options, reader.string()?))
    };
    let (kind, id, principals, (valid_after, valid_before), has_critical_options, authority) =
        fields().ok_or_else(damaged)?;
    let signed = &blob[..blob.len() - reader.rest().len()];
    let signature = reader.string().ok_or_else(damaged)?;
    reader.end().ok_or_else(damaged)?;
    let key = PublicKey::read(&key, false)?;
    let authority = PublicKey::read(authority, false)?;
    maths::verify(&authority, signature, signed)
        .map_err(|error| SignError::Certificate(format!("its authority's signature: {error}")))?;
    let is_for_users = kind == FOR_USERS;
    Ok(Certificate { key, authority, is_for_users, id, principals, valid_after, valid_before, has_critical_options })
}

/// Strings one after the other, up to the end.
fn strings(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(bytes);
    let mut strings = Vec::new();
    while reader.end().is_none() {
        strings.push(reader.text()?.to_owned());
    }
    Some(strings)
}
