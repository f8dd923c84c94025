//! What every disk must do, run over both disks; and what only the machine's disk does.

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::*;

const SHORT: Duration = Duration::from_millis(10);

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.kind(),
    }
}

fn names(disk: &dyn Disk, dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = disk.list(dir).unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

/// Runs every check, each in a directory of its own.
fn conforms(disk: &dyn Disk, top: &Path) {
    type Check = fn(&dyn Disk, &Path);
    let checks: [(&str, Check); 10] = [
        ("files", files),
        ("places", places),
        ("names", names_and_kinds),
        ("wrong", wrong_paths),
        ("rename", renames),
        ("remove", removals),
        ("marks", marks),
        ("locks", locks),
        ("sync", syncs),
        ("watches", watches),
    ];
    for (name, check) in checks {
        let dir = top.join(name);
        disk.create_dir(&dir).unwrap();
        check(disk, &dir);
    }
}

fn files(disk: &dyn Disk, dir: &Path) {
    let path = dir.join("a");
    let mut file = disk.create(&path, Access::ReadWrite).unwrap();
    file.write_all(b"one ").unwrap();
    file.write_all(b"two").unwrap();
    drop(file);
    assert_eq!(disk.read(&path).unwrap(), b"one two");
    assert_eq!(kind(disk.create(&path, Access::ReadOnly)), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.write_new(&path, b"x", Access::ReadWrite)), ErrorKind::AlreadyExists);

    disk.append(&path, b" three").unwrap();
    disk.append(&dir.join("log"), b"first\n").unwrap();
    disk.append(&dir.join("log"), b"second\n").unwrap();
    assert_eq!(disk.read(&dir.join("log")).unwrap(), b"first\nsecond\n");

    let mut text = String::new();
    disk.open(&path).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "one two three");

    disk.write_new(&dir.join("empty"), b"", Access::ReadOnly).unwrap();
    let large = vec![b'x'; 200_000];
    disk.write_new(&dir.join("large"), &large, Access::ReadOnly).unwrap();
    assert_eq!(&*disk.map(&path).unwrap(), b"one two three");
    assert_eq!(&*disk.map(&dir.join("empty")).unwrap(), b"");
    assert_eq!(&*disk.map(&dir.join("large")).unwrap(), &large[..]);
    assert_eq!(disk.stat(&dir.join("large")).unwrap().len, 200_000);
}

fn places(disk: &dyn Disk, dir: &Path) {
    let path = dir.join("a");
    let mut file = disk.create(&path, Access::ReadWrite).unwrap();
    file.write_all(b"one two").unwrap();
    disk.write_at(&path, 4, b"six").unwrap();
    file.write_all(b" ten").unwrap();
    drop(file);
    assert_eq!(disk.read(&path).unwrap(), b"one six ten");
    assert_eq!(disk.read_at(&path, 4, 3).unwrap(), b"six");
    assert_eq!(disk.read_at(&path, 11, 0).unwrap(), b"");
    assert_eq!(kind(disk.read_at(&path, 9, 3)), ErrorKind::UnexpectedEof);
    assert_eq!(kind(disk.read_at(&path, 40, 1)), ErrorKind::UnexpectedEof);
    disk.set_read_only(&path).unwrap();
    disk.touch(&path, SHORT).unwrap();
    let missing = dir.join("b");
    assert_eq!(kind(disk.write_at(&missing, 0, b"x")), ErrorKind::NotFound);
    assert_eq!(kind(disk.read_at(&missing, 0, 1)), ErrorKind::NotFound);
    assert_eq!(kind(disk.set_read_only(&missing)), ErrorKind::NotFound);
    assert_eq!(kind(disk.touch(&missing, SHORT)), ErrorKind::NotFound);
}

