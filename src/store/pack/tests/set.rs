//! The packs of a directory while others change them, and directories that are borrowed from.

use super::*;
use crate::disk::OsDisk;
use crate::object::{Error, Kind, Objects, hash};

#[test]
fn a_new_pack_is_found_without_opening_again() {
    let Some(git) = repository(20) else { return };
    let (reader, other) = (store(&git), store(&git));
    assert_reads_all(&git, &reader);
    let before = packs(&git);
    add_commits(&git, 20..30);
    let new: Id = git.run(["rev-parse", "main"]).parse().unwrap();
    // Each of these looks again by itself.
    assert_eq!(other.get(new).unwrap().unwrap().kind, Kind::Commit);
    assert!(reader.contains(new).unwrap());
    git.run(["repack", "-adfq"]);
    assert!(before.iter().all(|path| !path.exists()));
    assert_reads_all(&git, &reader);
    assert_reads_all(&git, &other);
    // All goes to files of their own, and into one pack again.
    let pack = packs(&git).remove(0);
    let aside = git.path("aside.pack");
    std::fs::rename(&pack, &aside).unwrap();
    std::fs::remove_file(pack.with_extension("idx")).unwrap();
    git.run_with(["unpack-objects", "-q"], &std::fs::read(aside).unwrap());
    assert_reads_all(&git, &reader);
    git.run(["repack", "-adq"]);
    git.run(["prune-packed"]);
    assert_reads_all(&git, &reader);
}

#[test]
fn a_pack_that_vanishes_before_it_is_read() {
    let Some(git) = repository(20) else { return };
    let reader = store(&git);
    // The index is mapped, the pack is not: and then both are replaced.
    let id: Id = git.run(["rev-parse", "main"]).parse().unwrap();
    assert!(reader.own.packs().locate(id).unwrap().is_some());
    add_commits(&git, 20..30);
    git.run(["repack", "-adfq"]);
    assert_eq!(reader.get(id).unwrap().unwrap().id(), id);
    // The pack alone is gone, which is what a removal that was cut short leaves.
    let reader = store(&git);
    assert!(reader.own.packs().locate(id).unwrap().is_some());
    std::fs::remove_file(packs(&git).remove(0)).unwrap();
    assert_eq!(reader.get(id).unwrap(), None);
    assert_eq!(reader.header(id).unwrap(), None);
    assert!(!store(&git).contains(id).unwrap());
}

#[test]
fn borrowed_objects_are_read_and_never_written() {
    let Some(git) = repository(20) else { return };
    git.run_with(["hash-object", "-w", "--stdin"], b"loose");
    git.run(["clone", "-q", "--bare", "--shared", ".", "middle.git"]);
    git.run(["-C", "middle.git", "clone", "-q", "--bare", "--shared", ".", "../top.git"]);
    for name in ["middle.git", "top.git"] {
        let root = git.path(name);
        assert!(packs(&git).len() == 1 && files(root.join("objects/pack"), ".pack").is_empty());
        let borrower = Store::new(Arc::new(OsDisk::without_sync()), &root, &root.join("tmp"));
        assert_reads_all(&git, &borrower);
        let id = hash(Kind::Blob, b"loose");
        assert_eq!(borrower.with_prefix(&id.to_string()[..10].parse().unwrap()).unwrap(), [id]);
        assert_eq!(borrower.put(Kind::Blob, b"loose").unwrap(), id);
        borrower.flush(&[]).unwrap();
        assert_eq!(borrower.usage().unwrap(), crate::store::Usage::default());
    }
    // A pack that comes while both are open.
    let root = git.path("top.git");
    let borrower = Store::new(Arc::new(OsDisk::without_sync()), &root, &root.join("tmp"));
    assert_reads_all(&git, &borrower);
    add_commits(&git, 20..25);
    assert_reads_all(&git, &borrower);
}

#[test]
fn numbers_are_gits() {
    let Some(git) = repository(10) else { return };
    add_commits(&git, 10..12);
    git.run_with(["hash-object", "-w", "--stdin"], b"loose");
    let said = git.run(["count-objects", "-v"]);
    let usage = store(&git).usage().unwrap();
    for (name, number) in [("count", usage.loose), ("in-pack", usage.packed), ("packs", usage.packs)] {
        assert!(said.contains(&format!("{name}: {number}\n")), "{said}");
    }
    assert!(said.contains(&format!("size-pack: {}\n", usage.pack_bytes / 1024)), "{said} {usage:?}");
}

#[test]
fn what_is_put_and_packed_already_is_not_written() {
    let id = hash(Kind::Blob, b"x");
    let pack = assemble(&[(id, Made::Blob, b"x".to_vec())]);
    let (store, disk) = store_of(&[pack]);
    assert_eq!(store.put(Kind::Blob, b"x").unwrap(), id);
    assert_eq!(store.put_stream(Kind::Blob, 1, &mut &b"x"[..]).unwrap(), id);
    store.flush(&[]).unwrap();
    assert!(!disk.files().iter().any(|(path, _)| *path == crate::store::loose::path("/db/objects".as_ref(), id)));
    assert_eq!(store.get(id).unwrap().unwrap().body, b"x");
}

#[test]
fn many_threads_read_one_pack() {
    let Some(git) = repository(40) else { return };
    git.run(["repack", "-adfq", "--window=50", "--depth=50"]);
    let (store, objects) = (store(&git), objects(&git));
    std::thread::scope(|scope| {
        for start in 0..4 {
            let (store, objects) = (&store, &objects);
            scope.spawn(move || {
                for n in 0..objects.len() {
                    let id = objects[(n + start * 31) % objects.len()].0;
                    assert_eq!(store.get(id).unwrap().unwrap().id(), id);
                }
            });
        }
    });
}

#[test]
fn a_damaged_index_does_not_hide_other_packs() {
    let (here, there, nowhere) = (hash(Kind::Blob, b"x"), hash(Kind::Blob, b"y"), hash(Kind::Blob, b"z"));
    let good = assemble(&[(here, Made::Blob, b"x".to_vec())]);
    let mut bad = assemble(&[(there, Made::Blob, b"y".to_vec())]);
    bad.1.truncate(500);
    let (store, _) = store_of(&[bad, good]);
    assert_eq!(store.get(here).unwrap().unwrap().body, b"x");
    for id in [there, nowhere] {
        let error = store.get(id).unwrap_err();
        assert!(matches!(&error, Error::DamagedFile { path, .. } if path.ends_with("pack-0.idx")), "{error}");
        // What is put again is stored anew.
        assert!(!store.contains(id).unwrap());
    }
    assert_eq!(store.ids().unwrap(), [here]);
    assert_eq!(store.put(Kind::Blob, b"y").unwrap(), there);
    store.flush(&[]).unwrap();
    assert_eq!(store.get(there).unwrap().unwrap().body, b"y");
}
