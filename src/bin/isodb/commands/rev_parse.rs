//! `isodb rev-parse`: revisions into ids.

use anyhow::Result;
use serde_json::json;

use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;

/// Print the ids that revisions name, or how they descend from each other
///
/// A revision is an id or 4 or more of its first digits, a ref's name, HEAD or @; then any of ~N (the Nth parent back),
/// ^N (the Nth parent), @{N} (where the ref was N moves ago), ^{commit}, ^{tree}; then :KEY for the document there.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb rev-parse HEAD
  isodb rev-parse main~2 'main@{1}'
  isodb rev-parse HEAD:animals/bella
  isodb rev-parse --merge-base main side
  isodb rev-parse --is-ancestor main~2 main && echo yes")]
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
    /// Print the best common ancestors of the first REV and a merge of the others, one a line; exit 1 when there are none
    #[arg(long, conflicts_with = "json")]
    merge_base: bool,
    /// Exit 0 when the first REV is the second or an ancestor of it, and 1 when not
    #[arg(long, conflicts_with_all = ["short", "json", "merge_base"])]
    is_ancestor: bool,
    /// Print those REVs that are no ancestors of others among them
    #[arg(long, conflicts_with_all = ["json", "merge_base", "is_ancestor"])]
    independent: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::new(context);
    if args.merge_base || args.is_ancestor || args.independent {
        let commits = args.revisions.iter().map(|text| Ok(db.resolve_commit(text)?)).collect::<Result<Vec<_>>>()?;
        let found = match commits.as_slice() {
            [ancestor, of] if args.is_ancestor => {
                return if db.is_ancestor(*ancestor, *of)? { Ok(()) } else { Err(Failure::no().into()) };
            }
            _ if args.is_ancestor => return Err(Failure::usage("--is-ancestor takes two revisions").into()),
            [one, others @ ..] if args.merge_base => db.merge_bases(*one, others)?,
            all => db.independent(all)?,
        };
        for id in &found {
            out.record(&if args.short { id.0.short() } else { id.to_string() })?;
        }
        out.finish()?;
        return if found.is_empty() { Err(Failure::no().into()) } else { Ok(()) };
    }
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
