//! `isodb count-objects`: how much the database holds.

use anyhow::Result;
use serde_json::json;

use crate::context::Context;
use crate::output::Output;

/// Print how many objects there are, and their bytes
#[derive(clap::Args)]
#[command(after_help = "Example:
  isodb count-objects")]
pub(crate) struct Args {
    /// Print a JSON object: {"loose","bytes"}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let (count, bytes) = db.store().usage()?;
    let mut out = Output::new(context);
    if args.json {
        out.json(&json!({"loose": count, "bytes": bytes}))?;
    } else {
        out.record(&format!("loose: {count}"))?;
        out.record(&format!("bytes: {bytes}"))?;
    }
    out.finish()
}
