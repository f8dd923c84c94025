//! Bundles that were cut short or changed on a stick: nothing of a bad one comes in, what it was is told, and a sound one
//! goes on.

use crate::support::{Ran, Sandbox};

/// A barn that leaves bundles, and a field that knows an old commit of it.
struct Farm {
    sandbox: Sandbox,
    /// Where the barn was when the field came first, and is.
    heads: [String; 2],
    sound: Vec<u8>,
}

impl Farm {
    /// The bundle is of this form.
    fn new(form: &str) -> Farm {
        let sandbox = Sandbox::in_memory();
        let barn = |line: &str| sandbox.bash(&format!("export ISODB_DIR=barn.isodb; {line}")).ok();
        let head = || sandbox.isodb(["--db", "barn.isodb", "head"]).ok().line();
        barn("isodb init -q barn.isodb; seq 50 | sed 's/.*/{\"key\":\"a\\/&\",\"value\":&}/' | isodb apply -q > out");
        let old = head();
        sandbox.isodb(["clone", "-q", "barn.isodb", "first.isodb"]).ok();
        barn("seq 30 60 | sed 's/.*/{\"key\":\"a\\/&\",\"value\":[&]}/' | isodb apply --each -q --no-sync > out");
        barn(&format!("isodb bundle create -q {form} --as barn --since {old} x.bundle"));
        let sound = std::fs::read(sandbox.path().join("x.bundle")).unwrap();
        let farm = Farm { heads: [old, head()], sandbox, sound };
        let path = farm.sandbox.path().join("x.bundle");
        let set = ["--db", "first.isodb", "remote", "set-url", "origin", path.to_str().unwrap()];
        farm.sandbox.isodb(set).ok();
        farm
    }

    fn begin_again(&self) {
        self.sandbox.bash("rm -rf field.isodb && cp -r first.isodb field.isodb").ok();
    }

    fn field(&self, args: &[&str]) -> Ran {
        self.sandbox.isodb(["--db", "field.isodb"].iter().chain(args))
    }

    fn is_at(&self, head: usize, what: &str) {
        self.field(&["fsck", "-q"]).ok();
        assert_eq!(self.field(&["rev-parse", "origin/main"]).ok().line(), self.heads[head], "{what}");
        let left = self.sandbox.bash("find field.isodb/isodb/tmp -type f 2>/dev/null || true").ok().text();
        assert_eq!(left, "", "{what}");
    }

    /// A file that is not as it was written is fetched, and then a sound one; answers whether the first was taken in.
    fn fetch(&self, bytes: &[u8], what: &str) -> bool {
        self.begin_again();
        self.sandbox.write("x.bundle", bytes);
        let ran = self.field(&["fetch", "-q"]);
        let said = ran.stderr();
        assert!(ran.code() == Some(0) || said.starts_with("error: "), "{what}: {said}");
        let is_done = ran.code() == Some(0);
        if !is_done {
            // It is damaged, builds on something else, or has not what is asked for.
            ran.status_in(&[1, 2, 4]);
        }
        // A name that is changed is another name: what it leads to is sound all the same.
        let is_new = self.field(&["rev-parse", "origin/main"]).ok().line() == self.heads[1];
        assert!(is_done || !is_new, "{what}");
        self.is_at(usize::from(is_new), what);
        self.sandbox.write("x.bundle", &self.sound);
        self.field(&["fetch", "-q"]).ok();
        self.is_at(1, what);
        is_done
    }
}

#[test]
fn bundles_that_are_not_as_they_were_written() {
    for form in ["", "--stream"] {
        let farm = Farm::new(form);
        let len = farm.sound.len();
        for at in (0..8).map(|n| n * len / 8).chain([len - 1]) {
            assert!(!farm.fetch(&farm.sound[..at], &format!("{form} cut off at {at}")));
        }
        let mut refused = 0;
        for at in (0..16).map(|n| n * len / 16).chain([len - 1]) {
            let mut bytes = farm.sound.clone();
            bytes[at] ^= 0x20;
            refused += u32::from(!farm.fetch(&bytes, &format!("{form} changed at {at}")));
        }
        assert!(refused > 10, "what was changed is noticed: {refused}");
        farm.fetch(&[&farm.sound[..], b"x"].concat(), &format!("{form} with something behind it"));
    }
}