fn names_and_kinds(disk: &dyn Disk, dir: &Path) {
    assert_eq!(names(disk, dir), [""; 0]);
    disk.write_new(&dir.join("file"), b"1", Access::ReadWrite).unwrap();
    disk.mark(&dir.join("mark")).unwrap();
    let changed = disk.create_dir_all(&dir.join("x/y/z")).unwrap();
    assert_eq!(changed, [dir.to_path_buf(), dir.join("x"), dir.join("x/y")]);
    assert!(disk.create_dir_all(&dir.join("x/y")).unwrap().is_empty());

    let mut entries = disk.list(dir).unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let entry = |name: &str, kind| DirEntry { name: name.into(), kind };
    // Where the machine has no links, a mark is a file.
    let mark = disk.stat(&dir.join("mark")).unwrap().kind;
    assert_eq!(entries, [entry("file", FileKind::File), entry("mark", mark), entry("x", FileKind::Dir)]);
    assert_eq!(names(disk, &dir.join("x")), ["y"], "only the directory's own names");
    assert_eq!(disk.stat(dir).unwrap().kind, FileKind::Dir);
    assert_eq!(disk.stat(&dir.join("file")).unwrap().kind, FileKind::File);
}

fn wrong_paths(disk: &dyn Disk, dir: &Path) {
    let (missing, file) = (dir.join("missing"), dir.join("file"));
    disk.write_new(&file, b"1", Access::ReadWrite).unwrap();
    for path in [missing.clone(), missing.join("below")] {
        assert_eq!(kind(disk.read(&path)), ErrorKind::NotFound);
        assert_eq!(kind(disk.open(&path)), ErrorKind::NotFound);
        assert_eq!(kind(disk.map(&path)), ErrorKind::NotFound);
        assert_eq!(kind(disk.stat(&path)), ErrorKind::NotFound);
        assert_eq!(kind(disk.list(&path)), ErrorKind::NotFound);
        assert_eq!(kind(disk.remove(&path)), ErrorKind::NotFound);
        assert_eq!(kind(disk.remove_dir(&path)), ErrorKind::NotFound);
        assert_eq!(kind(disk.rename(&path, &dir.join("new"))), ErrorKind::NotFound);
    }
    let below = missing.join("below");
    assert_eq!(kind(disk.create(&below, Access::ReadWrite)), ErrorKind::NotFound);
    assert_eq!(kind(disk.append(&below, b"x")), ErrorKind::NotFound);
    assert_eq!(kind(disk.create_dir(&below)), ErrorKind::NotFound);
    assert_eq!(kind(disk.rename(&file, &below)), ErrorKind::NotFound);
    assert_eq!(kind(disk.mark(&below)), ErrorKind::NotFound);
    assert_eq!(kind(disk.lock(&below, SHORT)), ErrorKind::NotFound);
    assert_eq!(kind(disk.create_dir(&file)), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create_dir(dir)), ErrorKind::AlreadyExists);
    if cfg!(unix) {
        assert_eq!(kind(disk.read(dir)), ErrorKind::IsADirectory);
        assert_eq!(kind(disk.append(dir, b"x")), ErrorKind::IsADirectory);
        assert_eq!(kind(disk.list(&file)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.stat(&file.join("below"))), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.create(&file.join("below"), Access::ReadWrite)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.create_dir_all(&file.join("below"))), ErrorKind::NotADirectory);
    }
    assert_eq!(kind(disk.create_dir_all(&file)), ErrorKind::NotADirectory);
    assert_eq!(names(disk, dir), ["file"]);
}

fn renames(disk: &dyn Disk, dir: &Path) {
    let (a, b, sub) = (dir.join("a"), dir.join("b"), dir.join("sub"));
    disk.write_new(&a, b"new", Access::ReadOnly).unwrap();
    disk.write_new(&b, b"old", Access::ReadOnly).unwrap();
    disk.rename(&a, &b).unwrap();
    assert_eq!(names(disk, dir), ["b"]);
    assert_eq!(disk.read(&b).unwrap(), b"new");

    disk.create_dir(&sub).unwrap();
    if cfg!(unix) {
        assert_eq!(kind(disk.rename(&b, &sub)), ErrorKind::IsADirectory);
        assert_eq!(kind(disk.rename(&sub, &b)), ErrorKind::NotADirectory);
        assert_eq!(kind(disk.rename(&sub, &sub.join("within"))), ErrorKind::InvalidInput);
    }
    disk.rename(&b, &sub.join("b")).unwrap();
    disk.rename(&sub, &dir.join("moved")).unwrap();
    assert_eq!(disk.read(&dir.join("moved/b")).unwrap(), b"new");
    assert_eq!(names(disk, dir), ["moved"]);

    // A file goes on being written whatever becomes of its name.
    let mut file = disk.create(&a, Access::ReadWrite).unwrap();
    file.write_all(b"1").unwrap();
    disk.rename(&a, &b).unwrap();
    file.write_all(b"2").unwrap();
    assert_eq!(disk.read(&b).unwrap(), b"12");
}

