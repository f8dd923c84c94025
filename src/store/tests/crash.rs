//! The power is cut at every operation: what is visible afterwards is whole, and what a flush promised is there.

use super::*;
use crate::disk::Survivors;
use crate::object::hash;

/// Puts and flushes two batches, of which one of more than a few becomes a pack, as it comes where so few are held; answers
/// what the flushes promised.
fn run(disk: &FaultDisk, many: usize, held: usize) -> Vec<Id> {
    let store = packing_store_on(disk);
    store.pending(|pending| pending.set_held(held));
    let mut safe = Vec::new();
    for batch in [0..many, many - 1..many + 1] {
        let Ok(ids) = put_blobs(&store, batch) else { return safe };
        let streamed = noise(1000 + ids.len());
        let Ok(id) = store.put_stream(Kind::Blob, streamed.len() as u64, &mut streamed.as_slice()) else { return safe };
        if store.flush(&[]).is_err() {
            return safe;
        }
        safe.extend(ids);
        safe.push(id);
    }
    safe
}

fn assert_whole(disk: &FaultDisk, safe: &[Id], what: &str) {
    let store = store_on(disk);
    for id in store.ids().unwrap() {
        assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob), "{what}");
    }
    for id in safe {
        assert!(store.contains(*id).unwrap(), "{what}: {id} is lost");
    }
}

fn cut_everywhere(start: &FaultDisk, many: usize, step: usize) {
    cut_everywhere_holding(start, many, step, 3);
}

fn cut_everywhere_holding(start: &FaultDisk, many: usize, step: usize, held: usize) {
    let whole = start.fork();
    let all = run(&whole, many, held);
    assert!(!all.is_empty());
    for survivors in Survivors::all() {
        assert_whole(&whole.after_power_cut(survivors), &all, &format!("no cut, {survivors}"));
    }
    for n in (0..whole.operations()).step_by(step) {
        let disk = start.fork();
        disk.cut_at(n);
        let safe = run(&disk, many, held);
        assert!(disk.is_cut());
        for survivors in Survivors::all() {
            let after = disk.after_power_cut(survivors);
            let what = format!("cut at {n}, {survivors}");
            assert_whole(&after, &safe, &what);
            // The same work is done again over what the cut left.
            assert_eq!(run(&after, many, held), all, "{what}");
            assert_whole(&after, &all, &what);
        }
    }
}

#[test]
fn a_cut_at_every_operation() {
    cut_everywhere(&empty_disk(), 3, 1);
}

#[test]
fn a_cut_while_a_pack_is_written() {
    cut_everywhere(&empty_disk(), 20, 1);
    cut_everywhere_holding(&empty_disk(), 20, 1, 1024);
}

/// Leaves objects that another store has renamed, and not flushed the directories of, when it was killed.
fn with_unflushed_names() -> (FaultDisk, Id) {
    let disk = empty_disk();
    let store = store_on(&disk);
    let id = store.put(Kind::Blob, &blob(0)).unwrap();
    // Make the directory, the file, its content, flush that, rename: then the process ends.
    disk.fail_at(5, std::io::ErrorKind::Other);
    store.flush(&[]).unwrap_err();
    assert!(store.contains(id).unwrap());
    assert!(!store_on(&disk.after_power_cut(Survivors::SYNCED)).contains(id).unwrap());
    (disk, id)
}

#[test]
fn what_is_reused_is_made_durable() {
    let (disk, id) = with_unflushed_names();
    cut_everywhere(&disk, 5, 3);
    for by_stream in [false, true] {
        let disk = disk.fork();
        let store = store_on(&disk);
        match by_stream {
            true => store.put_stream(Kind::Blob, blob(0).len() as u64, &mut blob(0).as_slice()).unwrap(),
            false => store.put(Kind::Blob, &blob(0)).unwrap(),
        };
        store.flush(&[]).unwrap();
        for survivors in Survivors::all() {
            assert_whole(&disk.after_power_cut(survivors), &[id], "reused");
        }
    }
}

#[test]
fn what_git_has_not_flushed_is_made_durable() {
    let disk = empty_disk();
    let id = hash(Kind::Blob, &blob(0));
    disk.create_dir(path_of(id).parent().unwrap()).unwrap();
    let file = super::super::loose::encode(Kind::Blob, &blob(0));
    disk.write_new(&path_of(id), &file, crate::disk::Access::ReadOnly).unwrap();
    let store = store_on(&disk);
    assert_eq!(store.put(Kind::Blob, &blob(0)).unwrap(), id);
    store.flush(&[]).unwrap();
    for survivors in Survivors::all() {
        assert_whole(&disk.after_power_cut(survivors), &[id], "git's");
    }
}

#[test]
fn what_another_writer_stored_meanwhile_is_made_durable() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let id = store.put(Kind::Blob, &blob(0)).unwrap();
    // git renames a file that it has not flushed into place.
    disk.create_dir(path_of(id).parent().unwrap()).unwrap();
    let file = super::super::loose::encode(Kind::Blob, &blob(0));
    disk.write_new(&path_of(id), &file, crate::disk::Access::ReadOnly).unwrap();
    store.flush(&[]).unwrap();
    assert!(temporary_files(&disk).is_empty());
    for survivors in Survivors::all() {
        assert_whole(&disk.after_power_cut(survivors), &[id], "raced");
    }
}

#[test]
fn files_beside_are_durable_after_the_flush() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let beside = Path::new("/db/beside");
    disk.write_new(beside, b"content", crate::disk::Access::ReadWrite).unwrap();
    store.flush(&[beside.to_owned()]).unwrap();
    disk.sync(&[PathBuf::from(ROOT)]).unwrap();
    assert_eq!(disk.after_power_cut(Survivors::SYNCED).read(beside).unwrap(), b"content");
}
