//! Asks the real git: are our ids git's, and does `git fsck --strict` refuse what we refuse?
//!
//! Tests only. Where we are stricter than git, the tables say so; in none of their cases may we be laxer.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Kind, check, hash};

/// What git and we think of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Good,
    Bad,
    /// git lets it pass, or did in some version; we do not.
    Stricter,
}
use Verdict::{Bad, Good, Stricter};

#[test]
fn git_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let Some(said) = git(folder.path(), &["init", "-q", "--bare", "--object-format=sha256", "."]) else {
        return skip();
    };
    assert_eq!(said, "");
    let cases: Vec<(Kind, Vec<u8>, Verdict)> = trees().into_iter().chain(commits()).chain(tags()).collect();

    for kind in [Kind::Tree, Kind::Commit, Kind::Tag] {
        // `--literally` stores malformed bodies too.
        let mut command = vec!["hash-object", "-w", "--literally", "-t", kind.name(), "--"];
        let bodies: Vec<&Vec<u8>> = cases.iter().filter(|case| case.0 == kind).map(|case| &case.1).collect();
        let names: Vec<String> = (0..bodies.len()).map(|at| format!("{kind}-{at}")).collect();
        bodies.iter().zip(&names).for_each(|(body, name)| fs::write(folder.path().join(name), body).unwrap());
        command.extend(names.iter().map(String::as_str));
        let ids: Vec<String> = bodies.iter().map(|body| hash(kind, body).to_string()).collect();
        assert_eq!(git(folder.path(), &command).unwrap().lines().collect::<Vec<_>>(), ids);
    }

    let said = git(folder.path(), &["fsck", "--strict", "--no-dangling"]).unwrap();
    let mut wrong = Vec::new();
    for (kind, body, verdict) in &cases {
        let complaint = complaint(&said, &hash(*kind, body).to_string());
        let found = match (check(*kind, body).is_ok(), complaint) {
            (true, None) => Good,
            (false, Some(_)) => Bad,
            (false, None) => Stricter,
            (true, Some(complaint)) => panic!("we are laxer: {} {complaint}", text(body)),
        };
        let later_git = (found, *verdict) == (Bad, Stricter);
        if found != *verdict && !later_git {
            wrong.push(format!("{kind} {:?} is {found:?}, not {verdict:?}", text(body)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}\n{said}");
}

/// What git says of this object's own bytes. What it points to is not there, which is not the question; and a tag
/// without a tagger is good enough for us, for git has written such tags.
fn complaint<'a>(said: &'a str, id: &str) -> Option<&'a str> {
    let of_bytes = |line: &&str| {
        (line.starts_with("error") || line.starts_with("warning"))
            && line.contains(id)
            && !line.ends_with("broken links")
            && !line.contains("missingTaggerEntry")
    };
    said.lines().find(of_bytes)
}

/// Runs git, untouched by the settings of whoever runs the test, and returns all that it says; `None` without a git.
fn git(folder: &Path, command: &[&str]) -> Option<String> {
    let mut git = Command::new("git");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        git.env_remove(name);
    }
    git.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").env("LC_ALL", "C");
    let output = git.current_dir(folder).args(command).output().ok()?;
    Some(text(&output.stdout) + &text(&output.stderr))
}

