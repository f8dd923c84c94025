//! Rules at work: which are in force, what each method is given, and what is done with its answer.

use super::*;
use crate::merge::Decision;
use crate::script::{Failure, Job, Loaded, Script, Side, Verdict};

const RULES: &str = "_isodb/merge/rules";

/// A script that a test plays, and what it was asked.
struct Play<F> {
    answer: F,
    takes_sides: bool,
    loaded: Vec<Script>,
    jobs: Vec<Job>,
}

impl<F: FnMut(&Job) -> Verdict> Play<F> {
    fn new(answer: F) -> Play<F> {
        Play { answer, takes_sides: false, loaded: Vec::new(), jobs: Vec::new() }
    }
}

impl<F: FnMut(&Job) -> Verdict> Runner for Play<F> {
    fn load(&mut self, script: &Script) -> Result<Loaded, Failure> {
        self.loaded.push(script.clone());
        Ok(Loaded { script: self.loaded.len() - 1, takes_sides: self.takes_sides, broken: None })
    }

    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, Failure> {
        self.jobs.extend_from_slice(jobs);
        Ok(jobs.iter().map(&mut self.answer).collect())
    }
}

fn puts(list: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    list.iter().map(|(key, text)| ((*key).to_owned(), (*text != "-").then(|| (*text).to_owned()))).collect()
}

/// A beginning with these documents and rules, and a commit on it for each list of changes, at times from 10 on.
fn heads(db: &Database, rules: &str, start: &[(&str, &str)], changes: &[&[(&str, &str)]]) -> Vec<CommitId> {
    let mut first = puts(start);
    if !rules.is_empty() {
        first.push((RULES.to_owned(), Some(rules.to_owned())));
    }
    let start = author(db, "start", &[], &first, 1);
    let side =
        |(n, list): (usize, &&[(&str, &str)])| author(db, &format!("n{n}"), &[start], &puts(list), 10 + n as i64);
    changes.iter().enumerate().map(side).collect()
}

/// The texts of a document's versions in the merge of some heads, sorted; `-` for the deletion and for no document.
fn texts(db: &Database, heads: &[CommitId], key: &str, runner: &mut dyn Runner) -> Vec<String> {
    let outcome = db.merge_of(heads, runner).unwrap();
    let text = |version: &Option<Vec<u8>>| version.clone().map_or("-".into(), |text| String::from_utf8(text).unwrap());
    let mut texts: Vec<String> =
        documents(db, outcome.head).get(key).map_or(vec!["-".into()], |versions| versions.iter().map(text).collect());
    texts.sort();
    texts
}

fn check(rules: &str, key: &str, versions: &[&str], expected: &[&str]) {
    let (_, db) = database();
    let changes: Vec<Vec<(&str, &str)>> = versions[1..].iter().map(|text| vec![(key, *text)]).collect();
    let changes: Vec<&[(&str, &str)]> = changes.iter().map(Vec::as_slice).collect();
    let start = if versions[0].is_empty() { vec![] } else { vec![(key, versions[0])] };
    let heads = heads(&db, rules, &start, &changes);
    let reversed: Vec<CommitId> = heads.iter().rev().copied().collect();
    for heads in [heads, reversed] {
        assert_eq!(texts(&db, &heads, key, &mut NoScripts), expected, "{rules} {versions:?}");
    }
}

