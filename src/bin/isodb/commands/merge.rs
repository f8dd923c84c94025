//! `isodb merge`: bring a ref to the merge of its head and other ones.

use anyhow::Result;
use isodb::{CommitId, MergeOutcome, Outcome};
use serde_json::{Value, json};

use crate::args::SyncArgs;
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::{Output, number_of};

/// Merge other commits into the current ref, and print where it is then
///
/// What each of them changed is brought together: the ref goes to the one commit that has all of it already, or to a
/// merge commit, which every machine makes alike of the same commits. A document that several sides changed differently
/// is merged by the rule for its key, or stays in conflict with all its versions. Nothing is asked, and nobody has to
/// wait: exit 1 when conflicts are left.
///
/// With --json, it prints {"commit","old","new","frontier","merged","conflicts","new_conflicts"}: `new` tells whether the
/// ref moved, `frontier` are the commits that it is the merge of, `merged` is how many documents rules have merged,
/// `conflicts` how many are in conflict now, and `new_conflicts` how many of them were not so before.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb merge barn
  isodb merge --dry-run refs/remotes/barn/main
  isodb merge --show-frontier barn field")]
pub(crate) struct Args {
    /// The commits to merge
    #[arg(value_name = "REV", required_unless_present = "show_frontier", add = complete::revisions())]
    revisions: Vec<String>,
    /// Tell what would come of it, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Print only the commits that the result would be the merge of: those that somebody made, without those that others
    /// among them descend from
    #[arg(long, conflicts_with = "dry_run")]
    show_frontier: bool,
    /// Only if the ref is at REV (`none`: has no commit), else exit 3
    #[arg(long, value_name = "REV", add = complete::revisions())]
    expect: Option<String>,
    /// The ref to merge into, in place of the current one
    #[arg(long = "ref", value_name = "NAME", add = complete::refs())]
    reference: Option<String>,
    #[command(flatten)]
    sync: SyncArgs,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db =
        if args.show_frontier || args.dry_run { context.database()? } else { context.database_to_write(args.sync)? };
    let name = context.reference(args.reference.as_deref())?;
    let heads = args.revisions.iter().map(|revision| Ok(db.resolve_commit(revision)?));
    let mut heads = heads.collect::<Result<Vec<CommitId>>>()?;
    let mut out = Output::new(context);
    if args.show_frontier {
        let (name, head) = db.refs().resolve(&name)?;
        heads.extend(head.map(CommitId));
        if heads.is_empty() {
            return Err(isodb::Error::NoCommit(name).into());
        }
        let frontier = db.frontier(&heads)?;
        if args.json {
            out.json(&json!({"frontier": ids(&frontier)}))?;
        } else {
            for id in frontier {
                out.record(&out.id(id))?;
            }
        }
        return out.finish();
    }
    let expect = context.expect(&db, args.expect.as_deref())?;
    let (mut runner, who) = (context.runner()?, context.mover(&db)?);
    let outcome = db.merge(&name, expect, &heads, args.dry_run, &mut runner, &who)?;
    if !args.dry_run {
        context.start_upkeep(&db, Outcome { head: Some(outcome.head), is_new: outcome.is_new() });
    }
    if args.json {
        out.json(&record(&outcome))?;
    } else {
        out.record(&out.id(outcome.head))?;
    }
    out.finish()?;
    tell(context, [outcome.merged, outcome.conflicts, outcome.new_conflicts], args.dry_run);
    if outcome.conflicts > 0 { Err(Failure::no().into()) } else { Ok(()) }
}

/// What came of a merge, as JSON.
pub(super) fn record(outcome: &MergeOutcome) -> Value {
    json!({
        "commit": outcome.head.to_string(), "old": outcome.old.map(|id| id.to_string()), "new": outcome.is_new(),
        "frontier": ids(&outcome.frontier), "merged": outcome.merged, "conflicts": outcome.conflicts,
        "new_conflicts": outcome.new_conflicts,
    })
}

fn ids(frontier: &[CommitId]) -> Vec<String> {
    frontier.iter().map(ToString::to_string).collect()
}

/// Says on stderr how many documents were merged, and are in conflict, and newly so.
pub(crate) fn tell(context: &Context, [merged, conflicts, new_conflicts]: [u64; 3], dry_run: bool) {
    if context.is_quiet() {
        return;
    }
    if merged > 0 {
        let merged = number_of(merged, "document");
        say(&format!("{merged} {} by rules", if dry_run { "would be merged" } else { "merged" }));
    }
    if conflicts > 0 {
        let (conflicts, are) = (number_of(conflicts, "conflict"), if conflicts == 1 { "is" } else { "are" });
        let are = if dry_run { "would be" } else { are };
        say(&format!("{conflicts} {are} left ({new_conflicts} of them new)"));
        if !dry_run {
            say("hint: `isodb conflicts` lists them, `isodb resolve KEY` chooses a version");
        }
    }
}
