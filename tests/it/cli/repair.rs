//! `fsck --repair`: what is sound stays or is stored anew, what is damaged goes aside, what is lost is told exactly.

use std::path::{Path, PathBuf};

use crate::support::{Ran, Sandbox};

/// A database of documents, with a history, in one pack of git's making.
fn packed() -> Sandbox {
    let sandbox = loose();
    sandbox.git(["repack", "-adq"]).ok();
    sandbox.git(["prune-packed"]).ok();
    assert_eq!(fsck(&sandbox, 0), [""; 0]);
    sandbox
}

fn loose() -> Sandbox {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["config", "core.unpackLimit", "1000"]).ok();
    let lines: String = (0..100).map(|n| format!("{{\"key\":\"f/{n}\",\"value\":{n}}}\n")).collect();
    sandbox.isodb_with_input(["apply", "--no-sync"], lines).ok();
    for version in ["one", "two", "three"] {
        sandbox.isodb_with_input(["put", "a"], format!("{version} of some length, {version}")).ok();
    }
    sandbox.isodb(["ref", "set", "side", "HEAD~1"]).ok();
    sandbox
}

/// The ids of the problems, sorted, each once.
#[track_caller]
fn fsck(sandbox: &Sandbox, status: i32) -> Vec<String> {
    let lines = sandbox.isodb(["fsck", "--json"]).status(status).lines();
    let id =
        |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
    let mut ids: Vec<String> = lines.iter().map(id).collect();
    ids.sort();
    ids.dedup();
    ids
}

/// Repairs, and answers the lines that tell of losses.
#[track_caller]
fn repair(sandbox: &Sandbox, status: i32) -> Vec<String> {
    let lines = sandbox.isodb(["fsck", "--repair"]).status(status).lines();
    lines.into_iter().filter(|line| line.starts_with("lost ")).collect()
}

fn git_fsck(sandbox: &Sandbox) -> String {
    let ran: Ran = sandbox.bash("git --git-dir=.isodb fsck --strict --full --no-dangling --no-progress 2>&1 || true");
    ran.ok().text()
}

fn file(sandbox: &Sandbox, ending: &str) -> PathBuf {
    let entries = std::fs::read_dir(sandbox.db().join("objects/pack")).unwrap();
    let mut found =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == ending));
    found.next().unwrap()
}

fn replace(path: &Path, content: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, content).unwrap();
}

fn flip(path: &Path, at: usize) {
    let mut content = std::fs::read(path).unwrap();
    content[at] ^= 0x10;
    replace(path, &content);
}

/// Where the entry of an object is in the pack: offset and length.
fn entry(sandbox: &Sandbox, revision: &str) -> (usize, usize) {
    let id = sandbox.git(["rev-parse", revision]).ok().line();
    let index = file(sandbox, "idx");
    let lines = sandbox.git(["verify-pack", "-v", index.to_str().unwrap()]).ok().lines();
    let line = lines.iter().find(|line| line.starts_with(&id)).unwrap();
    let words: Vec<&str> = line.split_whitespace().collect();
    (words[4].parse().unwrap(), words[3].parse().unwrap())
}

#[test]
fn damage_to_an_index_is_found_and_repaired() {
    let start = packed();
    let index = file(&start, "idx");
    let sound = std::fs::read(&index).unwrap();
    let name = index.file_name().unwrap();
    for at in [0, 6, 100, 8 + 256 * 4 + 40, sound.len() / 2, sound.len() - 100, sound.len() - 50, sound.len() - 5] {
        let sandbox = start.copy();
        let index = sandbox.db().join("objects/pack").join(name);
        flip(&index, at);
        let found = fsck(&sandbox, 4);
        assert!(found.iter().any(|id| id == "index-damaged" || id == "pack-damaged"), "{at}: {found:?}");
        assert_eq!(repair(&sandbox, 0), [""; 0], "{at}");
        assert_eq!(std::fs::read(&index).unwrap(), sound, "{at}");
        assert_eq!(git_fsck(&sandbox), "", "{at}");
        assert_eq!(fsck(&sandbox, 0), [""; 0], "{at}");
    }
    let sandbox = start.copy();
    let index = sandbox.db().join("objects/pack").join(name);
    std::fs::remove_file(&index).unwrap();
    assert!(fsck(&sandbox, 4).contains(&"pack-missing-index".to_owned()));
    assert_eq!(repair(&sandbox, 0), [""; 0]);
    assert_eq!(std::fs::read(&index).unwrap(), sound);
}

