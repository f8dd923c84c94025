//! `isodb cat-object`: raw objects.

use std::io::{self, BufRead, BufReader};

use anyhow::Result;
use isodb::{CommitId, Database, Error, Id, Kind, ObjectError, Objects, TreeId, encode_header};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;
use crate::people;

/// Print an object's body, or what it is
///
/// With --batch, revisions are read from stdin, one a line (-z: each ended by NUL), and each is answered by a line
/// `ID KIND SIZE`, the body and a newline, or by a line `REVISION missing`, as `git cat-file --batch` does;
/// --batch-check prints the line alone.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb cat-object -p HEAD
  isodb cat-object --raw HEAD | sha256sum
  isodb cat-object --all | awk '{n[$2]++} END {for (k in n) print k, n[k]}'")]
pub(crate) struct Args {
    /// The object
    #[arg(value_name = "REV", required_unless_present_any = ["batch", "batch_check", "all"], add = complete::revisions())]
    revision: Option<String>,
    /// Print its kind
    #[arg(short = 't', long = "kind", group = "what")]
    kind: bool,
    /// Print its size in bytes
    #[arg(short = 's', long, group = "what")]
    size: bool,
    /// Print nothing; exit 1 when there is no such object
    #[arg(short = 'e', long, group = "what")]
    exists: bool,
    /// Print it for people: trees as lines, long headers of commits folded
    #[arg(short = 'p', long, group = "what")]
    pretty: bool,
    /// Print the bytes that its id is the hash of: header and body
    #[arg(long, group = "what")]
    raw: bool,
    /// Answer each revision on stdin with its object
    #[arg(long, group = "what", conflicts_with = "revision")]
    batch: bool,
    /// Answer each revision on stdin with its id, kind and size
    #[arg(long, group = "what", conflicts_with = "revision")]
    batch_check: bool,
    /// List every object in the database, by id: its id, kind and size
    #[arg(long, group = "what", conflicts_with = "revision")]
    all: bool,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::records(context, args.list);
    if args.all {
        for id in db.store().ids()? {
            if let Some((kind, size)) = db.store().header(id)? {
                line(&mut out, args.list, id, kind, size)?;
            }
        }
        return out.finish();
    }
    if args.batch || args.batch_check {
        return batch(&db, out, &args);
    }
    let revision = args.revision.as_deref().unwrap_or("HEAD");
    let id = match db.resolve(revision) {
        Err(Error::NoRevision { .. } | Error::NoDocument(_) | Error::NoCommit(_)) if args.exists => {
            return Err(Failure::no().into());
        }
        other => other?,
    };
    let Some(mut reader) = open(&db, id)? else {
        return Err(if args.exists { Failure::no().into() } else { ObjectError::Missing { id, kind: None }.into() });
    };
    let (kind, size) = (reader.kind(), reader.size());
    if args.exists {
    } else if args.list.json {
        line(&mut out, args.list, id, kind, size)?;
    } else if args.kind {
        out.record(kind.name())?;
    } else if args.size {
        out.record(&size.to_string())?;
    } else if args.pretty && kind == Kind::Tree {
        for text in people::tree_lines(&db.store().tree(TreeId(id))?) {
            out.record(&text)?;
        }
    } else if args.pretty && kind == Kind::Commit {
        let text = folded(&db.store().require(id, Kind::Commit)?);
        db.store().commit(CommitId(id))?;
        out.bytes(text.as_bytes())?;
    } else {
        if args.raw {
            out.bytes(&encode_header(kind, size))?;
        }
        out.body(&mut reader)?;
    }
    out.finish()
}

/// An object to read; the empty tree is there even where nobody has stored it.
fn open(db: &Database, id: Id) -> Result<Option<isodb::Reader>> {
    Ok(db.store().open(id)?)
}

/// A commit's text with its long headers (signatures) cut to their first line.
fn folded(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let (headers, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut shown = String::new();
    let mut hidden = 0;
    for line in headers.lines().chain([""]) {
        if line.starts_with(' ') {
            hidden += 1;
            continue;
        }
        if hidden > 0 {
            shown += &format!(" … {hidden} more lines\n");
            hidden = 0;
        }
        shown += line;
        shown.push('\n');
    }
    shown + message
}

fn line(out: &mut Output, list: ListArgs, id: Id, kind: Kind, size: u64) -> Result<()> {
    if list.json {
        out.json(&json!({"id": id.to_string(), "kind": kind.name(), "size": size}))
    } else {
        out.record(&format!("{id} {kind} {size}"))
    }
}

fn batch(db: &Database, mut out: Output, args: &Args) -> Result<()> {
    let mut source = BufReader::with_capacity(1 << 16, io::stdin().lock());
    let end = if args.list.null { b'\0' } else { b'\n' };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if source.read_until(end, &mut bytes)? == 0 {
            return out.finish();
        }
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
        let text = String::from_utf8_lossy(&bytes);
        let found = match db.resolve(&text) {
            Ok(id) => open(db, id)?.map(|reader| (id, reader)),
            Err(Error::Object(error @ ObjectError::Io { .. })) => return Err(error.into()),
            Err(Error::Ambiguous { .. }) => {
                out.record(&format!("{text} ambiguous"))?;
                continue;
            }
            Err(_) => None,
        };
        match found {
            Some((id, mut reader)) => {
                line(&mut out, args.list, id, reader.kind(), reader.size())?;
                if args.batch {
                    out.body(&mut reader)?;
                    out.record("")?;
                }
            }
            None if args.list.json => out.json(&json!({"revision": text, "missing": true}))?,
            None => out.record(&format!("{text} missing"))?,
        }
        if source.buffer().is_empty() {
            out.flush()?;
        }
    }
}
