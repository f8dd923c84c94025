//! `isodb sync`: fetch, merge and push until both sides agree.

use anyhow::Result;
use isodb::{AgreeOptions, Agreed, Agreement, FetchWish, Here, Outcome, agree, pause_before};
use serde_json::json;

use super::merge;
use crate::args::SyncArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::meeting::{LimitArgs, ProgramArgs, Shown, Target, tell};
use crate::output::Output;

/// So often the remote is met while it moves.
const ATTEMPTS: u32 = 10;

/// Come to agree with a remote: fetch, merge and push
///
/// What the remote has of the current branch is merged into it, and the result is sent back; when the remote moves
/// meanwhile, that is done again, a few times. Either side may be empty. In the end both are at the same commit, whose id is
/// printed. Exit 1 when conflicts are left, or the remote refuses; 3 when it kept moving.
///
/// With --json, a branch is {"ref","there","old","commit","agreed","refused","merged","conflicts","new_conflicts",
/// "received","sent","rounds"}: `there` is its name at the remote, `refused` what the remote says that does not take it,
/// `received` and `sent` are bytes and `rounds` is how often the remote was met, for all branches together.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb sync
  isodb sync barn --all
  isodb sync stick --json")]
pub(crate) struct Args {
    /// The remote [default: that of the current branch, else origin, else the only one]
    #[arg(value_name = "REMOTE", add = complete::remotes())]
    remote: Option<String>,
    /// All branches of both sides, in place of the current one
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    sync: SyncArgs,
    /// Print a JSON object for each branch
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let target = Target::find(&db, args.remote.as_deref())?;
    let remote = target.named()?;
    let mut transport = target.push_transport(context, &db, &args.programs)?;
    let (who, mut runner) = (context.mover(&db)?, context.runner()?);
    let options = AgreeOptions {
        wish: FetchWish { limits: args.limits.limits(), ..FetchWish::default() },
        is_all: args.all,
        attempts: ATTEMPTS,
    };
    let agreement = {
        let mut shown = Shown::new(context);
        let mut here = Here { db: &db, who: &who, runner: &mut runner, listener: &mut shown };
        let mut pause = |round| std::thread::sleep(pause_before(round, context.seed()));
        agree(&mut here, &mut transport, remote, &options, &mut pause)?
    };
    tell(context, &target, &agreement.first);
    let mut out = Output::new(context);
    for branch in &agreement.branches {
        context.start_upkeep(&db, Outcome { head: branch.head, is_new: branch.head != branch.old });
        if args.json {
            out.json(&record(branch, &agreement))?;
        } else if let Some(head) = branch.head {
            let id = out.id(head);
            out.record(&if args.all { format!("{id}\t{}", branch.name) } else { id })?;
        }
    }
    out.finish()?;
    for Agreed { merged, conflicts, new_conflicts, .. } in &agreement.branches {
        merge::tell(context, [*merged, *conflicts, *new_conflicts], false);
    }
    ending(&target, &agreement)
}

fn record(branch: &Agreed, agreement: &Agreement) -> serde_json::Value {
    json!({
        "ref": branch.name.as_str(), "there": branch.there.as_str(), "old": branch.old.map(|id| id.to_string()),
        "commit": branch.head.map(|id| id.to_string()), "agreed": branch.is_agreed, "refused": branch.refused,
        "merged": branch.merged, "conflicts": branch.conflicts, "new_conflicts": branch.new_conflicts,
        "received": agreement.traffic.received, "sent": agreement.traffic.sent, "rounds": agreement.rounds,
    })
}

/// How the command ends.
fn ending(target: &Target, agreement: &Agreement) -> Result<()> {
    let name = target.name();
    if let Some(branch) = agreement.branches.iter().find(|branch| !branch.is_agreed) {
        let there = branch.there.short();
        return Err(match &branch.refused {
            Some(reason) => Failure::no_such(format!("{name} does not move {there}: {reason}")),
            None => Failure::expectation(format!("{there} of {name} kept moving, {} times", agreement.rounds))
                .hint("what it had by then is merged here: try again when less is going on there"),
        }
        .into());
    }
    if agreement.branches.iter().any(|branch| branch.conflicts > 0) { Err(Failure::no().into()) } else { Ok(()) }
}
