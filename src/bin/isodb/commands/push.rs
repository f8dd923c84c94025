//! `isodb push`: send what is here, and move a remote's refs.

use anyhow::Result;
use isodb::{Database, Id, Offered, PushOptions, PushWish, RefName, offer, upstream};
use serde_json::json;

use crate::args::{ListArgs, SyncArgs};
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::meeting::{ProgramArgs, Target, with_here};
use crate::output::Output;

/// Send what is here, and move another database's refs
///
/// REMOTE is the name of a remote, or a place as `remote add` takes it; by default the remote of the current branch, else
/// `origin`, else the only one. REF is a branch or a tag, which has the same name there, or SRC:DST with a revision and a
/// name; by default the current branch. A ref moves only from where it is seen to be, and only so that no commit that
/// somebody made is lost there; a merge commit may be replaced by a later one. Exit 3 when the remote has commits that are
/// not here: `isodb sync` merges them first. Printed are the refs that moved, each an id, a tab and its name there.
///
/// With --json, a ref is {"ref","old","new","result","reason"}: `result` is one of same, moved, unexpected (it was not where
/// --expect says), loses (it would lose commits) and refused, with the remote's `reason`; `old` is where it was.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb push
  isodb push barn main v1
  isodb push barn HEAD:refs/heads/field
  isodb push barn --delete experiment
  isodb push barn --force --expect $id main")]
pub(crate) struct Args {
    /// The remote, or where the other database is
    #[arg(value_name = "REMOTE", add = complete::remotes())]
    remote: Option<String>,
    /// What goes there [default: the current branch]
    #[arg(value_name = "REF", add = complete::refs())]
    refs: Vec<String>,
    /// All tags too
    #[arg(long)]
    tags: bool,
    /// Delete these refs there
    #[arg(long, requires = "refs")]
    delete: bool,
    /// Move all of them or none
    #[arg(long)]
    atomic: bool,
    /// Only if the one ref is at ID there (`none`: does not exist), else exit 3
    #[arg(long, value_name = "ID", add = complete::revisions())]
    expect: Option<String>,
    /// Move it even if commits are lost there; needs --expect. The remote may refuse that all the same (isodb does, unless
    /// receive.denyNonSafe is false there)
    #[arg(long, requires = "expect")]
    force: bool,
    #[command(flatten)]
    programs: ProgramArgs,
    #[command(flatten)]
    sync: SyncArgs,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let target = Target::find(&db, args.remote.as_deref())?;
    let wishes = wishes(&db, &target, &args)?;
    let mut transport = target.push_transport(context, &db, &args.programs)?;
    let options = PushOptions { is_atomic: args.atomic };
    let offer = with_here(context, &db, |here| offer(here, &mut transport, target.remote.as_ref(), &wishes, options))?;
    let mut out = Output::records(context, args.list);
    for (wish, offered) in wishes.iter().zip(&offer.refs) {
        if args.list.json {
            out.json(&record(wish, offered))?;
        } else if let (Offered::Moved { .. }, Some(id)) = (offered, wish.new) {
            out.record(&format!("{}\t{}", out.id(id), wish.name))?;
        }
    }
    out.finish()?;
    ending(&target, &wishes, &offer.refs)
}

/// What is wished for.
fn wishes(db: &Database, target: &Target, args: &Args) -> Result<Vec<PushWish>> {
    let mut wishes = Vec::new();
    let mut wish = |name: RefName, new: Option<Id>| {
        wishes.push(PushWish { name, new, expect: None, is_forced: args.force });
    };
    for text in &args.refs {
        let (name, new) = match text.split_once(':') {
            _ if args.delete => (named(text)?, None),
            Some(("", there)) => (named(there)?, None),
            Some((source, there)) => (place_of(db, source, there)?, Some(db.resolve(source)?)),
            None => same_name(db, target, text)?,
        };
        wish(name, new);
    }
    if args.refs.is_empty() && !args.tags {
        let (name, new) = same_name(db, target, "HEAD")?;
        wish(name, new);
    }
    if args.tags {
        for (name, id) in db.refs().list("refs/tags/")? {
            wish(name, Some(id));
        }
    }
    if let Some(expected) = &args.expect {
        let [one] = &mut wishes[..] else {
            return Err(Failure::usage("--expect tells where one ref is, so one ref has to be named").into());
        };
        one.expect = Some(match expected.as_str() {
            "none" => None,
            // What is expected there need not be here.
            text => Some(text.parse().or_else(|_| db.resolve(text))?),
        });
    }
    Ok(wishes)
}

