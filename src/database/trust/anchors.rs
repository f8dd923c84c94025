//! The anchors: what this copy of the database relies on where the history itself does not say whom to.
//!
//! They stand in the local configuration, in the setting `trust.anchor`, and are never taken from what comes in.

use std::collections::BTreeSet;
use std::fmt;

use super::seal::{Seal, seal};
use crate::database::Database;
use crate::database::config::{Config, ConfigError};
use crate::database::error::Result;
use crate::object::{CommitId, Kind, Objects};
use crate::sign::PublicKey;

/// The setting that holds the anchors, words separated by spaces.
const ANCHOR: &str = "trust.anchor";
/// How the fingerprint of a key begins.
const FINGERPRINT: &str = "SHA256:";

/// Keys that may sign where there is no list, and commits that are trusted with all their ancestors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    keys: BTreeSet<String>,
    commits: BTreeSet<CommitId>,
}

impl Anchors {
    /// Reads the setting `trust.anchor`: words separated by spaces, each the fingerprint of a key (`SHA256:…`) or the full
    /// id of a commit.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for any other word: an anchor that is misspelt is never passed over.
    pub fn from_config(config: &Config) -> Result<Anchors, ConfigError> {
        let mut anchors = Anchors::default();
        for word in config.get(ANCHOR).unwrap_or_default().split_whitespace() {
            anchors.add(word)?;
        }
        Ok(anchors)
    }

    /// The configuration with these anchors.
    ///
    /// # Errors
    /// As [`Config::with`].
    pub fn write_to(&self, config: &Config) -> Result<Config, ConfigError> {
        match self.is_empty() {
            true => Ok(config.without(ANCHOR)?.unwrap_or_else(|| config.clone())),
            false => config.with(ANCHOR, &self.to_string()),
        }
    }

    /// Adds a word of the setting; answers whether it is new.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is none.
    pub fn add(&mut self, word: &str) -> Result<bool, ConfigError> {
        let is_hash = |hash: &str| {
            // 32 bytes in base64, without the padding.
            hash.len() == 43 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        };
        if word.strip_prefix(FINGERPRINT).is_some_and(is_hash) {
            return Ok(self.keys.insert(word.to_owned()));
        }
        let expected = "the fingerprint of a key (SHA256:…) or the full id of a commit";
        let wrong = || ConfigError::Value { name: ANCHOR.to_owned(), value: word.to_owned(), expected };
        Ok(self.commits.insert(CommitId(word.parse().map_err(|_| wrong())?)))
    }

    /// Removes a word of the setting; answers whether it was there.
    pub fn remove(&mut self, word: &str) -> bool {
        let is_commit = word.parse().is_ok_and(|id| self.commits.remove(&CommitId(id)));
        is_commit || self.keys.remove(word)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.commits.is_empty()
    }

    /// Adds a key.
    pub fn add_key(&mut self, key: &PublicKey) {
        self.keys.insert(key.fingerprint());
    }

    /// The commits.
    pub fn commits(&self) -> impl Iterator<Item = CommitId> {
        self.commits.iter().copied()
    }

    /// The fingerprints of the keys.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }

    /// Whether a key is one of them.
    pub fn has_key(&self, key: &PublicKey) -> bool {
        self.keys.contains(&key.fingerprint())
    }
}

impl fmt::Display for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> =
            self.keys.iter().cloned().chain(self.commits.iter().map(ToString::to_string)).collect();
        f.write_str(&words.join(" "))
    }
}

impl Database {
    /// The anchors of this copy.
    ///
    /// # Errors
    /// As [`Anchors::from_config`].
    pub fn anchors(&self) -> Result<Anchors, ConfigError> {
        Anchors::from_config(self.config())
    }

    /// The one key that has signed all first commits of a history: what can be pinned on first use. Nothing where it is
    /// not sure: where a first commit has no good signature, where there are several keys, and where there is no commit.
    ///
    /// # Errors
    /// When a commit cannot be read.
    pub fn key_of_roots(&self, heads: &[CommitId]) -> Result<Option<PublicKey>> {
        let mut lineage = self.lineage()?;
        let places = heads.iter().map(|head| lineage.place(*head)).collect();
        let mut found: Option<PublicKey> = None;
        for root in lineage.roots(places)? {
            let body = self.store().require(root.0, Kind::Commit)?;
            match seal(Kind::Commit, &body) {
                Seal::Good(key) if found.as_ref().is_none_or(|found| *found == key) => found = Some(key),
                _ => return Ok(None),
            }
        }
        Ok(found)
    }
}
