//! Commits and tags that are signed, or not; and the list of those who may sign, which must count when it is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{database, ident};
use crate::object::{BlobId, Commit, CommitId, Id, Kind, Objects, Person, Tag};
use crate::refs::{self, Expect, RefName};
use crate::sign::{self, NAMESPACE, PrivateKey, PublicKey, SignError, Signature, Signer};
use crate::{Changeset, CommitInfo, Database, Error, TagInfo, signers_key};

fn ann() -> PrivateKey {
    PrivateKey::generate([7; 32], "ann@farm")
}

/// Signs so often, and then no more.
#[derive(Debug)]
struct Tired {
    key: PrivateKey,
    left: AtomicUsize,
}

impl Tired {
    fn after(count: usize) -> Arc<Tired> {
        Arc::new(Tired { key: ann(), left: count.into() })
    }
}

impl Signer for Tired {
    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn sign(&self, namespace: &str, message: &[u8]) -> Result<Signature, SignError> {
        match self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            Ok(_) => self.key.sign(namespace, message),
            Err(_) => Err(SignError::Agent("it refused".into())),
        }
    }
}

fn info(signer: Option<Arc<dyn Signer>>) -> CommitInfo {
    let person = Person::new("Ann", "ann@farm").unwrap();
    let message = "several\n\nlines".to_owned();
    CommitInfo { author: person.clone(), author_time: 3, committer: person, committer_time: 4, message, signer }
}

fn put(db: &Database, key: &str, content: &[u8]) -> Changeset {
    let mut changes = Changeset::new();
    changes.put(key.parse().unwrap(), BlobId(db.store.put(Kind::Blob, content).unwrap()));
    changes
}

fn commit(db: &Database, changes: &Changeset, signer: Option<Arc<dyn Signer>>) -> Result<CommitId, Error> {
    Ok(db.commit(&RefName::head(), Expect::Any, changes, &info(signer))?.head.unwrap())
}

#[test]
fn a_signed_commit_is_the_same_commit_with_a_header() {
    let (_, db) = database();
    let id = commit(&db, &put(&db, "a", b"1"), Some(Arc::new(ann()))).unwrap();
    let body = db.store.require(id.0, Kind::Commit).unwrap();
    let signed = sign::split(Kind::Commit, &body).unwrap();
    let signature = Signature::parse(&signed.armor).unwrap();
    assert_eq!(signature.public_key(), ann().public_key());
    signature.verify(NAMESPACE, &signed.payload).unwrap();

    let (_, other) = database();
    let plain = commit(&other, &put(&other, "a", b"1"), None).unwrap();
    assert_eq!(signed.payload, other.store.require(plain.0, Kind::Commit).unwrap());
    // The header stands behind the committer, where git has it.
    let text = String::from_utf8(body).unwrap();
    let (head, _) = text.split_once("\ngpgsig-sha256 -----BEGIN SSH SIGNATURE-----\n ").unwrap();
    assert!(head.lines().last().unwrap().starts_with("committer "), "{text}");
    assert!(text.contains("\n -----END SSH SIGNATURE-----\n\nseveral\n\nlines\n"), "{text}");
    assert_eq!(Commit::parse(text.as_bytes()).unwrap().headers.len(), 1);
}

#[test]
fn a_commit_that_is_not_signed_is_not_made() {
    let (_, db) = database();
    let objects = db.store.ids().unwrap();
    let refused = commit(&db, &put(&db, "a", b"1"), Some(Tired::after(0)));
    assert!(matches!(refused, Err(Error::Sign(SignError::Agent(_)))));
    assert_eq!(db.head().unwrap().1, None);
    assert_eq!(db.store.ids().unwrap(), objects);

    // What needs no commit needs no signature.
    let changes = put(&db, "a", b"1");
    let head = commit(&db, &changes, None).unwrap();
    assert_eq!(commit(&db, &put(&db, "a", b"1"), Some(Tired::after(0))).unwrap(), head);

    // Of several, those before it are made.
    let info = info(Some(Tired::after(2)));
    let changes: Vec<_> = ["b", "c", "d"].map(|key| put(&db, key, b"2")).into();
    let changes: Vec<_> = changes.iter().map(|changes| (changes, &info)).collect();
    let series = db.commit_series(&RefName::head(), Expect::Any, &changes).unwrap();
    assert_eq!(series.outcomes.len(), 2);
    assert!(matches!(series.failed, Some(Error::Sign(_))));
    assert_eq!(db.head().unwrap().1, series.outcomes[1].head);
}

