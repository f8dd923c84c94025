//! A pack for another database, as a stream: made as a gc makes one, of what the other lacks, with deltas against what it has.
//!
//! Nothing is written to the disk, and the memory that it takes is a few numbers for each object that is stored.

use std::io::{self, Write};
use std::path::Path;

use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};

use super::encode::Encoded;
use super::mark::Marks;
use super::plan::Plan;
use super::stock::{Bits, Stock};
use crate::object::{CommitId, Error, Id, IdMap, Kind, TagId};
use crate::store::pack::entry::{self, EntryKind};
use crate::store::pack::write::Copied;
use crate::store::walk::Bounds;
use crate::store::{Result, Store, deflate, io_error};

/// A walk that meets what was written since it began is made again so many times.
const ATTEMPTS: usize = 5;

/// What another database is to get.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Commits that it lacks, parents first. It has the parents that are not among them, with all that they lead to.
    pub commits: Vec<CommitId>,
    /// Tags that it lacks, without what they lead to.
    pub tags: Vec<TagId>,
    /// What it is to get with all that it leads to.
    pub whole: Vec<Id>,
    /// Whether deltas may be against objects that it has and that do not travel: a thin pack.
    pub is_thin: bool,
    /// Whether it understands deltas that name their bases by where they are in the pack.
    pub takes_offsets: bool,
}

/// A pack that has been worked out and not been made.
#[derive(Debug)]
pub struct Outgoing<'s> {
    store: &'s Store,
    stock: Stock,
    plan: Plan,
    takes_offsets: bool,
}

impl Store {
    /// Works out the pack that somebody needs.
    ///
    /// # Errors
    /// When something that is to be sent is missing or damaged.
    pub fn outgoing(&self, wanted: &Wanted) -> Result<Outgoing<'_>> {
        for _ in 0..ATTEMPTS {
            let stock = Stock::take_all(self)?;
            let mut marks = Marks::new(self, &stock);
            marks.walk_added(&wanted.commits)?;
            for tag in &wanted.tags {
                marks.add_alone(tag.0, Kind::Tag)?;
            }
            let mut whole = Vec::with_capacity(wanted.whole.len());
            for &id in &wanted.whole {
                let (kind, _) = self.header(id)?.ok_or(Error::Missing { id, kind: None })?;
                whole.push((id, kind));
            }
            marks.walk(&whole, &Bounds { shallow: &[], is_lenient: false })?;
            if marks.has_left_stock() {
                continue;
            }
            let (order, versions) = (marks.take_order(), marks.take_versions());
            let held = if wanted.is_thin { marks.take_held() } else { Bits::default() };
            drop(marks);
            self.trees.clear();
            let plan = Plan::new(self, &stock, order, versions, Some(&held))?;
            return Ok(Outgoing { store: self, stock, plan, takes_offsets: wanted.takes_offsets });
        }
        Err(io_error(&self.objects)(io::Error::other("objects come and go too fast for a pack to be made of them")))
    }
}

impl Outgoing<'_> {
    /// How many objects it will have.
    pub fn count(&self) -> u64 {
        self.plan.len() as u64
    }

    /// Makes the pack and writes it to `out`; `progress` is told after how many objects. Answers how many bytes it has.
    ///
    /// # Errors
    /// When an object cannot be read any more; an error of `out` is one of the path `(output)`.
    pub fn write(&self, out: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> Result<u64> {
        let count = u32::try_from(self.count()).map_err(|_| to_out(io::Error::other("it has 2^32 objects or more")))?;
        let mut out = Hashed { out, hash: Sha256::new(), at: 0 };
        out.write_all(b"PACK\0\0\0\x02").and_then(|()| out.write_all(&count.to_be_bytes())).map_err(to_out)?;
        let mut offsets: IdMap<u64> = IdMap::default();
        let mut done = 0;
        self.store.encode(&self.stock, &self.plan, &mut |entries| {
            let mut start = 0;
            done += entries.list.len() as u64;
            for entry in entries.list {
                let at = out.at;
                let id = match entry {
                    Encoded::Ready { id, form, size, end } => {
                        out.head(self.form(form, &offsets), size)?;
                        out.write_all(&entries.bytes[start..end]).map_err(to_out)?;
                        start = end;
                        id
                    }
                    Encoded::Large { id, kind } => {
                        self.large(id, kind, &mut out)?;
                        id
                    }
                };
                if self.takes_offsets {
                    offsets.insert(id, at);
                }
            }
            progress(done);
            Ok(())
        })?;
        let checksum = out.hash.clone().finalize();
        out.write_all(&checksum).and_then(|()| out.flush()).map_err(to_out)?;
        Ok(out.at)
    }

    /// How an entry is named, where these objects have been written.
    fn form(&self, form: Copied, offsets: &IdMap<u64>) -> EntryKind {
        match form {
            Copied::Whole(kind) => EntryKind::Whole(kind),
            Copied::Delta(base) => offsets.get(&base).map_or(EntryKind::RefDelta(base), |at| EntryKind::OfsDelta(*at)),
        }
    }

    /// Writes an object that is too large for memory.
    fn large(&self, id: Id, kind: Kind, out: &mut Hashed<'_>) -> Result<()> {
        let mut reader = self.store.open(id)?.ok_or(Error::Missing { id, kind: Some(kind) })?;
        out.head(EntryKind::Whole(reader.kind()), reader.size())?;
        let mut zlib = ZlibEncoder::new(out, deflate::LEVEL);
        reader.copy_to(&mut zlib)?;
        zlib.finish().map_err(to_out)?;
        Ok(())
    }
}

fn to_out(error: io::Error) -> Error {
    io_error(Path::new("(output)"))(error)
}

/// Hashes and counts what passes.
struct Hashed<'o> {
    out: &'o mut dyn Write,
    hash: Sha256,
    at: u64,
}

impl Hashed<'_> {
    /// The head of an entry.
    fn head(&mut self, kind: EntryKind, size: u64) -> Result<()> {
        let mut head = Vec::with_capacity(entry::LONGEST);
        entry::encode(kind, self.at, size, &mut head);
        self.write_all(&head).map_err(to_out)
    }
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.hash.update(&bytes[..len]);
        self.at += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
