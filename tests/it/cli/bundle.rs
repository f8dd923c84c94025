//! `bundle`: files that git and isodb read of each other, and what is told of them.

use serde_json::Value;

use super::refused;
use crate::support::{Ran, Sandbox};

/// A database with three commits, the first of which is tagged.
fn farm() -> Sandbox {
    let sandbox = Sandbox::with_database();
    for n in 1..=3 {
        sandbox.isodb_with_input(["put", &format!("animals/{n}")], format!("{{\"n\":{n}}}\n")).ok();
        if n == 1 {
            sandbox.isodb(["tag", "v1", "-m", "first"]).ok();
        }
    }
    sandbox
}

fn json(ran: Ran) -> Value {
    serde_json::from_str(&ran.ok().line()).unwrap()
}

fn id(sandbox: &Sandbox, revision: &str) -> String {
    sandbox.isodb(["rev-parse", revision]).ok().line()
}

#[test]
fn git_reads_them() {
    let farm = farm();
    let made = farm.isodb(["bundle", "create", "--as", "barn", "farm.bundle"]).ok();
    assert_eq!(made.text(), "");
    assert!(made.stderr().starts_with("wrote 3 commits in "), "{}", made.stderr());
    let git = |line: &str| farm.bash(&format!("git -c init.defaultBranch=x {line}")).ok();
    git("clone -q farm.bundle work");
    assert_eq!(git("-C work rev-parse HEAD").line(), id(&farm, "main"));
    assert_eq!(git("-C work rev-parse --abbrev-ref HEAD").line(), "main");
    assert_eq!(git("-C work rev-parse v1^{}").line(), id(&farm, "main~2"));
    git("clone -q --mirror farm.bundle mirror");
    assert_eq!(git("-C mirror fsck --strict --full").text(), "");

    farm.isodb_with_input(["put", "animals/4"], "4").ok();
    farm.isodb(["bundle", "create", "--as", "barn", "--since", "HEAD~1", "news.bundle"]).ok();
    assert!(git("-C mirror bundle verify ../news.bundle").text().contains("requires this ref"));
    git("-C work fetch -q ../news.bundle main:news");
    assert_eq!(git("-C work rev-parse news").line(), id(&farm, "main"));
    assert_eq!(git("-C work fsck --strict --full --no-dangling").text(), "");
    assert!(std::fs::metadata(farm.path().join("news.bundle")).unwrap().len() < 1500);
}

#[test]
fn what_git_makes_is_read() {
    let farm = farm();
    let git = |line: &str| farm.bash(&format!("git --git-dir=.isodb {line}")).ok();
    git("bundle create -q --version=3 all.bundle --all");
    git("bundle create -q news.bundle v1..main");
    let other = Sandbox::with_database();
    let verify =
        |name: &str, status| other.isodb(["bundle", "verify", farm.path().join(name).to_str().unwrap()]).status(status);
    let sound = verify("all.bundle", 0);
    assert_eq!(
        sound.lines(),
        [
            format!("{}\trefs/heads/main", id(&farm, "main")),
            format!("{}\trefs/tags/v1", id(&farm, "v1")),
            format!("{}\tHEAD", id(&farm, "main")),
        ]
    );
    assert_eq!(sound.stderr(), "the bundle is sound: all of history\n");
    let lacking = verify("news.bundle", 1);
    let first = id(&farm, "main~2");
    assert!(lacking.stderr().contains(&format!("commit {first} (put animals/1), which is not here")), "{lacking:?}");
    let told = json(farm.isodb(["bundle", "verify", "--json", "news.bundle"]));
    assert_eq!(told["prerequisites"][0]["id"], first);
    assert_eq!(
        (&told["ok"], &told["from"], &told["prerequisites"][0]["here"]),
        (&true.into(), &Value::Null, &true.into())
    );
    // A repository with SHA-1 ids.
    farm.bash(
        "git init -q sha1 && cd sha1 && git -c user.name=a -c user.email=a commit -q --allow-empty -m x &&
         git bundle create -q ../sha1.bundle --all",
    )
    .ok();
    assert!(verify("sha1.bundle", 4).stderr().contains("SHA-1"));
}

