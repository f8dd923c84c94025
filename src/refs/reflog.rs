//! The reflog: where a ref has been, one line a move, newest last.
//!
//! `<old> <new> <name> <email> <seconds> <zone>\t<message>\n` (git's `Documentation/git-reflog.adoc`). A power cut may
//! tear the last line of a log; lines that are none are passed over.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::transaction::remove_dir_all;
use super::{RefName, Refs, Result, io_error, is_absent};
use crate::disk::{Bytes, FileKind};
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
        let (old, rest) = head.split_once(' ')?;
        let (new, who) = rest.split_once(' ')?;
        let (old, new) = (old.parse().ok()?, new.parse().ok()?);
        let who = Ident::parse(who.as_bytes()).ok()?;
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

    /// The bytes of the lines that are moves.
    pub(super) fn sound_lines(&self) -> Vec<u8> {
        let lines = self.bytes.split(|&b| b == b'\n').filter(|line| LogEntry::parse(line).is_some());
        lines.flat_map(|line| [line, b"\n"].concat()).collect()
    }

    /// How many lines are neither empty nor a move.
    pub fn damaged_lines(&self) -> usize {
        self.bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty() && LogEntry::parse(line).is_none()).count()
    }
}

impl Refs {
    pub(super) fn log_path(&self, name: &RefName) -> PathBuf {
        self.root.join("logs").join(name.as_str())
    }

    /// The log of a ref; empty when it has none.
    pub fn log(&self, name: &RefName) -> Result<Reflog> {
        let path = self.log_path(name);
        match self.disk.map(&path) {
            Ok(bytes) => Ok(Reflog { bytes }),
            Err(error) if is_absent(&error) || error.kind() == io::ErrorKind::IsADirectory => {
                Ok(Reflog { bytes: Bytes::Owned(Vec::new()) })
            }
            Err(error) => Err(io_error(&path)(error)),
        }
    }

    /// Adds a line to a ref's log. What must be made durable for it comes to `changed`.
    pub(super) fn append_log(&self, name: &RefName, entry: &LogEntry, changed: &mut BTreeSet<PathBuf>) -> Result<()> {
        let path = self.log_path(name);
        let mut line = entry.encode();
        let is_new = match self.disk.stat(&path) {
            Ok(stat) if stat.kind != FileKind::Dir => {
                if stat.len > 0 && !self.ends_with_newline(&path)? {
                    line.insert(0, b'\n');
                }
                false
            }
            _ if !name.is_logged() => return Ok(()),
            Ok(_) => {
                // No ref is below this one, so what is there are empty directories and logs that a power cut kept.
                remove_dir_all(&*self.disk, &path, &|_| Ok(true)).map_err(io_error(&path))?;
                true
            }
            Err(error) if is_absent(&error) => true,
            Err(error) => return Err(io_error(&path)(error)),
        };
        if is_new {
            changed.extend(self.make_log_dirs(&path)?);
        }
        self.disk.append(&path, &line).map_err(io_error(&path))?;
        changed.insert(path);
        Ok(())
    }

    /// Makes the directories for a new log, and answers all that lead to it.
    fn make_log_dirs(&self, log: &Path) -> Result<Vec<PathBuf>> {
        let leads = |dir: &&Path| dir.starts_with(&self.root);
        let dirs: Vec<PathBuf> = log.ancestors().skip(1).take_while(leads).map(Path::to_owned).collect();
        let dir = &dirs[0];
        let mut made = self.disk.create_dir_all(dir).map(drop);
        if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotADirectory) {
            // The log of a ref that was deleted, but a power cut kept the log.
            let is_file = |dir: &&PathBuf| self.disk.stat(dir).is_ok_and(|stat| stat.kind != FileKind::Dir);
            if let Some(stale) = dirs.iter().find(is_file) {
                self.disk.remove(stale).map_err(io_error(stale))?;
            }
            made = self.disk.create_dir_all(dir).map(drop);
        }
        made.map_err(io_error(dir))?;
        Ok(dirs)
    }

    /// Whether a log's last line is whole: a power cut or a full disk may have torn it.
    fn ends_with_newline(&self, log: &Path) -> Result<bool> {
        Ok(self.disk.map(log).map_err(io_error(log))?.last() == Some(&b'\n'))
    }

    /// Removes the log of a ref that is gone. One that stays does no harm: it makes way for other logs when it must.
    pub(super) fn remove_log(&self, name: &RefName) {
        let _ = self.disk.remove(&self.log_path(name));
    }
}