#[test]
fn tags_are_made_and_signed() {
    let (_, db) = database();
    let head = commit(&db, &put(&db, "a", b"1"), None).unwrap().0;
    let name = |text: &str| RefName::full(text).unwrap();
    let (light, heavy) = (name("refs/tags/light"), name("refs/tags/deep/er"));
    let tag =
        |name: &RefName, target, info: Option<&TagInfo>, expect| db.set_tag(name, target, info, expect, &ident(9));
    assert_eq!(tag(&light, head, None, Expect::Absent).unwrap(), head);

    let signer: Arc<dyn Signer> = Tired::after(1);
    let info = |signer| TagInfo {
        tagger: Person::new("Bo", "bo@farm").unwrap(),
        time: 5,
        message: "the count".into(),
        signer,
    };
    let id = tag(&heavy, head, Some(&info(Some(signer.clone()))), Expect::Absent).unwrap();
    assert_eq!(db.refs.get(&heavy).unwrap(), Some(id));
    assert_eq!(db.peel(id).unwrap(), head);
    let body = db.store.require(id, Kind::Tag).unwrap();
    let signed = sign::split(Kind::Tag, &body).unwrap();
    Signature::parse(&signed.armor).unwrap().verify(NAMESPACE, &signed.payload).unwrap();
    let parsed = Tag::parse(&signed.payload).unwrap();
    assert_eq!((parsed.name.as_str(), parsed.message.as_slice()), ("deep/er", b"the count\n".as_slice()));
    assert_eq!(parsed.tagger.unwrap().to_string(), "Bo <bo@farm> 5 +0000");

    // One that exists is left, and nobody is asked to sign for nothing.
    let taken = tag(&heavy, head, Some(&info(Some(signer.clone()))), Expect::Absent);
    assert!(matches!(taken, Err(Error::Ref(refs::Error::Mismatch { found: Some(found), .. })) if found == id));
    let objects = db.store.ids().unwrap();
    assert!(matches!(tag(&heavy, head, Some(&info(Some(signer))), Expect::Any), Err(Error::Sign(_))));
    assert_eq!((db.refs.get(&heavy).unwrap(), db.store.ids().unwrap()), (Some(id), objects));
    // A tag of a tag, in its place.
    let outer = tag(&heavy, id, Some(&info(None)), Expect::At(id)).unwrap();
    assert_eq!((db.store.tag(crate::TagId(outer)).unwrap().kind, db.peel(outer).unwrap()), (Kind::Tag, head));

    for wrong in ["refs/heads/x", "HEAD"] {
        assert!(matches!(tag(&name(wrong), head, None, Expect::Any), Err(Error::Invalid(_))), "{wrong}");
    }
    let nowhere = Id::from_bytes([9; 32]);
    assert!(matches!(tag(&light, nowhere, None, Expect::Any), Err(Error::Object(_))));
    let mut nul = info(None);
    nul.message = "a\0b".into();
    assert!(matches!(tag(&light, head, Some(&nul), Expect::Any), Err(Error::Invalid(_))));
    assert_eq!(db.refs.get(&light).unwrap(), Some(head));
}

#[test]
fn a_list_with_a_line_that_would_not_count_is_refused() {
    let (_, db) = database();
    let key = signers_key().to_string();
    let line = format!("ann@farm namespaces=\"git\" {}", ann().public_key());
    let good = format!("# who may sign\n\n{line} keys=stock/** Ann\n");
    commit(&db, &put(&db, &key, good.as_bytes()), None).unwrap();
    for (text, number) in [
        ("ann@farm\n".to_owned(), 1),
        (format!("{line}\n{line} keys=a//b\n"), 2),
        (format!("\n\n{}\n{line}", line.replace("namespaces", "names")), 3),
        (format!("{line}\n# isodb:revoke {}\n", ann().public_key()), 2),
    ] {
        let refused = commit(&db, &put(&db, &key, text.as_bytes()), None);
        assert!(matches!(refused, Err(Error::Signers { line, .. }) if line == number), "{text}: {refused:?}");
    }
    let long = vec![b'#'; 1 << 20 | 1];
    assert!(matches!(commit(&db, &put(&db, &key, &long), None), Err(Error::Invalid(_))));
    // Another document may hold anything; and of several changes of the list the last counts.
    commit(&db, &put(&db, &format!("{key}/x"), b"ann@farm"), None).unwrap();
    let mut changes = put(&db, &key, b"ann@farm");
    changes.put(signers_key(), BlobId(db.store.put(Kind::Blob, b"").unwrap()));
    commit(&db, &changes, None).unwrap();
    let mut changes = put(&db, &key, b"ann@farm");
    changes.remove(signers_key());
    commit(&db, &changes, None).unwrap();
}
