//! Locks: git's are respected, those of the dead are not, and nobody's change is lost.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::object::Objects;
use crate::refs::Error;
use crate::store::Store;
use crate::store::tests::git::Git;

const MAIN: &str = "refs/heads/main";
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn gits_lock_is_respected() {
    for (lock, edits) in [
        ("refs/heads/main.lock", vec![set("refs/heads/a", id(9)), set(MAIN, id(9))]),
        ("packed-refs.lock", vec![set("refs/heads/a", id(9)), delete(MAIN)]),
        ("HEAD.lock", vec![link("HEAD", "refs/heads/a"), set(MAIN, id(9))]),
    ] {
        let disk = empty_disk();
        let refs = refs_on(&disk);
        apply(&refs, vec![set(MAIN, id(1))]).unwrap();
        let before = state(&refs);
        let lock = Path::new("/db").join(lock);
        disk.import(&lock, Some(Vec::new()));
        match apply_with(&refs, edits.clone(), Duration::from_millis(20)) {
            Err(Error::Locked { path, of_git: true }) => assert_eq!(path, lock),
            other => panic!("{other:?}"),
        }
        assert_eq!(state(&refs), before);
        assert_eq!(files_ending_in(&disk, ".lock"), [lock.display().to_string()]);
        assert_eq!(temporary_files(&disk), 0);
        disk.remove(&lock).unwrap();
        apply(&refs, edits).unwrap();
    }
}

#[test]
fn a_ref_that_git_has_locked_stays_loose_when_others_are_packed() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    apply(&refs, vec![set(MAIN, id(1)), set("refs/heads/a", id(2))]).unwrap();
    disk.import(Path::new("/db/refs/heads/main.lock"), Some(Vec::new()));
    let before = state(&refs);
    refs.lock(PATIENCE).unwrap().pack(&|_| None).unwrap();
    assert_eq!(state(&refs), before);
    assert!(disk.stat(Path::new("/db/refs/heads/main")).is_ok());
    assert!(disk.stat(Path::new("/db/refs/heads/a")).is_err());
}

#[test]
fn git_is_waited_for() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    let lock = Path::new("/db/refs/heads/main.lock");
    disk.import(lock, Some(Vec::new()));
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| apply_with(&refs, vec![set(MAIN, id(1))], PATIENCE));
        std::thread::sleep(Duration::from_millis(20));
        disk.remove(lock).unwrap();
        writer.join().unwrap().unwrap();
    });
    assert_eq!(refs.get(&name(MAIN)).unwrap(), Some(id(1)));
}

#[test]
fn a_dead_process_locks_nobody_out() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    for path in ["refs/heads/main.lock", "refs/heads/a/b.lock", "refs/heads/c/d.lock", "packed-refs.lock", "HEAD.lock"]
    {
        let path = Path::new("/db").join(path);
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        disk.mark(&path).unwrap();
    }
    disk.import(Path::new("/db/isodb/tmp/ref-0"), Some(b"half".to_vec()));
    apply(&refs, vec![set(MAIN, id(1)), set("refs/heads/a", id(2)), set("refs/heads/c/d/e", id(3))]).unwrap();
    apply(&refs, vec![delete(MAIN), link("HEAD", "refs/heads/a")]).unwrap();
    assert_eq!(files_ending_in(&disk, ".lock"), ["/db/refs/heads/c/d.lock"]);
    apply(&refs, vec![delete("refs/heads/c/d/e")]).unwrap();
    apply(&refs, vec![set("refs/heads/c", id(4))]).unwrap();
    assert!(files_ending_in(&disk, ".lock").is_empty());
    assert_eq!(temporary_files(&disk), 0);
}

#[test]
fn the_write_lock_is_one() {
    let disk = empty_disk();
    let (first, second) = (refs_on(&disk), refs_on(&disk));
    let lock = first.lock(Duration::ZERO).unwrap();
    assert!(matches!(second.lock(Duration::from_millis(10)), Err(Error::Locked { of_git: false, .. })));
    drop(lock);
    second.lock(Duration::ZERO).unwrap();
}

/// Moves a ref on to the id that follows the one it is at, `times` times; answers how often another was first.
fn count_up(refs: &Refs, ids: &[Id], times: usize) -> usize {
    let (mut moved, mut late) = (0, 0);
    while moved < times {
        let at = refs.get(&name(MAIN)).unwrap().unwrap();
        let next = ids[ids.iter().position(|id| *id == at).unwrap() + 1];
        match apply_with(refs, vec![edit(MAIN, Expect::At(at), Some(RefValue::Id(next)))], PATIENCE) {
            Ok(()) => moved += 1,
            Err(Error::Mismatch { .. }) => late += 1,
            Err(other) => panic!("{other}"),
        }
    }
    late
}

#[test]
fn two_threads_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("refs/heads")).unwrap();
    std::fs::write(folder.path().join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let ids: Vec<Id> = (0..=400).map(id).collect();
    apply(&refs_in(folder.path()), vec![set(MAIN, ids[0])]).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| count_up(&refs_in(folder.path()), &ids, 200));
        }
    });
    let refs = refs_in(folder.path());
    assert_eq!(refs.get(&name(MAIN)).unwrap(), Some(ids[400]));
    for log in [MAIN, "HEAD"] {
        let log = refs.log(&name(log)).unwrap();
        let moves: Vec<Id> = log.newest_first().map(|entry| entry.new).collect();
        assert!(moves.into_iter().eq(ids.iter().rev().copied()));
        assert_eq!(log.damaged_lines(), 0);
    }
}

