//! Private keys. Ed25519 and P-256 sign in this process; of the other kinds a file tells the public key, with which an
//! agent can be asked.

use std::fmt;

use p256::ecdsa::signature::Signer as _;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::key::Material;
use super::maths::Curve;
use super::openssh::File;
use super::wire::{Reader, put_positive, put_string};
use super::{PublicKey, SignError, Signature, Signer};

const ED25519: &str = "ssh-ed25519";

/// A private key, perhaps locked with a passphrase.
pub struct PrivateKey {
    file: File,
    public: PublicKey,
    secret: Secret,
}

/// What signs.
enum Secret {
    Ed25519(Box<ed25519_dalek::SigningKey>),
    P256(Box<p256::ecdsa::SigningKey>),
    /// Of another kind.
    Other,
    /// Nothing, before it is decrypted.
    Locked,
}

impl PrivateKey {
    /// A new Ed25519 key. The caller has the randomness, and shares it with nobody. What is not text in the comment
    /// becomes spaces.
    pub fn generate(seed: [u8; 32], comment: &str) -> PrivateKey {
        let seed = Zeroizing::new(seed);
        let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes();
        let mut blob = Vec::new();
        put_string(&mut blob, ED25519.as_bytes());
        put_string(&mut blob, &public);
        let mut fields = Zeroizing::new(Vec::with_capacity(128));
        fields.extend_from_slice(&blob);
        put_string(&mut fields, &Zeroizing::new([*seed, public].concat()));
        let comment: String = comment.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        PrivateKey::open(File::new(blob, &fields, comment.trim())).expect("a key that was just made is whole")
    }

    /// Reads a file of OpenSSH's form. [`SignError::Pem`] for those of other programs.
    pub fn parse(file: &[u8]) -> Result<PrivateKey, SignError> {
        PrivateKey::open(File::parse(file)?)
    }

    fn open(file: File) -> Result<PrivateKey, SignError> {
        let public = PublicKey::from_blob(&file.public)?;
        let secret = match file.is_encrypted() {
            true => Secret::Locked,
            false => file.fields().and_then(|(fields, _)| Secret::read(fields, &public)).ok_or_else(damaged)?,
        };
        Ok(PrivateKey { file, public, secret })
    }

    /// Whether it must be decrypted before it signs.
    pub fn is_encrypted(&self) -> bool {
        self.file.is_encrypted()
    }

    /// The key, unlocked. [`SignError::Passphrase`] if that is not its passphrase.
    pub fn decrypt(&self, passphrase: &[u8]) -> Result<PrivateKey, SignError> {
        PrivateKey::open(if self.is_encrypted() { self.file.decrypt(passphrase)? } else { self.file.clone() })
    }

    /// The key, locked with a passphrase that is not empty. The salt is random, and made for this.
    pub fn encrypt(&self, passphrase: &[u8], salt: [u8; 16]) -> Result<PrivateKey, SignError> {
        if passphrase.is_empty() || self.is_encrypted() {
            return Err(SignError::PrivateKey("it is locked already, or the passphrase is empty".into()));
        }
        let check = Reader::new(&Sha256::digest(salt)).u32().unwrap_or_default();
        PrivateKey::open(self.file.encrypt(passphrase, salt, check).ok_or_else(damaged)?)
    }

    /// The other half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// What its owner calls it; a locked key does not say.
    pub fn comment(&self) -> &str {
        self.file.fields().map_or("", |(_, comment)| comment)
    }

    /// Whether it signs here and now: it is of Ed25519 or P-256, and not locked.
    pub fn can_sign(&self) -> bool {
        matches!(self.secret, Secret::Ed25519(_) | Secret::P256(_))
    }

    /// The file to keep it in.
    pub fn to_openssh(&self) -> Zeroizing<String> {
        self.file.to_text()
    }
}

impl Secret {
    /// Reads the fields. Both halves must belong together, or signatures would name a key that did not make them.
    fn read(fields: &[u8], public: &PublicKey) -> Option<Secret> {
        let mut reader = Reader::new(fields);
        if reader.text()? != public.kind() {
            return None;
        }
        match &public.material {
            Material::Ed25519(public) => {
                reader.string()?;
                let (seed, copy) = reader.string()?.split_first_chunk::<32>()?;
                let key = ed25519_dalek::SigningKey::from_bytes(seed);
                let is_whole = key.verifying_key().as_bytes() == public && copy == public;
                is_whole.then(|| Secret::Ed25519(Box::new(key)))
            }
            Material::Ecdsa(Curve::P256, point) => {
                reader.string()?;
                reader.string()?;
                let number = reader.positive()?;
                let mut scalar = Zeroizing::new([0; 32]);
                scalar[32_usize.checked_sub(number.len())?..].copy_from_slice(number);
                let key = p256::ecdsa::SigningKey::from_slice(&*scalar).ok()?;
                let is_whole = key.verifying_key().to_encoded_point(false).as_bytes() == &**point;
                is_whole.then(|| Secret::P256(Box::new(key)))
            }
            _ => Some(Secret::Other),
        }
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, namespace: &str, message: &[u8]) -> Result<Signature, SignError> {
        Signature::make(&self.public, namespace, message, |data| {
            let mut blob = Vec::new();
            put_string(&mut blob, self.public.kind().as_bytes());
            match &self.secret {
                Secret::Ed25519(key) => put_string(&mut blob, &key.sign(data).to_bytes()),
                Secret::P256(key) => {
                    let signature: p256::ecdsa::Signature = key.try_sign(data).map_err(|_| damaged())?;
                    let (r, s) = signature.split_bytes();
                    let mut numbers = Vec::new();
                    put_positive(&mut numbers, &r);
                    put_positive(&mut numbers, &s);
                    put_string(&mut blob, &numbers);
                }
                Secret::Other => {
                    return Err(SignError::Unsupported(format!("a private key of the type {}", self.public.kind())));
                }
                Secret::Locked => return Err(SignError::Locked),
            }
            Ok(blob)
        })
    }
}

fn damaged() -> SignError {
    SignError::PrivateKey("the file is damaged".into())
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.fingerprint())
    }
}
