//! What git signed, cut out of the stored bytes of a commit or a tag.

use super::{HEADER, NAMESPACE, SignError, Signature};
use crate::object::Kind;

/// How signatures begin, of all kinds that git knows: the last such line of a tag is where its signature is.
const MARKS: [&[u8]; 4] = [
    b"-----BEGIN SSH SIGNATURE-----",
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
];

/// An object with a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What was signed.
    pub payload: Vec<u8>,
    /// The signature as it is stored, for [`Signature::parse`](super::Signature::parse); it may be of a kind that is
    /// not read here.
    pub armor: Vec<u8>,
}

/// Cuts the exact stored bytes of an object, as git does in a SHA-256 repository: a commit's signature is its header
/// `gpgsig-sha256`, a tag's is the end of its message. The header `gpgsig` is what the same object has as its signature
/// where ids are SHA-1; it is not signed. `None`: there is no signature.
pub fn split(kind: Kind, body: &[u8]) -> Option<Signed> {
    match kind {
        Kind::Commit => {
            let (payload, armor) = without_headers(body);
            armor.map(|armor| Signed { payload, armor })
        }
        Kind::Tag => {
            let mut at = 0;
            let mut found = None;
            for line in body.split_inclusive(|&byte| byte == b'\n') {
                if MARKS.iter().any(|mark| line.starts_with(mark)) {
                    found = Some(at);
                }
                at += line.len();
            }
            let (signed, armor) = body.split_at(found?);
            Some(Signed { payload: without_headers(signed).0, armor: armor.to_vec() })
        }
        Kind::Tree | Kind::Blob => None,
    }
}

/// The signature of an object's exact stored bytes, once it is verified; `None` where there is none. Whether its key may
/// sign is not asked.
///
/// # Errors
/// Also for a signature that git accepts, where it is not stored as git and isodb store it. A payload and a signature make
/// one object only: else anybody could make a second commit of somebody's signed one, with another id, and what it
/// does would count twice.
pub fn verified(kind: Kind, body: &[u8]) -> Result<Option<Signature>, SignError> {
    let Some(Signed { payload, armor }) = split(kind, body) else { return Ok(None) };
    let signature = Signature::parse(&armor)?;
    if join(kind, &payload, &signature) != body {
        return Err(SignError::Malformed("it is not stored in the one way that is accepted".into()));
    }
    signature.verify(NAMESPACE, &payload)?;
    Ok(Some(signature))
}

/// The object of what was signed and its signature, as git makes it: a commit's is its last header.
fn join(kind: Kind, payload: &[u8], signature: &Signature) -> Vec<u8> {
    let armor = signature.armor();
    let mut body = payload.to_vec();
    if kind == Kind::Commit {
        let end = payload.windows(2).position(|two| two == b"\n\n").map_or(payload.len(), |at| at + 1);
        let header = format!("{HEADER} {}\n", armor.replace('\n', "\n "));
        body.splice(end..end, header.into_bytes());
    } else {
        body.extend_from_slice(armor.as_bytes());
        body.push(b'\n');
    }
    body
}

/// The bytes without the headers of signatures, and the values of those that are ours, one after the other, each line
/// with its end: two headers, or lines that were added, are never one good signature.
fn without_headers(body: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    #[derive(PartialEq)]
    enum In {
        Ours,
        Other,
        Payload,
    }
    let mut payload = Vec::with_capacity(body.len());
    let mut armor: Option<Vec<u8>> = None;
    let mut place = In::Payload;
    let mut rest = body;
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at(end);
        if line == b"\n" {
            payload.extend_from_slice(rest);
            break;
        }
        let mut value = line.strip_prefix(b" ");
        if value.is_none() {
            let header = |name: &[u8]| line.strip_prefix(name).and_then(|line| line.strip_prefix(b" "));
            value = header(HEADER.as_bytes());
            place = match (value.is_some(), header(b"gpgsig").is_some()) {
                (true, _) => In::Ours,
                (false, true) => In::Other,
                (false, false) => In::Payload,
            };
        }
        match place {
            In::Ours => armor.get_or_insert_default().extend_from_slice(value.unwrap_or(line)),
            In::Other => {}
            In::Payload => payload.extend_from_slice(line),
        }
        rest = after;
    }
    (payload, armor)
}
