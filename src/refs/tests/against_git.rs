//! We read what git writes, and git reads what we write.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::store::tests::git::Git;

/// git's list of refs, and what we make of the same files.
#[track_caller]
fn assert_same(git: &Git) {
    let refs = refs_in(&git.root());
    let ours: Vec<String> = refs.list("refs/").unwrap().into_iter().map(|(name, id)| format!("{id} {name}")).collect();
    let gits = git.run(["for-each-ref", "--format=%(objectname) %(refname)"]);
    assert_eq!(ours, gits.lines().collect::<Vec<_>>());
    for line in &ours {
        let (id, ref_name) = line.split_once(' ').unwrap();
        assert_eq!(refs.get(&name(ref_name)).unwrap().unwrap().to_string(), id);
        assert_eq!(git.run(["rev-parse", "--verify", ref_name]), id);
    }
    assert!(refs.strange_files().unwrap().is_empty());
    git.assert_sound();
}

/// The ids that a log says a ref was at, newest first, as git and as we read it.
#[track_caller]
fn assert_same_log(git: &Git, of: &str, length: usize) {
    let log = refs_in(&git.root()).log(&name(of)).unwrap();
    let ours: Vec<String> = log.newest_first().map(|entry| format!("{} {}", entry.new, entry.message)).collect();
    let gits = git.run(["log", "-g", "--format=%H %gs", of]);
    assert_eq!(ours, gits.lines().collect::<Vec<_>>());
    assert_eq!(ours.len(), length);
}

#[test]
fn we_read_gits() {
    let Some(git) = Git::new() else { return };
    assert_same(&git);
    let commits: Vec<String> = (0..4).map(|number| git.commit(&format!("{number}"))).collect();
    for commit in &commits {
        git.run(["update-ref", "-m", "a\n move", "refs/heads/main", commit]);
    }
    git.run(["update-ref", "refs/heads/a/b", &commits[1]]);
    git.run(["update-ref", "refs/heads/a-b", &commits[2]]);
    git.run(["update-ref", "refs/other", &commits[2]]);
    git.run(["symbolic-ref", "refs/remotes/r/HEAD", "refs/heads/a/b"]);
    for (number, tag) in ["v1", "v1.1", "v2"].iter().enumerate() {
        git.run(["tag", "-a", "-m", tag, tag, &commits[number]]);
    }
    assert_same(&git);
    assert_same_log(&git, "refs/heads/main", 4);
    assert_same_log(&git, "HEAD", 4);

    git.run(["pack-refs", "--all"]);
    assert!(!git.path("refs/heads/main").exists());
    assert_same(&git);
    git.run(["update-ref", "refs/heads/main", &commits[0]]);
    git.run(["update-ref", "-d", "refs/heads/a/b"]);
    git.run(["update-ref", "refs/heads/a", &commits[3]]);
    git.run(["symbolic-ref", "refs/remotes/r/HEAD", "refs/heads/a"]);
    assert_same(&git);
    git.run(["symbolic-ref", "HEAD", "refs/heads/a"]);
    let (head, at) = refs_in(&git.root()).resolve(&RefName::head()).unwrap();
    assert_eq!((head.as_str(), at.unwrap().to_string()), ("refs/heads/a", commits[3].clone()));
}

