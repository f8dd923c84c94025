//! `isodb ls`: list documents.

use anyhow::Result;
use isodb::{Database, Document, Error, Id, Range, TreeId};
use serde_json::{Map, Value, json};

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::output::Output;

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

/// One line of a listing.
struct Record {
    key: String,
    document: Option<Document>,
    folder: Option<TreeId>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let tree = db.tree(super::tree_at(&db, args.at.as_deref())?);
    let prefix = super::prefix(args.prefix.as_deref())?;
    if let Some(key) = prefix.as_ref().filter(|_| !args.count) {
        tree.folder(Some(key))?.ok_or_else(|| Error::NothingBelow(key.clone()))?;
    }
    let limit = args.limit.unwrap_or(usize::MAX);
    let mut list = Listing { db: &db, out: Output::records(context, args.list), long: args.long, json: args.list.json };
    let mut count = 0;
    let mut give = |record: Record| -> Result<bool> {
        if count == limit {
            return Ok(false);
        }
        count += 1;
        if !args.count {
            list.print(record)?;
        }
        Ok(true)
    };
    if args.recursive || args.from.is_some() || args.to.is_some() {
        let from = args.from.as_deref().map(super::key).transpose()?;
        let to = args.to.as_deref().map(super::key).transpose()?;
        for item in tree.documents(Range { prefix, from, to })? {
            let (key, document) = item?;
            if !give(Record { key: key.text().into_owned(), document: Some(document), folder: None })? {
                break;
            }
        }
    } else {
        for child in tree.children(prefix.as_ref())? {
            let child = child?;
            let key = prefix.as_ref().map_or(child.segment.clone(), |prefix| format!("{prefix}/{}", child.segment));
            let folder = child.is_folder.then(|| Record { key: key.clone(), document: None, folder: Some(child.tree) });
            let document = child.document.map(|_| Record { key, document: child.document, folder: None });
            let mut more = true;
            for record in document.into_iter().chain(folder) {
                more = more && give(record)?;
            }
            if !more {
                break;
            }
        }
    }
    if args.count {
        list.print_count(count)?;
    }
    list.out.finish()
}

struct Listing<'a> {
    db: &'a Database,
    out: Output,
    long: bool,
    json: bool,
}

impl Listing<'_> {
    fn print(&mut self, record: Record) -> Result<()> {
        let id: Option<Id> = record.document.map(|document| document.blob.0);
        if self.json {
            let mut object = Map::new();
            object.insert("key".into(), record.key.into());
            match (id, record.folder) {
                (Some(id), _) => {
                    object.insert("id".into(), id.to_string().into());
                    if self.long {
                        object.insert("size".into(), self.size(id)?.into());
                    }
                    if record.document.is_some_and(|document| document.conflict.is_some()) {
                        object.insert("conflict".into(), true.into());
                    }
                }
                (None, _) => {
                    object.insert("folder".into(), true.into());
                }
            }
            return self.out.json(&Value::Object(object));
        }
        let slash = if record.folder.is_some() { "/" } else { "" };
        let key = self.out.key(&record.key).into_owned() + slash;
        if !self.long {
            return self.out.record(&key);
        }
        match (id, record.folder) {
            (Some(id), _) => {
                let size = self.size(id)?;
                let size = self.out.column(&size.to_string());
                self.out.record(&format!("{} {size} {key}", self.out.id(id)))
            }
            (None, Some(folder)) => self.out.record(&format!("{} {} {key}", self.out.id(folder), self.out.column("-"))),
            (None, None) => Ok(()),
        }
    }

    fn size(&self, id: Id) -> Result<u64> {
        let header = self.db.store().header(id)?;
        Ok(header.ok_or(isodb::ObjectError::Missing { id, kind: Some(isodb::Kind::Blob) })?.1)
    }

    fn print_count(&mut self, count: usize) -> Result<()> {
        if self.json { self.out.json(&json!({"count": count})) } else { self.out.record(&count.to_string()) }
    }
}
