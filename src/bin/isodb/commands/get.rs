//! `isodb get`: read documents.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use isodb::{Database, Document, Error, Key, Store, Tree, TreeId};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::document::{self, Content, READ_AHEAD};
use crate::error::{Failure, OutputError, say};
use crate::input::Records;
use crate::output::{Output, Style, quoted};
use crate::versions;

/// Print documents, byte for byte
///
/// With --batch, keys are read from stdin, one a line, and each is answered by a line `ID SIZE KEY`, the content and a
/// newline, or by a line `missing KEY`; with -z keys and answers end in NUL. Exit 1 when a document that was named as
/// an argument is not there.
///
/// Of a document in conflict the version with the greatest id is printed, with a warning; with --strict none is, and the
/// exit status is 1 (with --batch, a line `conflict KEY` answers). `isodb show KEY` shows all versions.
///
/// With --json, a document is one line: {"key","id","size"} and its content as "value" (JSON on one line, as it was
/// stored; "newline":true where a final newline follows), "text" or "base64", and "conflict":true for one in conflict; or
/// {"key","missing":true}; with --batch, keys can be in JSON quoting then. What it prints of documents, `isodb apply`
/// stores.
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
    /// This version of a document in conflict: the start of its id, or `base` for what all versions came from
    #[arg(long = "version", value_name = "ID", conflicts_with_all = ["batch", "strict"])]
    version: Option<String>,
    /// Print no version of a document in conflict
    #[arg(long)]
    strict: bool,
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
    let warnings = Warnings::default();
    let form = Form {
        db: &db,
        style: out.style(),
        json: args.list.json,
        strict: args.strict,
        warnings,
        room: Room::default(),
    };
    if args.batch {
        batch(&form, &tree, &mut out, args.list)?;
        out.finish()?;
        return form.warnings.give(context, &tree);
    }
    let keys = args.keys.iter().map(|text| super::key(text)).collect::<Result<Vec<_>>>()?;
    if let Some(which) = &args.version {
        let [key] = &keys[..] else { return Err(Failure::usage("--version goes with one KEY").into()) };
        let document = version(&tree, key, which)?;
        form.print(out.writer(), key, document)?;
        return out.finish();
    }
    let mut errors: Vec<anyhow::Error> = Vec::new();
    for key in &keys {
        match tree.get(key)? {
            Some(document) if form.is_refused(document) => {
                let hint = format!("`isodb show {}` shows its versions", quoted(&key.text()));
                errors.push(Failure::no_such(format!("{key:?} is in conflict")).hint(hint).into());
            }
            Some(document) => {
                form.print(out.writer(), key, document)?;
                form.warnings.note(key, document);
            }
            None => errors.push(Error::NoDocument(key.clone()).into()),
        }
    }
    out.finish()?;
    form.warnings.give(context, &tree)?;
    let last = errors.pop();
    for error in errors {
        say(&format!("error: {error}"));
    }
    last.map_or(Ok(()), Err)
}

/// A version of a document, as a document.
fn version(tree: &Tree<'_, Store>, key: &Key, which: &str) -> Result<Document> {
    let document = tree.get(key)?.ok_or_else(|| Error::NoDocument(key.clone()))?;
    let (ids, base) = match document.conflict {
        None => (vec![document.blob], None),
        Some(conflict) => {
            let conflict = tree.conflict(conflict)?;
            (conflict.versions.into_iter().collect(), conflict.base)
        }
    };
    let blob = versions::find(&key.text(), &ids, base, which)?;
    // Of one version nothing is in doubt.
    Ok(blob.into())
}

/// What is said once for all documents that were printed though they are in conflict.
#[derive(Default)]
struct Warnings(Mutex<Met>);

/// How many there were, and the first.
#[derive(Default)]
struct Met {
    count: u64,
    first: Option<(Key, TreeId)>,
}

impl Warnings {
    fn note(&self, key: &Key, document: Document) {
        let Some(conflict) = document.conflict else { return };
        let mut met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        met.count += 1;
        met.first.get_or_insert_with(|| (key.clone(), conflict));
    }

    fn give(&self, context: &Context, tree: &Tree<'_, Store>) -> Result<()> {
        let met = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((key, conflict)) = met.first.as_ref().filter(|_| !context.is_quiet()) else { return Ok(()) };
        if met.count > 1 {
            say(&format!("warning: {} documents are in conflict, and one version of each was printed", met.count));
            say("hint: `isodb conflicts` lists them");
            return Ok(());
        }
        let conflict = tree.conflict(*conflict)?;
        let count = conflict.versions.len() + usize::from(conflict.deleted);
        say(&format!("warning: {key:?} is in conflict, and this is one of {count} versions"));
        say(&format!("hint: `isodb show {}` shows them, `isodb resolve` chooses one", quoted(&key.text())));
        Ok(())
    }
}

