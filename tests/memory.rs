//! Large objects pass through the store in constant memory. In a process of its own, for it counts what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use isodb::{Kind, OsDisk, Store, hash_stream};

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
