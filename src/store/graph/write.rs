//! Writing the commit-graph file: the same bytes for the same commits, whoever writes them.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::bloom::{self, Filter};
use super::{CommitGraph, FilterPath, KEYS, KEYS_VERSION, MARK, NO_PARENT, SIGNATURE, path};
use crate::disk::Access;
use crate::object::{CommitId, TreeId};
use crate::store::pending::Pending;
use crate::store::{Result, Store, io_error};

/// The latest time that the file can hold, in seconds since 1970: the year 2514.
pub(crate) const MAX_TIME: i64 = (1 << 34) - 1;

/// The greatest topological level that fits.
const MAX_LEVEL: u32 = 0x3FFF_FFFF;

/// What the file tells of a commit.
#[derive(Clone, Debug)]
pub(crate) struct GraphCommit {
    /// Its id.
    pub(crate) id: CommitId,
    /// Its root tree.
    pub(crate) tree: TreeId,
    /// The committer's time, from 0 to [`MAX_TIME`].
    pub(crate) time: i64,
    /// Where its parents stand in the list of all.
    pub(crate) parents: Vec<u32>,
}

/// The filters of several commits, one behind the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filters {
    bytes: Vec<u8>,
    lengths: Vec<u16>,
}

impl Filters {
    /// Adds the filter of the next commit, which changed these paths; `None` for too many to list.
    pub(crate) fn push(&mut self, paths: Option<Vec<FilterPath>>) {
        let before = self.bytes.len();
        bloom::encode(paths, &mut self.bytes);
        match u16::try_from(self.bytes.len() - before) {
            Ok(length) => self.lengths.push(length),
            Err(_) => {
                self.bytes.truncate(before);
                self.push(None);
            }
        }
    }

    /// Adds a filter as it was stored.
    pub(crate) fn push_stored(&mut self, filter: Filter<'_>) {
        match u16::try_from(filter.bytes().len()) {
            Ok(length) => {
                self.bytes.extend_from_slice(filter.bytes());
                self.lengths.push(length);
            }
            Err(_) => self.push(None),
        }
    }

    /// Adds the filters of the commits that follow.
    pub(crate) fn append(&mut self, mut others: Filters) {
        self.bytes.append(&mut others.bytes);
        self.lengths.append(&mut others.lengths);
    }
}

/// All places below `count`, each behind those that `parents` gives for it. A place that leads back to itself, which no
/// true history has, is passed over on the way.
pub(crate) fn parents_first<'a>(count: usize, parents: impl Fn(usize) -> &'a [u32]) -> Vec<u32> {
    let mut order = Vec::with_capacity(count);
    let mut is_seen = vec![false; count];
    // A place, and how many of its parents have been gone into.
    let mut path: Vec<(u32, usize)> = Vec::new();
    for start in 0..count {
        if std::mem::replace(&mut is_seen[start], true) {
            continue;
        }
        path.push((start as u32, 0));
        while let Some((at, done)) = path.last_mut() {
            match parents(*at as usize).get(*done) {
                Some(&parent) => {
                    *done += 1;
                    if !std::mem::replace(&mut is_seen[parent as usize], true) {
                        path.push((parent, 0));
                    }
                }
                None => {
                    order.push(*at);
                    path.pop();
                }
            }
        }
    }
    order
}

/// Each commit's topological level and corrected commit date.
fn generations(commits: &[GraphCommit]) -> Vec<(u32, u64)> {
    let mut generations = vec![(0, 0); commits.len()];
    for at in parents_first(commits.len(), |at| &commits[at].parents) {
        let commit = &commits[at as usize];
        let above = commit.parents.iter().map(|parent| generations[*parent as usize]);
        let (level, date) = above.fold((0, 0), |a, b| (a.0.max(b.0), a.1.max(b.1)));
        generations[at as usize] = ((level + 1).min(MAX_LEVEL), (commit.time as u64).max(date + 1));
    }
    generations
}

