//! `isodb pull`: fetch, and merge what came into the current branch.

use anyhow::Result;
use isodb::{FetchWish, Outcome, pull};
use serde_json::json;

use super::merge;
use crate::args::SyncArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::meeting::{LimitArgs, ProgramArgs, Target, tell, with_here};
use crate::output::Output;

/// Fetch from a remote, and merge its branch into the current one
///
/// That is `isodb fetch` and then `isodb merge`: what both sides changed is brought together, and the id of the commit that
/// the branch is at then is printed. Exit 1 when conflicts are left. To send what is new here as well, use `isodb sync`.
///
/// With --json, it prints {"commit","old","new","frontier","merged","conflicts","new_conflicts"}, as `isodb merge` does;
/// `commit` is null where neither side has one.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb pull
  isodb pull barn --json")]
pub(crate) struct Args {
    /// The remote [default: that of the current branch, else origin, else the only one]
    #[arg(value_name = "REMOTE", add = complete::remotes())]
    remote: Option<String>,
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    sync: SyncArgs,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let target = Target::find(&db, args.remote.as_deref())?;
    let remote = target.named()?;
    let mut source = target.source(context, &db, &args.programs)?;
    let wish = FetchWish { limits: args.limits.limits(), ..FetchWish::default() };
    let (meeting, outcome) = with_here(context, &db, |here| pull(here, &mut *source, remote, &wish))?;
    tell(context, &target, &meeting, true);
    let mut out = Output::new(context);
    let Some(outcome) = outcome else {
        if args.json {
            out.json(&json!({"commit": null, "new": false, "conflicts": 0}))?;
        }
        return out.finish();
    };
    context.start_upkeep(&db, Outcome { head: Some(outcome.head), is_new: outcome.is_new() });
    if args.json {
        out.json(&merge::record(&outcome))?;
    } else {
        out.record(&out.id(outcome.head))?;
    }
    out.finish()?;
    merge::tell(context, [outcome.merged, outcome.conflicts, outcome.new_conflicts], false);
    if outcome.conflicts > 0 { Err(Failure::no().into()) } else { Ok(()) }
}
