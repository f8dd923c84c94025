//! `isodb rev-parse`: revisions into ids.

use anyhow::Result;
use serde_json::json;

use crate::complete;
use crate::context::Context;
use crate::output::Output;

/// Print the ids that revisions name
///
/// A revision is an id or 4 or more of its first digits, a ref's name, HEAD or @; then any of ~N (the Nth parent back),
/// ^N (the Nth parent), @{N} (where the ref was N moves ago), ^{commit}, ^{tree}; then :KEY for the document there.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb rev-parse HEAD
  isodb rev-parse main~2 'main@{1}'
  isodb rev-parse HEAD:animals/bella")]
pub(crate) struct Args {
    /// The revisions
    #[arg(value_name = "REV", required = true, add = complete::revisions())]
    revisions: Vec<String>,
    /// Print only the first 12 digits
    #[arg(long)]
    short: bool,
    /// Print JSON objects: {"revision","id"}
    #[arg(long, conflicts_with = "short")]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::new(context);
    for revision in &args.revisions {
        let id = db.resolve(revision)?;
        if args.json {
            out.json(&json!({"revision": revision, "id": id.to_string()}))?;
        } else {
            out.record(&if args.short { id.short() } else { id.to_string() })?;
        }
    }
    out.finish()
}
