//! Where objects lie: loose files, one an object, in git's layout.
//!
//! The room knows no ref. What is put stays invisible to every other process, in temporary files, until
//! [`Store::flush`] makes all of it durable and then gives it its names: a crash leaves either a whole object or none.
//! **Invariant:** a file under `objects/` is written once and never changed.

mod deflate;
mod hold;
mod loose;
pub(crate) mod pack;
mod pending;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod walk;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Access, Disk, FileKind};
use crate::object::{Error, Hasher, Id, Kind, Object, Objects, Prefix, TreeId, hash};

pub use stream::Reader;
pub use walk::{ChangedEntry, changed_entries};

use hold::Hold;
use pending::Pending;

type Result<T, E = Error> = std::result::Result<T, E>;

/// Bodies above this size are streamed and never held in memory as a whole by isodb itself: 4 MiB.
pub const STREAM_FROM: u64 = 4 << 20;

/// The largest object that [`Objects::get`] reads into memory: 256 MiB.
pub const IN_MEMORY_LIMIT: u64 = 256 << 20;

/// The objects of one database.
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    /// `objects/`.
    objects: PathBuf,
    /// Where new files are written before they get their names.
    temporary: PathBuf,
    pending: Mutex<Pending>,
    hold: Hold,
}

/// Turns an I/O error into one that names the path.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

impl Store {
    /// The store of the database directory `root`; new files are written in the directory `temporary` first.
    pub fn new(disk: Arc<dyn Disk>, root: &Path, temporary: &Path) -> Store {
        Store {
            pending: Mutex::new(Pending::new(disk.clone(), &root.join("objects"), temporary)),
            hold: Hold::new(disk.clone(), temporary.parent().unwrap_or(root)),
            disk,
            objects: root.join("objects"),
            temporary: temporary.to_owned(),
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn path(&self, id: Id) -> PathBuf {
        loose::path(&self.objects, id)
    }

    /// Whether the store holds an object, flushed or not.
    pub fn contains(&self, id: Id) -> Result<bool> {
        Ok(self.pending().holds(id) || self.is_stored(id)?)
    }

    fn is_stored(&self, id: Id) -> Result<bool> {
        let path = self.path(id);
        match self.disk.stat(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(io_error(&path)(error)),
        }
    }

    /// An object's kind and size in bytes, from its header; the body is not checked.
    pub fn header(&self, id: Id) -> Result<Option<(Kind, u64)>> {
        Ok(self.open(id)?.map(|reader| (reader.kind(), reader.size())))
    }

    /// An object to read piece by piece.
    pub fn open(&self, id: Id) -> Result<Option<Reader>> {
        match self.read_file(id, &|path| self.disk.open(path))? {
            Some((file, path)) => Reader::new(file, id, path).map(Some),
            None if id == TreeId::EMPTY.0 => {
                let file = loose::encode(Kind::Tree, b"");
                Reader::new(Box::new(io::Cursor::new(file)), id, self.path(id)).map(Some)
            }
            None => Ok(None),
        }
    }

    /// Reads the file that holds an object, wherever it is now; also answers its path.
    fn read_file<T>(&self, id: Id, read: &dyn Fn(&Path) -> io::Result<T>) -> Result<Option<(T, PathBuf)>> {
        let pending = self.pending().file(id)?;
        // A pending file that is gone was flushed by another thread since, and is stored.
        for path in pending.into_iter().chain([self.path(id)]) {
            match read(&path) {
                Ok(read) => return Ok(Some((read, path))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error(&path)(error)),
            }
        }
        Ok(None)
    }

    /// Puts an object whose body of `size` bytes is read piece by piece: the way for large contents.
    ///
    /// # Errors
    /// When the source fails, or does not give exactly `size` bytes.
    pub fn put_stream(&self, kind: Kind, size: u64, source: &mut dyn Read) -> Result<Id> {
        self.hold.take()?;
        let (number, path) = self.pending().next_file()?;
        let put = stream::write(&*self.disk, &path, kind, size, source).and_then(|id| Ok((id, self.is_stored(id)?)));
        let is_kept = match put {
            Ok((id, false)) => self.pending().add_file(id, number),
            Ok((id, true)) => {
                self.pending().reuse(id);
                false
            }
            Err(_) => false,
        };
        if !is_kept {
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&path);
        }
        put.map(|(id, _)| id)
    }

    /// Puts an object whose size is not known before its end: what is short is held in memory, what is long in a
    /// temporary file.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the source gives more than `limit` bytes.
    pub fn put_unsized(&self, kind: Kind, source: &mut dyn Read, limit: u64) -> Result<Id> {
        let from_source = || io_error(Path::new("the input"));
        let mut head = Vec::new();
        source.take(STREAM_FROM.min(limit) + 1).read_to_end(&mut head).map_err(from_source())?;
        if head.len() as u64 > limit {
            return Err(Error::TooLarge { id: None, size: head.len() as u64, limit });
        }
        if head.len() as u64 <= STREAM_FROM {
            return self.put(kind, &head);
        }
        let (_, path) = self.pending().next_file()?;
        let spooled = (|| {
            let mut file = self.disk.create(&path, Access::ReadWrite).map_err(io_error(&path))?;
            let mut all = head.as_slice().chain(source).take(limit.saturating_add(1));
            let mut buffer = vec![0; 1 << 18];
            let mut size = 0;
            loop {
                let n = match all.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(n) => n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(from_source()(error)),
                };
                file.write_all(&buffer[..n]).map_err(io_error(&path))?;
                size += n as u64;
            }
            file.flush().map_err(io_error(&path))?;
            if size > limit {
                return Err(Error::TooLarge { id: None, size, limit });
            }
            let mut file = self.disk.open(&path).map_err(io_error(&path))?;
            self.put_stream(kind, size, &mut file)
        })();
        // Best effort: what is left is swept later.
        let _ = self.disk.remove(&path);
        spooled
    }

