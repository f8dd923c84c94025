//! Reading all that a store holds to find what is damaged: every byte of packs, indexes and loose objects.
//!
//! A pack is read in the order of its bytes by all cores, in pieces; what is kept of an object is in the
//! [census](super::census).

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::census::{Census, Counted};
use super::pack::index::BEYOND_TABLE;
use super::pack::{Failure, Flaw, Pack};
use super::{IN_MEMORY_LIMIT, Reader, Result, STREAM_FROM, Store, io_error, loose};
use crate::object::{self, Error, Id, Kind};

/// More threads than this would wait for memory.
const THREADS: usize = 16;
/// So many objects are read before the next are asked for.
const PIECE: usize = 256;
/// What the tree of a document with nothing else begins with, before the id of the content.
const PLAIN: &[u8] = b"100644 blob\0";

/// One thing that is wrong with a file of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The kind of fault, by a name that stays the same in all versions.
    pub(crate) rule: &'static str,
    /// The file.
    pub(crate) file: PathBuf,
    /// The object that is damaged; `None` for a fault of the file as a whole.
    pub(crate) object: Option<Id>,
    /// What is wrong.
    pub(crate) reason: String,
    /// Whether nothing is damaged for all that.
    pub(crate) is_harmless: bool,
}

impl Fault {
    fn of_file(rule: &'static str, file: PathBuf, reason: impl ToString) -> Fault {
        Fault { rule, file, object: None, reason: reason.to_string(), is_harmless: false }
    }

    fn of_object(file: PathBuf, id: Id, error: Error) -> Result<Fault> {
        let (rule, reason) = match error {
            Error::Io { path, source } => return Err(Error::Io { path, source }),
            Error::Damaged { reason, .. } => ("object-damaged", reason),
            error @ Error::TooLarge { .. } => ("object-large", error.to_string()),
            error => ("object-damaged", error.to_string()),
        };
        Ok(Fault { rule, file, object: Some(id), reason, is_harmless: false })
    }
}

/// What the threads have found.
type Found = Mutex<(Vec<(usize, Fault)>, Option<Error>)>;

impl Store {
    /// Reads a stored object whole and checks its hash, for fsck. `None` when it is not there.
    pub fn verify(&self, id: Id) -> Result<Option<Kind>> {
        Ok(self.open(id)?.map(check_whole).transpose()?.map(|(kind, _)| kind))
    }

    /// What there is now, not yet read.
    pub(crate) fn census(&self) -> Result<Census> {
        Census::take(self)
    }

    /// Reads all objects of a census and notes there which are sound. Answers the faults, in an order that does not
    /// depend on the threads. `progress` is told how many of how many objects were read.
    pub(crate) fn verify_all(&self, census: &Census, progress: &mut dyn FnMut(u64, u64)) -> Result<Vec<Fault>> {
        let total = census.len() as u64;
        let mut faults = self.odd_packs()?;
        for counted in &census.packs {
            let mut told = |done: usize| progress(u64::from(counted.first) + done as u64, total);
            verify_pack(census, counted, &mut faults, &mut told)?;
        }
        let mut told = |done: usize| progress(u64::from(census.first_loose) + done as u64, total);
        faults.extend(in_pieces(census.loose.len(), &mut told, &|at| {
            let (number, id) = (census.first_loose + at as u32, census.loose[at]);
            let path = loose::path(&self.objects, id);
            match self.open_file(id, &path).and_then(|reader| reader.map(check_whole).transpose()) {
                Ok(Some((kind, body))) => note(census, number, kind, &body),
                // Another process packed or removed it since it was listed.
                Ok(None) => {}
                Err(error) => {
                    census.set_damaged(number);
                    return Fault::of_object(path, id, error).map(Some);
                }
            }
            Ok(None)
        })?);
        progress(total, total);
        Ok(faults)
    }

    /// What is odd about the names among the packs, and the indexes that cannot be used at all.
    fn odd_packs(&self) -> Result<Vec<Fault>> {
        let dir = self.objects.join("pack");
        let mut names: Vec<String> = match self.disk.list(&dir) {
            Ok(entries) => entries.into_iter().map(|entry| entry.name).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(io_error(&dir)(error)),
        };
        names.sort_unstable();
        let mut faults = Vec::new();
        for name in names.iter().filter(|name| name.starts_with("pack-")) {
            let has = |stem: &str, ending| names.binary_search(&format!("{stem}.{ending}")).is_ok();
            let (rule, reason) = match name.rsplit_once('.') {
                Some((stem, "pack")) if !has(stem, "idx") => {
                    ("pack-missing-index", "it has no index, so nobody reads it")
                }
                Some((stem, "idx")) if !has(stem, "pack") => ("index-missing-pack", "it has no pack"),
                _ => continue,
            };
            faults.push(Fault { is_harmless: true, ..Fault::of_file(rule, dir.join(name), reason) });
        }
        for (path, Flaw(reason)) in &self.own.packs().listed()?.broken {
            faults.push(Fault::of_file("index-damaged", path.clone(), reason));
        }
        Ok(faults)
    }
}

