//! `isodb clone` and `isodb peers`: all that another database has, and what is known of it later.

use serde_json::Value;

use super::sync::Farm;
use crate::cli::refused;
use crate::support::Sandbox;

fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.path()).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_clone_has_all_that_the_other_has() {
    let farm = Farm::new();
    let one = farm.put("barn.isodb", "a", "1");
    farm.barn(&["ref", "set", "trunk", "HEAD"]).ok();
    farm.barn(&["tag", "-m", "first", "v1"]).ok();
    let two = farm.put("barn.isodb", "b", "2");
    let sandbox = &farm.sandbox;
    let cloned = sandbox.isodb(["clone", "barn.isodb", "copy"]).ok();
    assert_eq!((cloned.line(), cloned.stderr()), ("copy/.isodb".to_owned(), String::new()));
    let copy = |args: &[&str]| sandbox.isodb(["--db", "copy"].iter().chain(args));
    assert_eq!(copy(&["head"]).ok().line(), two);
    assert_eq!(copy(&["get", "b"]).ok().text(), "2");
    let refs = copy(&["ref", "list"]).ok().text();
    for name in ["refs/heads/main", "refs/remotes/origin/main", "refs/remotes/origin/trunk", "refs/tags/v1"] {
        assert!(refs.contains(name), "{name} is not in {refs}");
    }
    assert!(!refs.contains("refs/heads/trunk"));
    assert_eq!(copy(&["rev-parse", "origin/trunk"]).ok().line(), one);
    let git = |line: &str| sandbox.bash(&format!("git --git-dir=copy/.isodb {line}")).ok().text();
    assert_eq!(git("symbolic-ref refs/remotes/origin/HEAD"), "refs/remotes/origin/main\n");
    assert_eq!(git("rev-parse --abbrev-ref main@{upstream}"), "origin/main\n");
    assert_eq!(git("fsck --strict"), "");
    copy(&["-q", "fsck"]).ok();
    // It goes on from there, both ways.
    farm.put("copy", "c", "3");
    copy(&["sync"]).ok();
    assert_eq!(farm.barn(&["get", "c"]).ok().text(), "3");
    assert_eq!(names(sandbox).iter().filter(|name| name.contains("clone")).count(), 0);

    // The name and the branch as the other says, another remote's name, settings.
    farm.barn(&["ref", "set", "field", &one]).ok();
    sandbox.bash("git --git-dir=barn.isodb symbolic-ref HEAD refs/heads/field").ok();
    sandbox.write("deep/x", "");
    let other = sandbox.path().join("deep");
    let json =
        sandbox.isodb(["-C", "deep", "clone", "--json", "-o", "barn", "-c", "user.name=Bo", "../barn.isodb"]).ok();
    let record: Value = serde_json::from_str(&json.line()).unwrap();
    assert!(record["path"].as_str().unwrap().ends_with("barn.isodb"), "{record}");
    assert_eq!(
        (&record["ref"], &record["head"], &record["pinned"]),
        (&"refs/heads/field".into(), &one.into(), &Value::Null)
    );
    let at = |args: &[&str]| sandbox.isodb(["--db", "deep/barn.isodb"].iter().chain(args));
    assert_eq!(at(&["config", "user.name"]).ok().line(), "Bo");
    assert_eq!(at(&["remote", "list"]).ok().text().split('\t').next(), Some("barn"));
    assert!(other.join("barn.isodb/HEAD").exists());
}

#[test]
fn an_empty_database_and_one_of_gits() {
    let farm = Farm::new();
    let cloned = farm.sandbox.isodb(["clone", "barn.isodb", "x.isodb"]).ok();
    assert_eq!(cloned.stderr(), "note: there is no commit in it yet\n");
    let first = farm.put("x.isodb", "a", "1");
    farm.sandbox.isodb(["--db", "x.isodb", "sync"]).ok();
    assert_eq!(farm.barn(&["head"]).ok().line(), first);
    farm.sandbox.bash("git clone -q --bare barn.isodb plain.git").ok();
    let clone = ["clone", "--upload-pack", "git-upload-pack", "plain.git", "y.isodb"];
    farm.sandbox.isodb(clone).ok();
    assert_eq!(farm.sandbox.isodb(["--db", "y.isodb", "head"]).ok().line(), first);
}

#[test]
fn a_failure_leaves_nothing() {
    let farm = Farm::new();
    farm.put("barn.isodb", "a", "1");
    let sandbox = &farm.sandbox;
    let before = names(sandbox);
    refused(sandbox.isodb(["clone", "nothing", "a/b/c"]), 2, "is not a database");
    refused(sandbox.isodb(["clone", "barn.isodb", "field.isodb"]), 2, "exists already");
    refused(sandbox.isodb(["clone", "-o", "a/b", "barn.isodb", "x"]), 2, "cannot be the name of a remote");
    refused(sandbox.isodb(["clone", "-c", "x", "barn.isodb", "x"]), 2, "is no setting");
    refused(sandbox.isodb(["clone", ".."]), 2, "does not say what the clone is to be called");
    refused(sandbox.isodb(["clone", "--upload-pack", "false", "barn.isodb", "a/b/c"]), 5, "the connection failed");
    // Nobody can be trusted who has signed nothing.
    refused(
        sandbox.isodb(["clone", "-c", "trust.require=signed", "barn.isodb", "a/b/c"]),
        4,
        "what came is not let in",
    );
    assert_eq!(names(sandbox), before);
    // What another clone has left that was killed is no obstacle.
    sandbox.write("x/.isodb.clone/objects/junk", "").parent().unwrap();
    std::fs::create_dir_all(sandbox.path().join("x/.isodb.clone/refs")).unwrap();
    sandbox.isodb(["clone", "barn.isodb", "x"]).ok();
    assert_eq!(sandbox.isodb(["--db", "x", "get", "a"]).ok().text(), "1");
}

