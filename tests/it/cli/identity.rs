//! Who commits and when: every source in its order, and what each refuses.

use super::refused;
use crate::support::{NOW, Ran, Sandbox, run};

/// Runs `isodb put` with these variables and no others about people or time.
fn put(sandbox: &Sandbox, variables: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = sandbox.isodb_command([&["put", "a"], args].concat());
    for name in ["AUTHOR_NAME", "AUTHOR_EMAIL", "AUTHOR_DATE", "COMMITTER_NAME", "COMMITTER_EMAIL", "COMMITTER_DATE"] {
        command.env_remove(format!("ISODB_{name}")).env_remove(format!("GIT_{name}"));
    }
    command.env("USER", "login").envs(variables.iter().copied());
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let content = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string();
    run(command, Some(content.as_bytes()))
}

fn last(sandbox: &Sandbox, format: &str) -> String {
    sandbox.git(["log", "-1", &format!("--format={format}")]).ok().line()
}

#[test]
fn each_source_is_asked_in_turn() {
    let sandbox = Sandbox::with_database();
    let who = |variables: &[(&str, &str)], args: &[&str]| {
        put(&sandbox, variables, args).ok();
        last(&sandbox, "%an <%ae> %cn <%ce>")
    };
    let fallback = who(&[], &[]);
    assert!(fallback.starts_with("login <login@") && !fallback.contains("<login@>"), "{fallback}");
    sandbox.isodb(["config", "--user", "user.name", "User"]).ok();
    sandbox.isodb(["config", "--user", "user.email", "user@config"]).ok();
    assert_eq!(who(&[], &[]), "User <user@config> User <user@config>");
    sandbox.isodb(["config", "user.name", "Db"]).ok();
    assert_eq!(who(&[], &[]), "Db <user@config> Db <user@config>");
    sandbox.isodb(["config", "user.email", "db@config"]).ok();
    assert_eq!(who(&[], &[]), "Db <db@config> Db <db@config>");
    let git = [("GIT_AUTHOR_NAME", "Git"), ("GIT_AUTHOR_EMAIL", "git@env"), ("GIT_COMMITTER_NAME", "GitC")];
    assert_eq!(who(&git, &[]), "Git <git@env> GitC <db@config>");
    let own = [git.as_slice(), &[("ISODB_AUTHOR_NAME", "Own"), ("ISODB_COMMITTER_EMAIL", "own@env")]].concat();
    assert_eq!(who(&own, &[]), "Own <git@env> GitC <own@env>");
    assert_eq!(who(&own, &["--author", "Flag <flag@x>"]), "Flag <flag@x> GitC <own@env>");
    sandbox.check_with_git();
}

#[test]
fn each_clock_is_asked_in_turn() {
    let sandbox = Sandbox::with_database();
    let when = |variables: &[(&str, &str)], args: &[&str]| {
        put(&sandbox, variables, args).ok();
        last(&sandbox, "%at %ct %ad")
    };
    assert_eq!(when(&[("SOURCE_DATE_EPOCH", "1000")], &[]), "1000 1000 Thu Jan 1 00:16:40 1970 +0000");
    let mut times =
        vec![("SOURCE_DATE_EPOCH", "2000"), ("GIT_AUTHOR_DATE", "3000 +0200"), ("GIT_COMMITTER_DATE", "@4000")];
    assert!(when(&times, &[]).starts_with("3000 4000 Thu Jan 1 00:50:00 1970 +0000"));
    times.extend([("ISODB_AUTHOR_DATE", "2001-09-09T01:46:40Z"), ("ISODB_COMMITTER_DATE", "@1000000005")]);
    assert!(when(&times, &[]).starts_with("1000000000 1000000005 "));
    assert!(when(&times, &["--date", "@7"]).starts_with("7 1000000005 "));
    assert!(
        when(&[("SOURCE_DATE_EPOCH", "1100000000")], &["--date", "2 hours ago"]).starts_with("1099992800 1100000000 ")
    );
    // Without any, the clock: after these tests were written.
    let mut command = sandbox.isodb_command(["put", "now"]);
    command.env_remove("SOURCE_DATE_EPOCH").env_remove("GIT_AUTHOR_DATE").env_remove("GIT_COMMITTER_DATE");
    run(command, Some(b"")).ok();
    assert!(last(&sandbox, "%at").parse::<u64>().unwrap() > NOW.parse().unwrap());
    sandbox.check_with_git();
}

