//! Nodes that come to agree: two, and many that meet at random; offers that are refused.

use super::*;
use crate::database::tests::reopen;
use crate::database::{Changeset, CommitInfo};
use crate::disk::FaultDisk;
use crate::object::Person;

/// A node with remotes, each by the number of another node.
fn node(remotes: &[usize]) -> (FaultDisk, Arc<Database>) {
    let (disk, mut db) = database();
    for number in remotes {
        db.add_remote(&Remote::new(&format!("n{number}"), &format!("/n{number}")).unwrap()).unwrap();
    }
    let db = Arc::new(reopen(&disk));
    (disk, db)
}

fn write(db: &Database, key: &str, content: &str, time: i64) -> CommitId {
    let mut changes = Changeset::new();
    changes.put(key.parse().unwrap(), BlobId(db.store().put(Kind::Blob, content.as_bytes()).unwrap()));
    let ann = Person::new("Ann", "ann@farm").unwrap();
    let info = CommitInfo {
        author: ann.clone(),
        author_time: time,
        committer: ann,
        committer_time: time,
        message: format!("{key} is {content}"),
        signer: None,
    };
    db.commit(&RefName::head(), Expect::Any, &changes, &info).unwrap().head.unwrap()
}

fn remote(db: &Database, number: usize) -> Remote {
    Remote::find(db.config(), &format!("n{number}")).unwrap()
}

fn options(is_all: bool, attempts: u32) -> AgreeOptions<'static> {
    AgreeOptions { wish: FetchWish::default(), is_all, attempts }
}

fn agree_with(
    db: &Database,
    other: &Arc<Database>,
    number: usize,
    options: &AgreeOptions<'_>,
    pause: &mut dyn FnMut(u32),
) -> Result<Agreement, Error> {
    let who = ident(50);
    let mut here = Here { db, who: &who, runner: &mut runner().unwrap(), listener: &mut () };
    agree(&mut here, &mut to(other), &remote(db, number), options, pause)
}

fn head(db: &Database) -> Option<CommitId> {
    db.head().unwrap().1
}

fn offer_to(db: &Database, other: &Arc<Database>, wishes: &[PushWish]) -> Vec<Offered> {
    let who = ident(50);
    let mut here = Here { db, who: &who, runner: &mut runner().unwrap(), listener: &mut () };
    let named = Remote::all(db.config()).unwrap();
    offer(&mut here, &mut to(other), named.first(), wishes, PushOptions::default()).unwrap().refs
}

fn wish(name: &str, new: Option<CommitId>) -> PushWish {
    PushWish { name: branch(name), new: new.map(|id| id.0), expect: None, is_forced: false }
}

#[test]
fn either_side_may_be_empty() {
    let ((_, a), (_, b)) = (node(&[1]), node(&[]));
    let none = agree_with(&a, &b, 1, &options(false, 3), &mut |_| ()).unwrap();
    assert_eq!((none.branches[0].head, none.branches[0].is_agreed, none.rounds), (None, true, 1));
    let one = write(&a, "k", "1", 1);
    let sent = agree_with(&a, &b, 1, &options(false, 3), &mut |_| ()).unwrap();
    assert!(sent.branches[0].is_agreed && head(&b) == Some(one), "{sent:?}");
    assert_eq!(a.refs().get(&RefName::full("refs/remotes/n1/main").unwrap()).unwrap(), Some(one.0));
    let (_, c) = node(&[1]);
    let got = agree_with(&c, &b, 1, &options(false, 3), &mut |_| ()).unwrap();
    assert!(got.branches[0].is_agreed && head(&c) == Some(one));
    // And when nothing has changed, nothing is sent.
    let again = agree_with(&c, &b, 1, &options(false, 3), &mut |_| ()).unwrap();
    assert_eq!((again.rounds, again.traffic.objects), (1, 0));
}

