//! The files of OpenSSH's private keys: an armor, the public key, and the private one, perhaps encrypted.

use ssh_cipher::{Cipher, Tag};
use zeroize::Zeroizing;

use super::wire::{Reader, put_string};
use super::{SignError, armor};

const LABEL: &str = "OPENSSH PRIVATE KEY";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The longest file that is read, in bytes: an RSA key of 16,384 bits needs some 13,000.
const MAX_FILE: usize = 64 * 1024;

/// How often a passphrase is hashed for a new file, as OpenSSH does by default.
const ROUNDS: u32 = 24;

/// The most rounds that a file may ask for: about a minute.
const MAX_ROUNDS: u32 = 10_000;

/// A file's content.
#[derive(Clone)]
pub(super) struct File {
    cipher: Cipher,
    /// What the passphrase is hashed with: a salt, and how often.
    salt: Vec<u8>,
    rounds: u32,
    pub(super) public: Vec<u8>,
    /// The private key between two equal numbers and the padding; encrypted if there is a cipher.
    secret: Zeroizing<Vec<u8>>,
    tag: Option<Tag>,
}

impl File {
    pub(super) fn parse(file: &[u8]) -> Result<File, SignError> {
        if file.len() > MAX_FILE {
            return Err(wrong("the file is too long"));
        }
        let text: Zeroizing<Vec<u8>> = Zeroizing::new(file.iter().copied().filter(|&byte| byte != b'\r').collect());
        let text = text.trim_ascii();
        let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default();
        if first != format!("-----BEGIN {LABEL}-----").as_bytes() {
            return Err(match first.starts_with(b"-----BEGIN ") && first.ends_with(b"PRIVATE KEY-----") {
                true => SignError::Pem,
                false => wrong("the file does not begin as one of OpenSSH's"),
            });
        }
        let blob = armor::read(text, LABEL).map_err(wrong)?;
        File::read(&blob).ok_or_else(damaged)?
    }

    fn read(blob: &[u8]) -> Option<Result<File, SignError>> {
        let mut reader = Reader::new(blob.strip_prefix(MAGIC)?);
        let cipher = reader.text()?;
        let Ok(cipher) = Cipher::new(cipher) else {
            return Some(Err(SignError::Unsupported(format!("the cipher {}", cipher.escape_debug()))));
        };
        let hash = reader.text()?;
        let mut options = Reader::new(reader.string()?);
        let (salt, rounds) = match (hash, cipher.is_some()) {
            ("bcrypt", true) => (options.string()?.to_vec(), options.u32()?),
            ("none", false) => (Vec::new(), 0),
            _ => return None,
        };
        options.end()?;
        // One key is all that OpenSSH puts into a file.
        if reader.u32()? != 1 {
            return None;
        }
        let public = reader.string()?.to_vec();
        let secret = Zeroizing::new(reader.string()?.to_vec());
        let tag = if cipher.has_tag() { Some(reader.bytes(16)?.try_into().ok()?) } else { None };
        reader.end()?;
        Some(Ok(File { cipher, salt, rounds, public, secret, tag }))
    }

    /// A file without a passphrase, with a private key's fields and a comment.
    pub(super) fn new(public: Vec<u8>, fields: &[u8], comment: &str) -> File {
        let mut file =
            File { cipher: Cipher::None, salt: Vec::new(), rounds: 0, public, secret: Zeroizing::default(), tag: None };
        file.fill(fields, comment, 0);
        file
    }

    fn fill(&mut self, fields: &[u8], comment: &str, check: u32) {
        let mut secret = Zeroizing::new(Vec::with_capacity(8 + fields.len() + 4 + comment.len() + 16));
        for _ in 0..2 {
            secret.extend_from_slice(&check.to_be_bytes());
        }
        secret.extend_from_slice(fields);
        put_string(&mut secret, comment.as_bytes());
        let mut padding = 1;
        while !secret.len().is_multiple_of(self.cipher.block_size()) {
            secret.push(padding);
            padding += 1;
        }
        self.secret = secret;
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.cipher.is_some()
    }

    /// The private key's fields, and the comment; `None` when the file is encrypted or damaged.
    pub(super) fn fields(&self) -> Option<(&[u8], &str)> {
        if self.is_encrypted() { None } else { fields(&self.secret, self.cipher.block_size()) }
    }

