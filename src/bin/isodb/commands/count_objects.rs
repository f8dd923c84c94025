//! `isodb count-objects`: how much the database holds.

use anyhow::Result;
use serde_json::json;

use crate::context::Context;
use crate::output::Output;

/// Print how many objects there are, and their bytes
///
/// The names are those of `git count-objects -v`; sizes are in bytes. `count` and `size` are of loose objects, `in-pack`
/// and `size-pack` of those in packs.
#[derive(clap::Args)]
#[command(after_help = "Example:
  isodb count-objects")]
pub(crate) struct Args {
    /// Print a JSON object: {"count","size","in-pack","packs","size-pack"}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let usage = db.store().usage()?;
    let numbers = [
        ("count", usage.loose),
        ("size", usage.loose_bytes),
        ("in-pack", usage.packed),
        ("packs", usage.packs),
        ("size-pack", usage.pack_bytes),
    ];
    let mut out = Output::new(context);
    if args.json {
        let members = numbers.iter().map(|&(name, number)| (name.to_owned(), json!(number)));
        out.json(&serde_json::Value::Object(members.collect()))?;
    } else {
        for (name, number) in numbers {
            out.record(&format!("{name}: {number}"))?;
        }
    }
    out.finish()
}