fn removals(disk: &dyn Disk, dir: &Path) {
    let sub = dir.join("sub");
    disk.create_dir(&sub).unwrap();
    disk.write_new(&sub.join("a"), b"1", Access::ReadOnly).unwrap();
    assert_eq!(kind(disk.remove_dir(&sub)), ErrorKind::DirectoryNotEmpty);
    if cfg!(target_os = "linux") {
        assert_eq!(kind(disk.remove(&sub)), ErrorKind::IsADirectory);
        assert_eq!(kind(disk.remove_dir(&sub.join("a"))), ErrorKind::NotADirectory);
    }
    disk.remove(&sub.join("a")).unwrap();
    disk.remove_dir(&sub).unwrap();
    assert_eq!(names(disk, dir), [""; 0]);
}

fn marks(disk: &dyn Disk, dir: &Path) {
    let mark = dir.join("a.lock");
    assert!(!disk.is_mark(&mark).unwrap());
    disk.mark(&mark).unwrap();
    assert!(disk.is_mark(&mark).unwrap());
    assert_eq!(kind(disk.mark(&mark)), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create(&mark, Access::ReadWrite)), ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create_dir(&mark)), ErrorKind::AlreadyExists);
    if cfg!(unix) {
        assert_eq!(kind(disk.read(&mark)), ErrorKind::NotFound);
    }
    disk.remove(&mark).unwrap();
    assert!(!disk.is_mark(&mark).unwrap());
    assert_eq!(names(disk, dir), [""; 0]);

    disk.write_new(&mark, b"another program's", Access::ReadWrite).unwrap();
    assert_eq!(kind(disk.mark(&mark)), ErrorKind::AlreadyExists);
    assert!(!disk.is_mark(&mark).unwrap());
    assert!(!disk.is_mark(dir).unwrap());
    assert!(!disk.is_mark(&mark.join("below")).unwrap());
    disk.write_new(&dir.join("file.lock"), b"isodb-lock\n", Access::ReadWrite).unwrap();
    assert!(disk.is_mark(&dir.join("file.lock")).unwrap(), "a mark may also be a file");
}

fn locks(disk: &dyn Disk, dir: &Path) {
    let path = dir.join("lock");
    let held = disk.lock(&path, SHORT).unwrap();
    let other = disk.lock(&dir.join("other"), Duration::ZERO).unwrap();
    assert_eq!(kind(disk.lock(&path, SHORT)), ErrorKind::TimedOut);
    assert_eq!(kind(disk.lock(&path, Duration::ZERO)), ErrorKind::TimedOut);
    drop((held, other));
    // One whose patience ended may still be in the queue; it lets go at once.
    drop(disk.lock(&path, Duration::from_secs(60)).unwrap());

    let held = disk.lock(&path, Duration::from_secs(60)).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| disk.lock(&path, Duration::from_secs(60)).map(drop));
        drop(held);
        waiting.join().unwrap().unwrap();
    });

    let shares = [(); 2].map(|()| disk.lock_shared(&path, Duration::from_secs(60)).unwrap());
    for share in shares {
        assert_eq!(kind(disk.lock(&path, Duration::ZERO)), ErrorKind::TimedOut);
        drop(share);
    }
    let whole = disk.lock(&path, Duration::ZERO).unwrap();
    assert_eq!(kind(disk.lock_shared(&path, Duration::ZERO)), ErrorKind::TimedOut);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| disk.lock_shared(&path, Duration::from_secs(60)).map(drop));
        drop(whole);
        waiting.join().unwrap().unwrap();
    });
    assert_eq!(names(disk, dir), ["lock", "other"], "lock files stay");
}

