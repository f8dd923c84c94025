//! Objects that were put and not flushed yet: few wait in memory and become loose files, many go into one pack, and
//! large contents are temporary files from the start.
//!
//! Order of a flush, which everything else rests on: contents are durable before any gets its name, and names are
//! durable before `flush` returns.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::incoming::Apart;
use super::pack::delta::DeltaIndex;
use super::pack::files::Finished;
use super::pack::write::{Effort, PackWriter};
use super::source::Listing;
use super::temporary::{BESIDE, Stem, new_stem};
use super::window::{Body, Window};
use super::{Result, io_error, loose};
use crate::disk::{Access, Disk};
use crate::object::{Error, Id, IdMap, Kind, Object};

/// Up to so many objects become loose files, unless the configuration says otherwise.
pub(super) const UNPACK_LIMIT: usize = 100;
/// So many objects, and so many bytes of bodies, wait in memory for what else comes; more go into a pack as they come.
const HELD: usize = 1024;
const IN_MEMORY: usize = 8 << 20;
/// So many deltas at most stand between an object and a whole one.
const DEPTH: u8 = 8;
/// Shorter bodies are not worth a delta.
const DELTA_FROM: usize = 96;
/// Loose objects that are used again are made durable with the others; at so many of them, at once.
const REUSED: usize = 4096;
/// From so many objects on it pays to ask once which directories of loose objects there are.
const LISTED_FROM: usize = 16;
/// What was written or touched less long ago is young enough for any grace time.
const FRESH: Duration = Duration::from_secs(60 * 60);

/// Where an object is until it is flushed.
pub(super) enum Found {
    Object(Object),
    /// A loose object's file under a temporary name.
    File(PathBuf),
}

#[derive(Debug)]
pub(super) struct Pending {
    disk: Arc<dyn Disk>,
    /// `objects/`.
    objects: PathBuf,
    temporary: PathBuf,
    /// So many objects become loose files.
    limit: usize,
    /// So many wait in memory.
    held: usize,
    /// Where these directories are, when they are made only for what does not wait in memory.
    apart: Option<Arc<Apart>>,
    /// How this store's temporary names begin: no other process and no other store of this process has it.
    stem: String,
    /// The lock that stands for the files in the temporary directory; taken when the first is made.
    lock: Option<Stem>,
    count: u64,
    /// The objects in memory, in the order in which they were put, and their places by id.
    waiting: Vec<Waiting>,
    places: IdMap<usize>,
    /// The bytes of their bodies.
    bytes: usize,
    /// Objects in temporary files, by number.
    files: IdMap<u64>,
    pack: Option<PackWriter>,
    /// Bodies of the pack that are likely to be asked for.
    window: Window,
    /// The loose objects of this store and of those that it borrows from.
    listings: Vec<Listing>,
    /// Loose objects that somebody else had stored already, perhaps without having flushed them yet.
    reused: BTreeSet<Id>,
    /// Packs that hold objects that were put again.
    reused_packs: BTreeSet<PathBuf>,
    failed: bool,
}

#[derive(Debug)]
struct Waiting {
    id: Id,
    kind: Kind,
    body: Arc<[u8]>,
    predecessor: Option<Id>,
}

impl Pending {
    pub(super) fn new(disk: Arc<dyn Disk>, objects: &Path, temporary: &Path) -> Pending {
        Pending {
            disk,
            objects: objects.to_owned(),
            temporary: temporary.to_owned(),
            limit: UNPACK_LIMIT,
            held: HELD,
            apart: None,
            stem: new_stem(),
            lock: None,
            count: 0,
            waiting: Vec::new(),
            places: IdMap::default(),
            bytes: 0,
            files: IdMap::default(),
            pack: None,
            window: Window::default(),
            listings: Vec::new(),
            reused: BTreeSet::new(),
            reused_packs: BTreeSet::new(),
            failed: false,
        }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        (self.limit, self.held) = (limit, limit.max(HELD));
    }

    /// Has so many objects wait in memory.
    #[cfg(test)]
    pub(super) fn set_held(&mut self, held: usize) {
        self.held = held;
    }

    /// Up to how many objects become loose files.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Lets so many objects wait in memory, and makes the directories of what does not when it comes.
    pub(super) fn stay_apart(&mut self, apart: Arc<Apart>, limit: usize, held: usize) {
        (self.apart, self.limit, self.held) = (Some(apart), limit, held);
    }

