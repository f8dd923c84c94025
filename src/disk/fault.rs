//! An in-memory disk for tests, that fails or loses power at any chosen operation.
//!
//! [`FaultDisk`] behaves like a real file system, and remembers beside what is there what would survive a power cut
//! (see `model`). A test counts the operations of a run, then repeats the run with a cut at each of them and opens
//! every disk that the cut could leave. It never touches the machine's files.

mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

pub use model::{Survivors, UnsyncedData, UnsyncedEntries};

use self::model::{Model, Node, clean};
use super::{Access, Bytes, DirEntry, Disk, FileKind, Lock, MARK_CONTENT, Stat, Watch};

/// An in-memory disk whose faults are chosen. Clones are handles on the same disk.
///
/// It starts with an empty root directory; relative paths are taken from there. State-changing operations are
/// `create_dir`, `create`, each write to a file, `append`, `write_at`, `touch` of what is old, `rename`, `remove`,
/// `remove_dir`, `mark`, and `sync` once for each path. Permissions are not kept. Those that could not have been done anyway (a name that exists already…) fail as on any disk and are
/// not counted.
#[derive(Clone, Default)]
pub struct FaultDisk {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    unlocked: Condvar,
}

#[derive(Default)]
struct State {
    model: Model,
    /// How many hold a lock; `None` where one holder has it whole.
    locks: BTreeMap<PathBuf, Option<usize>>,
    operations: u64,
    cut_at: Option<u64>,
    is_cut: bool,
    failure: Option<Failure>,
    /// Told of every operation, as soon as it is done.
    changed: Arc<Condvar>,
}

/// Operations that are to fail though the power is on.
#[derive(Clone, Copy)]
struct Failure {
    from: u64,
    lasting: bool,
    kind: ErrorKind,
}

/// What an operation takes from the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Space,
    Nothing,
}

impl FaultDisk {
    /// An empty, healthy disk.
    pub fn new() -> FaultDisk {
        FaultDisk::default()
    }

    /// How many state-changing operations there were so far, those made to fail among them.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Cuts the power at the `n`th state-changing operation from here (0 is the very next): it and every operation of
    /// any kind after it change nothing and fail.
    pub fn cut_at(&self, n: u64) {
        let mut state = self.state();
        state.cut_at = Some(state.operations + n);
    }

    /// Makes the `n`th state-changing operation from here fail, and only that one. It changes nothing, but for a
    /// write, of which half the bytes are written, as on a disk that fills up.
    pub fn fail_at(&self, n: u64, kind: ErrorKind) {
        self.fail(n, kind, false);
    }

    /// From the `n`th state-changing operation on, makes all fail that need space: all but `remove`, `remove_dir` and
    /// `sync`. It ends with [`heal`](FaultDisk::heal).
    pub fn fail_from(&self, n: u64, kind: ErrorKind) {
        self.fail(n, kind, true);
    }

    fn fail(&self, n: u64, kind: ErrorKind, lasting: bool) {
        let mut state = self.state();
        state.failure = Some(Failure { from: state.operations + n, lasting, kind });
    }

    /// Forgets every fault that was chosen. A disk whose power is cut already stays so: what comes after a cut is
    /// another disk, [`after_power_cut`](FaultDisk::after_power_cut).
    pub fn heal(&self) {
        let mut state = self.state();
        state.cut_at = None;
        state.failure = None;
    }

    /// Whether the power is cut.
    pub fn is_cut(&self) -> bool {
        self.state().is_cut
    }

    /// A new, healthy disk that holds what a power cut at this moment would leave, all of it durable and no lock held.
    /// This disk stays as it is.
    pub fn after_power_cut(&self, survivors: Survivors) -> FaultDisk {
        FaultDisk::of(self.state().model.after_power_cut(survivors))
    }

    /// A new, healthy disk with the same content, of which the same is durable, so that a run can be tried again from
    /// one start. No lock is held there.
    pub fn fork(&self) -> FaultDisk {
        FaultDisk::of(self.state().model.clone())
    }

    fn of(model: Model) -> FaultDisk {
        let state = State { model, ..State::default() };
        FaultDisk { shared: Arc::new(Shared { state: Mutex::new(state), unlocked: Condvar::new() }) }
    }

    /// Sets the time that files written from now on have. It is the start of 1970 at first, and stands still.
    pub fn set_clock(&self, now: SystemTime) {
        self.state().model.clock = now;
    }

    /// Every name there is now but the root, parents first: `None` for a directory, and a file's content. A mark is
    /// shown as the file that [`OsDisk`](super::OsDisk) also knows as a mark.
    pub fn files(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let state = self.state();
        let content = |node: &Node| match node {
            Node::Dir => None,
            Node::Mark { .. } => Some(MARK_CONTENT.to_vec()),
            Node::File(number) => Some(state.model.content(*number).to_vec()),
        };
        state.model.names().map(|(path, node)| (path.clone(), content(node))).collect()
    }

