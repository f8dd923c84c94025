//! A document as a line of JSON: {"key","id","size"} and "value" (with "newline" where a final newline follows it),
//! "text" or "base64". What stands here, `isodb apply` stores again, byte for byte.

use std::io::{self, Write};

use anyhow::Result;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::write::EncoderWriter;
use isodb::{BlobId, Database, Document, Key, Kind, ObjectError, Reader, STREAM_FROM};
use serde_json::value::RawValue;

use crate::error::OutputError;
use crate::output::to_output;

/// The largest content that is read before its turn has come, in bytes: so much memory a document.
pub(crate) const READ_AHEAD: u64 = 16 << 10;

/// A document's content, to read.
pub(crate) fn open(db: &Database, blob: BlobId) -> Result<Reader> {
    let reader = db.store().open(blob.0)?;
    Ok(reader.ok_or(ObjectError::Missing { id: blob.0, kind: Some(Kind::Blob) })?)
}

/// A content as it is printed: what is small is in memory, and checked, before its first byte is.
pub(crate) enum Content {
    Small(Vec<u8>),
    Large(Box<Reader>),
}

impl Content {
    pub(crate) fn read(db: &Database, blob: BlobId) -> Result<Content> {
        Content::of(open(db, blob)?)
    }

    pub(crate) fn of(reader: Reader) -> Result<Content> {
        match reader.size() > STREAM_FROM {
            true => Ok(Content::Large(Box::new(reader))),
            false => Ok(Content::Small(reader.into_body(STREAM_FROM)?)),
        }
    }

    /// The content's size in bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Content::Small(body) => body.len() as u64,
            Content::Large(reader) => reader.size(),
        }
    }

    /// Gives the bytes to a writer that stands for the answer.
    pub(crate) fn copy_to(self, out: &mut impl Write) -> Result<()> {
        match self {
            Content::Small(body) => Ok(out.write_all(&body).map_err(OutputError)?),
            Content::Large(mut reader) => reader.copy_to(out).map_err(to_output),
        }
    }
}

/// Writes a document with its id and its size, and whether it is in conflict.
pub(crate) fn write_json(
    db: &Database,
    out: &mut impl Write,
    key: &Key,
    Document { blob, conflict }: Document,
    content: Content,
) -> Result<()> {
    write_key(out, &key.text())?;
    let conflict = if conflict.is_some() { ",\"conflict\":true" } else { "" };
    write!(out, ",\"id\":\"{blob}\",\"size\":{}{conflict}", content.size()).map_err(OutputError)?;
    write_content(db, out, blob, content)
}

/// Writes a document as a change that stores it.
pub(crate) fn write_change(
    db: &Database,
    out: &mut impl Write,
    key: &str,
    (blob, content): (BlobId, Content),
) -> Result<()> {
    write_key(out, key)?;
    write_content(db, out, blob, content)
}

/// Begins an object with the key: `{"key":K`.
pub(crate) fn write_key(out: &mut impl Write, key: &str) -> Result<()> {
    out.write_all(b"{\"key\":").map_err(OutputError)?;
    Ok(serde_json::to_writer(out, key).map_err(|error| OutputError(error.into()))?)
}

/// Ends an object with the content.
pub(crate) fn write_content(db: &Database, out: &mut impl Write, blob: BlobId, content: Content) -> Result<()> {
    out.write_all(b",").map_err(OutputError)?;
    match content {
        Content::Small(body) => small(out, &body)?,
        Content::Large(reader) => large(db, out, blob, *reader)?,
    }
    Ok(out.write_all(b"}\n").map_err(OutputError)?)
}

fn small(out: &mut impl Write, body: &[u8]) -> Result<()> {
    let Ok(text) = std::str::from_utf8(body) else {
        return base64(out, |coded| Ok(coded.write_all(body).map_err(OutputError)?));
    };
    let value = text.strip_suffix('\n').unwrap_or(text);
    if !is_plain_json(value) {
        out.write_all(b"\"text\":").map_err(OutputError)?;
        return Ok(serde_json::to_writer(out, text).map_err(|error| OutputError(error.into()))?);
    }
    let end: &[u8] = if value.len() < text.len() { b",\"newline\":true" } else { b"" };
    let written = out.write_all(b"\"value\":").and_then(|()| out.write_all(value.as_bytes()));
    Ok(written.and_then(|()| out.write_all(end)).map_err(OutputError)?)
}

/// A large document is printed as it is read, twice: first to know whether it is text.
fn large(db: &Database, out: &mut impl Write, blob: BlobId, mut reader: Reader) -> Result<()> {
    let mut check = Utf8Check::default();
    open(db, blob)?.copy_to(&mut check)?;
    if !check.is_text() {
        return base64(out, |mut coded| reader.copy_to(&mut coded).map_err(to_output));
    }
    out.write_all(b"\"text\":\"").map_err(OutputError)?;
    reader.copy_to(&mut Escape(&mut *out)).map_err(to_output)?;
    Ok(out.write_all(b"\"").map_err(OutputError)?)
}

fn base64(out: &mut impl Write, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    out.write_all(b"\"base64\":\"").map_err(OutputError)?;
    let mut coded = EncoderWriter::new(&mut *out, &BASE64);
    write(&mut coded)?;
    coded.finish().map_err(OutputError)?;
    drop(coded);
    Ok(out.write_all(b"\"").map_err(OutputError)?)
}

/// Whether a content can stand in a line of JSON as it is, and come back byte for byte.
fn is_plain_json(text: &str) -> bool {
    // Every byte is looked at: that is faster than to stop at the first, which is hardly ever there.
    let has_line_end = text.bytes().fold(false, |found, b| found | (b == b'\n') | (b == b'\r'));
    !has_line_end && text.trim_ascii().len() == text.len() && serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Tells whether bytes that come in pieces are UTF-8.
#[derive(Default)]
struct Utf8Check {
    rest: Vec<u8>,
    failed: bool,
}

impl Utf8Check {
    fn is_text(&self) -> bool {
        !self.failed && self.rest.is_empty()
    }
}

impl Write for Utf8Check {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.failed {
            let mut all = std::mem::take(&mut self.rest);
            all.extend_from_slice(bytes);
            match std::str::from_utf8(&all) {
                Ok(_) => {}
                // A character may be cut at the end of a piece.
                Err(error) if error.error_len().is_none() => self.rest = all.split_off(error.valid_up_to()),
                Err(_) => self.failed = true,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes UTF-8 as the inside of a JSON string.
struct Escape<W>(W);

impl<W: Write> Write for Escape<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for run in bytes.split_inclusive(|&b| b < 0x20 || matches!(b, b'"' | b'\\')) {
            match run.split_last() {
                Some((&last, plain)) if last < 0x20 || matches!(last, b'"' | b'\\') => {
                    self.0.write_all(plain)?;
                    match last {
                        b'"' | b'\\' => self.0.write_all(&[b'\\', last])?,
                        b'\n' => self.0.write_all(b"\\n")?,
                        _ => write!(self.0, "\\u{last:04x}")?,
                    }
                }
                _ => self.0.write_all(run)?,
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
