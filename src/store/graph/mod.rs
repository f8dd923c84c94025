//! The commit-graph file, `objects/info/commit-graph`: parents, times and generation numbers of commits, and filters
//! that tell which paths a commit did not change (`docs/format/commit-graph.md`).
//!
//! It is a cache: whoever reads it goes on without it when it is absent or damaged. Opening looks at the table of chunks
//! alone, and no later look trusts a number of the file without checking it.
//! Source: git's `Documentation/gitformat-commit-graph.adoc`.

pub(super) mod bloom;
mod write;

#[cfg(test)]
mod tests;

use std::io;
use std::path::Path;

use crate::disk::{Bytes, Disk};
use crate::object::{CommitId, Id, TreeId};

pub(crate) use bloom::{Filter, MAX_PATHS as MAX_FILTER_PATHS, Path as FilterPath};
pub(crate) use write::{Filters, GraphCommit, MAX_TIME, parents_first};

/// The generation number of a commit that is not in the file: above all others.
pub(crate) const NO_GENERATION: u64 = u64::MAX;

const SIGNATURE: &[u8; 4] = b"CGPH";
/// What a commit has in place of a parent that it does not have.
const NO_PARENT: u32 = 0x7000_0000;
/// In place of the second parent: the further ones are listed in `EDGE`, from the place that the other bits say. In that
/// list: the last one of a commit.
const MARK: u32 = 0x8000_0000;
/// Bytes of one commit in `CDAT`.
const RECORD: usize = 32 + 16;
/// The version of [`KEYS`].
const KEYS_VERSION: u32 = 1;
/// The chunk of ours that says that the filters hold keys as well as paths.
const KEYS: &[u8; 4] = b"ISOK";

/// Where a chunk lies in the file.
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    start: usize,
    len: usize,
}

/// A commit-graph file, open. Commits are named by their positions in it, from 0, in the order of their ids; the methods
/// that take one panic when it is not below [`CommitGraph::len`].
#[derive(Debug)]
pub(crate) struct CommitGraph {
    bytes: Bytes,
    len: u32,
    fanout: Chunk,
    ids: Chunk,
    records: Chunk,
    generations: Option<Chunk>,
    overflows: Chunk,
    edges: Chunk,
    filter_ends: Option<Chunk>,
    filters: Chunk,
    has_keys: bool,
}

impl CommitGraph {
    /// The commit-graph of the objects' directory; `None` where there is no file.
    ///
    /// # Errors
    /// Of kind `InvalidData`, with what is wrong, for a file that is no commit-graph that can be used here.
    pub(crate) fn open(disk: &dyn Disk, objects: &Path) -> io::Result<Option<CommitGraph>> {
        match disk.map(&path(objects)) {
            Ok(bytes) => {
                CommitGraph::new(bytes).map(Some).map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, reason))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn new(bytes: Bytes) -> Result<CommitGraph, &'static str> {
        let header = bytes.first_chunk::<8>().ok_or("it is shorter than its header")?;
        if &header[..4] != SIGNATURE {
            return Err("it does not start as a commit-graph does");
        }
        if header[4] != 1 || header[5] != 2 {
            return Err("it is of a version, or for ids, that are not known");
        }
        if header[7] != 0 {
            return Err("it is one of several that belong together");
        }
        let count = usize::from(header[6]);
        let end = bytes.len().checked_sub(32).ok_or("it is cut short")?;
        if 8 + (count + 1) * 12 > end {
            return Err("its table of chunks is cut short");
        }
        let entry = |n: usize| {
            let at = 8 + n * 12;
            let offset = bytes[at + 4..].first_chunk().map_or(u64::MAX, |offset| u64::from_be_bytes(*offset));
            (&bytes[at..at + 4], usize::try_from(offset).unwrap_or(usize::MAX))
        };
        let mut chunks: Vec<([u8; 4], Chunk)> = Vec::with_capacity(count);
        for n in 0..count {
            let ((name, start), (_, next)) = (entry(n), entry(n + 1));
            if start > next || next > end || start < 8 + (count + 1) * 12 {
                return Err("its table of chunks is wrong");
            }
            let name = [name[0], name[1], name[2], name[3]];
            if chunks.iter().any(|(known, _)| *known == name) {
                return Err("a chunk stands there twice");
            }
            chunks.push((name, Chunk { start, len: next - start }));
        }
        let find = |name: &[u8; 4]| chunks.iter().find(|(known, _)| known == name).map(|(_, chunk)| *chunk);
        let fanout = find(b"OIDF").filter(|chunk| chunk.len == 1024).ok_or("it has no fanout")?;
        let len = be32(&bytes, fanout.start + 1020);
        let sized = |name: &[u8; 4], each: usize| find(name).filter(|chunk| chunk.len == len as usize * each);
        if len >= NO_PARENT {
            return Err("it has too many commits");
        }
        let (filter_ends, filters) = match (sized(b"BIDX", 4), find(b"BDAT").filter(|chunk| chunk.len >= bloom::HEADER))
        {
            (Some(ends), Some(filters)) => (Some(ends), filters),
            _ => (None, Chunk::default()),
        };
        let is_ours = filters.len > 0 && bytes[filters.start..].starts_with(&bloom::header());
        let keys = find(KEYS).filter(|chunk| chunk.len == 4).map(|chunk| be32(&bytes, chunk.start));
        Ok(CommitGraph {
            len,
            fanout,
            ids: sized(b"OIDL", 32).ok_or("its list of ids has a wrong size")?,
            records: sized(b"CDAT", RECORD).ok_or("its list of commits has a wrong size")?,
            generations: sized(b"GDA2", 4),
            overflows: find(b"GDO2").unwrap_or_default(),
            edges: find(b"EDGE").unwrap_or_default(),
            filter_ends,
            filters,
            has_keys: is_ours && keys == Some(KEYS_VERSION),
            bytes,
        })
    }

