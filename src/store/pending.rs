//! Objects that were put and not flushed yet: temporary files, written by some threads where they are many.
//!
//! Order of a flush, which everything else rests on: contents are durable before any gets its name, and names are
//! durable before `flush` returns.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hasher as _, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use super::{Result, io_error, loose};
use crate::disk::{Access, Disk};
use crate::object::{Id, Kind};

/// From this many pending objects on, threads write the files, each beside the place where it will get its name: in one
/// directory for all they would wait for each other. A marker in the temporary directory says that there are such files.
const THREADS_FROM: usize = 64;
/// Bodies above this size are written at once, so that what waits for the threads stays small.
const QUEUE_BODY: usize = 256 << 10;
/// So many objects go to a thread at once: waking it for each costs more than writing one.
const BATCH: usize = 32;
/// Marks the numbers of the files that lie beside their places.
const BESIDE: u64 = 1 << 63;
/// What the name of a store's marker ends with, after the stem of its names.
pub(super) const MARKER: &str = ".many";
/// How the names of such files start; git knows them for temporary ones as well. The stem follows.
pub(super) const BESIDE_PREFIX: &str = "tmp_obj_";

#[derive(Debug)]
pub(super) struct Pending {
    disk: Arc<dyn Disk>,
    /// `objects/`.
    objects: PathBuf,
    temporary: PathBuf,
    /// How this store's temporary names begin: no other process and no other store of this process has it.
    stem: String,
    /// Whether the temporary directory is known to be there.
    prepared: bool,
    count: u64,
    files: HashMap<Id, u64>,
    /// Whether the marker has been made.
    has_marker: bool,
    /// What goes to a thread next.
    batch: Vec<Job>,
    /// Objects that somebody else had stored already, perhaps without having flushed them yet.
    reused: BTreeSet<Id>,
    writers: Option<Writers>,
    failed: bool,
}

#[derive(Debug)]
struct Job {
    path: PathBuf,
    kind: Kind,
    body: Vec<u8>,
}

/// Threads that compress and write.
#[derive(Debug)]
struct Writers {
    queue: mpsc::SyncSender<Vec<Job>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Writers {
    /// `None` where the system has no thread to give.
    fn start(disk: &Arc<dyn Disk>) -> Option<Writers> {
        let (queue, jobs) = mpsc::sync_channel::<Vec<Job>>(8);
        let jobs = Arc::new(Mutex::new(jobs));
        let start = |_| {
            let (disk, jobs) = (disk.clone(), jobs.clone());
            let work = move || {
                loop {
                    let batch = jobs.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).recv();
                    let Ok(batch) = batch else { return Ok(()) };
                    for job in batch {
                        write(&*disk, &job.path, job.kind, &job.body)?;
                    }
                }
            };
            thread::Builder::new().name("isodb-write".into()).spawn(work).ok()
        };
        let threads: Vec<_> = (0..threads()).map_while(start).collect();
        if threads.is_empty() { None } else { Some(Writers { queue, threads }) }
    }

    /// Waits until all is written.
    fn finish(self) -> Result<()> {
        drop(self.queue);
        let mut result = Ok(());
        for thread in self.threads {
            let ended = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            result = result.and(ended);
        }
        result
    }
}

/// How many threads share the work of a large batch.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(8)
}

fn write(disk: &dyn Disk, path: &Path, kind: Kind, body: &[u8]) -> Result<()> {
    let bytes = loose::encode(kind, body);
    let write = || disk.write_new(path, &bytes, Access::ReadOnly);
    match write() {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            make_parent(disk, path)?;
            write()
        }
        done => done,
    }
    .map_err(io_error(path))
}

/// Makes the directory that an object lies in.
fn make_parent(disk: &dyn Disk, path: &Path) -> Result<()> {
    let dir = path.parent().expect("an object lies in a directory");
    match disk.create_dir(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io_error(dir)(error)),
        _ => Ok(()),
    }
}

/// Removes the files beside their places that a dead writer left, whose names have this stem and which are older than
/// `before`. Answers how many were removed and whether none is left.
pub(super) fn sweep_beside(disk: &dyn Disk, objects: &Path, stem: &str, before: SystemTime) -> (usize, bool) {
    let start = format!("{BESIDE_PREFIX}{stem}-");
    let (mut swept, mut all) = (0, true);
    for byte in 0..=255u8 {
        let dir = objects.join(format!("{byte:02x}"));
        for file in disk.list(&dir).unwrap_or_default().iter().filter(|file| file.name.starts_with(&start)) {
            let path = dir.join(&file.name);
            // Another sweeper may have been here first, so no failure counts.
            let is_old = disk.stat(&path).is_ok_and(|stat| stat.modified < before);
            let is_gone = is_old && disk.remove(&path).is_ok();
            swept += usize::from(is_gone);
            all &= is_gone;
        }
    }
    (swept, all)
}

