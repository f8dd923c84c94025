//! Many processes at once on one database: nobody fails, nothing is lost. The loops are bash, as a user writes them.

use std::collections::BTreeSet;

use crate::support::farm::Farm;
use crate::support::{Sandbox, has_tool};

/// A database to begin with. Flushing is not what is tested here, so it lies in memory.
fn database() -> Option<Sandbox> {
    if !has_tool("git") {
        return None;
    }
    let sandbox = Sandbox::in_memory();
    sandbox.isodb(["init"]).ok();
    Some(sandbox)
}

/// Runs a script in which `each N COMMAND` runs COMMAND N times at once with `$p` from 1 to N, and waits for all. What
/// goes wrong in them is to be told by `fail`.
fn run_at_once(sandbox: &Sandbox, script: &str) {
    let prelude = r#"
        fail() { echo "$*" >>failures; }
        each() { for p in $(seq "$1"); do "$2" & done; }
    "#;
    let ran = sandbox.bash(&format!("{prelude}\n{script}\nwait")).ok();
    let failures = std::fs::read_to_string(sandbox.path().join("failures")).unwrap_or_default();
    assert_eq!(failures, "", "somebody failed: {}", ran.stderr());
}

/// The lines of files that the loops wrote, one file a loop.
fn lines_of(sandbox: &Sandbox, prefix: &str) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for entry in std::fs::read_dir(sandbox.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(prefix) {
            lines.extend(std::fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    lines
}

/// The ids of all commits, as git lists them.
fn commits(sandbox: &Sandbox) -> BTreeSet<String> {
    let ids = sandbox.git(["rev-list", "main"]).ok().lines();
    let set: BTreeSet<String> = ids.iter().cloned().collect();
    assert_eq!(set.len(), ids.len());
    set
}

#[test]
fn eight_writers_of_200_puts_all_succeed() {
    let Some(sandbox) = database() else { return };
    run_at_once(
        &sandbox,
        r#"
        writer() {
            for i in $(seq 200); do isodb put "w$p/$i" <<<"$p $i" >>ids.$p || fail "put $p $i"; done
        }
        each 8 writer"#,
    );
    let documents = sandbox.isodb(["ls", "-r"]).ok().lines();
    let expected: BTreeSet<String> = (1..=8).flat_map(|p| (1..=200).map(move |i| format!("w{p}/{i}"))).collect();
    assert_eq!(documents.into_iter().collect::<BTreeSet<_>>(), expected);
    assert_eq!(sandbox.isodb(["get", "w3/77"]).ok().text(), "3 77\n");
    let commits = commits(&sandbox);
    assert_eq!(commits.len(), 1600);
    assert_eq!(lines_of(&sandbox, "ids."), commits, "every id that was printed is in the history");
    assert_eq!(sandbox.isodb(["ref", "log", "main"]).ok().lines().len(), 1600);
    sandbox.check_with_git();
}

#[test]
fn scripts_that_move_the_ref_themselves_lose_nothing() {
    let Some(sandbox) = database() else { return };
    sandbox.isodb_with_input(["put", "start"], "0").ok();
    run_at_once(
        &sandbox,
        r#"
        writer() {
            for i in $(seq 25); do
                while true; do
                    old=$(isodb head) || fail "head"
                    new=$(isodb put "w$p/$i" --on "$old" <<<"$p $i") || fail "put $p $i"
                    isodb ref set main "$new" --expect "$old" 2>>lost.$p
                    status=$?
                    if [ $status = 0 ]; then echo "$new" >>ids.$p; break; fi
                    if [ $status != 3 ]; then fail "ref set $p $i: $status"; break; fi
                done
            done
        }
        each 8 writer"#,
    );
    assert_eq!(sandbox.isodb(["ls", "-r", "--count"]).ok().line(), "201");
    let commits = commits(&sandbox);
    assert_eq!(commits.len(), 201);
    let moved = lines_of(&sandbox, "ids.");
    assert_eq!(moved.len(), 200);
    assert!(moved.is_subset(&commits), "every move that succeeded is in the history");
    sandbox.check_with_git();
}

#[test]
fn any_mix_of_commands_goes_together() {
    let Some(sandbox) = database() else { return };
    sandbox.isodb_with_input(["put", "start"], "0").ok();
    run_at_once(
        &sandbox,
        r#"
        first=$(isodb head)
        putter() { for i in $(seq 20); do isodb put "put/$p/$i" <<<"$i" >/dev/null || fail "put $p $i"; done; }
        remover() {
            for i in $(seq 20); do
                isodb put "rm/$p" <<<"$i" >/dev/null || fail "put before rm $i"
                isodb rm "rm/$p" >/dev/null || fail "rm $i"
            done
        }
        applier() {
            for i in $(seq 20); do
                printf '{"key":"apply/%s/a","value":%s}\n{"key":"apply/%s/b","value":%s}\n' $p $i $p $i |
                    isodb apply >/dev/null || fail "apply $i"
            done
        }
        restorer() {
            for i in $(seq 20); do
                isodb put "old/$p" <<<"$i" >/dev/null || fail "put before restore $i"
                isodb restore start --from "$first" >/dev/null || fail "restore $i"
            done
        }
        namer() {
            for i in $(seq 20); do
                isodb ref set "team/$p/$i" HEAD || fail "ref set $i"
                isodb ref delete "team/$p/$i" || fail "ref delete $i"
            done
        }
        reader() {
            for i in $(seq 8); do
                isodb -q fsck || fail "fsck $i"
                [ "$(isodb get start)" = 0 ] || fail "get $i"
                # The two documents of one commit are the same at every moment.
                at=$(isodb head)
                a=$(isodb get --at "$at" "apply/1/a" 2>/dev/null); b=$(isodb get --at "$at" "apply/1/b" 2>/dev/null)
                [ "$a" = "$b" ] || fail "half a commit: $a $b"
                isodb log --oneline >/dev/null || fail "log $i"
                isodb ref list >/dev/null || fail "ref list $i"
                git --git-dir=.isodb log --oneline >/dev/null || fail "git log $i"
                git --git-dir=.isodb for-each-ref >/dev/null || fail "git for-each-ref $i"
                git --git-dir=.isodb ls-tree -r main >/dev/null || fail "git ls-tree $i"
            done
        }
        each 2 putter; each 1 remover; each 1 applier; each 1 restorer; each 2 namer; each 2 reader"#,
    );
    let count = |prefix: &str| sandbox.isodb(["ls", "-r", "--count", prefix]).ok().line();
    assert_eq!([count("put"), count("rm"), count("apply"), count("old")], ["40", "0", "2", "1"]);
    assert_eq!(sandbox.isodb(["get", "apply/1/b"]).ok().text(), "20");
    // 1 + 2×20 puts, 40 of the remover, 20 of the applier, and 20 puts of the restorer: `start` is as it was.
    assert_eq!(commits(&sandbox).len(), 121);
    assert_eq!(sandbox.isodb(["ref", "list"]).ok().lines().len(), 1);
    sandbox.check_with_git();
}

#[test]
fn git_and_isodb_move_one_ref() {
    let Some(sandbox) = database() else { return };
    sandbox.isodb_with_input(["put", "start"], "0").ok();
    run_at_once(
        &sandbox,
        r#"
        export GIT_DIR=.isodb GIT_AUTHOR_NAME=Bob GIT_AUTHOR_EMAIL=bob@farm GIT_COMMITTER_NAME=Bob GIT_COMMITTER_EMAIL=bob@farm
        writer() { for i in $(seq 40); do isodb put "w$p/$i" <<<"$i" >/dev/null || fail "put $p $i"; done; }
        committer() {
            for i in $(seq 20); do
                while true; do
                    old=$(git rev-parse refs/heads/main)
                    new=$(git commit-tree "$old^{tree}" -p "$old" -m "git $p $i") || fail "commit-tree $p $i"
                    # The lock is taken, or the ref has moved: once more.
                    git update-ref refs/heads/main "$new" "$old" 2>/dev/null && break
                done
            done
        }
        each 3 writer; each 2 committer"#,
    );
    assert_eq!(sandbox.isodb(["ls", "-r", "--count"]).ok().line(), "121");
    assert_eq!(commits(&sandbox).len(), 1 + 120 + 40);
    let subjects = sandbox.git(["log", "--format=%s", "--author=Bob"]).ok().lines();
    assert_eq!(subjects.into_iter().collect::<BTreeSet<_>>().len(), 40);
    sandbox.check_with_git();
}

#[test]
fn init_at_once_makes_one_database() {
    if !has_tool("git") {
        return;
    }
    let sandbox = Sandbox::in_memory();
    run_at_once(
        &sandbox,
        r#"
        maker() {
            isodb -q init >/dev/null || fail "init $p"
            isodb put "w$p" <<<"$p" >/dev/null || fail "put $p"
        }
        each 8 maker"#,
    );
    assert_eq!(sandbox.isodb(["ls", "--count"]).ok().line(), "8");
    assert_eq!(commits(&sandbox).len(), 8);
    sandbox.check_with_git();
}

/// Writers and readers beside a loop of `upkeep`; what was written is all there afterwards.
fn upkeep_goes_beside_all(upkeep: &str) {
    let Some(sandbox) = database() else { return };
    sandbox.isodb_with_input(["put", "start"], "0").ok();
    // What nothing leads to when gc looks is gone without a time of grace, as with git.
    let on = if upkeep.contains("prune=now") { "" } else { "--on HEAD" };
    run_at_once(
        &sandbox,
        &format!(
            r#"
        upkeep() {{
            while [ ! -e done ]; do {upkeep} || fail "upkeep"; done
        }}
        writer() {{
            for i in $(seq 40); do
                isodb put "w$p/$i" <<<"$p $i" >>ids.$p || fail "put $p $i"
                isodb put same <<<"$((i % 3))" >/dev/null || fail "put same $p $i"
                # Nobody's until the ref is set.
                new=$(isodb put "on/$p" {on} <<<"$((i % 2))") || fail "put on/$p $i"
                isodb ref set "side/$p" "$new" || fail "ref set $p $i"
            done
            echo >ended.$p
        }}
        batcher() {{
            for i in $(seq 5); do
                for n in $(seq 150); do echo '{{"key":"b'$i'/'$n'","value":'$((n * i))'}}'; done |
                    isodb apply >/dev/null || fail "apply $i"
            done
        }}
        reader() {{
            for i in $(seq 30); do
                [ "$(isodb get start)" = 0 ] || fail "get $i"
                isodb ls -r >/dev/null || fail "ls $i"
                isodb log -n 20 >/dev/null || fail "log $i"
            done
        }}
        upkeep & keeper=$!
        each 3 writer; batcher & each 2 reader
        for job in $(jobs -p); do [ $job = $keeper ] || wait $job; done
        touch done"#
        ),
    );
    assert_eq!(
        sandbox.isodb(["ls", "-r", "--count"]).ok().line(),
        (1 + 3 * 40 + 1 + 5 * 150 + if on.is_empty() { 3 } else { 0 }).to_string()
    );
    let commits = commits(&sandbox);
    assert!(lines_of(&sandbox, "ids.").is_subset(&commits));
    for p in 1..=3 {
        assert_eq!(sandbox.isodb(["get", &format!("on/{p}"), "--at", &format!("side/{p}")]).ok().line(), "0");
    }
    sandbox.check_with_git();
    sandbox.isodb(["-q", "gc", "--prune=now"]).ok();
    sandbox.check_with_git();
}

#[test]
fn gc_goes_beside_writers_and_readers() {
    upkeep_goes_beside_all("isodb -q gc");
}

#[test]
fn gc_that_drops_all_it_can_goes_beside_writers_and_readers() {
    upkeep_goes_beside_all("isodb -q gc --prune=now");
}

#[test]
fn gits_gc_goes_beside_writers_and_readers() {
    upkeep_goes_beside_all("git --git-dir=.isodb gc -q 2>>git.log; sleep 0.1; true");
}

#[test]
fn one_conflict_is_resolved_once() {
    let Farm { sandbox, commits } = Farm::new();
    let script = r#"
        resolve() {
            for n in 1 2 3; do
                echo $p-$n | isodb resolve stock/hay >>done.$p 2>err.$p; ended=$?
                # Somebody else has resolved it already (1), or between our look and our commit (3).
                case $ended in 0|1|3) ;; *) fail "resolve ended with $ended: $(<err.$p)" ;; esac
                echo $p-$n | isodb put other/$p >>puts.$p || fail put
            done
        }
        each 4 resolve
    "#;
    run_at_once(&sandbox, script);
    let done = lines_of(&sandbox, "done.");
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(lines_of(&sandbox, "puts.").len(), 12);
    let log = sandbox.git(["log", "--format=%H", &format!("{}..HEAD", commits[3])]).ok().lines();
    assert_eq!(log.len(), 13);
    assert_eq!(sandbox.isodb(["get", "--strict", "stock/hay"]).ok().text().lines().count(), 1);
    assert_eq!(sandbox.isodb(["conflicts", "--count"]).status(1).line(), "3");
    sandbox.check_with_git();
}