#[test]
fn both_come_to_the_merge_of_what_they_have() {
    let ((_, a), (_, b)) = (node(&[1]), node(&[]));
    write(&a, "k", "base", 1);
    agree_with(&a, &b, 1, &options(false, 3), &mut |_| ()).unwrap();
    write(&a, "x", "of a", 2);
    write(&b, "y", "of b", 3);
    write(&a, "k", "from a", 4);
    write(&b, "k", "from b", 5);
    let made = agree_with(&a, &b, 1, &options(false, 3), &mut |_| ()).unwrap();
    let branch = &made.branches[0];
    assert!(branch.is_agreed && branch.conflicts == 1 && branch.new_conflicts == 1, "{branch:?}");
    assert_eq!(head(&a), head(&b));
    let tree = b.tree_of(head(&b)).unwrap();
    assert!(["x", "y"].iter().all(|key| tree.get(&key.parse().unwrap()).unwrap().is_some()));
    // The merge commit there is replaced by one that does not descend from it.
    let before = head(&b).unwrap();
    let (_, c) = node(&[1]);
    agree_with(&c, &a, 1, &options(false, 3), &mut |_| ()).unwrap();
    let third = {
        // From a commit before the merge.
        let first = a.store().commit(before).unwrap().parents[0];
        with(&c, Some(first), 0..3, "c", 9)
    };
    c.set_ref(&branch_name(), Some(third.0), Expect::Any, &ident(1), "test").unwrap();
    let made = agree_with(&c, &b, 1, &options(false, 3), &mut |_| ()).unwrap();
    assert!(made.branches[0].is_agreed && !b.is_ancestor(before, head(&b).unwrap()).unwrap());
}

fn branch_name() -> RefName {
    branch("main")
}

#[test]
fn the_other_side_moves_meanwhile() {
    // A remote at which somebody else writes whenever it is asked to move.
    struct Busy<T> {
        inner: T,
        db: Arc<Database>,
        left: u32,
    }
    impl<T: Transport> Transport for Busy<T> {
        fn advertisement(&mut self, service: Service) -> Result<Box<dyn std::io::Read + '_>, Error> {
            if service == Service::ReceivePack && self.left > 0 {
                self.left -= 1;
                write(&self.db, &format!("busy/{}", self.left), "x", 100);
            }
            self.inner.advertisement(service)
        }
        fn call(
            &mut self,
            service: Service,
            body: &mut dyn FnMut(&mut dyn std::io::Write) -> std::io::Result<()>,
        ) -> Result<Box<dyn std::io::Read + '_>, Error> {
            self.inner.call(service, body)
        }
    }
    for (left, attempts, is_agreed) in [(3, 5, true), (9, 4, false)] {
        let ((_, a), (_, b)) = (node(&[1]), node(&[]));
        write(&a, "k", "1", 1);
        let mut busy = Busy { inner: to(&b), db: b.clone(), left };
        let who = ident(50);
        let mut here = Here { db: &a, who: &who, runner: &mut runner().unwrap(), listener: &mut () };
        let mut paused = Vec::new();
        let made =
            agree(&mut here, &mut busy, &remote(&a, 1), &options(false, attempts), &mut |round| paused.push(round))
                .unwrap();
        assert_eq!(made.branches[0].is_agreed, is_agreed, "{made:?}");
        assert_eq!(made.rounds, if is_agreed { left + 1 } else { attempts });
        assert_eq!(paused, (1..made.rounds).collect::<Vec<u32>>());
        assert_eq!(head(&a) == head(&b), is_agreed);
    }
    assert!((1..20).all(|n| pause_before(n, u64::MAX) < std::time::Duration::from_secs(3)));
}

#[test]
fn what_the_other_side_refuses_for_good() {
    let (_, a) = node(&[1]);
    let (disk, mut b) = database();
    b.configure(|config| config.with("trust.require", "signed").map(Some)).unwrap();
    let b = Arc::new(reopen(&disk));
    write(&a, "k", "1", 1);
    let made = agree_with(&a, &b, 1, &options(false, 5), &mut |_| ());
    match made {
        Ok(made) => {
            assert!(!made.branches[0].is_agreed && made.rounds == 2, "{made:?}");
            assert!(made.branches[0].refused.as_ref().unwrap().contains("commit"), "{made:?}");
        }
        Err(error) => panic!("{error}"),
    }
    assert_eq!(head(&b), None);
}

#[test]
fn all_branches_of_both_sides() {
    let ((_, a), (_, b)) = (node(&[1]), node(&[]));
    let one = write(&a, "k", "1", 1);
    set(&a, "mine", one);
    let theirs = with(&b, None, 0..3, "b", 2);
    set(&b, "theirs", theirs);
    let made = agree_with(&a, &b, 1, &options(true, 3), &mut |_| ()).unwrap();
    let names: Vec<&str> = made.branches.iter().map(|branch| branch.name.short()).collect();
    assert_eq!(names, ["main", "mine", "theirs"]);
    assert!(made.branches.iter().all(|branch| branch.is_agreed));
    assert_eq!(a.refs().list("refs/heads/").unwrap(), b.refs().list("refs/heads/").unwrap());
}

