//! Who may sign: the file `allowed_signers` of OpenSSH, with two forms of comments of our own.
//!
//! A line that cannot be used allows nothing; it is kept as it is, and named as a problem. Lines that nobody touches keep
//! their bytes.

mod line;
mod pattern;
mod time;

pub use line::AllowedSigner;

use self::line::Line;
use self::pattern::matching;
use super::{PublicKey, SignError};

/// A list of those who may sign.
#[derive(Clone, Debug, Default)]
pub struct AllowedSigners {
    lines: Vec<(Vec<u8>, Line)>,
}

/// What a list says of a signature that is good in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Judgement {
    /// The key may sign this.
    Allowed {
        /// The pattern that the identity matches: mostly the identity itself.
        principal: String,
        /// The patterns of the keys whose documents it may change; `None`: of every document.
        keys: Option<Vec<String>>,
    },
    /// The key is not in the list, nor is a certificate's authority.
    UnknownKey,
    /// The key may sign, but for others.
    OtherPrincipal {
        /// Their patterns, as they stand in the list.
        principals: String,
    },
    /// The key may sign, but other things.
    OtherNamespace,
    /// The key was not valid then.
    NotValidThen {
        /// When it is valid from on, in seconds since 1970.
        after: Option<i64>,
        /// The last second in which it is valid.
        before: Option<i64>,
    },
    /// The key's certificate does not let it sign this.
    Certificate {
        /// Why.
        reason: String,
    },
    /// The key is revoked.
    Revoked,
}

impl Judgement {
    /// The higher, the closer a line came to allowing the signature.
    fn rank(&self) -> u8 {
        match self {
            Judgement::UnknownKey => 0,
            Judgement::OtherPrincipal { .. } => 1,
            Judgement::Certificate { .. } => 2,
            Judgement::OtherNamespace => 3,
            Judgement::NotValidThen { .. } => 4,
            Judgement::Allowed { .. } | Judgement::Revoked => 5,
        }
    }
}

impl AllowedSigners {
    /// Reads a list. It never fails: see [`AllowedSigners::problems`].
    pub fn parse(text: &[u8]) -> AllowedSigners {
        let lines = text.split_inclusive(|&byte| byte == b'\n');
        AllowedSigners { lines: lines.map(|line| (line.to_vec(), Line::parse(line))).collect() }
    }

    /// The lines that cannot be used, by their numbers from 1 on, and why.
    pub fn problems(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines.iter().enumerate().filter_map(|(at, (_, line))| match line {
            Line::Problem(reason) => Some((at + 1, reason.as_str())),
            _ => None,
        })
    }

    /// Those who may sign, in the order of their lines.
    pub fn entries(&self) -> impl Iterator<Item = &AllowedSigner> {
        self.numbered().map(|(_, signer)| signer)
    }

    /// The same, each with its line's number from 1 on.
    pub fn numbered(&self) -> impl Iterator<Item = (usize, &AllowedSigner)> {
        self.lines.iter().enumerate().filter_map(|(at, (_, line))| match line {
            Line::Signer(signer) => Some((at + 1, &**signer)),
            _ => None,
        })
    }

    /// The keys that are revoked, each with what is said of it.
    pub fn revoked(&self) -> impl Iterator<Item = (&PublicKey, &str)> {
        self.lines.iter().filter_map(|(_, line)| match line {
            Line::Revoked(key, comment) => Some((key, comment.as_str())),
            _ => None,
        })
    }

    /// Whether a key, or a certificate's key or authority, is revoked.
    pub fn is_revoked(&self, key: &PublicKey) -> bool {
        let of = key.certificate().map(|certificate| (certificate.key(), certificate.authority()));
        self.revoked().any(|(revoked, _)| {
            revoked == key || of.is_some_and(|(key, authority)| revoked == key || revoked == authority)
        })
    }

