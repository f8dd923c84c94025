//! Inputs of `import`: opened, counted, unpacked where they are gzip, and told apart by their names and first bytes.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use flate2::bufread::MultiGzDecoder;

use super::Format;
use crate::context::Context;
use crate::error::Failure;
use crate::input::{Input, unreadable};

/// How much is read at once.
const PIECE: usize = 1 << 17;

/// How many first bytes tell the formats apart: a block of tar.
const HEAD: usize = 512;

/// An input as it was named.
pub(crate) enum Source {
    Dir(PathBuf),
    Stream { name: String, source: Box<dyn Read> },
}

/// A stream whose format is known.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) format: Format,
    /// What separates fields in a table with this name.
    pub(crate) delimiter: u8,
    pub(crate) source: Box<dyn BufRead>,
}

/// The size of what is named, which must be there; `None` where it is known only at its end.
pub(crate) fn size(context: &Context, path: Option<&Path>) -> Result<Option<u64>> {
    let Some(path) = path.filter(|path| path.as_os_str() != "-") else { return Ok(None) };
    let path = context.path(path);
    let metadata = std::fs::metadata(&path).map_err(|error| unreadable(&path.display().to_string(), error))?;
    Ok(metadata.is_file().then_some(metadata.len()))
}

/// Opens what is named: a directory, a file, stdin for `-`, and for none where stdin is not a terminal.
pub(crate) fn open(context: &Context, path: Option<&Path>) -> Result<Source> {
    if let Some(path) = path.filter(|path| path.as_os_str() != "-").map(|path| context.path(path))
        && path.is_dir()
    {
        return Ok(Source::Dir(path));
    }
    let Input { name, source, .. } = Input::open(context, path)?;
    Ok(Source::Stream { name, source })
}

/// Tells what a stream is, and unpacks it. Bytes are counted as they are read, before they are unpacked.
pub(crate) fn tell(
    name: String,
    source: Box<dyn Read>,
    format: Option<Format>,
    position: &Rc<Cell<u64>>,
) -> Result<Stream> {
    let failed = |error| unreadable(&name, error);
    let source = Counted { source, position: position.clone() };
    let (mut head, mut source) = with_head(Box::new(source)).map_err(failed)?;
    if head.starts_with(b"\x1f\x8b") {
        (head, source) = with_head(Box::new(MultiGzDecoder::new(source))).map_err(failed)?;
    }
    let lower = name.to_lowercase();
    let stem = lower.strip_suffix(".gz").unwrap_or(&lower);
    let delimiter = if stem.ends_with(".tsv") { b'\t' } else { b',' };
    let found = format.or_else(|| by_name(stem)).or_else(|| by_content(&head));
    let format = found.ok_or_else(|| {
        Failure::usage(format!("it is not known what {name} is")).hint("--format says it: ndjson, csv or tar")
    })?;
    Ok(Stream { name, format, delimiter, source })
}

fn by_name(name: &str) -> Option<Format> {
    let (_, extension) = name.rsplit_once('.')?;
    match extension {
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "csv" | "tsv" => Some(Format::Csv),
        "tar" | "tgz" => Some(Format::Tar),
        _ => None,
    }
}

fn by_content(head: &[u8]) -> Option<Format> {
    let is_empty_archive = head.len() == HEAD && head.iter().all(|&b| b == 0);
    if head.get(257..262) == Some(b"ustar") || is_empty_archive {
        return Some(Format::Tar);
    }
    let text = head.trim_ascii_start();
    (text.is_empty() || text.starts_with(b"{")).then_some(Format::Ndjson)
}

/// A source's first bytes, and a source of all of them.
fn with_head(mut source: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let mut head = Vec::new();
    (&mut source).take(HEAD as u64).read_to_end(&mut head)?;
    let all = Cursor::new(head.clone()).chain(source);
    Ok((head, Box::new(BufReader::with_capacity(PIECE, all))))
}

/// Counts what is read.
struct Counted {
    source: Box<dyn Read>,
    position: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        self.position.set(self.position.get() + n as u64);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, content: &[u8]) -> Option<Format> {
        tell(name.into(), Box::new(Cursor::new(content.to_vec())), None, &Rc::default()).ok().map(|s| s.format)
    }

    #[test]
    fn by_names_and_first_bytes() {
        assert_eq!(told("x.NDJSON", b"?"), Some(Format::Ndjson));
        assert_eq!(told("x.jsonl.gz", b"?"), Some(Format::Ndjson));
        assert_eq!(told("x.tsv", b"?"), Some(Format::Csv));
        assert_eq!(told("x.tgz", b"?"), Some(Format::Tar));
        assert_eq!(told("stdin", b" \n {"), Some(Format::Ndjson));
        assert_eq!(told("stdin", b""), Some(Format::Ndjson));
        assert_eq!(told("stdin", b"a,b\n"), None);
        assert_eq!(told("stdin", &[0; 1024]), Some(Format::Tar));
        assert_eq!(told("stdin", &[0; 100]), None);
    }

    #[test]
    fn what_is_read_is_counted() {
        let position = Rc::default();
        let content = vec![b'{'; 1000];
        let mut stream = tell("x".into(), Box::new(Cursor::new(content)), None, &position).unwrap();
        assert_eq!(io::copy(&mut stream.source, &mut io::sink()).unwrap(), 1000);
        assert_eq!(position.get(), 1000);
    }
}
