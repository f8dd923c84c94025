//! The reflog: where a ref has been, one line a move, newest last.
//!
//! `<old> <new> <name> <email> <seconds> <zone>\t<message>\n` (git's `Documentation/git-reflog.adoc`). A power cut may
//! tear the last line of a log; lines that are none are passed over.

use std::io;

use super::{RefName, Refs, Result, io_error, is_absent};
use crate::disk::Bytes;
use crate::object::{Id, Ident};

/// One move of a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Where the ref was; zeros when it was made.
    pub old: Id,
    /// Where it went; zeros when it was deleted.
    pub new: Id,
    /// Who moved it, and when.
    pub who: Ident,
    /// What the move was for, in one line.
    pub message: String,
}

impl LogEntry {
    fn parse(line: &[u8]) -> Option<LogEntry> {
        let text = std::str::from_utf8(line).ok()?;
        let (head, message) = text.split_once('\t').unwrap_or((text, ""));
        let old = head.get(..64)?.parse().ok()?;
        let new = head.get(65..129)?.parse().ok()?;
        let who = Ident::parse(head.get(130..)?.as_bytes()).ok()?;
        Some(LogEntry { old, new, who, message: message.to_owned() })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let message: Vec<&str> = self.message.split_whitespace().collect();
        format!("{} {} {}\t{}\n", self.old, self.new, self.who, message.join(" ")).into_bytes()
    }
}

/// A log file, to be read from its end.
#[derive(Debug)]
pub struct Reflog {
    bytes: Bytes,
}

impl Reflog {
    /// The moves, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = LogEntry> {
        self.bytes.split(|&b| b == b'\n').rev().filter_map(LogEntry::parse)
    }

    /// How many lines are neither empty nor a move.
    pub fn damaged_lines(&self) -> usize {
        self.bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty() && LogEntry::parse(line).is_none()).count()
    }
}

impl Refs {
    /// The log of a ref; empty when it has none.
    pub fn log(&self, name: &RefName) -> Result<Reflog> {
        let path = self.root.join("logs").join(name.as_str());
        match self.disk.map(&path) {
            Ok(bytes) => Ok(Reflog { bytes }),
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::IsADirectory => {
                Ok(Reflog { bytes: Bytes::Owned(Vec::new()) })
            }
            Err(error) => Err(io_error(&path)(error)),
        }
    }
}
