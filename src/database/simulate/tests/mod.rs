//! Simulations that hold, and merges with faults that simulations find.

use super::play::Merge;
use super::sample::{Kept, Sample, Start};
use super::{ByRules, Event, Finding, SimulateOptions, Simulation, SimulationFailure, SimulationStage, run};
use crate::database::error::Result;
use crate::database::{Changeset, CommitInfo, Database};
use crate::object::{CommitId, Ident, Objects, Person};
use crate::refs::{Expect, RefName};
use crate::script::InProcess;

fn start(contents: &[(&str, &str, Kept)], settings: &[(&str, &str)]) -> Start {
    let sample = |&(key, content, kept): &(&str, &str, Kept)| Sample {
        key: key.parse().unwrap(),
        content: content.into(),
        kept,
    };
    let setting = |&(key, content): &(&str, &str)| (key.parse().unwrap(), content.into());
    Start { samples: contents.iter().map(sample).collect(), settings: settings.iter().map(setting).collect() }
}

/// Documents that are kept in conflict, all of them.
fn kept() -> Start {
    start(&[("a", "1", Kept::Always), ("b", "x\ny\n", Kept::Always), ("c/d", "[1]", Kept::Always)], &[])
}

fn options(nodes: usize, rounds: usize, seed: u64) -> SimulateOptions {
    SimulateOptions { nodes, rounds, seed, documents: 10 }
}

fn simulate(start: &Start, options: SimulateOptions, merge: &mut dyn Merge) -> Simulation {
    run(start, &options, merge, &mut |_, done, total| assert!(done <= total)).unwrap()
}

fn by_rules(start: &Start, options: SimulateOptions) -> Simulation {
    simulate(start, options, &mut ByRules { runner: &mut InProcess::new().unwrap() })
}

#[test]
fn the_merges_of_the_format_hold() {
    let mut conflicts = 0;
    for seed in 0..6 {
        let found = by_rules(&kept(), options(2 + seed as usize % 3, 12, seed));
        assert_eq!(found.failure, None, "seed {seed}");
        assert!(found.writes > 5 && found.merges > 5 && found.documents == 3, "{found:?}");
        conflicts += found.conflicts;
    }
    assert!(conflicts > 0);
}

#[test]
fn rules_and_scripts_are_the_databases_own() {
    let rules = r#"[{"keys":"a","use":"json","fields":{"/n":"sum"}},{"keys":"b","use":"latest"},
        {"keys":"c/*","use":"script","script":"_isodb/merge/larger.wasm"}]"#;
    // Takes the right version, whatever the left one is: no good rule, but one that every node follows alike.
    let script = wat::parse_str(
        r#"(module (memory (export "memory") 1) (global $at (mut i32) (i32.const 0))
             (func (export "alloc") (param i32) (result i32)
               (global.get $at) (global.set $at (i32.add (global.get $at) (local.get 0))))
             (func (export "merge") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i64)
               (if (i32.lt_s (local.get 7) (i32.const 0)) (then (return (i64.const 0))))
               (i64.or (i64.shl (i64.extend_i32_u (local.get 6)) (i64.const 32)) (i64.extend_i32_u (local.get 7)))))"#,
    )
    .unwrap();
    let documents = [("a", "{\"n\":1}", Kept::No), ("b", "x", Kept::No), ("c/d", "[1]", Kept::No)];
    let mut start = start(&documents, &[("_isodb/merge/rules", rules)]);
    start.settings.push(("_isodb/merge/larger.wasm".parse().unwrap(), script));
    for seed in 0..3 {
        let found = by_rules(&start, options(3, 15, seed));
        assert_eq!(found.failure, None, "seed {seed}");
        // Only where one of two versions is the deletion can a sum be left in conflict.
        assert!(found.conflicts <= 1, "{found:?}");
    }
}