#[test]
fn what_goes_in() {
    let farm = farm();
    let barn = farm.copy();
    let [one, two] = ["main~1", "main"].map(|revision| id(&farm, revision));
    farm.isodb(["ref", "set", "refs/remotes/barn/main", "main~1"]).ok();
    let created = |args: &[&str]| {
        let made = farm.isodb(["bundle", "create", "--json", "x"].iter().chain(args)).ok();
        let made: Value = serde_json::from_str(&made.line()).unwrap();
        let refs = made["refs"].as_array().unwrap().iter().map(|one| one["ref"].as_str().unwrap().to_owned());
        (refs.collect::<Vec<_>>().join(" "), made["commits"].as_u64().unwrap(), made["prerequisites"].clone())
    };
    let all = "HEAD refs/heads/main refs/tags/v1";
    assert_eq!(created(&[]), (all.to_owned(), 3, Value::Array(Vec::new())));
    assert_eq!(created(&["--all"]).0, "HEAD refs/heads/main refs/remotes/barn/main refs/tags/v1");
    let new = || ("HEAD refs/heads/main".to_owned(), 1, Value::Array(vec![one.clone().into()]));
    for args in
        [&["--for", "barn"][..], &["--since", "main~1"], &["main~1..main"], &["main", "^main~1"], &["main~1..@"]]
    {
        assert_eq!(created(args).1, new().1, "{args:?}");
        assert_eq!(created(args).2, new().2, "{args:?}");
    }
    assert_eq!(created(&["--for", "barn"]), new());
    assert_eq!(created(&["v1", "--since", "main~1"]).0, "refs/tags/v1", "what is named goes in");
    let told = json(barn.isodb(["bundle", "verify", "--json", farm.path().join("x").to_str().unwrap()]));
    assert_eq!(told["refs"][0]["ref"], "refs/tags/v1");

    farm.isodb(["ref", "set", "refs/remotes/barn/main", "main"]).ok();
    std::fs::remove_file(farm.path().join("x")).unwrap();
    let create = |args: &[&str]| farm.isodb(["bundle", "create", "x"].iter().chain(args));
    refused(create(&["--for", "barn"]), 1, "error: barn lacks nothing, as far as is known here");
    refused(create(&["--since", &two, "main"]), 1, "error: there is nothing that goes into the bundle");
    refused(create(&["--for", "shed"]), 1, "error: nothing is known of a remote \"shed\"");
    refused(create(&["main~1"]), 2, "error: main~1 is no ref, and a bundle carries refs");
    refused(create(&["--as", "A B"]), 2, "error: invalid value 'A B' for '--as <NAME>'");
    refused(farm.isodb(["bundle", "create", "no/x"]), 5, "error: ");
    assert!(!farm.path().join("x").exists());
}

