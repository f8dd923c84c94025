//! The way of bodies into a pack's file: compressed by several threads, appended in the order in which they came.
//!
//! Bodies travel in batches, so that waking a thread is paid once for many. Who completes the batch that is next in the
//! file appends it, and those after it that wait for it: there is no thread for writing alone.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use flate2::Crc;
use sha2::{Digest, Sha256};

use super::batch::{Batch, Compressors, Effort, Form, Item};
use super::entry::{self, EntryKind};
use super::index::IndexEntry;
use crate::object::Kind;

/// A batch is sent when its bodies are this long together.
const BATCH: usize = 64 << 10;
/// How much may be on its way to the file. One body that is larger goes alone.
const LIMIT: usize = 4 << 20;
/// More threads than this would wait for the file.
const THREADS: usize = 16;

/// The end of the file, where one thread at a time appends.
struct Tail {
    file: Box<dyn Write + Send>,
    offset: u64,
    /// The checksum of all that the file has, where it is made on the way.
    hash: Option<Sha256>,
    /// The batch that is next.
    turn: u64,
    early: BTreeMap<u64, Batch>,
    /// What is written in one call.
    out: Vec<u8>,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Batch>,
    free: Vec<Batch>,
    /// The bytes of the batches that are not written yet, and their number.
    bytes: usize,
    batches: usize,
    is_closed: bool,
    /// The first error, until somebody is told.
    error: Option<io::Error>,
    has_failed: bool,
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or never will be again.
    wake: Condvar,
    /// A batch was written.
    written: Condvar,
    tail: Mutex<Tail>,
    /// All entries in the order of the file; the last ones may not have their places yet.
    entries: Mutex<Vec<IndexEntry>>,
}

/// The queue in front of one file.
pub(super) struct Queue {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    batch: Batch,
    /// The turn of the next batch to send.
    turn: u64,
    compress: Compressors,
    effort: Effort,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("turn", &self.turn).field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Queue {
    /// The queue in front of a file that has `offset` bytes already. `hash` has gone over these, if it is to go over what
    /// follows.
    pub(super) fn new(file: Box<dyn Write + Send>, offset: u64, hash: Option<Sha256>) -> Queue {
        let tail = Tail { file, offset, hash, turn: 0, early: BTreeMap::new(), out: Vec::new() };
        let shared = Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            written: Condvar::new(),
            tail: Mutex::new(tail),
            entries: Mutex::default(),
        };
        Queue {
            shared: Arc::new(shared),
            threads: Vec::new(),
            batch: Batch::default(),
            turn: 0,
            compress: Compressors::default(),
            effort: Effort::Full,
        }
    }

    /// Takes so much time for what follows.
    pub(super) fn set_effort(&mut self, effort: Effort) {
        self.effort = effort;
    }

