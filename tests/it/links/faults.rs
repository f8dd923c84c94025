//! A link that fails at any byte: the database is whole at every moment, and the next attempt ends it.

use crate::support::link::{Fault, Link};
use crate::support::serving::Serving;
use crate::support::{Ran, Sandbox};

/// A barn that is served over a link, and a field that knows an old commit of it.
struct Farm {
    sandbox: Sandbox,
    link: Link,
    /// Where the barn was and is.
    heads: [String; 2],
    _serving: Serving,
}

impl Farm {
    fn new() -> Farm {
        let sandbox = Sandbox::in_memory();
        sandbox.isodb(["init", "barn.isodb"]).ok();
        let apply = |from: u32, to: u32| {
            let lines = format!("seq {from} {to} | sed 's/.*/{{\"key\":\"cows\\/&\",\"value\":{{\"kg\":&}}}}/'");
            sandbox.bash(&format!("{lines} | isodb --db barn.isodb apply --each -q --no-sync > out")).ok();
            sandbox.isodb(["--db", "barn.isodb", "rev-parse", "main"]).ok().line()
        };
        let old = apply(1, 20);
        sandbox.isodb(["init", "-q", "field.isodb"]).ok();
        sandbox.isodb(["--db", "field.isodb", "remote", "add", "origin", "barn.isodb"]).ok();
        sandbox.isodb(["--db", "field.isodb", "pull", "-q"]).ok();
        let new = apply(10, 60);
        let serving = Serving::start(&sandbox, &["barn.isodb", "-q"]);
        let link = Link::to(serving.url.rsplit_once(':').unwrap().1.parse().unwrap());
        let farm = Farm { sandbox, link, heads: [old, new], _serving: serving };
        farm.field(&["remote", "set-url", "origin", &farm.url()]).ok();
        // So long it waits for what does not come.
        farm.field(&["config", "http.timeout", "1"]).ok();
        farm
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/barn.isodb", self.link.port)
    }

    fn field(&self, args: &[&str]) -> Ran {
        self.sandbox.isodb(["--db", "field.isodb"].iter().chain(args))
    }

    fn barn(&self, args: &[&str]) -> Ran {
        self.sandbox.isodb(["--db", "barn.isodb"].iter().chain(args))
    }

    /// The field as it was at first.
    fn begin_again(&self) {
        self.sandbox.bash("rm -rf field.isodb && cp -r first.isodb field.isodb").ok();
    }

    /// Makes sure that nothing is half there, and answers where the barn is for the field.
    fn whole(&self, what: &str) -> String {
        let checked = self.field(&["fsck", "-q"]);
        assert_eq!(checked.code(), Some(0), "{what}: {}{}", checked.text(), checked.stderr());
        let known = self.field(&["rev-parse", "origin/main"]).ok().line();
        assert!(self.heads.contains(&known), "{what}: {known}");
        let left = self.sandbox.bash("find field.isodb/isodb/tmp -type f 2>/dev/null || true").ok().text();
        assert_eq!(left, "", "{what}");
        known
    }
}

/// Places in what so many bytes are.
fn places(len: u64, count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(move |n| n * len / count)
}

#[test]
fn fetching_over_a_link_that_fails_anywhere() {
    let farm = Farm::new();
    farm.sandbox.bash("cp -r field.isodb first.isodb").ok();
    farm.link.take();
    farm.field(&["fetch", "-q"]).ok();
    let (_, came) = farm.link.take();
    assert_eq!(farm.whole("a sound link"), farm.heads[1]);

    let mut faults: Vec<Fault> = places(came, 7).map(Fault::Cut).collect();
    faults.extend(places(came, 24).map(Fault::Corrupt));
    faults.extend(places(came, 2).map(Fault::Stall));
    faults.push(Fault::Slow(7));
    let mut failed = 0;
    for fault in faults {
        farm.begin_again();
        farm.link.plan(&[fault, Fault::None]);
        let ran = farm.field(&["fetch", "-q"]);
        let known = farm.whole(&format!("{fault:?}"));
        match ran.code() {
            Some(0) => assert_eq!(known, farm.heads[1], "{fault:?}"),
            code => {
                failed += 1;
                assert_eq!(known, farm.heads[0], "{fault:?}: exit {code:?}");
                assert!(
                    ran.stderr().starts_with("error: ") && ran.stderr().len() < 1000,
                    "{fault:?}: {}",
                    ran.stderr()
                );
            }
        }
        farm.field(&["fetch", "-q"]).ok();
        assert_eq!(farm.whole("once more"), farm.heads[1]);
    }
    assert!(failed > 5, "what was changed on the way is noticed: {failed}");
}

#[test]
fn little_is_sent_where_little_is_new() {
    let farm = Farm::new();
    farm.field(&["fetch", "-q"]).ok();
    let fetched = || {
        farm.link.take();
        farm.field(&["fetch", "-q"]).ok();
        let (sent, came) = farm.link.take();
        sent + came
    };
    let nothing = fetched();
    assert!(nothing <= 300, "{nothing}");
    farm.sandbox.isodb_with_input(["--db", "barn.isodb", "put", "cows/7"], "{\"kg\":9}").ok();
    let one = fetched();
    assert!((nothing..=900).contains(&one), "{one}");
    assert_eq!(farm.field(&["get", "--at", "origin/main", "cows/7"]).ok().text(), "{\"kg\":9}");
}

#[test]
fn an_answer_that_is_lost() {
    let farm = Farm::new();
    farm.field(&["pull", "-q"]).ok();
    farm.link.take();
    let mine = farm.sandbox.isodb_with_input(["--db", "field.isodb", "put", "mine"], "1").ok().line();
    // The barn takes it, and the field never hears of that.
    for after in [0, 40, 400] {
        farm.link.plan(&[Fault::Cut(after), Fault::Cut(after), Fault::None]);
        let _ = farm.field(&["push", "-q"]);
        farm.whole_barn();
    }
    farm.link.plan(&[Fault::None]);
    assert_eq!(farm.field(&["sync", "-q"]).ok().line(), mine);
    assert_eq!(farm.barn(&["rev-parse", "main"]).ok().line(), mine);
}

impl Farm {
    fn whole_barn(&self) {
        self.barn(&["fsck", "-q"]).ok();
    }
}
