//! `isodb ls-remote`: the refs of another database.

use anyhow::Result;
use isodb::{Fetching, Location, RemoteRef};
use serde_json::json;

use crate::args::ListArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;
use crate::remote::{self, Programs};

/// List the refs of another database, without fetching anything
///
/// URL is a path, file://PATH, ssh://[USER@]HOST[:PORT]/PATH, [USER@]HOST:PATH, http(s)://HOST/PATH or git://HOST/PATH; the
/// path of a file is a bundle's. Each record is an id, a tab and a ref's name; a tag is followed by what it leads to, named with ^{} behind. With PATTERN, only refs whose name, or the end of it
/// behind a slash, is like one of them: * stands for any text, ? for any character. Exit 1 when there are none.
///
/// With --json, a ref is {"ref","id","target","peeled"}: `target` is the ref that it leads to, `peeled` what a tag leads
/// to, and `id` is null for a HEAD that leads to a ref without a commit.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb ls-remote barn:farm.isodb
  isodb ls-remote /media/stick/farm.isodb 'refs/heads/*' --json
  isodb ls-remote --upload-pack git-upload-pack barn:farm.git HEAD")]
pub(crate) struct Args {
    /// Where the other database is
    #[arg(value_name = "URL")]
    url: String,
    /// Only refs like one of these
    #[arg(value_name = "PATTERN")]
    patterns: Vec<String>,
    /// The program that answers at the other end, as words for a shell [default: isodb upload-pack]
    #[arg(long, value_name = "COMMAND")]
    upload_pack: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let location: Location = args.url.parse()?;
    let programs = Programs { upload: args.upload_pack, receive: None };
    let mut refs = match remote::bundle(context, &location) {
        Some(bundle) => bundle.open()?.refs(),
        None => Fetching::open(&mut *remote::transport(context, &location, &programs)?)?.refs(&[])?,
    };
    refs.retain(|found| args.patterns.is_empty() || args.patterns.iter().any(|pattern| fits(pattern, found)));
    let mut out = Output::records(context, args.list);
    let is_empty = refs.is_empty();
    for RemoteRef { name, id, target, peeled } in refs {
        if args.list.json {
            out.json(&json!({
                "ref": name.as_str(), "id": id.map(|id| id.to_string()),
                "target": target.map(|target| target.to_string()), "peeled": peeled.map(|id| id.to_string()),
            }))?;
            continue;
        }
        if let Some(id) = id {
            out.record(&format!("{}\t{name}", out.id(id)))?;
        }
        if let Some(peeled) = peeled {
            out.record(&format!("{}\t{name}^{{}}", out.id(peeled)))?;
        }
    }
    out.finish()?;
    if is_empty { Err(Failure::no().into()) } else { Ok(()) }
}

/// Whether a ref's name, or its end behind a slash, is like a pattern.
fn fits(pattern: &str, found: &RemoteRef) -> bool {
    let name = found.name.as_str();
    let ends = name.match_indices('/').map(|(at, _)| &name[at + 1..]);
    std::iter::once(name).chain(ends).any(|end| is_like(pattern.as_bytes(), end.as_bytes()))
}

/// Whether a text is like a pattern.
fn is_like(pattern: &[u8], text: &[u8]) -> bool {
    // Where the last star was met, and from where in the text it would take one byte more.
    let mut star = None;
    let (mut p, mut t) = (0, 0);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                None => return false,
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("main", "main"),
            ("*", ""),
            ("m*n", "main"),
            ("?ain", "main"),
            ("*a*", "main"),
            ("**", "x"),
            ("a*b*c", "abbc"),
        ] {
            assert!(is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in [("main", "mai"), ("?", ""), ("m*x", "main"), ("", "a"), ("a*b*c", "acb")] {
            assert!(!is_like(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
    }
}
