//! Trying rules: those that are as they should be have no flaw, and each flaw is found in a rule that has it.

use super::*;
use crate::database::{Answer, Error, Flaw, RuleReport, RuleTest};
use crate::script::{Dialect, Failure, Job, Loaded, Runner, Script, Verdict};
use crate::tree::Conflict;

/// A runner whose one script is a function.
struct Stub<F>(F);

impl<F: FnMut(&Job) -> Verdict> Runner for Stub<F> {
    fn load(&mut self, _: &Script) -> Result<Loaded, Failure> {
        Ok(Loaded { script: 0, takes_sides: false, broken: None })
    }

    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, Failure> {
        Ok(jobs.iter().map(&mut self.0).collect())
    }
}

fn blob(db: &Database, text: &str) -> BlobId {
    BlobId(db.store().put(Kind::Blob, text.as_bytes()).unwrap())
}

/// A tree with these documents.
fn tree(db: &Database, documents: &[(&str, &str)]) -> TreeId {
    let edit = |(key, text): &(&str, &str)| (key.parse().unwrap(), Edit::Put(blob(db, text).into()));
    let edits: Edits = documents.iter().map(edit).collect();
    Tree::new(db.store(), TreeId::EMPTY).edit(&edits).unwrap().id()
}

/// A commit with these documents.
fn commit(db: &Database, tree: TreeId) -> Option<CommitId> {
    Some(put_commit(db, tree, Vec::new(), 1, "test"))
}

fn every() -> RuleTest {
    RuleTest { keys: None, script: None, count: 100, seed: 1 }
}

/// What a script that is a function is found to be, tried on one document.
fn flaws(content: &str, script: impl FnMut(&Job) -> Verdict) -> Vec<Flaw> {
    let (_, db) = database();
    let root = tree(&db, &[("a", content)]);
    let test = RuleTest { script: Some(Script { dialect: Dialect::Rhai1, source: Vec::new() }), ..every() };
    let reports = db.test_rules(commit(&db, root), &test, &mut Stub(script)).unwrap();
    let [report] = reports.as_slice() else { panic!("{reports:?}") };
    assert!(report.rule.is_none() && report.made > 80 && report.real == 0, "{report:?}");
    assert_eq!(report.merged + report.conflicts.values().sum::<u64>(), report.made);
    for flaw in &report.flaws {
        assert!(flaw.count > 0 && flaw.base.as_deref() == Some(content.as_bytes()) && !flaw.is_real);
        assert!(flaw.versions.len() >= 2 && !flaw.answers.is_empty(), "{flaw:?}");
    }
    // How long it takes depends on what else the machine does.
    report.flaws.iter().map(|flaw| flaw.flaw).filter(|flaw| *flaw != Flaw::Slow).collect()
}

fn longer(job: &Job) -> Option<Vec<u8>> {
    let size = |content: &Option<Vec<u8>>| (content.as_ref().map(Vec::len), content.clone());
    std::cmp::max_by_key(&job.left, &job.right, |content| size(content)).clone()
}

fn merged(content: Option<Vec<u8>>) -> Verdict {
    content.map_or(Verdict::Deleted, Verdict::Merged)
}

#[test]
fn each_flaw_is_found() {
    let text = "one\ntwo\n";
    assert_eq!(flaws(text, |job| merged(longer(job))), []);
    let left = flaws(text, |job| merged(job.left.clone()));
    assert!(left.contains(&Flaw::NotCommutative) && !left.contains(&Flaw::NotIdempotent), "{left:?}");
    let both = |job: &Job| [job.left.clone().unwrap_or_default(), job.right.clone().unwrap_or_default()];
    let sorted = |job: &Job| {
        let mut both = both(job);
        both.sort();
        Verdict::Merged(both.concat())
    };
    assert_eq!(flaws(text, sorted), [Flaw::NotIdempotent, Flaw::NotAssociative]);
    let mut count = 0_usize;
    let counted = |job: &Job| {
        count += 1;
        Verdict::Merged(if job.left == job.right { both(job)[0].clone() } else { vec![b"0123456"[count % 7]] })
    };
    assert!(flaws(text, counted).contains(&Flaw::NotSteady));
    assert_eq!(flaws(text, |_| Verdict::Conflict("no".into())), [Flaw::Fails]);
}

