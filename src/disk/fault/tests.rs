//! What survives a power cut, and how chosen failures show.

use super::*;

const TOP: &str = "/db";

/// A disk with a durable, empty directory, and its path.
fn disk_with_dir() -> (FaultDisk, PathBuf) {
    let disk = FaultDisk::new();
    disk.import(Path::new(TOP), None);
    (disk, PathBuf::from(TOP))
}

fn sync(disk: &FaultDisk, path: &Path) {
    disk.sync(&[path.to_path_buf()]).unwrap();
}

/// What every way of a cut leaves at a path, in the order of [`Survivors::all`].
fn left(disk: &FaultDisk, path: &Path) -> Vec<Option<Vec<u8>>> {
    Survivors::all().map(|survivors| disk.after_power_cut(survivors).read(path).ok()).collect()
}

fn some(contents: [&str; 4]) -> Vec<Option<Vec<u8>>> {
    contents.map(|content| Some(content.as_bytes().to_vec())).to_vec()
}

fn nothing() -> Vec<Option<Vec<u8>>> {
    vec![None; 4]
}

#[test]
fn there_are_eight_ways_to_survive() {
    let all: Vec<String> = Survivors::all().map(|survivors| survivors.to_string()).collect();
    assert_eq!(all.len(), 8);
    assert_eq!(all[0], "entries kept, data all");
    assert_eq!(all[7], "entries lost, data zeros");
    assert!(Survivors::all().any(|survivors| survivors == Survivors::EVERYTHING));
    assert!(Survivors::all().any(|survivors| survivors == Survivors::SYNCED));
}

#[test]
fn what_was_not_synced_may_go_in_every_way() {
    let (disk, top) = disk_with_dir();
    let path = top.join("a");
    disk.write_new(&path, b"abcd", Access::ReadOnly).unwrap();
    assert_eq!(left(&disk, &path), [some(["abcd", "", "ab", "\0\0\0\0"]), nothing()].concat());

    sync(&disk, &path);
    assert_eq!(left(&disk, &path), [some(["abcd"; 4]), nothing()].concat(), "content alone");

    sync(&disk, &top);
    assert_eq!(left(&disk, &path), [some(["abcd"; 4]), some(["abcd"; 4])].concat());
}

#[test]
fn a_synced_name_does_not_hold_content() {
    let (disk, top) = disk_with_dir();
    let path = top.join("a");
    disk.write_new(&path, b"abcd", Access::ReadOnly).unwrap();
    sync(&disk, &top);
    let ways = some(["abcd", "", "ab", "\0\0\0\0"]);
    assert_eq!(left(&disk, &path), [ways.clone(), ways].concat());
}

#[test]
fn appended_content_never_takes_what_was_safe() {
    let (disk, top) = disk_with_dir();
    let path = top.join("log");
    disk.import(&path, Some(b"safe".to_vec()));
    disk.append(&path, b"1234").unwrap();
    let ways = some(["safe1234", "safe", "safe12", "safe\0\0\0\0"]);
    assert_eq!(left(&disk, &path), [ways.clone(), ways].concat());
}

#[test]
fn content_written_over_may_go_whole() {
    let (disk, top) = disk_with_dir();
    let path = top.join("a");
    disk.import(&path, Some(b"safe".to_vec()));
    disk.truncate(&path, 0).unwrap();
    disk.overwrite(&path, None, b"new").unwrap();
    disk.overwrite(&path, Some(4), b"!").unwrap();
    let ways = some(["new\0!", "safe", "ne", "safe\0"]);
    assert_eq!(left(&disk, &path), [ways.clone(), ways].concat());
    disk.sync_everything();
    assert_eq!(left(&disk, &path), vec![Some(b"new\0!".to_vec()); 8]);
}

#[test]
fn a_rename_is_one_or_the_other() {
    let (disk, top) = disk_with_dir();
    let (new, name) = (top.join("new"), top.join("name"));
    disk.import(&name, Some(b"old".to_vec()));
    disk.write_new(&new, b"new", Access::ReadOnly).unwrap();
    sync(&disk, &new);
    disk.rename(&new, &name).unwrap();
    assert_eq!(left(&disk, &name), [some(["new"; 4]), some(["old"; 4])].concat());
    assert_eq!(left(&disk, &new), vec![None; 8]);
    sync(&disk, &top);
    assert_eq!(left(&disk, &name), vec![Some(b"new".to_vec()); 8]);
}

#[test]
fn a_removed_name_comes_back_until_its_directory_is_synced() {
    let (disk, top) = disk_with_dir();
    let (file, mark) = (top.join("file"), top.join("mark"));
    disk.import(&file, Some(b"1".to_vec()));
    disk.mark(&mark).unwrap();
    sync(&disk, &top);
    disk.remove(&file).unwrap();
    disk.remove(&mark).unwrap();
    let after = disk.after_power_cut(Survivors::SYNCED);
    assert_eq!(after.read(&file).unwrap(), b"1");
    assert!(after.is_mark(&mark).unwrap());
    sync(&disk, &top);
    let after = disk.after_power_cut(Survivors::SYNCED);
    assert!(after.list(&top).unwrap().is_empty());
}

