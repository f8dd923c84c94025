//! `isodb fetch`, `push`, `pull` and `sync`: databases that meet.

use serde_json::Value;

use crate::cli::refused;
use crate::support::{Ran, Sandbox};

/// Two databases, `barn` and `field`, of which the second has the first as its remote.
pub(super) struct Farm {
    pub(super) sandbox: Sandbox,
}

impl Farm {
    pub(super) fn new() -> Farm {
        let sandbox = Sandbox::in_memory();
        for name in ["barn.isodb", "field.isodb"] {
            sandbox.isodb(["init", name]).ok();
        }
        let farm = Farm { sandbox };
        farm.field(&["remote", "add", "barn", "barn.isodb"]).ok();
        farm
    }

    fn at(&self, name: &str, args: &[&str]) -> Ran {
        self.sandbox.isodb(["--db", name].iter().chain(args))
    }

    pub(super) fn barn(&self, args: &[&str]) -> Ran {
        self.at("barn.isodb", args)
    }

    pub(super) fn field(&self, args: &[&str]) -> Ran {
        self.at("field.isodb", args)
    }

    pub(super) fn put(&self, name: &str, key: &str, content: &str) -> String {
        self.sandbox.isodb_with_input(["--db", name, "put", key], content).ok().line()
    }

    fn check(&self) {
        for name in ["barn.isodb", "field.isodb"] {
            let checked = self.sandbox.bash(&format!("git --git-dir={name} fsck --strict --no-dangling")).ok();
            let said = checked.text() + &checked.stderr();
            assert_eq!(said.replace("notice: HEAD points to an unborn branch (main)\n", ""), "");
            self.at(name, &["-q", "fsck"]).ok();
        }
    }
}

fn json(ran: Ran) -> Value {
    serde_json::from_str(&ran.line()).unwrap()
}

#[test]
fn fetching_keeps_what_the_remote_has() {
    let farm = Farm::new();
    let one = farm.put("barn.isodb", "a", "1");
    farm.barn(&["tag", "v1"]).ok();
    let fetched = farm.field(&["fetch"]).ok();
    assert_eq!(fetched.lines(), [format!("{one}\trefs/remotes/barn/main"), format!("{one}\trefs/tags/v1")]);
    assert_eq!(fetched.stderr(), "");
    assert_eq!(farm.field(&["fetch"]).ok().text(), "");
    assert_eq!(farm.field(&["get", "--at", "barn/main", "a"]).ok().text(), "1");
    let status = json(farm.field(&["status", "--json"]).ok());
    assert_eq!(status["unmerged"][0]["ref"], "refs/remotes/barn/main");
    let two = farm.put("barn.isodb", "a", "2");
    farm.barn(&["ref", "set", "other", &one]).ok();
    let fetched = json(farm.field(&["fetch", "barn", "main", "--json"]).ok());
    assert_eq!(
        (&fetched["old"], &fetched["new"], &fetched["change"]),
        (&one.into(), &two.clone().into(), &"forward".into())
    );
    assert_eq!((&fetched["ref"], &fetched["there"]), (&"refs/remotes/barn/main".into(), &"refs/heads/main".into()));
    farm.field(&["ref", "get", "refs/remotes/barn/other"]).status(1);
    // git in the same directory sees the same, and finds nothing that is new to it.
    let seen = farm.sandbox.bash("git --git-dir=field.isodb fetch -v barn main 2>&1").ok().text();
    assert!(seen.contains("= [up to date]") || seen.contains("FETCH_HEAD"), "{seen}");

    // From a place without a name.
    let printed = farm.field(&["fetch", "./barn.isodb", "other"]).ok().line();
    assert!(printed.ends_with("\trefs/heads/other"), "{printed}");
    refused(farm.field(&["fetch", "barn", "no"]), 1, "the other side has no ref refs/heads/no");
    refused(farm.field(&["fetch", "bran"]), 2, "there is no remote \"bran\"");
    refused(farm.field(&["fetch", "./nothing"]), 2, "is not a database");
    refused(farm.barn(&["fetch"]), 2, "it is not clear which remote is meant");
    farm.check();
}

