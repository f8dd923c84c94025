//! How often a write waits for the disk: at most four times, whatever the number of objects.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use isodb::{
    Access, BlobId, Bytes, Changeset, Database, DirEntry, Disk, Expect, FaultDisk, Ident, Kind, Lock, Objects as _,
    RefName, Stat,
};

use super::examine::info;

/// A disk that counts how often it was waited for.
#[derive(Debug, Default)]
struct Counting {
    disk: FaultDisk,
    waits: AtomicUsize,
}

impl Disk for Counting {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.disk.read(path)
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        self.disk.open(path)
    }
    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.disk.map(path)
    }
    fn stat(&self, path: &Path) -> io::Result<Stat> {
        self.disk.stat(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        self.disk.list(dir)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir(dir)
    }
    fn create(&self, path: &Path, access: Access) -> io::Result<Box<dyn Write + Send>> {
        self.disk.create(path, access)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.disk.append(path, bytes)
    }
    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(path, offset, bytes)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.disk.read_at(path, offset, len)
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        self.disk.set_read_only(path)
    }

    fn touch(&self, path: &Path, age: Duration) -> io::Result<()> {
        self.disk.touch(path, age)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.disk.remove(path)
    }
    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir(dir)
    }
    fn sync(&self, paths: &[PathBuf]) -> io::Result<()> {
        self.waits.fetch_add(usize::from(!paths.is_empty()), Ordering::Relaxed);
        self.disk.sync(paths)
    }
    fn lock(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>> {
        self.disk.lock(path, patience)
    }
    fn lock_shared(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>> {
        self.disk.lock_shared(path, patience)
    }
    fn mark(&self, path: &Path) -> io::Result<()> {
        self.disk.mark(path)
    }
    fn is_mark(&self, path: &Path) -> io::Result<bool> {
        self.disk.is_mark(path)
    }
}

#[test]
fn a_write_waits_at_most_four_times() {
    let (disk, root) = (Arc::new(Counting::default()), Path::new("/farm/.isodb"));
    isodb::init(&*disk, root, &RefName::full("refs/heads/main").unwrap()).unwrap();
    let db = Database::open(disk.clone(), root).unwrap();
    let waits_of = |write: &dyn Fn()| {
        let before = disk.waits.load(Ordering::Relaxed);
        write();
        disk.waits.load(Ordering::Relaxed) - before
    };
    for count in [1, 10, 100, 1000] {
        let waits = waits_of(&|| {
            let mut changes = Changeset::new();
            for number in 0..count {
                let content = db.store().put(Kind::Blob, format!("{count} {number}").as_bytes()).unwrap();
                changes.put(format!("fields/{number}").parse().unwrap(), BlobId(content));
            }
            let made = db.commit(&RefName::head(), Expect::Any, &changes, &info("many")).unwrap();
            assert!(made.is_new);
        });
        assert!((1..=4).contains(&waits), "{count} documents: {waits} waits");
    }
    let who = Ident::new("Ann", "ann@farm", 1_700_000_000).unwrap();
    let name = RefName::full("refs/heads/team/x").unwrap();
    for new in [Some(db.resolve("HEAD").unwrap()), Some(db.resolve("HEAD~1").unwrap()), None] {
        let waits = waits_of(&|| db.set_ref(&name, new, Expect::Any, &who, "set").unwrap());
        assert!((1..=4).contains(&waits), "a ref to {new:?}: {waits} waits");
    }
}
