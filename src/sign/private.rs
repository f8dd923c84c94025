//! Private keys, in the files that OpenSSH keeps them in.
//!
//! Ed25519 and P-256 sign in this process. Of the other kinds a file tells the public key, with which an agent can be
//! asked.

use std::fmt;

use p256::ecdsa::signature::Signer as _;
use sha2::{Digest as _, Sha256};
use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData};
use ssh_key::{Cipher, Kdf, LineEnding};
use zeroize::Zeroizing;

use super::wire::{put_positive, put_string};
use super::{PublicKey, SignError, Signature, Signer};

/// The longest file that is read, in bytes: an RSA key of 16,384 bits needs some 13,000.
const MAX_FILE: usize = 64 * 1024;

/// How often a passphrase is hashed for a new key, as OpenSSH does by default.
const ROUNDS: u32 = 24;

/// The most rounds that a file may ask for: about a minute.
const MAX_ROUNDS: u32 = 10_000;

/// A private key, perhaps locked with a passphrase.
pub struct PrivateKey {
    inner: ssh_key::PrivateKey,
    public: PublicKey,
}

impl PrivateKey {
    /// A new Ed25519 key. The caller has the randomness, and shares it with nobody. What is not text in the comment
    /// becomes spaces.
    pub fn generate(seed: [u8; 32], comment: &str) -> PrivateKey {
        let seed = Zeroizing::new(seed);
        let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let inner = ssh_key::PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed)), comment.trim());
        PrivateKey::wrap(inner.expect("an Ed25519 key is not encrypted")).expect("a key that was just made is whole")
    }

    /// Reads a file of OpenSSH's form. [`SignError::Pem`] for those of other programs.
    pub fn parse(file: &[u8]) -> Result<PrivateKey, SignError> {
        let wrong = |reason: &str| SignError::PrivateKey(reason.into());
        if file.len() > MAX_FILE {
            return Err(wrong("the file is too long"));
        }
        let text = file.trim_ascii_start();
        if !text.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----") {
            let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
            return Err(match first.starts_with(b"-----BEGIN ") && first.ends_with(b"PRIVATE KEY-----") {
                true => SignError::Pem,
                false => wrong("the file does not begin as one of OpenSSH's"),
            });
        }
        let inner = ssh_key::PrivateKey::from_openssh(text)
            .map_err(|_| wrong("the file is damaged, or of a kind that is not known"))?;
        PrivateKey::wrap(inner)
    }

    fn wrap(inner: ssh_key::PrivateKey) -> Result<PrivateKey, SignError> {
        let damaged = || SignError::PrivateKey("the file is damaged".into());
        let public = PublicKey::from_blob(&inner.public_key().to_bytes().map_err(|_| damaged())?)?;
        let key = PrivateKey { inner, public };
        if key.can_sign() {
            // The two halves must belong together, or signatures would name a key that did not make them.
            let signature = key.sign("isodb", b"")?;
            signature.verify("isodb", b"").map_err(|_| damaged())?;
        }
        Ok(key)
    }

    /// Whether it must be decrypted before it signs.
    pub fn is_encrypted(&self) -> bool {
        self.inner.is_encrypted()
    }

    /// The key, unlocked. [`SignError::Passphrase`] if that is not its passphrase.
    pub fn decrypt(&self, passphrase: &[u8]) -> Result<PrivateKey, SignError> {
        if let Kdf::Bcrypt { rounds, .. } = self.inner.kdf()
            && *rounds > MAX_ROUNDS
        {
            return Err(SignError::PrivateKey(format!(
                "its passphrase is hashed {rounds} times, and {MAX_ROUNDS} is the limit"
            )));
        }
        match self.is_encrypted() {
            true => PrivateKey::wrap(self.inner.decrypt(passphrase).map_err(|_| SignError::Passphrase)?),
            false => PrivateKey::wrap(self.inner.clone()),
        }
    }

    /// The key, locked with a passphrase. The salt is random, and made for this.
    pub fn encrypt(&self, passphrase: &[u8], salt: [u8; 16]) -> Result<PrivateKey, SignError> {
        if passphrase.is_empty() || self.is_encrypted() {
            return Err(SignError::PrivateKey("it is locked already, or the passphrase is empty".into()));
        }
        let check = Sha256::digest(salt);
        let check = u32::from_be_bytes([check[0], check[1], check[2], check[3]]);
        let kdf = Kdf::Bcrypt { salt: salt.to_vec(), rounds: ROUNDS };
        let inner = self.inner.encrypt_with(Cipher::Aes256Ctr, kdf, check, passphrase);
        PrivateKey::wrap(inner.map_err(|_| SignError::PrivateKey("it cannot be locked".into()))?)
    }

    /// The other half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// What its owner calls it; a locked key does not say.
    pub fn comment(&self) -> &str {
        self.inner.comment()
    }

    /// Whether it signs here and now: it is of Ed25519 or P-256, and not locked.
    pub fn can_sign(&self) -> bool {
        matches!(self.inner.key_data(), KeypairData::Ed25519(_) | KeypairData::Ecdsa(EcdsaKeypair::NistP256 { .. }))
    }

    /// The file to keep it in.
    pub fn to_openssh(&self) -> Zeroizing<String> {
        self.inner.to_openssh(LineEnding::LF).expect("a key that was read or made can be written")
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, namespace: &str, message: &[u8]) -> Result<Signature, SignError> {
        let damaged = || SignError::PrivateKey("the file is damaged".into());
        Signature::make(&self.public, namespace, message, |data| {
            let mut blob = Vec::new();
            match self.inner.key_data() {
                KeypairData::Ed25519(pair) => {
                    let key = ed25519_dalek::SigningKey::from_bytes(&Zeroizing::new(pair.private.to_bytes()));
                    put_string(&mut blob, b"ssh-ed25519");
                    put_string(&mut blob, &key.sign(data).to_bytes());
                }
                KeypairData::Ecdsa(EcdsaKeypair::NistP256 { private, .. }) => {
                    let key = p256::ecdsa::SigningKey::from_slice(private.as_slice()).map_err(|_| damaged())?;
                    let signature: p256::ecdsa::Signature = key.try_sign(data).map_err(|_| damaged())?;
                    let (r, s) = signature.split_bytes();
                    let mut numbers = Vec::new();
                    put_positive(&mut numbers, &r);
                    put_positive(&mut numbers, &s);
                    put_string(&mut blob, b"ecdsa-sha2-nistp256");
                    put_string(&mut blob, &numbers);
                }
                KeypairData::Encrypted(_) => return Err(SignError::Locked),
                _ => return Err(SignError::Unsupported(format!("a private key of the type {}", self.public.kind()))),
            }
            Ok(blob)
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.fingerprint())
    }
}