/// A list of chunks, and how to write each.
fn encode(commits: &[GraphCommit], filters: Option<&Filters>, file: &mut dyn Write) -> io::Result<()> {
    let mut out = Summed { file, sum: Sha256::new() };
    let generations = generations(commits);
    let mut overflows: Vec<u64> = Vec::new();
    let mut offsets = Vec::with_capacity(commits.len());
    for (commit, (_, date)) in commits.iter().zip(&generations) {
        let offset = date - commit.time as u64;
        offsets.push(match u32::try_from(offset) {
            Ok(offset) if offset & MARK == 0 => offset,
            _ => {
                overflows.push(offset);
                MARK | (overflows.len() - 1) as u32
            }
        });
    }
    let further: usize = commits.iter().map(|c| if c.parents.len() > 2 { c.parents.len() - 1 } else { 0 }).sum();
    // The places of filters have 32 bits; without filters the file still does most of its work.
    let filters = filters.filter(|filters| u32::try_from(filters.bytes.len()).is_ok());
    let mut chunks = vec![
        (*b"OIDF", 1024),
        (*b"OIDL", commits.len() * 32),
        (*b"CDAT", commits.len() * super::RECORD),
        (*b"GDA2", commits.len() * 4),
    ];
    if !overflows.is_empty() {
        chunks.push((*b"GDO2", overflows.len() * 8));
    }
    if further > 0 {
        chunks.push((*b"EDGE", further * 4));
    }
    if let Some(filters) = filters {
        chunks.push((*KEYS, 4));
        chunks.push((*b"BIDX", commits.len() * 4));
        chunks.push((*b"BDAT", bloom::HEADER + filters.bytes.len()));
    }
    out.write_all(SIGNATURE)?;
    out.write_all(&[1, 2, chunks.len() as u8, 0])?;
    let mut offset = 8 + (chunks.len() as u64 + 1) * 12;
    for (name, len) in chunks.iter().copied().chain([([0; 4], 0)]) {
        out.write_all(&name)?;
        out.write_all(&offset.to_be_bytes())?;
        offset += len as u64;
    }
    for byte in 0..=255u8 {
        out.number(commits.partition_point(|commit| commit.id.0.as_bytes()[0] <= byte))?;
    }
    for commit in commits {
        out.write_all(commit.id.0.as_bytes())?;
    }
    let mut edges = 0;
    for (commit, (level, _)) in commits.iter().zip(&generations) {
        out.write_all(commit.tree.0.as_bytes())?;
        let second = match commit.parents.as_slice() {
            [] | [_] => NO_PARENT,
            [_, second] => *second,
            more => {
                edges += more.len() as u32 - 1;
                MARK | (edges + 1 - more.len() as u32)
            }
        };
        let time = commit.time as u64;
        for number in [
            commit.parents.first().copied().unwrap_or(NO_PARENT),
            second,
            (level << 2) | (time >> 32) as u32,
            time as u32,
        ] {
            out.write_all(&number.to_be_bytes())?;
        }
    }
    for offset in offsets {
        out.write_all(&offset.to_be_bytes())?;
    }
    for overflow in overflows {
        out.write_all(&overflow.to_be_bytes())?;
    }
    for commit in commits.iter().filter(|commit| commit.parents.len() > 2) {
        for (n, parent) in commit.parents.iter().enumerate().skip(1) {
            let mark = if n + 1 == commit.parents.len() { MARK } else { 0 };
            out.write_all(&(parent | mark).to_be_bytes())?;
        }
    }
    if let Some(filters) = filters {
        out.write_all(&KEYS_VERSION.to_be_bytes())?;
        let mut end = 0;
        for length in &filters.lengths {
            end += usize::from(*length);
            out.number(end)?;
        }
        out.write_all(&bloom::header())?;
        out.write_all(&filters.bytes)?;
    }
    let Summed { file, sum } = out;
    file.write_all(&sum.finalize())?;
    file.flush()
}

/// A file with the sum of what is written.
struct Summed<'a> {
    file: &'a mut dyn Write,
    sum: Sha256,
}

impl Summed<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.file.write_all(bytes)
    }

    /// A number that is known to have 32 bits.
    fn number(&mut self, number: usize) -> io::Result<()> {
        self.write_all(&(number as u32).to_be_bytes())
    }
}

impl Store {
    /// The commit-graph file; `None` where there is none.
    ///
    /// # Errors
    /// Of kind `InvalidData`, with what is wrong, for a file that is no commit-graph that can be used here.
    pub(crate) fn open_commit_graph(&self) -> io::Result<Option<CommitGraph>> {
        CommitGraph::open(&*self.disk, &self.objects)
    }

    /// Replaces the commit-graph file, durably. The commits are in the order of their ids, and all parents of one are
    /// among them; there is a filter for each, if there are any. Without commits, no file is left.
    pub(crate) fn write_commit_graph(&self, commits: &[GraphCommit], filters: Option<&Filters>) -> Result<()> {
        let path = path(&self.objects);
        let info = self.objects.join("info");
        if commits.is_empty() {
            return match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(&path)(error)),
                _ => Ok(()),
            };
        }
        if commits.len() >= NO_PARENT as usize {
            let reason = io::Error::new(io::ErrorKind::InvalidInput, "there are too many commits for one file");
            return Err(io_error(&path)(reason));
        }
        let changed = self.disk.create_dir_all(&info).map_err(io_error(&info))?;
        let (_, temporary) = self.pending(Pending::next_file)?;
        let written = (|| {
            let file = self.disk.create(&temporary, Access::ReadOnly)?;
            encode(commits, filters, &mut io::BufWriter::with_capacity(1 << 16, file))?;
            self.disk.sync(std::slice::from_ref(&temporary))?;
            self.disk.rename(&temporary, &path)
        })();
        written.map_err(|error| {
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&temporary);
            io_error(&path)(error)
        })?;
        let names: Vec<_> = changed.into_iter().chain([info]).collect();
        self.disk.sync(&names).map_err(io_error(&path))
    }
}