    /// How many commits it has.
    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    /// Where a commit stands.
    pub(crate) fn find(&self, id: CommitId) -> Option<u32> {
        let byte = usize::from(id.0.as_bytes()[0]);
        let fanout = |byte: usize| be32(&self.bytes, self.fanout.start + 4 * byte).min(self.len);
        let (mut low, mut high) = (if byte == 0 { 0 } else { fanout(byte - 1) }, fanout(byte));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle).cmp(&id) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn id_at(&self, at: usize) -> Id {
        Id::from_bytes(*self.bytes[at..].first_chunk().expect("sizes were checked when the file was opened"))
    }

    fn record(&self, position: u32) -> usize {
        assert!(position < self.len, "no commit stands at {position}");
        self.records.start + position as usize * RECORD
    }

    /// The id of the commit there.
    pub(crate) fn id(&self, position: u32) -> CommitId {
        assert!(position < self.len, "no commit stands at {position}");
        CommitId(self.id_at(self.ids.start + position as usize * 32))
    }

    /// Its root tree.
    pub(crate) fn tree(&self, position: u32) -> TreeId {
        TreeId(self.id_at(self.record(position)))
    }

    /// Its committer's time, in seconds since 1970.
    pub(crate) fn time(&self, position: u32) -> i64 {
        let at = self.record(position) + 40;
        i64::from(be32(&self.bytes, at) & 3) << 32 | i64::from(be32(&self.bytes, at + 4))
    }

    /// Its topological level: one more than the greatest of its parents'.
    fn level(&self, position: u32) -> u32 {
        be32(&self.bytes, self.record(position) + 40) >> 2
    }

    /// A number that is greater than that of every ancestor: the corrected commit date, or the topological level where
    /// the file has no other. [`NO_GENERATION`] where the file does not tell.
    pub(crate) fn generation(&self, position: u32) -> u64 {
        let Some(generations) = self.generations else {
            return match self.level(position) {
                0 => NO_GENERATION,
                level => u64::from(level),
            };
        };
        let time = self.time(position) as u64;
        let offset = be32(&self.bytes, generations.start + position as usize * 4);
        if offset & MARK == 0 {
            return time + u64::from(offset);
        }
        let at = (offset & !MARK) as usize * 8;
        let overflow = self.chunk(self.overflows).get(at..).and_then(|rest| rest.first_chunk());
        overflow.map_or(NO_GENERATION, |offset| time.saturating_add(u64::from_be_bytes(*offset)))
    }

    /// Appends the positions of its parents. False, with none appended, where the file is damaged here.
    pub(crate) fn parents(&self, position: u32, out: &mut Vec<u32>) -> bool {
        let before = out.len();
        let is_sound = self.read_parents(position, out).is_some() && out[before..].iter().all(|at| *at < self.len);
        if !is_sound {
            out.truncate(before);
        }
        is_sound
    }

    fn read_parents(&self, position: u32, out: &mut Vec<u32>) -> Option<()> {
        let at = self.record(position) + 32;
        let (first, second) = (be32(&self.bytes, at), be32(&self.bytes, at + 4));
        if first != NO_PARENT {
            out.push(first);
        }
        if second == NO_PARENT {
            return Some(());
        }
        if second & MARK == 0 {
            out.push(second);
            return Some(());
        }
        let mut further = self.chunk(self.edges).chunks_exact(4).skip((second & !MARK) as usize);
        loop {
            let edge = be32(further.next()?, 0);
            out.push(edge & !MARK);
            if edge & MARK != 0 {
                return Some(());
            }
        }
    }

    fn chunk(&self, chunk: Chunk) -> &[u8] {
        &self.bytes[chunk.start..chunk.start + chunk.len]
    }

    /// What tells which paths and keys it did not change; `None` where nothing does, or only for git's paths.
    pub(crate) fn filter(&self, position: u32) -> Option<Filter<'_>> {
        let ends = self.filter_ends.filter(|_| self.has_keys)?;
        let end = |at: u32| be32(&self.bytes, ends.start + at as usize * 4) as usize;
        assert!(position < self.len, "no commit stands at {position}");
        let start = if position == 0 { 0 } else { end(position - 1) };
        let filters = &self.chunk(self.filters)[bloom::HEADER..];
        filters.get(start..end(position)).filter(|bits| !bits.is_empty()).map(Filter::new)
    }

    /// Whether the whole file is as it was written; reads all of it.
    pub(crate) fn is_whole(&self) -> bool {
        use sha2::Digest;
        let end = self.bytes.len() - 32;
        sha2::Sha256::digest(&self.bytes[..end])[..] == self.bytes[end..]
    }
}

/// The file's path below the objects' directory.
fn path(objects: &Path) -> std::path::PathBuf {
    objects.join("info").join("commit-graph")
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().expect("sizes were checked when the file was opened"))
}
