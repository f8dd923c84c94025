//! `isodb peers`: what is known of the remotes without asking them.

use anyhow::Result;
use isodb::{Difference, Peer, Remote};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::output::{Output, number_of};
use crate::time;

/// Show what is known of the remotes, without asking them
///
/// For each one: where it is, when it was last met, what it lacks of the branches here as far as is known, what it has that
/// they lack, and branches of it that have lost commits since they were first seen.
///
/// With --json, a remote is {"remote","url","seen","heads","lacks","has","went_back"}: `seen` is in seconds since 1970 (null:
/// never), `heads` are {"ref","commit"} with its own names, `lacks` and `has` are {"commits","documents","bytes"}: commits
/// that somebody made, the documents that they change and the bytes of new contents, and `went_back` are {"ref","was","seen"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb peers
  isodb peers barn --json | jq .lacks")]
pub(crate) struct Args {
    /// Only this remote
    #[arg(value_name = "REMOTE", add = complete::remotes())]
    remote: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let remotes = match &args.remote {
        Some(name) => vec![Remote::find(db.config(), name)?],
        None => Remote::all(db.config())?,
    };
    let mut out = Output::records(context, args.list);
    for remote in remotes {
        let peer = Peer::look(&db, &remote)?;
        if args.list.json {
            out.json(&record(&remote, &peer))?;
            continue;
        }
        let seen = peer.note.as_ref().map_or("never met".to_owned(), |note| format!("met {}", time::show(note.seen)));
        out.record(&format!("{}\t{seen}\tlacks {}\thas {}", remote.name(), text(peer.lacks), text(peer.has)))?;
        for went in peer.note.iter().flat_map(|note| &note.went_back) {
            let (name, was) = (went.name.short(), out.id(went.was));
            out.record(&format!("{}\t{name} was at {was} before {}", remote.name(), time::show(went.seen)))?;
        }
    }
    out.finish()
}

fn text(difference: Difference) -> String {
    if difference.commits == 0 {
        return "nothing".to_owned();
    }
    let (commits, documents) = (number_of(difference.commits, "commit"), number_of(difference.documents, "document"));
    format!("{commits}, {documents}, {}", number_of(difference.bytes, "byte"))
}

fn record(remote: &Remote, peer: &Peer) -> serde_json::Value {
    let heads = peer.heads.iter().map(|(name, id)| json!({"ref": name.as_str(), "commit": id.to_string()}));
    let went = peer.note.iter().flat_map(|note| &note.went_back);
    let went = went.map(|went| json!({"ref": went.name.as_str(), "was": went.was.to_string(), "seen": went.seen}));
    let of = |difference: Difference| json!({"commits": difference.commits, "documents": difference.documents, "bytes": difference.bytes});
    json!({
        "remote": remote.name(), "url": remote.url(), "seen": peer.note.as_ref().map(|note| note.seen),
        "heads": heads.collect::<Vec<_>>(), "lacks": of(peer.lacks), "has": of(peer.has),
        "went_back": went.collect::<Vec<_>>(),
    })
}
