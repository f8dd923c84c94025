//! Large objects pass through the store in constant memory. In a process of its own, for it counts what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use isodb::{
    BlobId, Changeset, CommitInfo, Database, Expect, Kind, OsDisk, Person, PrivateKey, RefName, Store, check_proof,
    hash_stream, init,
};

/// The system's memory, with a count of what is taken and of the most that was.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static MEMORY: Counting = Counting;

// SAFETY: everything is passed on to the system's allocator as it comes.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MOST.fetch_max(NOW.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the memory is the system's, for `alloc` got it there.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Keeps other tests from taking memory at the same time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most that was taken at one time during the work, beyond what was taken before.
fn most_taken(work: impl FnOnce()) -> usize {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    work();
    MOST.load(Relaxed) - before
}

/// Bytes that are made when they are asked for.
struct Made {
    left: u64,
}

impl Read for Made {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = usize::try_from(self.left).map_or(out.len(), |left| left.min(out.len()));
        for byte in &mut out[..n] {
            *byte = (self.left / 97) as u8;
            self.left -= 1;
        }
        Ok(n)
    }
}

/// Counts the bytes that it is given.
struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_large_object_takes_a_few_megabytes() {
    let _alone = alone();
    const SIZE: u64 = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("objects")).unwrap();
    let store = || Store::new(Arc::new(OsDisk::without_sync()), folder.path(), &folder.path().join(Path::new("tmp")));
    let id = hash_stream(Kind::Blob, SIZE, &mut Made { left: SIZE }).unwrap();

    let streamed = most_taken(|| {
        let store = store();
        assert_eq!(store.put_stream(Kind::Blob, SIZE, &mut Made { left: SIZE }).unwrap(), id);
        store.flush(&[]).unwrap();
    });
    assert!(streamed < 2 << 20, "{streamed}");

    let read = most_taken(|| {
        let mut count = Count(0);
        store().open(id).unwrap().unwrap().copy_to(&mut count).unwrap();
        assert_eq!(count.0, SIZE);
    });
    assert!(read < 2 << 20, "{read}");

    let of_unknown_size = most_taken(|| {
        let store = store();
        assert_eq!(store.put_unsized(Kind::Blob, &mut Made { left: SIZE }, u64::MAX).unwrap(), id);
    });
    // What is held at first to see whether it is short, while it grows.
    assert!(of_unknown_size < 24 << 20, "{of_unknown_size}");
}

#[test]
fn a_proof_of_a_large_document_takes_a_few_megabytes() {
    let _alone = alone();
    const SIZE: u64 = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("farm.isodb");
    let disk = Arc::new(OsDisk::without_sync());
    init(&*disk, &root, &RefName::from_user("main").unwrap()).unwrap();
    let db = Database::open(disk, &root).unwrap();
    let content = BlobId(db.store().put_stream(Kind::Blob, SIZE, &mut Made { left: SIZE }).unwrap());
    let (mut changes, ann) = (Changeset::new(), Person::new("Ann", "ann@farm").unwrap());
    changes.put("large".parse().unwrap(), content);
    let info = CommitInfo {
        author: ann.clone(),
        author_time: 1,
        committer: ann,
        committer_time: 1,
        message: String::new(),
        signer: Some(Arc::new(PrivateKey::generate([1; 32], ""))),
    };
    let head = db.commit(&RefName::head(), Expect::Absent, &changes, &info).unwrap().head.unwrap();

    let proof = folder.path().join("proof");
    let made = most_taken(|| {
        let mut file = std::fs::File::create(&proof).unwrap();
        assert_eq!(db.prove(&"large".parse().unwrap(), head, None, &mut file).unwrap(), head);
    });
    assert!(made < 2 << 20, "{made}");

    // Its content is the larger part of a megabyte that unpacks to sixty-four.
    let checked = most_taken(|| {
        let (mut count, mut file) = (Count(0), std::fs::File::open(&proof).unwrap());
        let proof = check_proof(&mut file, None, None, &mut count).unwrap();
        assert_eq!((proof.content, count.0), (Some((content, SIZE)), SIZE));
    });
    assert!(checked < 2 << 20, "{checked}");
}
