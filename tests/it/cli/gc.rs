//! `gc`: what it keeps and drops, that git is content with it, and that it starts by itself.

use serde_json::Value;

use crate::support::{Sandbox, has_tool, output};

/// A database with documents, some of them changed and removed again, loose and in packs.
fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    let field = |n: usize| format!("\"moisture\":{},\"battery\":{},\"sensor\":\"s-{}\"", n * 37 % 61, 3000 + n, n * n);
    let line = |n: usize| format!("{{\"key\":\"fields/{n:03}\",\"value\":{{\"type\":\"reading\",{}}}}}\n", field(n));
    sandbox.isodb_with_input(["apply", "--no-sync"], (0..300).map(line).collect::<String>()).ok();
    for n in 0..10 {
        sandbox.isodb_with_input(["put", "fields/007"], format!("{{\"type\":\"reading\",{}}}", field(n))).ok();
    }
    sandbox.isodb(["rm", "fields/008"]).ok();
    sandbox.isodb(["ref", "set", "old", "HEAD~3"]).ok();
    sandbox
}

fn gc(sandbox: &Sandbox, args: &[&str]) -> Value {
    let ran = sandbox.isodb(["gc", "--json"].iter().chain(args)).ok();
    serde_json::from_str(&ran.line()).unwrap()
}

fn count(sandbox: &Sandbox) -> Value {
    serde_json::from_str(&sandbox.isodb(["count-objects", "--json"]).ok().line()).unwrap()
}

/// All documents at all revisions that matter here.
fn content(sandbox: &Sandbox) -> String {
    let listed = ["HEAD", "HEAD~5", "old"].map(|at| sandbox.isodb(["ls", "-r", "--long", "--at", at]).ok().text());
    listed.concat() + &sandbox.isodb(["log", "--json"]).ok().text() + &sandbox.isodb(["get", "fields/007"]).ok().text()
}

#[test]
fn all_is_in_one_pack_and_git_is_content() {
    if !has_tool("git") {
        return;
    }
    let sandbox = filled();
    let before = content(&sandbox);
    let report = gc(&sandbox, &["--prune=never"]);
    assert_eq!((&report["done"], &report["kept"], &report["held_up"]), (&true.into(), &0.into(), &false.into()));
    let help = sandbox.isodb(["help", "gc"]).ok().text();
    let members = report.as_object().unwrap().keys();
    members.for_each(|name| assert!(help.contains(&format!("\"{name}\"")), "{name}"));
    assert!(report["bytes_after"].as_u64() < report["bytes_before"].as_u64());
    let counted = count(&sandbox);
    assert_eq!((&counted["packs"], &counted["in-pack"]), (&1.into(), &report["packed"]));
    assert_eq!(content(&sandbox), before);
    sandbox.check_with_git();
    sandbox.git(["commit-graph", "verify"]).ok();
    assert!(sandbox.db().join("objects/info/commit-graph").is_file());
    let packs = sandbox.bash("git --git-dir=.isodb verify-pack -v .isodb/objects/pack/*.idx").ok().text();
    let deltas = packs.lines().filter(|line| line.split_whitespace().count() == 7).count();
    assert!(deltas > 200, "like documents are differences: {deltas}");
    sandbox.bash("git clone -q --bare .isodb clone && git --git-dir=clone fsck --strict --full").ok();

    let again = gc(&sandbox, &[]);
    assert_eq!(again["done"], false, "nothing has changed");
    assert_eq!(sandbox.isodb(["gc"]).ok().stderr(), "there is nothing to do\n");
    assert_eq!(sandbox.isodb(["-q", "gc"]).ok().stderr(), "");
    sandbox.isodb_with_input(["put", "new"], "1").ok();
    assert_eq!(gc(&sandbox, &[])["done"], true);

    // And back: git's own upkeep, with all that it can write beside.
    sandbox.git(["gc", "-q"]).ok();
    sandbox.git(["repack", "-adbfq"]).ok();
    sandbox.git(["multi-pack-index", "write"]).ok();
    sandbox.git(["commit-graph", "write", "--reachable"]).ok();
    assert!(content(&sandbox).ends_with(before.lines().last().unwrap()));
    sandbox.isodb_with_input(["put", "newer"], "2").ok();
    sandbox.isodb(["gc"]).ok();
    assert_eq!(count(&sandbox)["packs"], 1);
    sandbox.check_with_git();
    sandbox.git(["gc", "-q", "--prune=now"]).ok();
    sandbox.check_with_git();
}

