//! Revisions: what they name is what git says, and what they do not name is told of.

use super::refused;
use crate::support::{Sandbox, run};

/// A history with a merge, tags of both kinds, and a log.
fn filled() -> Sandbox {
    let sandbox = Sandbox::with_database();
    for n in 0..4 {
        sandbox.isodb_with_input(["put", "a/b"], n.to_string()).ok();
    }
    let side = sandbox.isodb_with_input(["put", "side", "--on", "HEAD~2"], "1").ok().line();
    let merge = sandbox.isodb_with_input(["put", "both", "--on", "HEAD", "--on", &side], "1").ok().line();
    sandbox.isodb(["ref", "set", "main", &merge]).ok();
    sandbox.isodb(["ref", "set", "refs/tags/light", "HEAD~1"]).ok();
    for (name, target) in [("heavy", "HEAD~2"), ("heavier", "heavy"), ("treetag", "HEAD^{tree}")] {
        sandbox.git(["-c", "user.name=T", "-c", "user.email=t", "tag", "-a", name, target, "-m", "m"]).ok();
    }
    sandbox.git(["update-ref", "refs/remotes/farm/main", "HEAD~1"]).ok();
    sandbox.git(["symbolic-ref", "refs/remotes/farm/HEAD", "refs/remotes/farm/main"]).ok();
    sandbox
}

#[test]
fn as_git_reads_them() {
    let sandbox = filled();
    let head = sandbox.isodb(["head"]).ok().line();
    let mut revisions: Vec<String> = [
        "HEAD",
        "@",
        "main",
        "heads/main",
        "refs/heads/main",
        "light",
        "tags/light",
        "heavy",
        "heavier",
        "treetag",
        "farm",
        "farm/main",
        "HEAD~",
        "HEAD~1",
        "HEAD~2",
        "HEAD~0",
        "HEAD^",
        "HEAD^1",
        "HEAD^2",
        "HEAD^0",
        "HEAD^^",
        "HEAD^2^",
        "HEAD^2~1",
        "HEAD~1^1~1",
        "@~1",
        "@^2",
        "heavy^{}",
        "heavier^{}",
        "heavy^{commit}",
        "heavy^{tree}",
        "heavier~1",
        "treetag^{tree}",
        "HEAD^{tree}",
        "HEAD^{commit}~1",
        "HEAD@{0}",
        "HEAD@{1}",
        "main@{0}",
        "main@{1}",
        "main@{4}",
        "@{0}",
        "@{1}",
        "@{2}~1",
        "main@{1}^{tree}",
    ]
    .map(str::to_owned)
    .to_vec();
    revisions.extend([4, 5, 12, 40, 63, 64].map(|digits| head[..digits].to_owned()));
    revisions.push(head[..10].to_uppercase());
    revisions.push(format!("{}~1", &head[..8]));
    for revision in &revisions {
        let git = sandbox.git(["rev-parse", "--verify", "--quiet", revision]);
        let ours = sandbox.isodb(["rev-parse", revision]);
        assert_eq!(ours.ok().line(), git.ok().line(), "{revision}");
    }
    assert_eq!(
        sandbox.isodb(["rev-parse"].into_iter().chain(revisions.iter().map(String::as_str))).ok().lines().len(),
        revisions.len()
    );
    for key in ["HEAD:a/b", ":a/b", "main~2:a/b", "heavy:a/b", "HEAD^2:side", "HEAD^{tree}:a/b", "@{2}:a/b"] {
        let path = format!("{}/blob", if key.starts_with(':') { format!("HEAD{key}") } else { key.to_owned() });
        assert_eq!(
            sandbox.isodb(["rev-parse", key]).ok().line(),
            sandbox.git(["rev-parse", &path]).ok().line(),
            "{key}"
        );
    }
}