#[test]
fn what_takes_long_is_slow() {
    let (_, db) = database();
    let script = Some(Script { dialect: Dialect::Rhai1, source: Vec::new() });
    let mut runner = Stub(|job: &Job| {
        std::thread::sleep(std::time::Duration::from_millis(101));
        merged(longer(job))
    });
    let test = RuleTest { script, count: 1, ..every() };
    let reports = db.test_rules(commit(&db, tree(&db, &[("a", "text\n")])), &test, &mut runner).unwrap();
    assert_eq!(reports[0].flaws.iter().map(|flaw| flaw.flaw).collect::<Vec<_>>(), [Flaw::Slow]);
}

#[test]
fn a_flaw_has_its_smallest_example() {
    let (_, db) = database();
    let root = tree(&db, &[("long", "one\ntwo\nthree\nfour\nfive\n"), ("short", "1\n")]);
    let test = RuleTest { script: Some(Script { dialect: Dialect::Wasm1, source: Vec::new() }), ..every() };
    let try_it = || db.test_rules(commit(&db, root), &test, &mut Stub(|job: &Job| merged(job.left.clone()))).unwrap();
    let reports = try_it();
    let flaw = &reports[0].flaws[0];
    assert_eq!((flaw.flaw, flaw.key.text().as_ref()), (Flaw::NotCommutative, "short"));
    assert_eq!(flaw.answers, [0, 1].map(|at| flaw.versions[at].clone().map_or(Answer::Deleted, Answer::Merged)));
    let (again, other) = (try_it(), &reports[0]);
    assert_eq!((&again[0].conflicts, again[0].merged), (&other.conflicts, other.merged), "a seed makes the same test");
    assert_eq!(again[0].flaws[0].versions, flaw.versions);
}

fn by_number(reports: &[RuleReport]) -> Vec<(usize, u64, u64, u64)> {
    let number = |report: &RuleReport| report.rule.as_ref().map_or(0, |(number, _)| *number);
    reports.iter().map(|report| (number(report), report.documents, report.real, report.made)).collect()
}

