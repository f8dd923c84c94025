//! git and isodb as each other's clients and servers, over paths and an ssh that goes nowhere.

use std::process::Command;

use crate::cli::refused;
use crate::support::{Ran, Sandbox, run, ssh};

/// A machine `barn` with a database, and one beside it that has nothing but git; an ssh that leads from one to the other.
struct Barn {
    sandbox: Sandbox,
}

impl Barn {
    fn new() -> Barn {
        let sandbox = Sandbox::in_memory();
        ssh::install(&sandbox);
        sandbox.isodb(["init", "farm's.isodb"]).ok();
        Barn { sandbox }
    }

    fn environment(&self, command: &mut Command) {
        ssh::show(&self.sandbox, command);
        command
            .env("GIT_AUTHOR_NAME", "Bo")
            .env("GIT_AUTHOR_EMAIL", "bo@barn")
            .env("GIT_COMMITTER_NAME", "Bo")
            .env("GIT_COMMITTER_EMAIL", "bo@barn");
    }

    /// Runs a line of bash.
    fn bash(&self, script: &str) -> Ran {
        let mut command = self.sandbox.command("bash");
        command.args(["-c", script]);
        self.environment(&mut command);
        run(command, None)
    }

    /// Runs isodb on the database.
    fn farm(&self, args: &[&str]) -> Ran {
        self.sandbox.isodb(["--db", "farm's.isodb"].iter().chain(args))
    }

    fn put(&self, key: &str, content: &str) -> String {
        self.sandbox.isodb_with_input(["--db", "farm's.isodb", "put", key], content).ok().line()
    }

    /// Where the database is, for ssh.
    fn url(&self) -> String {
        ssh::url(&self.sandbox, "farm\\'s.isodb")
    }

    fn clone(&self) {
        let clone = format!("git clone -q --bare -u 'isodb upload-pack' {} git", self.url());
        let said = self.bash(&clone).ok().stderr();
        assert_eq!(said.replace("warning: You appear to have cloned an empty repository.\n", ""), "");
        self.bash(
            "git -C git config remote.origin.uploadpack 'isodb upload-pack' &&
             git -C git config remote.origin.receivepack 'isodb receive-pack' &&
             git -C git config remote.origin.fetch 'refs/heads/*:refs/heads/*'",
        )
        .ok();
    }

    fn check(&self) {
        for dir in ["git", "\"farm's.isodb\""] {
            let checked = self.bash(&format!("git -C {dir} fsck --strict --full --no-dangling")).ok();
            assert_eq!(checked.text() + &checked.stderr(), "");
        }
    }
}

#[test]
fn git_is_told_how_it_goes() {
    let barn = Barn::new();
    barn.put("stock/hay", "12");
    barn.clone();
    let next = barn.put("stock/hay", "11");
    barn.bash("git -C \"farm's.isodb\" tag -a -m first v1").ok();
    let fetched = barn.bash("git -C git fetch --progress --no-auto-maintenance origin").ok().stderr();
    assert!(fetched.contains("main       -> main") && fetched.contains("[new tag]"), "{fetched}");
    assert!(fetched.contains("remote: sending "), "{fetched}");
    assert_eq!(barn.bash("git -C git rev-parse main v1^{commit}").lines(), [next.clone(), next]);
    // A commit, the content, the trees above it, and the tag.
    let count = barn.bash("git -C git count-objects -v | sed -n 's/^count: //p'").line();
    assert!((5..=12).contains(&count.parse::<u32>().unwrap()), "{count}");
    barn.check();
}

#[test]
fn git_clones_what_is_empty_and_by_a_path() {
    let barn = Barn::new();
    barn.clone();
    assert_eq!(
        barn.bash("git -C git symbolic-ref HEAD; git -C git rev-parse --show-object-format").lines(),
        ["refs/heads/main", "sha256"]
    );
    barn.put("a", "1");
    barn.bash("git clone -q --no-local -u 'isodb upload-pack' \"farm's.isodb\" work && test -f work/a/blob").ok();
}

#[test]
fn git_pushes() {
    let barn = Barn::new();
    let first = barn.put("a", "1");
    barn.clone();
    let commit =
        |on: &str, word: &str| barn.bash(&format!("git -C git commit-tree -p {on} -m {word} {on}^{{tree}}")).line();
    let push = |refs: &str| barn.bash(&format!("git -C git push origin {refs}"));
    let (two, aside) = (commit("main", "two"), commit("main", "aside"));
    push(&format!("{two}:refs/heads/main {aside}:refs/heads/b {first}:refs/tags/t")).ok();
    let refs = barn.farm(&["ref", "list"]).ok().text();
    assert_eq!(refs, format!("{aside} refs/heads/b\n{two} refs/heads/main\n{first} refs/tags/t\n"));
    assert_eq!(barn.farm(&["ref", "log", "main"]).ok().lines().len(), 2);
    // Neither by force does a commit get lost.
    for (refs, words) in [
        (format!("{aside}:refs/heads/main"), "non-fast-forward"),
        (format!("+{aside}:refs/heads/main"), "it would lose commits that somebody made"),
        (":refs/heads/main".to_owned(), "HEAD leads to it"),
        (format!("--force-with-lease=b:{first} {two}:refs/heads/b"), "stale info"),
    ] {
        let said = push(&refs).status(1).stderr();
        assert!(said.contains(words) && said.contains("rejected"), "{said}");
    }
    // All or none.
    let said = push(&format!("--atomic +{aside}:refs/heads/main {first}:refs/heads/c")).status(1).stderr();
    assert!(said.contains("another ref of this push was refused"), "{said}");
    let said = push(&format!("+{aside}:refs/heads/main {first}:refs/heads/c :refs/heads/b")).status(1).stderr();
    assert!(said.contains("[new branch]") && said.contains("[deleted]"), "{said}");
    let refs = barn.farm(&["ref", "list"]).ok().text();
    assert_eq!(refs, format!("{first} refs/heads/c\n{two} refs/heads/main\n{first} refs/tags/t\n"));
    barn.farm(&["config", "receive.denyNonSafe", "false"]).ok();
    push(&format!("+{aside}:refs/heads/main")).ok();
    assert_eq!(barn.farm(&["head"]).ok().line(), aside);
    // Where all must be signed, nothing else comes in, and nothing of it stays.
    barn.farm(&["config", "trust.require", "signed"]).ok();
    let unsigned = commit("main", "unsigned");
    let said = push(&format!("{unsigned}:refs/heads/u {two}:refs/heads/v")).status(1).stderr();
    // No ref leads to the other one any more, so it counts as new too.
    assert!(said.contains(&format!("{unsigned}: unsigned")) && said.contains(&format!("{two}: unsigned")), "{said}");
    barn.farm(&["cat-object", "-e", &unsigned]).status(1);
    barn.check();
}

