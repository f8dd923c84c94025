//! `isodb sync`: fetch, merge and push until both sides agree.

use std::path::PathBuf;

use anyhow::Result;
use isodb::{AgreeOptions, Agreed, Agreement, FetchWish, NodeName, Outcome, agree, pause_before};
use serde_json::json;

use super::merge;
use crate::args::SyncArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::meeting::{LimitArgs, ProgramArgs, Target, refused, tell, with_here};
use crate::output::Output;
use crate::via;

/// So often the remote is met while it moves.
const ATTEMPTS: u32 = 10;

/// Come to agree with a remote: fetch, merge and push
///
/// What the remote has of the current branch is merged into it, and the result is sent back; when the remote moves
/// meanwhile, that is done again, a few times. Either side may be empty. In the end both are at the same commit, whose id is
/// printed. Exit 1 when conflicts are left, or the remote refuses; 3 when it kept moving.
///
/// With --via, others are met through a folder, mostly on a stick: what they left there is taken in and merged into the
/// current branch, and what they lack is left there, in a bundle that has this node's name. It does not matter who comes
/// when and how often; when all have been there after the last change, all have the same. The folder is for one database
/// alone. Exit 4 when a bundle there is damaged or may not come in; the others are taken in all the same.
///
/// With --json, a branch is {"ref","there","old","commit","agreed","refused","merged","conflicts","new_conflicts",
/// "received","sent","rounds"}: `there` is its name at the remote, `refused` what the remote says that does not take it,
/// `received` and `sent` are bytes and `rounds` is how often the remote was met, for all branches together.
/// With --via, it prints {"commit","old","merged","conflicts","new_conflicts","files","left"}: a file is {"file","node",
/// "state","reason"}, `state` being taken, known, lacking (it builds on what is not here yet) or refused, and what is left
/// {"file","new","commits","bytes"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb sync
  isodb sync barn --all
  isodb sync stick --json
  isodb sync --via /media/stick/farm")]
pub(crate) struct Args {
    /// The remote [default: that of the current branch, else origin, else the only one]
    #[arg(value_name = "REMOTE", add = complete::remotes())]
    remote: Option<String>,
    /// All branches of both sides, in place of the current one
    #[arg(long)]
    all: bool,
    /// Meet others through the folder DIR, in place of a remote
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with_all = ["remote", "all"])]
    via: Option<PathBuf>,
    /// How this node is called there [default: the setting isodb.name, which is set the first time]
    #[arg(long = "as", value_name = "NAME", requires = "via")]
    name: Option<NodeName>,
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
    if let Some(dir) = &args.via {
        return via::run(context, dir, args.name, args.sync, args.json);
    }
    let db = context.database_to_write(args.sync)?;
    let target = Target::find(&db, args.remote.as_deref())?;
    let remote = target.named()?;
    let mut transport = target.push_transport(context, &db, &args.programs)?;
    let options = AgreeOptions {
        wish: FetchWish { limits: args.limits.limits(), ..FetchWish::default() },
        is_all: args.all,
        attempts: ATTEMPTS,
    };
    let mut pause = |round| std::thread::sleep(pause_before(round, context.seed()));
    let agreement = with_here(context, &db, |here| agree(here, &mut transport, remote, &options, &mut pause))?;
    tell(context, &target, &agreement.first, !args.all);
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
    ending(&target, &agreement)?;
    match args.all.then(|| refused(target.name(), &agreement.first.refused)).flatten() {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
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
