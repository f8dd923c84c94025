//! Running a command for each batch: every change comes at least once, whatever is killed or fails.

use super::refused;
use crate::support::Sandbox;

fn database() -> Sandbox {
    let sandbox = Sandbox::in_memory();
    sandbox.isodb(["init"]).ok();
    for (key, text) in [("a/x", "1"), ("a/y/z", "2"), ("b", "3")] {
        put(&sandbox, key, text);
    }
    sandbox
}

fn put(sandbox: &Sandbox, key: &str, text: &str) -> String {
    sandbox.isodb_with_input(["put", key, "--no-sync"], text).ok().line()
}

/// A shell's definitions: `told` tells the keys of a batch in a line, `until_there` waits for a file.
const PRELUDE: &str = r#"
    cat >told.sh <<'END'
        sed -n 's/^{"key":"\([^"]*\)".*/\1/p' | tr '\n' ' '; echo
END
    until_there() { while [ ! -s "$1" ]; do sleep 0.02; done; }
"#;

fn bash(sandbox: &Sandbox, script: &str) -> crate::support::Ran {
    sandbox.bash(&format!("{PRELUDE}\n{script}"))
}

#[test]
fn a_batch_is_what_matches() {
    let sandbox = database();
    for (pattern, keys) in
        [("a/*", "a/x "), ("a/**", "a/x a/y/z "), ("**", "a/x a/y/z b "), ("b", "b "), ("*/y/*", "a/y/z ")]
    {
        let ran = bash(&sandbox, &format!("isodb watch '{pattern}' --once -- sh told.sh")).ok();
        assert_eq!(ran.line(), keys, "{pattern}");
    }
    // Where nothing matches, nothing runs.
    let none = sandbox.isodb(["watch", "c/**", "--once", "--", "no-such-command"]).ok();
    assert_eq!(none.text() + &none.stderr(), "");
    let head = sandbox.isodb(["head"]).ok().line();
    let input = sandbox.isodb(["watch", "a/*", "--values", "--once", "--", "cat"]).ok().text();
    let changes = sandbox.isodb(["changes", "--json", "--values", "a/x"]).ok().text();
    assert_eq!(input, changes);
    assert!(input.contains(&head));
    // The command finds the database, and the directory that it was named from.
    sandbox.write("sub/mark", "");
    let ran = sandbox.isodb([
        "-C",
        "sub",
        "--db",
        "../.isodb",
        "watch",
        "b",
        "--once",
        "--",
        "sh",
        "-c",
        "ls; cd /; isodb get b",
    ]);
    assert_eq!(ran.ok().text(), "mark\n3");
}

#[test]
fn what_is_done_is_kept() {
    let sandbox = database();
    let watch = "isodb watch 'a/**' --state sub/feed --since none --once -- sh told.sh";
    assert_eq!(bash(&sandbox, watch).ok().line(), "a/x a/y/z ");
    let head = sandbox.isodb(["head"]).ok().line();
    assert_eq!(sandbox.isodb(["ref", "get", "refs/watch/sub/feed"]).ok().line(), head);
    assert_eq!(bash(&sandbox, watch).ok().text(), "");
    sandbox.isodb(["rm", "a/x"]).ok();
    put(&sandbox, "b", "4");
    assert_eq!(bash(&sandbox, watch).ok().line(), "a/x ");
    // What is kept there is kept by gc, though no branch leads to it.
    let done = sandbox.isodb(["ref", "get", "refs/watch/sub/feed"]).ok().line();
    sandbox
        .bash("rm -r .isodb/logs && isodb ref set main $(isodb put only --on none <<<1) && isodb -q gc --prune=now")
        .ok();
    sandbox.isodb(["cat-object", "-e", &done]).ok();
    assert_eq!(bash(&sandbox, watch).ok().line(), "a/y/z ");
    // Elsewhere, and from there.
    let ran = bash(
        &sandbox,
        "isodb watch '**' --state refs/x --since HEAD --once -- sh told.sh; isodb put c <<<1 >c; isodb watch '**' --state refs/x --since HEAD~1 --once -- sh told.sh",
    );
    assert_eq!(ran.ok().line(), "c ");
}

#[test]
fn a_command_that_fails() {
    let sandbox = database();
    refused(sandbox.isodb(["watch", "**", "--state", "s", "--once", "--", "false"]), 1, "false ended with status 1");
    refused(
        sandbox.isodb(["watch", "**", "--state", "s", "--", "sh", "-c", "kill -9 $$"]),
        1,
        "sh was ended by signal 9",
    );
    refused(sandbox.isodb(["watch", "**", "--once", "--", "./no-such"]), 2, "cannot run ./no-such");
    sandbox.isodb(["ref", "get", "refs/watch/s"]).status(1);
    // Again, with what has come meanwhile.
    let script = "isodb watch '**' --state s --once --retry 0.01 -- sh -c 'sh told.sh; n=$(cat n)1; echo $n >n; echo 1 | isodb put m/$n >>log; [ $n = 0111 ]'";
    let ran = bash(&sandbox, &format!("echo 0 >n; {script}")).ok();
    assert_eq!(ran.lines(), ["a/x a/y/z b ", "a/x a/y/z b m/01 ", "a/x a/y/z b m/01 m/011 "]);
    assert_eq!(ran.stderr().matches("warning: sh ended with status 1, and is run again").count(), 2);
    let ran = sandbox.isodb(["watch", "m/*", "--state", "s", "--once", "--keep-going", "--", "false"]).ok();
    assert_eq!(ran.stderr(), "warning: false ended with status 1, and its changes count as done\n");
    assert_eq!(sandbox.isodb(["watch", "m/*", "--state", "s", "--once", "--", "cat"]).ok().text(), "");
}

