//! Every byte in turn made another one: nothing that was changed is accepted, and nothing panics.

use proptest::prelude::*;

use super::*;
use crate::object::Kind;

/// Each byte of some bytes in turn, with some bits of it flipped.
fn flipped(bytes: &[u8], flips: impl Iterator<Item = u8> + Clone) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len()).flat_map(move |at| {
        flips.clone().map(move |flip| {
            let mut changed = bytes.to_vec();
            changed[at] ^= flip;
            (at, changed)
        })
    })
}

fn bits() -> impl Iterator<Item = u8> + Clone {
    (0..8).map(|bit| 1 << bit).chain([b'A' ^ b'a' ^ 1, 0xff])
}

#[test]
fn no_changed_signature_is_accepted() {
    let key = PrivateKey::generate([1; 32], "");
    let armor = key.sign("git", b"hello").unwrap().armor();
    for (at, changed) in flipped(armor.as_bytes(), 1..=255) {
        let verified = Signature::parse(&changed).and_then(|signature| {
            assert_ne!(signature.armor(), armor);
            // A signature of another key would be another's; that one must not verify either.
            signature.verify("git", b"hello")
        });
        assert!(verified.is_err(), "byte {at}: {}", String::from_utf8_lossy(&changed));
    }
    for end in 0..armor.len() {
        assert!(Signature::parse(&armor.as_bytes()[..end]).is_err());
    }
    for added in ["\n\n", "x", " ", "\r\n", "\0"] {
        assert!(Signature::parse((armor.clone() + added).as_bytes()).is_err());
        assert!(Signature::parse((added.to_owned() + &armor).as_bytes()).is_err());
    }
}

#[test]
fn no_changed_signature_of_other_kinds_is_accepted() {
    let Some(keygen) = Keygen::new() else { return };
    let authority = keygen.key("ecdsa-256", "");
    for kind in ["ecdsa-384", "ecdsa-521", "rsa-2048", "ed25519"] {
        let mut key = keygen.key(kind, "");
        if kind == "ed25519" {
            let public = key.with_extension("pub");
            let certify = ["-q", "-s", authority.to_str().unwrap(), "-I", "id", public.to_str().unwrap()];
            keygen.ok(&certify, b"");
            key = PathBuf::from(format!("{}-cert.pub", key.display()));
        }
        let armor = keygen.sign(&key, b"hello").armor();
        for (at, changed) in flipped(armor.as_bytes(), [1].into_iter()) {
            let verified = Signature::parse(&changed).and_then(|signature| signature.verify("git", b"hello"));
            assert!(verified.is_err(), "{kind}, byte {at}: {}", String::from_utf8_lossy(&changed));
        }
    }
}

/// A signed commit, as it is stored.
fn commit(key: &PrivateKey) -> Vec<u8> {
    let head = "tree 6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321\n\
                author Ann <ann@farm> 1700000000 +0000\ncommitter Ann <ann@farm> 1700000000 +0000\n";
    let signature = key.sign(NAMESPACE, format!("{head}\nfirst\n").as_bytes()).unwrap();
    format!("{head}{HEADER} {}\n\nfirst\n", signature.armor().replace('\n', "\n ")).into_bytes()
}

fn is_good(kind: Kind, body: &[u8]) -> bool {
    split(kind, body).is_some_and(|signed| {
        Signature::parse(&signed.armor).is_ok_and(|signature| signature.verify(NAMESPACE, &signed.payload).is_ok())
    })
}

#[test]
fn no_changed_commit_is_accepted() {
    let key = PrivateKey::generate([1; 32], "");
    let body = commit(&key);
    assert!(is_good(Kind::Commit, &body));
    for (at, changed) in flipped(&body, bits()) {
        assert!(!is_good(Kind::Commit, &changed), "byte {at}: {}", String::from_utf8_lossy(&changed));
    }
    // Nothing can be added either: not a second signature, good or not, nor another header.
    let text = String::from_utf8(body.clone()).unwrap();
    let start = text.find(HEADER).unwrap();
    let header = &text[start..text.find("\n\n").unwrap() + 1];
    for added in [header, "gpgsig-sha256 x\n", "gpgsig-sha256 \n", "note x\n", "gpgsigs x\n", " x\n", " \n"] {
        for at in [start, start + header.len()] {
            let changed = [&text[..at], added, &text[at..]].concat();
            assert!(!is_good(Kind::Commit, changed.as_bytes()), "{changed}");
        }
    }
}

