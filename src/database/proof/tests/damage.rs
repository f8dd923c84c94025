//! Damage: every byte and every length, and files that are no proofs at all.

use super::*;

/// A proof with a chain, a merge commit in it, a large folder, and a conflict of none.
fn proof() -> (CommitId, Vec<u8>, AllowedSigners) {
    let (farm, ann) = (Farm::new(), ann());
    let list = ann.line("");
    let many: Vec<String> = (0..70).map(|n| format!("many/{n}")).collect();
    let mut documents: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "x")).collect();
    documents.push((LIST, &list));
    let first = farm.commit(Some(&ann), &[], &documents);
    let sides = [("b", "1"), ("c", "1")].map(|side| farm.commit(Some(&ann), &[first], &[side]));
    let merge = farm.merge(&sides, &[("b", "1"), ("c", "1")]);
    let head = farm.commit(Some(&ann), &[merge], &[("many/7", "the content")]);
    let (of, proof) = farm.prove("many/7", head, Some(first)).unwrap();
    assert_eq!(of, head);
    (first, proof, signers(&list))
}

#[test]
fn every_flipped_byte_is_seen() {
    let (first, proof, list) = proof();
    assert!(check(&proof, Some(&list), Some(first)).is_ok());
    let mut damaged = proof.clone();
    for at in 0..proof.len() {
        for bits in [0x01, 0x20, 0x80, 0xff] {
            damaged[at] ^= bits;
            assert!(check(&damaged, None, None).is_err(), "byte {at}");
            damaged[at] = proof[at];
        }
    }
}

#[test]
fn every_cut_and_every_end_is_seen() {
    let (_, proof, _) = proof();
    for len in 0..proof.len() {
        assert!(check(&proof[..len], None, None).is_err(), "{len} bytes");
    }
    for end in [&b"\0"[..], b"\n", &proof] {
        assert!(refused(&[&proof, end].concat(), None, None).contains("checksum"));
    }
}

#[test]
fn what_is_no_proof_is_named() {
    for bytes in [&b""[..], b"\n", b"isodb-proof 2\n\n", b"isodb-proof 11\n", &[0; 100], b"isodb-proo"] {
        let text = refused(bytes, None, None);
        assert!(text.starts_with("the proof does not hold: it"), "{text}");
    }
    // A first line without an end is not read to its end.
    let mut endless = std::io::repeat(b'i');
    assert!(check_proof(&mut endless, None, None, &mut std::io::sink()).is_err());
}

/// A file with this head and nothing in it, the checksum right.
fn with_head(head: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut stream = flate2::write::ZlibEncoder::new(head.as_bytes().to_vec(), flate2::Compression::new(6));
    stream.write_all(b"").unwrap();
    let mut proof = stream.finish().unwrap();
    let sum = <sha2::Sha256 as sha2::Digest>::digest(&proof);
    proof.extend_from_slice(&sum);
    proof
}

#[test]
fn claims_are_spelled_in_one_way() {
    let (_, proof, _) = proof();
    let end = proof.windows(2).position(|pair| pair == b"\n\n").unwrap() + 2;
    let head = std::str::from_utf8(&proof[..end]).unwrap();
    // A claim that is read gets as far as the objects.
    assert!(refused(&with_head(head), None, None).contains("not an object's header"));
    let (_, hex) = head.split_once("commit ").unwrap();
    for other in [
        head.replace("many/7", "many//7"),
        head.replace("many/7", "/many/7"),
        head.replace("many/7", "many/%37"),
        head.replace("many/7", ""),
        head.replace("many/7", &"x".repeat(241)),
        head.replace("many/7", &"a/".repeat(9000)),
        head.replace("objects ", "objects +"),
        head.replace("objects ", "objects 0"),
        head.replace("objects ", "objects 99999999999999999999999"),
        head.replace("many/7\n", "many/7\r\n"),
        head.replace("since ", "sinc "),
        head.replace(&hex[..64], &hex[..64].to_uppercase()),
        head.replace(&hex[..64], &hex[..63]),
        head.replace("\n\n", "\nmore\n\n"),
        head.replace("content ", "absent\ncontent "),
    ] {
        assert!(refused(&with_head(&other), None, None).contains("claim"), "{other}");
    }
}