#[test]
fn damage_to_a_pack_is_found_and_what_is_sound_is_rescued() {
    let start = packed();
    let (at, len) = entry(&start, "HEAD:a/blob");
    let sandbox = start.copy();
    let pack = file(&sandbox, "pack");
    flip(&pack, at + len - 6);
    let found = fsck(&sandbox, 4);
    assert_eq!(found, ["object-damaged", "pack-damaged"]);
    let lost = repair(&sandbox, 4);
    let head = sandbox.isodb(["head"]).ok().line();
    assert_eq!(lost, [format!("lost a at {head} (main)")]);
    let id = sandbox.git(["rev-parse", "HEAD:a/blob"]).ok().line();
    let tree = sandbox.git(["rev-parse", "HEAD:a"]).ok().line();
    let said = format!("broken link from    tree {tree}\n              to    blob {id}\nmissing blob {id}\n");
    assert_eq!(git_fsck(&sandbox), said);
    assert!(!pack.exists());
    let aside = sandbox.db().join("isodb/damaged/1/objects/pack").join(pack.file_name().unwrap());
    assert!(aside.exists());
    assert_eq!(sandbox.isodb(["get", "f/7"]).ok().text(), "7");
    assert_eq!(sandbox.isodb(["ls", "f"]).ok().lines().len(), 100);
    assert!(!sandbox.isodb(["log"]).ok().lines().is_empty());
    // A second repair finds nothing more to do.
    assert_eq!(repair(&sandbox, 4), lost);
    assert!(!sandbox.db().join("isodb/damaged/2").exists());
    assert_eq!(fsck(&sandbox, 4), ["object-missing"]);
    // Who has the document can put it back.
    sandbox.isodb_with_input(["hash-object", "-w"], "three of some length, three").ok();
    assert_eq!(repair(&sandbox, 0), [""; 0]);
}

#[test]
fn head_and_end_of_a_pack() {
    let start = packed();
    let len = std::fs::read(file(&start, "pack")).unwrap().len();
    for at in [0, 5, 9, len - 40, len - 3] {
        let sandbox = start.copy();
        flip(&file(&sandbox, "pack"), at);
        assert!(fsck(&sandbox, 4).contains(&"pack-damaged".to_owned()), "{at}");
        let lost = repair(&sandbox, if at == len - 40 { 4 } else { 0 });
        assert_eq!(lost.is_empty(), at != len - 40, "{at}: {lost:?}");
        if lost.is_empty() {
            assert_eq!(git_fsck(&sandbox), "", "{at}");
        }
    }
    for keep in [0, 20, len / 2, len - 32, len - 1] {
        let sandbox = start.copy();
        let pack = file(&sandbox, "pack");
        let content = std::fs::read(&pack).unwrap();
        replace(&pack, &content[..keep]);
        assert!(fsck(&sandbox, 4).contains(&"pack-damaged".to_owned()), "{keep}");
        let is_lost = keep < len - 32;
        let lost = repair(&sandbox, if is_lost { 4 } else { 0 });
        assert_eq!(lost.is_empty(), !is_lost, "{keep}: {lost:?}");
        assert_eq!(repair(&sandbox, if is_lost { 4 } else { 0 }), lost, "{keep}");
    }
}

#[test]
fn a_sound_copy_saves_what_is_damaged() {
    let sandbox = loose();
    let copy = sandbox.copy();
    sandbox.git(["repack", "-adq"]).ok();
    let (at, len) = entry(&sandbox, "HEAD:a/blob");
    flip(&file(&sandbox, "pack"), at + len - 6);
    let id = sandbox.git(["rev-parse", "HEAD:a/blob"]).ok().line();
    let path = format!("objects/{}/{}", &id[..2], &id[2..]);
    std::fs::create_dir_all(sandbox.db().join(&path).parent().unwrap()).unwrap();
    std::fs::copy(copy.db().join(&path), sandbox.db().join(&path)).unwrap();
    assert_eq!(fsck(&sandbox, 4), ["object-damaged", "pack-damaged"]);
    assert_eq!(repair(&sandbox, 0), [""; 0]);
    assert_eq!(git_fsck(&sandbox), "");
    assert_eq!(sandbox.isodb(["get", "a"]).ok().text(), "three of some length, three");
}

