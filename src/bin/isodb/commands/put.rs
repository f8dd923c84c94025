//! `isodb put`: store one document.

use std::path::PathBuf;

use anyhow::Result;
use isodb::{BlobId, Changeset, Condition, Database};
use serde_json::json;

use crate::args::{CommitArgs, OnArgs};
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::input::Input;
use crate::output::{Output, quoted};

/// Store FILE or stdin under KEY as one commit, and print its id
///
/// A content that is there already makes no commit: the head's id is printed then. When the id is printed, the
/// document would survive a power cut.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb put notes/today notes.txt
  date | isodb put log/last
  isodb put stock/hay --if \"$(isodb rev-parse HEAD:stock/hay)\" <new.json")]
pub(crate) struct Args {
    /// The document's key
    #[arg(add = complete::keys())]
    key: String,
    /// Its content [default: stdin]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Only if KEY holds the content ID (`none`: no document), else exit 3
    #[arg(long = "if", value_name = "ID")]
    condition: Option<String>,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    on: OnArgs,
    /// Print a JSON object: {"commit","key","id","new"}, `new` telling whether there was a change
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let key = super::key(&args.key)?;
    let db = context.database_to_commit(&args.commit)?;
    let mut changes = Changeset::new();
    if let Some(text) = &args.condition {
        changes.require(key.clone(), condition(&db, text)?);
    }
    let blob = BlobId(Input::open(context, args.file.as_deref())?.store(&db)?);
    changes.put(key.clone(), blob);
    let message = format!("put {}", quoted(&args.key));
    let outcome = super::commit(context, &db, &args.commit, Some(&args.on), &changes, message)?;
    let mut out = Output::new(context);
    let commit = outcome.head.ok_or_else(Failure::no)?;
    if args.json {
        let id = blob.to_string();
        out.json(&json!({"commit": commit.to_string(), "key": args.key, "id": id, "new": outcome.is_new}))?;
    } else {
        out.record(&out.id(commit))?;
    }
    out.finish()
}

/// What `--if` asks for.
fn condition(db: &Database, text: &str) -> Result<Condition> {
    if text == "none" {
        return Ok(Condition::Absent);
    }
    if let Ok(id) = text.parse::<BlobId>() {
        return Ok(Condition::Holds(id));
    }
    Ok(Condition::Holds(BlobId(db.resolve(text)?)))
}
