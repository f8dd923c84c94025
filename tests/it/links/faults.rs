//! Links that fail at any byte, whatever carries them and whatever is spoken over them: the database is whole at every
//! moment, what happened is told, and the next attempt over a sound link ends it.

use super::carriers::Carrier::{GitsByDaemon, GitsByHttp, GitsBySsh, OursByHttp, OursBySsh};
use super::carriers::{Carrier, Farm};
use crate::support::Ran;
use crate::support::link::Fault;

/// Each line: a test, and what carries.
macro_rules! on_every_carrier {
    ($body:ident: $($name:ident = $carrier:ident),+) => {$(
        #[test]
        fn $name() {
            $body($carrier);
        }
    )+};
}

on_every_carrier!(
    fetching: fetching_a_stream_over_http = OursByHttp, fetching_a_stream_over_ssh = OursBySsh,
    fetching_from_git_over_http = GitsByHttp, fetching_from_git_over_ssh = GitsBySsh,
    fetching_from_a_git_daemon = GitsByDaemon
);
on_every_carrier!(
    pushing: pushing_a_stream_over_http = OursByHttp, pushing_a_stream_over_ssh = OursBySsh,
    pushing_to_git_over_http = GitsByHttp, pushing_to_git_over_ssh = GitsBySsh,
    pushing_to_a_git_daemon = GitsByDaemon
);

/// What may become of so many bytes on their way.
fn faults(len: u64) -> Vec<Fault> {
    let places = |count: u64| (0..count).map(move |n| n * len / count);
    let mut faults: Vec<Fault> = places(4).map(Fault::Cut).collect();
    faults.extend(places(8).map(Fault::Corrupt));
    faults.extend([Fault::Cut(len - len / 50), Fault::Stall(len / 2), Fault::Slow(len as usize / 100 + 1)]);
    faults
}

/// Makes sure that it was done, or a sentence tells why not; answers whether it was.
#[track_caller]
fn told(ran: &Ran, what: &str) -> bool {
    let said = ran.stderr();
    let error = said.lines().find(|line| line.starts_with("error: "));
    match ran.code() {
        Some(0) => assert_eq!(error, None, "{what}: {said}"),
        // Refused by what is at the other end, moved there, damaged, or not to be reached.
        Some(1 | 3 | 4 | 5) => assert!(error.is_some_and(|line| line.len() < 1000), "{what}: {said}"),
        code => panic!("{what}: exit {code:?}: {said}"),
    }
    ran.code() == Some(0)
}

fn fetching(carrier: Carrier) {
    let farm = Farm::new(carrier);
    farm.link.take();
    farm.field(&["fetch", "-q"]).ok();
    let (at, came) = longest(&farm.link.take(), 1);
    assert_eq!(farm.whole("a sound link"), farm.heads[1]);
    for fault in faults(came) {
        farm.begin_again();
        farm.link.plan(&planned(at, fault));
        let what = format!("{fault:?}");
        let is_done = told(&farm.field(&["fetch", "-q"]), &what);
        let known = farm.whole(&what);
        let is_changed = matches!(fault, Fault::Corrupt(_));
        assert_eq!(farm.link.struck(), u64::from(!matches!(fault, Fault::Slow(_))), "{what}");
        // A pipe over which nothing comes at all may lead nowhere.
        let is_tried_again = !is_changed && (fault != Fault::Cut(0) || carrier.is_http());
        assert!(is_done || !is_tried_again, "{what}: a link that was cut is tried again");
        // A name that is changed in a list of git's is another name.
        if is_done && !(is_changed && farm.is_gits()) {
            assert_eq!(known, farm.heads[1], "{what}");
        }
        assert!(farm.heads.contains(&known) && (is_done || known == farm.heads[0]), "{what}: {known}");
        farm.field(&["fetch", "-q"]).ok();
        assert_eq!(farm.whole("once more"), farm.heads[1], "{what}");
    }
    // What is always cut ends too, and what always stalls.
    for fault in [Fault::Cut(came / 2), Fault::Cut(0)] {
        farm.begin_again();
        farm.link.plan(&[fault]);
        let is_done = told(&farm.field(&["fetch", "-q"]).status_in(&[0, 5]), "always");
        assert_eq!(farm.whole("always"), farm.heads[usize::from(is_done)]);
        assert!(!is_done || fault != Fault::Cut(0));
    }
    farm.link.plan(&[Fault::None]);
    farm.field(&["fetch", "-q"]).ok();
    assert_eq!(farm.whole("in the end"), farm.heads[1]);
}