fn syncs(disk: &dyn Disk, dir: &Path) {
    disk.sync(&[]).unwrap();
    let mut paths = vec![dir.to_path_buf()];
    for n in 0..40 {
        let path = dir.join(n.to_string());
        disk.write_new(&path, b"1", Access::ReadOnly).unwrap();
        paths.extend([path, dir.to_path_buf()]);
        if [0, 1, 39].contains(&n) {
            disk.sync(&paths).unwrap();
        }
    }
    disk.sync(&[dir.to_path_buf()]).unwrap();
    assert_eq!(kind(disk.sync(&[dir.join("missing")])), ErrorKind::NotFound);
    assert_eq!(kind(disk.sync(&[dir.to_path_buf(), dir.join("missing")])), ErrorKind::NotFound);
    paths.push(dir.join("missing"));
    assert_eq!(kind(disk.sync(&paths)), ErrorKind::NotFound);
}

fn watches(disk: &dyn Disk, dir: &Path) {
    let (sub, hour) = (dir.join("sub"), Duration::from_secs(3600));
    let mut watch = disk.watch();
    watch.add(&dir.join("missing"));
    assert!(!watch.wait(Duration::ZERO).unwrap());
    assert!(!watch.wait(SHORT).unwrap());
    // Systems that tell nothing wait to the end.
    if std::env::consts::OS != "linux" {
        return;
    }
    watch.add(dir);
    type Change = fn(&dyn Disk, &Path);
    let changes: [Change; 5] = [
        |disk, dir| disk.create_dir(&dir.join("sub")).unwrap(),
        |disk, dir| disk.mark(&dir.join("a.lock")).unwrap(),
        |disk, dir| disk.rename(&dir.join("a.lock"), &dir.join("a")).unwrap(),
        |disk, dir| disk.append(&dir.join("b"), b"1").unwrap(),
        |disk, dir| disk.remove(&dir.join("a")).unwrap(),
    ];
    for change in changes {
        change(disk, dir);
        assert!(watch.wait(hour).unwrap());
        assert!(!watch.wait(Duration::ZERO).unwrap(), "it is told once");
    }
    // A directory that goes and comes back is watched again when it is added again, and not twice before.
    for _ in 0..2 {
        watch.add(&sub);
        watch.add(&sub);
        disk.write_new(&sub.join("x"), b"1", Access::ReadWrite).unwrap();
        assert!(watch.wait(hour).unwrap());
        disk.remove(&sub.join("x")).unwrap();
        disk.remove_dir(&sub).unwrap();
        disk.create_dir(&sub).unwrap();
        assert!(watch.wait(hour).unwrap());
    }
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| watch.wait(hour));
        disk.append(&dir.join("b"), b"2").unwrap();
        assert!(waiting.join().unwrap().unwrap());
    });
}

#[test]
fn the_machines_disk_conforms() {
    let top = tempfile::tempdir().unwrap();
    conforms(&OsDisk::new(), top.path());
}

#[test]
fn the_fault_disk_conforms() {
    conforms(&FaultDisk::new(), Path::new("/"));
}

#[test]
fn without_sync_nothing_is_looked_at() {
    OsDisk::without_sync().sync(&[PathBuf::from("/no/such/path")]).unwrap();
}

#[test]
fn only_large_files_are_mapped() {
    let top = tempfile::tempdir().unwrap();
    let (small, large) = (top.path().join("small"), top.path().join("large"));
    let disk = OsDisk::new();
    disk.write_new(&small, &[1; 100], Access::ReadOnly).unwrap();
    disk.write_new(&large, &[1; 100_000], Access::ReadOnly).unwrap();
    assert!(matches!(disk.map(&small).unwrap(), Bytes::Owned(_)));
    assert!(matches!(disk.map(&large).unwrap(), Bytes::Mapped(_)));
    assert!(disk.with_all_large().map(&large).unwrap().is_large());
}