    pub(super) fn decrypt(&self, passphrase: &[u8]) -> Result<File, SignError> {
        if self.rounds > MAX_ROUNDS {
            let rounds = self.rounds;
            return Err(wrong(&format!("its passphrase is hashed {rounds} times, and {MAX_ROUNDS} is the limit")));
        }
        let mut secret = self.secret.clone();
        let (key, iv) = self.derive(passphrase)?;
        self.cipher.decrypt(&key, &iv, &mut secret, self.tag).map_err(|_| SignError::Passphrase)?;
        let mut numbers = Reader::new(&secret);
        if numbers.u32() != numbers.u32() {
            return Err(SignError::Passphrase);
        }
        let (fields, comment) = fields(&secret, self.cipher.block_size()).ok_or_else(damaged)?;
        Ok(File::new(self.public.clone(), fields, comment))
    }

    /// The same, encrypted. `None` if it is already, or damaged.
    pub(super) fn encrypt(&self, passphrase: &[u8], salt: [u8; 16], check: u32) -> Option<File> {
        let (fields, comment) = self.fields()?;
        let mut file = File { cipher: Cipher::Aes256Ctr, salt: salt.to_vec(), rounds: ROUNDS, ..self.clone() };
        file.fill(fields, comment, check);
        let (key, iv) = file.derive(passphrase).ok()?;
        file.tag = file.cipher.encrypt(&key, &iv, &mut file.secret).ok()?;
        Some(file)
    }

    /// The key of the cipher and what it starts with.
    fn derive(&self, passphrase: &[u8]) -> Result<(Zeroizing<Vec<u8>>, Vec<u8>), SignError> {
        let (key, iv) = self.cipher.key_and_iv_size().ok_or_else(damaged)?;
        let mut derived = Zeroizing::new(vec![0; key + iv]);
        if passphrase.is_empty() {
            return Err(SignError::Passphrase);
        }
        bcrypt_pbkdf::bcrypt_pbkdf(passphrase, &self.salt, self.rounds, &mut derived).map_err(|_| damaged())?;
        let iv = derived.split_off(key);
        Ok((derived, iv))
    }

    pub(super) fn to_text(&self) -> Zeroizing<String> {
        let mut blob = Zeroizing::new(Vec::with_capacity(512 + self.public.len() + self.secret.len()));
        blob.extend_from_slice(MAGIC);
        put_string(&mut blob, self.cipher.as_str().as_bytes());
        let mut options = Vec::new();
        if self.is_encrypted() {
            put_string(&mut options, &self.salt);
            options.extend_from_slice(&self.rounds.to_be_bytes());
        }
        put_string(&mut blob, if self.is_encrypted() { b"bcrypt" } else { b"none" });
        put_string(&mut blob, &options);
        blob.extend_from_slice(&1u32.to_be_bytes());
        put_string(&mut blob, &self.public);
        put_string(&mut blob, &self.secret);
        blob.extend_from_slice(self.tag.as_ref().map_or(&[], |tag| tag.as_slice()));
        let mut text = Zeroizing::new(String::new());
        armor::write(&mut text, LABEL, &blob);
        text.push('\n');
        text
    }
}

/// The private key's fields and its comment, between two equal numbers and the padding to whole blocks.
fn fields(secret: &[u8], block: usize) -> Option<(&[u8], &str)> {
    let mut reader = Reader::new(secret);
    if reader.u32()? != reader.u32()? {
        return None;
    }
    let start = reader.rest();
    // Fields are strings, but for the flags of security keys.
    let (before, flags, after) = match reader.text()? {
        "ssh-ed25519" => (2, 0, 0),
        "ssh-rsa" => (6, 0, 0),
        "sk-ssh-ed25519@openssh.com" => (2, 1, 2),
        "sk-ecdsa-sha2-nistp256@openssh.com" => (3, 1, 2),
        kind if kind.starts_with("ecdsa-sha2-") => (3, 0, 0),
        _ => return None,
    };
    for _ in 0..before {
        reader.string()?;
    }
    reader.bytes(flags)?;
    for _ in 0..after {
        reader.string()?;
    }
    let fields = &start[..start.len() - reader.rest().len()];
    let comment = reader.text()?;
    let padding = reader.rest();
    let is_right = padding.len() < block && padding.iter().zip(1..).all(|(byte, number)| *byte == number);
    is_right.then_some((fields, comment))
}

fn wrong(reason: &str) -> SignError {
    SignError::PrivateKey(reason.into())
}

fn damaged() -> SignError {
    wrong("the file is damaged")
}