#[test]
fn offers_are_safe_or_forced() {
    let ((_, a), (other_disk, b)) = (node(&[1]), node(&[]));
    let one = write(&a, "k", "1", 1);
    let two = write(&a, "k", "2", 2);
    let aside = with(&a, Some(one), 0..1, "aside", 3);
    assert_eq!(offer_to(&a, &b, &[wish("main", Some(two))]), [Offered::Moved { old: None }]);
    assert_eq!(offer_to(&a, &b, &[wish("main", Some(two))]), [Offered::Same]);
    for new in [one, aside] {
        assert_eq!(offer_to(&a, &b, &[wish("main", Some(new))]), [Offered::Loses { found: two.0 }]);
    }
    // Somebody else's commit, which is not here.
    let foreign = write(&b, "z", "9", 9);
    assert_eq!(offer_to(&a, &b, &[wish("main", Some(two))]), [Offered::Loses { found: foreign.0 }]);
    let expecting = |expect: Option<CommitId>, new: CommitId| PushWish {
        expect: Some(expect.map(|id| id.0)),
        is_forced: true,
        ..wish("main", Some(new))
    };
    for expected in [Some(two), None] {
        let unexpected = Offered::Unexpected { found: Some(foreign.0) };
        assert_eq!(offer_to(&a, &b, &[expecting(expected, aside)]), [unexpected]);
    }
    let refused = offer_to(&a, &b, &[expecting(Some(foreign), aside)]);
    assert!(matches!(&refused[0], Offered::Refused(reason) if reason.contains("would lose commits")), "{refused:?}");
    let mut allowing = reopen(&other_disk);
    allowing.configure(|config| config.with("receive.denyNonSafe", "false").map(Some)).unwrap();
    let b = Arc::new(reopen(&other_disk));
    let moved = Offered::Moved { old: Some(foreign.0) };
    assert_eq!(offer_to(&a, &b, &[expecting(Some(foreign), aside)]), [moved]);
    assert_eq!(a.refs().get(&RefName::full("refs/remotes/n1/main").unwrap()).unwrap(), Some(aside.0));
    // A branch is made and deleted.
    assert_eq!(offer_to(&a, &b, &[wish("x", Some(one))]), [Offered::Moved { old: None }]);
    assert!(a.refs().get(&RefName::full("refs/remotes/n1/x").unwrap()).unwrap().is_some());
    assert_eq!(offer_to(&a, &b, &[wish("x", None)]), [Offered::Moved { old: Some(one.0) }]);
    assert_eq!(offer_to(&a, &b, &[wish("x", None)]), [Offered::Same]);
    assert!(a.refs().get(&RefName::full("refs/remotes/n1/x").unwrap()).unwrap().is_none());
}

#[test]
fn many_nodes_that_meet_at_random() {
    const NODES: usize = 20;
    let numbers: Vec<usize> = (0..NODES).collect();
    let nodes: Vec<Arc<Database>> = (0..NODES).map(|_| node(&numbers).1).collect();
    // Numbers that look drawn, and are the same in every run.
    let mut state = 0x2545_F491_4F6C_DD1Du64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for step in 0..40 {
        let node = draw(NODES);
        write(&nodes[node], &format!("k/{}", draw(8)), &format!("{step}"), step);
        let (one, other) = (draw(NODES), draw(NODES));
        if one != other {
            agree_with(&nodes[one], &nodes[other], other, &options(false, 3), &mut |_| ()).unwrap();
        }
    }
    // A round in which all meet one, and another: then all know what all knew.
    for _ in 0..2 {
        for n in 1..NODES {
            let made = agree_with(&nodes[n], &nodes[0], 0, &options(false, 3), &mut |_| ()).unwrap();
            assert!(made.branches[0].is_agreed);
        }
    }
    let heads: Vec<Option<CommitId>> = nodes.iter().map(|db| head(db)).collect();
    assert!(heads[0].is_some() && heads.iter().all(|head| *head == heads[0]), "{heads:?}");
}
