//! The power goes at each operation of each scenario, and whatever was not flushed is lost in each of eight ways.

use std::path::Path;

use isodb::{FaultDisk, Survivors};

use super::examine::{Allowed, Examiner, State, documents_of, open};
use super::scenario::{self, ROOT, Scenario};

/// A scenario's disk to start from, and what it does when nothing goes wrong.
pub(super) struct Clean {
    pub(super) start: FaultDisk,
    pub(super) operations: u64,
    pub(super) allowed: Allowed,
}

impl Clean {
    pub(super) fn run(scenario: &Scenario) -> Clean {
        let start = FaultDisk::new();
        (scenario.prepare)(&start);
        let disk = start.fork();
        let promised = (scenario.run)(&disk).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
        let root = Path::new(ROOT);
        let promised = promised.map(|id| (id, documents_of(&open(&disk, root).unwrap(), id)));
        let (old, new) = (State::read(&start, root), State::read(&disk, root));
        let allowed = Allowed { old, new, is_acked: false, promised };
        Clean { start, operations: disk.operations(), allowed }
    }
}

/// Cuts at every operation of a scenario. Answers how many operations it has.
fn cut_everywhere(scenario: &Scenario, examiner: &mut Examiner) -> u64 {
    let clean = Clean::run(scenario);
    for n in 0..=clean.operations {
        let disk = clean.start.fork();
        disk.cut_at(n);
        let is_acked = (scenario.run)(&disk).is_ok();
        assert_eq!(disk.is_cut(), n < clean.operations, "{}: a run has as many operations as the next", scenario.name);
        let promised = clean.allowed.promised.clone().filter(|_| is_acked);
        let allowed = Allowed { is_acked, promised, ..clean.allowed.clone() };
        for survivors in Survivors::all() {
            let what = format!("{}, cut at operation {n} of {}, {survivors}", scenario.name, clean.operations);
            examiner.examine(&disk.after_power_cut(survivors), Path::new(ROOT), &allowed, &what);
        }
    }
    clean.operations
}

#[test]
fn a_power_cut_leaves_the_old_or_the_new_state() {
    for scenario in scenario::ALL.iter().chain([&scenario::SERIES]) {
        let mut examiner = Examiner::default();
        let operations = cut_everywhere(scenario, &mut examiner);
        println!("{}: {operations} operations, {} states", scenario.name, examiner.count());
        assert_eq!(operations == 0, scenario.name == "a put of nothing new", "{}", scenario.name);
    }
}

#[test]
fn a_power_cut_leaves_all_of_a_large_commit_or_nothing() {
    let mut examiner = Examiner::coarse();
    let operations = cut_everywhere(&scenario::LARGE, &mut examiner);
    println!("{}: {operations} operations, {} states", scenario::LARGE.name, examiner.count());
    assert!(operations > 300, "each document takes several operations: {operations}");
}

#[test]
fn objects_of_others_are_durable_when_a_put_has_used_them() {
    let scenario = &scenario::BESIDE_GIT;
    let clean = Clean::run(scenario);
    let disk = clean.start.fork();
    (scenario.run)(&disk).unwrap();
    let allowed = Allowed { is_acked: true, ..clean.allowed };
    for survivors in Survivors::all() {
        let left = disk.after_power_cut(survivors);
        Examiner::default().examine(&left, Path::new(ROOT), &allowed, &format!("{}, {survivors}", scenario.name));
    }
}
