//! The commands, spawned: a file for each group of them, and for what all of them promise.

mod ancestry;
mod apply;
mod bundle;
mod cat_object;
mod changes;
mod clone;
mod completions;
mod config;
mod conflicts;
mod diff;
mod discovery;
mod errors;
mod export;
mod fsck;
mod gc;
mod get;
mod help;
mod identity;
mod import;
mod import_formats;
mod init;
mod keys;
mod log;
mod ls;
mod merge;
mod names;
mod objects;
mod odd_commits;
mod output;
mod prove;
mod put;
mod remote;
mod repair;
mod resolve;
mod restore;
mod revisions;
mod rm;
mod rule;
mod scripts;
mod sharing;
mod show;
mod signers;
mod signing;
mod simulate;
mod status;
mod stick;
mod sync;
mod tag;
mod trust;
mod verify;
mod verify_signed;
mod watch;

use crate::support::Ran;

/// Asserts that a command ended with this status, said nothing on stdout, and gave one sentence with these words and
/// at most one hint.
#[track_caller]
pub(crate) fn refused(ran: Ran, status: i32, words: &str) -> Ran {
    let ran = ran.status(status);
    assert_eq!(ran.text(), "", "an error is not an answer");
    sentence(ran, words)
}

/// Asserts that stderr is one sentence with these words, and at most one hint.
#[track_caller]
fn sentence(ran: Ran, words: &str) -> Ran {
    let stderr = ran.stderr();
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(matches!(lines.len(), 1 | 2), "one sentence and one hint at most: {stderr}");
    assert!(lines[0].starts_with("error: ") && lines[0].contains(words), "{words:?} is not in {stderr}");
    assert!(lines.get(1).is_none_or(|hint| hint.starts_with("hint: ")), "{stderr}");
    for internal in ["Error", "Some(", "None", "Ok(", "::", "panicked", "os error"] {
        assert!(!stderr.contains(internal), "{internal} is the program's own word: {stderr}");
    }
    assert!(!stderr.chars().any(|c| c.is_control() && c != '\n'), "{stderr:?}");
    ran
}
