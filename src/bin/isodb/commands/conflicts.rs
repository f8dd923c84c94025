//! `isodb conflicts`: the documents that nobody has chosen a version of yet.

use anyhow::Result;
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::Output;
use crate::versions;

/// List the documents in conflict
///
/// A document is in conflict when writers who did not know of each other changed it differently, and no rule decided. Each
/// is a line with its key. With --long, each of its versions is a line, with tabs between its fields: the content's id
/// (or `deleted`), the size, when and by whom it was written, the key. Exit 1 when there are any, 0 when there are none.
///
/// With --json, a document is {"key","base","versions","winner"}: the ids of the content that the versions came from
/// (null where there is none) and of the version that `get` answers, and the versions, each {"id","size","author","time",
/// "commit"}: the commit that introduced it, its author {"name","email","time"}, and its committer's time, by which
/// --take-latest of `resolve` goes. A deletion has "id":null and "deleted":true. --count is {"count"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb conflicts
  isodb conflicts --long stock
  isodb conflicts -z | xargs -0 -n 1 isodb show")]
pub(crate) struct Args {
    /// Only documents at or below this key
    #[arg(value_name = "PREFIX", add = complete::keys())]
    prefix: Option<String>,
    /// Each version, with who wrote it and when
    #[arg(short, long)]
    long: bool,
    /// Print only how many documents there are
    #[arg(long, conflicts_with = "long")]
    count: bool,
    /// As it was at REV
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let (commit, tree) = super::place_at(&db, args.at.as_deref())?;
    let found = db.conflicts(tree, super::prefix(args.prefix.as_deref())?.as_ref())?;
    let mut out = Output::records(context, args.list);
    if args.count {
        let count = found.len();
        if args.list.json { out.json(&json!({"count": count}))? } else { out.record(&count.to_string())? }
    } else if args.list.json || args.long {
        for document in db.versions(commit.as_slice(), &found)? {
            if args.list.json {
                out.json(&versions::json(&db, &document)?)?;
                continue;
            }
            for version in &document.versions {
                let record = versions::record(&db, &out, &document.key.text(), version)?;
                out.record(&record)?;
            }
        }
    } else {
        for (key, _) in &found {
            let key = out.key(&key.text()).into_owned();
            out.record(&key)?;
        }
    }
    out.finish()?;
    if found.is_empty() {
        return Ok(());
    }
    if context.for_people() && !context.is_quiet() {
        say("hint: `isodb show KEY` shows the versions of a document, `isodb resolve KEY` chooses one");
    }
    Err(Failure::no().into())
}