    /// Adds a line at the end. [`SignError::Signer`] if no line says just that.
    pub fn add(&mut self, signer: AllowedSigner) -> Result<(), SignError> {
        let text = signer.to_string();
        match Line::parse(text.as_bytes()) {
            Line::Signer(read) if *read == signer => self.push(text),
            Line::Problem(reason) => return Err(SignError::Signer(reason)),
            _ => return Err(SignError::Signer("its texts cannot stand in a line".into())),
        }
        Ok(())
    }

    /// Adds a line that revokes a key, if it is not revoked yet. [`SignError::Signer`] if the comment is not a line.
    pub fn revoke(&mut self, key: &PublicKey, comment: &str) -> Result<(), SignError> {
        if self.revoked().any(|(revoked, _)| revoked == key) {
            return Ok(());
        }
        let text = line::revocation(key, comment);
        match Line::parse(text.as_bytes()) {
            Line::Revoked(..) => self.push(text),
            _ => return Err(SignError::Signer("its comment is not a line".into())),
        }
        Ok(())
    }

    fn push(&mut self, text: String) {
        if let Some((last, _)) = self.lines.last_mut()
            && !last.ends_with(b"\n")
        {
            last.push(b'\n');
        }
        let text = (text + "\n").into_bytes();
        let line = Line::parse(&text);
        self.lines.push((text, line));
    }

    /// Removes the lines of some who may sign, and gives what they said.
    pub fn remove(&mut self, which: impl Fn(&AllowedSigner) -> bool) -> Vec<AllowedSigner> {
        let mut removed = Vec::new();
        self.lines.retain(|(_, line)| match line {
            Line::Signer(signer) if which(signer) => {
                removed.push((**signer).clone());
                false
            }
            _ => true,
        });
        removed
    }

    /// The list as it is stored.
    pub fn to_text(&self) -> Vec<u8> {
        self.lines.iter().flat_map(|(text, _)| text).copied().collect()
    }

    /// What the list says of a signature by `key` for a namespace. `identity` is the e-mail of who signed, `time` is
    /// when, in seconds since 1970. Of several lines that allow it, what any of them allows is allowed. The signature
    /// itself is not looked at.
    pub fn judge(&self, key: &PublicKey, namespace: &str, identity: &str, time: i64) -> Judgement {
        if self.is_revoked(key) {
            return Judgement::Revoked;
        }
        let mut best = Judgement::UnknownKey;
        for signer in self.entries().filter(|signer| signer.names(key)) {
            match (signer.judge(key, namespace, identity, time), &mut best) {
                (Judgement::Allowed { keys: more, .. }, Judgement::Allowed { keys, .. }) => {
                    *keys = keys.take().zip(more).map(|(mut keys, more)| {
                        keys.extend(more);
                        keys
                    });
                }
                (judgement, best) if judgement.rank() > best.rank() => *best = judgement,
                _ => {}
            }
        }
        best
    }
}

impl AllowedSigner {
    /// Whether the line is about this key.
    fn names(&self, key: &PublicKey) -> bool {
        match key.certificate() {
            Some(certificate) if self.cert_authority => self.key == *certificate.authority(),
            _ => !self.cert_authority && self.key == *key,
        }
    }

    /// What the line says of a key that it is about.
    fn judge(&self, key: &PublicKey, namespace: &str, identity: &str, time: i64) -> Judgement {
        let Some(principal) = matching(&self.principals, identity) else {
            return Judgement::OtherPrincipal { principals: self.principals.clone() };
        };
        if let Some(certificate) = key.certificate().filter(|_| self.cert_authority)
            && let Err(error) = certificate.check(identity, time)
        {
            return Judgement::Certificate { reason: error.to_string() };
        }
        if self.namespaces.as_ref().is_some_and(|namespaces| matching(namespaces, namespace).is_none()) {
            return Judgement::OtherNamespace;
        }
        let (after, before) = (self.valid_after, self.valid_before);
        if after.is_some_and(|after| time < after) || before.is_some_and(|before| time > before) {
            return Judgement::NotValidThen { after, before };
        }
        let keys = (!self.keys.is_empty()).then(|| self.keys.clone());
        Judgement::Allowed { principal: principal.to_owned(), keys }
    }
}