#[test]
fn a_seed_gives_the_same_run() {
    let found = by_rules(&kept(), options(3, 10, 4));
    assert_eq!(by_rules(&kept(), options(3, 10, 4)), found);
    assert_ne!(by_rules(&kept(), options(3, 10, 5)), found);
}

/// Merges that are wrong in one way or another.
enum Faulty {
    /// What a node has wins over what it takes in.
    FirstWins,
    /// Of several heads the one with the greatest id wins: alike for all, and the others are lost.
    GreatestWins,
    /// As the format says, but it claims to be another the second time.
    NeverSame,
}

impl Merge for Faulty {
    fn merge(&mut self, db: &Database, name: &RefName, other: CommitId, who: &Ident) -> Result<CommitId> {
        let (_, old) = db.refs.resolve(name)?;
        let own = CommitId(old.expect("a node has a head"));
        let frontier = db.frontier(&[own, other])?;
        let (parents, winner) = match self {
            Faulty::NeverSame => return ByRules { runner: &mut InProcess::new()? }.merge(db, name, other, who),
            _ if frontier.len() == 1 => {
                db.set_ref(name, Some(frontier[0].0), Expect::Any, who, "simulation")?;
                return Ok(frontier[0]);
            }
            Faulty::FirstWins => (vec![own, other], own),
            Faulty::GreatestWins => (frontier.clone(), frontier[frontier.len() - 1]),
        };
        let person = Person::new("merge", "merge@isodb")?;
        let info = CommitInfo {
            author: person.clone(),
            author_time: 0,
            committer: person,
            committer_time: 0,
            message: "merge".into(),
            signer: None,
        };
        let tree = db.store.commit(winner)?.tree;
        let changes = Changeset::whole_tree(tree);
        let head = db.commit_on(&parents, &changes, &info, &mut InProcess::new()?)?.head.expect("a commit");
        db.set_ref(name, Some(head.0), Expect::Any, who, "simulation")?;
        Ok(head)
    }

    fn is_same_again(&mut self, db: &Database, merge: CommitId) -> Result<bool> {
        Ok(!matches!(self, Faulty::NeverSame) || db.store.commit(merge)?.parents.len() < 2)
    }
}

fn failure(faulty: &mut Faulty, options: SimulateOptions) -> SimulationFailure {
    simulate(&kept(), options, faulty).failure.expect("it fails")
}

fn writes(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::Wrote { .. })).count()
}

#[test]
fn a_merge_that_depends_on_the_order_is_found_and_the_run_made_short() {
    let mut stages = Vec::new();
    let found =
        run(&kept(), &options(4, 40, 1), &mut Faulty::FirstWins, &mut |stage, _, _| stages.push(stage)).unwrap();
    let SimulationFailure { finding, events, steps } = found.failure.expect("it fails");
    assert!(matches!(finding, Finding::HeadsDiffer { head, expected, .. } if head != expected), "{finding:?}");
    assert!(steps > 3);
    assert_eq!(writes(&events), 2, "{events:#?}");
    assert!(stages.contains(&SimulationStage::Playing) && stages.contains(&SimulationStage::Shortening));
    // It is a run that anybody can have again.
    assert_eq!(failure(&mut Faulty::FirstWins, options(4, 40, 1)).events, events);
}

#[test]
fn a_version_that_is_gone_is_found() {
    let SimulationFailure { finding, events, .. } = failure(&mut Faulty::GreatestWins, options(3, 20, 2));
    let Finding::Lost { key, .. } = finding else { panic!("{finding:?}") };
    assert!(["a", "b", "c/d"].contains(&key.text().as_ref()));
    assert_eq!(writes(&events), 2, "{events:#?}");
}

#[test]
fn a_merge_that_is_another_the_second_time_is_found() {
    let SimulationFailure { finding, .. } = failure(&mut Faulty::NeverSame, options(2, 10, 3));
    assert!(matches!(finding, Finding::NotSame { .. }), "{finding:?}");
}