#[test]
fn merges_and_puts_at_once_lose_nothing() {
    let Some(sandbox) = database() else { return };
    sandbox.isodb_with_input(["put", "start"], "0").ok();
    for p in 1..=4 {
        sandbox.isodb(["ref", "set", &format!("node{p}"), "HEAD"]).ok();
    }
    run_at_once(
        &sandbox,
        r#"
        node() {
            for i in $(seq 8); do
                isodb put "own/$p/$i" --ref node$p <<<"$p $i" >>ids.$p || fail "put $p $i"
                isodb put "shared" --ref node$p <<<"$p $i" >>ids.$p || fail "put shared $p $i"
                isodb merge -q --ref main node$p >/dev/null
                [ $? -le 1 ] || fail "merge $p $i"
                isodb put "main/$p/$i" <<<"$p $i" >>ids.$p || fail "put on main $p $i"
                [ $((i % 3)) != 0 ] || isodb merge -q --ref node$p main >/dev/null
                [ $? -le 1 ] || fail "merge back $p $i"
            done
        }
        each 4 node"#,
    );
    let expected: usize = 2 + 4 * 8 * 2;
    assert_eq!(sandbox.isodb(["ls", "-r", "--count"]).ok().line(), expected.to_string());
    let commits = commits(&sandbox);
    assert!(lines_of(&sandbox, "ids.").is_subset(&commits), "every commit that was made is in the history");
    sandbox.isodb(["verify", "--merges", "-q"]).ok();
    let head = sandbox.isodb(["head"]).ok().line();
    for p in 1..=4 {
        let merged = sandbox.isodb(["merge", "-q", "--ref", &format!("node{p}"), "main"]);
        assert_eq!(merged.text().trim(), head, "whoever knows the same commits has the same head");
    }
    sandbox.check_with_git();
}
