//! `isodb cat-object`: raw objects.

use anyhow::Result;
use isodb::{Database, Error, Id, Kind, ObjectError, Objects, Reader, TreeId, encode_header};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::input::Records;
use crate::output::Output;

/// Print an object, or what it is
///
/// With --batch, revisions are read from stdin, one a line, and each is answered by a line `ID KIND SIZE`, the body and
/// a newline, or by a line `REVISION missing`, as `git cat-file --batch` does; --batch-check prints the line alone. With
/// -z, revisions and answers end in NUL. --json prints {"id","kind","size"} in place of lines, and no body but
/// --batch's.
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
                line(&mut out, args.list.json, id, kind, size)?;
            }
        }
        return out.finish();
    }
    if args.batch || args.batch_check {
        return batch(&db, out, &args);
    }
    let revision = args.revision.as_deref().unwrap_or("HEAD");
    if args.exists {
        return if find(&db, revision)?.is_some() { Ok(()) } else { Err(Failure::no().into()) };
    }
    let id = db.resolve(revision)?;
    let mut reader = db.store().open(id)?.ok_or(ObjectError::Missing { id, kind: None })?;
    let (kind, size) = (reader.kind(), reader.size());
    if args.list.json {
        line(&mut out, args.list.json, id, kind, size)?;
    } else if args.kind {
        out.record(kind.name())?;
    } else if args.size {
        out.record(&size.to_string())?;
    } else if args.pretty && kind == Kind::Tree {
        super::ls_tree::print(&db, &mut out, TreeId(id), false, false)?;
    } else if args.pretty && kind == Kind::Commit {
        out.bytes(folded(&db.store().require(id, Kind::Commit)?).as_bytes())?;
    } else {
        if args.raw {
            out.bytes(&encode_header(kind, size))?;
        }
        out.body(&mut reader)?;
    }
    out.finish()
}

/// The object that a revision names, to read; `None` where it names none.
fn find(db: &Database, revision: &str) -> Result<Option<(Id, Reader)>> {
    let id = match db.resolve(revision) {
        Ok(id) => id,
        Err(
            Error::NoRevision { .. }
            | Error::BadRevision { .. }
            | Error::WrongKind { .. }
            | Error::NoDocument(_)
            | Error::NoCommit(_)
            | Error::Key(_),
        ) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Ok(db.store().open(id)?.map(|reader| (id, reader)))
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

/// Prints what an object is.
pub(super) fn line(out: &mut Output, json: bool, id: Id, kind: Kind, size: u64) -> Result<()> {
    if json {
        out.json(&json!({"id": id.to_string(), "kind": kind.name(), "size": size}))
    } else {
        out.record(&format!("{id} {kind} {size}"))
    }
}

fn batch(db: &Database, mut out: Output, args: &Args) -> Result<()> {
    let mut records = Records::new(args.list.null);
    while let Some(record) = records.next()? {
        let text = String::from_utf8_lossy(record);
        match find(db, &text) {
            Ok(Some((id, mut reader))) => {
                line(&mut out, args.list.json, id, reader.kind(), reader.size())?;
                if args.batch {
                    out.body(&mut reader)?;
                    out.record("")?;
                }
            }
            Ok(None) => unanswered(&mut out, args.list, &text, "missing")?,
            Err(error) if matches!(error.downcast_ref(), Some(Error::Ambiguous { .. })) => {
                unanswered(&mut out, args.list, &text, "ambiguous")?;
            }
            Err(error) => return Err(error),
        }
        if records.is_waiting() {
            out.flush()?;
        }
    }
    out.finish()
}

/// The answer to a revision that names no object, or several.
fn unanswered(out: &mut Output, list: ListArgs, revision: &str, why: &str) -> Result<()> {
    if list.json {
        out.json(&json!({"revision": revision, why: true}))
    } else {
        out.record(&format!("{revision} {why}"))
    }
}
