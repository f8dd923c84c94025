//! `isodb trust pin`: what this node trusts where no list says who may sign.

use anyhow::Result;
use isodb::{Anchors, CommitId, Config, Database};
use serde_json::json;

use super::key_named;
use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;

#[derive(clap::Args)]
pub(super) struct Args {
    /// A key, its fingerprint (SHA256:…), a file with a public key, or a commit [default: print what is pinned]
    #[arg(value_name = "KEY|FINGERPRINT|FILE.pub|REV", add = complete::revisions())]
    what: Option<String>,
    /// Pin it no more
    #[arg(long, requires = "what")]
    remove: bool,
    #[command(flatten)]
    list: ListArgs,
}

/// What is pinned, with what each is in a word.
pub(super) fn pinned(anchors: &Anchors) -> impl Iterator<Item = (String, &'static str)> {
    let commits = anchors.commits().map(|commit| (commit.to_string(), "commit"));
    anchors.keys().map(|key| (key.to_owned(), "key")).chain(commits)
}

pub(super) fn run(context: &Context, args: Args) -> Result<()> {
    let mut db = context.database()?;
    let mut anchors = db.anchors()?;
    if let Some(text) = &args.what {
        let is_pinned = pinned(&anchors).any(|(anchor, _)| anchor == *text);
        // What is pinned may not be here, or not any more.
        let anchor = if is_pinned { text.clone() } else { anchor(context, &db, text)? };
        let change = |config: &Config| {
            let mut anchors = Anchors::from_config(config)?;
            let is_changed = if args.remove { anchors.remove(&anchor) } else { anchors.add(&anchor)? };
            is_changed.then(|| anchors.write_to(config)).transpose()
        };
        if !db.configure(change)? && args.remove {
            return Err(Failure::no_such(format!("{text} is not pinned"))
                .hint("`isodb trust pin` shows what is")
                .into());
        }
        anchors = Anchors::default();
        if !args.remove {
            anchors.add(&anchor)?;
        }
    }
    let mut out = Output::records(context, args.list);
    for (anchor, kind) in pinned(&anchors) {
        if args.list.json {
            out.json(&json!({"anchor": anchor, "kind": kind}))?;
        } else {
            out.record(&anchor)?;
        }
    }
    out.finish()
}

/// What is pinned of what the user names.
fn anchor(context: &Context, db: &Database, text: &str) -> Result<String> {
    if text.starts_with("SHA256:") {
        return match Anchors::default().add(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err(Failure::usage(format!("{text} is no fingerprint"))
                .hint("`ssh-keygen -l -f FILE` prints a key's")
                .into()),
        };
    }
    if let Some((key, _)) = key_named(context, text)? {
        return Ok(key.fingerprint());
    }
    let CommitId(id) = db.resolve_commit(text)?;
    Ok(id.to_string())
}
