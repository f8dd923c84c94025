//! What has arrived of a stream that is pushed, kept for the client's next attempt: its blocks, each behind the position that
//! it leads to, so that telling how far a stream came takes no more than looking over a file.
//!
//! Nothing of it is in the database: it is checked when all has come. **Invariant:** however many push, and whatever they
//! send, so many bytes are kept in all as the limit says; the oldest make way.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::block::{Block, Unpacker, read_number};
use super::journal::{HELD, Journal};
use super::send::Position;
use super::submit::Token;
use crate::database::{Database, PARTIAL};
use crate::disk::Disk;
use crate::sync::error::{Error, Result};

/// How the names of directories begin.
const START: &str = "in-";
/// Each file counts for so many bytes more than it has.
const FILE: u64 = 4096;
/// The most streams of which something is kept.
const MANY: usize = 256;

/// What is kept of one stream that is pushed.
pub(in crate::sync) struct Kept {
    journal: Journal,
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Where the client is to go on.
    at: Position,
    /// How many bytes of blocks there are.
    size: u64,
    /// How many bytes may be kept of all streams.
    limit: u64,
}

/// What became of a block that was to be kept.
#[derive(PartialEq, Eq)]
pub(super) enum Keeping {
    Done,
    /// There is no room for it, and it is not kept. All before is, and still held.
    NoRoom,
    /// The disk fails, or another keeps the same.
    Failed,
}

impl Kept {
    /// What is kept of the stream with this token, at most `limit` bytes with all others; `None` while somebody is at it.
    pub(in crate::sync) fn open(db: &Database, token: &Token, limit: u64) -> Option<Kept> {
        let (disk, dir) = (db.disk().clone(), db.root().join(PARTIAL).join(format!("{START}{}", hex::encode(token))));
        let journal = match disk.stat(&dir) {
            Ok(_) => Journal::open(&disk, dir.clone())?,
            Err(_) => Journal::new(&disk, dir.clone(), Vec::new()),
        };
        let mut kept = Kept { journal, disk, dir, at: Position::default(), size: 0, limit };
        kept.look_over();
        Some(kept)
    }

    /// Keeps others from the same stream while it comes; false if somebody was faster.
    pub(in crate::sync) fn claim(&mut self) -> bool {
        if self.limit == 0 {
            self.journal.turn_off();
            return true;
        }
        match self.journal.begin() {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::TimedOut => false,
            Err(_) => {
                // On a disk that fails nothing is kept.
                self.journal.turn_off();
                true
            }
        }
    }

    /// Where the stream has to go on.
    pub(in crate::sync) fn position(&self) -> Position {
        self.at
    }

    /// How many bytes of blocks are kept.
    pub(in crate::sync) fn size(&self) -> u64 {
        self.size
    }

    /// Finds out how far the stream came.
    fn look_over(&mut self) {
        let (mut at, mut size) = (Position::default(), 0);
        let _ = self.journal.read(true, |file| -> Result<(), ()> {
            // A file may be cut anywhere.
            while let Ok((after, len)) = pass_over(file) {
                (at, size) = (after, size + len);
            }
            Ok(())
        });
        (self.at, self.size) = (at, size);
    }

    /// Keeps a block, behind which the stream is at a position.
    pub(super) fn add(&mut self, after: Position, block: &Block) -> Keeping {
        if self.journal.is_off() {
            return Keeping::Failed;
        }
        if self.journal.held().len() > HELD {
            if !self.has_room() {
                self.journal.turn_off();
                return Keeping::NoRoom;
            }
            self.journal.write();
            if self.journal.is_off() {
                return Keeping::Failed;
            }
        }
        let out = self.journal.held();
        put_position(out, after);
        // To memory nothing fails.
        let _ = block.write(out);
        (self.at, self.size) = (after, self.size + block.packed.len() as u64);
        Keeping::Done
    }

    /// Writes down what is held: the connection was cut.
    pub(super) fn end_connection(&mut self) {
        if self.journal.held().is_empty() || self.journal.is_off() {
            return;
        }
        if self.has_room() {
            self.journal.next_connection();
        }
    }