#[test]
fn the_rules_of_isodb_are_as_they_should_be() {
    let (_, db) = database();
    let rules = r#"[
        {"keys":"stock/*","use":"json","fields":{"/n":"sum","/max":"max","/tags":"union","/l":"list","/l/*/n":"sum"}},
        {"keys":"notes/**","use":"text"},
        {"keys":"sensors/*","use":"latest"},
        {"keys":"nothing","use":"text"},
        {"keys":"kept/*","use":"keep"}
    ]"#;
    let mut documents = vec![
        ("_isodb/merge/rules", rules),
        ("stock/hay", r#"{"n":5,"max":3,"tags":["a","b"],"l":[{"id":1,"n":2},{"id":2,"n":3}]}"#),
        ("stock/oats", r#"{"n":0.25,"name":"oats","tags":[]}"#),
        ("notes/a", "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"),
        ("sensors/t", "20.5"),
        ("kept/x", "1"),
        ("other", r#"{"a":{"b":1},"c":[1,2],"d":"text"}"#),
    ];
    let root = tree(&db, &documents);
    let mut runner = Stub(|_: &Job| panic!("there is no script"));
    let reports = db.test_rules(commit(&db, root), &every(), &mut runner).unwrap();
    let numbers = by_number(&reports);
    let parts: Vec<(usize, u64)> = numbers.iter().map(|(number, documents, ..)| (*number, *documents)).collect();
    assert_eq!(parts, [(1, 2), (2, 1), (3, 1), (4, 0), (5, 1), (0, 1)]);
    for report in &reports {
        assert!(report.flaws.iter().all(|flaw| !flaw.flaw.is_wrong() || flaw.flaw == Flaw::Slow), "{report:?}");
    }
    assert!([0, 1, 2, 5].iter().all(|at| reports[*at].merged > 10), "{reports:?}");
    assert_eq!(numbers[3..5], [(4, 0, 0, 0), (5, 1, 0, 0)]);

    // What is named is tried alone, and documents about the database only when they are.
    let test = RuleTest { keys: Some("_isodb/**".parse().unwrap()), ..every() };
    assert_eq!(by_number(&db.test_rules(commit(&db, root), &test, &mut runner).unwrap())[5].1, 1);

    documents[0].1 = r#"[{"keys":"a","use":"b"}]"#;
    assert!(matches!(db.test_rules(commit(&db, tree(&db, &documents)), &every(), &mut runner), Err(Error::Rules(_))));
}

#[test]
fn real_conflicts_come_first() {
    let (_, db) = database();
    let rules = r#"[{"keys":"**","use":"script","script":"_isodb/merge/x.rhai"}]"#;
    let root = tree(&db, &[("_isodb/merge/rules", rules), ("_isodb/merge/x.rhai", "x"), ("b", "text\n")]);
    let conflict = Conflict {
        versions: [blob(&db, "1"), blob(&db, "2"), blob(&db, "3")].into(),
        base: Some(blob(&db, "0")),
        deleted: true,
    };
    let edits: Edits =
        [("a".parse().unwrap(), Edit::Put(conflict.write(db.store()).unwrap().unwrap()))].into_iter().collect();
    let root = Tree::new(db.store(), root).edit(&edits).unwrap().id();
    let jobs = std::cell::RefCell::new(Vec::new());
    let mut runner = Stub(|job: &Job| {
        jobs.borrow_mut().push(job.clone());
        merged(longer(job))
    });
    let reports = db.test_rules(commit(&db, root), &RuleTest { count: 2, ..every() }, &mut runner).unwrap();
    assert_eq!(by_number(&reports), [(1, 2, 1, 1)]);
    // The deletion is the first version, as when isodb merges.
    let first = jobs.borrow()[0].clone();
    assert_eq!((first.key.as_str(), first.left, first.base.as_deref()), ("a", None, Some(&b"0"[..])));

    let without = Tree::new(db.store(), root)
        .edit(&[("_isodb/merge/x.rhai".parse().unwrap(), Edit::Remove)].into_iter().collect());
    let reports = db.test_rules(commit(&db, without.unwrap().id()), &every(), &mut runner).unwrap();
    let flaw = &reports[0].flaws[0];
    assert_eq!(flaw.flaw, Flaw::Fails);
    assert_eq!(flaw.answers, [Answer::Conflict("there is no document \"_isodb/merge/x.rhai\"".into())]);
}

#[test]
fn what_was_in_dispute_in_merges_is_tried_as_well() {
    let (_, db) = database();
    let rules = r#"[{"keys":"a","use":"script","script":"_isodb/merge/x.rhai"},{"keys":"b","use":"json"}]"#;
    let with = |a: &str, b: &str| {
        tree(&db, &[("_isodb/merge/rules", rules), ("_isodb/merge/x.rhai", "x"), ("a", a), ("b", b)])
    };
    let first = put_commit(&db, with("0", r#"{"x":1,"y":1}"#), Vec::new(), 1, "first");
    let heads = [("1", r#"{"x":2,"y":1}"#), ("2", r#"{"x":1,"y":2}"#)]
        .map(|(a, b)| put_commit(&db, with(a, b), vec![first], 2, "next"));
    db.store().flush(&[]).unwrap();
    let mut runner = Stub(|job: &Job| merged(longer(job)));
    let merge = db.merge_of(&heads, &mut runner).unwrap();
    // Both documents were decided by a rule, so nothing is in conflict now.
    assert_eq!((merge.merged, merge.conflicts), (2, 0));
    let reports = db.test_rules(Some(merge.head), &RuleTest { count: 10, ..every() }, &mut runner).unwrap();
    assert_eq!(by_number(&reports), [(1, 1, 1, 9), (2, 1, 1, 9)]);
    let none = RuleTest { keys: Some("c".parse().unwrap()), ..every() };
    assert_eq!(by_number(&db.test_rules(Some(merge.head), &none, &mut runner).unwrap()), [(1, 0, 0, 0), (2, 0, 0, 0)]);
}

#[test]
fn a_failure_of_the_machine_says_nothing_of_the_rule() {
    struct Dead;
    impl Runner for Dead {
        fn load(&mut self, _: &Script) -> Result<Loaded, Failure> {
            Ok(Loaded { script: 0, takes_sides: false, broken: None })
        }

        fn run(&mut self, _: &[Job]) -> Result<Vec<Verdict>, Failure> {
            Err(Failure("was killed".into()))
        }
    }
    let (_, db) = database();
    let root = tree(&db, &[("a", "text\n")]);
    let test = RuleTest { script: Some(Script { dialect: Dialect::Rhai1, source: Vec::new() }), ..every() };
    assert!(matches!(db.test_rules(commit(&db, root), &test, &mut Dead), Err(Error::Script(_))));
}
