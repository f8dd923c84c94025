//! The system refuses one call of the real program: exit status 5, one sentence, nothing changed.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::kill::{Attempt, Point, assert_usable, refs};
use crate::support::has_tool;

/// Calls and what the system says to them.
const REFUSALS: [(&str, &[&str]); 11] = [
    ("openat", &["EACCES", "ENOSPC"]),
    ("write", &["ENOSPC", "EIO"]),
    ("fsync", &["EIO", "ENOSPC"]),
    ("fdatasync", &["EIO"]),
    ("syncfs", &["EIO"]),
    ("rename", &["ENOSPC", "EACCES", "EROFS"]),
    ("renameat", &["ENOSPC"]),
    ("renameat2", &["ENOSPC"]),
    ("mkdir", &["ENOSPC", "EROFS"]),
    ("symlink", &["ENOSPC", "EROFS"]),
    ("unlink", &["EACCES"]),
];

fn refuse(attempt: &Attempt, point: &Point, error: &str) -> bool {
    let what = format!("{:?}, {error} at {point:?}", attempt.args);
    let (sandbox, output, was_injected) = attempt.run_with(point, &format!("error={error}"));
    let found = refs(&sandbox);
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => assert_eq!(found, attempt.new, "{what}: it claims success"),
        Some(5) => {
            let mut lines = said.lines();
            assert!(lines.next().is_some_and(|line| line.starts_with("error: ")), "{what}: {said}");
            assert!(lines.next().is_none_or(|line| line.starts_with("hint: ")), "{what}: {said}");
            assert_eq!(lines.next(), None, "{what}: {said}");
            // Only these two come after the change.
            let is_late = said.contains("may not survive a power cut") || said.contains("cannot write the answer");
            assert_eq!(found, if is_late { &*attempt.new } else { &*attempt.old }, "{what}: {said}");
        }
        code => panic!("{what}: exit status {code:?}: {said}"),
    }
    assert_usable(&sandbox);
    was_injected
}

fn refuse_everywhere(attempt: &Attempt) {
    let names: Vec<&str> = REFUSALS.iter().map(|(name, _)| *name).collect();
    let points = attempt.points(&names);
    let errors = |name: &str| REFUSALS.iter().find(|(n, _)| *n == name).map_or(&[][..], |(_, errors)| *errors);
    let all: Vec<(Point, &str)> =
        points.iter().flat_map(|point| errors(&point.0).iter().map(|error| (point.clone(), *error))).collect();
    let refused = AtomicUsize::new(0);
    Attempt::for_all(&all, |(point, error)| {
        refused.fetch_add(usize::from(refuse(attempt, point, error)), Ordering::Relaxed);
    });
    let refused = refused.into_inner();
    println!("{:?}: {refused} calls refused", attempt.args);
    assert!(refused > 20, "a write makes more than {refused} calls");
}

#[test]
fn a_refused_call_changes_nothing() {
    if !has_tool("strace") || !has_tool("git") {
        return;
    }
    refuse_everywhere(&Attempt::new(&["put", "animals/dora"], Some(b"goat".to_vec())));
    // So many objects that one flush of the whole file system is asked for.
    let lines: String = (0..20).map(|n| format!("{{\"key\":\"fields/{n}\",\"value\":{n}}}\n")).collect();
    let apply = Attempt::new(&["apply"], Some(lines.into_bytes()));
    for point in apply.points(&["syncfs", "fsync"]) {
        refuse(&apply, &point, "EIO");
    }
}