    /// Gives all blocks in their order, each with what unpacks it; answers that of the last ones.
    ///
    /// # Errors
    /// Those of `give`, and for blocks that are not what they were.
    pub(super) fn replay(&mut self, mut give: impl FnMut(&Block, &mut Unpacker) -> Result<()>) -> Result<()> {
        let mut at = Position::default();
        self.journal.read(false, |file| {
            let mut unpacker = Unpacker::new().map_err(Error::Connection)?;
            while let Ok(after) = read_position(file) {
                let Ok(block) = Block::read(file) else { break };
                give(&block, &mut unpacker)?;
                at = after;
            }
            Ok::<_, Error>(())
        })?;
        if at == self.at { Ok(()) } else { Err(super::wire::wrong("what was kept of it is not what it was")) }
    }

    /// Forgets what was kept: the client begins anew.
    pub(in crate::sync) fn restart(&mut self) {
        self.journal.restart();
        (self.at, self.size) = (Position::default(), 0);
    }

    /// Removes what was kept: it has been taken, or is of no use.
    pub(in crate::sync) fn remove(self) {
        self.journal.remove();
    }

    /// Makes sure that what is held can be written within the limit. Streams that nobody has gone on with for longest make
    /// way.
    fn has_room(&mut self) -> bool {
        let more = self.journal.held().len() as u64 + FILE;
        let (_, own) = weigh(&*self.disk, &self.dir);
        let mut others = self.others();
        others.sort_unstable_by(|one, other| other.cmp(one));
        let mut used = own + more + others.iter().map(|(_, size, _)| size).sum::<u64>();
        while used > self.limit || others.len() >= MANY {
            let Some((_, size, dir)) = others.pop() else { break };
            // One that somebody is at stays.
            if let Some(journal) = Journal::open(&self.disk, dir) {
                journal.remove();
                used -= size;
            }
        }
        used <= self.limit
    }

    /// The other streams: when each was last gone on with, how much it takes, and where.
    fn others(&self) -> Vec<(SystemTime, u64, PathBuf)> {
        let Some(all) = self.dir.parent() else { return Vec::new() };
        let mut others = Vec::new();
        for entry in self.disk.list(all).into_iter().flatten().filter(|entry| entry.name.starts_with(START)) {
            let dir = all.join(entry.name);
            if dir != self.dir {
                let (last, size) = weigh(&*self.disk, &dir);
                others.push((last, size, dir));
            }
        }
        others
    }
}

/// When something was last written into a directory, and how much its files take.
fn weigh(disk: &dyn Disk, dir: &Path) -> (SystemTime, u64) {
    let stats = disk.list(dir).into_iter().flatten().filter_map(|entry| disk.stat(&dir.join(entry.name)).ok());
    stats.fold((SystemTime::UNIX_EPOCH, 0), |(last, size), stat| (last.max(stat.modified), size + stat.len + FILE))
}

fn put_position(out: &mut Vec<u8>, position: Position) {
    out.extend_from_slice(&position.records.to_be_bytes());
    out.extend_from_slice(&position.pieces.map_or(0, |arrived| arrived.saturating_add(1)).to_be_bytes());
}

fn read_position(source: &mut dyn Read) -> io::Result<Position> {
    let mut number = || {
        let mut bytes = [0; 8];
        source.read_exact(&mut bytes).map(|()| u64::from_be_bytes(bytes))
    };
    Ok(Position { records: number()?, pieces: number()?.checked_sub(1) })
}

/// The position behind a block, and the block's size.
fn pass_over(source: &mut dyn Read) -> Result<(Position, u64)> {
    let after = read_position(source).map_err(Error::Connection)?;
    read_number(source)?;
    let len = read_number(source)? as u64;
    let passed = io::copy(&mut source.take(len + 4), &mut io::sink()).map_err(Error::Connection)?;
    match passed == len + 4 {
        true => Ok((after, len)),
        false => Err(Error::Connection(io::ErrorKind::UnexpectedEof.into())),
    }
}
