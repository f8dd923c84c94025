//! What can be wrong with keys, signatures and agents, in one sentence each.

/// Why a key cannot be used, or a signature is not good.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// A text is no public key.
    #[error("not a public key: {0}")]
    PublicKey(String),
    /// A file is no private key that can be read.
    #[error("not a private key: {0}")]
    PrivateKey(String),
    /// A private key is in a form that only other programs read.
    #[error(
        "the private key is in the PEM form, which is not read here; ssh-keygen -p -f FILE turns it into OpenSSH's"
    )]
    Pem,
    /// A private key needs its passphrase first.
    #[error("the private key is locked with a passphrase")]
    Locked,
    /// A passphrase does not open a private key.
    #[error("the passphrase does not open the private key")]
    Passphrase,
    /// A kind of key, of signature or of hash that is not known here, or not for this.
    #[error("{0} cannot be used here")]
    Unsupported(String),
    /// Bytes are no SSH signature.
    #[error("not an SSH signature: {0}")]
    Malformed(String),
    /// A signature is for something else than it is used for.
    #[error("the signature is for {found:?}, not for {wanted:?}")]
    Namespace {
        /// What it says that it is for.
        found: String,
        /// What it should be for.
        wanted: String,
    },
    /// A signature does not belong to the message and the key.
    #[error("the signature does not match what it signs")]
    Mismatch,
    /// A signature of a security key that nobody touched.
    #[error("the signature was made without touching the security key")]
    Untouched,
    /// A certificate cannot be relied on.
    #[error("the certificate is no good: {0}")]
    Certificate(String),
    /// An allowed signer cannot be written as a line.
    #[error("not an allowed signer: {0}")]
    Signer(String),
    /// Another program was to sign, and did not.
    #[error("{0}")]
    Program(String),
    /// There is no agent, or it does not do what it should.
    #[error("ssh-agent: {0}")]
    Agent(String),
}
