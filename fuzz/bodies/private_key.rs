//! Any bytes as a private key's file.

use isodb::{PrivateKey, Signer as _};

/// What must hold whatever the bytes are. Locked keys are not opened: how long that takes is the file's own choice.
pub fn run(data: &[u8]) {
    let Ok(key) = PrivateKey::parse(data) else { return };
    let again = PrivateKey::parse(key.to_openssh().as_bytes()).expect("a key that was read can be written");
    assert_eq!((again.public_key(), again.comment()), (key.public_key(), key.comment()));
    assert!(!(key.can_sign() && key.is_encrypted()));
    match key.sign("git", b"hello") {
        Ok(signature) => signature.verify("git", b"hello").expect("its own signature is good"),
        Err(_) => assert!(!key.can_sign()),
    }
}
