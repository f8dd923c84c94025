//! `isodb log`: who changed what, and when.

use anyhow::Result;
use isodb::{CommitId, HistoryEntry, HistoryOptions, Standing};

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::graph::Graph;
use crate::output::Output;
use crate::people;

/// Show the history, newest first: of all documents or of some
///
/// With keys, it is the history of what is at or below them. Of a merge that took all of that from one parent, only
/// that parent's side is followed.
///
/// With --json, a commit is {"commit","tree","parents","author","committer","message"}; author and committer are
/// {"name","email","time"}, the time in seconds since 1970. A merge commit, which is what its parents make it, has
/// "merge":true. With --show-signature, "signature" is {"standing","principal","key","reason"} as verify has it, or null
/// for a commit without a signature.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb log -n 5
  isodb log --oneline animals/bella
  isodb log --json --since '2 weeks ago' | jq -r .author.name | sort | uniq -c")]
pub(crate) struct Args {
    /// Only commits that changed what is at or below these
    #[arg(value_name = "KEY", add = complete::keys())]
    keys: Vec<String>,
    /// A line a commit: its id and the first line of its message
    #[arg(long)]
    oneline: bool,
    /// At most N commits
    #[arg(short = 'n', long, value_name = "N", value_parser = crate::args::number)]
    limit: Option<usize>,
    /// Draw how the commits follow each other
    #[arg(long, conflicts_with_all = ["json", "null"])]
    graph: bool,
    /// Only commits at or after TIME
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only commits at or before TIME
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Start from REV in place of the current head; may be given several times
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Vec<String>,
    /// Start from every ref
    #[arg(long, conflicts_with = "at")]
    all: bool,
    /// Tell how each commit stands, as verify does: who signed it, and whether that person might
    #[arg(long)]
    show_signature: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// So many commits are judged at once.
const JUDGED: usize = 512;

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let heads = if args.all {
        db.heads()?
    } else if args.at.is_empty() {
        let (name, head) = db.head()?;
        vec![head.ok_or(isodb::Error::NoCommit(name))?]
    } else {
        args.at.iter().map(|revision| Ok(db.resolve_commit(revision)?)).collect::<Result<Vec<_>>>()?
    };
    let mut keys = Vec::new();
    for key in &args.keys {
        keys.extend(super::prefix(Some(key))?);
    }
    let options = HistoryOptions {
        keys,
        since: args.since.as_deref().map(|text| context.time(text)).transpose()?,
        until: args.until.as_deref().map(|text| context.time(text)).transpose()?,
        topological: args.graph,
    };
    let mut out = Output::records(context, args.list);
    let mut graph = args.graph.then(Graph::new);
    let mut first = true;
    let mut runner = context.runner()?;
    let mut judge = args.show_signature.then(|| db.judge(&heads, &mut runner)).transpose()?;
    let mut entries = db.history(&heads, options)?.take(args.limit.unwrap_or(usize::MAX));
    loop {
        let some = entries.by_ref().take(if judge.is_some() { JUDGED } else { 1 });
        let some = some.collect::<Result<Vec<HistoryEntry>, isodb::Error>>()?;
        if some.is_empty() {
            return out.finish();
        }
        let ids: Vec<CommitId> = some.iter().map(|entry| entry.id).collect();
        let judged = judge.as_mut().map(|judge| judge.judge(&ids, &mut runner)).transpose()?.unwrap_or_default();
        let mut standings = judged.into_iter().map(|one| one.standing);
        for entry in some {
            let standing = standings.next();
            if args.list.json {
                let mut object = people::commit_json(entry.id, &entry.commit);
                if let Some(standing) = &standing {
                    object["signature"] = people::signature_json(standing);
                }
                out.json(&object)?;
                continue;
            }
            let text = if args.oneline {
                oneline(&out, &entry, standing.as_ref())
            } else {
                people::commit_text(&out, entry.id, &entry.commit, standing.as_ref())
            };
            if let Some(graph) = &mut graph {
                let end = if args.oneline { "" } else { "\n" };
                let row = graph.row(entry.id, &entry.parents, &(text + end));
                out.bytes(row.as_bytes())?;
            } else if args.oneline {
                out.record(&text)?;
            } else {
                if !first && !args.list.null {
                    out.bytes(b"\n")?;
                }
                first = false;
                out.record(text.strip_suffix('\n').unwrap_or(&text))?;
            }
        }
    }
}

/// A commit in a line.
fn oneline(out: &Output, entry: &HistoryEntry, standing: Option<&Standing>) -> String {
    let id = out.paint(33, &out.id(entry.id));
    let signature = standing.map(|standing| format!(" [{}]", people::signature(out, standing))).unwrap_or_default();
    let subject = people::printable(&entry.commit.subject());
    match entry.commit.parents.len() {
        count if isodb::is_merge_commit(&entry.commit) => format!("{id}{signature} merge of {count}"),
        _ => format!("{id}{signature} {subject}"),
    }
}
