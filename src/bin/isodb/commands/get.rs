//! `isodb get`: read documents.

use anyhow::Result;
use isodb::{Database, Error, Key, Reader, STREAM_FROM, Store, Tree};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::document;
use crate::error::{Failure, say};
use crate::input::Records;
use crate::output::Output;

/// Print documents, byte for byte
///
/// With --batch, keys are read from stdin, one a line, and each is answered by a line `ID SIZE KEY`, the content and a
/// newline, or by a line `missing KEY`; with -z keys and answers end in NUL. Exit 1 when a document that was named as
/// an argument is not there.
///
/// With --json, a document is one line: {"key","id","size"} and its content as "value" (JSON on one line, as it was
/// stored; "newline":true where a final newline follows), "text" or "base64", or {"key","missing":true}; with --batch,
/// keys can be in JSON quoting then. What it prints of documents, `isodb apply` stores.
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
            Some(document) if args.list.json => document::print_json(&db, get.out, &key, document)?,
            Some(document) => get.content(&mut document::open(&db, document.blob)?)?,
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

struct Get<'a> {
    db: &'a Database,
    tree: Tree<'a, Store>,
    out: &'a mut Output,
    json: bool,
}

impl Get<'_> {
    /// Prints a content. What is small is checked before its first byte is printed.
    fn content(&mut self, reader: &mut Reader) -> Result<()> {
        if reader.size() > STREAM_FROM {
            return self.out.body(reader);
        }
        let mut body = Vec::new();
        reader.copy_to(&mut body)?;
        self.out.bytes(&body)
    }

    fn batch(&mut self, null: bool) -> Result<()> {
        let mut records = Records::new(null);
        while let Some(record) = records.next()? {
            if self.json && !null && record.first() == Some(&b'"') {
                let key = serde_json::from_slice::<String>(record).map_err(|_| {
                    Failure::usage(format!("not a key in JSON quoting: {}", String::from_utf8_lossy(record)))
                })?;
                self.answer(key.as_bytes())?;
            } else {
                self.answer(record)?;
            }
            if records.is_waiting() {
                self.out.flush()?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, bytes: &[u8]) -> Result<()> {
        // What is no key names no document.
        let found = match Key::from_bytes(bytes) {
            Ok(key) => self.tree.get(&key)?.map(|document| (key, document)),
            Err(_) => None,
        };
        let text = String::from_utf8_lossy(bytes);
        match found {
            Some((key, document)) if self.json => document::print_json(self.db, self.out, &key, document),
            None if self.json => self.out.json(&json!({"key": text, "missing": true})),
            None => {
                let key = self.out.key(&text).into_owned();
                self.out.record(&format!("missing {key}"))
            }
            Some((_, document)) => {
                let mut reader = document::open(self.db, document.blob)?;
                let key = self.out.key(&text).into_owned();
                self.out.record(&format!("{} {} {key}", document.blob, reader.size()))?;
                self.content(&mut reader)?;
                self.out.record("")
            }
        }
    }
}