#[test]
fn git_reads_ours() {
    let Some(git) = Git::new() else { return };
    let refs = refs_in(&git.root());
    let commits: Vec<Id> = (0..4).map(|number| git.commit(&format!("{number}")).parse().unwrap()).collect();
    for commit in &commits {
        apply(&refs, vec![set("refs/heads/main", *commit)]).unwrap();
    }
    let branches = ["refs/heads/a/b", "refs/heads/a-b", "refs/heads/é", "refs/remotes/r/x", "refs/notes/n", "refs/x"];
    apply(&refs, branches.iter().map(|branch| set(branch, commits[1])).collect()).unwrap();
    apply(&refs, vec![link("refs/remotes/r/HEAD", "refs/remotes/r/x"), link("HEAD", "refs/heads/a/b")]).unwrap();
    git.run(["tag", "-a", "-m", "v1", "v1", "refs/heads/main"]);
    assert_same(&git);
    assert_same_log(&git, "refs/heads/main", 4);
    assert_same_log(&git, "HEAD", 5);
    assert_eq!(git.run(["symbolic-ref", "HEAD"]), "refs/heads/a/b");

    // Packed by us with what the tag leads to, git peels it from the file.
    let tag = refs.get(&name("refs/tags/v1")).unwrap().unwrap();
    refs.lock(Duration::ZERO).unwrap().pack(&|id| (id == tag).then(|| commits[3])).unwrap();
    assert!(!git.path("refs/heads/main").exists());
    assert_same(&git);
    let peeled = git.run(["show-ref", "-d", "--tags"]);
    assert!(peeled.ends_with(&format!("{} refs/tags/v1^{{}}", commits[3])), "{peeled}");
    let ours = std::fs::read(git.path("packed-refs")).unwrap();
    git.run(["update-ref", "refs/heads/new", &commits[0].to_string()]);
    git.run(["pack-refs", "--all"]);
    git.run(["update-ref", "-d", "refs/heads/new"]);
    assert_eq!(std::fs::read(git.path("packed-refs")).unwrap(), ours, "git writes the file as we do");

    apply(&refs, vec![delete("refs/heads/a-b"), delete("refs/tags/v1"), set("refs/heads/main", commits[0])]).unwrap();
    assert_same(&git);
    apply(&refs, vec![link("HEAD", "refs/heads/main"), delete("refs/heads/a/b")]).unwrap();
    apply(&refs, vec![set("refs/heads/a", commits[2])]).unwrap();
    assert_same(&git);
    git.run(["update-ref", "-d", "refs/heads/a"]);
    git.run(["update-ref", "refs/heads/a/b/c", &commits[2].to_string()]);
    assert_same(&git);
}

#[test]
fn git_reads_a_log_with_a_torn_line() {
    let Some(git) = Git::new() else { return };
    let refs = refs_in(&git.root());
    let commits: Vec<Id> = (0..3).map(|number| git.commit(&format!("{number}")).parse().unwrap()).collect();
    for commit in &commits[..2] {
        apply(&refs, vec![set("refs/heads/main", *commit)]).unwrap();
    }
    let log = git.path("logs/refs/heads/main");
    let whole = std::fs::read(&log).unwrap();
    for zeros in [0, 50] {
        let mut torn = whole[..whole.len() - 90].to_vec();
        torn.resize(torn.len() + zeros, 0);
        std::fs::write(&log, torn).unwrap();
        apply(&refs, vec![set("refs/heads/main", commits[2])]).unwrap();
        assert_same_log(&git, "refs/heads/main", 2);
        assert_same(&git);
    }
}

#[test]
fn git_agrees_on_names() {
    let Some(git) = Git::new() else { return };
    let agrees = |text: &str| {
        let ours = RefName::full(text).is_ok();
        let gits = git.output(["check-ref-format", text]).status.success();
        assert_eq!(ours, gits, "{text:?}");
    };
    for rest in [
        "",
        "/",
        "a",
        "a/",
        "/a",
        "a//b",
        ".a",
        "a/.b",
        "a.",
        "a./b",
        "a..b",
        "a.b",
        "a.lock",
        "a.lock/b",
        "a.lockx",
        "@",
        "a@",
        "a@{b",
        "@{",
        "{@",
        "a b",
        "a\tb",
        "a~",
        "a^b",
        "a:b",
        "a?",
        "a*",
        "a[",
        "a]",
        "a\\b",
        "-",
        "-a",
        "HEAD",
        "é",
        "a\u{7f}",
        "a\u{80}",
        "\u{feff}",
        "heads/main",
        "heads/refs/heads/main",
        "...",
        ".",
        "..",
        "a/..",
        ".lock",
        "a/.lock",
    ] {
        agrees(&format!("refs/{rest}"));
    }
    let config = ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() };
    let names = "refs/([a-c.@{/~ ^:?*\\[\\\\é\x01\x7f-]|\\.lock|/|@\\{){1,7}";
    TestRunner::new(config)
        .run(&names, |text| {
            agrees(&text);
            Ok(())
        })
        .unwrap();
}