#[test]
fn wrong_command_lines() {
    let sandbox = database();
    refused(sandbox.isodb(["watch", "a//b", "--once", "--", "true"]), 2, "has an empty segment");
    refused(sandbox.isodb(["watch", "**", "--once", "true"]), 2, "unexpected argument");
    refused(sandbox.isodb(["watch", "**", "--once"]), 2, "CMD");
    refused(sandbox.isodb(["watch", "**", "--state", "a..b", "--once", "--", "true"]), 2, "two dots in a row");
    refused(sandbox.isodb(["watch", "**", "--retry", "1", "--keep-going", "--", "true"]), 2, "cannot be used with");
}

#[test]
fn a_command_need_not_read() {
    let sandbox = database();
    let lines: String =
        (0..2000).map(|n| format!("{{\"key\":\"many/{n}\",\"text\":\"{}\"}}\n", "x".repeat(100))).collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], lines).ok();
    for command in [&["true"][..], &["head", "-c1"]] {
        let ran = sandbox.isodb([&["watch", "**", "--values", "--once", "--"], command].concat()).ok();
        assert_eq!(ran.stderr(), "");
    }
}

#[test]
fn one_at_a_time_and_together() {
    let sandbox = database();
    let script = r#"
        mkfifo go
        isodb watch '**' --since HEAD -- sh -c 'sh told.sh >>batches; read -r line <go' & watch=$!
        # It begins at the head that it finds, so it is known to have begun when a change has come.
        n=0; until [ -s batches ]; do n=$((n + 1)); isodb put "start/$n" <<<1 >/dev/null; sleep 0.1; done
        isodb put c/1 <<<1 >/dev/null; isodb put c/2 <<<1 >/dev/null; isodb put c/1 <<<2 >/dev/null
        [ $(wc -l <batches) = 1 ] || echo "two at once"
        echo >go; until [ $(wc -l <batches) = 2 ]; do sleep 0.02; done
        isodb put d <<<1 >/dev/null
        echo >go; until [ $(wc -l <batches) = 3 ]; do sleep 0.02; done
        echo >go
        kill $watch; wait $watch 2>/dev/null; echo "ended $?"
    "#;
    let ran = bash(&sandbox, script).ok();
    assert_eq!(ran.line(), "ended 143");
    let batches = std::fs::read_to_string(sandbox.path().join("batches")).unwrap();
    let lines: Vec<&str> = batches.lines().collect();
    assert!(lines[1].starts_with("c/1 c/2 "), "{batches}");
    assert_eq!(lines[2], "d ");
}

#[test]
fn a_killed_watch_gives_its_batch_again() {
    let sandbox = database();
    let script = r#"
        isodb watch 'a/**' --state s -- sh -c 'sh told.sh >>batches; echo $$ >pid; exec sleep 600' & watch=$!
        until_there pid; kill -9 $watch; wait $watch 2>/dev/null; kill $(cat pid)
        isodb put a/new <<<1 >/dev/null
        isodb watch 'a/**' --state s --once -- sh told.sh >>batches
        isodb watch 'a/**' --state s --once -- sh told.sh >>batches
    "#;
    bash(&sandbox, script).ok();
    let batches = std::fs::read_to_string(sandbox.path().join("batches")).unwrap();
    assert_eq!(batches, "a/x a/y/z \na/new a/x a/y/z \n");
}

#[test]
fn a_watch_that_is_told_to_end_waits_for_its_command() {
    let sandbox = database();
    // The command goes on to its end, and what it did counts.
    let script = r#"
        isodb watch '**' --state s -- sh -c 'trap "touch told" TERM; cat >all; touch begun; while [ ! -e told ]; do sleep 0.02; done; echo over >over' & watch=$!
        while [ ! -e begun ]; do sleep 0.02; done
        kill $watch; wait $watch 2>/dev/null; echo "ended $?"; cat over; isodb ref get refs/watch/s | grep -c .
        rm begun told over
        isodb put c <<<1 >/dev/null
        isodb watch '**' --state s --keep-going -- sh -c 'cat >all; echo >begun; exec sleep 600' & watch=$!
        until_there begun
        kill $watch; wait $watch 2>/dev/null; echo "ended $?"
        isodb watch '**' --state s --once -- sh told.sh
    "#;
    assert_eq!(bash(&sandbox, script).ok().lines(), ["ended 143", "over", "1", "ended 143", "c "]);
}

#[test]
fn two_that_keep_one_state_notice_each_other() {
    let sandbox = database();
    let other = "isodb watch '**' --state s --once -- true";
    let ran = bash(&sandbox, &format!("isodb watch '**' --state s --once -- sh -c \"{other}\""));
    refused(ran, 3, "refs/watch/s is at");
}