#[test]
fn a_head_that_goes_back_is_told_of() {
    let farm = Farm::new();
    let one = farm.put("barn.isodb", "a", "1");
    let two = farm.put("barn.isodb", "a", "2");
    farm.field(&["fetch"]).ok();
    farm.barn(&["ref", "set", "main", &one]).ok();
    let fetched = farm.field(&["fetch"]).ok();
    assert_eq!(fetched.line(), format!("{one}\trefs/remotes/barn/main"));
    let said = fetched.stderr();
    assert!(said.contains("warning: main of barn has lost commits that it had"), "{said}");
    assert!(said.contains("refs/remotes/barn/main@{1}"), "{said}");
    assert_eq!(farm.field(&["rev-parse", "refs/remotes/barn/main@{1}"]).ok().line(), two);
    assert_eq!(farm.field(&["-q", "fetch"]).ok().stderr(), "");
    // A tag that is another there stays what it is here.
    farm.barn(&["ref", "set", "refs/tags/v", &one]).ok();
    farm.field(&["ref", "set", "refs/tags/v", &two]).ok();
    let said = farm.field(&["fetch"]).ok();
    assert!(said.stderr().contains("the tag v is another at barn") && said.text().is_empty(), "{}", said.stderr());
    assert_eq!(farm.field(&["ref", "get", "refs/tags/v"]).ok().line(), two);
}

#[test]
fn pushing_moves_what_may_move() {
    let farm = Farm::new();
    let one = farm.put("field.isodb", "a", "1");
    farm.field(&["tag", "v1"]).ok();
    assert_eq!(farm.field(&["push"]).ok().line(), format!("{one}\trefs/heads/main"));
    assert_eq!(farm.field(&["push"]).ok().text(), "");
    assert_eq!(farm.field(&["ref", "get", "refs/remotes/barn/main"]).ok().line(), one);
    let pushed = farm.field(&["push", "barn", "HEAD:extra", "v1", "v1:v2", "main:refs/x/y"]).ok().lines();
    let names: Vec<&str> = pushed.iter().map(|line| line.split('\t').nth(1).unwrap()).collect();
    assert_eq!(names, ["refs/heads/extra", "refs/tags/v1", "refs/tags/v2", "refs/x/y"]);
    // The remote has what is not here.
    let theirs = farm.put("barn.isodb", "b", "2");
    let two = farm.put("field.isodb", "a", "2");
    let ran = farm.field(&["push", "--json"]).status(3);
    let record: Value = serde_json::from_str(ran.text().trim()).unwrap();
    assert_eq!(
        (&record["result"], &record["old"], &record["new"]),
        (&"loses".into(), &theirs.clone().into(), &two.clone().into())
    );
    assert!(ran.stderr().contains("would be lost") && ran.stderr().contains("hint: `isodb sync`"), "{}", ran.stderr());
    let ran = farm.field(&["push", "barn", "--expect", &one, "main"]);
    refused(ran, 3, &format!("main of barn is at {theirs}, and was not moved"));
    // Forced, isodb still refuses unless it is told not to.
    let force = ["push", "barn", "--force", "--expect", &theirs, "main"];
    refused(farm.field(&force), 1, "barn does not move main: it would lose commits");
    farm.barn(&["config", "receive.denyNonSafe", "false"]).ok();
    assert_eq!(farm.field(&force).ok().line(), format!("{two}\trefs/heads/main"));
    refused(farm.field(&["push", "barn", "--force", "main"]), 2, "--expect");
    refused(farm.field(&["push", "barn", "--expect", "none", "main", "extra"]), 2, "is no ref here");
    refused(farm.field(&["push", "barn", "--expect", "none", "main", "v1"]), 2, "one ref has to be named");
    refused(farm.field(&["push", "barn", "no"]), 2, "\"no\" is no ref here");
    farm.field(&["push", "barn", "--delete", "extra"]).ok();
    farm.field(&["push", "barn", ":refs/x/y"]).ok();
    farm.barn(&["ref", "get", "extra"]).status(1);
    farm.field(&["push", "barn", "--tags"]).ok();
    // One that cannot move keeps the others back where that is asked for.
    farm.put("barn.isodb", "c", "3");
    let ran = farm.field(&["push", "--atomic", "barn", "main", "main:new"]).status(3);
    assert_eq!(ran.text(), "");
    farm.barn(&["ref", "get", "new"]).status(1);
    farm.check();
}