fn named(text: &str) -> Result<RefName> {
    RefName::from_user(text).map_err(|error| isodb::Error::from(isodb::RefError::from(error)).into())
}

/// The ref that a text names here, if it does.
fn found(db: &Database, text: &str) -> Result<Option<RefName>> {
    for name in RefName::candidates(text) {
        if db.refs().read(&name)?.is_some() {
            return Ok(Some(db.refs().resolve(&name)?.0));
        }
    }
    Ok(None)
}

/// A ref here, and what it is to be there.
fn same_name(db: &Database, target: &Target, text: &str) -> Result<(RefName, Option<Id>)> {
    let name = found(db, text)?.filter(|name| *name != RefName::head());
    let Some(name) = name else {
        let failure = Failure::usage(format!("{text:?} is no ref here, so its name there is not clear"));
        return Err(failure.hint("`isodb push REMOTE REV:NAME` says both").into());
    };
    let there = match &target.remote {
        Some(remote) if name.is_branch() => upstream(db, remote, &name),
        _ => name.clone(),
    };
    let id = db.refs().get(&name)?.ok_or(isodb::Error::NoCommit(name))?;
    Ok((there, Some(id)))
}

/// The name there: a short one is a tag's if what goes there is a tag.
fn place_of(db: &Database, source: &str, there: &str) -> Result<RefName> {
    if !there.starts_with("refs/") && found(db, source)?.is_some_and(|name| name.as_str().starts_with("refs/tags/")) {
        return named(&format!("refs/tags/{there}"));
    }
    named(there)
}

fn record(wish: &PushWish, offered: &Offered) -> serde_json::Value {
    let (result, old, reason) = match offered {
        Offered::Same => ("same", wish.new, None),
        Offered::Moved { old } => ("moved", *old, None),
        Offered::Unexpected { found } => ("unexpected", *found, None),
        Offered::Loses { found } => ("loses", Some(*found), None),
        Offered::Refused(reason) => ("refused", None, Some(reason)),
    };
    let text = |id: Option<Id>| id.map(|id| id.to_string());
    json!({"ref": wish.name.as_str(), "old": text(old), "new": text(wish.new), "result": result, "reason": reason})
}

/// How the command ends: with the first ref that did not move, after it was told of the others.
fn ending(target: &Target, wishes: &[PushWish], offered: &[Offered]) -> Result<()> {
    let remote = target.name();
    let failure = |(wish, offered): (&PushWish, &Offered)| {
        let name = wish.name.short();
        Some(match offered {
            Offered::Same | Offered::Moved { .. } => return None,
            Offered::Unexpected { found: Some(id) } => {
                Failure::expectation(format!("{name} of {remote} is at {id}, and was not moved"))
            }
            Offered::Unexpected { found: None } => {
                Failure::expectation(format!("{remote} has no {name}, and it was not made"))
            }
            Offered::Loses { found } => Failure::expectation(format!(
                "{name} of {remote} is at {found}, which would be lost, and was not moved"
            ))
            .hint("`isodb sync` merges what it has first"),
            Offered::Refused(reason) => Failure::no_such(format!("{remote} does not move {name}: {reason}")),
        })
    };
    let mut failures = wishes.iter().zip(offered).filter_map(failure);
    let Some(first) = failures.next() else { return Ok(()) };
    for other in failures {
        say(&format!("error: {other}"));
    }
    Err(first.into())
}
