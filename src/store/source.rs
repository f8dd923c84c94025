//! One objects directory to read from: its packs and its loose objects.
//!
//! Objects move between the two, and from pack to pack, while others read them; so what is in neither is looked for
//! once more in the packs as they are by then.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::pack::Bases;
use super::pack::set::{FromPack, Packs};
use super::{Result, io_error, loose};
use crate::disk::Disk;
use crate::object::{Id, IdSet, Prefix};

/// Where an object was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a file of its own.
    Loose,
    /// In a pack.
    Packed,
    /// In another database's objects directory.
    Borrowed,
}

/// More ids than this are not kept in a [`Listing`].
const LISTED: usize = 100_000;

/// The loose objects as they were when their directories were listed. What came later is not known: it is written again.
#[derive(Debug)]
pub(super) struct Listing {
    /// Which of the directories for the first byte are there, once that is known.
    dirs: Option<[bool; 256]>,
    is_listed: [bool; 256],
    ids: IdSet,
}

impl Default for Listing {
    fn default() -> Listing {
        Listing { dirs: None, is_listed: [false; 256], ids: IdSet::default() }
    }
}

/// How much one or more objects directories hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many loose objects there are.
    pub loose: u64,
    /// The bytes of their files.
    pub loose_bytes: u64,
    /// How many objects the packs have; one that is in two packs counts twice.
    pub packed: u64,
    /// How many packs there are.
    pub packs: u64,
    /// The bytes of the packs and of their indexes.
    pub pack_bytes: u64,
}

/// The reader of a loose object, from its file.
pub(super) type FromFile<'f, T> = &'f dyn Fn(&Path) -> Result<Option<T>>;

#[derive(Debug)]
pub(super) struct Source {
    disk: Arc<dyn Disk>,
    /// `objects/`.
    objects: PathBuf,
    packs: Packs,
    /// Whether there can be loose objects.
    has_loose: AtomicBool,
}

impl Source {
    pub(super) fn new(disk: Arc<dyn Disk>, objects: &Path, bases: Arc<Bases>) -> Source {
        let packs = Packs::new(disk.clone(), objects, bases);
        Source { packs, disk, objects: objects.to_owned(), has_loose: AtomicBool::new(true) }
    }

    /// A directory that this process alone writes to, in which there are no loose objects before [`Source::expect_loose`].
    pub(super) fn without_loose(disk: Arc<dyn Disk>, objects: &Path, bases: Arc<Bases>) -> Source {
        Source { has_loose: AtomicBool::new(false), ..Source::new(disk, objects, bases) }
    }

    pub(super) fn expect_loose(&self) {
        self.has_loose.store(true, Ordering::Release);
    }

    pub(super) fn packs(&self) -> &Packs {
        &self.packs
    }

    /// Reads an object from the packs that are known, or from its file.
    pub(super) fn read<T>(&self, id: Id, from_pack: FromPack<'_, T>, from_file: FromFile<'_, T>) -> Result<Option<T>> {
        let packed = self.packs.read(id, from_pack);
        if let Ok(Some(read)) = packed {
            return Ok(Some(read));
        }
        if !self.has_loose.load(Ordering::Acquire) {
            return packed;
        }
        // What is damaged in a pack may be whole in a file.
        match from_file(&loose::path(&self.objects, id))? {
            Some(read) => Ok(Some(read)),
            None => packed,
        }
    }

    /// Reads an object from packs that were not there a moment ago.
    pub(super) fn read_new<T>(&self, id: Id, from_pack: FromPack<'_, T>) -> Result<Option<T>> {
        self.packs.rescan()?;
        self.packs.read(id, from_pack)
    }

    /// Where an object is, by the packs that are known and by a list of the loose objects, which is completed as it is
    /// needed. Of which directories there are it knows at once: where there are none, no file is looked for. The files in
    /// them are listed where `is_many`: for so many objects that looking for each file would cost more than all the rest.
    pub(super) fn place_by(&self, id: Id, listing: &mut Listing, is_many: bool) -> Result<Option<Place>> {
        if self.packs.locate(id)?.is_some() {
            return Ok(Some(Place::Packed));
        }
        if !self.has_loose.load(Ordering::Acquire) {
            return Ok(None);
        }
        let byte = id.as_bytes()[0];
        let dirs = match &mut listing.dirs {
            Some(dirs) => dirs,
            dirs => dirs.insert(self.loose_dirs()?),
        };
        if !dirs[usize::from(byte)] {
            return Ok(None);
        }
        if !is_many || listing.ids.len() > LISTED {
            return self.place_loose(id);
        }
        if !std::mem::replace(&mut listing.is_listed[usize::from(byte)], true) {
            let mut ids = Vec::new();
            self.loose_ids(byte, &mut ids)?;
            listing.ids.extend(ids);
        }
        Ok(listing.ids.contains(&id).then_some(Place::Loose))
    }

