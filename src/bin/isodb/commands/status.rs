//! `isodb status`: where the database stands.

use anyhow::Result;
use isodb::{CommitId, Database, Objects, is_merge_commit};
use serde_json::{Value, json};

use crate::context::Context;
use crate::error::say;
use crate::output::Output;
use crate::people;
use crate::time;

/// Show the current ref, its head, conflicts, and what is not merged
///
/// Not merged are the heads of remotes (refs below refs/remotes/) with commits that the current head does not have.
///
/// With --json, it is {"ref","head","subject","time","merge","conflicts","unmerged"}: the ref's name, its commit (null before
/// the first), that one's first line and committer's time, whether it is a merge commit, the number of documents in
/// conflict, and of each head that is not merged {"ref","commit","subject","time"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb status
  isodb status --json | jq .conflicts")]
pub(crate) struct Args {
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let status = db.status()?;
    let mut out = Output::new(context);
    if args.json {
        let head = status.head.map(|head| commit_json(&db, head)).transpose()?.unwrap_or_default();
        let unmerged = status.unmerged.iter().map(|(name, id)| {
            let commit = commit_json(&db, *id)?;
            Ok(json!({
                "ref": name.as_str(), "commit": commit["commit"], "subject": commit["subject"], "time": commit["time"],
            }))
        });
        out.json(&json!({
            "ref": status.name.as_str(), "head": head["commit"], "subject": head["subject"], "time": head["time"],
            "merge": head["merge"].as_bool().unwrap_or(false), "conflicts": status.conflicts,
            "unmerged": unmerged.collect::<Result<Vec<_>>>()?,
        }))?;
        return out.finish();
    }
    out.record(&format!("Ref:       {}", status.name))?;
    match status.head {
        None => out.record("Head:      none yet")?,
        Some(head) => {
            let commit = db.store().commit(head)?;
            let id = out.paint(33, &out.id(head));
            out.record(&format!("Head:      {id}"))?;
            out.record(&format!("Date:      {}", time::show(commit.committer.seconds())))?;
            let subject = match is_merge_commit(&commit) {
                true => format!("merge of {} commits", commit.parents.len()),
                false => people::printable(&commit.subject()),
            };
            out.record(&format!("Subject:   {subject}"))?;
        }
    }
    out.record(&format!("Conflicts: {}", status.conflicts))?;
    for (name, id) in &status.unmerged {
        let line = format!("Unmerged:  {} {}", out.id(*id), name);
        out.record(&line)?;
    }
    out.finish()?;
    if context.for_people() && !context.is_quiet() {
        if status.conflicts > 0 {
            say("hint: `isodb conflicts` lists the documents in conflict, `isodb resolve` chooses");
        } else if let Some((name, _)) = status.unmerged.first() {
            say(&format!("hint: `isodb merge {}` merges what has come", name.short()));
        }
    }
    Ok(())
}

fn commit_json(db: &Database, id: CommitId) -> Result<Value> {
    let commit = db.store().commit(id)?;
    Ok(json!({
        "commit": id.to_string(), "subject": commit.subject(), "time": commit.committer.seconds(),
        "merge": is_merge_commit(&commit),
    }))
}
