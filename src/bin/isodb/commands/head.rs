//! `isodb head`: where the current ref is, and which one it is.

use anyhow::Result;
use isodb::{Error, RefError, RefName};
use serde_json::json;

use crate::args::SyncArgs;
use crate::complete;
use crate::context::Context;
use crate::output::Output;

/// Print the current ref's commit, or make another ref current
///
/// The current ref is the one that commands read and write unless told otherwise. Exit 1 when it has no commit yet.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb head
  isodb head --name
  isodb head experiment")]
pub(crate) struct Args {
    /// The ref to make the current one; it need not exist yet
    #[arg(value_name = "REF", add = complete::refs())]
    reference: Option<String>,
    /// Print the current ref's name
    #[arg(long)]
    name: bool,
    /// Print a JSON object: {"ref","commit"}
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    sync: SyncArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    if let Some(name) = &args.reference {
        let name = RefName::from_user(name).map_err(|error| Error::from(RefError::from(error)))?;
        if !name.is_branch() {
            return Err(Error::Invalid(format!("{name} cannot be the current ref: it is not under refs/heads/")).into());
        }
        db.set_head(&name, &context.mover(&db)?, &format!("head: move to {}", name.short()))?;
    }
    let (name, commit) = db.head()?;
    let mut out = Output::new(context);
    if args.json {
        out.json(&json!({"ref": name.as_str(), "commit": commit.map(|id| id.to_string())}))?;
    } else if args.name || (args.reference.is_some() && commit.is_none()) {
        out.record(name.as_str())?;
    } else {
        let commit = commit.ok_or(Error::NoCommit(name))?;
        out.record(&out.id(commit))?;
    }
    out.finish()
}