    /// Where an object is, by the packs that are known.
    pub(super) fn place(&self, id: Id) -> Result<Option<Place>> {
        if self.packs.locate(id)?.is_some() {
            return Ok(Some(Place::Packed));
        }
        if self.has_loose.load(Ordering::Acquire) { self.place_loose(id) } else { Ok(None) }
    }

    fn place_loose(&self, id: Id) -> Result<Option<Place>> {
        let path = loose::path(&self.objects, id);
        match self.disk.stat(&path) {
            Ok(_) => Ok(Some(Place::Loose)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(&path)(error)),
        }
    }

    /// Adds the ids of all objects, in no order; some perhaps twice.
    pub(super) fn ids(&self, out: &mut Vec<Id>) -> Result<()> {
        self.all_loose_ids(out)?;
        self.packs.rescan()?;
        for pack in &self.packs.listed()?.packs {
            let index = pack.index();
            out.extend((0..index.len()).map(|place| index.id(place)));
        }
        Ok(())
    }

    /// Adds the ids that begin with a prefix, in no order; some perhaps twice.
    pub(super) fn with_prefix(&self, prefix: &Prefix, out: &mut Vec<Id>) -> Result<()> {
        let start = out.len();
        self.loose_ids(prefix.first_byte(), out)?;
        let matching: Vec<Id> = out.drain(start..).filter(|&id| prefix.matches(id)).collect();
        out.extend(matching);
        self.packs.rescan()?;
        for pack in &self.packs.listed()?.packs {
            out.extend(pack.index().with_prefix(prefix));
        }
        Ok(())
    }

    /// Adds the ids of all loose objects, in no order.
    pub(super) fn all_loose_ids(&self, out: &mut Vec<Id>) -> Result<()> {
        let dirs = self.loose_dirs()?;
        (0..=u8::MAX).filter(|byte| dirs[usize::from(*byte)]).try_for_each(|byte| self.loose_ids(byte, out))
    }

    /// The first bytes for which there is a directory: few where little was stored, none where all is packed.
    fn loose_dirs(&self) -> Result<[bool; 256]> {
        let mut dirs = [false; 256];
        let entries = match self.disk.list(&self.objects) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(dirs),
            entries => entries.map_err(io_error(&self.objects))?,
        };
        let two = entries.iter().filter(|entry| entry.name.len() == 2);
        for byte in two.filter_map(|entry| u8::from_str_radix(&entry.name, 16).ok()) {
            dirs[usize::from(byte)] = true;
        }
        Ok(dirs)
    }

    /// Adds the ids of the loose objects that start with a byte, in no order.
    fn loose_ids(&self, byte: u8, out: &mut Vec<Id>) -> Result<()> {
        let dir = self.objects.join(format!("{byte:02x}"));
        let entries = match self.disk.list(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(io_error(&dir)(error)),
        };
        out.extend(
            entries
                .iter()
                .filter(|entry| entry.name.len() == 62 && !entry.name.contains(|c: char| c.is_ascii_uppercase()))
                .filter_map(|entry| format!("{byte:02x}{}", entry.name).parse::<Id>().ok()),
        );
        Ok(())
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        let mut usage = Usage::default();
        let mut ids = Vec::new();
        for byte in 0..=255u8 {
            self.loose_ids(byte, &mut ids)?;
            for id in ids.drain(..) {
                if let Some(len) = self.size_of(&loose::path(&self.objects, id))? {
                    usage.loose += 1;
                    usage.loose_bytes += len;
                }
            }
        }
        self.packs.rescan()?;
        for pack in &self.packs.listed()?.packs {
            if let Some(len) = self.size_of(&pack.beside("pack"))? {
                usage.packs += 1;
                usage.packed += u64::from(pack.index().len());
                usage.pack_bytes += len + pack.index().size();
            }
        }
        Ok(usage)
    }

    /// The size of a file; `None` when somebody has removed it meanwhile.
    fn size_of(&self, path: &Path) -> Result<Option<u64>> {
        match self.disk.stat(path) {
            Ok(stat) => Ok(Some(stat.len)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(path)(error)),
        }
    }
}
