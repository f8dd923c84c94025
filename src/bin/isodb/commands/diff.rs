//! `isodb diff`: the documents that differ between two revisions.

use anyhow::Result;
use isodb::Change;
use serde_json::{Value, json};

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;
use crate::people::{self, Detail};

/// List the documents that differ between two revisions
///
/// Each is marked A (added), M (changed) or D (removed). Subtrees that are equal are not read. With -p, JSON documents
/// are compared field by field (each by its JSON pointer), other text line by line.
///
/// With --json, a document is {"key","status","old","new"}: added, changed or removed, and the contents' ids; and
/// "conflict":true for one that is in conflict now. Where only the versions in conflict differ, the ids are the same.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb diff HEAD~1
  isodb diff -p main@{1} main farms/17
  isodb diff --exit-code backup HEAD || echo 'not backed up'")]
pub(crate) struct Args {
    /// The older revision
    #[arg(value_name = "A", add = complete::revisions())]
    old: String,
    /// The newer revision [default: the current head]
    #[arg(value_name = "B", default_value = "HEAD", hide_default_value = true, add = complete::revisions())]
    new: String,
    /// Only documents at or below this key
    #[arg(value_name = "PREFIX", add = complete::keys())]
    prefix: Option<String>,
    /// What differs inside the documents
    #[arg(short, long, conflicts_with_all = ["stat", "json", "null"])]
    patch: bool,
    /// The documents' sizes before and after, and a summary
    #[arg(long, conflicts_with = "json")]
    stat: bool,
    /// Exit 1 when something differs
    #[arg(long)]
    exit_code: bool,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let trees = [db.resolve_tree(&args.old)?, db.resolve_tree(&args.new)?];
    let prefix = super::prefix(args.prefix.as_deref())?;
    let mut out = Output::records(context, args.list);
    let detail = Detail::of(args.patch, args.stat);
    let (mut added, mut changed, mut removed) = (0, 0, 0);
    people::each_change(&db, trees, prefix.as_ref(), |change| {
        match people::letter(&change) {
            'A' => added += 1,
            'D' => removed += 1,
            _ => changed += 1,
        }
        match args.list.json {
            true => out.json(&change_json(&change)),
            false => people::print_change(&db, &mut out, &change, detail),
        }
    })?;
    if args.stat && !args.list.null {
        out.record(&format!("{added} added, {changed} changed, {removed} removed"))?;
    }
    out.finish()?;
    if args.exit_code && added + changed + removed > 0 { Err(Failure::no().into()) } else { Ok(()) }
}

/// A change as a JSON object: the key, the status, the contents' ids.
pub(super) fn change_json(change: &Change) -> Value {
    let status = match people::letter(change) {
        'A' => "added",
        'D' => "removed",
        _ => "changed",
    };
    let mut object = json!({
        "key": change.key.text(), "status": status,
        "old": change.old.map(|document| document.blob.to_string()),
        "new": change.new.map(|document| document.blob.to_string()),
    });
    if change.new.is_some_and(|document| document.conflict.is_some()) {
        object["conflict"] = true.into();
    }
    object
}
