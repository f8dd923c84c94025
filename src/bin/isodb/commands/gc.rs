//! `isodb gc`: upkeep.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use isodb::{Database, GcOutcome, GcReport, GcRequest, GcStage};
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::Output;
use crate::progress::Progress;

/// How long unreachable objects stay where nothing else is said.
const GRACE: &str = "14 days ago";

/// Pack all objects and refs, and remove what nothing leads to
///
/// All that refs, HEAD and reflogs lead to goes into one pack, in which like documents are stored as differences.
/// Unreachable objects stay for 14 days (the setting gc.pruneExpire). It is safe at any time beside readers and
/// writers; when a writer is at work for more than 10 seconds, nothing is removed.
///
/// Write commands start `gc --auto` in the background when there are more than about 6700 loose objects (gc.auto; 0:
/// never) or 50 packs (gc.autoPackLimit).
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb gc
  isodb gc --prune=now
  isodb gc --prune='3 days ago'
  isodb config gc.auto 0")]
pub(crate) struct Args {
    /// Remove unreachable objects from before TIME: `now`, `never`, 2026-11-22, "2 days ago" [default: gc.pruneExpire, else 14 days ago]
    #[arg(long, value_name = "TIME")]
    prune: Option<String>,
    /// Only if there is enough to do, and then only with what is new
    #[arg(long)]
    auto: bool,
    /// Print a JSON object: {"done","packed","kept","removed","bytes_before","bytes_after","held_up"}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let request = GcRequest { prune_before: prune_before(context, &db, args.prune.as_deref())?, is_auto: args.auto };
    let mut progress = Progress::new(context, "objects");
    let outcome = db.gc(&request, &mut |stage, done, total| {
        if stage == GcStage::Packing {
            progress.set(done, total);
        }
    })?;
    drop(progress);
    if args.json {
        let mut out = Output::new(context);
        let (is_done, report) = match outcome {
            GcOutcome::Done(report) => (true, report),
            GcOutcome::Nothing | GcOutcome::Busy => (false, GcReport::default()),
        };
        out.json(&json!({
            "done": is_done,
            "packed": report.packed,
            "kept": report.kept,
            "removed": report.removed,
            "bytes_before": report.bytes_before,
            "bytes_after": report.bytes_after,
            "held_up": report.is_held_up,
        }))?;
        out.finish()?;
    }
    if !context.is_quiet() {
        tell(outcome);
    }
    Ok(())
}

fn tell(outcome: GcOutcome) {
    match outcome {
        GcOutcome::Nothing => say("there is nothing to do"),
        GcOutcome::Busy => say("another gc is at work"),
        GcOutcome::Done(report) => {
            let GcReport { packed, kept, removed, bytes_before, bytes_after, is_held_up } = report;
            say(&format!(
                "packed {packed} objects, kept {kept} unreachable ones, removed {removed}: {bytes_before} bytes are \
                 {bytes_after} now"
            ));
            if is_held_up {
                say("warning: a writer is at work, so nothing was removed; the next gc will do it");
            }
        }
    }
}

/// Before which moment unreachable objects are removed; `None` for none.
fn prune_before(context: &Context, db: &Database, given: Option<&str>) -> Result<Option<SystemTime>> {
    let text = given.or_else(|| db.config().get("gc.pruneExpire")).unwrap_or(GRACE);
    match text {
        "never" => Ok(None),
        // No file is from then.
        "now" => Ok(Some(UNIX_EPOCH + Duration::from_secs(u32::MAX.into()))),
        _ => {
            // git also takes dots for spaces.
            let seconds =
                context.time(text).or_else(|error| context.time(&text.replace('.', " ")).map_err(|_| error))?;
            let since = u64::try_from(seconds).map_err(|_| Failure::usage(format!("{text:?} is before 1970")))?;
            Ok(Some(UNIX_EPOCH + Duration::from_secs(since)))
        }
    }
}