/// Commits for a ref to move along.
fn commits(git: &Git, count: usize) -> Vec<Id> {
    let store = Store::new(Arc::new(OsDisk::without_sync()), &git.root(), &git.path("isodb/tmp"));
    let tree = store.put(Kind::Tree, b"").unwrap();
    let commit = |number| {
        let text = format!("tree {tree}\nauthor A <a> {number} +0000\ncommitter A <a> {number} +0000\n\nm\n");
        store.put(Kind::Commit, text.as_bytes()).unwrap()
    };
    let commits = (0..count).map(commit).collect();
    store.flush(&[]).unwrap();
    commits
}

/// What `count_up` does, done by git.
fn count_up_by_git(git: &Git, ids: &[Id], times: usize) {
    let mut moved = 0;
    while moved < times {
        let at: Id = git.run(["rev-parse", "--verify", MAIN]).parse().unwrap();
        let next = ids[ids.iter().position(|id| *id == at).unwrap() + 1];
        moved += usize::from(git.output(["update-ref", MAIN, &next.to_string(), &at.to_string()]).status.success());
    }
}

#[test]
fn git_respects_our_mark() {
    let Some(git) = Git::new() else { return };
    let ids = commits(&git, 2);
    let refs = refs_in(&git.root());
    apply(&refs, vec![set(MAIN, ids[0])]).unwrap();
    let new = ids[1].to_string();
    let commands: [(&str, &[&str]); 2] =
        [("refs/heads/main.lock", &["update-ref", MAIN, &new]), ("packed-refs.lock", &["pack-refs", "--all"])];
    for (lock, command) in commands {
        refs.disk.mark(&git.path(lock)).unwrap();
        assert!(!git.output(command).status.success(), "{command:?}");
        refs.disk.remove(&git.path(lock)).unwrap();
        git.run(command);
    }
    assert_eq!(refs.get(&name(MAIN)).unwrap(), Some(ids[1]));
}

#[test]
fn git_and_we_lose_nothing() {
    let Some(git) = Git::new() else { return };
    let ids = commits(&git, 201);
    apply(&refs_in(&git.root()), vec![set(MAIN, ids[0])]).unwrap();
    // In turns.
    for _ in 0..5 {
        count_up_by_git(&git, &ids, 1);
        count_up(&refs_in(&git.root()), &ids, 1);
    }
    // At once.
    std::thread::scope(|scope| {
        scope.spawn(|| count_up_by_git(&git, &ids, 40));
        count_up(&refs_in(&git.root()), &ids, 75);
    });
    // While refs are packed by both. git moves none meanwhile: it takes a packed-refs that was replaced twice within a
    // second for the one that it has read, by its inode and seconds, and then moves a ref from where it was before.
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                refs_in(&git.root()).lock(PATIENCE).unwrap().pack(&|_| None).unwrap();
                git.output(["pack-refs", "--all"]);
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        count_up(&refs_in(&git.root()), &ids, 75);
        is_done.store(true, Ordering::Relaxed);
    });
    assert_eq!(refs_in(&git.root()).get(&name(MAIN)).unwrap(), Some(ids[200]));
    assert_eq!(git.run(["rev-parse", MAIN]), ids[200].to_string());
    assert_eq!(refs_in(&git.root()).log(&name(MAIN)).unwrap().newest_first().count(), 201);
    git.assert_sound();
}

#[test]
fn a_ref_is_never_missing_while_it_is_packed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("refs/heads")).unwrap();
    let refs = refs_in(folder.path());
    apply(&refs, vec![set(MAIN, id(0)), set("refs/heads/still", id(0))]).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let read = || {
            let mut last = 0;
            while !is_done.load(Ordering::Relaxed) {
                let at = refs.get(&name(MAIN)).unwrap().expect("the ref is there at any moment");
                let at = (0..200).position(|number| id(number) == at).unwrap();
                assert!(at >= last, "it went back from {last} to {at}");
                last = at;
                assert_eq!(refs.list("refs/heads/").unwrap().len(), 2);
            }
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        let write = || {
            for number in 1..200 {
                refs.lock(PATIENCE)?.pack(&|_| None)?;
                if number % 3 > 0 {
                    apply_with(&refs, vec![set(MAIN, id(number))], PATIENCE)?;
                }
            }
            Ok::<(), Error>(())
        };
        let written = write();
        is_done.store(true, Ordering::Relaxed);
        written.unwrap();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert_eq!(refs.get(&name(MAIN)).unwrap(), Some(id(199)));
}

#[test]
fn what_changes_while_others_are_packed_is_kept() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    apply(&refs, vec![set(MAIN, id(1)), set("refs/heads/a", id(2))]).unwrap();
    // git moves a ref when it was read and packed-refs is not written yet: that is when it is peeled.
    let lock = refs.lock(Duration::ZERO).unwrap();
    lock.pack(&|of| {
        if of == id(1) {
            disk.import(Path::new("/db/refs/heads/main"), Some(format!("{}\n", id(7)).into_bytes()));
        }
        None
    })
    .unwrap();
    assert_eq!(refs.get(&name(MAIN)).unwrap(), Some(id(7)));
    assert_eq!(refs.get(&name("refs/heads/a")).unwrap(), Some(id(2)));
    let packed = disk.read(Path::new("/db/packed-refs")).unwrap();
    assert!(String::from_utf8(packed).unwrap().contains("refs/heads/a"));
}