/// So many keys are looked up at once, if they are there already: sorted, neighbours share the trees that lead to them.
const AT_ONCE: usize = 1 << 14;
/// So many bytes of documents are read ahead of their turn at most. Where that is not enough for all of a round, fewer keys
/// are looked up at once from then on, all of which fit.
const AHEAD: u64 = 32 << 20;
const FEWER: usize = (AHEAD / READ_AHEAD) as usize;

fn batch(form: &Form<'_>, tree: &Tree<'_, Store>, out: &mut Output, list: ListArgs) -> Result<()> {
    let mut records = Records::new(list.null);
    let (mut has_more, mut at_once) = (true, AT_ONCE);
    while has_more {
        let mut questions = Vec::new();
        let mut failed = Ok(());
        while questions.len() < at_once && (questions.is_empty() || !records.is_waiting()) {
            match records.next()?.map(|record| question(record, list)) {
                Some(Ok(question)) => questions.push(question),
                Some(Err(error)) => failed = Err(error),
                None => has_more = false,
            }
            if failed.is_err() || !has_more {
                break;
            }
        }
        form.room.empty();
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
        if form.room.was_short() {
            at_once = FEWER;
        }
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
    /// No version of a document in conflict is printed.
    strict: bool,
    warnings: Warnings,
    room: Room,
}

/// Room for the documents of a round that are read ahead of their turn.
#[derive(Default)]
struct Room {
    /// How many bytes of it are taken, or were wanted.
    wanted: AtomicU64,
}

impl Room {
    /// Begins a round.
    fn empty(&self) {
        self.wanted.store(0, Ordering::Relaxed);
    }

    /// Takes room for so many bytes; false where there is too little.
    fn take(&self, bytes: u64) -> bool {
        self.wanted.fetch_add(bytes, Ordering::Relaxed) + bytes <= AHEAD
    }

    /// Whether there was too little in this round.
    fn was_short(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) > AHEAD
    }
}

impl Form<'_> {
    fn is_refused(&self, document: Document) -> bool {
        self.strict && document.conflict.is_some()
    }

    /// Prints a document that was named as an argument.
    fn print(&self, out: &mut impl Write, key: &Key, document: Document) -> Result<()> {
        let content = Content::read(self.db, document.blob)?;
        if self.json { document::write_json(self.db, out, key, document, content) } else { content.copy_to(out) }
    }

    fn answer(&self, key: &Key, found: Option<Document>) -> Result<Answer> {
        let Some(document) = found else { return Ok(Answer::Ready(self.missing(&key.text())?)) };
        if self.is_refused(document) {
            return Ok(Answer::Ready(self.no_answer("conflict", &key.text())?));
        }
        self.warnings.note(key, document);
        let reader = document::open(self.db, document.blob)?;
        if reader.size() > READ_AHEAD || !self.room.take(reader.size()) {
            return Ok(Answer::Later(document));
        }
        let mut bytes = Vec::with_capacity(reader.size() as usize + 256);
        self.write(&mut bytes, key, document, Content::of(reader)?)?;
        Ok(Answer::Ready(bytes))
    }

    fn missing(&self, key: &str) -> Result<Vec<u8>> {
        self.no_answer("missing", key)
    }

    /// What stands in place of a document, and why.
    fn no_answer(&self, why: &str, key: &str) -> Result<Vec<u8>> {
        if self.json {
            let mut line = serde_json::to_vec(&json!({"key": key, why: true}))?;
            line.push(b'\n');
            return Ok(line);
        }
        let mut line = [why.as_bytes(), b" ", self.style.key(key).as_bytes()].concat();
        line.push(self.style.end());
        Ok(line)
    }

    fn write(&self, out: &mut impl Write, key: &Key, document: Document, content: Content) -> Result<()> {
        if self.json {
            return document::write_json(self.db, out, key, document, content);
        }
        let end = [self.style.end()];
        let text = key.text();
        write!(out, "{} {} {}", document.blob, content.size(), self.style.key(&text)).map_err(OutputError)?;
        out.write_all(&end).map_err(OutputError)?;
        content.copy_to(out)?;
        Ok(out.write_all(&end).map_err(OutputError)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_takes_as_much_as_there_is_room_for() {
        let room = Room::default();
        for _ in 0..2 {
            assert!((0..FEWER).all(|_| room.take(READ_AHEAD)));
            assert!(!room.was_short());
            assert!(!room.take(1));
            assert!(room.was_short());
            room.empty();
        }
    }
}
