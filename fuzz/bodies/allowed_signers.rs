//! Any bytes as a list of allowed signers.

use isodb::{AllowedSigners, Judgement};

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    let list = AllowedSigners::parse(data);
    assert_eq!(list.to_text(), data);
    let lines = data.split_inclusive(|&byte| byte == b'\n').count();
    assert!(list.problems().all(|(number, reason)| (1..=lines).contains(&number) && !reason.is_empty()));
    let mut copy = AllowedSigners::default();
    for signer in list.entries().take(100) {
        // What was read can be written, and says the same.
        copy.add(signer.clone()).expect("a signer that was read can be written");
        assert_eq!(copy.entries().last(), Some(signer));
        let judgement = list.judge(&signer.key, "git", "ann@farm", 1_700_000_000);
        let revoked = list.is_revoked(&signer.key);
        assert_eq!(judgement == Judgement::Revoked, revoked);
        assert!(judgement != Judgement::UnknownKey || signer.cert_authority);
    }
    let count = list.entries().count();
    let mut emptied = list;
    assert_eq!(emptied.remove(|_| true).len(), count);
    assert_eq!(emptied.entries().count(), 0);
}
