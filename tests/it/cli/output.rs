//! stdout and stderr: who reads them, and what becomes of a command when nobody does.

use super::{refused, sentence};
use crate::support::{Sandbox, run};

fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    let lines: String =
        (0..3000).map(|n| format!("{{\"key\":\"f/{n}\",\"text\":\"{}\"}}\n", "x".repeat(100))).collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], lines).ok();
    let lines: String = (0..600).map(|n| format!("{{\"key\":\"k\",\"value\":{n}}}\n")).collect();
    sandbox.isodb_with_input(["apply", "--no-sync", "--each", "--sync-every", "600"], lines).ok();
    sandbox
}

/// Commands whose answers are longer than any buffer.
const LONG: [&str; 13] = [
    "log",
    "log --oneline",
    "log --json",
    "log --graph",
    "ls -r",
    "ls -r --json f",
    "ls f",
    "cat-object --all",
    "ls-tree -r HEAD",
    "ref log",
    "changes",
    "diff -p HEAD HEAD~600",
    "show -p HEAD~600",
];

#[test]
fn a_closed_pipe_ends_a_command_silently() {
    let sandbox = filled();
    for command in LONG {
        let ran = sandbox.bash(&format!("set -o pipefail; isodb {command} | head -1 >first")).ok();
        assert_eq!(ran.stderr(), "", "{command}");
        assert_eq!(std::fs::read_to_string(sandbox.path().join("first")).unwrap().lines().count(), 1);
    }
    for command in ["get --batch", "get --batch --json", "cat-object --batch"] {
        let revisions = if command.starts_with("get") { "isodb ls -r" } else { "isodb cat-object --all | cut -c-64" };
        let ran =
            sandbox.bash(&format!("{revisions} >list; set -o pipefail; isodb {command} <list | head -1 >first")).ok();
        assert_eq!(ran.stderr(), "", "{command}");
    }
    let large = vec![b'x'; 20 << 20];
    sandbox.isodb_with_input(["put", "large"], large).ok();
    for command in ["get large", "get --json large", "cat-object HEAD:large", "show HEAD:large"] {
        let ran = sandbox.bash(&format!("set -o pipefail; isodb {command} | head -c1 >first")).ok();
        assert_eq!(ran.stderr(), "", "{command}");
    }
    let ran = sandbox.bash("set -o pipefail; isodb --help | true; isodb help put | true").ok();
    assert_eq!(ran.stderr(), "");
}

#[test]
fn an_answer_that_cannot_be_written_is_the_systems_no() {
    let sandbox = filled();
    for command in LONG.iter().copied().chain([
        "get f/1",
        "head",
        "rev-parse HEAD",
        "ref list",
        "config -l",
        "count-objects",
        "ls --count f",
        "init x",
    ]) {
        let ran = sandbox.bash(&format!("isodb {command} >/dev/full"));
        refused(ran, 5, "cannot write the answer: No space left on device");
    }
}

#[test]
fn colours_only_where_they_are_wanted() {
    let sandbox = filled();
    for command in [
        vec!["log", "-n", "1"],
        vec!["log", "-n", "1", "--oneline"],
        vec!["diff", "HEAD~1"],
        vec!["diff", "-p", "HEAD~1"],
        vec!["show"],
    ] {
        let plain = sandbox.isodb(&command).ok().text();
        assert!(!plain.contains('\u{1b}'), "{command:?}");
        let colored = sandbox.isodb([command.as_slice(), &["--color=always"]].concat()).ok().text();
        assert!(colored.contains("\u{1b}[3"), "{command:?}: {colored}");
        let mut stripped = colored;
        for code in [31, 32, 33, 36] {
            stripped = stripped.replace(&format!("\u{1b}[{code}m"), "");
        }
        assert_eq!(stripped.replace("\u{1b}[0m", ""), plain, "{command:?}");
    }
    // On a terminal.
    let on_terminal = |command: &str, variables: &str| {
        sandbox.bash(&format!("TERM=xterm {variables} script -qec 'isodb {command}' /dev/null </dev/null")).ok().text()
    };
    assert!(on_terminal("log -n 1 --oneline", "").contains("\u{1b}[33m"));
    assert!(!on_terminal("log -n 1 --oneline", "NO_COLOR=1").contains('\u{1b}'));
    assert!(!on_terminal("log -n 1 --oneline", "TERM=dumb").contains('\u{1b}'));
    assert!(!on_terminal("log -n 1 --oneline --color=never", "").contains('\u{1b}'));
    assert!(on_terminal("log -n 1 --oneline --color=always", "NO_COLOR=1").contains('\u{1b}'));
    refused(sandbox.isodb(["log", "--color=sometimes"]), 2, "auto, always, never");
}

#[test]
fn ids_are_short_and_columns_aligned_for_people_only() {
    let sandbox = filled();
    let head = sandbox.isodb(["head"]).ok().line();
    let on_terminal =
        |command: &str| sandbox.bash(&format!("script -qec 'isodb {command}' /dev/null </dev/null")).ok().text();
    assert_eq!(on_terminal("head").trim(), &head[..12]);
    assert!(on_terminal("head --json").contains(&head));
    assert!(on_terminal("ls --long --limit 1 f").trim().ends_with("      100 f/0"));
    assert!(sandbox.isodb(["ls", "--long", "--limit", "1", "f"]).ok().line().ends_with(" 100 f/0"));
    assert!(!sandbox.isodb(["ls", "--long", "--limit", "1", "f"]).ok().line().contains("  "));
}

#[test]
fn quiet_commands_say_nothing_but_errors() {
    let sandbox = filled();
    assert!(sandbox.isodb(["fsck"]).ok().stderr().starts_with("checked "));
    assert_eq!(sandbox.isodb(["-q", "fsck"]).ok().stderr(), "");
    assert_eq!(sandbox.isodb(["init", "-q"]).ok().stderr(), "");
    refused(sandbox.isodb(["-q", "get", "no"]), 1, "there is no document \"no\"");
}

#[test]
fn a_closed_stderr_changes_no_status() {
    let sandbox = filled();
    assert_eq!(sandbox.bash("isodb get no 2>&-").status(1).text(), "");
    assert_eq!(sandbox.bash("isodb nonsense 2>&-").status(2).text(), "");
    assert_eq!(sandbox.bash("isodb get no 2>/dev/full").status(1).text(), "");
}

#[test]
fn a_full_or_forbidden_disk_is_the_systems_no() {
    let sandbox = filled();
    // A limit on the size of files stands in for a disk that is full.
    let ran = sandbox.bash("trap '' XFSZ; ulimit -f 16; head -c 1000000 /dev/urandom | isodb put large");
    let ran = ran.status(5);
    assert_eq!(ran.text(), "");
    sentence(ran, "File too large");
    assert_eq!(std::fs::read_dir(sandbox.db().join("isodb/tmp")).unwrap().count(), 0, "nothing is left behind");
    refused(sandbox.isodb(["get", "large"]), 1, "no document");
    let mut command = sandbox.isodb_command(["config", "--user", "a.b", "c"]);
    command.env("HOME", "/proc/no").env_remove("XDG_CONFIG_HOME");
    refused(run(command, None), 5, "cannot write /proc/no");
    refused(sandbox.isodb(["completions", "--man", "/proc/no"]), 5, "/proc/no");
}