#[test]
fn what_lies_below_a_lost_directory_is_lost() {
    let (disk, top) = disk_with_dir();
    let (sub, path) = (top.join("sub"), top.join("sub/a"));
    disk.create_dir(&sub).unwrap();
    disk.write_new(&path, b"1", Access::ReadOnly).unwrap();
    disk.sync(&[path.clone(), sub.clone()]).unwrap();
    let after = disk.after_power_cut(Survivors::SYNCED);
    assert_eq!(after.files(), [(top.clone(), None)]);
    sync(&disk, &top);
    let after = disk.after_power_cut(Survivors::SYNCED);
    assert_eq!(after.files(), [(top, None), (sub, None), (path, Some(b"1".to_vec()))]);
}

#[test]
fn a_disk_after_a_cut_is_whole_again_and_apart() {
    let (disk, top) = disk_with_dir();
    let path = top.join("a");
    let held = disk.lock(&top.join("lock"), Duration::ZERO).unwrap();
    disk.cut_at(1);
    let mut file = disk.create(&path, Access::ReadOnly).unwrap();
    file.write_all(b"lost").unwrap_err();
    assert!(disk.is_cut());

    let after = disk.after_power_cut(Survivors::EVERYTHING);
    assert!(!after.is_cut());
    assert_eq!(after.operations(), 0);
    assert_eq!(after.read(&path).unwrap(), b"");
    after.lock(&top.join("lock"), Duration::ZERO).unwrap();
    after.append(&path, b"new").unwrap();
    let again = after.after_power_cut(Survivors::SYNCED);
    assert_eq!(again.read(&path).unwrap(), b"", "the name survived one cut, so it is durable");
    drop(held);
}

#[test]
fn a_cut_stops_everything() {
    let (disk, top) = disk_with_dir();
    let path = top.join("a");
    disk.cut_at(2);
    let mut file = disk.create(&path, Access::ReadWrite).unwrap();
    file.write_all(b"1").unwrap();
    disk.read(&path).unwrap();
    assert_eq!(disk.operations(), 2);
    assert!(!disk.is_cut());

    assert_eq!(file.write_all(b"2").unwrap_err().to_string(), "the power is cut");
    file.write_all(b"2").unwrap_err();
    disk.read(&path).unwrap_err();
    disk.stat(&path).unwrap_err();
    disk.list(&top).unwrap_err();
    disk.is_mark(&path).unwrap_err();
    disk.lock(&top.join("lock"), Duration::ZERO).unwrap_err();
    disk.remove(&path).unwrap_err();
    disk.sync(std::slice::from_ref(&path)).unwrap_err();
    disk.heal();
    disk.read(&path).unwrap_err();
    assert_eq!(disk.files(), [(top, None), (path, Some(b"1".to_vec()))]);
}

#[test]
fn a_cut_can_fall_within_a_sync() {
    let (disk, top) = disk_with_dir();
    let paths = [top.join("a"), top.join("b"), top.clone()];
    for path in &paths[..2] {
        disk.write_new(path, b"1", Access::ReadOnly).unwrap();
    }
    disk.cut_at(1);
    disk.sync(&paths).unwrap_err();
    let after = disk.after_power_cut(Survivors { entries: UnsyncedEntries::Kept, data: UnsyncedData::None });
    assert_eq!(after.read(&paths[0]).unwrap(), b"1");
    assert_eq!(after.read(&paths[1]).unwrap(), b"");
}