    /// Lays a file with this content (a directory if `None`) and the directories above it on the disk, durable, from
    /// outside: no operation is counted.
    pub fn import(&self, path: &Path, content: Option<Vec<u8>>) {
        self.state().model.import(clean(path), content);
    }

    /// For replaying a trace: writes over a file from `offset` on, or at its end. Not counted, and never fails by choice.
    pub fn overwrite(&self, path: &Path, offset: Option<u64>, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let number = state.model.file(&clean(path))?;
        state.model.write(number, offset.map(|offset| offset as usize), bytes);
        Ok(())
    }

    /// For replaying a trace: gives a file this length, with zeros where it grows. Not counted.
    pub fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let mut state = self.state();
        let number = state.model.file(&clean(path))?;
        state.model.truncate(number, len as usize);
        Ok(())
    }

    /// For replaying a trace: gives a file a second name. Not counted.
    pub fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, to) = (self.state(), clean(to));
        let number = state.model.file(&clean(from))?;
        state.model.check_new(&to)?;
        state.model.put(to, Node::File(number));
        Ok(())
    }

    /// Makes everything durable, as the system's `sync` does. Not counted.
    pub fn sync_everything(&self) {
        self.state().model.sync_everything();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere left no half-done change: every change is made after the last check.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lock when `taken` answers, for who holds it now, who does then.
    fn take_lock(
        &self,
        path: &Path,
        patience: Duration,
        taken: impl Fn(Option<Option<usize>>) -> Option<Option<usize>>,
    ) -> io::Result<Box<dyn Lock>> {
        let (mut state, path) = (self.powered()?, clean(path));
        match state.model.check_new(&path) {
            Ok(()) => {
                // Making the file is not counted, but a disk that is full has no room for it.
                let now = state.operations;
                if let Some(Failure { kind, .. }) = state.failure.filter(|f| f.lasting && now >= f.from) {
                    return Err(kind.into());
                }
                state.model.new_file(path.clone());
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                state.model.file(&path)?;
            }
            Err(error) => return Err(error),
        }
        let is_kept = |state: &mut State| !state.is_cut && taken(state.locks.get(&path).copied()).is_none();
        let (mut state, _) =
            self.shared.unlocked.wait_timeout_while(state, patience, is_kept).unwrap_or_else(PoisonError::into_inner);
        if state.is_cut {
            return Err(power_cut());
        }
        let Some(held) = taken(state.locks.get(&path).copied()) else { return Err(ErrorKind::TimedOut.into()) };
        state.locks.insert(path.clone(), held);
        Ok(Box::new(FaultLock { disk: self.clone(), path }))
    }

    /// The state of a disk that has power.
    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.is_cut { Err(power_cut()) } else { Ok(state) }
    }
}

impl State {
    /// Counts a state-changing operation that is about to be done, and fails if it is chosen to fail.
    fn begin(&mut self, needs: Needs) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        self.changed.notify_all();
        if self.cut_at == Some(number) {
            self.is_cut = true;
            return Err(power_cut());
        }
        match self.failure {
            Some(Failure { from, lasting: false, kind }) if number == from => Err(kind.into()),
            Some(Failure { from, lasting: true, kind }) if number >= from && needs == Needs::Space => Err(kind.into()),
            _ => Ok(()),
        }
    }

    /// Writes at an offset or at the end.
    fn write(&mut self, number: usize, offset: Option<u64>, bytes: &[u8]) -> io::Result<()> {
        let done = self.begin(Needs::Space);
        if !self.is_cut {
            let written = if done.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
            self.model.write(number, offset.map(|offset| offset as usize), written);
        }
        done
    }
}

