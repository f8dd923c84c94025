//! The real program, killed at each of its system calls: the next one finds a whole database and is not kept waiting.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::process::ExitStatusExt as _;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::strace::under_strace;
use crate::support::{Sandbox, has_tool, output};

/// The calls at which the program is killed. Names that this machine does not have are passed over.
const CALLS: [&str; 17] = [
    "openat",
    "write",
    "close",
    "fsync",
    "fdatasync",
    "syncfs",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "unlink",
    "unlinkat",
    "symlink",
    "symlinkat",
    "flock",
    "exit_group",
];

/// A call of a command: its name, and how many of that name its thread had made, with it.
pub(super) type Point = (String, usize);

/// A command, what it starts from, and where it leads.
pub(super) struct Attempt {
    pub(super) start: Sandbox,
    pub(super) args: &'static [&'static str],
    pub(super) input: Option<Vec<u8>>,
    pub(super) old: String,
    pub(super) new: String,
    /// What it prints.
    pub(super) answer: Vec<u8>,
}

impl Attempt {
    pub(super) fn new(args: &'static [&'static str], input: Option<Vec<u8>>) -> Attempt {
        let start = Sandbox::with_database();
        // A lock that is left behind must not block anybody, not even for a moment.
        start.isodb(["config", "isodb.lockTimeout", "0"]).ok();
        for (key, content) in [("animals/bella", "cow"), ("animals/clara", "hen")] {
            start.isodb_with_input(["put", key], content).ok();
        }
        let clean = start.copy();
        let answer = output(clean.isodb_command(args), input.as_deref());
        assert!(answer.status.success(), "{args:?}: {answer:?}");
        let (old, new) = (refs(&start), refs(&clean));
        assert_ne!(old, new, "{args:?} changes a ref");
        Attempt { start, args, input, old, new, answer: answer.stdout }
    }

    /// Every call that the command makes from the first on that has to do with the database.
    pub(super) fn points(&self, names: &[&str]) -> Vec<Point> {
        let sandbox = self.start.copy();
        let log = sandbox.path().join("strace.log");
        let calls = format!("trace={}", names.iter().map(|name| format!("?{name}")).collect::<Vec<_>>().join(","));
        let command = under_strace(&sandbox, &log, &["-y", "-e", &calls], self.args);
        assert!(output(command, self.input.as_deref()).status.success());
        let (mut counts, mut points, mut has_begun) = (HashMap::new(), BTreeSet::new(), false);
        for line in std::fs::read_to_string(&log).unwrap().lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let Some((name, _)) = call.trim_start().split_once('(').filter(|(name, _)| names.contains(name)) else {
                continue;
            };
            let count = counts.entry((thread.to_owned(), name.to_owned())).or_insert(0);
            *count += 1;
            has_begun |= line.contains(".isodb");
            if has_begun {
                points.insert((name.to_owned(), *count));
            }
        }
        points.into_iter().collect()
    }

    /// Runs the command on a copy of the start, with `inject` (of strace) done at a point.
    pub(super) fn run_with(&self, (name, count): &Point, inject: &str) -> (Sandbox, Output, bool) {
        let sandbox = self.start.copy();
        let log = sandbox.path().join("strace.log");
        let (trace, inject) = (format!("trace={name}"), format!("inject={name}:{inject}:when={count}"));
        let command = under_strace(&sandbox, &log, &["-e", &trace, "-e", &inject], self.args);
        let output = output(command, self.input.as_deref());
        let log = std::fs::read_to_string(&log).unwrap();
        let was_injected = log.contains("(INJECTED)") || log.contains("killed by SIGKILL");
        (sandbox, output, was_injected)
    }

    /// Does `each` for every item, on two threads.
    pub(super) fn for_all<T: Sync>(items: &[T], each: impl Fn(&T) + Sync) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                        each(item);
                    }
                });
            }
        });
    }
}

/// All refs and where they lead.
pub(super) fn refs(sandbox: &Sandbox) -> String {
    sandbox.isodb(["ref", "list"]).ok().text()
}

/// Asserts that a database is whole for isodb and for git, and that the next write succeeds.
pub(super) fn assert_usable(sandbox: &Sandbox) {
    sandbox.check_with_git();
    sandbox.isodb_with_input(["put", "after/the/crash"], "next").ok();
    assert_eq!(sandbox.isodb(["get", "after/the/crash"]).ok().text(), "next");
    sandbox.isodb(["-q", "fsck"]).ok();
}

fn kill_everywhere(attempt: &Attempt) {
    let points = attempt.points(&CALLS);
    let killed = AtomicUsize::new(0);
    Attempt::for_all(&points, |point| {
        let (sandbox, output, was_injected) = attempt.run_with(point, "signal=KILL");
        if !was_injected {
            // Which thread flushes what is not the same in every run, so this one had no such call.
            assert!(output.status.success(), "{point:?}: {output:?}");
            return;
        }
        killed.fetch_add(1, Ordering::Relaxed);
        assert_eq!(output.status.signal(), Some(9), "{point:?}: {output:?}");
        let found = refs(&sandbox);
        if !output.stdout.is_empty() {
            assert_eq!(output.stdout, attempt.answer, "{point:?}");
            assert_eq!(found, attempt.new, "{point:?}: what it promised is lost");
        }
        assert!(found == attempt.old || found == attempt.new, "{point:?}: {found}");
        assert_usable(&sandbox);
    });
    let killed = killed.into_inner();
    println!("{:?}: killed at {killed} of {} calls", attempt.args, points.len());
    assert!(killed > 20, "a write makes more than {killed} calls");
}

#[test]
fn a_killed_program_blocks_nobody() {
    if !has_tool("strace") || !has_tool("git") {
        return;
    }
    kill_everywhere(&Attempt::new(&["put", "animals/dora"], Some(b"goat".to_vec())));
    kill_everywhere(&Attempt::new(&["ref", "set", "team/x", "HEAD~1"], None));
}
