//! `isodb prove`: what a commit has at a key, in a file that is checked without a database.

use std::path::PathBuf;

use anyhow::Result;
use isodb::Error;

use crate::bulk::exporter::Sink;
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::quoted;

/// Prove what a document is, or that there is none
///
/// The proof is a file with the content, the commit with its signature, and what leads from one to the other: some 20 KB more
/// than the content, however large the database is. `isodb verify --proof` checks it, anywhere.
///
/// It is of the commit at REV if that is signed, else of the latest one before it that is, and has had the same since; stderr
/// tells. With --since, it also holds the commits that lead there from one that the other side knows and trusts.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb prove stock/hay > hay.proof
  isodb prove stock/hay --at HEAD~3 --output hay.proof
  isodb prove stock/hay --since v1 | isodb verify --proof - --trusted $(isodb rev-parse v1)")]
pub(crate) struct Args {
    /// The document's key
    #[arg(value_name = "KEY", add = complete::keys())]
    key: String,
    /// Prove what the commit at REV has [default: the current head]
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    /// Put in the commits that lead there from REV, each signed by somebody who might
    #[arg(long, value_name = "REV", add = complete::revisions())]
    since: Option<String>,
    /// Write to FILE
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let key = super::key(&args.key)?;
    let path = args.output.filter(|path| path.as_os_str() != "-").map(|path| context.path(&path));
    if path.is_none() && context.for_people() {
        return Err(Failure::usage("a proof is not for a terminal").hint("write it to a file: --output FILE").into());
    }
    let db = context.database()?;
    let at = match &args.at {
        Some(revision) => db.resolve_commit(revision)?,
        None => {
            let (name, head) = db.head()?;
            head.ok_or(Error::NoCommit(name))?
        }
    };
    let since = args.since.as_deref().map(|revision| db.resolve_commit(revision)).transpose()?;
    let mut sink = Sink::plain(path.as_deref())?;
    let proved = db.prove(&key, at, since, &mut sink).map_err(|error| Sink::failed(error, path.as_deref()))?;
    sink.finish().map_err(|error| Sink::named(error, path.as_deref()))?;
    if proved != at && !context.is_quiet() {
        say(&format!(
            "note: commit {at} is not signed; this is a proof of {proved}, where {} was the same",
            quoted(&key.text())
        ));
    }
    Ok(())
}
