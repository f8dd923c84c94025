//! Any bytes as a signature's armor, and as a signed commit or tag.

use isodb::{Kind, Signature, split_signed};

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    if let Ok(signature) = Signature::parse(data) {
        let armor = signature.armor();
        assert_eq!(Signature::parse(armor.as_bytes()).as_ref(), Ok(&signature));
        let good = signature.verify(signature.namespace(), b"hello").is_ok();
        assert!(!good || signature.verify(signature.namespace(), b"hallo").is_err());
        assert!(signature.verify(&format!("{}.", signature.namespace()), b"hello").is_err());
    }
    for kind in [Kind::Commit, Kind::Tag] {
        if let Some(signed) = split_signed(kind, data) {
            assert!(signed.payload.len() + signed.armor.len() <= data.len());
            let _ = Signature::parse(&signed.armor);
        }
    }
}
