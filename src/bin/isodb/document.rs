//! A document as a line of JSON: {"key","id","size"} and "value" (with "newline" where a final newline follows it),
//! "text" or "base64". What stands here, `isodb apply` stores again, byte for byte.

use std::io::{self, Write};

use anyhow::Result;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::write::EncoderWriter;
use isodb::{BlobId, Database, Document, Key, Kind, ObjectError, Reader, STREAM_FROM};
use serde_json::value::RawValue;

use crate::error::OutputError;
use crate::output::{Output, to_output};

/// A document's content, to read.
pub(crate) fn open(db: &Database, blob: BlobId) -> Result<Reader> {
    let reader = db.store().open(blob.0)?;
    Ok(reader.ok_or(ObjectError::Missing { id: blob.0, kind: Some(Kind::Blob) })?)
}

/// Prints a document. What is small is checked before its first byte is printed.
pub(crate) fn print_json(db: &Database, out: &mut Output, key: &Key, document: Document) -> Result<()> {
    let mut reader = open(db, document.blob)?;
    let size = reader.size();
    let mut body = Vec::new();
    if size <= STREAM_FROM {
        reader.copy_to(&mut body)?;
    }
    let key = serde_json::to_string(&*key.text())?;
    out.bytes(format!("{{\"key\":{key},\"id\":\"{}\",\"size\":{size},", document.blob).as_bytes())?;
    if size > STREAM_FROM {
        large(db, out, document.blob)?;
    } else {
        small(out, &body)?;
    }
    out.bytes(b"}\n")
}

fn small(out: &mut Output, body: &[u8]) -> Result<()> {
    match std::str::from_utf8(body) {
        Ok(text) if is_plain_json(text.strip_suffix('\n').unwrap_or(text)) => {
            out.bytes(b"\"value\":")?;
            match body.strip_suffix(b"\n") {
                Some(value) => out.bytes(&[value, b",\"newline\":true"].concat()),
                None => out.bytes(body),
            }
        }
        Ok(text) => {
            out.bytes(b"\"text\":")?;
            out.bytes(serde_json::to_string(text)?.as_bytes())
        }
        Err(_) => base64(out, |coded| Ok(coded.write_all(body).map_err(OutputError)?)),
    }
}

/// A large document is printed as it is read, twice: first to know whether it is text.
fn large(db: &Database, out: &mut Output, blob: BlobId) -> Result<()> {
    let mut check = Utf8Check::default();
    open(db, blob)?.copy_to(&mut check)?;
    let mut reader = open(db, blob)?;
    if !check.is_text() {
        return base64(out, |mut coded| reader.copy_to(&mut coded).map_err(to_output));
    }
    out.bytes(b"\"text\":\"")?;
    reader.copy_to(&mut Escape(out.writer())).map_err(to_output)?;
    out.bytes(b"\"")
}

fn base64(out: &mut Output, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    out.bytes(b"\"base64\":\"")?;
    let mut coded = EncoderWriter::new(out.writer(), &BASE64);
    write(&mut coded)?;
    coded.finish().map_err(OutputError)?;
    drop(coded);
    out.bytes(b"\"")
}

/// Whether a content can stand in a line of JSON as it is, and come back byte for byte.
fn is_plain_json(text: &str) -> bool {
    !text.contains(['\n', '\r']) && text.trim().len() == text.len() && serde_json::from_str::<&RawValue>(text).is_ok()
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
