//! `isodb fetch`: bring what a remote has.

use anyhow::Result;
use isodb::{Arrival, FetchWish, Meeting, RefName, meet};
use serde_json::json;

use crate::args::{ListArgs, SyncArgs};
use crate::complete;
use crate::context::Context;
use crate::meeting::{LimitArgs, ProgramArgs, Target, reason, refused, tell, with_here};
use crate::output::Output;

/// Bring what another database has, without merging it
///
/// REMOTE is the name of a remote, or a place as `remote add` takes it; by default the remote of the current branch, else
/// `origin`, else the only one. The branches of a remote are kept as refs/remotes/REMOTE/…, and its tags as tags; with REF,
/// only these of its branches, or refs with their full names. What comes is checked before any ref moves. A ref that may not
/// come in (damaged, or not trusted) keeps the others from nothing: they come in, and stderr tells which did not and why, and
/// the exit status is 4. Printed are the refs that have moved here, each an id, a tab and its name; from a place without a
/// name nothing is kept, and printed is what came.
///
/// With --json, a ref is {"ref","there","old","new","change","reason"}: `there` is its name at the remote, and `change` one of
/// new, forward, backward, aside (it lost commits), gone, kept (another tag of this name is here), loose (no ref here keeps
/// it) and refused, with the `reason` (else null).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb fetch
  isodb fetch barn main
  isodb fetch --prune --json stick
  isodb merge $(isodb fetch /media/stick/farm.isodb main | cut -f1)")]
pub(crate) struct Args {
    /// The remote, or where the other database is
    #[arg(value_name = "REMOTE", add = complete::remotes())]
    remote: Option<String>,
    /// Only these refs of it
    #[arg(value_name = "REF")]
    refs: Vec<String>,
    /// Delete the refs here that keep branches which the remote does not have any more
    #[arg(long)]
    prune: bool,
    /// Take all of them or none
    #[arg(long)]
    atomic: bool,
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    sync: SyncArgs,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let target = Target::find(&db, args.remote.as_deref())?;
    let names = args.refs.iter().map(|name| context.reference(Some(name))).collect::<Result<Vec<RefName>>>()?;
    let mut source = target.source(context, &db, &args.programs)?;
    let wish = FetchWish { names: &names, prunes: args.prune, is_atomic: args.atomic, limits: args.limits.limits() };
    let meeting = with_here(context, &db, |here| meet(here, &mut *source, target.remote.as_ref(), &wish))?;
    if let Some(left) = meeting.left {
        return Err(isodb::SyncError::Unfinished { left }.into());
    }
    let mut out = Output::records(context, args.list);
    records(&mut out, &meeting, args.list.json)?;
    out.finish()?;
    tell(context, &target, &meeting, false);
    match refused(target.name(), &meeting.refused) {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

/// The refs that have moved, each an id, a tab and its name, or in JSON.
pub(super) fn records(out: &mut Output, meeting: &Meeting, as_json: bool) -> Result<()> {
    for found in meeting.refs.iter().filter(|found| found.arrival != Arrival::Same) {
        let name = found.here.as_ref().unwrap_or(&found.there);
        if as_json {
            out.json(&json!({
                "ref": found.here.as_ref().map(RefName::as_str), "there": found.there.as_str(),
                "old": found.old.map(|id| id.to_string()), "new": found.id.map(|id| id.to_string()),
                "change": found.arrival.word(), "reason": reason(&meeting.refused, &found.there),
            }))?;
        } else if let Some(id) = found.id.filter(|_| !matches!(found.arrival, Arrival::Kept | Arrival::Refused)) {
            out.record(&format!("{}\t{name}", out.id(id)))?;
        }
    }
    Ok(())
}
