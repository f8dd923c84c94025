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
    "close",
    "write",
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

fn kill_everywhere(attempt: &Attempt, calls: &[&str], examine: impl Fn(&Sandbox) + Sync) {
    let points = attempt.points(calls);
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
        examine(&sandbox);
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
    kill_everywhere(&Attempt::new(&["put", "animals/dora"], Some(b"goat".to_vec())), &CALLS, assert_usable);
    kill_everywhere(&Attempt::new(&["ref", "set", "team/x", "HEAD~1"], None), &CALLS, assert_usable);
}

/// A database with two packs, loose objects, and some that nothing leads to.
fn untidy() -> Sandbox {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["config", "isodb.lockTimeout", "0"]).ok();
    for limit in ["1", "100"] {
        sandbox.isodb(["config", "core.unpackLimit", limit]).ok();
        let line = |n: usize| format!("{{\"key\":\"fields/{n}\",\"text\":\"{limit}{}\"}}\n", " moist".repeat(n + 9));
        sandbox.isodb_with_input(["apply"], (0..3).map(line).collect::<String>()).ok();
        sandbox.isodb_with_input(["put", "lost", "--on", "HEAD"], limit).ok();
    }
    sandbox
}

/// What all revisions hold.
fn content(sandbox: &Sandbox) -> String {
    ["HEAD", "HEAD~1"].map(|at| sandbox.isodb(["ls", "-r", "--long", "--at", at]).ok().text()).concat()
}

#[test]
fn a_killed_gc_loses_nothing_and_another_one_ends_its_work() {
    if !has_tool("strace") || !has_tool("git") {
        return;
    }
    let start = untidy();
    let (refs, before) = (refs(&start), content(&start));
    let counted = |sandbox: &Sandbox| sandbox.isodb(["count-objects"]).ok().text();
    let clean = start.copy();
    let args: &[&str] = &["gc", "--prune=now"];
    clean.isodb(args).ok();
    let tidy = counted(&clean);
    let files = |text: &str| ["count", "packs"].map(|name| text.contains(&format!("{name}: 0\n")));
    assert!(counted(&start) != tidy && files(&counted(&start)) == [false; 2] && files(&tidy) == [true, false]);
    let attempt = Attempt { start, args, input: None, old: refs.clone(), new: refs, answer: Vec::new() };
    // A file that is only opened or closed changes nothing that the next call would not find.
    kill_everywhere(&attempt, &CALLS[2..], |sandbox| {
        assert_eq!(content(sandbox), before);
        sandbox.isodb(args).ok();
        assert_eq!(counted(sandbox), tidy);
        assert_eq!(content(sandbox), before);
        assert_usable(sandbox);
    });
}