fn pushing(carrier: Carrier) {
    let farm = Farm::new(carrier);
    farm.field(&["pull", "-q"]).ok();
    farm.link.take();
    farm.put("mine/0", random(0));
    farm.field(&["push", "-q"]).ok();
    let carried = farm.link.take();
    let [(to, sent), (at, came)] = [0, 1].map(|way| longest(&carried, way));
    let going = faults(sent).into_iter().map(|fault| (Fault::None, fault));
    let coming = [Fault::Cut(0), Fault::Cut(came - 1), Fault::Cut(came / 2), Fault::Corrupt(came / 2)];
    let coming = coming.map(|fault| (fault, Fault::None));
    for (number, (coming, going)) in going.chain(coming).enumerate() {
        let what = format!("{coming:?}, {going:?}");
        let old = farm.barn();
        let mine = farm.put(&format!("mine/{}", number + 1), random(number + 1));
        farm.link.plan_both(&planned(at, coming), &planned(to, going));
        let is_done = told(&farm.field(&["push", "-q"]), &what);
        let is_slow = [coming, going].iter().any(|fault| matches!(fault, Fault::Slow(_)));
        assert_eq!(farm.link.struck(), u64::from(!is_slow), "{what}");
        farm.whole_barn(&what);
        let there = farm.barn();
        assert!(there == mine || (there == old && !is_done), "{what}: {there}");
        // Whether it was done or not, and whether that was heard or not.
        farm.link.plan(&[Fault::None]);
        assert_eq!(farm.field(&["sync", "-q"]).ok().line(), mine, "{what}");
        assert_eq!(farm.barn(), mine, "{what}");
    }
    farm.whole("in the end");
}

/// The connection that carries most one way, and how many bytes.
fn longest(carried: &[[u64; 2]], way: usize) -> (usize, u64) {
    let all = carried.iter().enumerate().map(|(at, counts)| (at, counts[way]));
    all.max_by_key(|(_, count)| *count).unwrap()
}

/// A fault of one connection; the others are sound.
fn planned(at: usize, fault: Fault) -> Vec<Fault> {
    [vec![Fault::None; at], vec![fault, Fault::None]].concat()
}

/// Bytes that get no smaller, and are others each time.
fn random(number: usize) -> Vec<u8> {
    let mut state = number as u64;
    let next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(20_000).collect()
}

#[test]
fn little_is_sent_where_little_is_new() {
    let farm = Farm::new(OursByHttp);
    farm.field(&["fetch", "-q"]).ok();
    let fetched = || {
        farm.link.take();
        farm.field(&["fetch", "-q"]).ok();
        farm.link.take().concat().iter().sum::<u64>()
    };
    let nothing = fetched();
    assert!(nothing <= 300, "{nothing}");
    farm.sandbox.isodb_with_input(["--db", "barn.isodb", "put", "cows/7"], "{\"kg\":9}").ok();
    let one = fetched();
    assert!((nothing..=900).contains(&one), "{one}");
    assert_eq!(farm.field(&["get", "--at", "origin/main", "cows/7"]).ok().text(), "{\"kg\":9}");
}