#[allow(clippy::print_stderr, reason = "a test that did not run must be seen")]
fn skip() {
    eprintln!("SKIPPED: git is not installed");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const TREE: &str = "tree 6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321\n";
const AUTHOR: &str = "author Ann <ann@farm> 1700000000 +0000\n";
const COMMITTER: &str = "committer Bo <bo@farm> 1700000060 +0100\n";

fn trees() -> Vec<(Kind, Vec<u8>, Verdict)> {
    let good: [&[(&str, &str)]; 4] = [
        &[],
        &[("100644", "a"), ("40000", "a-b"), ("120000", "a.b"), ("40000", "b"), ("100755", "c"), ("160000", "d")],
        &[("40000", "a b"), ("40000", "é")],
        &[("100644", ".gitx"), ("100644", "git"), ("100644", "git~2")],
    ];
    let bad: [&[(&str, &str)]; 17] = [
        &[("100644", "b"), ("100644", "a")],
        &[("40000", "a"), ("100644", "a-")],
        &[("100644", "a"), ("100644", "a")],
        &[("100644", "a"), ("40000", "a")],
        &[("100644", "a"), ("100644", "a-"), ("40000", "a-b"), ("40000", "a")],
        &[("100644", "")],
        &[("40000", ".")],
        &[("40000", "..")],
        &[("40000", ".git")],
        &[("40000", ".GIT")],
        &[("40000", "git~1")],
        &[("40000", ".git. ")],
        &[("40000", ".g\u{200c}it")],
        &[("40000", "x\\.git")],
        &[("100644", "a/b")],
        &[("040000", "a")],
        &[("100600", "a")],
    ];
    let one = |&(mode, name): &(&str, &str)| [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[7; 32]].concat();
    let tree = |entries: &[(&str, &str)]| entries.iter().flat_map(one).collect();
    let mut cases: Vec<_> = good.iter().map(|entries| (Kind::Tree, tree(entries), Good)).collect();
    cases.extend(bad.iter().map(|entries| (Kind::Tree, tree(entries), Bad)));
    cases.push((Kind::Tree, [b"100644 a\0".as_slice(), &[0; 32]].concat(), Bad));
    cases.push((Kind::Tree, [b"100644 a\0".as_slice(), &[7; 31]].concat(), Bad));
    cases.push((Kind::Tree, b"100644 a".to_vec(), Bad));
    cases
}

fn commits() -> Vec<(Kind, Vec<u8>, Verdict)> {
    let whole = |verdict, parts: &[&str]| (Kind::Commit, parts.concat().into_bytes(), verdict);
    let mut cases = vec![
        whole(Good, &[TREE, AUTHOR, COMMITTER, "\nmessage\n"]),
        whole(Good, &[TREE, AUTHOR, COMMITTER, "\n"]),
        whole(Good, &[TREE, AUTHOR, COMMITTER, "x y\n z\n\nmessage"]),
        whole(Bad, &[AUTHOR, COMMITTER, "\n"]),
        whole(Bad, &[TREE, COMMITTER, "\n"]),
        whole(Bad, &[TREE, AUTHOR, "\n"]),
        whole(Bad, &[TREE, AUTHOR, AUTHOR, COMMITTER, "\n"]),
        whole(Bad, &[TREE, "parent 12\n", AUTHOR, COMMITTER, "\n"]),
        whole(Bad, &[TREE, AUTHOR, COMMITTER, "x y"]),
        whole(Bad, &[TREE, AUTHOR, COMMITTER, "\nmess\0age\n"]),
        whole(Bad, &[TREE, AUTHOR, COMMITTER, "x\0 y\n\n"]),
        whole(Stricter, &[TREE, AUTHOR, COMMITTER]),
        whole(Stricter, &[TREE, AUTHOR, COMMITTER, "x\n\n"]),
        whole(Stricter, &[TREE, AUTHOR, COMMITTER, " x\n\n"]),
        whole(Stricter, &[TREE, AUTHOR, COMMITTER, COMMITTER, "\n"]),
        whole(Stricter, &[&TREE.to_uppercase().replace("TREE", "tree"), AUTHOR, COMMITTER, "\n"]),
    ];
    for (verdict, who) in [
        (Good, " <ann@farm> 1 +0000"),
        (Good, " <> 0 -0000"),
        (Good, " Ann  <a b> 9223372036854775807 +9999"),
        (Good, ".,:;\"\\'\r <é> 1 +0000"),
        (Bad, "<ann@farm> 1 +0000"),
        (Bad, "Ann<ann@farm> 1 +0000"),
        (Bad, "Ann <ann@farm>1 +0000"),
        (Bad, "Ann <ann@farm 1 +0000"),
        (Bad, "A>n <ann@farm> 1 +0000"),
        (Bad, "Ann <a<n@farm> 1 +0000"),
        (Bad, "Ann <ann@farm> 01 +0000"),
        (Bad, "Ann <ann@farm> 9223372036854775808 +0000"),
        (Bad, "Ann <ann@farm> 1 0000"),
        (Bad, "Ann <ann@farm> 1 +000"),
        (Bad, "Ann <ann@farm> 1 +00000"),
        (Bad, "Ann <ann@farm> x +0000"),
        (Bad, "Ann <ann@farm> -1 +0000"),
        (Bad, "Ann <ann@farm> +1 +0000"),
        (Bad, "Ann <ann@farm> 1"),
        (Stricter, "Ann <ann@farm>  1 +0000"),
    ] {
        cases.push(whole(verdict, &[TREE, "author ", who, "\n", COMMITTER, "\n"]));
    }
    let latin = [TREE.as_bytes(), b"author Andr\xe9 <a@b> 1 +0000\n", COMMITTER.as_bytes(), b"\n"].concat();
    cases.push((Kind::Commit, latin, Stricter));
    cases
}

fn tags() -> Vec<(Kind, Vec<u8>, Verdict)> {
    let object = TREE.replace("tree", "object");
    let whole =
        |verdict, parts: &[&str]| (Kind::Tag, [&[object.as_str()], parts].concat().concat().into_bytes(), verdict);
    let tagger = AUTHOR.replace("author", "tagger");
    vec![
        whole(Good, &["type tree\ntag v1\n", &tagger, "\nmessage\n"]),
        whole(Good, &["type tree\ntag v1\n", "\nmessage\n"]),
        whole(Bad, &["type trees\ntag v1\n", &tagger, "\n"]),
        whole(Bad, &["type tree\n", &tagger, "\n"]),
        whole(Bad, &["tag v1\n", &tagger, "\n"]),
        whole(Bad, &["type tree\ntag v1\ntagger Ann\n\n"]),
        whole(Stricter, &["type tree\ntag v1\n", &tagger]),
    ]
}
