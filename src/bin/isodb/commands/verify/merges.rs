//! `isodb verify --merges`: make merge commits again, and compare.

use anyhow::Result;
use isodb::{CommitId, Database, WrongMerge};
use serde_json::json;

use crate::args::ListArgs;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::{Output, number_of};
use crate::progress::Progress;

/// Checks the merge commits that can be reached from some commits and not from others.
pub(super) fn run(
    context: &Context,
    db: &Database,
    (heads, without): (&[CommitId], &[CommitId]),
    list: ListArgs,
) -> Result<()> {
    let mut out = Output::records(context, list);
    let (mut wrong, mut failed) = (0, None);
    let mut found = |one: WrongMerge| {
        wrong += 1;
        failed = failed.take().or(print(&mut out, &one, list.json).err());
    };
    let mut progress = Progress::new(context, "merge commits");
    let mut told = |done, total| progress.set(done, Some(total));
    let total = db.verify_merges(heads, without, &mut context.runner()?, &mut found, &mut told)?;
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
