//! Runs a command under strace and reads what it says: the calls that change files, in the order in which they ended.
//! It knows nothing of what the calls do.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Sandbox;

/// All calls that could change a file, make it durable, or print. A name that this machine does not have is passed over.
const CALLS: &[&str] = &[
    "open",
    "openat",
    "openat2",
    "creat",
    "write",
    "writev",
    "pwrite64",
    "pwritev",
    "pwritev2",
    "sendfile",
    "splice",
    "copy_file_range",
    "fallocate",
    "truncate",
    "ftruncate",
    "fsync",
    "fdatasync",
    "sync",
    "syncfs",
    "sync_file_range",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "mkdirat",
];

/// One system call that succeeded.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) arguments: String,
    pub(super) result: u64,
}

/// `isodb` with these arguments, under strace with those.
pub(super) fn under_strace(sandbox: &Sandbox, log: &Path, strace: &[&str], isodb: &[&str]) -> Command {
    let mut command = sandbox.command("strace");
    command.args(["-f", "-qq", "-o"]).arg(log).args(strace).arg(env!("CARGO_BIN_EXE_isodb")).args(isodb);
    // A backtrace would open files of its own.
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Runs `isodb` to its successful end. Answers the calls that it made, and what it printed.
pub(super) fn trace(sandbox: &Sandbox, args: &[&str], input: Option<&[u8]>) -> (Vec<Call>, Vec<u8>) {
    let scratch = tempfile::tempdir().unwrap();
    let log = scratch.path().join("log");
    let calls = format!("trace={}", CALLS.iter().map(|name| format!("?{name}")).collect::<Vec<_>>().join(","));
    let command = under_strace(sandbox, &log, &["-y", "-xx", "-s", "100000000", "-e", &calls], args);
    let ran = crate::support::run(command, input).ok();
    (parse(&String::from_utf8(std::fs::read(&log).unwrap()).unwrap()), ran.bytes().to_vec())
}

/// The calls of a log that succeeded. One that took a while is in two lines, and counts where it ended.
fn parse(log: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, String> = HashMap::new();
    let mut calls = Vec::new();
    for line in log.lines() {
        let (thread, rest) = line.split_once(' ').expect("a line starts with the thread");
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, start.to_owned());
            continue;
        }
        let whole = match rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
            Some((_, end)) => begun.remove(thread).expect("what is resumed was begun") + end,
            None => rest.to_owned(),
        };
        let Some((call, result)) = whole.rsplit_once(" = ") else { continue };
        let digits: String = result.chars().take_while(char::is_ascii_digit).collect();
        let (Ok(result), Some((name, arguments))) = (digits.parse(), call.trim_end().split_once('(')) else { continue };
        let arguments = arguments.strip_suffix(')').expect("arguments end").to_owned();
        calls.push(Call { name: name.to_owned(), arguments, result });
    }
    assert!(!calls.is_empty(), "strace saw nothing: {log}");
    calls
}

impl Call {
    /// The bytes between `open` and `close`, which strace was told to write in hex.
    fn bytes(&self, open: char, close: char) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        let mut rest = self.arguments.as_str();
        while let Some((_, after)) = rest.split_once(open) {
            let (hex, after) = after.split_once(close).expect("what is opened is closed");
            found.push(hex::decode(hex.replace("\\x", "")).unwrap_or_default());
            rest = after;
        }
        found
    }

    /// The strings among the arguments.
    pub(super) fn strings(&self) -> Vec<Vec<u8>> {
        self.bytes('"', '"')
    }

    /// The paths of the open files among the arguments.
    pub(super) fn handles(&self) -> Vec<PathBuf> {
        self.bytes('<', '>').into_iter().map(|bytes| PathBuf::from(OsStr::from_bytes(&bytes))).collect()
    }

    /// The string number `n` as a path, from the directory that was given with it.
    pub(super) fn path(&self, n: usize, here: &Path) -> PathBuf {
        let path = self.strings()[n].clone();
        let base = self.handles().get(n).cloned().unwrap_or_else(|| here.to_owned());
        base.join(OsStr::from_bytes(&path)).components().collect()
    }
}