#[test]
fn what_comes_in_parts_comes_as_a_whole() {
    let farm = Farm::new();
    // Contents that do not get smaller.
    let mut lines = String::new();
    let mut state = 1u64;
    for n in 0..200 {
        let mut text = String::new();
        for _ in 0..400 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push(char::from(b'!' + (state >> 40) as u8 % 90));
        }
        lines += &serde_json::json!({"key": format!("k/{n}"), "text": text}).to_string();
        lines.push('\n');
    }
    farm.sandbox.isodb_with_input(["--db", "barn.isodb", "apply", "--each"], lines).ok();
    let clone = ["clone", "--max-bytes", "30000", "barn.isodb", "copy.isodb"];
    let mut said = Vec::new();
    loop {
        let ran = farm.sandbox.isodb(clone);
        if ran.stderr().is_empty() {
            ran.ok();
            break;
        }
        said.push(refused(ran, 1, "are still to come").stderr());
        let has_come = farm.sandbox.path().join("copy.isodb").exists();
        // Each time less than the time before.
        let is_further = said.len() < 2 || said[said.len() - 1] != said[said.len() - 2];
        assert!(!has_come && is_further && said.len() < 20, "{has_come} {said:?}");
    }
    assert!(!said.is_empty());
    let copy = |args: &[&str]| farm.sandbox.isodb(["--db", "copy.isodb"].iter().chain(args));
    assert_eq!(copy(&["head"]).ok().line(), farm.barn(&["head"]).ok().line());
    copy(&["-q", "fsck"]).ok();
    refused(farm.field(&["pull", "--max-bytes", "2000"]), 1, "are still to come");
    assert_eq!(farm.field(&["ref", "list"]).ok().text(), "");
    farm.field(&["sync"]).ok();
    assert_eq!(farm.field(&["head"]).ok().line(), farm.barn(&["head"]).ok().line());
}

#[test]
fn the_key_of_the_first_commit_is_pinned() {
    let farm = Farm::new();
    let sandbox = &farm.sandbox;
    sandbox.isodb(["trust", "keygen", "--no-passphrase", "key"]).status(2);
    sandbox.isodb(["trust", "keygen", "key"]).ok();
    let sign = |key: &str, content: &str| {
        farm.barn(&["config", "user.signingKey", sandbox.path().join("key").to_str().unwrap()]).ok();
        sandbox.isodb_with_input(["--db", "barn.isodb", "put", "--sign", key], content).ok();
    };
    sign("a", "1");
    let cloned = sandbox.isodb(["clone", "-c", "trust.require=signed", "barn.isodb", "copy.isodb"]).ok();
    assert!(cloned.stderr().contains("note: pinned the key SHA256:"), "{}", cloned.stderr());
    let pinned = sandbox.isodb(["--db", "copy.isodb", "trust", "pin"]).ok().line();
    assert!(cloned.stderr().contains(&pinned));
    sign("b", "2");
    sandbox.isodb(["--db", "copy.isodb", "pull"]).ok();
    let other = format!("trust.anchor=SHA256:{}", "A".repeat(43));
    let refused_clone = sandbox.isodb(["clone", "-c", "trust.require=signed", "-c", &other, "barn.isodb", "no.isodb"]);
    refused(refused_clone, 4, "what came is not let in");
}

#[test]
fn what_is_known_of_remotes() {
    let farm = Farm::new();
    assert_eq!(farm.field(&["peers"]).ok().text(), "barn\tnever met\tlacks nothing\thas nothing\n");
    farm.put("barn.isodb", "a", "12345");
    farm.field(&["sync"]).ok();
    let two = farm.put("barn.isodb", "a", "1234567");
    let three = farm.put("barn.isodb", "b/c", "1");
    farm.field(&["fetch"]).ok();
    farm.put("field.isodb", "d", "123");
    let text = farm.field(&["peers"]).ok().text();
    let expected =
        "barn\tmet 2023-11-14T22:13:20Z\tlacks 1 commit, 1 document, 3 bytes\thas 2 commits, 2 documents, 8 bytes\n";
    assert_eq!(text, expected);
    farm.barn(&["ref", "set", "main", &two]).ok();
    farm.field(&["fetch"]).ok();
    let record: Value = serde_json::from_str(&farm.field(&["peers", "barn", "--json"]).ok().line()).unwrap();
    assert_eq!(record["heads"][0]["commit"], two);
    assert_eq!((&record["went_back"][0]["was"], &record["seen"]), (&three.into(), &1_700_000_000.into()));
    assert!(farm.field(&["peers"]).ok().text().contains("\nbarn\tmain was at "));
    // What was lost comes back with a sync.
    farm.field(&["merge", "refs/remotes/barn/main@{1}"]).ok();
    farm.field(&["sync"]).ok();
    let record: Value = serde_json::from_str(&farm.field(&["peers", "--json"]).ok().line()).unwrap();
    assert_eq!((&record["lacks"]["commits"], &record["went_back"]), (&0.into(), &Value::Array(Vec::new())));
    // The note can go at any time, and a damaged one is passed over.
    let note = farm.sandbox.path().join("field.isodb/isodb/peers/r-barn");
    std::fs::write(&note, "junk").unwrap();
    assert!(farm.field(&["peers"]).ok().text().contains("never met"));
    farm.field(&["sync"]).ok();
    std::fs::remove_dir_all(note.parent().unwrap()).unwrap();
    farm.field(&["sync"]).ok();
    refused(farm.field(&["peers", "no"]), 2, "there is no remote \"no\"");
}
