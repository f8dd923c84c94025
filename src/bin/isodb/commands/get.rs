//! `isodb get`: read documents.

use std::io::{self, BufRead, BufReader, Write};

use anyhow::Result;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::write::EncoderWriter;
use isodb::{BlobId, Database, Document, Error, Key, Kind, Reader, STREAM_FROM, Store, Tree};
use serde_json::value::RawValue;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, OutputError, say};
use crate::output::Output;

/// Print the content of documents, byte for byte
///
/// With --batch, keys are read from stdin, one a line (-z: each ended by NUL), and each is answered by a line
/// `ID SIZE KEY`, the content and a newline, or by a line `missing KEY`. With --json, a document is one line
/// {"key","id","size"} and its content as "value" (JSON, as it was stored), "text" or "base64"; what it prints,
/// `isodb apply` stores. Exit 1 when a document is not there.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb get animals/bella | jq .born
  isodb get --at HEAD~3 notes/today
  isodb ls -r farms | isodb get --batch --json")]
pub(crate) struct Args {
    /// The documents' keys
    #[arg(value_name = "KEY", required_unless_present = "batch", add = complete::keys())]
    keys: Vec<String>,
    /// As it was at REV
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    /// Read keys from stdin
    #[arg(long, conflicts_with = "keys")]
    batch: bool,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let tree = db.tree(super::tree_at(&db, args.at.as_deref())?);
    let mut out = Output::records(context, args.list);
    let mut get = Get { db: &db, tree, out: &mut out, json: args.list.json };
    if args.batch {
        get.batch(args.list.null)?;
        return out.finish();
    }
    let keys = args.keys.iter().map(|text| super::key(text)).collect::<Result<Vec<_>>>()?;
    let mut missing = Vec::new();
    for key in keys {
        match get.tree.get(&key)? {
            Some(document) if args.list.json => get.json(&key, document)?,
            Some(document) => {
                let mut reader = open(&db, document.blob)?;
                get.content(&mut reader)?;
            }
            None => missing.push(key),
        }
    }
    out.finish()?;
    let last = missing.pop();
    for key in missing {
        say(&format!("error: {}", Error::NoDocument(key)));
    }
    last.map_or(Ok(()), |key| Err(Error::NoDocument(key).into()))
}

fn open(db: &Database, blob: BlobId) -> Result<Reader> {
    let reader = db.store().open(blob.0)?;
    Ok(reader.ok_or(isodb::ObjectError::Missing { id: blob.0, kind: Some(Kind::Blob) })?)
}

struct Get<'a> {
    db: &'a Database,
    tree: Tree<'a, Store>,
    out: &'a mut Output,
    json: bool,
}

impl Get<'_> {
    /// Writes a content. What is small is checked before its first byte is written.
    fn content(&mut self, reader: &mut Reader) -> Result<()> {
        if reader.size() > STREAM_FROM {
            return Ok(self.out.body(reader)?);
        }
        let mut body = Vec::new();
        reader.copy_to(&mut body)?;
        self.out.bytes(&body)
    }

    fn batch(&mut self, null: bool) -> Result<()> {
        let mut source = BufReader::with_capacity(1 << 16, io::stdin().lock());
        let end = if null { b'\0' } else { b'\n' };
        let mut line = Vec::new();
        loop {
            line.clear();
            if source.read_until(end, &mut line)? == 0 {
                return Ok(());
            }
            if line.last() == Some(&end) {
                line.pop();
            }
            let unquoted = if self.json && !null && line.first() == Some(&b'"') {
                serde_json::from_slice::<String>(&line)
                    .map_err(|_| {
                        Failure::usage(format!("not a key in JSON quoting: {}", String::from_utf8_lossy(&line)))
                    })?
                    .into_bytes()
            } else {
                line.clone()
            };
            self.answer(&unquoted)?;
            // A program that asks for one key at a time waits for the answer before it asks again; one that has
            // already written more does not have to.
            if source.buffer().is_empty() {
                self.out.flush()?;
            }
        }
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<()> {
        // What is no key names no document.
        let found = match Key::from_bytes(bytes) {
            Ok(key) => self.tree.get(&key)?.map(|document| (key, document)),
            Err(_) => None,
        };
        let text = String::from_utf8_lossy(bytes);
        match found {
            Some((key, document)) if self.json => self.json(&key, document),
            None if self.json => self.out.json(&serde_json::json!({"key": text, "missing": true})),
            None => {
                let key = self.out.key(&text).into_owned();
                self.out.record(&format!("missing {key}"))
            }
            Some((_, document)) => {
                let mut reader = open(self.db, document.blob)?;
                let key = self.out.key(&text).into_owned();
                self.out.record(&format!("{} {} {key}", document.blob, reader.size()))?;
                self.content(&mut reader)?;
                self.out.record("")
            }
        }
    }

    fn json(&mut self, key: &Key, document: Document) -> Result<()> {
        let mut reader = open(self.db, document.blob)?;
        let size = reader.size();
        let key = serde_json::to_string(&*key.text())?;
        self.out.bytes(format!("{{\"key\":{key},\"id\":\"{}\",\"size\":{size},", document.blob).as_bytes())?;
        if size > STREAM_FROM {
            return self.large_json(document.blob);
        }
        let mut body = Vec::new();
        reader.copy_to(&mut body)?;
        match std::str::from_utf8(&body) {
            Ok(text) if is_plain_json(text) => {
                self.out.bytes(b"\"value\":")?;
                self.out.bytes(&body)?;
            }
            Ok(text) => {
                self.out.bytes(b"\"text\":")?;
                serde_json::to_writer(self.out.writer(), text).map_err(|error| OutputError(error.into()))?;
            }
            Err(_) => {
                self.out.bytes(b"\"base64\":\"")?;
                let mut coded = EncoderWriter::new(self.out.writer(), &BASE64);
                coded.write_all(&body).and_then(|()| coded.finish().map(drop)).map_err(OutputError)?;
                drop(coded);
                self.out.bytes(b"\"")?;
            }
        }
        self.out.bytes(b"}\n")
    }

    /// A large document is written as it is read, twice: first to know whether it is text.
    fn large_json(&mut self, blob: BlobId) -> Result<()> {
        let mut check = Utf8Check::default();
        open(self.db, blob)?.copy_to(&mut check)?;
        if check.is_text() {
            self.out.bytes(b"\"text\":\"")?;
            open(self.db, blob)?.copy_to(&mut Escape(self.out.writer()))?;
        } else {
            self.out.bytes(b"\"base64\":\"")?;
            let mut coded = EncoderWriter::new(self.out.writer(), &BASE64);
            open(self.db, blob)?.copy_to(&mut coded)?;
            coded.finish().map(drop).map_err(OutputError)?;
        }
        self.out.bytes(b"\"}\n")
    }
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
