//! `isodb get`: read documents.

use std::io::Write;

use anyhow::Result;
use isodb::{Database, Document, Error, Key, Store, Tree};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::document::{self, Content, READ_AHEAD};
use crate::error::{Failure, OutputError, say};
use crate::input::Records;
use crate::output::{Output, Style};

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
    let form = Form { db: &db, style: out.style(), json: args.list.json };
    if args.batch {
        batch(&form, &tree, &mut out, args.list)?;
        return out.finish();
    }
    let keys = args.keys.iter().map(|text| super::key(text)).collect::<Result<Vec<_>>>()?;
    let mut missing = Vec::new();
    for key in keys {
        match tree.get(&key)? {
            Some(document) => {
                let content = Content::read(&db, document.blob)?;
                if args.list.json {
                    document::write_json(&db, out.writer(), &key, document.blob, content)?;
                } else {
                    content.copy_to(out.writer())?;
                }
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

/// So many keys are looked up at once, if they are there already.
const AT_ONCE: usize = 2048;

fn batch(form: &Form<'_>, tree: &Tree<'_, Store>, out: &mut Output, list: ListArgs) -> Result<()> {
    let mut records = Records::new(list.null);
    let mut has_more = true;
    while has_more {
        let mut questions = Vec::new();
        let mut failed = Ok(());
        while questions.len() < AT_ONCE && (questions.is_empty() || !records.is_waiting()) {
            match records.next()?.map(|record| question(record, list)) {
                Some(Ok(question)) => questions.push(question),
                Some(Err(error)) => failed = Err(error),
                None => has_more = false,
            }
            if failed.is_err() || !has_more {
                break;
            }
        }
        // What is no key names no document.
        let keys: Vec<Key> = questions.iter().filter_map(|text| Key::from_bytes(text).ok()).collect();
        let mut keyed = keys.iter().zip(tree.get_many(&keys, 0, |_, key, found| form.answer(key, found?))).peekable();
        for text in &questions {
            match keyed.next_if(|(key, _)| key.text().as_bytes() == text) {
                None => out.bytes(&form.missing(&String::from_utf8_lossy(text))?)?,
                Some((key, answer)) => match answer? {
                    Answer::Ready(bytes) => out.bytes(&bytes)?,
                    Answer::Later(document) => {
                        let content = Content::read(form.db, document.blob)?;
                        form.write(out.writer(), key, document, content)?;
                    }
                },
            }
        }
        failed?;
        if records.is_waiting() {
            out.flush()?;
        }
    }
    Ok(())
}

/// The key that a record asks for.
fn question(record: &[u8], list: ListArgs) -> Result<Vec<u8>> {
    if !list.json || list.null || record.first() != Some(&b'"') {
        return Ok(record.to_vec());
    }
    let key = serde_json::from_slice::<String>(record)
        .map_err(|_| Failure::usage(format!("not a key in JSON quoting: {}", String::from_utf8_lossy(record))))?;
    Ok(key.into_bytes())
}

/// What is printed for one key of a batch.
enum Answer {
    /// These bytes.
    Ready(Vec<u8>),
    /// A document that is too large to be read before its turn has come.
    Later(Document),
}

/// How answers of a batch are written.
struct Form<'a> {
    db: &'a Database,
    style: Style,
    json: bool,
}

impl Form<'_> {
    fn answer(&self, key: &Key, found: Option<Document>) -> Result<Answer> {
        let Some(document) = found else { return Ok(Answer::Ready(self.missing(&key.text())?)) };
        let reader = document::open(self.db, document.blob)?;
        if reader.size() > READ_AHEAD {
            return Ok(Answer::Later(document));
        }
        let mut bytes = Vec::new();
        self.write(&mut bytes, key, document, Content::of(reader)?)?;
        Ok(Answer::Ready(bytes))
    }

    fn missing(&self, key: &str) -> Result<Vec<u8>> {
        if self.json {
            let mut line = serde_json::to_vec(&json!({"key": key, "missing": true}))?;
            line.push(b'\n');
            return Ok(line);
        }
        let mut line = [b"missing ", self.style.key(key).as_bytes()].concat();
        line.push(self.style.end());
        Ok(line)
    }

    fn write(&self, out: &mut impl Write, key: &Key, document: Document, content: Content) -> Result<()> {
        if self.json {
            return document::write_json(self.db, out, key, document.blob, content);
        }
        let end = [self.style.end()];
        let text = key.text();
        write!(out, "{} {} {}", document.blob, content.size(), self.style.key(&text)).map_err(OutputError)?;
        out.write_all(&end).map_err(OutputError)?;
        content.copy_to(out)?;
        Ok(out.write_all(&end).map_err(OutputError)?)
    }
}