#[test]
fn a_commit_is_never_earlier_than_its_parents() {
    let sandbox = Sandbox::with_database();
    put(&sandbox, &[("SOURCE_DATE_EPOCH", "5000")], &[]).ok();
    put(&sandbox, &[("SOURCE_DATE_EPOCH", "1000")], &[]).ok();
    assert_eq!(last(&sandbox, "%at %ct"), "1000 5000");
    let side = put(&sandbox, &[("SOURCE_DATE_EPOCH", "9000")], &["--on", "none"]).ok().line();
    let merge = put(&sandbox, &[("SOURCE_DATE_EPOCH", "1")], &["--on", "HEAD", "--on", &side]).ok().line();
    assert_eq!(sandbox.git(["log", "-1", "--format=%at %ct", &merge]).ok().line(), "1 9000");
}

#[test]
fn the_same_inputs_make_the_same_commit() {
    let make = || {
        let sandbox = Sandbox::with_database();
        sandbox.isodb_with_input(["put", "a"], "1").ok();
        sandbox.isodb_with_input(["apply"], "{\"key\":\"b\",\"value\":1}").ok().line()
    };
    assert_eq!(make(), make());
    // A script that crashed after its commit, and runs again, makes it once.
    let sandbox = Sandbox::with_database();
    let first = sandbox.isodb_with_input(["put", "a", "--on", "none"], "1").ok().line();
    assert_eq!(sandbox.isodb_with_input(["put", "a", "--on", "none"], "1").ok().line(), first);
    sandbox.isodb(["ref", "set", "main", &first, "--expect", "none"]).ok();
}

#[test]
fn what_is_wrong_is_told_of() {
    let sandbox = Sandbox::with_database();
    for (name, value, words) in [
        ("SOURCE_DATE_EPOCH", "x", "SOURCE_DATE_EPOCH is \"x\""),
        ("SOURCE_DATE_EPOCH", "-1", "SOURCE_DATE_EPOCH is \"-1\""),
        ("SOURCE_DATE_EPOCH", "99999999999999999999", "SOURCE_DATE_EPOCH"),
        ("ISODB_AUTHOR_DATE", "soon", "\"soon\" is not a time"),
        ("GIT_COMMITTER_DATE", "@-5", "before 1970"),
        ("ISODB_AUTHOR_NAME", "a<b", "'<'"),
        ("ISODB_AUTHOR_EMAIL", "a\nb", "line feed"),
        ("ISODB_COMMITTER_NAME", " , ", "the name is empty"),
    ] {
        refused(put(&sandbox, &[(name, value)], &[]), 2, words);
    }
    for (option, value, words) in [
        ("--author", "Ann", "\"Ann\" is not an author"),
        ("--author", "<ann@farm>", "is not an author"),
        ("--date", "soon", "\"soon\" is not a time"),
        ("--date", "1969-12-31", "before 1970"),
    ] {
        refused(put(&sandbox, &[], &[option, value]), 2, words);
    }
    let mut command = sandbox.isodb_command(["put", "a"]);
    command.env("ISODB_AUTHOR_NAME", <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff"));
    refused(run(command, Some(b"")), 2, "ISODB_AUTHOR_NAME is not valid UTF-8");
    refused(sandbox.isodb(["head"]), 1, "no commit yet");
    // A clock that is wrong is no reason not to read.
    let mut command = sandbox.isodb_command(["ls"]);
    command.env("SOURCE_DATE_EPOCH", "x");
    run(command, None).ok();
}
