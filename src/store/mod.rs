//! Where objects lie: loose files, one an object, and packs, in git's layout.
//!
//! The room knows no ref. What is put stays invisible to every other process, in temporary files, until
//! [`Store::flush`] makes all of it durable and then gives it its names: a crash leaves either a whole object or none.
//! **Invariant:** a file under `objects/` is written once and never changed.

mod alternates;
mod cache;
mod census;
mod connected;
mod deflate;
mod gc;
mod graph;
mod hold;
mod incoming;
mod list;
mod loose;
pub(crate) mod pack;
mod pending;
mod repair;
mod seats;
mod source;
mod stream;
mod temporary;
#[cfg(test)]
pub(crate) mod tests;
mod verify;
mod walk;
mod window;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use crate::disk::{Access, Disk};
use crate::object::{self, Error, Hasher, Id, IdHasher, Kind, Object, Objects, Tree, TreeId, hash};

pub(crate) use census::{Census, Walk};
pub use gc::{GcOptions, GcProgress, GcReport, GcStage, Outgoing, Roots, Wanted};
use incoming::Apart;
pub(crate) use incoming::Incoming;
pub use pack::receive::Received;
pub(crate) use repair::Aside;
pub use source::Usage;
pub(crate) use stream::Growing;
pub use stream::Reader;
pub(crate) use temporary::{new_stem, remove_tree};
pub(crate) use verify::Fault;
pub use walk::{ChangedEntry, changed_entries};

use cache::Cache;
pub(crate) use graph::{
    CommitGraph, Filter, FilterPath, Filters, GraphCommit, MAX_FILTER_PATHS, MAX_TIME, NO_GENERATION, parents_first,
};
use hold::Hold;
use pack::receive::Dirs;
use pack::set::FromPack;
use pack::{Bases, Opened};
use pending::{Found, Pending};
use source::{FromFile, Place, Source};

type Result<T, E = Error> = std::result::Result<T, E>;

/// Bodies above this size are streamed and never held in memory as a whole by isodb itself: 4 MiB.
pub const STREAM_FROM: u64 = 4 << 20;

/// Packed bodies above this size are streamed: making a reader costs more than inflating a small body.
const STREAM_PACKED_FROM: u64 = 64 << 10;

/// The largest object that [`Objects::get`] reads into memory: 256 MiB.
pub const IN_MEMORY_LIMIT: u64 = 256 << 20;

/// So many bytes of bodies that deltas are based on are kept.
const BASES: usize = 16 << 20;
/// So many bytes of parsed trees are kept.
const TREES: usize = 16 << 20;
/// Trees with shorter bodies are not kept: that of a document with nothing beside it, `100644 blob` and an id, is read
/// once, and the ones above it often, however few entries they have.
const KEPT_TREE: usize = 45;

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
    /// Where its directories are, if it is one of what comes in.
    apart: Option<Arc<Apart>>,
    /// Whether anything is pending: readers need no lock while nothing is.
    is_pending: AtomicBool,
    own: Arc<Source>,
    /// What other directories hold, which are read and never written; found when an object is not in the own one.
    borrowed: OnceLock<Vec<Arc<Source>>>,
    bases: Arc<Bases>,
    trees: Cache<Id, Arc<Tree>, std::hash::BuildHasherDefault<IdHasher>>,
}

/// Turns an I/O error into one that names the path.
pub(crate) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

impl Store {
    /// The store of the database directory `root`; new files are written in the directory `temporary` first.
    pub fn new(disk: Arc<dyn Disk>, root: &Path, temporary: &Path) -> Store {
        let bases = Arc::new(Bases::new(BASES));
        Store {
            pending: Mutex::new(Pending::new(disk.clone(), &root.join("objects"), temporary)),
            hold: Hold::new(disk.clone(), temporary.parent().unwrap_or(root)),
            apart: None,
            is_pending: AtomicBool::new(false),
            own: Arc::new(Source::new(disk.clone(), &root.join("objects"), bases.clone())),
            borrowed: OnceLock::new(),
            bases,
            trees: Cache::new(TREES),
            disk,
            objects: root.join("objects"),
            temporary: temporary.to_owned(),
        }
    }

