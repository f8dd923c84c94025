//! `isodb ref`: names for commits and other objects.

use anyhow::Result;
use isodb::{Database, Error, Expect, RefError, RefName};
use serde_json::json;

use crate::args::{ListArgs, SyncArgs};
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;
use crate::time;

/// Set, read, list and delete names
///
/// A short NAME means refs/heads/NAME, which takes commits only; a full refs/… name takes any object.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb ref set backup HEAD
  isodb ref set main $new --expect $old || echo 'somebody else was first'
  isodb ref list")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Create or move a name
    #[command(after_help = "Example:
  isodb ref set main $new --expect $old")]
    Set(SetArgs),
    /// Print the id that a name leads to; exit 1 when there is none
    #[command(after_help = "Example:
  isodb ref get main")]
    Get(GetArgs),
    /// List names with their ids
    ///
    /// With --json, a name is {"name","id"}.
    #[command(after_help = "Example:
  isodb ref list refs/tags/")]
    List(ListRefs),
    /// Delete a name
    #[command(after_help = "Example:
  isodb ref delete experiment --expect $id")]
    Delete(DeleteArgs),
    /// List where a name has been, newest first
    ///
    /// With --json, a move is {"ref","number","old","new","name","email","time","message"}: `number` is that of
    /// REF@{N}, `name`, `email` and `time` are of who moved it and when.
    #[command(after_help = "Example:
  isodb ref log main")]
    Log(LogArgs),
}

#[derive(clap::Args)]
struct SetArgs {
    /// The name
    #[arg(add = complete::refs())]
    name: String,
    /// Where it shall lead
    #[arg(value_name = "REV", add = complete::revisions())]
    revision: String,
    /// Only if it leads to OLD now (`none`: only if it does not exist), else exit 3
    #[arg(long, value_name = "OLD", add = complete::revisions())]
    expect: Option<String>,
    /// What its log shall say
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    #[command(flatten)]
    sync: SyncArgs,
}

#[derive(clap::Args)]
struct GetArgs {
    /// The name
    #[arg(add = complete::refs())]
    name: String,
    /// Print a JSON object: {"name","id"}
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct ListRefs {
    /// Only names that start so
    #[arg(default_value = "refs/")]
    prefix: String,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(clap::Args)]
struct DeleteArgs {
    /// The name
    #[arg(add = complete::refs())]
    name: String,
    /// Only if it leads to OLD now, else exit 3
    #[arg(long, value_name = "OLD", add = complete::revisions())]
    expect: Option<String>,
    #[command(flatten)]
    sync: SyncArgs,
}

#[derive(clap::Args)]
struct LogArgs {
    /// The name [default: the current ref]
    #[arg(add = complete::refs())]
    name: Option<String>,
    /// At most N entries
    #[arg(short = 'n', long, value_name = "N", value_parser = crate::args::number)]
    limit: Option<usize>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    match args.command {
        Command::Set(args) => set(context, args),
        Command::Get(args) => get(context, args),
        Command::List(args) => list(context, args),
        Command::Delete(args) => delete(context, args),
        Command::Log(args) => log(context, args),
    }
}

fn name(text: &str) -> Result<RefName> {
    Ok(RefName::from_user(text).map_err(|error| Error::from(RefError::from(error)))?)
}

/// A name that exists, as `set` would take it or in another of git's short forms.
fn existing(db: &Database, text: &str) -> Result<RefName> {
    let name = name(text)?;
    if db.refs().get(&name)?.is_some() {
        return Ok(name);
    }
    Ok(db.find_ref(text)?.map_or(name, |(name, _)| name))
}

fn no_such(name: String) -> Error {
    Error::NoRevision { text: name, reason: "no ref has this name".into() }
}

fn set(context: &Context, args: SetArgs) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let name = name(&args.name)?;
    let takes_commits = name.is_branch() || name == RefName::head();
    let id = if takes_commits { db.resolve_commit(&args.revision)?.0 } else { db.resolve(&args.revision)? };
    let expect = context.expect(&db, args.expect.as_deref())?;
    let message = args.message.unwrap_or_else(|| format!("ref set: {}", args.revision));
    db.set_ref(&name, Some(id), expect, &context.mover(&db)?, &message)?;
    Ok(())
}

fn get(context: &Context, args: GetArgs) -> Result<()> {
    let db = context.database()?;
    let name = existing(&db, &args.name)?;
    let id = db.refs().get(&name)?.ok_or_else(|| no_such(args.name))?;
    let mut out = Output::new(context);
    if args.json {
        out.json(&json!({"name": name.as_str(), "id": id.to_string()}))?;
    } else {
        out.record(&out.id(id))?;
    }
    out.finish()
}

fn list(context: &Context, args: ListRefs) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::records(context, args.list);
    let prefix = if args.prefix.starts_with("refs/") { args.prefix } else { format!("refs/heads/{}", args.prefix) };
    for (name, id) in db.refs().list(&prefix)? {
        if args.list.json {
            out.json(&json!({"name": name.as_str(), "id": id.to_string()}))?;
        } else {
            out.record(&format!("{} {name}", out.id(id)))?;
        }
    }
    out.finish()
}

fn delete(context: &Context, args: DeleteArgs) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let name = existing(&db, &args.name)?;
    let expect = match context.expect(&db, args.expect.as_deref())? {
        Expect::Any if db.refs().get(&name)?.is_none() => {
            return Err(no_such(args.name).into());
        }
        Expect::Absent => return Err(Failure::usage("what is to be deleted cannot be expected not to exist").into()),
        expect => expect,
    };
    db.set_ref(&name, None, expect, &context.mover(&db)?, "ref delete")?;
    Ok(())
}

fn log(context: &Context, args: LogArgs) -> Result<()> {
    let db = context.database()?;
    let name = match &args.name {
        Some(text) => existing(&db, text)?,
        None => db.head()?.0,
    };
    let mut out = Output::records(context, args.list);
    let entries = db.reflog(&name)?;
    for (number, entry) in entries.into_iter().enumerate().take(args.limit.unwrap_or(usize::MAX)) {
        if args.list.json {
            out.json(&json!({
                "ref": name.as_str(), "number": number, "old": entry.old.to_string(), "new": entry.new.to_string(),
                "name": entry.who.name(), "email": entry.who.email(), "time": entry.who.seconds(), "message": entry.message,
            }))?;
        } else {
            let when = time::show(entry.who.seconds());
            out.record(&format!("{} {}@{{{number}}} {when} {}", out.id(entry.new), name.short(), entry.message))?;
        }
    }
    out.finish()
}
