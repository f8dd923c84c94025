//! Real file systems that say no: a full one, a read-only one, somebody else's.
//!
//! The first two are small file systems in memory, mounted in a name space that ends with the script. Where that is
//! not permitted, the tests say so and pass.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::support::{Ran, Sandbox, has_tool, run};

/// Runs a script in a directory `small`, a file system of its own of 256 KiB. `None` where that is not permitted.
fn on_a_small_disk(sandbox: &Sandbox, script: &str) -> Option<Ran> {
    let mount = "mkdir -p small && mount -t tmpfs -o size=256k none small 2>/dev/null || exit 77; cd small";
    let mut probe = sandbox.command("unshare");
    let can = probe.args(["-m", "bash", "-c", mount]).output().is_ok_and(|output| output.status.success());
    if !can {
        println!("SKIPPED: mounting a file system is not permitted here");
        return None;
    }
    let mut command = sandbox.command("unshare");
    command.args(["-m", "bash", "-c", &format!("{mount}; {script}")]);
    Some(run(command, None).ok())
}

/// Bytes that no compressor makes smaller.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(next).collect()
}

/// Asserts that a script's lines on stderr are one error each, with or without a hint, about `fact`.
fn assert_errors(ran: &Ran, count: usize, fact: &str) {
    let stderr = ran.stderr();
    let errors: Vec<&str> = stderr.lines().filter(|line| !line.starts_with("hint: ")).collect();
    assert_eq!(errors.len(), count, "{stderr}");
    assert!(errors.iter().all(|line| line.starts_with("error: ") && line.contains(fact)), "{stderr}");
}

#[test]
fn a_full_disk_stores_nothing_and_recovers() {
    if !has_tool("git") {
        return;
    }
    let sandbox = Sandbox::new();
    // One that is held in memory, and one that is not.
    sandbox.write("medium", noise(400_000));
    sandbox.write("large", noise(6_000_000));
    let script = r#"
        isodb init >/dev/null && isodb put a <<<first >/dev/null || exit 1
        before=$(isodb head)
        state() { [ "$(isodb head)" = "$before" ] && echo "$1: same head, $(ls .isodb/isodb/tmp | wc -l) left"; }
        for input in medium large; do
            isodb put big ../$input; echo "exit $?"; state $input
            isodb put big <../$input; echo "exit $?"; state $input
        done
        head -c 1000000 /dev/zero >filler 2>/dev/null
        isodb put b <<<second; echo "exit $?"; state put
        isodb ref set other HEAD; echo "exit $?"; state ref
        isodb get a
        rm filler
        isodb put b <<<second >/dev/null; echo "exit $?"
        isodb get b
        isodb ref set other HEAD; echo "exit $?"
        isodb -q fsck; echo "fsck $?"
        git --git-dir=.isodb fsck --strict --full --no-dangling 2>&1; echo "git $?""#;
    let Some(ran) = on_a_small_disk(&sandbox, script) else { return };
    let full = |what: &str| format!("exit 5\n{what}: same head, 0 left\n");
    let expected = full("medium").repeat(2)
        + &full("large").repeat(2)
        + &full("put")
        + &full("ref")
        + "first\nexit 0\nsecond\nexit 0\nfsck 0\ngit 0\n";
    assert_eq!(ran.text(), expected, "{}", ran.stderr());
    assert_errors(&ran, 6, "No space left on device");
}

#[test]
fn a_read_only_disk_is_read_and_not_written() {
    let sandbox = Sandbox::new();
    let script = r#"
        isodb init >/dev/null && isodb put a <<<first >/dev/null || exit 1
        mount -o remount,ro . || exit 1
        isodb put b <<<second; echo "exit $?"
        isodb apply <<<'{"key":"b","value":1}'; echo "exit $?"
        isodb rm a; echo "exit $?"
        isodb ref set other HEAD; echo "exit $?"
        isodb config user.name Bob; echo "exit $?"
        isodb get a && isodb log --oneline | wc -l && isodb ref list | wc -l && isodb -q fsck; echo "reading $?"
        mount -o remount,rw . || exit 1
        isodb put b <<<second >/dev/null; echo "exit $?""#;
    let Some(ran) = on_a_small_disk(&sandbox, script) else { return };
    let expected = "exit 5\n".repeat(5) + "first\n1\n1\nreading 0\nexit 0\n";
    assert_eq!(ran.text(), expected, "{}", ran.stderr());
    assert_errors(&ran, 5, "Read-only file system");
}

fn set_mode(top: &Path, mode: u32) {
    for entry in walkdir::WalkDir::new(top).contents_first(true) {
        let entry = entry.unwrap();
        if entry.file_type().is_dir() {
            std::fs::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[test]
fn somebody_elses_database_is_read_and_not_written() {
    if !has_tool("git") {
        return;
    }
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "first").ok();
    let head = sandbox.isodb(["head"]).ok().line();
    // root may write everything, so it becomes nobody; others take the right from themselves.
    let is_root = std::fs::metadata(sandbox.path()).unwrap().uid() == 0;
    let as_other = |mut command: Command| {
        if is_root {
            command.uid(65_534).gid(65_534);
        }
        command
    };
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    if !as_other(sandbox.isodb_command(["--version"])).output().is_ok_and(|output| output.status.success()) {
        println!("SKIPPED: another user may not run the program here");
        return;
    }
    set_mode(&sandbox.db(), 0o555);
    let commands: [&[&str]; 5] = [
        &["put", "b"],
        &["rm", "a"],
        &["ref", "set", "other", "HEAD"],
        &["config", "user.name", "Bob"],
        &["init", "x"],
    ];
    // Making a database needs the directory itself.
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o555)).unwrap();
    let refused: Vec<Ran> =
        commands.iter().map(|args| run(as_other(sandbox.isodb_command(*args)), Some(b"second"))).collect();
    let read = run(as_other(sandbox.isodb_command(["get", "a"])), None);
    std::fs::set_permissions(sandbox.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    set_mode(&sandbox.db(), 0o755);
    for ran in refused {
        assert_errors(&ran.status(5), 1, "Permission denied");
    }
    assert_eq!(read.ok().text(), "first");
    assert_eq!(sandbox.isodb(["head"]).ok().line(), head);
    sandbox.isodb_with_input(["put", "b"], "second").ok();
    sandbox.check_with_git();
}
