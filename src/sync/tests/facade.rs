//! Fetching and pushing as the rest of the program does: refs and what they lead to, apart until it was judged.

use super::*;

/// Is told what it is told.
#[derive(Default)]
struct Notes {
    said: String,
    received: u64,
    sent: u64,
}

impl Listener for Notes {
    fn said(&mut self, text: &str) {
        self.said += text;
    }

    fn progress(&mut self, progress: &Progress) {
        match progress.direction {
            Direction::In => self.received = progress.bytes,
            Direction::Out => self.sent = progress.done,
        }
    }
}

fn ask<'d>(
    db: &'d Database,
    from: &mut dyn Source,
    request: &FetchRequest<'_>,
    notes: &mut Notes,
) -> Result<Fetched<'d>, Error> {
    let mut here = Here { db, who: &ident(3), runner: &mut runner().unwrap(), listener: notes };
    from.fetch(&mut here, request)
}

fn request<'a>(prefixes: &'a [String], known: &'a [(RefName, Id)], haves: &'a [CommitId]) -> FetchRequest<'a> {
    FetchRequest { prefixes, known, haves, speaks_stream: false, limits: FetchLimits::default() }
}

#[test]
fn what_comes_is_apart_until_it_is_let_in() {
    let db = empty();
    let one = with(&db, None, 0..50, "one", 1);
    let two = with(&db, Some(one), 50..60, "two", 2);
    set(&db, "main", one);
    set(&db, "next", two);
    let other = empty();
    let heads = ["refs/heads/main".to_owned()];
    let mut notes = Notes::default();
    let mut from = Plain(to(&db));
    let fetched = ask(&other, &mut from, &request(&heads, &[], &[]), &mut notes).unwrap();
    let names: Vec<&str> = fetched.refs.iter().map(|found| found.name.as_str()).collect();
    assert_eq!((names, fetched.refs[0].id), (vec!["refs/heads/main"], Some(one.0)));
    assert!(fetched.traffic.received >= notes.received && notes.received > 1000, "{:?}", fetched.traffic);
    assert!(notes.said.contains("objects") && fetched.traffic.sent > 100 && fetched.traffic.objects > 100);
    assert!(!other.store().contains(one.0).unwrap());
    let quarantine = fetched.quarantine.unwrap();
    assert!(quarantine.store().contains(one.0).unwrap());
    drop(quarantine.accept().unwrap());
    assert_whole(&other, &[one]);

    // It is known now; only what is new comes.
    let all = ["refs/heads/".to_owned()];
    let fetched = ask(&other, &mut from, &request(&all, &[], &[one]), &mut Notes::default()).unwrap();
    assert_eq!(fetched.refs.len(), 2);
    assert!((20..70).contains(&fetched.traffic.objects), "{:?}", fetched.traffic);
    drop(fetched.quarantine.unwrap().accept().unwrap());
    let known = [(branch("next"), two.0)];
    for haves in [&[one, two][..], &[one], &[]] {
        let fetched = ask(&other, &mut from, &request(&all, &known, haves), &mut Notes::default()).unwrap();
        assert!(fetched.quarantine.is_none() && fetched.traffic.objects == 0, "{haves:?}");
        assert!(fetched.traffic.received < 500, "{:?}", fetched.traffic);
    }
}

#[test]
fn what_is_here_in_part_is_fetched_again() {
    let db = empty();
    let one = with(&db, None, 0..50, "one", 1);
    set(&db, "main", one);
    let other = empty();
    // The commit alone, as an upkeep that was stopped leaves it.
    let body = db.store().commit(one).unwrap().encode();
    other.store().put(Kind::Commit, &body).unwrap();
    other.store().flush(&[]).unwrap();
    let fetched = ask(&other, &mut to(&db), &request(&[], &[], &[]), &mut Notes::default()).unwrap();
    drop(fetched.quarantine.unwrap().accept().unwrap());
    assert_whole(&other, &[one]);
}

#[test]
fn refs_move_from_where_they_are() {
    let db = empty();
    let one = with(&db, None, 0..50, "one", 1);
    let two = with(&db, Some(one), 50..60, "two", 2);
    let other = empty();
    let go = |edits: &[PushEdit], is_atomic| {
        let mut notes = Notes::default();
        let mut here = Here { db: &db, who: &ident(3), runner: &mut runner().unwrap(), listener: &mut notes };
        let request = PushRequest { edits, options: PushOptions { is_atomic }, known: &[], speaks_stream: false };
        (super::super::push(&mut here, &mut to(&other), &request).unwrap(), notes)
    };
    let (pushed, notes) = go(&[edit("main", None, Some(one))], false);
    assert_eq!(pushed.not_moved, [None]);
    assert_eq!((pushed.traffic.documents, notes.sent), (50, 50), "{pushed:?}");
    assert!((400..500).contains(&pushed.traffic.sent), "{pushed:?}");
    // One is elsewhere: nothing is sent for it.
    let edits = [edit("main", Some(two), Some(two)), edit("b", None, Some(one))];
    let (pushed, _) = go(&edits, true);
    let elsewhere = || Some(NotMoved::Elsewhere { found: Some(one.0) });
    assert_eq!(pushed.not_moved[0], elsewhere());
    assert!(matches!(&pushed.not_moved[1], Some(NotMoved::Refused(reason)) if reason.contains("another ref")));
    assert_eq!(pushed.traffic.objects, 0);
    let (pushed, _) = go(&edits, false);
    assert_eq!(pushed.not_moved, [elsewhere(), None]);
    let (pushed, _) = go(&[edit("b", Some(one), Some(one))], false);
    assert_eq!((&pushed.not_moved[..], pushed.traffic.objects), (&[None][..], 0));
    let (pushed, _) = go(&[edit("main", Some(one), None)], false);
    assert!(matches!(&pushed.not_moved[0], Some(NotMoved::Refused(reason)) if reason.contains("HEAD")), "{pushed:?}");
    let (pushed, _) = go(&[edit("main", Some(one), Some(two)), edit("b", Some(one), None)], false);
    assert_eq!(pushed.not_moved, [None, None]);
    assert_eq!(
        (other.refs().get(&branch("main")).unwrap(), other.refs().get(&branch("b")).unwrap()),
        (Some(two.0), None)
    );
}