impl Disk for FaultDisk {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.powered()?;
        let number = state.model.file(&clean(path))?;
        Ok(state.model.content(number).to_vec())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.read(path)?)))
    }

    fn map(&self, path: &Path) -> io::Result<Bytes> {
        self.read(path).map(Bytes::Owned)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let state = self.powered()?;
        let node = state.model.node(&clean(path))?;
        Ok(state.model.stat(node))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let (state, dir) = (self.powered()?, clean(dir));
        state.model.check_dir(&dir)?;
        Ok(state.model.list(&dir))
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, dir) = (self.powered()?, clean(dir));
        state.model.check_new(&dir)?;
        state.begin(Needs::Space)?;
        state.model.put(dir, Node::Dir);
        Ok(())
    }

    fn create(&self, path: &Path, _access: Access) -> io::Result<Box<dyn Write + Send>> {
        let (mut state, path) = (self.powered()?, clean(path));
        state.model.check_new(&path)?;
        state.begin(Needs::Space)?;
        let number = state.model.new_file(path);
        Ok(Box::new(FaultFile { disk: self.clone(), number }))
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (mut state, path) = (self.powered()?, clean(path));
        let number = match state.model.check_new(&path) {
            Ok(()) => {
                state.begin(Needs::Space)?;
                state.model.new_file(path)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => state.model.file(&path)?,
            Err(error) => return Err(error),
        };
        state.write(number, None, bytes)
    }

    fn write_at(&self, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.powered()?;
        let number = state.model.file(&clean(path))?;
        state.write(number, Some(offset), bytes)
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let state = self.powered()?;
        let content = state.model.content(state.model.file(&clean(path))?);
        let rest = content.get(offset as usize..).and_then(|rest| rest.get(..len));
        rest.map(<[u8]>::to_vec).ok_or(ErrorKind::UnexpectedEof.into())
    }

    fn set_read_only(&self, path: &Path) -> io::Result<()> {
        let state = self.powered()?;
        state.model.file(&clean(path)).map(drop)
    }

    fn touch(&self, path: &Path, age: Duration) -> io::Result<()> {
        let mut state = self.powered()?;
        let number = state.model.file(&clean(path))?;
        let modified = state.model.stat(Node::File(number)).modified;
        if state.model.clock.duration_since(modified).is_ok_and(|passed| passed > age) {
            state.begin(Needs::Nothing)?;
            state.model.touch(number);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, from, to) = (self.powered()?, clean(from), clean(to));
        state.model.check_rename(&from, &to)?;
        state.begin(Needs::Space)?;
        state.model.rename(&from, &to);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut state, path) = (self.powered()?, clean(path));
        if state.model.node(&path)? == Node::Dir {
            return Err(ErrorKind::IsADirectory.into());
        }
        state.begin(Needs::Nothing)?;
        state.model.remove(&path);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, dir) = (self.powered()?, clean(dir));
        state.model.check_empty_dir(&dir)?;
        state.begin(Needs::Nothing)?;
        state.model.remove(&dir);
        Ok(())
    }

    fn sync(&self, paths: &[PathBuf]) -> io::Result<()> {
        let mut state = self.powered()?;
        let paths: Vec<PathBuf> = paths.iter().map(|path| clean(path)).collect();
        for path in &paths {
            state.model.check_sync(path)?;
        }
        // One operation for each, so that a cut can also leave the first ones durable and the others not.
        for path in &paths {
            state.begin(Needs::Nothing)?;
            state.model.sync(path);
        }
        Ok(())
    }

    fn lock(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>> {
        self.take_lock(path, patience, |held| held.is_none().then_some(None))
    }

    fn lock_shared(&self, path: &Path, patience: Duration) -> io::Result<Box<dyn Lock>> {
        self.take_lock(path, patience, |held| match held {
            None => Some(Some(1)),
            Some(None) => None,
            Some(Some(holders)) => Some(Some(holders + 1)),
        })
    }

    fn mark(&self, path: &Path) -> io::Result<()> {
        let (mut state, path) = (self.powered()?, clean(path));
        state.model.check_new(&path)?;
        state.begin(Needs::Space)?;
        let made = state.model.clock;
        state.model.put(path, Node::Mark { made });
        Ok(())
    }

    fn is_mark(&self, path: &Path) -> io::Result<bool> {
        let state = self.powered()?;
        Ok(match state.model.node(&clean(path)) {
            Ok(Node::Mark { .. }) => true,
            Ok(Node::File(number)) => state.model.content(number) == MARK_CONTENT,
            Ok(Node::Dir) | Err(_) => false,
        })
    }

    fn watch(&self) -> Box<dyn Watch> {
        Box::new(FaultWatch { disk: self.clone(), seen: self.operations() })
    }
}

impl fmt::Debug for FaultDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("FaultDisk")
            .field("names", &state.model.names().count())
            .field("operations", &state.operations)
            .field("is_cut", &state.is_cut)
            .finish_non_exhaustive()
    }
}

/// A file that was made and is written. It stays the same file when its name moves or goes.
#[derive(Debug)]
struct FaultFile {
    disk: FaultDisk,
    number: usize,
}

impl Write for FaultFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.powered()?;
        if !bytes.is_empty() {
            state.write(self.number, None, bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug)]
struct FaultLock {
    disk: FaultDisk,
    path: PathBuf,
}

impl Lock for FaultLock {}

impl Drop for FaultLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        match state.locks.get_mut(&self.path) {
            Some(Some(holders)) if *holders > 1 => *holders -= 1,
            _ => drop(state.locks.remove(&self.path)),
        }
        drop(state);
        self.disk.shared.unlocked.notify_all();
    }
}

/// Tells of every operation, wherever it was.
#[derive(Debug)]
struct FaultWatch {
    disk: FaultDisk,
    seen: u64,
}

impl Watch for FaultWatch {
    fn add(&mut self, _: &Path) {}

    fn wait(&mut self, patience: Duration) -> io::Result<bool> {
        let state = self.disk.powered()?;
        let (changed, seen) = (Arc::clone(&state.changed), self.seen);
        let is_as_seen = |state: &mut State| !state.is_cut && state.operations == seen;
        let (state, _) =
            changed.wait_timeout_while(state, patience, is_as_seen).unwrap_or_else(PoisonError::into_inner);
        let is_told = state.operations != seen;
        self.seen = state.operations;
        if state.is_cut { Err(power_cut()) } else { Ok(is_told) }
    }
}

fn power_cut() -> io::Error {
    io::Error::other("the power is cut")
}
