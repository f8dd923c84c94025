//! `isodb verify`: make merge commits again, and compare.

use anyhow::Result;
use isodb::{CommitId, WrongMerge};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::{Output, number_of};
use crate::progress::Progress;

/// Check that what can be made again is what it must be
///
/// With --merges, every merge commit of the history is made again from its parents, by the rules and scripts that were in
/// force, and compared. Each that is something else is a line: its id, a tab, what is wrong. Exit 4 when there are any.
///
/// With --json, such a commit is {"commit","expected","reason"}: `expected` is the merge commit that its parents make,
/// null where they make none.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb verify --merges
  isodb verify --merges main@{1}..main")]
pub(crate) struct Args {
    /// Check merge commits
    #[arg(long, required = true)]
    merges: bool,
    /// Only the history of REV; with A..B, only what B has and A has not [default: the history of all refs]
    #[arg(value_name = "RANGE", add = complete::revisions())]
    range: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let commit = |revision: &str| -> Result<CommitId> {
        Ok(db.resolve_commit(if revision.is_empty() { "HEAD" } else { revision })?)
    };
    let (heads, without) = match args.range.as_deref().map(|range| (range, range.split_once(".."))) {
        None => (db.heads()?, Vec::new()),
        Some((revision, None)) => (vec![commit(revision)?], Vec::new()),
        Some((_, Some((without, head)))) => (vec![commit(head)?], vec![commit(without)?]),
    };
    let mut out = Output::records(context, args.list);
    let (mut wrong, mut failed) = (0, None);
    let mut found = |one: WrongMerge| {
        wrong += 1;
        failed = failed.take().or(print(&mut out, &one, args.list.json).err());
    };
    let mut progress = Progress::new(context, "merge commits");
    let mut told = |done, total| progress.set(done, Some(total));
    let total = db.verify_merges(&heads, &without, &mut context.runner()?, &mut found, &mut told)?;
    drop(progress);
    if let Some(error) = failed {
        return Err(error);
    }
    out.finish()?;
    if !context.is_quiet() {
        say(&format!("checked {}: {wrong} wrong", number_of(total, "merge commit")));
    }
    if wrong > 0 { Err(Failure::damaged().into()) } else { Ok(()) }
}

fn print(out: &mut Output, WrongMerge { commit, expected, reason }: &WrongMerge, as_json: bool) -> Result<()> {
    if as_json {
        let expected = expected.map(|id| id.to_string());
        return out.json(&json!({"commit": commit.to_string(), "expected": expected, "reason": reason}));
    }
    out.record(&format!("{commit}\t{reason}"))
}
