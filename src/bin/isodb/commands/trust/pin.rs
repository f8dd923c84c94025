//! `isodb trust pin`: what this node trusts where no list says who may sign.

use anyhow::Result;
use isodb::{CommitId, Database};
use serde_json::json;

use super::key_named;
use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;

/// The setting that holds the anchors, as words with spaces between them.
const SETTING: &str = "trust.anchor";

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

/// What is pinned.
pub(super) fn anchors(db: &Database) -> Vec<String> {
    let words = db.config().get(SETTING).unwrap_or_default();
    words.split_ascii_whitespace().map(str::to_owned).collect()
}

/// What an anchor is, in a word.
pub(super) fn kind(anchor: &str) -> &'static str {
    if anchor.starts_with("SHA256:") { "key" } else { "commit" }
}

pub(super) fn run(context: &Context, args: Args) -> Result<()> {
    let mut db = context.database()?;
    let mut anchors = anchors(&db);
    if let Some(text) = &args.what {
        let anchor = match anchors.contains(text) {
            // What is pinned may not be here, or not any more.
            true => text.clone(),
            false => anchor(context, &db, text)?,
        };
        let is_pinned = anchors.contains(&anchor);
        if args.remove && !is_pinned {
            return Err(Failure::no_such(format!("{text} is not pinned"))
                .hint("`isodb trust pin` shows what is")
                .into());
        }
        if args.remove || !is_pinned {
            db.configure(|config| {
                let words = config.get(SETTING).unwrap_or_default().split_ascii_whitespace();
                let mut words: Vec<&str> = words.filter(|word| *word != anchor).collect();
                if !args.remove {
                    words.push(&anchor);
                }
                if words.is_empty() {
                    config.without(SETTING)
                } else {
                    config.with(SETTING, &words.join(" ")).map(Some)
                }
            })?;
        }
        anchors = if args.remove { Vec::new() } else { vec![anchor] };
    }
    let mut out = Output::records(context, args.list);
    for anchor in anchors {
        if args.list.json {
            out.json(&json!({"anchor": anchor, "kind": kind(&anchor)}))?;
        } else {
            out.record(&anchor)?;
        }
    }
    out.finish()
}

/// What is pinned of what the user names.
fn anchor(context: &Context, db: &Database, text: &str) -> Result<String> {
    if let Some(hash) = text.strip_prefix("SHA256:") {
        // 32 bytes in base64, without the padding.
        let is_hash = hash.len() == 43 && hash.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'));
        let wrong =
            || Failure::usage(format!("{text} is no fingerprint")).hint("`ssh-keygen -l -f FILE` prints a key's");
        return if is_hash { Ok(text.to_owned()) } else { Err(wrong().into()) };
    }
    if let Some((key, _)) = key_named(context, text)? {
        return Ok(key.fingerprint());
    }
    let CommitId(id) = db.resolve_commit(text)?;
    Ok(id.to_string())
}
