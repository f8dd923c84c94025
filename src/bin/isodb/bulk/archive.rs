//! Tar archives: a document a file, under its path.

use std::io::{self, Read, Write};

use anyhow::Result;
use tar::{Archive, EntryType, Header};

use super::importer::Importer;
use crate::document::Content;
use crate::error::{Failure, OutputError};

/// What entries are padded to.
const BLOCK: u64 = 512;

/// The most that the long name or the extended header of one entry may take: 1 MiB.
const MAX_EXTENSION: u64 = 1 << 20;

/// The extended header that holds a key which is not the entry's path.
const KEY_RECORD: &str = "ISODB.key";

/// What stands before an entry and belongs to it.
#[derive(Default)]
struct Extension {
    path: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
}

/// Takes all files of a source.
pub(crate) fn import(importer: &mut Importer<'_>, name: &str, source: impl Read) -> Result<()> {
    let mut archive = Archive::new(source);
    let unread = |importer: &Importer<'_>, number: usize, error: io::Error| {
        importer.wrong(&format!("{name}: entry {number}: {error}"))
    };
    // The entries as they stand: tar's own reading of extended headers ends names at a newline.
    let entries = archive.entries().map_err(|error| unread(importer, 1, error))?.raw(true);
    let mut extension = Extension::default();
    let mut last_number = 0;
    for (at, entry) in entries.enumerate() {
        let number = at + 1;
        last_number = number;
        let mut entry = entry.map_err(|error| unread(importer, number, error))?;
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XHeader | EntryType::GNULongName) {
            let mut body = Vec::new();
            let read = (&mut entry).take(MAX_EXTENSION + 1).read_to_end(&mut body);
            read.map_err(|error| unread(importer, number, error))?;
            let taken = match kind {
                EntryType::XHeader => extension.take(&body),
                _ => extension.long_name(&body),
            };
            taken.map_err(|reason| importer.wrong(&format!("{name}: entry {number}: {reason}")))?;
            continue;
        }
        if matches!(kind, EntryType::GNULongLink | EntryType::XGlobalHeader) {
            continue;
        }
        let extension = std::mem::take(&mut extension);
        let path = extension.path.unwrap_or_else(|| entry.path_bytes().into_owned());
        let shown = String::from_utf8_lossy(&path).into_owned();
        let place = format!("{name}: entry {number} ({shown:?})");
        let is_file = kind.is_file() || kind.is_contiguous();
        if kind == EntryType::Directory || is_file && path.ends_with(b"/") {
            continue;
        }
        if kind.is_gnu_sparse() || extension.is_sparse {
            return Err(Failure::usage(format!("{place}: it is a sparse file, which is not read"))
                .hint("make the archive without --sparse")
                .into());
        }
        if !is_file {
            importer.skip("links and special entries", &shown);
            continue;
        }
        if extension.size.is_some_and(|size| size != entry.size()) {
            return Err(importer.wrong(&format!("{place}: its two sizes differ")));
        }
        let key = match &extension.key {
            Some(key) => std::str::from_utf8(key).map(str::to_owned).map_err(|_| NOT_UTF8.to_owned()),
            None => clean(&path),
        };
        let key = key.and_then(|key| importer.key(&key).map_err(|error| error.to_string()));
        let key = key.map_err(|reason| importer.wrong(&format!("{place}: {reason}")))?;
        importer.put_stream(key, entry.size(), &mut entry, &place)?;
    }
    if extension.path.is_some() || extension.key.is_some() {
        return Err(importer.wrong(&format!("{name}: it ends behind entry {last_number}, which tells of another")));
    }
    Ok(())
}

const NOT_UTF8: &str = "its name is not valid UTF-8";

/// The key that a path stands for.
fn clean(path: &[u8]) -> Result<String, String> {
    let path = std::str::from_utf8(path).map_err(|_| NOT_UTF8)?;
    if path.starts_with('/') {
        return Err("its path is absolute".into());
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !matches!(*segment, "" | ".")).collect();
    if segments.contains(&"..") {
        return Err("its path leads out of the archive".into());
    }
    Ok(segments.join("/"))
}