#[test]
fn little_is_pushed_where_little_is_new() {
    let farm = Farm::new(OursByHttp);
    farm.field(&["pull", "-q"]).ok();
    let pushed = || {
        farm.link.take();
        farm.field(&["push", "-q"]).ok();
        farm.link.take().concat().iter().sum::<u64>()
    };
    let nothing = pushed();
    assert!(nothing <= 500, "{nothing}");
    let mine = farm.put("cows/7", "{\"kg\":9}");
    let one = pushed();
    assert!((nothing..=700).contains(&one), "{one}");
    assert_eq!(farm.barn(), mine);
    // What is believed of the barn is not so any more: it is asked, and nothing is lost.
    farm.sandbox.isodb_with_input(["--db", "barn.isodb", "put", "cows/8"], "{\"kg\":80}").ok();
    farm.put("cows/9", "{\"kg\":90}");
    farm.field(&["push", "-q"]).status(3);
    farm.field(&["sync", "-q"]).ok();
    assert_eq!(farm.field(&["push", "-q"]).ok().text(), "");
}

#[test]
fn an_answer_that_is_lost() {
    for carrier in [OursByHttp, OursBySsh] {
        let farm = Farm::new(carrier);
        farm.field(&["pull", "-q"]).ok();
        let moves = || farm.sandbox.isodb(["--db", "barn.isodb", "ref", "log", "main"]).ok().lines().len();
        farm.link.take();
        farm.put("mine", "first");
        farm.field(&["push", "-q"]).ok();
        let (at, came) = longest(&farm.link.take(), 1);
        let before = moves();
        // The barn takes it, and the field hears of that from its next attempt.
        for (number, after) in [came - 20, came - 1].into_iter().enumerate() {
            let mine = farm.put("mine", format!("{after}"));
            farm.link.plan(&planned(at, Fault::Cut(after)));
            farm.field(&["push", "-q"]).ok();
            assert_eq!((farm.link.struck(), farm.barn()), (1, mine), "{carrier:?}");
            assert_eq!(moves(), before + number + 1, "once and not twice");
        }
        farm.whole_barn("in the end");
    }
}

#[test]
fn a_push_over_a_link_that_is_cut_again_and_again() {
    const EVERY: u64 = 200_000;
    // Of so many bytes half are lost in hexadecimal, which the link does not carry.
    let many = "awk 'BEGIN { s = 7; for (n = 0; n < 7000; n++) { v = \"\"; for (i = 0; i < 40; i++) { \
        s = (s * 69069 + 1) % 4294967296; v = v sprintf(\"%05x\", int(s / 4096)) } \
        printf \"{\\\"key\\\":\\\"n/%d\\\",\\\"value\\\":\\\"%s\\\"}\\n\", n, v } }'";
    let pushed = |carrier: Carrier, fault: Fault| {
        let farm = Farm::new(carrier);
        // There is much to check.
        farm.field(&["config", "sync.timeout", "60"]).ok();
        farm.field(&["pull", "-q"]).ok();
        farm.sandbox.bash(&format!("{many} | isodb --db field.isodb apply -q --no-sync > out")).ok();
        farm.link.take();
        farm.link.plan_both(&[Fault::None], &[fault]);
        farm.field(&["push", "-q"]).ok();
        assert_eq!(farm.barn(), farm.field(&["rev-parse", "main"]).ok().line());
        farm.whole_barn("in the end");
        let left = farm.sandbox.bash("find barn.isodb/isodb/partial -type f").ok().text();
        assert_eq!(left, "");
        (farm.link.take().iter().map(|counts| counts[0]).sum::<u64>(), farm.link.struck())
    };
    for carrier in [OursByHttp, OursBySsh] {
        let (whole, _) = pushed(carrier, Fault::None);
        let (sent, struck) = pushed(carrier, Fault::Cut(EVERY));
        assert!(whole > 3 * EVERY && struck >= 3, "{carrier:?}: {whole}, {struck}");
        assert!(sent - whole < whole / 10, "{carrier:?}: {sent} of {whole}");
    }
}
