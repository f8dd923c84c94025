//! `isodb trust list`: who may sign.

use anyhow::Result;
use isodb::{AllowedSigner, AllowedSigners, PublicKey, signers_key};
use serde_json::{Value, json};

use super::{change, pin};
use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::edit;
use crate::error::say;
use crate::output::Output;
use crate::people;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The list at REV [default: HEAD]
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

pub(super) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let found = edit::read(&db, crate::commands::tree_at(&db, args.at.as_deref())?, &signers_key())?;
    let mut out = Output::records(context, args.list);
    let mut print = |value: Value, line: String| -> Result<()> {
        if args.list.json { out.json(&value) } else { out.record(&people::printable(&line)) }
    };
    if let Some((document, text)) = found {
        if document.conflict.is_some() && !context.is_quiet() {
            say(&format!("warning: {} is in conflict: only what all its versions allow is allowed", signers_key()));
        }
        let list = AllowedSigners::parse(&text);
        change::tell_problems(context, &list);
        for (number, signer) in list.numbered() {
            let revoked = list.is_revoked(&signer.key);
            print(record(number, signer, revoked), line(signer, revoked))?;
        }
        for (key, comment) in list.revoked() {
            let mut value = key_record("revoked", key);
            value["comment"] = comment.into();
            print(value, format!("revoked {} {} {comment}", key.kind(), key.fingerprint()).trim_end().to_owned())?;
        }
    }
    for (anchor, kind) in pin::pinned(&db.anchors()?) {
        print(json!({"type": "anchor", "anchor": anchor, "kind": kind}), format!("anchor {anchor}"))?;
    }
    out.finish()
}

fn key_record(what: &str, key: &PublicKey) -> Value {
    json!({"type": what, "key": key.to_string(), "kind": key.kind(), "fingerprint": key.fingerprint()})
}

fn record(number: usize, signer: &AllowedSigner, revoked: bool) -> Value {
    let mut value = key_record("signer", &signer.key);
    value["line"] = number.into();
    value["principals"] = signer.principals.as_str().into();
    value["cert_authority"] = signer.cert_authority.into();
    value["namespaces"] = signer.namespaces.clone().into();
    value["valid_after"] = signer.valid_after.into();
    value["valid_before"] = signer.valid_before.into();
    value["keys"] = if signer.keys.is_empty() { Value::Null } else { signer.keys.clone().into() };
    value["comment"] = signer.comment.as_str().into();
    value["revoked"] = revoked.into();
    value
}

/// The line of the list, with the fingerprint in place of the key, which nobody compares by eye.
fn line(signer: &AllowedSigner, revoked: bool) -> String {
    let key = format!("{} {}", signer.key.kind(), signer.key.fingerprint());
    let line = signer.to_string().replacen(&signer.key.to_string(), &key, 1);
    format!("signer {line}{}", if revoked { " (revoked)" } else { "" })
}