    /// Sets up to how many objects a flush writes as loose files; more go into one pack.
    pub fn set_unpack_limit(&self, limit: usize) {
        self.pending(|pending| pending.set_limit(limit));
    }

    /// Does something with what is pending.
    fn pending<T>(&self, act: impl FnOnce(&mut Pending) -> T) -> T {
        let mut pending = self.pending.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let done = act(&mut pending);
        self.is_pending.store(!pending.is_empty(), Ordering::Release);
        done
    }

    fn holds_pending(&self, id: Id) -> bool {
        self.is_pending.load(Ordering::Acquire) && self.pending(|pending| pending.holds(id))
    }

    /// The directories that are read beside the own one.
    fn borrowed(&self) -> Result<&[Arc<Source>]> {
        if let Some(sources) = self.borrowed.get() {
            return Ok(sources);
        }
        let dirs = alternates::list(&*self.disk, &self.objects)?;
        let open = |dir: PathBuf| Arc::new(Source::new(self.disk.clone(), &dir, self.bases.clone()));
        Ok(self.borrowed.get_or_init(|| dirs.into_iter().map(open).collect()))
    }

    /// Whether the store holds an object, flushed or not.
    pub fn contains(&self, id: Id) -> Result<bool> {
        if self.holds_pending(id) || self.place(id)?.is_some() {
            return Ok(true);
        }
        for source in std::iter::once(&self.own).chain(self.borrowed()?) {
            source.packs().rescan()?;
            if source.packs().locate(id)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where an object is stored. One that another process packed a moment ago may not be seen.
    fn place(&self, id: Id) -> Result<Option<Place>> {
        if let Some(place) = self.own.place(id)? {
            return Ok(Some(place));
        }
        for source in self.borrowed()? {
            if source.place(id)?.is_some() {
                return Ok(Some(Place::Borrowed));
            }
        }
        Ok(None)
    }

    /// An object's kind and size in bytes, from its header; the body is not checked.
    pub fn header(&self, id: Id) -> Result<Option<(Kind, u64)>> {
        self.find(
            id,
            &|pack, offset| pack.outline(offset).map(|outline| (outline.kind, outline.size)),
            &|path| Ok(self.open_file(id, path)?.map(|reader| (reader.kind(), reader.size()))),
            &|object| (object.kind, object.body.len() as u64),
        )
    }

    /// An object to read piece by piece: mostly the content of a document.
    pub fn open(&self, id: Id) -> Result<Option<Reader>> {
        if let Some(object) = self.own.packs().read_next(Kind::Blob, id)? {
            return Ok(Some(Reader::of_checked(object, id)));
        }
        self.find(
            id,
            &|pack, offset| {
                Ok(match pack.open_at(Kind::Blob, offset)? {
                    Opened::Stream(kind, size, stream) => {
                        Reader::of_stream(Box::new(stream), (id, pack.beside("pack")), (kind, size))
                    }
                    Opened::Object(object) => Reader::of_object(object, id),
                })
            },
            &|path| self.open_file(id, path),
            &|object| Reader::of_object(object, id),
        )
    }

    /// An object in memory, asked for as one of this kind, whatever it is.
    fn read(&self, kind: Option<Kind>, id: Id) -> Result<Option<Object>> {
        if let Some(kind) = kind
            && let Some(object) = self.own.packs().read_next(kind, id)?
        {
            return Ok(Some(object));
        }
        let from_file = |path: &Path| {
            // Mapped, so that an object above the limit is refused by its header and never read whole.
            match self.disk.map(path) {
                Ok(bytes) => loose::decode(&bytes, id).map(Some),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(io_error(path)(error)),
            }
        };
        self.find(id, &|pack, offset| pack.read_checked(kind, offset, id), &from_file, &|object| object)
    }

    /// A tree, and whether it is one of those that are kept.
    fn read_tree(&self, id: TreeId) -> Result<(Arc<Tree>, bool)> {
        if let Some(tree) = self.trees.get(&id.0) {
            return Ok((tree, true));
        }
        let tree = Tree::parse(self.require(id.0, Kind::Tree)?).map_err(|error| error.of_object(id.0))?;
        Ok((Arc::new(tree), false))
    }

    fn open_file(&self, id: Id, path: &Path) -> Result<Option<Reader>> {
        match self.disk.open(path) {
            Ok(file) => Reader::new(file, id, path.to_owned()).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(path)(error)),
        }
    }

    /// Reads an object wherever it is now: pending, in a pack or a file, here or where this store borrows from.
    fn find<T>(
        &self,
        id: Id,
        from_pack: FromPack<'_, T>,
        from_file: FromFile<'_, T>,
        from_object: &dyn Fn(Object) -> T,
    ) -> Result<Option<T>> {
        if self.is_pending.load(Ordering::Acquire) {
            match self.pending(|pending| pending.find(id))? {
                Some(Found::Object(object)) => return Ok(Some(from_object(object))),
                // A pending file that is gone was flushed by another thread since, and is stored.
                Some(Found::File(path)) => {
                    if let Some(read) = from_file(&path)? {
                        return Ok(Some(read));
                    }
                }
                None => {}
            }
        }
        let mut failure = match self.own.read(id, from_pack, from_file) {
            Ok(Some(read)) => return Ok(Some(read)),
            Ok(None) if id == TreeId::EMPTY.0 => return Ok(Some(from_object(EMPTY_TREE))),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let others = || self.borrowed().into_iter().flatten();
        let elsewhere = others().map(|source| source.read(id, from_pack, from_file));
        let anew = std::iter::once(&self.own).chain(others()).map(|source| source.read_new(id, from_pack));
        for read in elsewhere.chain(anew) {
            match read {
                Ok(Some(read)) => return Ok(Some(read)),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => self.own.packs().listed()?.check().map(|()| None),
        }
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
        let (_, path) = self.pending(Pending::next_file)?;
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

    /// Takes in a pack that somebody else made, from a stream that ends with it; bases that it leaves out are taken from
    /// this store. Nothing of it is stored before [`Received::keep`].
    ///
    /// # Errors
    /// [`Error::DamagedFile`] when the stream is no sound pack, [`Error::Damaged`] when an object in it is malformed,
    /// [`Error::Missing`] when a base is nowhere, [`Error::TooLarge`] for a delta, or an object other than a blob, above
    /// [`IN_MEMORY_LIMIT`].
    pub fn receive(&self, source: &mut dyn Read) -> Result<Received> {
        if let Some(apart) = &self.apart {
            apart.begin()?;
        }
        let resolve = |id| self.get(id);
        self.disk.create_dir_all(&self.temporary).map_err(io_error(&self.temporary))?;
        let dirs = Dirs { packs: &self.objects.join("pack"), temporary: &self.temporary };
        pack::receive::index_pack(self.disk.clone(), source, dirs, &resolve)
    }

    /// Makes all that was put durable and visible, in two waits for the disk: first the contents, with those of
    /// `beside` (files of the caller's that must be durable at the same point), then the names.
    ///
    /// # Errors
    /// After an error the objects that were put are gone from this store, and it refuses further writes: what the
    /// disk has of them is not known.
    pub fn flush(&self, beside: &[PathBuf]) -> Result<()> {
        if self.apart.is_some() && self.pending(|pending| pending.has_loose()) {
            self.own.expect_loose();
        }
        if self.pending(|pending| pending.flush(beside))? {
            // What was packed is put again by whoever goes on, and is to be known.
            self.own.packs().rescan()?;
        }
        Ok(())
    }

    /// Keeps every object that is stored now from being removed, until [`Store::discard`] or the store's end. A put does
    /// so too; who moves a ref to what is stored already calls this before looking for it.
    pub fn hold(&self) -> Result<()> {
        self.hold.take()
    }

    /// As [`Store::hold`], until [`Store::let_go_of`] is called as often: for those who use a store at the same time.
    pub(crate) fn hold_on(&self) -> Result<()> {
        self.hold.take_user()
    }

    /// Ends what one [`Store::hold_on`] began.
    pub(crate) fn let_go_of(&self) {
        self.hold.release_user();
        self.let_go();
    }

    /// Ends [`Store::hold`], unless something is put and not flushed yet.
    pub fn let_go(&self) {
        if self.pending(|pending| pending.is_idle()) {
            self.hold.release();
        }
    }

    /// Forgets all that was put since the last flush, and lets go of what is stored.
    pub fn discard(&self) {
        self.pending(Pending::discard);
        self.hold.release();
    }

    /// Whether an object is stored already and can be relied on: then the next flush makes it durable, and it counts
    /// as used at this moment.
    fn reuse(&self, id: Id) -> Result<bool> {
        let borrowed = self.borrowed()?;
        let by_list = |pending: &mut Pending| {
            let (listings, is_many) = pending.listings(1 + borrowed.len())?;
            let elsewhere =
                |source: &Source, listing| Ok(source.place_by(id, listing, is_many)?.map(|_| Place::Borrowed));
            let mut found = self.own.place_by(id, &mut listings[0], is_many);
            for (source, listing) in borrowed.iter().zip(&mut listings[1..]) {
                if let Ok(None) = found {
                    found = elsewhere(source, listing);
                }
            }
            Some(found)
        };
        let place = match self.is_pending.load(Ordering::Acquire).then(|| self.pending(by_list)).flatten() {
            Some(found) => found?,
            None => self.place(id)?,
        };
        match place {
            None => Ok(false),
            Some(Place::Borrowed) => Ok(true),
            Some(Place::Loose) => self.pending(|pending| pending.reuse(id)),
            Some(Place::Packed) => match self.own.packs().locate(id)? {
                Some((pack, _)) => Ok(self.pending(|pending| pending.reuse_packed(pack.beside("pack")))),
                None => Ok(false),
            },
        }
    }

    /// Removes temporary files that have not been written to since `before`, and at once those of writers that are
    /// known to be dead. Answers how many.
    pub fn sweep(&self, before: std::time::SystemTime) -> Result<usize> {
        temporary::sweep(&*self.disk, &self.objects, &self.temporary, before)
    }

    /// Removes the temporary files beside objects and packs that have not been written to since `before`. For upkeep: it
    /// looks into every directory of objects. Answers how many.
    pub fn sweep_beside(&self, before: std::time::SystemTime) -> usize {
        temporary::sweep_beside(&*self.disk, &self.objects, before)
    }
}

/// git knows the empty tree without storing it.
const EMPTY_TREE: Object = Object { kind: Kind::Tree, body: Vec::new() };

impl Objects for Store {
    fn get(&self, id: Id) -> Result<Option<Object>> {
        self.read(None, id)
    }

    fn require(&self, id: Id, kind: Kind) -> Result<Vec<u8>> {
        object::of_kind(self.read(Some(kind), id)?, id, kind)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id> {
        self.put_after(kind, body, None)
    }

    fn put_after(&self, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<Id> {
        self.hold.take()?;
        let id = hash(kind, body);
        if self.holds_pending(id) {
            return Ok(id);
        }
        if !self.reuse(id)? {
            self.pending(|pending| pending.add(id, kind, body, predecessor))?;
        }
        Ok(id)
    }

    fn tree(&self, id: TreeId) -> Result<Arc<Tree>> {
        let (tree, is_kept) = self.read_tree(id)?;
        let size = tree.body().len();
        if !is_kept && size >= KEPT_TREE {
            // The index into the body takes about a quarter of it.
            self.trees.insert(id.0, tree.clone(), size + size / 4 + 128);
        }
        Ok(tree)
    }

    fn tree_once(&self, id: TreeId) -> Result<Arc<Tree>> {
        Ok(self.read_tree(id)?.0)
    }

    fn soon(&self, kind: Kind, ids: &[Id]) {
        self.own.packs().touch(kind, ids);
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