    /// Has what waits in memory, which is all, flushed into other directories, which are there.
    pub(super) fn turn_to(&mut self, objects: &Path, temporary: &Path) {
        (self.objects, self.temporary, self.apart) = (objects.to_owned(), temporary.to_owned(), None);
    }

    /// Whether there is something that may become loose files.
    pub(super) fn has_loose(&self) -> bool {
        !self.waiting.is_empty() || !self.files.is_empty()
    }

    /// Whether there is nothing to read here.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.files.is_empty() && self.pack.is_none()
    }

    /// Whether nothing waits for a flush.
    pub(super) fn is_idle(&self) -> bool {
        self.is_empty() && self.reused.is_empty() && self.reused_packs.is_empty()
    }

    /// What is known of the loose objects of so many directories, when so much was put that asking for each would cost; and
    /// whether it is so much that it goes into a pack as it comes.
    pub(super) fn listings(&mut self, count: usize) -> Option<(&mut [Listing], bool)> {
        let is_many = self.pack.is_some();
        if !is_many && self.waiting.len() < LISTED_FROM {
            return None;
        }
        self.listings.resize_with(count.max(self.listings.len()), Listing::default);
        Some((&mut self.listings, is_many))
    }

    pub(super) fn holds(&self, id: Id) -> bool {
        self.places.contains_key(&id)
            || self.files.contains_key(&id)
            || self.pack.as_ref().is_some_and(|pack| pack.contains(id))
    }

    /// Notes that an object is put that is a loose file already. `false` when it is not to be relied on.
    pub(super) fn reuse(&mut self, id: Id) -> Result<bool> {
        if self.reused.contains(&id) {
            return Ok(true);
        }
        if self.disk.touch(&loose::path(&self.objects, id), FRESH).is_err() {
            return Ok(false);
        }
        self.reused.insert(id);
        if self.reused.len() >= REUSED {
            let (contents, names) = self.take_reused();
            self.sync(&contents)?;
            self.sync(&names)?;
        }
        Ok(true)
    }

    /// Notes that an object is put that is in the pack of this path already. `false` when it is not to be relied on.
    pub(super) fn reuse_packed(&mut self, pack: PathBuf) -> bool {
        let is_fresh = self.reused_packs.contains(&pack) || self.disk.touch(&pack, FRESH).is_ok();
        if is_fresh {
            self.reused_packs.insert(pack);
        }
        is_fresh
    }

    /// The files to make durable for the objects that are used again, and their directories.
    fn take_reused(&mut self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let files: Vec<PathBuf> =
            std::mem::take(&mut self.reused).into_iter().map(|id| loose::path(&self.objects, id)).collect();
        let mut names: Vec<PathBuf> = files.iter().filter_map(|path| path.parent().map(Path::to_owned)).collect();
        names.dedup();
        if !std::mem::take(&mut self.reused_packs).is_empty() {
            // Whoever made a pack has flushed it before it got its name, but perhaps not the name.
            names.push(self.objects.join("pack"));
        }
        if !names.is_empty() {
            // Directories that somebody else made a moment ago may not be durable under their own names yet.
            names.push(self.objects.clone());
        }
        (files, names)
    }

    /// An object that was put, wherever it is.
    pub(super) fn find(&mut self, id: Id) -> Result<Option<Found>> {
        if let Some(&at) = self.places.get(&id) {
            let Waiting { kind, body, .. } = &self.waiting[at];
            return Ok(Some(Found::Object(Object { kind: *kind, body: body.to_vec() })));
        }
        if let Some(&number) = self.files.get(&id) {
            return Ok(Some(Found::File(self.path(number))));
        }
        let Some(pack) = &mut self.pack else { return Ok(None) };
        match self.window.get(id) {
            Some(body) => Ok(Some(Found::Object(Object { kind: body.kind, body: body.bytes.to_vec() }))),
            None => Ok(pack.get(id)?.map(Found::Object)),
        }
    }

    /// The path of a file in the temporary directory.
    fn path(&self, number: u64) -> PathBuf {
        self.temporary.join(format!("{}-{number}", self.stem))
    }

    fn check_usable(&self) -> Result<()> {
        if self.failed {
            let source = std::io::Error::other("an earlier write of this process failed");
            return Err(io_error(&self.temporary)(source));
        }
        Ok(())
    }

    fn make_temporary(&self) -> Result<()> {
        if let Some(apart) = &self.apart {
            apart.begin()?;
        }
        self.disk.create_dir_all(&self.temporary).map(drop).map_err(io_error(&self.temporary))
    }

    /// The number and the path of a new temporary file for a large content.
    pub(super) fn next_file(&mut self) -> Result<(u64, PathBuf)> {
        self.check_usable()?;
        if self.lock.is_none() {
            self.make_temporary()?;
            self.lock = Some(Stem::lock(&self.disk, &self.temporary, self.stem.clone())?);
        }
        self.count += 1;
        Ok((self.count, self.path(self.count)))
    }

    /// Takes over a temporary file that holds an object; `false` when the object is pending already.
    pub(super) fn add_file(&mut self, id: Id, number: u64) -> bool {
        let is_new = !self.holds(id);
        if is_new {
            self.files.insert(id, number);
        }
        is_new
    }

    /// Adds an object that is likely to resemble its predecessor, if it has one.
    pub(super) fn add(&mut self, id: Id, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<()> {
        self.check_usable()?;
        if self.holds(id) {
            // Another thread has put it since the caller looked.
            return Ok(());
        }
        if self.pack.is_none() {
            if self.waiting.len() < self.held && self.bytes + body.len() <= IN_MEMORY {
                self.places.insert(id, self.waiting.len());
                self.waiting.push(Waiting { id, kind, body: body.into(), predecessor });
                self.bytes += body.len();
                return Ok(());
            }
            self.start_pack(Effort::Bulk)?;
        }
        self.pack_one((id, kind, predecessor), body, || body.into()).inspect_err(|_| self.failed = true)
    }

    /// Moves all that waits in memory into a pack.
    fn start_pack(&mut self, effort: Effort) -> Result<()> {
        self.make_temporary()?;
        let waiting = std::mem::take(&mut self.waiting);
        let packs = self.objects.join("pack");
        // In a flush this is all; in bulk work it is the beginning.
        let count = Some(waiting.len()).filter(|_| effort == Effort::Little);
        let mut pack = PackWriter::create(self.disk.clone(), &packs, &self.temporary, count)?;
        pack.set_effort(effort);
        self.pack = Some(pack);
        self.places.clear();
        self.bytes = 0;
        for Waiting { id, kind, body, predecessor } in waiting {
            self.pack_one((id, kind, predecessor), &body, || body.clone()).inspect_err(|_| self.failed = true)?;
        }
        Ok(())
    }

    /// Adds an object to the pack, with its predecessor, if it has one; `shared` answers the body to keep.
    fn pack_one(
        &mut self,
        (id, kind, predecessor): (Id, Kind, Option<Id>),
        body: &[u8],
        shared: impl FnOnce() -> Arc<[u8]>,
    ) -> Result<()> {
        let Some(pack) = &mut self.pack else { return Ok(()) };
        let base = predecessor.filter(|_| body.len() >= DELTA_FROM).and_then(|base| self.window.get(base));
        let delta = base.filter(|base| base.depth < DEPTH && base.kind == kind).and_then(|base| {
            // Ids do not compress, and the rest to less than half, of a delta as of a body: the half is clearly less.
            let delta = DeltaIndex::new(&base.bytes).make(body, body.len() / 2)?;
            Some((delta, base.depth + 1))
        });
        let depth = match (delta, predecessor) {
            (Some((delta, depth)), Some(base)) => {
                pack.add_delta(id, base, &delta)?;
                depth
            }
            _ => {
                pack.add(id, kind, body)?;
                0
            }
        };
        // Contents of documents are put by who has just read them; trees and commits are read again for the next.
        if kind != Kind::Blob {
            self.window.insert(id, Body { kind, bytes: shared(), depth });
        }
        Ok(())
    }

    /// Flushes; answers whether there is a new pack.
    pub(super) fn flush(&mut self, beside: &[PathBuf]) -> Result<bool> {
        let mut written = Vec::new();
        let flushed = self.check_usable().and_then(|()| self.try_flush(beside, &mut written));
        if flushed.is_err() {
            self.failed = true;
            for (_, path) in written {
                // Best effort: what is left is swept later.
                let _ = self.disk.remove(&path);
            }
            self.discard();
        }
        flushed
    }

    fn sync(&self, paths: &[PathBuf]) -> Result<()> {
        match paths.first() {
            Some(first) => self.disk.sync(paths).map_err(io_error(first)),
            None => Ok(()),
        }
    }

    /// The same, but paths in `movable` may be gone by now: git packs loose objects whenever it likes, flushes its pack,
    /// and removes them and their directories.
    fn sync_movable(&self, mut movable: Vec<PathBuf>, fixed: &[PathBuf]) -> Result<()> {
        loop {
            let synced = self.sync(&[movable.as_slice(), fixed].concat());
            let before = movable.len();
            if matches!(&synced, Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound) {
                movable.retain(|path| self.disk.stat(path).is_ok());
            }
            if movable.len() == before {
                return synced;
            }
            let packs = self.objects.join("pack");
            if self.disk.stat(&packs).is_ok() && !movable.contains(&packs) {
                movable.push(packs);
            }
        }
    }

    /// Flushes; `written` tells at any time which temporary files of loose objects there are.
    fn try_flush(&mut self, beside: &[PathBuf], written: &mut Vec<(Id, PathBuf)>) -> Result<bool> {
        if self.pack.is_none() && self.waiting.len() > self.limit {
            self.start_pack(Effort::Little)?;
        }
        if let Some(apart) = self.apart.as_ref().filter(|_| self.has_loose()) {
            apart.begin()?;
        }
        for (number, object) in self.waiting.iter().enumerate() {
            let path = loose::path(&self.objects, object.id);
            let path = path.with_file_name(format!("{BESIDE}{}-{}", self.stem, self.count + number as u64));
            written.push((object.id, path));
            write(&*self.disk, &written[number].1, object.kind, &object.body)?;
        }
        self.count += self.waiting.len() as u64;
        written.extend(self.files.iter().map(|(&id, &number)| (id, self.path(number))));
        let pack = self.pack.take().map(PackWriter::finish).transpose()?;
        let (reused, mut names) = self.take_reused();
        let mut contents: Vec<PathBuf> = written.iter().map(|(_, path)| path.clone()).collect();
        contents.extend(pack.iter().flat_map(Finished::files));
        contents.extend_from_slice(beside);
        self.sync_movable(reused, &contents)?;

        let has_loose = !written.is_empty();
        // In the order of their directories, which are then looked up one after the other.
        written.sort_unstable();
        while let Some((id, path)) = written.last() {
            let to = loose::path(&self.objects, *id);
            self.rename(path, &to)?;
            names.extend(to.parent().map(Path::to_owned));
            written.pop();
        }
        if has_loose {
            names.push(self.objects.clone());
        }
        let is_packed = pack.is_some();
        if let Some(pack) = pack {
            names.extend(pack.install()?);
        }
        names.sort_unstable();
        names.dedup();
        self.clear();
        self.sync_movable(names, &[])?;
        Ok(is_packed)
    }

    /// Gives an object's file its name. What has the name already holds the same object, so that replacing it changes
    /// nothing for anybody; and ours is durable, which theirs may not be.
    fn rename(&self, temporary: &Path, path: &Path) -> Result<()> {
        in_its_dir(&*self.disk, path, &|| self.disk.rename(temporary, path))
    }

    /// Forgets what is in memory.
    fn clear(&mut self) {
        self.waiting.clear();
        self.places.clear();
        self.bytes = 0;
        self.files.clear();
        self.window = Window::default();
        self.listings.clear();
        self.reused.clear();
        self.reused_packs.clear();
    }

    /// Removes the temporary files, as far as that goes: what is left is swept later.
    pub(super) fn discard(&mut self) {
        self.pack = None;
        for &number in self.files.values() {
            let _ = self.disk.remove(&self.path(number));
        }
        self.clear();
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.discard();
    }
}

fn write(disk: &dyn Disk, path: &Path, kind: Kind, body: &[u8]) -> Result<()> {
    let bytes = loose::encode(kind, body);
    in_its_dir(disk, path, &|| disk.write_new(path, &bytes, Access::ReadOnly))
}

/// Does something at a path for which the directory is made if need be, and again if git finds it empty and removes it.
pub(super) fn in_its_dir(disk: &dyn Disk, path: &Path, act: &dyn Fn() -> io::Result<()>) -> Result<()> {
    let mut tries = 0;
    loop {
        match act() {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 100 => {
                tries += 1;
                make_parent(disk, path)?;
            }
            done => return done.map_err(io_error(path)),
        }
    }
}

/// Makes the directory that an object lies in.
fn make_parent(disk: &dyn Disk, path: &Path) -> Result<()> {
    let dir = path.parent().expect("an object lies in a directory");
    match disk.create_dir(dir) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(io_error(dir)(error)),
        _ => Ok(()),
    }
}