    /// The entries in the order of the file. Their places are known after [`Queue::drain`].
    pub(super) fn entries(&self) -> MutexGuard<'_, Vec<IndexEntry>> {
        lock(&self.shared.entries)
    }

    /// Adds the bytes of the entry of this number. A base has a lower number.
    pub(super) fn push(
        &mut self,
        number: u32,
        form: Form,
        size: u64,
        bytes: &[u8],
        is_compressed: bool,
    ) -> io::Result<()> {
        if !self.batch.items.is_empty() && self.batch.bytes.len() + bytes.len() > BATCH {
            self.send()?;
        }
        self.batch.bytes.extend_from_slice(bytes);
        self.batch.items.push(Item { number, form, size, len: bytes.len(), is_compressed });
        if self.batch.bytes.len() >= BATCH { self.send() } else { Ok(()) }
    }

    /// Gives the batch away.
    fn send(&mut self) -> io::Result<()> {
        if self.batch.items.is_empty() {
            return self.shared.check();
        }
        // One batch is as quickly done as a thread is started, and what is hardly compressed sooner.
        if self.turn == if self.effort == Effort::Little { 16 } else { 1 } {
            self.start_threads();
        }
        let mut state = lock(&self.shared.state);
        let mut batch = std::mem::replace(&mut self.batch, state.free.pop().unwrap_or_default());
        batch.turn = self.turn;
        batch.effort = self.effort;
        self.turn += 1;
        state.bytes += batch.bytes.len();
        state.batches += 1;
        state.queue.push_back(batch);
        let is_full = state.bytes > LIMIT || self.threads.is_empty();
        drop(state);
        self.shared.wake.notify_one();
        if is_full { self.help(LIMIT / 2) } else { self.shared.check() }
    }

    fn start_threads(&mut self) {
        let count = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        if count == 1 {
            // The caller's thread can do it all by itself.
            return;
        }
        let start = |_| {
            let shared = self.shared.clone();
            thread::Builder::new().name("isodb-pack".into()).spawn(move || shared.work()).ok()
        };
        self.threads = (0..count).map_while(start).collect();
    }

    /// Works until at most so many bytes are on their way.
    fn help(&mut self, bytes: usize) -> io::Result<()> {
        loop {
            let mut state = lock(&self.shared.state);
            let next = state.queue.pop_front();
            match next {
                Some(batch) => {
                    drop(state);
                    self.shared.complete(batch, &mut self.compress);
                }
                None if self.threads.is_empty() => break,
                None => {
                    while state.batches > 0 && (state.bytes > bytes || bytes == 0) {
                        state = self.shared.written.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
                    }
                    break;
                }
            }
            if bytes > 0 && lock(&self.shared.state).bytes <= bytes {
                break;
            }
        }
        self.shared.check()
    }

    /// Returns when all that was added is in the file.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.send()?;
        self.help(0)
    }

    /// Appends the entry of a whole object whose zlib stream `write` writes, after all before it.
    pub(super) fn append_by(
        &mut self,
        number: u32,
        kind: Kind,
        size: u64,
        write: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        self.drain()?;
        let mut tail = lock(&self.shared.tail);
        let offset = tail.offset;
        let mut header = Vec::with_capacity(entry::LONGEST);
        entry::encode(EntryKind::Whole(kind), offset, size, &mut header);
        let Tail { file, hash, .. } = &mut *tail;
        let mut out = Checked { file, hash, crc: Crc::new(), len: 0 };
        let written = out.write_all(&header).and_then(|()| write(&mut out));
        let (crc, len) = (out.crc.sum(), out.len);
        tail.offset += len;
        drop(tail);
        let mut entries = self.entries();
        let id = entries[number as usize].id;
        entries[number as usize] = IndexEntry::new(id, crc, offset);
        drop(entries);
        if written.is_err() {
            // Half an entry is in the file, so nothing may follow.
            lock(&self.shared.state).has_failed = true;
        }
        written
    }

    /// Where the file ends. All is drained.
    pub(super) fn end(&self) -> u64 {
        lock(&self.shared.tail).offset
    }

    /// Ends the threads and gives back the file, the hash that has gone over it, and the entries. All is drained.
    pub(super) fn close(mut self) -> (Box<dyn Write + Send>, Option<Sha256>, Vec<IndexEntry>) {
        self.stop();
        let mut tail = lock(&self.shared.tail);
        let file = std::mem::replace(&mut tail.file, Box::new(io::sink()));
        let hash = tail.hash.take();
        drop(tail);
        let entries = std::mem::take(&mut *self.entries());
        (file, hash, entries)
    }

    fn stop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.is_closed = true;
        state.queue.clear();
        drop(state);
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// The first error, then that there was one.
    fn check(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        match state.error.take() {
            Some(error) => Err(error),
            None if state.has_failed => Err(io::Error::other("an earlier write to this pack failed")),
            None => Ok(()),
        }
    }

    /// What a thread does.
    fn work(&self) {
        let mut compress = Compressors::default();
        loop {
            let mut state = lock(&self.state);
            let batch = loop {
                match state.queue.pop_front() {
                    Some(batch) => break batch,
                    None if state.is_closed => return,
                    None => state = self.wake.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner()),
                }
            };
            drop(state);
            self.complete(batch, &mut compress);
        }
    }

    /// Compresses a batch, and appends all that is next now.
    fn complete(&self, mut batch: Batch, compress: &mut Compressors) {
        batch.compress(compress);
        let mut tail = lock(&self.tail);
        tail.early.insert(batch.turn, batch);
        let mut done = Vec::new();
        let mut result = Ok(());
        loop {
            let turn = tail.turn;
            let Some(batch) = tail.early.remove(&turn) else { break };
            tail.turn += 1;
            // After an error the file is of no use, and what is left only has to be taken off the queue.
            if result.is_ok() && !lock(&self.state).has_failed {
                result = self.append(&mut tail, &batch);
            }
            done.push(batch);
        }
        drop(tail);
        let mut state = lock(&self.state);
        if let Err(error) = result {
            state.has_failed = true;
            state.error = Some(error);
        }
        for mut batch in done {
            state.bytes -= batch.bytes.len();
            state.batches -= 1;
            batch.clear();
            if batch.bytes.capacity() <= BATCH * 2 {
                state.free.push(batch);
            }
        }
        drop(state);
        self.written.notify_all();
    }

    fn append(&self, tail: &mut Tail, batch: &Batch) -> io::Result<()> {
        let mut out = std::mem::take(&mut tail.out);
        out.clear();
        let mut entries = lock(&self.entries);
        let (mut raw, mut stream) = (0, 0);
        let mut ends = batch.ends.iter();
        for item in &batch.items {
            let (offset, start) = (tail.offset + out.len() as u64, out.len());
            let kind = match item.form {
                Form::Whole(kind) => EntryKind::Whole(kind),
                Form::Delta(base) => EntryKind::OfsDelta(entries[base as usize].offset()),
            };
            entry::encode(kind, offset, item.size, &mut out);
            if item.is_compressed {
                out.extend_from_slice(&batch.bytes[raw..raw + item.len]);
            } else {
                let end = *ends.next().expect("every item that was not compressed is now");
                out.extend_from_slice(&batch.streams[stream..end]);
                stream = end;
            }
            raw += item.len;
            let mut crc = Crc::new();
            crc.update(&out[start..]);
            let entry = &mut entries[item.number as usize];
            *entry = IndexEntry::new(entry.id, crc.sum(), offset);
        }
        drop(entries);
        let written = tail.file.write_all(&out);
        if let Some(hash) = &mut tail.hash {
            hash.update(&out);
        }
        tail.offset += out.len() as u64;
        if out.capacity() <= LIMIT {
            tail.out = out;
        }
        written
    }
}

/// Counts and sums what goes to a file.
struct Checked<'a> {
    file: &'a mut Box<dyn Write + Send>,
    hash: &'a mut Option<Sha256>,
    crc: Crc,
    len: u64,
}

impl Write for Checked<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.crc.update(&bytes[..n]);
        if let Some(hash) = self.hash {
            hash.update(&bytes[..n]);
        }
        self.len += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
