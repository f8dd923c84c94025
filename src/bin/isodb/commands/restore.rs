//! `isodb restore`: bring an old state back as a new commit.

use anyhow::Result;
use isodb::{Changeset, Error};

use crate::args::CommitArgs;
use crate::complete;
use crate::context::Context;
use crate::output::quoted;

/// Bring an old state back as a new commit
///
/// The documents become as they were at REV, and the commit's id is printed. What came after the revision stays in the history. With -r, a document below KEY that was not there then is
/// removed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb restore animals/bella --from HEAD~1
  isodb restore -r farms/17 --from 'main@{5}'
  isodb restore --all --from 1f2e3d4c")]
pub(crate) struct Args {
    /// The documents' keys
    #[arg(value_name = "KEY", required_unless_present = "all", add = complete::keys())]
    keys: Vec<String>,
    /// The revision to take them from
    #[arg(long, value_name = "REV", required = true, add = complete::revisions())]
    from: String,
    /// All that is at or below each KEY
    #[arg(short, long)]
    recursive: bool,
    /// All documents
    #[arg(long, conflicts_with = "keys")]
    all: bool,
    #[command(flatten)]
    commit: CommitArgs,
    /// Print a JSON object: {"commit","new"}, `new` telling whether there was a change
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_commit(&args.commit)?;
    let from = db.resolve_tree(&args.from)?;
    let old = db.tree(from);
    let mut changes = Changeset::new();
    if args.all {
        changes = Changeset::whole_tree(from);
    }
    for text in &args.keys {
        if args.recursive {
            let key = super::prefix(Some(text))?.ok_or_else(|| Error::Invalid("/ is not a key".into()))?;
            old.folder(Some(&key))?.ok_or_else(|| Error::NothingBelow(key.clone()))?;
            changes.remove_folder(key.clone());
            for item in old.documents(isodb::Range { prefix: Some(key), ..Default::default() })? {
                let (key, document) = item?;
                changes.put(key, document);
            }
        } else {
            let key = super::key(text)?;
            let document = old.get(&key)?.ok_or_else(|| Error::NoDocument(key.clone()))?;
            changes.put(key, document);
        }
    }
    let what = match args.keys.as_slice() {
        [] => "all documents".to_owned(),
        [key] => quoted(key).into_owned(),
        keys => format!("{} and {} more", quoted(&keys[0]), keys.len() - 1),
    };
    let message = format!("restore {what} from {}", db.resolve(&args.from)?);
    let outcome = super::commit(context, &db, &args.commit, None, &changes, message)?;
    super::print_outcome(context, outcome, args.json)
}