#[test]
fn without_a_rule_objects_are_merged_and_the_rest_is_kept() {
    check("", "a", &[r#"{"x":1,"y":1}"#, r#"{"x":2,"y":1}"#, r#"{"x":1,"y":2}"#], &[r#"{"x":2,"y":2}"#]);
    check("", "a", &[r#"{"x":1}"#, r#"{"x":2}"#, r#"{"x":3}"#], &[r#"{"x":2}"#, r#"{"x":3}"#]);
    check("", "a", &["", r#"{"x":1}"#, r#"{"y":2}"#, r#"{"z":3}"#], &[r#"{"x":1,"y":2,"z":3}"#]);
    check("", "a", &["[1]", "[1,2]", "[1,3]"], &["[1,2]", "[1,3]"]);
    check("", "a", &[r#"{"x":1}"#, r#"{"x":1,"y":1}"#, "-"], &["-", r#"{"x":1,"y":1}"#]);
    check("", "a", &["a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n"], &["A\nb\nc\nd\n", "a\nb\nc\nD\n"]);
}

#[test]
fn each_method_does_its_own() {
    let text = r#"[{"keys":"*.txt","use":"text"}]"#;
    check(text, "a.txt", &["a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n"], &["A\nb\nc\nD\n"]);
    check(text, "b", &["a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD\n"], &["A\nb\nc\nd\n", "a\nb\nc\nD\n"]);
    let keep = r#"[{"keys":"**","use":"keep"}]"#;
    check(keep, "a", &[r#"{"x":1,"y":1}"#, r#"{"x":2,"y":1}"#, "{}"], &[r#"{"x":2,"y":1}"#, "{}"]);
    let sum = r#"[{"keys":"stock/*","use":"json","fields":{"/n":"sum"}}]"#;
    check(
        sum,
        "stock/hay",
        &[r#"{"n":10}"#, r#"{"n":12}"#, r#"{"n":9}"#, r#"{"n":11,"by":"x"}"#],
        &[r#"{"n":12,"by":"x"}"#],
    );
    let latest = r#"[{"keys":"**","use":"latest"}]"#;
    check(latest, "a", &["1", "2", "3"], &["3"]);
    check(latest, "a", &["1", "3", "2"], &["2"]);
    check(latest, "a", &["1", "2", "3", "-"], &["-"]);
    check(latest, "a", &["1", "-", "3"], &["3"]);
    let field = r#"[{"keys":"**","use":"json","fields":{"/at":"latest"}}]"#;
    check(field, "a", &[r#"{"at":1}"#, r#"{"at":5}"#, r#"{"at":4}"#, r#"{"at":2}"#], &[r#"{"at":2}"#]);
}

#[test]
fn what_a_rule_made_counts_as_written_with_the_latest_of_what_it_was_made_from() {
    let (_, db) = database();
    // The merge of two heads makes a version that is in none; whichever comes third is older or newer than both.
    let rules = r#"[{"keys":"a","use":"json","fields":{"/at":"latest"}}]"#;
    let all = [r#"{"at":1,"n0":1}"#, r#"{"at":2,"n1":1}"#, r#"{"at":3,"n2":1}"#, r#"{"at":4,"n3":1}"#];
    let changes: Vec<Vec<(&str, &str)>> = all.iter().map(|text| vec![("a", *text)]).collect();
    let changes: Vec<&[(&str, &str)]> = changes.iter().map(Vec::as_slice).collect();
    let heads = heads(&db, rules, &[("a", r#"{"at":0}"#)], &changes);
    assert_eq!(texts(&db, &heads, "a", &mut NoScripts), [r#"{"at":4,"n0":1,"n1":1,"n2":1,"n3":1}"#]);
}

#[test]
fn of_rules_in_dispute_those_before_hold() {
    let (_, db) = database();
    let latest = r#"[{"keys":"a","use":"latest"}]"#;
    let sides: [&[(&str, &str)]; 3] = [
        &[("a", "2"), (RULES, r#"[{"keys":"a","use":"keep"}]"#)],
        &[("a", "3"), (RULES, r#"[{"keys":"*","use":"keep"}]"#)],
        &[("b", "3")],
    ];
    let heads = heads(&db, latest, &[("a", "1")], &sides);
    assert_eq!(texts(&db, &heads, "a", &mut NoScripts), ["3"], "both sides' rules would keep it");
    let rules = texts(&db, &heads, RULES, &mut NoScripts);
    assert_eq!(rules.len(), 2, "the rules themselves are in conflict");
    assert_eq!(texts(&db, &[heads[0], heads[2]], RULES, &mut NoScripts), [sides[0][1].1]);

    // A commit on top of that conflict has rules in conflict itself; what they came from goes on holding.
    let top = author(&db, "top", &heads, &puts(&[("a", "4")]), 20);
    let beside = author(&db, "beside", &[heads[0], heads[1]], &puts(&[("a", "5")]), 21);
    assert_eq!(texts(&db, &[top, beside], "a", &mut NoScripts), ["5"]);
    let commit = db.store().commit(merged(&db, &[top, beside]).head).unwrap();
    let root = db.tree_of(Some(author(&db, "o", &[], &puts(&[(RULES, latest)]), 1))).unwrap();
    let folder = root.folder(Some(&key("_isodb/merge"))).unwrap().unwrap();
    assert_eq!(commit.header("isodb-merge").unwrap(), format!("1 {folder}").as_bytes());
}

#[test]
fn a_rule_that_one_side_made_holds_for_the_merge() {
    let (_, db) = database();
    let rules = r#"[{"keys":"a","use":"latest"}]"#;
    let heads = heads(&db, "", &[("a", "1")], &[&[("a", "2"), (RULES, rules)], &[("a", "3")]]);
    assert_eq!(texts(&db, &heads, "a", &mut NoScripts), ["3"]);
}

#[test]
fn rules_that_cannot_be_read_stop_the_merge() {
    for (rules, words) in [
        ("[{\"keys\":\"a\",\"use\":\"newest\"}]", "newest"),
        ("[{\"keys\":\"a\",\"use\":\"script\",\"script\":\"_isodb/merge/x\",\"engine\":\"lua/1\"}]", "lua/1"),
        ("no rules", "no JSON"),
    ] {
        let (_, db) = database();
        let heads = heads(&db, rules, &[("a", "1")], &[&[("a", "2")], &[("b", "3")]]);
        let refused = db.merge_of(&heads, &mut NoScripts).unwrap_err();
        assert!(matches!(refused, Error::Rules(_)) && refused.to_string().contains(words), "{refused}");
    }
}

const SCRIPTED: &str = r#"[{"keys":"a*","use":"script","script":"_isodb/merge/x.rhai"}]"#;
const SCRIPT: (&str, &str) = ("_isodb/merge/x.rhai", "source");

#[test]
fn a_script_is_given_pairs_in_the_order_of_ids() {
    let (_, db) = database();
    let sides: [&[(&str, &str)]; 3] =
        [&[("a1", "x"), ("a2", "x")], &[("a1", "y"), ("a2", "-")], &[("a1", "z"), ("b", "1")]];
    let heads = heads(&db, SCRIPTED, &[("a1", "o"), ("a2", "o"), SCRIPT], &sides);
    let join = |job: &Job| {
        let text = |side: &Option<Vec<u8>>| side.as_ref().map_or("-".into(), |t| String::from_utf8(t.clone()).unwrap());
        Verdict::Merged(format!("{}{}", text(&job.left), text(&job.right)).into_bytes())
    };
    let mut play = Play::new(join);
    let merged = texts(&db, &heads, "a1", &mut play);
    assert_eq!(merged.len(), 1);
    assert_eq!(play.loaded, [Script { dialect: crate::script::Dialect::Rhai1, source: b"source".to_vec() }]);
    assert_eq!(play.jobs.len(), 3, "a1 twice, since the heads are merged one after the other, and a2 once");
    let id = |text: &Option<Vec<u8>>| text.as_ref().map(|text| crate::object::hash(Kind::Blob, text));
    for job in &play.jobs {
        assert_eq!((job.base.as_deref(), job.script, &job.sides), (Some(&b"o"[..]), 0, &None));
        assert!(id(&job.left) < id(&job.right));
    }
    let deletion = play.jobs.iter().find(|job| job.key == "a2").unwrap();
    assert_eq!((&deletion.left, deletion.right.as_deref()), (&None, Some(&b"x"[..])));
}

#[test]
fn a_conflict_of_three_versions_goes_through_a_script_pair_by_pair() {
    let (_, db) = database();
    let heads = heads(&db, "", &[("a", "o")], &[&[("a", "x")], &[("a", "y")], &[("a", "z")]]);
    let left = author(&db, "left", &[heads[0], heads[1]], &puts(&[("b", "1")]), 30);
    let right = author(&db, "right", &[heads[1], heads[2]], &puts(&[("c", "1"), (RULES, SCRIPTED), SCRIPT]), 31);
    let mut play =
        Play::new(|job: &Job| Verdict::Merged([job.left.clone().unwrap(), job.right.clone().unwrap()].concat()));
    let merged = texts(&db, &[left, right], "a", &mut play);
    assert_eq!((merged.len(), play.jobs.len()), (1, 2), "{merged:?}");
    assert!(["x", "y", "z"].iter().all(|text| merged[0].contains(text)), "{merged:?}");
    let mut refusing = Play::new(|job: &Job| match &job.left {
        Some(left) if left.len() + job.right.as_ref().unwrap().len() > 2 => Verdict::Conflict("too long".into()),
        left => Verdict::Merged([left.clone().unwrap(), job.right.clone().unwrap()].concat()),
    });
    assert_eq!(texts(&db, &[left, right], "a", &mut refusing), ["x", "y", "z"], "all versions stay");
    let head = db.merge_of(&[left, right], &mut refusing).unwrap().head;
    let [(dispute, decided)] = &db.disputes(head, &mut refusing).unwrap()[..] else { panic!("one dispute") };
    assert_eq!((dispute.key.text(), decided.reason.as_deref()), ("a".into(), Some("too long")));
}

#[test]
fn a_script_can_delete_and_can_ask_for_the_sides() {
    let (_, db) = database();
    let sides: [&[(&str, &str)]; 2] = [&[("a", "x")], &[("a", "y")]];
    let heads = heads(&db, SCRIPTED, &[("a", "o"), SCRIPT], &sides);
    let mut play = Play::new(|_: &Job| Verdict::Deleted);
    play.takes_sides = true;
    assert_eq!(texts(&db, &heads, "a", &mut play), ["-"]);
    let [Job { left, sides: Some(sides), .. }] = &play.jobs[..] else { panic!("one job with sides") };
    let side =
        |n: usize| Side { author: format!("n{n} <n{n}@farm>"), time: 10 + n as i64, commit: heads[n].to_string() };
    let first = usize::from(left.as_deref() != Some(b"x"));
    assert_eq!(sides, &[side(first), side(1 - first)]);
}

#[test]
fn without_the_script_the_conflict_stays_and_without_an_answer_nothing_is_merged() {
    let (_, db) = database();
    let sides: [&[(&str, &str)]; 2] = [&[("a", "x")], &[("a", "y")]];
    let lacking = heads(&db, SCRIPTED, &[("a", "o")], &sides);
    assert_eq!(texts(&db, &lacking, "a", &mut NoScripts), ["x", "y"]);
    let head = merged(&db, &lacking).head;
    let reason = db.disputes(head, &mut NoScripts).unwrap()[0].1.reason.clone();
    assert_eq!(reason.as_deref(), Some("there is no document \"_isodb/merge/x.rhai\""));

    let heads = heads(&db, SCRIPTED, &[("a", "o"), SCRIPT], &sides);
    let refused = db.merge(&RefName::head(), Expect::Any, &heads, false, &mut NoScripts, &ident(1));
    assert!(matches!(refused, Err(Error::Script(_))), "{refused:?}");
    assert_eq!(db.head().unwrap().1, None);
    let mut play = Play::new(|_: &Job| Verdict::Merged(Vec::new()));
    struct Short<'p, F>(&'p mut Play<F>);
    impl<F: FnMut(&Job) -> Verdict> Runner for Short<'_, F> {
        fn load(&mut self, script: &Script) -> Result<Loaded, Failure> {
            self.0.load(script)
        }
        fn run(&mut self, _: &[Job]) -> Result<Vec<Verdict>, Failure> {
            Ok(Vec::new())
        }
    }
    assert!(matches!(db.merge_of(&heads, &mut Short(&mut play)), Err(Error::Script(_))));
}

#[test]
fn todays_rules_run_over_what_is_left() {
    let (_, db) = database();
    let heads = heads(&db, "", &[("a", "1")], &[&[("a", "2")], &[("a", "3")]]);
    let head = merged(&db, &heads).head;
    let disputes: Vec<Dispute> = db.disputes(head, &mut NoScripts).unwrap().into_iter().map(|(one, _)| one).collect();
    let ruled = author(&db, "ruled", &heads, &puts(&[(RULES, r#"[{"keys":"a","use":"latest"}]"#)]), 30);
    let tree = db.store().commit(ruled).unwrap().tree;
    let decided = db.redo(tree, ruled, &disputes, &mut NoScripts).unwrap();
    let three = BlobId(crate::object::hash(Kind::Blob, b"3"));
    assert_eq!(decided, [Decided { decision: Decision::Merged(three), reason: None }]);
    let before = db.redo(TreeId::EMPTY, ruled, &disputes, &mut NoScripts).unwrap();
    assert_eq!(before[0].decision, Decision::Keep);
}

#[test]
fn many_documents_are_merged_in_threads_alike() {
    let (_, db) = database();
    let names: Vec<String> = (0..300).map(|n| format!("d/{n}")).collect();
    let version = |text: &'static str| names.iter().map(|key| (key.as_str(), text)).collect::<Vec<_>>();
    let [start, one, two] = [r#"{"x":1,"y":1}"#, r#"{"x":2,"y":1}"#, r#"{"x":1,"y":3}"#].map(version);
    let heads = heads(&db, "", &start, &[&one, &two]);
    let outcome = merged(&db, &heads);
    assert_eq!((outcome.merged, outcome.conflicts), (300, 0));
    let all = documents(&db, outcome.head);
    assert!(all.values().all(|versions| versions == &[Some(br#"{"x":2,"y":3}"#.to_vec())]));
}
