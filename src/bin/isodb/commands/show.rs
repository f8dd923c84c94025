//! `isodb show`: one commit and what it changed, or another object.

use anyhow::Result;
use isodb::{CommitId, Kind, Objects, TagId, TreeId};

use crate::complete;
use crate::context::Context;
use crate::output::Output;
use crate::people::{self, Detail};

/// Show a commit with the documents that it changed, or another object
///
/// A commit is compared with its first parent. REV:KEY shows a document's content.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb show
  isodb show -p HEAD~2
  isodb show HEAD~2:animals/bella")]
pub(crate) struct Args {
    /// What to show [default: the current head]
    #[arg(value_name = "REV", default_value = "HEAD", hide_default_value = true, add = complete::revisions())]
    revision: String,
    /// What differs inside the documents
    #[arg(short, long, conflicts_with = "stat")]
    patch: bool,
    /// The documents' sizes before and after
    #[arg(long)]
    stat: bool,
    /// Print the commit as a JSON object, with its "changes"
    #[arg(long, conflicts_with_all = ["patch", "stat"])]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let mut id = db.resolve(&args.revision)?;
    let mut out = Output::new(context);
    let kind_of = |id| -> Result<Kind> {
        let header = db.store().header(id)?;
        Ok(header.map_or(Kind::Tree, |(kind, _)| kind))
    };
    while kind_of(id)? == Kind::Tag {
        let tag = db.store().tag(TagId(id))?;
        out.record(&format!("tag {}", people::printable(&tag.name)))?;
        out.record(&people::printable(&tag.message_text()))?;
        id = tag.target;
    }
    match kind_of(id)? {
        Kind::Commit => {}
        Kind::Tree => {
            for line in people::tree_lines(&db.store().tree(TreeId(id))?) {
                out.record(&line)?;
            }
            return out.finish();
        }
        _ => {
            if let Some(mut reader) = db.store().open(id)? {
                out.body(&mut reader)?;
            }
            return out.finish();
        }
    }
    let commit = db.store().commit(CommitId(id))?;
    let before = db.tree_of(commit.parents.first().copied())?;
    let changes = before.diff(&db.tree(commit.tree), None)?;
    if args.json {
        let mut object = people::commit_json(CommitId(id), &commit);
        let changes = changes.map(|change| Ok(super::diff::change_json(&change?))).collect::<Result<Vec<_>>>()?;
        object["changes"] = changes.into();
        out.json(&object)?;
        return out.finish();
    }
    let text = people::commit_text(&out, CommitId(id), &commit);
    out.record(&text)?;
    let detail = match (args.patch, args.stat) {
        (true, _) => Detail::Patch,
        (_, true) => Detail::Stat,
        _ => Detail::Names,
    };
    for change in changes {
        people::print_change(&db, &mut out, &change?, detail)?;
    }
    out.finish()
}
