//! `isodb apply`: many changes as one commit, or as one each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::path::PathBuf;

use anyhow::Result;
use isodb::{BlobId, Changeset, CommitInfo, Database, Kind, NdjsonLine, NdjsonReader, Objects};

use crate::args::{CommitArgs, OnArgs};
use crate::context::Context;
use crate::error::Failure;
use crate::output::{Output, quoted};
use crate::progress::Progress;

/// Make the changes that FILE or stdin lists, one JSON object a line, as one commit, and print its id
///
/// A line is {"key":K,"value":JSON}, {"key":K,"text":S}, {"key":K,"base64":S} or {"key":K,"delete":true}; with
/// "if":ID or "if":"none" it holds only if the key has that content before. A value is stored as it stands, byte for
/// byte. A bad line is named by its number, and nothing is stored. Of several lines for one key the last counts.
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
    /// With --each: wait for the disk only after every N lines; an id is printed when its commit is durable
    #[arg(long, value_name = "N", requires = "each", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    sync_every: u64,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    on: OnArgs,
    /// Print a JSON object for each commit: its id, and whether it is new
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_write(args.commit.sync)?;
    let source = open(context, &args)?;
    let mut lines = NdjsonReader::new(source);
    let mut progress = Progress::new(context, "lines");
    if args.each {
        return each(context, &args, &db, &mut lines, &mut progress);
    }
    let mut changes = Changeset::new();
    while let Some(line) = lines.next_change()? {
        progress.set(line.number, None);
        add(&db, &mut changes, line)?;
    }
    let message = format!("apply {} changes", changes.len());
    let outcome = super::commit(context, &db, &args.commit, Some(&args.on), &changes, message)?;
    drop(progress);
    super::print_outcome(context, outcome, args.json)
}

fn open(context: &Context, args: &Args) -> Result<Box<dyn BufRead>> {
    match &args.file {
        Some(path) if path.as_os_str() != "-" => {
            let path = context.path(path);
            let file = File::open(&path).map_err(|e| Failure::usage(format!("cannot read {}: {e}", path.display())))?;
            Ok(Box::new(BufReader::with_capacity(1 << 16, file)))
        }
        given => {
            if given.is_none() && io::stdin().is_terminal() {
                return Err(Failure::usage("there are no changes: stdin is a terminal")
                    .hint("name a FILE, pipe something in, or give - to type them")
                    .into());
            }
            Ok(Box::new(io::stdin().lock()))
        }
    }
}

/// Adds a line's change, and puts its content into the store.
fn add(db: &Database, changes: &mut Changeset, line: NdjsonLine) -> Result<()> {
    if let Some(condition) = line.condition {
        changes.require(line.key.clone(), condition);
    }
    match line.content {
        Some(content) => changes.put(line.key, BlobId(db.store().put(Kind::Blob, &content)?)),
        None => changes.remove(line.key),
    }
    Ok(())
}

/// A commit a line, so many at once as are waited for together.
fn each(
    context: &Context,
    args: &Args,
    db: &Database,
    lines: &mut NdjsonReader<Box<dyn BufRead>>,
    progress: &mut Progress,
) -> Result<()> {
    let mut out = Output::new(context);
    loop {
        let mut batch: Vec<(Changeset, CommitInfo)> = Vec::new();
        let mut bad_line = None;
        while (batch.len() as u64) < args.sync_every {
            let line = match lines.next_change() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    bad_line = Some(error);
                    break;
                }
            };
            progress.set(line.number, None);
            let verb = if line.content.is_some() { "put" } else { "rm" };
            let message = format!("{verb} {}", quoted(&line.key.text()));
            let info = context.commit_info(db, &args.commit, message)?;
            let mut changes = Changeset::new();
            add(db, &mut changes, line)?;
            batch.push((changes, info));
        }
        let is_last = (batch.len() as u64) < args.sync_every;
        let changes: Vec<_> = batch.iter().map(|(changes, info)| (changes, info)).collect();
        let expect = isodb::Expect::Any;
        let series = db.commit_series(&context.target(&args.commit)?, expect, &changes)?;
        for outcome in series.outcomes {
            let id = outcome.head.map(|id| id.to_string());
            if args.json {
                out.json(&serde_json::json!({"commit": id, "new": outcome.is_new}))?;
            } else {
                out.record(&id.unwrap_or_default())?;
            }
        }
        out.flush()?;
        if let Some(error) = series.failed.or(bad_line) {
            return Err(error.into());
        }
        if is_last {
            return out.finish();
        }
    }
}
