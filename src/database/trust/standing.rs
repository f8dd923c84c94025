//! How a commit stands: what is said of it, in a word that stays and in a sentence, and what a policy makes of that.

use std::fmt;

use crate::database::config::{Config, ConfigError};
use crate::object::{CommitId, Id};
use crate::sign::PublicKey;
use crate::tree::Key;

/// Why a commit can be relied on, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Standing {
    /// Signed by somebody who may, where the commit stands.
    Signed {
        /// Who, as the list has it; of an anchor's key, its fingerprint.
        principal: String,
        /// The key.
        key: PublicKey,
    },
    /// A merge commit that is what its parents make it: it needs no signature.
    Merge,
    /// One of the commits that `trust.anchor` names, or an ancestor of one.
    Pinned,
    /// Without a signature.
    Unsigned,
    /// With a signature that is not good.
    BadSignature {
        /// What is wrong with it.
        reason: String,
    },
    /// Signed with a key that nobody has vouched for where the commit stands.
    UnknownKey {
        /// The key, where the signature is of a kind that is read here.
        key: Option<PublicKey>,
        /// What is missing.
        reason: String,
    },
    /// Signed with a key that is known, by somebody who may not, or who might not then.
    NotAllowed {
        /// The key.
        key: PublicKey,
        /// Why not.
        reason: String,
    },
    /// Signed by somebody who may write some documents, with a change of others.
    OutsideClause {
        /// Who.
        principal: String,
        /// The key.
        key: PublicKey,
        /// The first of those documents; nothing where only folders are stored in another form than they must be.
        document: Option<Key>,
    },
    /// Signed with a key that was revoked.
    Revoked {
        /// The key.
        key: PublicKey,
        /// A commit that revoked it, where that is not an ancestor of this one.
        by: Option<CommitId>,
    },
    /// A merge commit that is not what its parents make it.
    WrongMerge {
        /// What they make; nothing where that is none.
        expected: Option<CommitId>,
        /// What is wrong.
        reason: String,
    },
}

impl Standing {
    /// The word for it, which stays the same in all versions.
    pub fn word(&self) -> &'static str {
        match self {
            Standing::Signed { .. } => "signed",
            Standing::Merge => "merge",
            Standing::Pinned => "pinned",
            Standing::Unsigned => "unsigned",
            Standing::BadSignature { .. } => "bad-signature",
            Standing::UnknownKey { .. } => "unknown-key",
            Standing::NotAllowed { .. } => "not-allowed",
            Standing::OutsideClause { .. } => "outside-clause",
            Standing::Revoked { .. } => "revoked",
            Standing::WrongMerge { .. } => "wrong-merge",
        }
    }

    /// Whether the commit can be relied on.
    pub fn is_trusted(&self) -> bool {
        matches!(self, Standing::Signed { .. } | Standing::Merge | Standing::Pinned)
    }

    /// Who signed, if the list knows.
    pub fn principal(&self) -> Option<&str> {
        match self {
            Standing::Signed { principal, .. } | Standing::OutsideClause { principal, .. } => Some(principal),
            _ => None,
        }
    }

    /// The key of a good signature.
    pub fn key(&self) -> Option<&PublicKey> {
        match self {
            Standing::Signed { key, .. }
            | Standing::NotAllowed { key, .. }
            | Standing::OutsideClause { key, .. }
            | Standing::Revoked { key, .. } => Some(key),
            Standing::UnknownKey { key, .. } => key.as_ref(),
            _ => None,
        }
    }

    /// Why the commit cannot be relied on, for people; nothing where it can, and where the word says it all.
    pub fn reason(&self) -> Option<String> {
        match self {
            Standing::Signed { .. } | Standing::Merge | Standing::Pinned | Standing::Unsigned => None,
            Standing::BadSignature { reason } | Standing::WrongMerge { reason, .. } => Some(reason.clone()),
            Standing::UnknownKey { key: None, reason } => Some(reason.clone()),
            Standing::UnknownKey { key: Some(key), reason } => Some(format!("{}: {reason}", key.fingerprint())),
            Standing::NotAllowed { reason, .. } => Some(reason.clone()),
            Standing::OutsideClause { principal, document: Some(key), .. } => {
                Some(format!("{principal} may not change {:?}", key.text()))
            }
            Standing::OutsideClause { principal, document: None, .. } => {
                Some(format!("{principal} may not store folders in another form than the format's"))
            }
            Standing::Revoked { key, by: None } => Some(format!("{} was revoked", key.fingerprint())),
            Standing::Revoked { key, by: Some(by) } => {
                Some(format!("{} was revoked by commit {by}, which does not descend from this one", key.fingerprint()))
            }
        }
    }
}

impl fmt::Display for Standing {
    /// The sentence for people: `signed by ann@farm`, `unsigned`, `bad signature: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Standing::Signed { principal, .. } = self {
            return write!(f, "signed by {principal}");
        }
        f.write_str(&self.word().replace('-', " "))?;
        match self.reason() {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// A commit, or an annotated tag, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The commit or the tag.
    pub id: Id,
    /// How it stands.
    pub standing: Standing,
}

/// What a database asks of commits: the setting `trust.require`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Require {
    /// No signatures; but a bad one fails, and so does a merge commit that is not what its parents make it.
    #[default]
    None,
    /// That every commit can be relied on.
    Signed,
}

impl Require {
    /// Reads the setting.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for anything but `none` and `signed`.
    pub fn from_config(config: &Config) -> Result<Require, ConfigError> {
        match config.get(REQUIRE) {
            None | Some("none") => Ok(Require::None),
            Some("signed") => Ok(Require::Signed),
            Some(value) => Err(ConfigError::Value {
                name: REQUIRE.to_owned(),
                value: value.to_owned(),
                expected: "none or signed",
            }),
        }
    }

    /// Whether a commit or a tag that stands so passes.
    pub fn accepts(self, standing: &Standing) -> bool {
        match self {
            Require::None => !matches!(standing, Standing::BadSignature { .. } | Standing::WrongMerge { .. }),
            Require::Signed => standing.is_trusted(),
        }
    }
}

const REQUIRE: &str = "trust.require";