#[test]
fn lost_documents_are_told_exactly() {
    let start = loose();
    let commit = |revision: &str| start.git(["rev-parse", revision]).ok().line();
    let (head, second, first, base) = (commit("HEAD"), commit("HEAD~1"), commit("HEAD~2"), commit("HEAD~3"));
    for (object, lost) in [
        ("HEAD:a/blob", vec![format!("lost a at {head} (main)")]),
        ("HEAD~1:a", vec![format!("lost a/ at {second} (main~1)")]),
        ("HEAD:f", vec![format!("lost f/ at {head} (main), and at 3 more")]),
        ("HEAD~2^{tree}", vec![format!("lost all documents at {first} (main~2)")]),
        ("HEAD~3", vec![format!("lost all that only this commit leads to at {base} (main~3)")]),
    ] {
        let sandbox = start.copy();
        let id = commit(object);
        let path = sandbox.db().join("objects").join(&id[..2]).join(&id[2..]);
        replace(&path, b"junk");
        assert!(fsck(&sandbox, 4).contains(&"object-damaged".to_owned()));
        assert_eq!(repair(&sandbox, 4), lost, "{object}");
        assert!(!path.exists());
        assert_eq!(
            std::fs::read(sandbox.db().join("isodb/damaged/1/objects").join(&id[..2]).join(&id[2..])).unwrap(),
            b"junk"
        );
        let records = sandbox.isodb(["fsck", "--repair", "--json"]).status(4).lines();
        let records: Vec<serde_json::Value> = records.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(records.iter().any(|record| record.get("lost").is_some() && record["object"] == id.as_str()));
    }
}

#[test]
fn refs_and_logs_come_back() {
    let sandbox = loose();
    let [main, side] = ["main", "side"].map(|name| sandbox.git(["rev-parse", name]).ok().line());
    sandbox.write(".isodb/refs/heads/side", "junk\n");
    sandbox.write(".isodb/refs/heads/nobody", "");
    sandbox.write(".isodb/HEAD", "\0\0\0");
    sandbox.write(
        ".isodb/packed-refs",
        format!("# pack-refs with: peeled fully-peeled sorted \n{main} refs/heads/p\njunk\n"),
    );
    let log = sandbox.db().join("logs/refs/heads/main");
    let lines = std::fs::read(&log).unwrap();
    std::fs::write(&log, [lines.as_slice(), b"torn li"].concat()).unwrap();
    assert_eq!(fsck(&sandbox, 4), ["head-damaged", "log-line", "ref-damaged"]);
    assert_eq!(repair(&sandbox, 0), [""; 0]);
    assert_eq!(fsck(&sandbox, 0), [""; 0]);
    assert_eq!(git_fsck(&sandbox), "");
    assert_eq!(
        ["main", "side", "p"].map(|name| sandbox.git(["rev-parse", name]).ok().line()),
        [&main, &side, &main].map(String::clone)
    );
    assert_eq!(sandbox.isodb(["head"]).ok().line(), main);
    assert!(!sandbox.db().join("refs/heads/nobody").exists());
    assert_eq!(std::fs::read(&log).unwrap(), lines);
    assert_eq!(std::fs::read(sandbox.db().join("isodb/damaged/1/refs/heads/side")).unwrap(), b"junk\n");
    assert!(sandbox.db().join("isodb/damaged/1/logs/refs/heads/main").exists());
}

#[test]
fn nothing_is_done_where_nothing_is_wrong() {
    let sandbox = packed();
    assert_eq!(sandbox.isodb(["fsck", "--repair"]).ok().text(), "");
    assert!(!sandbox.db().join("isodb/damaged").exists());
    assert_eq!(sandbox.isodb(["count-objects"]).ok().text(), sandbox.copy().isodb(["count-objects"]).ok().text());
}