#[test]
fn what_names_nothing() {
    let sandbox = filled();
    for (revision, words) in [
        ("nothing", "no ref has this name"),
        ("abc", "no ref has this name"),
        ("HEAD~99", "has 0 parents"),
        ("HEAD^3", "has 2 parents"),
        ("HEAD~99999999999", "has 0 parents"),
        ("main@{5}", "the log of refs/heads/main has 5 entries"),
        ("main@{99}", "the log of refs/heads/main has"),
        ("light@{5}", "the log of refs/tags/light has 0 entries"),
        ("HEAD:no", "there is no document \"no\""),
        ("HEAD:a", "there is no document \"a\""),
    ] {
        refused(sandbox.isodb(["rev-parse", revision]), 1, words);
    }
    for (revision, words) in [
        ("", "it has no name"),
        ("~1", "it has no name"),
        ("^", "it has no name"),
        ("HEAD~99999999999999999999", "a number is too large"),
        ("HEAD@{x}", "a number is wanted"),
        ("HEAD@{1", "a } is missing"),
        ("HEAD^{tree", "a } is missing"),
        ("HEAD^{blob}", "only commit and tree are known"),
        ("HEAD~1x", "only ~N, ^N and ^{KIND} can follow"),
        ("HEAD^{tree}~1", "names a tree, and a commit is wanted"),
        ("treetag^{commit}", "names a tree, and a commit is wanted"),
        ("HEAD:", "a key is empty"),
        ("HEAD:a//b", "empty segment"),
    ] {
        refused(sandbox.isodb(["rev-parse", "--", revision]), 2, words);
    }
    refused(sandbox.isodb(["rev-parse", &"0".repeat(64)]), 1, "no object has this id");
    let head = sandbox.isodb(["head"]).ok().line();
    refused(sandbox.isodb(["rev-parse", &head[..3]]), 1, "no ref has this name");
    let lost = refused(sandbox.isodb(["rev-parse", "mian~1"]), 1, "mian~1");
    assert!(lost.stderr().contains("hint: did you mean \"main\"?"), "{}", lost.stderr());
}

#[test]
fn a_prefix_of_two_ids_is_ambiguous() {
    let sandbox = Sandbox::with_database();
    // Enough objects for two of them to start alike.
    let lines: String = (0..600).map(|n| format!("{{\"key\":\"k\",\"value\":{n}}}\n")).collect();
    sandbox.isodb_with_input(["apply", "--each", "--sync-every", "1000", "--no-sync"], lines).ok();
    let ids: Vec<String> =
        sandbox.isodb(["cat-object", "--all"]).ok().lines().iter().map(|line| line[..64].to_owned()).collect();
    let pair = ids.windows(2).find(|pair| pair[0][..4] == pair[1][..4]).expect("among 1,800 ids two start alike");
    let prefix = &pair[0][..4];
    let ran = refused(sandbox.isodb(["rev-parse", prefix]), 2, "is the start of");
    assert!(ran.stderr().contains(&pair[0]) || ran.stderr().contains(&pair[1]));
    assert_eq!(
        sandbox.isodb_with_input(["cat-object", "--batch-check"], format!("{prefix}\n")).ok().line(),
        format!("{prefix} ambiguous")
    );
}

#[test]
fn a_name_comes_before_a_prefix() {
    let sandbox = filled();
    let head = sandbox.isodb(["head"]).ok().line();
    sandbox.isodb(["ref", "set", &head[..6], "HEAD~1"]).ok();
    let git = run(
        {
            let mut c = sandbox.command("git");
            c.args(["--git-dir=.isodb", "rev-parse", &head[..6]]);
            c
        },
        None,
    )
    .ok();
    assert_eq!(sandbox.isodb(["rev-parse", &head[..6]]).ok().line(), git.line());
}

#[test]
fn forms() {
    let sandbox = filled();
    let head = sandbox.isodb(["head"]).ok().line();
    assert_eq!(sandbox.isodb(["rev-parse", "--short", "HEAD"]).ok().line(), head[..12]);
    assert_eq!(sandbox.isodb(["rev-parse", "--json", "@"]).ok().line(), format!(r#"{{"id":"{head}","revision":"@"}}"#));
    let empty = Sandbox::with_database();
    refused(empty.isodb(["rev-parse", "HEAD"]), 1, "refs/heads/main has no commit yet");
    refused(empty.isodb(["rev-parse", "@{0}"]), 1, "has 0 entries");
}
