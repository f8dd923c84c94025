//! SSH signatures: keys, what git stores of a signature, and who may sign.
//!
//! Bytes in, values out: no files, no environment, no clock; the socket of an ssh-agent is the only thing that is talked
//! to. What cannot be verified is an error that says so and never "good". Private keys of Ed25519 and P-256 sign in this
//! process; signatures of every kind that OpenSSH makes are verified.

mod agent;
mod allowed;
mod armor;
mod certificate;
mod error;
mod key;
mod maths;
mod openssh;
mod private;
mod split;
mod sshsig;
mod wire;

#[cfg(test)]
mod tests;

use std::fmt;

pub use agent::{Agent, AgentKey};
pub use allowed::{AllowedSigner, AllowedSigners, Judgement};
pub use certificate::Certificate;
pub use error::SignError;
pub use key::PublicKey;
pub use private::PrivateKey;
pub use split::{Signed, split, verified};
pub use sshsig::Signature;

/// What a signature of git's says that it is for.
pub const NAMESPACE: &str = "git";

/// The header of a commit in which git keeps its signature, in a SHA-256 repository.
pub const HEADER: &str = "gpgsig-sha256";

/// Somebody who signs: a private key, a key that an agent holds, or what a program makes of another.
pub trait Signer: fmt::Debug + Send + Sync {
    /// The key that its signatures name.
    fn public_key(&self) -> &PublicKey;

    /// Signs a message for a namespace; for commits and tags that is [`NAMESPACE`].
    fn sign(&self, namespace: &str, message: &[u8]) -> Result<Signature, SignError>;
}
