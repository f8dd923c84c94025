//! `isodb fsck`: check everything, and repair what can be repaired.

use anyhow::Result;
use isodb::{FsckStage, Kind, Lost, Problem, Repair, Runner, Severity};
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::Output;
use crate::progress::Progress;

/// Check everything: packs, objects, links, folders, refs, logs and merges
///
/// Each problem is a line: `error` or `warning`, the problem's id, what it is about, what is wrong. Exit 4 when there
/// is an error. The ids are listed in docs/format/fsck.md.
///
/// With --repair, damaged files are moved into `isodb/damaged/` in the database, after what is sound in them has been
/// stored anew. Nothing is deleted and nothing is fetched. What cannot be read any more is told of: a line `lost` for
/// each document or folder, with the newest commit that misses it. Exit 0 when nothing is wrong any more.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb fsck
  isodb fsck --json | jq -r .id | sort | uniq -c
  isodb fsck --repair")]
pub(crate) struct Args {
    /// Move damaged files aside, and tell which documents at which commits are lost
    #[arg(long)]
    repair: bool,
    /// Do not make merge commits again to compare them
    #[arg(long)]
    no_merges: bool,
    /// Print one JSON object a problem: {"severity","id","subject","message"}, and with --repair one a loss:
    /// {"lost","kind","object","commit","revision","more"}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::new(context);
    let mut failed = None;
    let (mut count, mut merges) = (0, 0);
    let mut found = |problem: Problem| {
        count += 1;
        merges += u64::from(problem.id == "merge-wrong");
        failed = failed.take().or(print(&mut out, &problem, args.json).err());
    };
    let mut progress = staged(context);
    let mut runner = if args.no_merges { None } else { Some(context.runner()?) };
    let runner = runner.as_mut().map(|runner| runner as &mut dyn Runner);
    let report = db.fsck(runner, &mut found, &mut progress)?;
    drop(progress);
    if let Some(error) = failed.take() {
        return Err(error);
    }
    out.finish()?;
    if !context.is_quiet() {
        say(&format!(
            "checked {} objects ({} unreachable), {} commits, {} refs: {} errors",
            report.objects, report.unreachable, report.commits, report.refs, report.errors
        ));
    }
    if !args.repair || count == 0 {
        return if report.errors > 0 { Err(Failure::damaged().into()) } else { Ok(()) };
    }
    let repair = db.repair(&mut staged(context))?;
    if !context.is_quiet() {
        tell(&repair);
    }
    // What was known of the files is no longer so.
    let db = context.database()?;
    let mut out = Output::new(context);
    let mut lost = 0;
    let mut found = |loss: Lost| {
        lost += 1;
        failed = failed.take().or(print_lost(&mut out, &loss, args.json).err());
    };
    let report = db.losses(&mut |_| {}, &mut found, &mut staged(context))?;
    if let Some(error) = failed {
        return Err(error);
    }
    out.finish()?;
    // Merge commits are as they were.
    let errors = report.errors + merges;
    if errors == 0 {
        return Ok(());
    }
    if !context.is_quiet() {
        say(&format!("{errors} errors are left, and {lost} documents, folders or commits are lost"));
    }
    Err(Failure::damaged().into())
}

/// A bar for each stage of the work.
fn staged(context: &Context) -> impl FnMut(FsckStage, u64, u64) + use<'_> {
    let mut bar: Option<(FsckStage, Progress)> = None;
    move |stage, done, total| {
        if bar.as_ref().is_none_or(|(of, _)| *of != stage) {
            let noun = match stage {
                FsckStage::Objects => "objects",
                FsckStage::Links => "commits and folders",
                FsckStage::Merges => "merge commits",
            };
            // The bar of the stage before goes first.
            bar = None;
            bar = Some((stage, Progress::new(context, noun)));
        }
        if let Some((_, bar)) = &mut bar {
            bar.set(done, Some(total));
        }
    }
}

fn print(out: &mut Output, problem: &Problem, as_json: bool) -> Result<()> {
    let severity = match problem.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    if as_json {
        let Problem { id, subject, message, .. } = &problem;
        return out.json(&json!({"severity": severity, "id": id, "subject": subject, "message": message}));
    }
    let color = if problem.severity == Severity::Error { 31 } else { 33 };
    let subject = out.key(&problem.subject).into_owned();
    let severity = out.paint(color, severity);
    out.record(&format!("{severity} {} {subject}: {}", problem.id, problem.message))
}

fn print_lost(out: &mut Output, lost: &Lost, as_json: bool) -> Result<()> {
    let Lost { key, kind, object, commit, revision, more } = lost;
    let slash = if *kind == Kind::Tree { "/" } else { "" };
    let key = key.as_ref().map(|key| format!("{}{slash}", key.text()));
    if as_json {
        return out.json(&json!({
            "lost": key, "kind": kind.name(), "object": object.to_string(), "commit": commit.to_string(),
            "revision": revision, "more": more,
        }));
    }
    let what = match (&key, kind) {
        (Some(key), _) => out.key(key).into_owned(),
        (None, Kind::Tree) => "all documents".into(),
        (None, _) => "all that only this commit leads to".into(),
    };
    let revision = revision.as_ref().map_or(String::new(), |revision| format!(" ({revision})"));
    let more = if *more > 0 { format!(", and at {more} more") } else { String::new() };
    let lost = out.paint(31, "lost");
    out.record(&format!("{lost} {what} at {commit}{revision}{more}"))
}

/// Says what a repair has done.
fn tell(repair: &Repair) {
    let Repair { aside, files, rescued, indexes, refs, log_lines } = repair;
    if let Some(aside) = aside {
        say(&format!("moved {} damaged files into {}", files.len(), aside.display()));
    }
    if *rescued > 0 {
        say(&format!("stored {rescued} objects of damaged packs anew"));
    }
    if *indexes > 0 {
        say(&format!("made {indexes} indexes of packs anew"));
    }
    for (name, id) in refs {
        match id {
            Some(id) => say(&format!("{name} was damaged and is at {id} again")),
            None => say(&format!("{name} was damaged and is gone")),
        }
    }
    if *log_lines > 0 {
        say(&format!("took {log_lines} damaged lines out of logs"));
    }
}