#[test]
fn what_comes_is_kept_apart_until_it_is_merged() {
    let farm = farm();
    let other = Sandbox::with_database();
    other.isodb_with_input(["put", "stock/hay"], "1").ok();
    let apply = |args: &[&str]| other.isodb([&["bundle", "apply"], args].concat());
    let path = |name: &str| farm.path().join(name).to_str().unwrap().to_owned();
    farm.isodb(["bundle", "create", "--as", "tablet", "x.bundle"]).ok();
    let came = apply(&[&path("x.bundle")]).ok();
    let [main, tag] = ["main", "v1"].map(|name| id(&farm, name));
    assert_eq!(came.lines(), [format!("{main}\trefs/remotes/tablet/main"), format!("{tag}\trefs/tags/v1")]);
    assert_eq!(came.stderr(), "hint: `isodb merge tablet/main` brings it into main\n");
    assert!(other.isodb(["status"]).ok().text().contains("tablet/main"));
    let again = apply(&[&path("x.bundle")]).ok();
    assert_eq!((again.text().as_str(), again.stderr().as_str()), ("", "there is nothing new in it\n"));
    other.isodb(["merge", "tablet/main"]).ok();
    other.check_with_git();

    // What goes back is what is new here: the bundle that came tells what is there.
    let made = other.isodb(["bundle", "create", "--for", &path("x.bundle"), "--as", "office", "back.bundle"]).ok();
    assert!(made.stderr().starts_with("wrote 2 commits in "), "{}", made.stderr());
    assert_eq!(
        other.isodb(["bundle", "create", "--for", "tablet", "b"]).ok().stderr().split(" in ").next(),
        Some("wrote 2 commits")
    );
    let back = other.path().join("back.bundle").to_str().unwrap().to_owned();
    farm.isodb(["bundle", "apply", &back]).ok();
    farm.isodb(["merge", "office/main"]).ok();
    assert_eq!(id(&farm, "main"), id(&other, "main"));

    // Names: what is said, else the file's.
    farm.isodb(["config", "isodb.name", "tablet"]).ok();
    farm.isodb_with_input(["put", "animals/4"], "4").ok();
    farm.isodb(["bundle", "create", "y.bundle", "main~1..main"]).ok();
    let came = apply(&["--as", "phone", "--json", &path("y.bundle")]).ok();
    let told: Value = serde_json::from_str(&came.line()).unwrap();
    assert_eq!(
        (&told["ref"], &told["change"], &told["old"]),
        (&"refs/remotes/phone/main".into(), &"new".into(), &Value::Null)
    );
    farm.git(["bundle", "create", "-q", "Git's.bundle", "main"]).ok();
    assert!(apply(&[&path("Git's.bundle")]).ok().line().ends_with("\trefs/remotes/git-s/main"));
    farm.write("none", "x");
    refused(other.bash(&format!("isodb bundle apply - <{}", path("none"))), 4, "error: it is no bundle");
    let from_git = std::fs::read(farm.path().join("Git's.bundle")).unwrap();
    refused(other.isodb_with_input(["bundle", "apply", "-"], from_git), 2, "error: neither the bundle nor its");
}

#[test]
fn what_may_not_come_in_does_not() {
    let farm = farm();
    let other = Sandbox::with_database();
    farm.isodb(["bundle", "create", "x"]).ok();
    farm.isodb(["bundle", "create", "y", "v1..main"]).ok();
    let path = |name: &str| farm.path().join(name).to_str().unwrap().to_owned();
    refused(other.isodb(["bundle", "apply", &path("y")]), 1, "error: the bundle builds on commit ");
    other.isodb(["config", "trust.require", "signed"]).ok();
    let refused_one = other.isodb(["bundle", "apply", &path("x")]).status(4);
    assert!(refused_one.stderr().contains("what came is not let in"), "{}", refused_one.stderr());
    assert_eq!(other.isodb(["ref", "list"]).ok().text(), "");
    assert_eq!(other.isodb(["cat-object", "--all"]).ok().text(), "");
}

#[test]
fn who_wrote_it() {
    let farm = farm();
    farm.isodb([
        "ref",
        "set",
        "refs/remotes/barn/main",
        &farm.isodb_with_input(["put", "--on", "main", "b"], "1").ok().line(),
    ])
    .ok();
    farm.isodb(["config", "isodb.name", "tablet"]).ok();
    farm.isodb(["bundle", "create", "x", "main"]).ok();
    let told = json(farm.isodb(["bundle", "verify", "--json", "x"]));
    assert_eq!((&told["from"], &told["has"][0]), (&"tablet".into(), &id(&farm, "refs/remotes/barn/main").into()));
    farm.isodb(["bundle", "create", "--as", "phone", "x", "main"]).ok();
    assert_eq!(json(farm.isodb(["bundle", "verify", "--json", "x"]))["from"], "phone");
    farm.isodb(["config", "isodb.name", "A B"]).ok();
    refused(farm.isodb(["bundle", "create", "x"]), 2, "error: isodb.name: \"A B\" cannot be a node's name");
}

