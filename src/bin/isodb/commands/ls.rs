//! `isodb ls`: list documents.

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::Result;
use isodb::{Database, Document, Error, Id, Key, Range, TreeId};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::output::{Output, Style};

/// List a folder's children, or with -r all documents below it
///
/// Each is shown by its whole key, and a slash behind a key says that there are documents below it. The order is that
/// of the keys' segments, bytewise, and always the same. Exit 1 when there is nothing at PREFIX; --count says 0 then.
///
/// With --json, a document is {"key","id"}, with --long "size" too, and "conflict":true where there is one; a folder is
/// {"key","folder":true}; --count is {"count"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb ls
  isodb ls -r --long farms/17
  isodb ls --from weather/Seattle/2012-06 --to weather/Seattle/2012-07")]
pub(crate) struct Args {
    /// The folder's key [default: the top]
    #[arg(value_name = "PREFIX", add = complete::keys())]
    prefix: Option<String>,
    /// All documents at PREFIX and below
    #[arg(short, long)]
    recursive: bool,
    /// The contents' ids and sizes too
    #[arg(short, long)]
    long: bool,
    /// Only documents from this key on (lists as -r does)
    #[arg(long, value_name = "KEY", add = complete::keys())]
    from: Option<String>,
    /// Only documents before this key (lists as -r does)
    #[arg(long, value_name = "KEY", add = complete::keys())]
    to: Option<String>,
    /// At most N records
    #[arg(long, value_name = "N", value_parser = crate::args::number)]
    limit: Option<usize>,
    /// Print only how many records there are
    #[arg(long)]
    count: bool,
    /// As it was at REV
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

/// One record of a listing.
struct Record {
    key: String,
    what: What,
}

enum What {
    Document(Document),
    Folder(TreeId),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let tree = db.tree(super::tree_at(&db, args.at.as_deref())?);
    let prefix = super::prefix(args.prefix.as_deref())?;
    if let Some(key) = prefix.as_ref().filter(|_| !args.count) {
        tree.folder(Some(key))?.ok_or_else(|| Error::NothingBelow(key.clone()))?;
    }
    let mut out = Output::records(context, args.list);
    let form = Form { db: &db, style: out.style(), long: args.long, json: args.list.json, count: args.count };
    let from = args.from.as_deref().map(super::key).transpose()?;
    let to = args.to.as_deref().map(super::key).transpose()?;
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut count = 0;
    let mut give = |line: Vec<u8>| -> Result<ControlFlow<()>> {
        if count < limit {
            count += 1;
            out.bytes(&line)?;
        }
        Ok(if count < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    };
    if limit == 0 {
        // Nothing is looked for.
    } else if args.recursive || from.is_some() || to.is_some() {
        let line = |_: &_, key: Key, document| {
            let line = form.line(&key.text(), &What::Document(document))?;
            let held = line.len();
            Ok((line, held))
        };
        tree.scan(Range { prefix, from, to }, 0, line, give)?;
    } else {
        'children: for child in tree.children(prefix.as_ref())? {
            let child = child?;
            let key = prefix.as_ref().map_or(child.segment.clone(), |prefix| format!("{prefix}/{}", child.segment));
            let folder = child.is_folder.then(|| Record { key: key.clone(), what: What::Folder(child.tree) });
            let document = child.document.map(|document| Record { key, what: What::Document(document) });
            for Record { key, what } in document.into_iter().chain(folder) {
                if give(form.line(&key, &what)?)?.is_break() {
                    break 'children;
                }
            }
        }
    }
    if args.count {
        if args.list.json { out.json(&json!({"count": count}))? } else { out.record(&count.to_string())? }
    }
    out.finish()
}

/// How records are written.
struct Form<'a> {
    db: &'a Database,
    style: Style,
    long: bool,
    json: bool,
    /// They are only counted.
    count: bool,
}

impl Form<'_> {
    /// A record with its end.
    fn line(&self, key: &str, what: &What) -> Result<Vec<u8>> {
        if self.count {
            return Ok(Vec::new());
        }
        let mut line = Vec::with_capacity(key.len() + 1 + if self.long { 80 } else { 0 });
        if self.json {
            self.write_json(&mut line, key, what)?;
            line.push(b'\n');
            return Ok(line);
        }
        if self.long {
            let (id, size) = match what {
                What::Document(document) => (document.blob.0, self.size(document.blob.0)?.to_string()),
                What::Folder(tree) => (tree.0, "-".to_owned()),
            };
            write!(line, "{} {} ", self.style.id(id), self.style.column(&size))?;
        }
        line.extend_from_slice(self.style.key(key).as_bytes());
        if matches!(what, What::Folder(_)) {
            line.push(b'/');
        }
        line.push(self.style.end());
        Ok(line)
    }

    /// The members are in the order of their names.
    fn write_json(&self, line: &mut Vec<u8>, key: &str, what: &What) -> Result<()> {
        line.push(b'{');
        match what {
            What::Document(document) => {
                if document.conflict.is_some() {
                    line.extend_from_slice(b"\"conflict\":true,");
                }
                write!(line, "\"id\":\"{}\",", document.blob)?;
            }
            What::Folder(_) => line.extend_from_slice(b"\"folder\":true,"),
        }
        line.extend_from_slice(b"\"key\":");
        serde_json::to_writer(&mut *line, key)?;
        if let (What::Document(document), true) = (what, self.long) {
            write!(line, ",\"size\":{}", self.size(document.blob.0)?)?;
        }
        line.push(b'}');
        Ok(())
    }

    fn size(&self, id: Id) -> Result<u64> {
        let header = self.db.store().header(id)?;
        Ok(header.ok_or(isodb::ObjectError::Missing { id, kind: Some(isodb::Kind::Blob) })?.1)
    }
}