/// Reads one pack and its index. Faults of the files come first, then those of objects in the order of the pack.
fn verify_pack(
    census: &Census,
    counted: &Counted,
    faults: &mut Vec<Fault>,
    progress: &mut dyn FnMut(usize),
) -> Result<()> {
    let Counted { pack, first } = counted;
    let (file, index_file) = (pack.beside("pack"), pack.beside("idx"));
    let known = faults.len();
    if let Err(Flaw(reason)) = pack.index().verify() {
        faults.push(Fault::of_file("index-damaged", index_file.clone(), reason));
    }
    pack.index().release();
    let spoilt = |failure, faults: &mut Vec<Fault>| {
        (0..pack.index().len()).for_each(|place| census.set_damaged(first + place));
        let (rule, file) = match &failure {
            Failure::Io(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Failure::Flaw(Flaw(BEYOND_TABLE)) => ("index-damaged", index_file.clone()),
            _ => ("pack-damaged", file.clone()),
        };
        match failure {
            Failure::Flaw(Flaw(reason)) => faults.push(Fault::of_file(rule, file, reason)),
            Failure::Io(source) => return Err(io_error(&file)(source)),
            // Files have no size that would be refused.
            Failure::TooLarge(_) => {}
        }
        Ok(())
    };
    let (end, places) = match pack.end().and_then(|end| Ok((end, pack.by_offset()?))) {
        Ok(found) => found,
        Err(failure) => return spoilt(failure, faults),
    };
    let offset = |rank: usize| places.get(rank).map_or(Ok(end), |&place| pack.offset(place));
    let crcs = Mutex::new(Vec::new());
    // The checksum of the whole is one more piece of work beside the objects.
    let found = in_pieces(places.len() + 1, progress, &|rank| {
        if rank == 0 {
            return Ok(match pack.verify_checksum() {
                Ok(()) => None,
                Err(Failure::Flaw(Flaw(reason))) => Some(Fault::of_file("pack-damaged", file.clone(), reason)),
                Err(failure) => return Err(failure.of(Id::ZERO, pack)),
            });
        }
        let rank = rank - 1;
        let place = places[rank];
        let id = pack.index().id(place);
        let checked = offset(rank).and_then(|at| Ok((at, offset(rank + 1)?)));
        let checked = checked.map_err(|failure| failure.of(id, pack)).and_then(|(at, end)| {
            let (kind, body) = check_entry(pack, at, id)?;
            if pack.crc(at, end).ok() != Some(pack.index().crc(place)) {
                crcs.lock().unwrap_or_else(PoisonError::into_inner).push(id);
            }
            Ok((kind, body))
        });
        match checked {
            Ok((kind, body)) => note(census, first + place, kind, &body),
            Err(error) => {
                census.set_damaged(first + place);
                return Fault::of_object(file.clone(), id, error).map(Some);
            }
        }
        Ok(None)
    })?;
    faults.extend(found);
    // A checksum that differs where the pack is whole is the index's own mistake.
    let crcs = crcs.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(id) = crcs.iter().min()
        && faults[known..].is_empty()
    {
        let reason = format!("its checksums of {} objects are others, such as that of {id}", crcs.len());
        faults.push(Fault::of_file("index-damaged", index_file, reason));
    }
    Ok(())
}

/// Reads an entry as the object of this id. The body is not answered where it is long.
fn check_entry(pack: &std::sync::Arc<Pack>, offset: u64, id: Id) -> Result<(Kind, Vec<u8>)> {
    let of_pack = |failure: Failure| failure.of(id, pack);
    if let Some((kind, size, stream)) = pack.stream(offset).map_err(of_pack)?
        && size > STREAM_FROM
    {
        return check_whole(Reader::of_stream(Box::new(stream), (id, pack.beside("pack")), (kind, size)));
    }
    let object = pack.read(offset).map_err(of_pack)?;
    if object.id() != id {
        return Err(Error::Damaged { id, reason: "its hash is another".into() });
    }
    object::check(object.kind, &object.body).map_err(|error| Error::Damaged { id, reason: error.to_string() })?;
    Ok((object.kind, object.body))
}

/// Reads an object to its end. The body is not answered for a blob.
fn check_whole(mut reader: Reader) -> Result<(Kind, Vec<u8>)> {
    let (id, kind) = (reader.id(), reader.kind());
    if kind == Kind::Blob {
        reader.copy_to(&mut io::sink())?;
        return Ok((kind, Vec::new()));
    }
    let body = reader.into_body(IN_MEMORY_LIMIT)?;
    object::check(kind, &body).map_err(|error| Error::Damaged { id, reason: error.to_string() })?;
    Ok((kind, body))
}

/// Notes a sound object.
fn note(census: &Census, number: u32, kind: Kind, body: &[u8]) {
    if kind == Kind::Tree
        && let Some(blob) = body.strip_prefix(PLAIN).and_then(|rest| <[u8; 32]>::try_from(rest).ok())
    {
        census.set_content(number, Id::from_bytes(blob));
    }
    census.set_sound(number, kind);
}

/// Does `work` for all numbers below `len`, on all cores, and answers what it finds in the order of the numbers. This
/// thread tells `progress` how far they are.
fn in_pieces(
    len: usize,
    progress: &mut dyn FnMut(usize),
    work: &(dyn Fn(usize) -> Result<Option<Fault>> + Sync),
) -> Result<Vec<Fault>> {
    let next = AtomicUsize::new(0);
    let found: Found = Mutex::default();
    let run = |told: &mut dyn FnMut(usize)| {
        loop {
            let start = next.fetch_add(PIECE, Ordering::Relaxed);
            if start >= len {
                break;
            }
            told(start);
            for at in start..len.min(start + PIECE) {
                let result = work(at);
                if !matches!(result, Ok(None)) {
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match result {
                        Ok(fault) => found.0.extend(fault.map(|fault| (at, fault))),
                        Err(error) => {
                            found.1.get_or_insert(error);
                            next.store(len, Ordering::Relaxed);
                        }
                    }
                }
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    thread::scope(|scope| {
        for _ in 1..cores.min(len.div_ceil(PIECE)) {
            scope.spawn(|| run(&mut |_| {}));
        }
        run(progress);
    });
    let (mut found, error) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(at, _)| *at);
    match error {
        Some(error) => Err(error),
        None => Ok(found.into_iter().map(|(_, fault)| fault).collect()),
    }
}