#[test]
fn over_pipes() {
    let farm = farm();
    let other = Sandbox::with_database();
    let line = format!("isodb --db {} bundle create - | isodb bundle verify --json -", farm.db().display());
    assert_eq!(json(other.bash(&line))["ok"], true);
    refused(farm.isodb(["bundle", "create", "--json", "-"]), 2, "error: stdout takes the bundle");
    farm.bash("isodb bundle create - | head -c 10 >out; exit ${PIPESTATUS[0]}").ok();
}

#[test]
fn what_is_damaged() {
    let farm = farm();
    farm.isodb(["bundle", "create", "x"]).ok();
    let mut bytes = std::fs::read(farm.path().join("x")).unwrap();
    let other = Sandbox::with_database();
    let verify = |name: &str| other.isodb(["bundle", "verify", farm.path().join(name).to_str().unwrap()]);
    verify("x").ok();
    farm.write("cut", &bytes[..bytes.len() - 9]);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    farm.write("bent", &bytes);
    farm.write("strange", "hello");
    for name in ["cut", "bent"] {
        verify(name).status(4);
    }
    refused(verify("strange"), 4, "error: it is no bundle that can be read here: it does not begin as one does");
    refused(verify("no"), 5, "error: ");
    // One whose ref leads to what is not in it.
    farm.bash("sed 's/^[0-9a-f]* refs.heads.main$/'$(printf 'ab%.0s' {1..32})' refs\\/heads\\/main/' x > wrong").ok();
    let wrong = verify("wrong").status(4);
    assert!(wrong.stderr().contains("refs/heads/main: object abab"), "{}", wrong.stderr());
    assert_eq!(other.isodb(["ref", "list"]).ok().text(), "");
    other.isodb(["-q", "fsck"]).ok();
}

#[test]
fn the_name_of_a_file_is_a_url() {
    let farm = farm();
    farm.isodb(["bundle", "create", "all.bundle"]).ok();
    farm.git(["bundle", "create", "-q", "git.bundle", "main~1..main"]).ok();
    let main = id(&farm, "main");
    let listed = farm.isodb(["ls-remote", "./all.bundle", "main", "HEAD"]).ok();
    assert_eq!(listed.lines(), [format!("{main}\tHEAD"), format!("{main}\trefs/heads/main")]);
    let other = Sandbox::with_database();
    let path = |name: &str| farm.path().join(name).to_str().unwrap().to_owned();
    refused(other.isodb(["fetch", &path("git.bundle")]), 1, "error: the bundle builds on commit ");
    let came = other.isodb(["fetch", &path("all.bundle")]).ok();
    assert_eq!(came.line(), format!("{main}\tHEAD"));
    // git tells no HEAD of one branch.
    assert_eq!(other.isodb(["fetch", &path("git.bundle")]).ok().line(), format!("{main}\tHEAD"));
    other.isodb(["remote", "add", "stick", &path("all.bundle")]).ok();
    let came = other.isodb(["fetch"]).ok();
    assert_eq!(came.lines().len(), 2, "{came:?}");
    assert!(came.lines()[0].ends_with("\trefs/remotes/stick/main"), "{came:?}");
    farm.isodb_with_input(["put", "animals/4"], "4").ok();
    farm.isodb(["bundle", "create", "all.bundle", "--since", "v1", "main"]).ok();
    assert_eq!(other.isodb(["pull"]).ok().line(), id(&farm, "main"));
    refused(other.isodb(["push"]), 2, "all.bundle is a file, which can be fetched from alone");
    farm.isodb(["bundle", "create", "farm.bundle"]).ok();
    assert_eq!(farm.isodb(["clone", "farm.bundle"]).ok().line(), "farm/.isodb");
    assert_eq!(farm.isodb(["-C", "farm", "rev-parse", "HEAD"]).ok().line(), id(&farm, "main"));
    other.check_with_git();
}

