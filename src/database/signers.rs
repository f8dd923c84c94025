//! The document that says who may sign: where it is, and that nothing is stored there that would not count.

use super::error::{Error, Result};
use crate::merge::Pattern;
use crate::object::{BlobId, Objects};
use crate::sign::AllowedSigners;
use crate::store::Store;
use crate::tree::Key;

/// The document's key.
const KEY: &str = "_isodb/trust/allowed_signers";

/// The longest list that is read, in bytes: 1 MiB.
pub(super) const MAX_LEN: u64 = 1 << 20;

/// The key of the document that says who may sign.
pub fn signers_key() -> Key {
    KEY.parse().expect("it is a key")
}

/// The lines of a list that allow nothing, by their numbers from 1 on, and why: those that OpenSSH does not understand
/// either, and those with a clause `keys=` that is no pattern.
pub fn signer_problems(list: &AllowedSigners) -> Vec<(usize, String)> {
    let mut problems: Vec<_> = list.problems().map(|(line, reason)| (line, reason.to_owned())).collect();
    for (line, signer) in list.numbered() {
        let wrong = signer.keys.iter().find_map(|keys| keys.parse::<Pattern>().err());
        problems.extend(wrong.map(|error| (line, error.to_string())));
    }
    problems.sort_by_key(|(line, _)| *line);
    problems
}

/// Whether it is the document's key.
pub(super) fn is_list(key: &Key) -> bool {
    key.path().strip_suffix('/') == Some(KEY)
}

/// Makes sure that every line of a new list counts.
///
/// # Errors
/// [`Error::Signers`] with the first line that does not; [`Error::Invalid`] for what is too long to be a list.
pub(super) fn check(store: &Store, list: BlobId) -> Result<()> {
    if store.header(list.0)?.is_some_and(|(_, size)| size > MAX_LEN) {
        return Err(Error::Invalid(format!("{KEY} can have at most {MAX_LEN} bytes")));
    }
    let list = AllowedSigners::parse(&store.blob(list)?);
    match signer_problems(&list).into_iter().next() {
        None => Ok(()),
        Some((line, reason)) => Err(Error::Signers { line, reason }),
    }
}
