//! `isodb ls-tree`: a tree object's entries, as they are stored.

use anyhow::Result;
use isodb::{Database, Error, Id, Mode, Objects, TreeId};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::output::Output;

/// List the entries of a tree object
///
/// Each is shown as it is stored: mode, kind, id, name. The names are those in the tree: escaped segments, and isodb's own edges `blob`, `.conflict` and `.part:NAME`.
/// REV:KEY lists the folder at KEY. With --json, an entry is {"mode","kind","id","name"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb ls-tree HEAD
  isodb ls-tree HEAD:farms/17
  isodb ls-tree -r HEAD")]
pub(crate) struct Args {
    /// The commit or tree, and a folder in it
    #[arg(value_name = "REV[:KEY]", add = complete::revisions())]
    revision: String,
    /// Go into sub-trees, listing what is no tree by its whole path
    #[arg(short, long)]
    recursive: bool,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let id = match args.revision.split_once(':') {
        None => db.resolve_tree(&args.revision)?,
        Some((revision, key)) => {
            let tree = db.tree(db.resolve_tree(if revision.is_empty() { "HEAD" } else { revision })?);
            let key = super::prefix(Some(key).filter(|key| !key.is_empty()))?;
            let folder = tree.folder(key.as_ref())?;
            match (folder, key) {
                (Some(id), _) => id,
                (None, Some(key)) => return Err(Error::NothingBelow(key).into()),
                (None, None) => TreeId::EMPTY,
            }
        }
    };
    let mut out = Output::records(context, args.list);
    print(&db, &mut out, id, args.recursive, args.list.json)?;
    out.finish()
}

/// Prints a tree's entries, a record each.
pub(super) fn print(db: &Database, out: &mut Output, root: TreeId, recursive: bool, json: bool) -> Result<()> {
    // Entries to print, the next one last: a tree's entries take its place when it is gone into.
    let mut todo: Vec<(Vec<u8>, Mode, Id)> = Vec::new();
    let expand = |todo: &mut Vec<(Vec<u8>, Mode, Id)>, path: &[u8], id: TreeId| -> Result<()> {
        let tree = db.store().tree(id)?;
        todo.extend(tree.iter().rev().map(|entry| ([path, entry.name].concat(), entry.mode, entry.id)));
        Ok(())
    };
    expand(&mut todo, b"", root)?;
    while let Some((path, mode, id)) = todo.pop() {
        if recursive && mode == Mode::Tree {
            expand(&mut todo, &[&path, b"/".as_slice()].concat(), TreeId(id))?;
            continue;
        }
        let name = String::from_utf8_lossy(&path);
        if json {
            out.json(&json!({"mode": mode.padded(), "kind": mode.kind().name(), "id": id.to_string(), "name": name}))?;
        } else {
            let name = out.key(&name).into_owned();
            out.record(&format!("{} {} {id}\t{name}", mode.padded(), mode.kind()))?;
        }
    }
    Ok(())
}