#[test]
fn three_nodes_and_a_stick() {
    let nodes = ["ann", "bo", "cy"].map(|name| (name, Sandbox::with_database()));
    let stick = Sandbox::new();
    let dir = stick.path().to_str().unwrap();
    let visit = |(name, node): &(&str, Sandbox)| node.isodb(["sync", "--via", dir, "--as", name]);
    for node in &nodes {
        node.1.isodb_with_input(["put", &format!("own/{}", node.0)], node.0).ok();
        visit(node).ok();
    }
    for node in nodes.iter().chain(&nodes[..2]) {
        visit(node).ok();
    }
    let heads = nodes.each_ref().map(|(_, node)| id(node, "HEAD"));
    assert!(heads.iter().all(|head| *head == heads[0]), "{heads:?}");
    let nothing = visit(&nodes[0]).ok();
    assert_eq!(
        (nothing.line(), nothing.stderr()),
        (heads[0].clone(), "what is left for the others is as it was\n".to_owned())
    );

    // Different changes of one document.
    for node in &nodes[..2] {
        node.1.isodb_with_input(["put", "shared"], node.0).ok();
    }
    visit(&nodes[0]).ok();
    let told = visit(&nodes[1]).status(1);
    assert!(told.stderr().contains("1 conflict is left (1 of them new)"), "{}", told.stderr());
    // A bundle that is torn does not keep the others away, nor does what is none.
    let path = stick.path().join("bo.bundle");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 5]).unwrap();
    stick.write("letter.bundle", "dear Ann");
    let torn = visit(&nodes[0]).status(4);
    assert!(torn.stderr().contains("warning: bo.bundle: ") && torn.stderr().contains("warning: letter.bundle: "));
    visit(&nodes[1]).status(1);
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    std::fs::remove_file(stick.path().join("letter.bundle")).unwrap();
    let told = nodes[0].1.isodb(["sync", "--via", dir, "--json"]).status(1).line();
    let told: Value = serde_json::from_str(&told).unwrap();
    let states = told["files"].as_array().unwrap().iter().map(|file| file["state"].as_str().unwrap());
    assert_eq!(states.collect::<Vec<_>>(), ["known", "taken", "known"]);
    assert_eq!((&told["conflicts"], &told["left"]["commits"]), (&1.into(), &3.into()));
    visit(&nodes[2]).status(1);
    assert_eq!(id(&nodes[2].1, "HEAD"), id(&nodes[1].1, "HEAD"));
    for (_, node) in &nodes {
        node.check_with_git();
    }
}

#[test]
fn a_node_gets_a_name() {
    let node = Sandbox::with_database();
    node.isodb_with_input(["put", "a"], "1").ok();
    std::fs::create_dir(node.path().join("stick")).unwrap();
    node.isodb(["sync", "--via", "stick"]).ok();
    let name = node.isodb(["config", "isodb.name"]).ok().line();
    assert!(node.path().join(format!("stick/{name}.bundle")).is_file());
    node.isodb(["sync", "--via", "stick"]).ok();
    assert_eq!(std::fs::read_dir(node.path().join("stick")).unwrap().count(), 1);
    refused(node.isodb(["sync", "--via", "nowhere"]), 5, "nowhere");
    refused(node.isodb(["sync", "--as", "x"]), 2, "required");
}

#[test]
fn as_a_stream() {
    let farm = farm();
    let made = json(farm.isodb(["bundle", "create", "--stream", "--json", "--as", "barn", "x"]));
    assert_eq!((&made["stream"], &made["commits"], &made["count"]), (&true.into(), &3.into(), &3.into()));
    let other = Sandbox::with_database();
    let path = farm.path().join("x").to_str().unwrap().to_owned();
    assert_eq!(json(other.isodb(["bundle", "verify", "--json", &path]))["ok"], true);
    other.isodb(["bundle", "apply", &path]).ok();
    other.isodb(["merge", "barn/main"]).ok();
    assert_eq!(id(&other, "HEAD"), id(&farm, "HEAD"));
    other.check_with_git();
}
