//! Every byte of a signed commit and of a signed tag is changed in turn: it is never signed then, and nothing panics.

use super::*;
use crate::object::{Tag, TagId};

/// Bodies that differ from one in one byte: a bit or all bits of it, its case, the byte left out or there twice.
fn changed(body: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..body.len()).flat_map(move |at| {
        let with = move |bytes: &[u8]| [&body[..at], bytes, &body[at + 1..]].concat();
        let byte = body[at];
        let all = [1 << (at % 8), 0xff, 0x20].map(|mask| with(&[byte ^ mask]));
        all.into_iter().chain([with(b""), with(&[byte, byte])]).filter(move |other| other != body)
    })
}

#[test]
fn of_a_commit() {
    let ann = ann();
    let (_, db) = anchored(&[&ann]);
    let root = list(&db, &ann, &[], &[ann.line(&[])]);
    let signed = change(&db, &ann, &[root], &[("a", Some("1"))]);
    assert_eq!(word(&db, signed), "signed");
    let body = db.store().require(signed.0, Kind::Commit).unwrap();
    let mut seen = std::collections::BTreeMap::new();
    for other in changed(&body) {
        if crate::object::check(Kind::Commit, &other).is_err() {
            *seen.entry("malformed").or_insert(0) += 1;
            continue;
        }
        let id = CommitId(db.store().put(Kind::Commit, &other).unwrap());
        let stands = match db.standing(id, &mut NoScripts) {
            Ok(standing) => {
                assert!(!standing.is_trusted(), "{}", String::from_utf8_lossy(&other));
                standing.word()
            }
            // It has another tree or parent then, which is not there.
            Err(_) => "unreadable",
        };
        *seen.entry(stands).or_insert(0) += 1;
        db.store().discard();
    }
    assert!(seen["bad-signature"] > 1000 && seen["unsigned"] > 10 && seen["malformed"] > 100, "{seen:?}");
}

#[test]
fn of_a_tag() {
    let ann = ann();
    let (_, db) = anchored(&[&ann]);
    let root = list(&db, &ann, &[], &[ann.line(&[])]);
    let tagger = Some(Ident::new("Ann", "ann@farm", 2000).unwrap());
    let mut tag = Tag {
        target: root.0,
        kind: Kind::Commit,
        name: "v1".into(),
        tagger,
        headers: Vec::new(),
        message: b"first\n".to_vec(),
    };
    let plain = db.store().put(Kind::Tag, &tag.encode()).unwrap();
    let signature = ann.key.sign(NAMESPACE, &tag.encode()).unwrap();
    tag.message.extend_from_slice((signature.armor() + "\n").as_bytes());
    let body = tag.encode();
    let stands = |id| db.tag_standing(TagId(id), &mut NoScripts).map(|standing| standing.word());
    let signed = db.store().put(Kind::Tag, &body).unwrap();
    assert_eq!((stands(plain).unwrap(), stands(signed).unwrap()), ("unsigned", "signed"));
    db.store().flush(&[]).unwrap();
    for other in changed(&body).filter(|other| crate::object::check(Kind::Tag, other).is_ok()) {
        let id = db.store().put(Kind::Tag, &other).unwrap();
        assert!(
            stands(id).is_err() || stands(id).is_ok_and(|word| word != "signed"),
            "{:?}",
            String::from_utf8_lossy(&other)
        );
        db.store().discard();
    }
    // By the list in the commit that it leads to, as what its tagger says.
    let bo = bo();
    let later = list(&db, &ann, &[root], &[bo.line(&[])]);
    tag.target = later.0;
    let moved = db.store().put(Kind::Tag, &tag.encode()).unwrap();
    assert_eq!(stands(moved).unwrap(), "bad-signature");
    tag.message = b"first\n".to_vec();
    let signature = ann.key.sign(NAMESPACE, &tag.encode()).unwrap();
    tag.message.extend_from_slice((signature.armor() + "\n").as_bytes());
    assert_eq!(stands(db.store().put(Kind::Tag, &tag.encode()).unwrap()).unwrap(), "unknown-key");
}