#[test]
fn every_state_changing_operation_is_counted_once() {
    let (disk, top) = disk_with_dir();
    let (a, b) = (top.join("a"), top.join("b"));
    type Step<'a> = &'a dyn Fn() -> io::Result<()>;
    let steps: [(Step<'_>, u64); 12] = [
        (&|| disk.create_dir(&a), 1),
        (&|| disk.remove_dir(&a), 1),
        (&|| disk.write_new(&a, b"12", Access::ReadOnly), 2),
        (&|| disk.append(&a, b"3"), 1),
        (&|| disk.append(&b, b"3"), 2),
        (&|| disk.rename(&a, &b), 1),
        (&|| disk.sync(&[b.clone(), top.clone()]), 2),
        (&|| disk.remove(&b), 1),
        (&|| disk.mark(&a), 1),
        (&|| disk.mark(&a).or(Ok(())), 0),
        (&|| disk.lock(&b, Duration::ZERO).map(drop), 0),
        (&|| disk.stat(&a).map(drop), 0),
    ];
    for (at, (step, cost)) in steps.into_iter().enumerate() {
        let before = disk.operations();
        step().unwrap();
        assert_eq!(disk.operations() - before, cost, "step {at}");
    }
}

#[test]
fn one_failure_leaves_the_rest_working() {
    let (disk, top) = disk_with_dir();
    let (a, b) = (top.join("a"), top.join("b"));
    disk.fail_at(1, ErrorKind::PermissionDenied);
    disk.create_dir(&a).unwrap();
    assert_eq!(disk.create_dir(&b).unwrap_err().kind(), ErrorKind::PermissionDenied);
    disk.stat(&b).unwrap_err();
    disk.create_dir(&b).unwrap();

    disk.fail_at(1, ErrorKind::Other);
    disk.sync(&[top.clone(), a.clone()]).unwrap_err();
    disk.sync(&[top.clone(), a.clone()]).unwrap();
}

#[test]
fn a_write_that_fails_is_half_done() {
    let (disk, top) = disk_with_dir();
    let path = top.join("a");
    let mut file = disk.create(&path, Access::ReadWrite).unwrap();
    disk.fail_at(0, ErrorKind::StorageFull);
    assert_eq!(file.write_all(b"1234").unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.read(&path).unwrap(), b"12");
    disk.fail_at(0, ErrorKind::StorageFull);
    disk.append(&path, b"ab").unwrap_err();
    assert_eq!(disk.read(&path).unwrap(), b"12a");
}

#[test]
fn a_full_disk_stays_full_until_it_is_healed() {
    let (disk, top) = disk_with_dir();
    let (a, b) = (top.join("a"), top.join("b"));
    disk.import(&a, Some(b"1".to_vec()));
    disk.fail_from(0, ErrorKind::StorageFull);
    let full = |result: io::Result<()>| assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
    full(disk.create_dir(&b));
    full(disk.create(&b, Access::ReadOnly).map(drop));
    full(disk.append(&a, b""));
    full(disk.rename(&a, &b));
    full(disk.mark(&b));
    full(disk.lock(&b, Duration::ZERO).map(drop));
    disk.sync(&[a.clone(), top.clone()]).unwrap();
    assert_eq!(disk.read(&a).unwrap(), b"1");
    disk.lock(&a, Duration::ZERO).unwrap();
    disk.remove(&a).unwrap();
    disk.heal();
    disk.mark(&b).unwrap();
}

#[test]
fn a_fork_goes_its_own_way() {
    let (disk, top) = disk_with_dir();
    let path = top.join("a");
    disk.write_new(&path, b"1", Access::ReadOnly).unwrap();
    let fork = disk.fork();
    fork.append(&path, b"2").unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"1");
    assert_eq!(fork.read(&path).unwrap(), b"12");
    assert!(fork.after_power_cut(Survivors::SYNCED).stat(&path).is_err(), "a fork makes nothing durable");
}

#[test]
fn the_tree_can_be_laid_and_shown() {
    let disk = FaultDisk::new();
    disk.import(Path::new("/db/sub/a"), Some(b"1".to_vec()));
    disk.link(Path::new("/db/sub/a"), Path::new("/db/b")).unwrap();
    disk.overwrite(Path::new("/db/b"), Some(0), b"2").unwrap();
    disk.mark(Path::new("/db/mark")).unwrap();
    let files: Vec<_> = disk.files().into_iter().map(|(path, content)| (path.display().to_string(), content)).collect();
    let file = |path: &str, content: &[u8]| (path.to_owned(), Some(content.to_vec()));
    assert_eq!(
        files,
        [
            ("/db".into(), None),
            file("/db/b", b"2"),
            file("/db/mark", b"isodb-lock\n"),
            ("/db/sub".into(), None),
            file("/db/sub/a", b"2"),
        ]
    );
}

#[test]
fn paths_are_taken_from_the_root() {
    let disk = FaultDisk::new();
    assert_eq!(disk.create_dir_all(Path::new("db/x")).unwrap(), [PathBuf::from("."), PathBuf::from("db")]);
    disk.sync(&[PathBuf::from("."), PathBuf::from("db")]).unwrap();
    let after = disk.after_power_cut(Survivors::SYNCED);
    assert_eq!(after.stat(Path::new("/db/./x/../x")).unwrap().kind, FileKind::Dir);
}

#[test]
fn files_have_the_time_of_the_disks_clock() {
    let (disk, top) = disk_with_dir();
    let (path, later) = (top.join("a"), SystemTime::UNIX_EPOCH + Duration::from_secs(86_400));
    disk.write_new(&path, b"1", Access::ReadOnly).unwrap();
    assert_eq!(disk.stat(&path).unwrap().modified, SystemTime::UNIX_EPOCH);
    disk.set_clock(later);
    disk.append(&path, b"2").unwrap();
    disk.mark(&top.join("mark")).unwrap();
    assert_eq!(disk.stat(&path).unwrap().modified, later);
    assert_eq!(disk.stat(&top.join("mark")).unwrap().modified, later);
}