    /// Makes all that was put durable and visible, in two waits for the disk: first the contents, with those of
    /// `beside` (files of the caller's that must be durable at the same point), then the names.
    ///
    /// # Errors
    /// After an error the objects that were put are gone from this store, and it refuses further writes: what the
    /// disk has of them is not known.
    pub fn flush(&self, beside: &[PathBuf]) -> Result<()> {
        self.pending().flush(beside)
    }

    /// Keeps every object that is stored now from being removed, until [`Store::discard`] or the store's end. A put does
    /// so too; who moves a ref to what is stored already calls this before looking for it.
    pub fn hold(&self) -> Result<()> {
        self.hold.take()
    }

    /// Ends [`Store::hold`], unless something is put and not flushed yet.
    pub fn let_go(&self) {
        if self.pending().is_empty() {
            self.hold.release();
        }
    }

    /// Forgets all that was put since the last flush, and lets go of what is stored.
    pub fn discard(&self) {
        self.pending().discard();
        self.hold.release();
    }

    /// Every stored object's id, in ascending order.
    pub fn ids(&self) -> Result<Vec<Id>> {
        let mut ids = Vec::new();
        for byte in 0..=255u8 {
            self.ids_in(byte, &mut ids)?;
        }
        Ok(ids)
    }

    /// The stored objects whose ids begin with a prefix.
    pub fn with_prefix(&self, prefix: &Prefix) -> Result<Vec<Id>> {
        let mut ids = Vec::new();
        self.ids_in(prefix.first_byte(), &mut ids)?;
        ids.retain(|id| prefix.matches(*id));
        Ok(ids)
    }