#[test]
fn pulling_merges() {
    let farm = Farm::new();
    assert_eq!(farm.field(&["pull"]).ok().text(), "");
    farm.put("barn.isodb", "a", "1");
    let head = farm.field(&["pull"]).ok().line();
    assert_eq!(farm.barn(&["head"]).ok().line(), head);
    farm.put("barn.isodb", "a", "of the barn");
    farm.put("field.isodb", "a", "of the field");
    let pulled = farm.field(&["pull"]).status(1);
    assert!(pulled.stderr().contains("1 conflict is left (1 of them new)"), "{}", pulled.stderr());
    farm.field(&["resolve", "a", "--ours"]).status(2);
    farm.field(&["conflicts"]).status(1);
    let json = farm.field(&["pull", "--json"]).status(1).line();
    assert!(json.contains("\"conflicts\":1") && json.contains("\"new\":false"), "{json}");
    refused(farm.field(&["pull", "./barn.isodb"]), 2, "has no name here");
    farm.sandbox.bash("git --git-dir=field.isodb update-ref --no-deref HEAD refs/heads/main").ok();
    for command in ["pull", "sync"] {
        refused(farm.field(&[command]), 2, "HEAD is on no branch");
    }
    farm.sandbox.bash("git --git-dir=field.isodb symbolic-ref HEAD refs/heads/main").ok();
    farm.field(&["config", "branch.main.remote", "barn"]).ok();
    farm.field(&["config", "branch.main.merge", "refs/heads/other"]).ok();
    refused(farm.field(&["pull"]), 1, "has no ref refs/heads/other");
}

#[test]
fn syncing_ends_in_agreement() {
    let farm = Farm::new();
    assert_eq!(farm.field(&["sync"]).ok().text(), "");
    let one = farm.put("field.isodb", "a", "1");
    assert_eq!(farm.field(&["sync"]).ok().line(), one);
    assert_eq!(farm.barn(&["head"]).ok().line(), one);
    farm.put("barn.isodb", "b", "2");
    farm.put("field.isodb", "c", "3");
    let record = json(farm.field(&["sync", "--json"]).ok());
    let head = farm.field(&["head"]).ok().line();
    assert_eq!((&record["commit"], &record["agreed"]), (&head.clone().into(), &true.into()));
    assert_ne!(record["old"], Value::Null);
    assert!(record["received"].as_u64() > Some(100) && record["sent"].as_u64() > Some(100), "{record}");
    let record = json(farm.field(&["sync", "--json"]).ok());
    let bytes = record["received"].as_u64().unwrap() + record["sent"].as_u64().unwrap();
    assert!(bytes < 300 && record["rounds"] == 1, "{record}");
    assert_eq!(farm.barn(&["head"]).ok().line(), head);
    farm.put("barn.isodb", "a", "of the barn");
    farm.put("field.isodb", "a", "of the field");
    let ran = farm.field(&["sync"]).status(1);
    assert!(ran.stderr().contains("1 conflict is left"), "{}", ran.stderr());
    assert_eq!(farm.barn(&["head"]).ok().line(), farm.field(&["head"]).ok().line());
    farm.barn(&["ref", "set", "theirs", &one]).ok();
    farm.field(&["ref", "set", "ours", &one]).ok();
    let lines = farm.field(&["sync", "--all"]).status(1).lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(farm.barn(&["ref", "get", "ours"]).ok().line(), farm.field(&["ref", "get", "theirs"]).ok().line());
    // A remote that takes nothing.
    farm.barn(&["config", "trust.require", "signed"]).ok();
    farm.put("field.isodb", "d", "4");
    farm.field(&["config", "trust.require", "none"]).ok();
    let ran = farm.field(&["-q", "sync"]).status(1);
    assert!(ran.stderr().contains("error: barn does not move main: "), "{}", ran.stderr());
    farm.check();
}