impl Extension {
    /// A long name of GNU tar's, which ends in NUL.
    fn long_name(&mut self, body: &[u8]) -> Result<(), &'static str> {
        if body.len() as u64 > MAX_EXTENSION {
            return Err("its name is too long");
        }
        self.path = Some(body.strip_suffix(b"\0").unwrap_or(body).to_vec());
        Ok(())
    }

    /// The records of an extended header: `LENGTH NAME=VALUE\n`, each with its own length, so that any byte can be in
    /// a value.
    fn take(&mut self, body: &[u8]) -> Result<(), &'static str> {
        const WRONG: &str = "its extended header is wrong";
        if body.len() as u64 > MAX_EXTENSION {
            return Err("its extended header is too long");
        }
        let mut rest = body;
        while !rest.is_empty() {
            let space = rest.iter().position(|&b| b == b' ').ok_or(WRONG)?;
            let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse::<usize>().ok());
            let (record, after) = rest.split_at_checked(length.ok_or(WRONG)?).ok_or(WRONG)?;
            let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or(WRONG)?;
            let equals = record.iter().position(|&b| b == b'=').ok_or(WRONG)?;
            let (name, value) = (&record[..equals], &record[equals + 1..]);
            match name {
                b"path" => self.path = Some(value.to_vec()),
                _ if name == KEY_RECORD.as_bytes() => self.key = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or(WRONG)?);
                }
                _ => self.is_sparse |= name.starts_with(b"GNU.sparse."),
            }
            rest = after;
        }
        Ok(())
    }
}

/// Writes a document as an entry. `time` is in seconds since 1970.
pub(crate) fn write_entry(out: &mut impl Write, key: &str, content: Content, time: u64) -> Result<()> {
    let size = content.size();
    let path = path_of(key);
    let mut records = Vec::new();
    if path != key {
        records.extend(record(KEY_RECORD, key));
    }
    // What is not ASCII, or too long for the header's field, is in an extended header, which every program reads.
    let fits = path.len() <= 100 && path.is_ascii();
    if !fits {
        records.extend(record("path", &path));
    }
    if !records.is_empty() {
        let extended = header("PaxHeader", EntryType::XHeader, records.len() as u64, time);
        out.write_all(extended.as_bytes()).and_then(|()| out.write_all(&records)).map_err(OutputError)?;
        pad(out, records.len() as u64)?;
    }
    let name = if fits { path.as_str() } else { "document" };
    out.write_all(header(name, EntryType::Regular, size, time).as_bytes()).map_err(OutputError)?;
    content.copy_to(out)?;
    pad(out, size)
}

/// Writes what ends an archive.
pub(crate) fn write_end(out: &mut impl Write) -> Result<()> {
    Ok(out.write_all(&[0; 2 * BLOCK as usize]).map_err(OutputError)?)
}

/// A key as a path that stays inside the archive.
fn path_of(key: &str) -> String {
    let segments = key.split('/').map(|segment| match segment {
        "." => "%2E",
        ".." => "%2E%2E",
        _ => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

fn header(name: &str, kind: EntryType, size: u64, time: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(time);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

/// A record of an extended header. Its length counts its own digits.
fn record(name: &str, value: &str) -> Vec<u8> {
    let rest = name.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {name}={value}\n").into_bytes()
}

fn pad(out: &mut impl Write, size: u64) -> Result<()> {
    let behind = (BLOCK - size % BLOCK) % BLOCK;
    Ok(out.write_all(&[0; BLOCK as usize][..behind as usize]).map_err(OutputError)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_are_cleaned() {
        assert_eq!(clean(b"./a//b/./c"), Ok("a/b/c".into()));
        assert_eq!(clean(b"a\nb"), Ok("a\nb".into()));
        for bad in [b"/a".as_slice(), b"a/../b", b"..", b"\xff"] {
            assert!(clean(bad).is_err());
        }
    }

    #[test]
    fn extended_headers() {
        let mut extension = Extension::default();
        extension.take(b"11 path=x\n\n8 a=b=c\n13 size=1234\n18 ISODB.key=../y\n").unwrap();
        assert_eq!(extension.path.as_deref(), Some(b"x\n".as_slice()));
        assert_eq!(extension.key.as_deref(), Some(b"../y".as_slice()));
        assert_eq!(extension.size, Some(1234));
        for bad in ["x", "5 a=b\n", "99 a=b\n", "0 a=b\n", "6 a=b\n6", "5 ab\n", "8 size=\n", "-1 a=b\n", "4 a=b\n"] {
            assert!(Extension::default().take(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        for length in (0..120).chain([990, 991, 992, 993, 9_985, 9_990]) {
            let value = "\n".repeat(length);
            let mut extension = Extension::default();
            extension.take(&record("path", &value)).unwrap();
            assert_eq!(extension.path.as_deref(), Some(value.as_bytes()));
        }
    }

    #[test]
    fn keys_stay_inside() {
        assert_eq!(path_of("a/../.b/./..c"), "a/%2E%2E/.b/%2E/..c");
    }

    proptest! {
        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..60), text in "[0-9]{1,3} [a-z=\n ]{0,20}") {
            let _ = Extension::default().take(&body);
            let _ = Extension::default().take(text.as_bytes());
        }
    }
}