#[test]
fn what_nothing_leads_to_goes_after_its_time() {
    if !has_tool("git") {
        return;
    }
    let sandbox = filled();
    let commit = sandbox.isodb_with_input(["put", "lost", "--on", "HEAD"], "nobody's").ok().line();
    let id = sandbox.isodb(["rev-parse", &format!("{commit}:lost")]).ok().line();
    // The clock of these tests stands in the past, so all files are young.
    assert_eq!(gc(&sandbox, &[])["removed"], 0);
    sandbox.isodb(["cat-object", &id]).ok();
    sandbox.git(["config", "gc.pruneExpire", "2.weeks.ago"]).ok();
    assert_eq!(gc(&sandbox, &["--prune=1 hour ago"])["removed"], 0);
    sandbox.check_with_git();
    // More than a few go to a pack of their own, with their times, which git reads.
    let lines: String = (0..200).map(|n| format!("{{\"key\":\"lost/{n}\",\"value\":{n}}}\n")).collect();
    sandbox.isodb_with_input(["apply", "--on", "HEAD"], lines).ok();
    let kept = gc(&sandbox, &["--prune=never"]);
    assert!(kept["kept"].as_u64() > Some(200));
    sandbox.bash("ls .isodb/objects/pack/*.mtimes").ok();
    sandbox.check_with_git();
    sandbox.bash("touch -d '2001-01-01' .isodb/objects/*/* 2>/dev/null; true").ok();
    sandbox.isodb(["cat-object", &id]).ok();

    // An index of git's may name anything.
    sandbox.write(".isodb/index", "");
    assert_eq!(gc(&sandbox, &["--prune=now"])["removed"], 0);
    std::fs::remove_file(sandbox.db().join("index")).unwrap();
    let report = gc(&sandbox, &["--prune=now"]);
    assert_eq!((report["kept"].as_u64(), report["removed"].as_u64()), (Some(0), kept["kept"].as_u64()));
    sandbox.isodb(["cat-object", "-e", &id]).status(1);
    sandbox.check_with_git();
    sandbox.isodb(["gc", "--prune=sometime"]).status(2);
}

#[test]
fn what_git_notes_in_files_is_kept() {
    if !has_tool("git") {
        return;
    }
    let sandbox = filled();
    let lost = |key: &str| sandbox.isodb_with_input(["put", key, "--on", "HEAD"], key).ok().line();
    let [fetched, worktree, detached, gone] = ["a", "b", "c", "d"].map(lost);
    sandbox.write(".isodb/FETCH_HEAD", format!("{fetched}\t\tbranch 'main' of elsewhere\n"));
    sandbox.write(".isodb/worktrees/w/HEAD", format!("{worktree}\n"));
    sandbox.write(".isodb/worktrees/w/logs/HEAD", format!("{} {detached} A <a@b> 1 +0000\tx\n", "0".repeat(64)));
    gc(&sandbox, &["--prune=now"]);
    for id in [&fetched, &worktree, &detached] {
        sandbox.isodb(["cat-object", "-e", id]).ok();
    }
    sandbox.isodb(["cat-object", "-e", &gone]).status(1);
}

#[test]
fn only_one_is_at_work_and_damage_stops_it() {
    let sandbox = filled();
    let lock = sandbox.db().join("isodb/gc.lock");
    let held = std::fs::OpenOptions::new().create(true).append(true).open(lock).unwrap();
    held.lock().unwrap();
    assert_eq!(sandbox.isodb(["gc"]).ok().stderr(), "another gc is at work\n");
    drop(held);
    let head = sandbox.isodb(["rev-parse", "HEAD"]).ok().line();
    std::fs::remove_file(sandbox.db().join("objects").join(&head[..2]).join(&head[2..])).unwrap();
    let before = count(&sandbox);
    sandbox.isodb(["gc"]).status(4);
    assert_eq!(count(&sandbox), before);
}

#[test]
fn it_starts_by_itself_when_there_is_much_to_do() {
    for on in [true, false] {
        let sandbox = Sandbox::with_database();
        sandbox.isodb(["config", "gc.auto", if on { "1" } else { "0" }]).ok();
        let loose = || count(&sandbox)["count"].as_u64().unwrap();
        let mut most = 0;
        for n in 0..400 {
            let mut put = sandbox.isodb_command(["put", "--no-sync", &format!("k{n}")]);
            put.env_remove("ISODB_GC_AUTO");
            assert!(output(put, None).status.success());
            let now = loose();
            if now < most {
                // It has started, and removes what it has packed.
                assert!(on);
                break;
            }
            most = now;
            // It is given time to work.
            if on && n > 20 {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            assert!(!on || n < 399, "it has not started");
            if !on && n > 60 {
                break;
            }
        }
        // Until the one in the background has ended, the database cannot be taken away.
        while sandbox.isodb(["gc"]).ok().stderr().contains("another") {}
        sandbox.isodb(["-q", "fsck"]).ok();
    }
}

#[test]
fn an_import_starts_it_as_well() {
    for on in [true, false] {
        let sandbox = Sandbox::with_database();
        sandbox.isodb(["config", "core.unpackLimit", "1"]).ok();
        sandbox.isodb(["config", "gc.autoPackLimit", if on { "1" } else { "0" }]).ok();
        let lines: String = (0..100).map(|n| format!("{{\"key\":\"k{n}\",\"value\":{n}}}\n")).collect();
        let mut import = sandbox.isodb_command(["import", "--no-sync", "--commit-every", "1"]);
        import.env_remove("ISODB_GC_AUTO");
        assert!(output(import, Some(lines.as_bytes())).status.success());
        // It may not have come so far yet.
        let has_begun = || sandbox.db().join("isodb/gc.lock").exists();
        for _ in 0..1000 {
            if !on || has_begun() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(has_begun(), on);
        while sandbox.isodb(["gc"]).ok().stderr().contains("another") {}
        sandbox.isodb(["-q", "fsck"]).ok();
    }
}