#[test]
fn git_is_at_the_other_side() {
    let farm = Farm::new();
    let git = |line: &str| farm.sandbox.bash(line).ok().text().trim().to_owned();
    git("git init -q --bare --object-format=sha256 -b main plain.git");
    farm.field(&["remote", "add", "plain", "plain.git"]).ok();
    farm.field(&["config", "remote.plain.uploadpack", "git-upload-pack"]).ok();
    farm.field(&["config", "remote.plain.receivepack", "git-receive-pack"]).ok();
    let one = farm.put("field.isodb", "a", "1");
    assert_eq!(farm.field(&["sync", "plain"]).ok().line(), one);
    assert_eq!(git("git -C plain.git rev-parse main"), one);
    // Two nodes that know no other way.
    farm.barn(&["remote", "add", "plain", "plain.git"]).ok();
    let way = ["--upload-pack", "git-upload-pack", "--receive-pack", "git-receive-pack"];
    let barn = |command: &[&str]| farm.barn(&[command, &way].concat());
    assert_eq!(barn(&["sync", "plain"]).ok().line(), one);
    farm.put("barn.isodb", "b", "2");
    farm.put("field.isodb", "c", "3");
    barn(&["sync", "plain"]).ok();
    let head = farm.field(&["sync", "plain"]).ok().line();
    assert_eq!(barn(&["sync", "plain"]).ok().line(), head);
    assert_eq!(git("git -C plain.git rev-parse main"), head);
    // Going back is for git to refuse, or not.
    let force = ["push", "plain", "--force", "--expect", &head, &format!("{one}:main")];
    assert_eq!(farm.field(&force).ok().line(), format!("{one}\trefs/heads/main"));
    git("git -C plain.git config receive.denyNonFastForwards true");
    farm.field(&["sync", "plain"]).ok();
    refused(farm.field(&force), 1, "non-fast-forward");
    farm.check();
}

#[test]
fn one_bad_branch_keeps_no_other_away() {
    let farm = Farm::new();
    let one = farm.put("barn.isodb", "a", "1");
    farm.field(&["pull", "-q"]).ok();
    // A commit whose folders are in no form that documents have.
    let make = "cd barn.isodb && tree=$(printf '040000 tree %s\\tx\\n' $(git mktree </dev/null) | git mktree) &&
        git -c user.name=Bo -c user.email=bo@barn commit-tree -p main -m bad $tree";
    let bad = farm.sandbox.bash(make).ok().line();
    let two = farm.put("barn.isodb", "a", "2");
    farm.sandbox.bash(&format!("git -C barn.isodb update-ref refs/heads/bad {bad}")).ok();
    let words = "barn: not let in: refs/heads/bad: ";
    refused(farm.field(&["fetch", "--atomic"]), 4, "what came is not let in: refs/heads/bad: ");
    assert_eq!(farm.field(&["rev-parse", "barn/main"]).ok().line(), one);
    let fetched = farm.field(&["fetch"]).status(4);
    assert_eq!(fetched.line(), format!("{two}\trefs/remotes/barn/main"));
    assert!(fetched.stderr().contains(words), "{}", fetched.stderr());
    let again = json(farm.field(&["fetch", "--json"]).status(4));
    assert_eq!((&again["there"], &again["change"]), (&"refs/heads/bad".into(), &"refused".into()));
    assert!(again["reason"].as_str().unwrap().starts_with("refs/heads/bad: "), "{again}");
    refused(farm.field(&["fetch", "barn", "bad"]), 4, "what came is not let in: refs/heads/bad: ");
    farm.field(&["cat-object", "-e", &bad]).status(1);
    // Who asks for something else is told of it, and gets that.
    let three = farm.put("barn.isodb", "a", "3");
    let pulled = farm.field(&["pull"]).ok();
    assert_eq!(pulled.line(), three);
    assert!(pulled.stderr().starts_with(&format!("warning: {words}")), "{}", pulled.stderr());
    let four = farm.put("field.isodb", "b", "4");
    assert_eq!(farm.field(&["sync", "-q"]).ok().line(), four);
    assert!(farm.field(&["sync", "--all"]).status(4).stderr().starts_with(&format!("error: {words}")));
    farm.field(&["-q", "fsck"]).ok();
    // A clone does without it, and has nothing of it.
    let cloned = farm.sandbox.isodb(["clone", "barn.isodb", "copy.isodb"]).status(4);
    assert_eq!(cloned.line(), "copy.isodb");
    assert!(cloned.stderr().contains("error: origin: not let in: refs/heads/bad: "), "{}", cloned.stderr());
    let copy = |args: &[&str]| farm.sandbox.isodb(["--db", "copy.isodb"].iter().chain(args));
    assert!(!copy(&["ref", "list"]).ok().text().contains("bad"));
    copy(&["cat-object", "-e", &bad]).status(1);
    copy(&["-q", "fsck"]).ok();
    farm.sandbox.bash("git -C barn.isodb symbolic-ref HEAD refs/heads/bad").ok();
    refused(farm.sandbox.isodb(["clone", "barn.isodb", "no.isodb"]), 4, "what came is not let in: ");
    assert!(!farm.sandbox.path().join("no.isodb").exists());
}
