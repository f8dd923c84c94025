//! Repairs after any damage, cut at any operation: what could be read before can be read afterwards.

use std::path::PathBuf;

use super::*;
use crate::disk::Survivors;
use crate::object::Id;

/// A database with a pack and with loose objects.
fn filled() -> FaultDisk {
    let (disk, db) = database();
    let few = |n: u16| Step { parents: Vec::new(), time: 9, edits: vec![(n, Some(2)), (NUMBERS - 1, Some(n as u8))] };
    let many = Step { parents: Vec::new(), time: 5, edits: (0..120).map(|n| (n, Some((n % 250) as u8))).collect() };
    let mut made = make(&db, &[many]);
    made.extend(make(&reopen(&disk), &[few(3), few(4)]));
    name(&db, &made);
    let files = disk.files();
    assert!(files.iter().any(|(path, _)| path.extension().is_some_and(|ending| ending == "pack")));
    assert!(files.iter().any(|(path, _)| is_loose(path)));
    disk
}

fn is_loose(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.len() == 62)
}

/// The objects that can be read.
fn sound(disk: &FaultDisk) -> Vec<Id> {
    let db = reopen(disk);
    let Ok(ids) = db.store().ids() else { return Vec::new() };
    ids.into_iter().filter(|id| matches!(db.store().verify(*id), Ok(Some(_)))).collect()
}

#[track_caller]
fn assert_sound(disk: &FaultDisk, wanted: &[Id], what: &str) {
    let db = reopen(disk);
    for id in wanted {
        assert!(matches!(db.store().verify(*id), Ok(Some(_))), "{what}: {id} cannot be read any more");
    }
}

fn nowhere(_: crate::FsckStage, _: u64, _: u64) {}

/// The files that can be damaged.
fn files(disk: &FaultDisk) -> Vec<PathBuf> {
    let is_ours = |path: &Path| {
        let name = path.strip_prefix("/farm.isodb").ok().and_then(Path::to_str).unwrap_or_default();
        ["objects/", "refs/", "logs/", "HEAD"].iter().any(|start| name.starts_with(start))
    };
    let files = disk.files().into_iter().filter(|(path, content)| content.is_some() && is_ours(path));
    files.map(|(path, _)| path).collect()
}

/// Changes a file: a bit, some bytes, or its length.
fn damage(disk: &FaultDisk, path: &Path, at: usize, how: u8) {
    let len = disk.stat(path).unwrap().len as usize;
    let at = at % len.max(1);
    match how % 3 {
        0 => disk.truncate(path, at as u64).unwrap(),
        1 if len > 0 => {
            let byte = disk.read(path).unwrap()[at] ^ (1 << (how % 8));
            disk.overwrite(path, Some(at as u64), &[byte]).unwrap();
        }
        _ => disk.overwrite(path, Some(at as u64), &vec![how; 40.min(len - at)]).unwrap(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn nothing_sound_is_lost(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<usize>(), any::<u8>()), 1..4),
    ) {
        let disk = filled();
        let files = files(&disk);
        // Every second damage is to a pack or its index.
        let packs: Vec<&PathBuf> = files.iter().filter(|path| path.starts_with("/farm.isodb/objects/pack")).collect();
        for (n, (file, at, how)) in damages.iter().enumerate() {
            damage(&disk, if n % 2 == 0 { packs[file.index(packs.len())] } else { &files[file.index(files.len())] }, *at, *how);
        }
        let wanted = sound(&disk);
        reopen(&disk).repair(&mut nowhere).unwrap();
        assert_sound(&disk, &wanted, "repaired");
        let again = reopen(&disk).repair(&mut nowhere).unwrap();
        prop_assert_eq!(again.files, Vec::<PathBuf>::new());
        let report = reopen(&disk).losses(&mut |_| {}, &mut |_| {}, &mut nowhere).unwrap();
        prop_assert!(report.objects >= wanted.len() as u64);
    }
}

#[test]
fn a_repair_can_be_cut_anywhere() {
    let start = filled();
    for ending in ["pack", "idx"] {
        let disk = start.fork();
        let path = files(&disk).into_iter().find(|path| path.extension().is_some_and(|e| e == ending)).unwrap();
        let middle = disk.stat(&path).unwrap().len as usize / 2;
        damage(&disk, &path, middle, 1);
        let loose = files(&disk).into_iter().find(|path| is_loose(path)).unwrap();
        damage(&disk, &loose, 3, 0);
        disk.sync_everything();
        let wanted = sound(&disk);
        let whole = disk.fork();
        let before = whole.operations();
        reopen(&whole).repair(&mut nowhere).unwrap();
        for n in (before..whole.operations()).step_by(3) {
            let cut = disk.fork();
            cut.cut_at(n - before);
            let opened = Database::open(Arc::new(cut.clone()), Path::new("/farm.isodb"));
            if let Ok(db) = opened {
                let _ = db.repair(&mut nowhere);
            }
            for survivors in [Survivors::EVERYTHING, Survivors::SYNCED] {
                let after = cut.after_power_cut(survivors);
                let what = format!("{ending}, cut at {n}, {survivors}");
                assert_sound(&after, &wanted, &what);
                reopen(&after).repair(&mut nowhere).unwrap();
                assert_sound(&after, &wanted, &what);
            }
        }
    }
}
