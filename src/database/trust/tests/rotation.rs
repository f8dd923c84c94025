//! Keys come and go: what was signed stays good, and what a key signs after its time is not.

use super::*;

/// Ann signs and adds Bo, who removes her. The last commit that both may sign, and the one that removes Ann.
fn rotated(db: &Database, revoke: bool) -> (CommitId, CommitId) {
    let (ann, bo) = (ann(), bo());
    let root = list(db, &ann, &[], &[ann.line(&[])]);
    let work = change(db, &ann, &[root], &[("a", Some("1"))]);
    let both = list(db, &ann, &[work], &[ann.line(&[]), bo.line(&[])]);
    let more = change(db, &ann, &[both], &[("a", Some("2"))]);
    let left = if revoke { vec![bo.line(&[]), ann.revoked()] } else { vec![bo.line(&[])] };
    (more, list(db, &bo, &[more], &left))
}

#[test]
fn rotation() {
    let (ann, bo) = (ann(), bo());
    let (_, db) = anchored(&[&ann]);
    let (before, removed) = rotated(&db, false);
    let later = change(&db, &bo, &[removed], &[("b", Some("1"))]);
    assert!(verified(&db, &[later]).iter().all(|(_, word)| *word == "signed"));
    assert_eq!(standing(&db, later).principal(), Some("bo@farm"));

    let new = change(&db, &ann, &[later], &[("a", Some("3"))]);
    assert_eq!(word(&db, new), "unknown-key");
    // Whatever she says the time is.
    let dated = change_at(&db, Some(&ann), &[later], &[("a", Some("3"))], 1001);
    assert_eq!(word(&db, dated), "unknown-key");
    // Beside the removal she may: nobody can tell when that was.
    let beside = change_at(&db, Some(&ann), &[before], &[("a", Some("3"))], 5000);
    branch(&db, "main", later);
    assert_eq!(word(&db, beside), "signed");
    // But not by naming an old commit as the first parent of a new one.
    let both = change(&db, &ann, &[before, later], &[("a", Some("3"))]);
    assert_eq!(word(&db, both), "unknown-key");
}

#[test]
fn revocation_holds_beside_what_revokes() {
    let (ann, bo) = (ann(), bo());
    let (_, db) = anchored(&[&ann]);
    let (before, revoked) = rotated(&db, true);
    let beside = change_at(&db, Some(&ann), &[before], &[("a", Some("3"))], 1002);
    assert_eq!(word(&db, beside), "signed", "nobody here knows of the revocation");
    branch(&db, "main", revoked);
    assert_eq!(
        standing(&db, beside),
        Standing::Revoked { key: ann.key.public_key().clone(), by: Some(revoked) },
        "once it is known"
    );
    let after = change(&db, &ann, &[revoked], &[("a", Some("3"))]);
    assert_eq!(standing(&db, after), Standing::Revoked { key: ann.key.public_key().clone(), by: None });
    assert!(verified(&db, &[revoked]).iter().all(|(_, word)| *word == "signed"));
    // What the thief lets others sign is as good as what he signs.
    let eve = eve();
    let opened = list(&db, &ann, &[before], &[ann.line(&[]), bo.line(&[]), eve.line(&[])]);
    let work = change(&db, &eve, &[opened], &[("a", Some("4"))]);
    assert_eq!((word(&db, opened), word(&db, work)), ("revoked", "not-allowed"));
}

#[test]
fn a_thief_cannot_revoke_his_way_out() {
    let (ann, bo, eve) = (ann(), bo(), eve());
    let (_, db) = anchored(&[&ann]);
    let (before, revoked) = rotated(&db, true);
    branch(&db, "main", revoked);
    // A revocation on top of what shall be saved, signed by the stolen key, and by one that it brought in.
    let evil = list(&db, &ann, &[before], &[ann.line(&[]), bo.line(&[]), eve.line(&[])]);
    let own = list(&db, &ann, &[evil], &[eve.line(&[]), ann.revoked()]);
    let other = list(&db, &eve, &[evil], &[eve.line(&[]), ann.revoked()]);
    branch(&db, "own", own);
    branch(&db, "other", other);
    for id in [evil, own, other] {
        assert!(!standing(&db, id).is_trusted(), "{}", standing(&db, id));
    }
    assert_eq!(word(&db, evil), "revoked");
    assert!(verified(&db, &[revoked]).iter().all(|(_, word)| *word == "signed"));
}

#[test]
fn who_revokes_each_other_needs_somebody_who_decides() {
    let (ann, bo) = (ann(), bo());
    let (disk, mut db) = anchored(&[&ann]);
    let both = list(&db, &ann, &[], &[ann.line(&[]), bo.line(&[])]);
    let one = list(&db, &ann, &[both], &[ann.line(&[]), bo.revoked()]);
    let other = list(&db, &bo, &[both], &[bo.line(&[]), ann.revoked()]);
    branch(&db, "one", one);
    branch(&db, "other", other);
    assert_eq!([one, other].map(|id| word(&db, id)), ["revoked"; 2]);
    assert_eq!(word(&db, both), "signed");
    verified(&db, &[one, other]);
    assert!(disk.read(Path::new("/farm.isodb/isodb/verified")).is_err(), "that is not for the next time");
    let mut anchors = db.anchors().unwrap();
    assert!(anchors.add(&other.to_string()).unwrap());
    db.configure(|config| anchors.write_to(config).map(Some)).unwrap();
    assert_eq!([one, other].map(|id| word(&db, id)), ["revoked", "pinned"]);
    let more = change(&db, &bo, &[other], &[("a", Some("1"))]);
    assert_eq!(word(&db, more), "signed");
}
