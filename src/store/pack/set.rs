//! The packs of one objects directory, as they are now: other processes add some and take others away at any time.

use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use super::{Bases, Failure, Flaw, Pack};
use crate::disk::Disk;
use crate::object::{Error, Id, Kind, Object};
use crate::store::seats::Seats;
use crate::store::{Result, io_error};

/// How often the packs are listed anew for one object while they are being replaced.
const ATTEMPTS: usize = 8;

/// So many packs are few.
const FEW: usize = 6;

/// The reader of a packed object, from its pack and offset.
pub(crate) type FromPack<'f, T> = &'f dyn Fn(&Arc<Pack>, u64) -> Result<T, Failure>;

/// The packs of one objects directory. Nothing is read before the first object is asked for.
#[derive(Debug)]
pub(crate) struct Packs {
    disk: Arc<dyn Disk>,
    /// `objects/pack`.
    dir: PathBuf,
    bases: Arc<Bases>,
    /// What was found last: each thread asks for it again and again.
    listed: Seats<RwLock<Option<Arc<Held>>>>,
    listing: Mutex<()>,
    /// The pack of the last object that was found: the next is likely to be there as well.
    recent: AtomicUsize,
}

/// What one look at the directory found.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// The names of the indexes, sorted.
    names: Vec<String>,
    /// The packs that can be used, in the order of their names.
    pub(crate) packs: Vec<Arc<Pack>>,
    /// The indexes that cannot be used, and why.
    pub(crate) broken: Vec<(PathBuf, Flaw)>,
}

/// A reference to what was found. To take one more is to count it, and a count that all threads write makes each wait for
/// the others: so those of a thread are counted apart.
#[derive(Debug)]
pub(crate) struct Held(Arc<Listed>);

impl Deref for Held {
    type Target = Listed;

    fn deref(&self) -> &Listed {
        &self.0
    }
}

impl Packs {
    /// The packs below the directory `objects`; what is kept of their bodies goes to `bases`.
    pub(crate) fn new(disk: Arc<dyn Disk>, objects: &Path, bases: Arc<Bases>) -> Packs {
        let dir = objects.join("pack");
        Packs { disk, dir, bases, listed: Seats::default(), listing: Mutex::default(), recent: AtomicUsize::new(0) }
    }

    /// The packs as they were found last.
    pub(crate) fn listed(&self) -> Result<Arc<Held>> {
        let known = self.listed.mine().read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        match known {
            Some(listed) => Ok(listed),
            None => self.list(None),
        }
    }