impl Pending {
    pub(super) fn new(disk: Arc<dyn Disk>, objects: &Path, temporary: &Path) -> Pending {
        let random = RandomState::new().build_hasher().finish();
        Pending {
            disk,
            objects: objects.to_owned(),
            temporary: temporary.to_owned(),
            stem: format!("{}-{random:016x}", std::process::id()),
            prepared: false,
            count: 0,
            files: HashMap::new(),
            has_marker: false,
            batch: Vec::new(),
            reused: BTreeSet::new(),
            writers: None,
            failed: false,
        }
    }

    /// Whether nothing waits for a flush.
    pub(super) fn is_idle(&self) -> bool {
        self.files.is_empty() && self.reused.is_empty()
    }

    /// Whether it holds nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(super) fn holds(&self, id: Id) -> bool {
        self.files.contains_key(&id)
    }

    /// Notes that an object is stored already.
    pub(super) fn reuse(&mut self, id: Id) {
        self.reused.insert(id);
    }

    /// The path of a file in the temporary directory.
    fn plain_path(&self, number: u64) -> PathBuf {
        self.temporary.join(format!("{}-{number}", self.stem))
    }

    fn path(&self, id: Id, number: u64) -> PathBuf {
        match number & BESIDE {
            0 => self.plain_path(number),
            _ => {
                let name = format!("{BESIDE_PREFIX}{}-{}", self.stem, number ^ BESIDE);
                loose::path(&self.objects, id).with_file_name(name)
            }
        }
    }

    /// The temporary file that holds an object, written.
    pub(super) fn file(&mut self, id: Id) -> Result<Option<PathBuf>> {
        let Some(number) = self.files.get(&id).copied() else { return Ok(None) };
        self.finish_writing()?;
        Ok(Some(self.path(id, number)))
    }

    fn check_usable(&self) -> Result<()> {
        if self.failed {
            let source = std::io::Error::other("an earlier write of this process failed");
            return Err(io_error(&self.temporary)(source));
        }
        Ok(())
    }

    /// The number and the path of a new temporary file.
    pub(super) fn next_file(&mut self) -> Result<(u64, PathBuf)> {
        self.check_usable()?;
        if !self.prepared {
            self.disk.create_dir_all(&self.temporary).map_err(io_error(&self.temporary))?;
            self.prepared = true;
        }
        self.count += 1;
        Ok((self.count, self.plain_path(self.count)))
    }

    /// The number and the path of a new temporary file, one of many.
    fn next_of_many(&mut self, id: Id) -> Result<(u64, PathBuf)> {
        let number = self.next_file()?.0 | BESIDE;
        if !self.has_marker {
            let marker = self.marker();
            self.disk.create(&marker, Access::ReadWrite).map_err(io_error(&marker))?;
            self.has_marker = true;
        }
        Ok((number, self.path(id, number)))
    }

    /// Takes over a temporary file that holds an object; `false` when the object is pending already.
    pub(super) fn add_file(&mut self, id: Id, number: u64) -> bool {
        match self.files.entry(id) {
            Entry::Occupied(_) => false,
            Entry::Vacant(entry) => {
                entry.insert(number);
                true
            }
        }
    }

    pub(super) fn add(&mut self, id: Id, kind: Kind, body: &[u8]) -> Result<()> {
        if self.holds(id) {
            // Another thread has put it since the caller looked.
            return Ok(());
        }
        let is_queued = self.files.len() >= THREADS_FROM && body.len() <= QUEUE_BODY;
        let (number, path) = if is_queued { self.next_of_many(id)? } else { self.next_file()? };
        if is_queued && self.writers.is_none() {
            self.writers = Writers::start(&self.disk);
        }
        if !is_queued || self.writers.is_none() {
            write(&*self.disk, &path, kind, body).inspect_err(|_| {
                // Best effort: what is left is swept later.
                let _ = self.disk.remove(&path);
            })?;
            self.files.insert(id, number);
            return Ok(());
        }
        self.files.insert(id, number);
        self.batch.push(Job { path, kind, body: body.to_vec() });
        if self.batch.len() >= BATCH || body.len() >= QUEUE_BODY / BATCH { self.send() } else { Ok(()) }
    }

    /// Gives the batch to a thread.
    fn send(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        match &self.writers {
            Some(writers) if !batch.is_empty() && writers.queue.send(batch).is_err() => {
                // All threads have stopped, so one has an error to tell.
                self.finish_writing()
            }
            _ => Ok(()),
        }
    }

    /// Waits for the threads. Nobody knows which file one failed on, so after an error nothing here may get a name.
    fn finish_writing(&mut self) -> Result<()> {
        if !self.batch.is_empty() {
            self.send()?;
        }
        let finished = self.writers.take().map_or(Ok(()), Writers::finish);
        self.failed |= finished.is_err();
        finished
    }

    pub(super) fn flush(&mut self, beside: &[PathBuf]) -> Result<()> {
        let flushed = self.check_usable().and_then(|()| self.try_flush(beside));
        if flushed.is_err() {
            self.failed = true;
            self.discard();
        }
        flushed
    }

    fn try_flush(&mut self, beside: &[PathBuf]) -> Result<()> {
        self.finish_writing()?;
        let sync = |paths: &[PathBuf]| match paths.first() {
            Some(first) => self.disk.sync(paths).map_err(io_error(first)),
            None => Ok(()),
        };
        let mut contents: Vec<PathBuf> = self.files.iter().map(|(&id, &number)| self.path(id, number)).collect();
        contents.sort();
        contents.extend(self.reused.iter().map(|&id| loose::path(&self.objects, id)));
        contents.extend_from_slice(beside);
        sync(&contents)?;

        let mut files: Vec<(Id, u64)> = self.files.iter().map(|(&id, &number)| (id, number)).collect();
        files.sort_unstable();
        let mut names = self.give_names(&files)?;
        self.files.clear();
        for &id in &self.reused {
            let path = loose::path(&self.objects, id);
            names.extend(path.parent().map(Path::to_owned));
        }
        if !names.is_empty() {
            // Directories that somebody else made a moment ago may not be durable under their own names yet.
            names.insert(self.objects.clone());
        }
        let names: Vec<PathBuf> = names.into_iter().collect();
        sync(&names)?;
        self.reused.clear();
        self.remove_marker();
        Ok(())
    }

    /// Gives the objects' files their names. Answers the directories and files to make durable.
    fn give_names(&self, files: &[(Id, u64)]) -> Result<BTreeSet<PathBuf>> {
        let give = |files: &[(Id, u64)]| -> Result<BTreeSet<PathBuf>> {
            let mut names = BTreeSet::new();
            for &(id, number) in files {
                let path = loose::path(&self.objects, id);
                let temporary = self.path(id, number);
                let dir = path.parent().expect("an object lies in a directory");
                if !names.contains(dir) {
                    names.insert(dir.to_owned());
                }
                if self.disk.stat(&path).is_ok() {
                    // Somebody else was first. Best effort: what is left is swept later.
                    let _ = self.disk.remove(&temporary);
                    // git does not flush what it writes, so the file itself may not be durable either.
                    names.insert(path);
                } else {
                    self.rename(&temporary, &path)?;
                }
            }
            Ok(names)
        };
        if files.len() < THREADS_FROM * BATCH {
            return give(files);
        }
        thread::scope(|scope| {
            let share = files.len().div_ceil(threads());
            let give = &give;
            let running: Vec<_> = files.chunks(share).map(|share| scope.spawn(move || give(share))).collect();
            let mut names = BTreeSet::new();
            for thread in running {
                names.append(&mut thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(names)
        })
    }

    fn marker(&self) -> PathBuf {
        self.temporary.join(format!("{}{MARKER}", self.stem))
    }

    fn remove_marker(&mut self) {
        if std::mem::take(&mut self.has_marker) {
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&self.marker());
        }
    }

    /// Gives an object's file its name.
    fn rename(&self, temporary: &Path, path: &Path) -> Result<()> {
        match self.disk.rename(temporary, path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                make_parent(&*self.disk, path)?;
                self.disk.rename(temporary, path)
            }
            done => done,
        }
        .map_err(io_error(path))
    }

    /// Removes the temporary files, as far as that goes: what is left is swept later.
    pub(super) fn discard(&mut self) {
        let _ = self.finish_writing();
        let files = std::mem::take(&mut self.files);
        for (id, number) in files {
            let _ = self.disk.remove(&self.path(id, number));
        }
        self.remove_marker();
        self.reused.clear();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.discard();
    }
}
