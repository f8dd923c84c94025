//! `isodb rm`: remove documents.

use anyhow::Result;
use isodb::{Changeset, Condition};

use crate::args::OneCommitArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::quoted;

/// Remove documents as one commit, and print its id
///
/// When one of them is not there, nothing is removed, and the exit status is 1.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb rm animals/bella
  isodb rm -r farms/17")]
pub(crate) struct Args {
    /// The documents' keys
    #[arg(value_name = "KEY", required = true, add = complete::keys())]
    keys: Vec<String>,
    /// Remove all that is at or below each KEY
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    write: OneCommitArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let mut changes = Changeset::new();
    for text in &args.keys {
        if args.recursive {
            let key = super::prefix(Some(text))?.ok_or_else(|| Failure::usage("/ is not a key"))?;
            changes.require(key.clone(), Condition::FolderExists);
            changes.remove_folder(key);
        } else {
            let key = super::key(text)?;
            changes.require(key.clone(), Condition::Exists);
            changes.remove(key);
        }
    }
    let db = context.database_to_commit(&args.write.commit)?;
    let message = match args.keys.as_slice() {
        [key] => format!("rm {}", quoted(key)),
        keys => format!("rm {} and {} more", quoted(&keys[0]), keys.len() - 1),
    };
    let outcome = super::commit(context, &db, &args.write.commit, Some(&args.write.on), &changes, message)?;
    super::print_outcome(context, outcome, args.write.json)
}