#[test]
fn bytes_are_copied_however_they_are_held() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("file");
    let content: Vec<u8> = (0..100_000u32).map(|n| (n % 251) as u8).collect();
    let disk = OsDisk::new();
    disk.write_new(&path, &content, Access::ReadOnly).unwrap();
    for bytes in [disk.map(&path), disk.with_all_large().map(&path), Ok(Bytes::Owned(content.clone()))] {
        bytes.as_ref().unwrap().look_over();
        let bytes = bytes.unwrap();
        for (at, len) in [(0, 0), (0, 100_000), (70_001, 5000), (99_999, 1), (100_000, 0)] {
            let mut out = vec![0; len];
            bytes.copy(at, &mut out).unwrap();
            assert!(out == content[at..at + len]);
        }
        for (at, len) in [(0, 100_001), (100_000, 1), (usize::MAX, 2), (1 << 40, 1)] {
            assert_eq!(bytes.copy(at, &mut vec![0; len]).unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        }
    }
}

#[cfg(unix)]
#[test]
fn files_written_once_are_read_only() {
    use std::os::unix::fs::PermissionsExt;

    let top = tempfile::tempdir().unwrap();
    let disk = OsDisk::new();
    let mode = |name: &str, access| {
        let path = top.path().join(name);
        disk.write_new(&path, b"1", access).unwrap();
        std::fs::metadata(path).unwrap().permissions().mode() & 0o222
    };
    assert_eq!(mode("once", Access::ReadOnly), 0);
    assert_ne!(mode("often", Access::ReadWrite), 0);
}

#[cfg(unix)]
#[test]
fn other_links_are_no_marks() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("link");
    std::os::unix::fs::symlink("elsewhere", &path).unwrap();
    assert!(!OsDisk::new().is_mark(&path).unwrap());
    assert_eq!(OsDisk::new().stat(&path).unwrap().kind, FileKind::Link);
}

/// A started program must not keep a lock alive after its holder let go.
#[cfg(unix)]
#[test]
fn a_lock_is_not_inherited() {
    let top = tempfile::tempdir().unwrap();
    let path = top.path().join("lock");
    let disk = OsDisk::new();
    let held = disk.lock(&path, Duration::ZERO).unwrap();
    // It lives as long as its input is open, which is until the end of this test.
    let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
    drop(held);
    let again = disk.lock(&path, Duration::ZERO);
    drop(child.stdin.take());
    child.wait().unwrap();
    again.unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_not_text_are_left_out() {
    use std::os::unix::ffi::OsStrExt;

    let top = tempfile::tempdir().unwrap();
    std::fs::write(top.path().join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    assert_eq!(names(&OsDisk::new(), top.path()), [""; 0]);
}

#[test]
fn only_what_is_old_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, path) = (OsDisk::without_sync(), folder.path().join("a"));
    disk.write_new(&path, b"x", Access::ReadOnly).unwrap();
    let day = Duration::from_secs(86_400);
    let age = |days: u32| {
        let then = disk.stat(&path).unwrap().modified - day * days;
        std::fs::File::open(&path).unwrap().set_modified(then).unwrap();
        then
    };
    let then = age(3);
    disk.touch(&path, day * 4).unwrap();
    assert_eq!(disk.stat(&path).unwrap().modified, then);
    disk.touch(&path, day * 2).unwrap();
    assert!(disk.stat(&path).unwrap().modified > then + day * 2);

    let disk = FaultDisk::new();
    disk.import(Path::new("/a"), Some(Vec::new()));
    let modified = || disk.stat(Path::new("/a")).unwrap().modified;
    disk.set_clock(SystemTime::UNIX_EPOCH + day);
    disk.touch(Path::new("/a"), day).unwrap();
    assert_eq!((modified(), disk.operations()), (SystemTime::UNIX_EPOCH, 0));
    disk.touch(Path::new("/a"), day / 2).unwrap();
    assert_eq!((modified(), disk.operations()), (SystemTime::UNIX_EPOCH + day, 1));
}
