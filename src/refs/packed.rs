//! `packed-refs`: many refs in one sorted file, looked up by binary search without reading the rest.
//! Source: git's `Documentation/git-pack-refs.adoc` and `refs/packed-backend.c`.
//!
//! ```text
//! # pack-refs with: peeled fully-peeled sorted
//! <id> <name>
//! ^<id that the tag above leads to>
//! ```

use std::path::{Path, PathBuf};

use super::{Error, RefName, Result, io_error, is_absent};
use crate::disk::{Bytes, Disk};
use crate::object::Id;

/// The file, as it was when it was opened.
pub(super) struct PackedRefs {
    path: PathBuf,
    bytes: Bytes,
    /// Where the first ref's line starts.
    start: usize,
    sorted: bool,
    fully_peeled: bool,
}

/// One line for a ref, with the line for what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) id: Id,
    pub(super) peeled: Option<Id>,
}

impl PackedRefs {
    pub(super) fn load(disk: &dyn Disk, path: &Path) -> Result<PackedRefs> {
        let bytes = match disk.map(path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => Bytes::Owned(Vec::new()),
            Err(error) => return Err(io_error(path)(error)),
        };
        let mut start = 0;
        let (mut sorted, mut fully_peeled) = (false, false);
        while bytes.get(start) == Some(&b'#') {
            let end = line_end(&bytes, start);
            let line = String::from_utf8_lossy(&bytes[start..end]);
            if let Some(traits) = line.strip_prefix("# pack-refs with:") {
                let has = |word| traits.split_ascii_whitespace().any(|found| found == word);
                (sorted, fully_peeled) = (has("sorted"), has("fully-peeled"));
            }
            start = (end + 1).min(bytes.len());
        }
        Ok(PackedRefs { path: path.to_owned(), bytes, start, sorted, fully_peeled })
    }

    /// Whether every ref that leads to a tag has a line for what the tag leads to; also when there are none.
    pub(super) fn is_fully_peeled(&self) -> bool {
        self.fully_peeled || self.start == self.bytes.len()
    }

    fn damaged(&self, at: usize) -> Error {
        Error::Damaged { path: self.path.clone(), reason: format!("the line at byte {at} is no ref's") }
    }

    /// The line that starts at `at`, and where the next one starts.
    fn line(&self, at: usize) -> Result<(Line, usize)> {
        let wrong = || self.damaged(at);
        let end = line_end(&self.bytes, at);
        let text = std::str::from_utf8(&self.bytes[at..end]).map_err(|_| wrong())?;
        let (id, name) = text.split_once(' ').ok_or_else(wrong)?;
        let id = id.parse().map_err(|_| wrong())?;
        let mut next = (end + 1).min(self.bytes.len());
        let mut peeled = None;
        if self.bytes.get(next) == Some(&b'^') {
            let end = line_end(&self.bytes, next);
            let text = std::str::from_utf8(&self.bytes[next + 1..end]).map_err(|_| wrong())?;
            peeled = Some(text.parse().map_err(|_| wrong())?);
            next = (end + 1).min(self.bytes.len());
        }
        Ok((Line { name: name.to_owned(), id, peeled }, next))
    }

    /// Where the first ref's line starts whose name is not less than `name`; the file is sorted.
    fn lower_bound(&self, name: &str) -> Result<usize> {
        let (mut low, mut high) = (self.start, self.bytes.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let mut at = self.bytes[low..middle].iter().rposition(|&b| b == b'\n').map_or(low, |p| low + p + 1);
            if self.bytes[at] == b'^' {
                // The line belongs to the ref on the line before, which is in the range: it cannot begin one.
                at = self.bytes[low..at.saturating_sub(1).max(low)]
                    .iter()
                    .rposition(|&b| b == b'\n')
                    .map_or(low, |p| low + p + 1);
            }
            let (line, next) = self.line(at)?;
            if line.name.as_str() < name {
                low = next;
            } else {
                high = at;
            }
        }
        Ok(low)
    }

    pub(super) fn find(&self, name: &RefName) -> Result<Option<Id>> {
        if self.sorted {
            let at = self.lower_bound(name.as_str())?;
            if at == self.bytes.len() {
                return Ok(None);
            }
            let line = self.line(at)?.0;
            return Ok((line.name == name.as_str()).then_some(line.id));
        }
        Ok(self.lines("")?.into_iter().find(|line| line.name == name.as_str()).map(|line| line.id))
    }

    /// The refs whose names start with `prefix`.
    pub(super) fn with_prefix(&self, prefix: &str) -> Result<Vec<(RefName, Id)>> {
        let mut refs = Vec::new();
        for line in self.lines(prefix)? {
            let name = RefName::full(&line.name)
                .map_err(|error| Error::Damaged { path: self.path.clone(), reason: error.to_string() })?;
            refs.push((name, line.id));
        }
        Ok(refs)
    }

    /// The refs of the lines that are sound, whether all tags among them are peeled, and whether other lines were left
    /// out.
    pub(super) fn sound_lines(&self) -> (Vec<Line>, bool, bool) {
        let (mut lines, mut is_fully_peeled, mut is_damaged) = (Vec::new(), self.is_fully_peeled(), false);
        let mut at = self.start;
        while at < self.bytes.len() {
            let end = line_end(&self.bytes, at);
            let whole = self.line(at).ok();
            // A ref's own line may be sound where what follows it is not.
            let line = whole.or_else(|| {
                let (id, name) = std::str::from_utf8(&self.bytes[at..end]).ok()?.split_once(' ')?;
                let line = Line { name: name.to_owned(), id: id.parse().ok()?, peeled: None };
                (is_fully_peeled, is_damaged) = (false, true);
                Some((line, end + 1))
            });
            match line {
                Some((line, next)) if RefName::full(&line.name).is_ok() => {
                    lines.push(line);
                    at = next;
                }
                _ => {
                    is_damaged = true;
                    at = end + 1;
                }
            }
        }
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        lines.dedup_by(|a, b| a.name == b.name);
        (lines, is_fully_peeled, is_damaged)
    }

    pub(super) fn lines(&self, prefix: &str) -> Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut at = if self.sorted { self.lower_bound(prefix)? } else { self.start };
        while at < self.bytes.len() {
            let (line, next) = self.line(at)?;
            if line.name.starts_with(prefix) {
                lines.push(line);
            } else if self.sorted {
                break;
            }
            at = next;
        }
        lines.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(lines)
    }
}

/// The bytes of a file with these refs, sorted by name. git takes a ref without a peeled line for no tag only where the
/// file says that it is fully peeled.
pub(super) fn encode(lines: &[Line], is_fully_peeled: bool) -> Vec<u8> {
    let peeled = if is_fully_peeled { "peeled fully-peeled " } else { "" };
    let mut out = format!("# pack-refs with: {peeled}sorted \n");
    for line in lines {
        out.push_str(&format!("{} {}\n", line.id, line.name));
        if let Some(peeled) = line.peeled {
            out.push_str(&format!("^{peeled}\n"));
        }
    }
    out.into_bytes()
}

fn line_end(bytes: &[u8], start: usize) -> usize {
    bytes[start..].iter().position(|&b| b == b'\n').map_or(bytes.len(), |p| start + p)
}
