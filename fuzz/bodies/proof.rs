//! Any bytes as a proof; and as the claim and the objects of one whose stream and checksum are right, so that what lies
//! behind those is reached.

use std::io::Write as _;

use isodb::{AllowedSigners, check_proof};
use sha2::{Digest as _, Sha256};

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    check(data);
    if let Some(proof) = packed(data) {
        check(&proof);
    }
}

/// The proof with this claim and these objects, which follow one another unpacked.
pub fn packed(data: &[u8]) -> Option<Vec<u8>> {
    let end = data.windows(2).position(|pair| pair == b"\n\n")? + 2;
    let mut stream = flate2::write::ZlibEncoder::new(data[..end].to_vec(), flate2::Compression::none());
    stream.write_all(&data[end..]).expect("memory takes all");
    let mut proof = stream.finish().expect("memory takes all");
    let sum = Sha256::digest(&proof);
    proof.extend_from_slice(&sum);
    Some(proof)
}

fn check(proof: &[u8]) {
    let mut content = Vec::new();
    let Ok(checked) = check_proof(&mut &proof[..], None, None, &mut content) else { return };
    assert_eq!(checked.content.map_or(0, |(_, size)| size), content.len() as u64);
    let claim = String::from_utf8_lossy(proof);
    assert!(claim.contains(&format!("\ncommit {}\n", checked.commit)));
    assert!(checked.content.is_none_or(|(id, _)| claim.contains(&format!("\ncontent {id}\n"))));
    assert!(checked.signer.is_some_and(|signer| signer.principal.is_none()));
    // Nobody may sign by an empty list.
    let nobody = AllowedSigners::default();
    assert!(check_proof(&mut &proof[..], Some(&nobody), None, &mut std::io::sink()).is_err());
}
