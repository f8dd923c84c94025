//! `isodb fsck`: check everything.

use anyhow::Result;
use isodb::{Problem, Severity};
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::Output;
use crate::progress::Progress;

/// Check everything: objects, links, folders, refs and logs
///
/// Each problem is a line: `error` or `warning`, the problem's id, what it is about, what is wrong. Exit 4 when there
/// is an error. The ids are listed in docs/format/fsck.md.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb fsck
  isodb fsck --json | jq -r .id | sort | uniq -c")]
pub(crate) struct Args {
    /// Print one JSON object a problem: {"severity","id","subject","message"}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::new(context);
    let mut failed = None;
    let mut progress = Progress::new(context, "objects");
    let mut found = |problem: Problem| {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let printed = if args.json {
            let Problem { id, subject, message, .. } = &problem;
            out.json(&json!({"severity": severity, "id": id, "subject": subject, "message": message}))
        } else {
            let color = if problem.severity == Severity::Error { 31 } else { 33 };
            let subject = out.key(&problem.subject).into_owned();
            let severity = out.paint(color, severity);
            out.record(&format!("{severity} {} {subject}: {}", problem.id, problem.message))
        };
        failed = failed.take().or(printed.err());
    };
    let report = db.fsck(&mut found, &mut |done, total| progress.set(done, Some(total)))?;
    drop(progress);
    if let Some(error) = failed {
        return Err(error);
    }
    out.finish()?;
    if !context.is_quiet() {
        say(&format!(
            "checked {} objects ({} unreachable), {} commits, {} refs: {} errors",
            report.objects, report.unreachable, report.commits, report.refs, report.errors
        ));
    }
    if report.errors > 0 { Err(Failure::damaged().into()) } else { Ok(()) }
}
