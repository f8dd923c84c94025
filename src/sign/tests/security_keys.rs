//! Signatures of security keys, made here as the hardware makes them; ssh-keygen says whether we do it right.

use p256::ecdsa::signature::Signer as _;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::sign::wire::{put_positive, put_string};

/// A key in software that signs as a security key does.
enum Hardware {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

impl Hardware {
    fn kind(&self) -> &'static str {
        match self {
            Hardware::Ed25519(_) => "sk-ssh-ed25519@openssh.com",
            Hardware::P256(_) => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    fn public(&self) -> PublicKey {
        let mut blob = Vec::new();
        put_string(&mut blob, self.kind().as_bytes());
        match self {
            Hardware::Ed25519(key) => put_string(&mut blob, key.verifying_key().as_bytes()),
            Hardware::P256(key) => {
                put_string(&mut blob, b"nistp256");
                put_string(&mut blob, key.verifying_key().to_encoded_point(false).as_bytes());
            }
        }
        put_string(&mut blob, b"ssh:");
        PublicKey::from_blob(&blob).unwrap()
    }

    fn sign(&self, flags: u8, message: &[u8]) -> Signature {
        let signature = Signature::make(&self.public(), "git", message, |data| {
            let rest = [flags, 0, 0, 0, 7];
            let data = [&Sha256::digest(b"ssh:")[..], &rest, &Sha256::digest(data)].concat();
            let mut blob = Vec::new();
            put_string(&mut blob, self.kind().as_bytes());
            match self {
                Hardware::Ed25519(key) => put_string(&mut blob, &key.sign(&data).to_bytes()),
                Hardware::P256(key) => {
                    let signature: p256::ecdsa::Signature = key.sign(&data);
                    let (r, s) = signature.split_bytes();
                    let mut numbers = Vec::new();
                    put_positive(&mut numbers, &r);
                    put_positive(&mut numbers, &s);
                    put_string(&mut blob, &numbers);
                }
            }
            blob.extend_from_slice(&rest);
            Ok(blob)
        });
        Signature::parse(signature.unwrap().armor().as_bytes()).unwrap()
    }
}

#[test]
fn somebody_must_have_touched_the_key() {
    let keygen = Keygen::new();
    let keys = [
        Hardware::Ed25519(ed25519_dalek::SigningKey::from_bytes(&[1; 32])),
        Hardware::P256(p256::ecdsa::SigningKey::from_slice(&[1; 32]).unwrap()),
    ];
    for key in keys {
        let touched = key.sign(1, b"hello");
        touched.verify("git", b"hello").unwrap();
        assert_eq!(touched.verify("git", b"hallo"), Err(SignError::Mismatch));
        // Somebody gave a PIN as well.
        key.sign(5, b"hello").verify("git", b"hello").unwrap();
        assert_eq!(key.sign(0, b"hello").verify("git", b"hello"), Err(SignError::Untouched));
        if let Some(keygen) = &keygen {
            assert!(keygen.accepts(&touched, b"hello") && !keygen.accepts(&touched, b"hallo"));
        }
    }
}