    /// Looks at the directory again. Whoever missed something is to look for it again then, whatever came of this: another
    /// thread may have been faster.
    pub(crate) fn rescan(&self) -> Result<()> {
        let before = self.listed()?;
        if self.names()? != before.names {
            self.list(Some(&before))?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries = match self.disk.list(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error(&self.dir)(error)),
        };
        let mut names: Vec<String> =
            entries.into_iter().map(|entry| entry.name).filter(|name| is_index(name)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Lists the packs; those that were there `before` stay open.
    fn list(&self, before: Option<&Listed>) -> Result<Arc<Held>> {
        // One thread at a time, so that an older list never takes the place of a newer one.
        let _alone = self.listing.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut listed = Listed { names: self.names()?, ..Listed::default() };
        let known = before.map_or(&[][..], |before| &before.packs);
        for name in &listed.names {
            let stem = self.dir.join(name.strip_suffix(".idx").unwrap_or(name));
            let is_there = self.disk.stat(&super::with_ending(&stem, "pack")).is_ok();
            if let Some(pack) = known.iter().find(|pack| pack.stem() == stem && is_there) {
                listed.packs.push(pack.clone());
                continue;
            }
            // An index alone is what is left of a pack that is being removed.
            if !is_there {
                continue;
            }
            match Pack::open(self.disk.clone(), stem.clone(), self.bases.clone()) {
                Ok(pack) => listed.packs.push(Arc::new(pack)),
                Err(failure) if failure.is_gone() => {}
                Err(Failure::Flaw(flaw)) => listed.broken.push((super::with_ending(&stem, "idx"), flaw)),
                Err(Failure::Io(source)) => return Err(io_error(&super::with_ending(&stem, "idx"))(source)),
                // An index names no size.
                Err(Failure::TooLarge(_)) => {}
            }
        }
        let listed = Arc::new(listed);
        for seat in self.listed.all() {
            *seat.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(Arc::new(Held(listed.clone())));
        }
        Ok(Arc::new(Held(listed)))
    }

    /// The pack that holds an object, and its place in the index, among the packs that were found last.
    pub(crate) fn locate(&self, id: Id) -> Result<Option<(Arc<Pack>, u32)>> {
        let listed = self.listed()?;
        Ok(self.places(&listed, id).next().map(|(pack, place)| (pack.clone(), place)))
    }

    /// All places of an object, that in the pack of the last find first. Among few packs large indexes come last, since
    /// looking into one for nothing costs more than into all the others.
    fn places<'l>(&self, listed: &'l Listed, id: Id) -> impl Iterator<Item = (&'l Arc<Pack>, u32)> {
        let count = listed.packs.len();
        let recent = self.recent.load(Ordering::Relaxed);
        let is_last = move |at: usize| count <= FEW && listed.packs[at].index().is_large();
        let order = move || (0..count).map(move |n| (recent + n) % count);
        let order = order().filter(move |&at| !is_last(at)).chain(order().filter(move |&at| is_last(at)));
        order.filter_map(move |at| {
            let pack = &listed.packs[at];
            let place = pack.index().find(id)?;
            // What all threads read is written only where it changes.
            if at != recent {
                self.recent.store(at, Ordering::Relaxed);
            }
            Some((pack, place))
        })
    }

    /// The object of this id and kind, if it is where the last one that was found leads to: see [`Pack::read_next`].
    pub(crate) fn read_next(&self, kind: Kind, id: Id) -> Result<Option<Object>> {
        let listed = self.listed()?;
        let pack = listed.packs.get(self.recent.load(Ordering::Relaxed));
        Ok(pack.and_then(|pack| pack.read_next(kind, id)))
    }

    /// Brings what leads to these objects closer, where it is in the pack of the last find: see [`Pack::touch`].
    pub(crate) fn touch(&self, kind: Kind, ids: &[Id]) {
        let Ok(listed) = self.listed() else { return };
        if let Some(pack) = listed.packs.get(self.recent.load(Ordering::Relaxed)) {
            pack.touch(kind, ids);
        }
    }

    /// Reads an object from one of the packs that were found last. Where a pack is damaged another may have the object
    /// too; where one is gone, the packs are listed anew.
    pub(crate) fn read<T>(&self, id: Id, read: FromPack<'_, T>) -> Result<Option<T>> {
        let mut listed = self.listed()?;
        for _ in 0..ATTEMPTS {
            let (mut gone, mut damaged) = (false, None);
            for (pack, place) in self.places(&listed, id) {
                match pack.offset(place).and_then(|offset| read(pack, offset)) {
                    Ok(read) => return Ok(Some(read)),
                    Err(failure) if failure.is_gone() => gone = true,
                    Err(failure) => damaged = Some(failure.of(id, pack)),
                }
            }
            match damaged {
                _ if gone => listed = self.list(Some(&listed))?,
                Some(error) => return Err(error),
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

fn is_index(name: &str) -> bool {
    name.starts_with("pack-") && name.ends_with(".idx")
}

impl Listed {
    /// The error of an object that is nowhere else, where it may be in an index that cannot be used.
    pub(crate) fn check(&self) -> Result<()> {
        match self.broken.first() {
            None => Ok(()),
            Some((path, Flaw(reason))) => Err(Error::DamagedFile { path: path.clone(), reason: (*reason).to_owned() }),
        }
    }
}