#[test]
fn a_large_push_and_a_pack_above_the_limit() {
    let barn = Barn::new();
    barn.put("a", "1");
    barn.clone();
    let make = "cd git && blob=$(head -c 3000000 /dev/urandom | git hash-object -w --stdin) &&
        folder=$(printf '100644 blob %s\\tblob\\n' $blob | git mktree) &&
        root=$(printf '040000 tree %s\\tlarge\\n' $folder | git mktree) &&
        git commit-tree -p main -m large $root";
    let large = barn.bash(make).line();
    barn.farm(&["config", "receive.maxInputSize", "1000000"]).ok();
    let push = format!("git -C git push origin {large}:refs/heads/main");
    let said = barn.bash(&push).status(1).stderr();
    assert!(said.contains("the size of the pack is more than the limit of 1000000"), "{said}");
    barn.farm(&["config", "--unset", "receive.maxInputSize"]).ok();
    barn.bash(&push).ok();
    assert_eq!(barn.farm(&["ls", "--count"]).ok().line(), "1");
    barn.check();
}

#[test]
fn refs_of_ours_and_of_gits() {
    let barn = Barn::new();
    barn.put("a", "1");
    barn.farm(&["ref", "set", "field", "HEAD"]).ok();
    barn.bash("git -C \"farm's.isodb\" tag -a -m first v1").ok();
    barn.clone();
    let by_git = barn.bash(&format!("git ls-remote --upload-pack 'isodb upload-pack' {}", barn.url())).ok().text();
    assert_eq!(by_git.lines().count(), 5, "{by_git}");
    let path = barn.sandbox.path().display();
    for way in [
        barn.url(),
        "\"farm's.isodb\"".into(),
        format!("\"file://{path}/farm's.isodb\""),
        format!("\"ssh://ann@barn:22{path}/farm%27s.isodb\""),
        "--upload-pack git-upload-pack git".into(),
        "--upload-pack 'git upload-pack' ./git".into(),
        format!("--upload-pack git-upload-pack ann@barn:{path}/git"),
    ] {
        assert_eq!(barn.bash(&format!("isodb ls-remote {way}")).ok().text(), by_git, "{way}");
    }
    let some = barn.bash(&format!("isodb ls-remote {} main 'refs/tags/*' --json", barn.url())).ok().lines();
    assert_eq!(some.len(), 2, "{some:?}");
    assert!(some[0].contains("\"ref\":\"refs/heads/main\"") && some[0].contains("\"peeled\":null"), "{some:?}");
    assert!(some[1].contains("\"ref\":\"refs/tags/v1\"") && !some[1].contains("\"peeled\":null"), "{some:?}");
    barn.bash(&format!("isodb ls-remote {} nothing", barn.url())).status(1);
}

#[test]
fn what_goes_wrong_is_told() {
    let barn = Barn::new();
    let said = barn.bash("isodb ls-remote nobody@nowhere:x").status(5).stderr();
    assert!(said.contains("ssh: no route to nobody@nowhere\n") && said.contains("exit status: 255"), "{said}");
    let said = barn.bash("isodb ls-remote ann@barn:/nowhere").status(5).stderr();
    assert!(said.contains("/nowhere is not a database"), "{said}");
    refused(barn.bash("isodb ls-remote nowhere"), 2, "is not a database");
    refused(barn.bash("isodb ls-remote -- -oProxyCommand=x:y"), 2, "starts with a dash");
    refused(barn.bash("isodb ls-remote ftp://x/y"), 2, "is not a place");
    refused(barn.bash("isodb ls-remote --upload-pack 'echo 0000' 'farm'"), 4, "protocol");
    barn.bash("git init -q --bare --object-format=sha1 old").ok();
    refused(barn.bash("isodb ls-remote --upload-pack git-upload-pack old"), 5, "object format sha1");
    // What an old client hears.
    let said = barn.bash("printf 'nonsense' | isodb upload-pack farm\\'s.isodb | tail -c 120");
    assert!(said.text().contains("does not keep to the protocol: this is no packet's length"), "{said:?}");
}