#[test]
fn no_changed_tag_is_accepted() {
    let key = PrivateKey::generate([1; 32], "");
    let text = "object 6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321\ntype commit\ntag v1\n\
                tagger Ann <ann@farm> 1700000000 +0000\n\nnote\n";
    let armor = key.sign(NAMESPACE, text.as_bytes()).unwrap().armor();
    let body = format!("{text}{armor}\n");
    assert!(is_good(Kind::Tag, body.as_bytes()));
    for (at, changed) in flipped(body.as_bytes(), bits()) {
        assert!(!is_good(Kind::Tag, &changed), "byte {at}: {}", String::from_utf8_lossy(&changed));
    }
}

#[test]
fn no_changed_line_allows_what_it_should_not() {
    let key = PrivateKey::generate([1; 32], "").public_key().clone();
    let start = "ann@farm namespaces=\"git\",valid-before=\"20300101Z\" ";
    let line = format!("{start}{key} keys=a/** Ann");
    let allowed = |line: &[u8], identity: &str, namespace: &str, time: i64| match AllowedSigners::parse(line)
        .judge(&key, namespace, identity, time)
    {
        Judgement::Allowed { keys, .. } => Some(keys),
        _ => None,
    };
    let (now, clause) = (1_700_000_000, Some(vec!["a/**".to_owned()]));
    assert_eq!(allowed(line.as_bytes(), "ann@farm", "git", now), Some(clause.clone()));
    let key_at = start.len()..start.len() + key.to_string().len();
    for (at, changed) in flipped(line.as_bytes(), 1..=255) {
        let text = String::from_utf8_lossy(&changed).into_owned();
        // Whoever is not named, whatever it is for, whenever it is: only a wildcard where there was a letter lets more in.
        // A comma makes one list of principals and options; ssh-keygen sees it so too.
        let is_wild = changed[..key_at.start].iter().any(|byte| b"*?!".contains(byte)) || changed[8] == b',';
        if !is_wild {
            for (identity, namespace) in [("bo@farm", "git"), ("ann@farm", "file")] {
                assert_eq!(allowed(&changed, identity, namespace, now), None, "byte {at}: {text}");
            }
        }
        let found = allowed(&changed, "ann@farm", "git", now);
        if key_at.contains(&at) {
            let is_blank = changed[at] == b'\t' && line.as_bytes()[at] == b' ';
            assert!(found.is_none() || is_blank, "byte {at}: {text}");
        }
        // Every other change leaves the clause, or a clause.
        if let Some(keys) = found {
            let of_clause = (key_at.end..line.len() - 3).contains(&at);
            assert!(keys == clause || of_clause, "byte {at}: {text}");
        }
    }
}

#[test]
fn changed_private_keys_are_errors_or_still_that_key() {
    let key = PrivateKey::generate([1; 32], "ann");
    let file = key.to_openssh();
    for (at, changed) in flipped(file.as_bytes(), bits()) {
        if let Ok(read) = PrivateKey::parse(&changed) {
            // The numbers before the key and the comment behind it are no part of it.
            assert_eq!(read.public_key(), key.public_key(), "byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn a_signature_is_its_armor(seed: [u8; 32], namespace in "[a-z@.]{1,20}", message: Vec<u8>) {
        let signature = PrivateKey::generate(seed, "").sign(&namespace, &message).unwrap();
        let armor = signature.armor();
        prop_assert_eq!(&Signature::parse(armor.as_bytes()).unwrap(), &signature);
        prop_assert_eq!(&Signature::parse((armor + "\n").as_bytes()).unwrap(), &signature);
        prop_assert!(signature.verify(&namespace, &message).is_ok());
    }

    #[test]
    fn a_private_key_is_its_file(seed: [u8; 32], comment in "\\PC{0,20}") {
        let key = PrivateKey::generate(seed, &comment);
        let read = PrivateKey::parse(key.to_openssh().as_bytes()).unwrap();
        prop_assert_eq!(read.to_openssh(), key.to_openssh());
        prop_assert_eq!(read.comment(), comment.trim());
        prop_assert_eq!(read.public_key(), key.public_key());
    }
}
