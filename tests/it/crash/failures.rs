//! One operation fails, or the disk fills up, at each operation of each scenario: an error of the right kind, and
//! nothing changed.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::path::Path;

use isodb::{Error, FaultDisk, Survivors};

use super::cuts::Clean;
use super::examine::{Allowed, Examiner, State};
use super::scenario::{self, ROOT, Scenario};

const KINDS: [ErrorKind; 3] = [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];

/// The kind of the system's error behind an error.
fn kind_of(error: &Error) -> Option<ErrorKind> {
    let mut at = error.source();
    while let Some(source) = at {
        if let Some(error) = source.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        at = source.source();
    }
    None
}

/// Makes every operation of a scenario fail in turn.
fn fail_everywhere(scenario: &Scenario, fail: impl Fn(&FaultDisk, u64, ErrorKind)) {
    let clean = Clean::run(scenario);
    let mut examiner = Examiner::default();
    for n in 0..clean.operations {
        for kind in KINDS {
            let what = format!("{}, {kind:?} at operation {n} of {}", scenario.name, clean.operations);
            let disk = clean.start.fork();
            fail(&disk, n, kind);
            let ended = (scenario.run)(&disk);
            disk.heal();
            let promised = clean.allowed.promised.clone().filter(|_| ended.is_ok());
            let state = State::read(&disk, Path::new(ROOT));
            let allowed = Allowed { is_acked: ended.is_ok(), promised, ..clean.allowed.clone() };
            match &ended {
                // What failed was a matter of tidiness; the promise holds.
                Ok(_) => assert!(state == clean.allowed.new, "{what}: it claims success"),
                Err(error) => {
                    assert_eq!(kind_of(error), Some(kind), "{what}: {error}");
                    let has_changed = matches!(error, Error::NotDurable { .. });
                    let expected = if has_changed { &clean.allowed.new } else { &clean.allowed.old };
                    assert!(state == *expected, "{what}: {error}, but {state:#?}");
                }
            }
            examiner.examine(&disk.after_power_cut(Survivors::SYNCED), Path::new(ROOT), &allowed, &what);
            examiner.examine(&disk, Path::new(ROOT), &allowed, &what);
        }
    }
}

#[test]
fn a_failure_changes_nothing() {
    for scenario in scenario::ALL {
        fail_everywhere(scenario, |disk, n, kind| disk.fail_at(n, kind));
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    for scenario in scenario::ALL {
        fail_everywhere(scenario, |disk, n, kind| disk.fail_from(n, kind));
    }
}
