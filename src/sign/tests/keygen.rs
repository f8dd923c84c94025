//! Both directions with the real ssh-keygen: what it signs we accept, what we sign it accepts.

use super::*;

/// All kinds that ssh-keygen makes without hardware.
const KINDS: [&str; 5] = ["ed25519", "ecdsa-256", "ecdsa-384", "ecdsa-521", "rsa-2048"];

#[test]
fn signatures_of_every_kind_are_verified() {
    let Some(keygen) = Keygen::new() else { return };
    for kind in KINDS {
        let key = keygen.key(kind, "");
        let signature = keygen.sign(&key, b"hello");
        assert_eq!(signature.public_key(), &public(&key));
        signature.verify("git", b"hello").unwrap();
        assert_eq!(signature.verify("git", b"hallo"), Err(SignError::Mismatch));
        // What ssh-keygen writes is what we would write.
        assert_eq!(signature.armor() + "\n", String::from_utf8(keygen.read("message.sig")).unwrap());
        let fingerprint = keygen.ok(&["-l", "-f", key.to_str().unwrap()], b"");
        assert_eq!(fingerprint.split(' ').nth(1).unwrap(), public(&key).fingerprint());
    }
}

#[test]
fn what_we_sign_is_accepted() {
    let Some(keygen) = Keygen::new() else { return };
    for kind in ["ed25519", "rsa-2048"] {
        let path = keygen.key(kind, "");
        let key = PrivateKey::parse(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((key.public_key(), key.comment()), (&public(&path), "a comment"));
        assert_eq!(key.can_sign(), ["ed25519", "ecdsa-256"].contains(&kind));
        if !key.can_sign() {
            assert!(matches!(key.sign("git", b""), Err(SignError::Unsupported(_))));
            continue;
        }
        let signature = key.sign("git", b"hello").unwrap();
        keygen.write("sig", signature.armor());
        keygen.write("allowed", format!("ann@farm {}\n", key.public_key()));
        let verify = ["-Y", "verify", "-n", "git", "-f", "allowed", "-I", "ann@farm", "-s", "sig"];
        keygen.ok(&verify, b"hello");
        assert!(!keygen.run(&verify, b"hallo").0);
    }
}