    fn ids_in(&self, byte: u8, out: &mut Vec<Id>) -> Result<()> {
        let dir = self.objects.join(format!("{byte:02x}"));
        let entries = match self.disk.list(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error(&dir)(error)),
        };
        let before = out.len();
        out.extend(
            entries
                .iter()
                .filter(|entry| entry.name.len() == 62 && !entry.name.contains(|c: char| c.is_ascii_uppercase()))
                .filter_map(|entry| format!("{byte:02x}{}", entry.name).parse::<Id>().ok()),
        );
        out[before..].sort_unstable();
        Ok(())
    }

    /// How much the loose objects take: their number and the bytes of their files.
    pub fn usage(&self) -> Result<(u64, u64)> {
        let (mut count, mut bytes) = (0, 0);
        for id in self.ids()? {
            let path = self.path(id);
            match self.disk.stat(&path) {
                Ok(stat) => (count, bytes) = (count + 1, bytes + stat.len),
                // Somebody else has removed it meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io_error(&path)(error)),
            }
        }
        Ok((count, bytes))
    }

    /// The files under `objects/` that are neither objects nor git's own: each a path and why it is strange.
    pub fn strange_files(&self) -> Result<Vec<(PathBuf, &'static str)>> {
        let mut strange = Vec::new();
        for entry in self.disk.list(&self.objects).map_err(io_error(&self.objects))? {
            let fanout = entry.name.len() == 2 && entry.name.bytes().all(|b| b.is_ascii_hexdigit());
            if !fanout || entry.kind != FileKind::Dir {
                continue;
            }
            let dir = self.objects.join(&entry.name);
            for file in self.disk.list(&dir).map_err(io_error(&dir))? {
                let is_object = format!("{}{}", entry.name, file.name).parse::<Id>().is_ok();
                if !is_object && !file.name.starts_with(pending::BESIDE_PREFIX) {
                    strange.push((dir.join(&file.name), "its name is no object's"));
                }
            }
        }
        strange.sort();
        Ok(strange)
    }

    /// Removes temporary files that have not been written to since `before`: those of writers that died.
    pub fn sweep(&self, before: std::time::SystemTime) -> Result<usize> {
        let entries = match self.disk.list(&self.temporary) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(io_error(&self.temporary)(error)),
        };
        let mut swept = 0;
        for entry in entries {
            let path = self.temporary.join(&entry.name);
            // Another sweeper may have been here first, so no failure counts.
            if !self.disk.stat(&path).is_ok_and(|stat| stat.modified < before) {
                continue;
            }
            // A marker stays as long as there are files that it stands for.
            let (beside, all) = match entry.name.strip_suffix(pending::MARKER) {
                Some(stem) => pending::sweep_beside(&*self.disk, &self.objects, stem, before),
                None => (0, true),
            };
            swept += beside + usize::from(all && self.disk.remove(&path).is_ok());
        }
        Ok(swept)
    }

    /// Reads a stored object whole and checks its hash, for fsck. `None` when it is not there.
    pub fn verify(&self, id: Id) -> Result<Option<Kind>> {
        let Some(mut reader) = self.open(id)? else { return Ok(None) };
        let kind = reader.kind();
        if kind == Kind::Blob {
            reader.copy_to(&mut io::sink())?;
        } else {
            let body = reader.into_body(IN_MEMORY_LIMIT)?;
            crate::object::check(kind, &body).map_err(|error| Error::Damaged { id, reason: error.to_string() })?;
        }
        Ok(Some(kind))
    }
}

impl Objects for Store {
    fn get(&self, id: Id) -> Result<Option<Object>> {
        // Mapped, so that an object above the limit is refused by its header and never read whole.
        match self.read_file(id, &|path| self.disk.map(path))? {
            Some((bytes, _)) => loose::decode(&bytes, id).map(Some),
            // git knows the empty tree without storing it, and so may refs and histories that it makes.
            None if id == TreeId::EMPTY.0 => Ok(Some(Object { kind: Kind::Tree, body: Vec::new() })),
            None => Ok(None),
        }
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id> {
        self.hold.take()?;
        let id = hash(kind, body);
        if self.pending().holds(id) {
            return Ok(id);
        }
        if self.is_stored(id)? {
            self.pending().reuse(id);
        } else {
            self.pending().add(id, kind, body)?;
        }
        Ok(id)
    }
}

/// Computes the id that an object with this content would get, without storing it. The source must give exactly
/// `size` bytes.
pub fn hash_stream(kind: Kind, size: u64, source: &mut dyn Read) -> Result<Id> {
    let mut hasher = Hasher::new(kind, size);
    stream::copy_exactly(size, source, &mut |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finish())
}
