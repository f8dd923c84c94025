//! `isodb apply`: many changes as one commit, or as one each.

use std::io::{BufReader, Read};
use std::path::PathBuf;

use anyhow::Result;
use isodb::{BlobId, Changeset, CommitInfo, Database, Error, Expect, Kind, NdjsonLine, NdjsonReader, Objects, Outcome};
use serde_json::json;

use crate::args::{CommitArgs, OnArgs};
use crate::context::Context;
use crate::error::{Failure, LineError, is_closed_pipe};
use crate::input::Input;
use crate::output::{Output, quoted};
use crate::progress::Progress;

/// Make many changes, listed as NDJSON, as one commit
///
/// FILE or stdin has one JSON object a line, and the commit's id is printed. A line is {"key":K,"value":JSON},
/// {"key":K,"text":S}, {"key":K,"base64":S} or {"key":K,"delete":true}; with "if":ID or "if":"none" it holds only if the
/// key has that content before. A value is stored as it stands, byte for byte; with "newline":true a newline follows. A
/// bad line is named by its number, and nothing is stored. Of several lines for one key the last counts.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb apply records.ndjson
  jq -c '{key: (\"animals/\" + .id), value: .}' herd.json | isodb apply -m 'import the herd'
  tail -f sensors.ndjson | isodb apply --each")]
pub(crate) struct Args {
    /// The changes [default: stdin]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Make a commit of each line, and print an id for each
    #[arg(long, conflicts_with_all = ["on", "expect"])]
    each: bool,
    /// With --each: wait for the disk after every N lines, even if that means to wait for lines; an id is printed when
    /// its commit is durable [default: the lines that are there, at most 1000]
    #[arg(long, value_name = "N", requires = "each", value_parser = at_least_one)]
    sync_every: Option<usize>,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    on: OnArgs,
    /// Print a JSON object a commit: {"commit","new"}, `new` telling whether there was a change
    #[arg(long)]
    json: bool,
}

/// How much of the input is read at once.
const BUFFER: usize = 1 << 18;
/// Unless told otherwise, --each waits for the disk once for so many lines at most, and for so many bytes of contents.
const LINES: usize = 1000;
const BYTES: usize = 4 << 20;

/// Reads a number above zero on the command line.
pub(super) fn at_least_one(text: &str) -> Result<usize, String> {
    match crate::args::number(text)? {
        0 => Err("it must be at least 1".into()),
        number => Ok(number),
    }
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_commit(&args.commit)?;
    let source = Input::open(context, args.file.as_deref())?.source;
    let mut lines = NdjsonReader::new(BufReader::with_capacity(BUFFER, source));
    let mut progress = Progress::new(context, "lines");
    if args.each {
        return each(context, &args, &db, &mut lines, &mut progress);
    }
    let mut changes = Changeset::new();
    while let Some(line) = lines.next_change().map_err(|error| bad_line(error, "nothing of this input was stored"))? {
        progress.set(line.number, None);
        add(&db, &mut changes, line)?;
    }
    let message = format!("apply {} changes", changes.len());
    let outcome = super::commit(context, &db, &args.commit, Some(&args.on), &changes, message)?;
    drop(progress);
    super::print_outcome(context, outcome, args.json)
}

/// The error of a line, with what became of the other lines.
fn bad_line(error: Error, hint: &str) -> anyhow::Error {
    match error {
        Error::Line { .. } => Failure::usage(error.to_string()).hint(hint).into(),
        error => error.into(),
    }
}

/// Adds a line's change, and puts its content into the store.
fn add(db: &Database, changes: &mut Changeset, line: NdjsonLine<'_>) -> Result<()> {
    if let Some(condition) = line.condition {
        changes.require(line.key.clone(), condition);
    }
    match line.content {
        Some(content) => changes.put(line.key, BlobId(db.store().put(Kind::Blob, &content)?)),
        None => changes.remove(line.key),
    }
    Ok(())
}

/// A commit a line, as many at once as are waited for together: the lines that are there. A line that comes alone is
/// committed at once.
fn each(
    context: &Context,
    args: &Args,
    db: &Database,
    lines: &mut NdjsonReader<BufReader<Box<dyn Read>>>,
    progress: &mut Progress,
) -> Result<()> {
    // Nobody may be reading the ids any more: the changes are stored all the same.
    let mut out = Some(Output::new(context));
    let target = context.target(&args.commit)?;
    loop {
        let mut batch: Vec<(Changeset, CommitInfo)> = Vec::new();
        let mut numbers = Vec::new();
        let mut failed = None;
        let mut is_last = false;
        let mut bytes = 0;
        while batch.len() < args.sync_every.unwrap_or(LINES) {
            let has_enough = bytes >= BYTES || lines.is_waiting();
            if args.sync_every.is_none() && has_enough && !batch.is_empty() {
                break;
            }
            let line = match lines.next_change() {
                Ok(Some(line)) => line,
                Ok(None) => {
                    is_last = true;
                    break;
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            bytes += line.content.as_ref().map_or(0, |content| content.len());
            progress.set(line.number, None);
            let verb = if line.content.is_some() { "put" } else { "rm" };
            let message = format!("{verb} {}", quoted(&line.key.text()));
            let info = context.commit_info(db, &args.commit, message)?;
            let mut changes = Changeset::new();
            numbers.push(line.number);
            add(db, &mut changes, line)?;
            batch.push((changes, info));
        }
        let changes: Vec<_> = batch.iter().map(|(changes, info)| (changes, info)).collect();
        let series = db.commit_series(&target, Expect::Any, &changes)?;
        let print_all = |out: &mut Output| {
            series.outcomes.iter().try_for_each(|outcome| print(out, outcome, args.json))?;
            out.flush()
        };
        match out.as_mut().map_or(Ok(()), print_all) {
            Err(error) if is_closed_pipe(&error) => out = None,
            printed => printed?,
        }
        if let Some(last) = series.outcomes.last() {
            context.start_upkeep(db, *last);
        }
        if let Some(error) = series.failed {
            return Err(LineError { line: numbers[series.outcomes.len()], source: error }.into());
        }
        if let Some(error) = failed {
            return Err(bad_line(error, "the lines before it are stored"));
        }
        if is_last {
            return Ok(());
        }
    }
}

fn print(out: &mut Output, outcome: &Outcome, as_json: bool) -> Result<()> {
    let id = outcome.head.map(|id| id.to_string());
    if as_json {
        return out.json(&json!({"commit": id, "new": outcome.is_new}));
    }
    out.record(&outcome.head.map(|id| out.id(id)).unwrap_or_default())
}
