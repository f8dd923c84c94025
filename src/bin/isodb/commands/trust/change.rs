//! `isodb trust add` and `remove`: changing the list of those who may sign.

use anyhow::Result;
use isodb::{AllowedSigner, AllowedSigners, Database, Document, Pattern, PublicKey, signer_problems, signers_key};

use super::key_named;
use crate::args::OneCommitArgs;
use crate::context::Context;
use crate::edit::DocumentEdit;
use crate::error::{Failure, say};
use crate::output::quoted;

#[derive(clap::Args)]
pub(super) struct AddArgs {
    /// Whose commits: an e-mail address, or patterns with `*` and `?`, separated by commas
    principal: String,
    /// The public key, or a file that holds it
    #[arg(value_name = "KEY|FILE", value_hint = clap::ValueHint::FilePath)]
    key: String,
    /// Only to change documents whose keys match: `*` within a segment, `**` for any number of segments. May be given
    /// several times [default: all documents]
    #[arg(long, value_name = "PATTERN")]
    keys: Vec<Pattern>,
    /// Only for commits that say they are of then or later
    #[arg(long, value_name = "TIME")]
    valid_after: Option<String>,
    /// Only for commits that say they are of then or earlier
    #[arg(long, value_name = "TIME")]
    valid_before: Option<String>,
    /// The key signs certificates: whoever has one from it may sign
    #[arg(long)]
    cert_authority: bool,
    /// What it may sign for, separated by commas
    #[arg(long, value_name = "LIST", default_value = "git")]
    namespaces: String,
    /// What is said of it in the list [default: what the key says]
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    #[command(flatten)]
    write: OneCommitArgs,
}

#[derive(clap::Args)]
pub(super) struct RemoveArgs {
    /// Who: the principals or the fingerprint as `trust list` shows them, or a public key or its file
    #[arg(value_name = "PRINCIPAL|FINGERPRINT|KEY|FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    who: Vec<String>,
    /// Revoke the keys: nothing that they sign counts any more, whatever it is built on
    #[arg(long)]
    revoke: bool,
    /// Even if nobody is left who may sign
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    write: OneCommitArgs,
}

/// The list that is there, to change it; what cannot be used in it stays as it is.
fn list(found: Option<(Document, &[u8])>) -> Result<AllowedSigners> {
    match found {
        Some((document, _)) if document.conflict.is_some() => {
            let key = signers_key();
            Err(Failure::no_such(format!("{key} is in conflict: what one of its versions says would get lost"))
                .hint(format!("`isodb show {key}` shows them, `isodb resolve {key} FILE` ends it"))
                .into())
        }
        found => Ok(AllowedSigners::parse(found.map_or(b"", |(_, text)| text))),
    }
}

/// Says which lines of the list cannot be used.
pub(super) fn tell_problems(context: &Context, list: &AllowedSigners) {
    for (line, reason) in signer_problems(list).into_iter().filter(|_| !context.is_quiet()) {
        say(&format!("warning: line {line} of {} cannot be used: {reason}", signers_key()));
    }
}

pub(super) fn add(context: &Context, args: AddArgs) -> Result<()> {
    let time = |text: &Option<String>| text.as_deref().map(|text| context.time(text)).transpose();
    let none = || Failure::usage(format!("{:?} is no public key, nor a file with one", args.key));
    let (key, called) = key_named(context, &args.key)?.ok_or_else(none)?;
    let signer = AllowedSigner {
        cert_authority: args.cert_authority,
        namespaces: Some(args.namespaces.clone()),
        valid_after: time(&args.valid_after)?,
        valid_before: time(&args.valid_before)?,
        keys: args.keys.iter().map(|pattern| pattern.text().to_owned()).collect(),
        comment: args.comment.clone().unwrap_or(called),
        ..AllowedSigner::new(&args.principal, key.clone())
    };
    let message = format!("trust add {}", quoted(&args.principal));
    let edit = DocumentEdit { write: &args.write, key: signers_key(), message };
    edit.run(context, |db, _, found, _| {
        let mut list = list(found)?;
        if list.is_revoked(&key) {
            return Err(Failure::usage(format!("the key {} is revoked", key.fingerprint()))
                .hint("`isodb trust keygen` makes another")
                .into());
        }
        if found.is_none() {
            tell_of_first(context, db, &args.write)?;
        }
        let is_there = list.entries().any(|there| *there == signer);
        if !is_there {
            list.add(signer.clone())?;
        }
        Ok(list.to_text())
    })
}

/// With the first line of the list, commits are judged.
fn tell_of_first(context: &Context, db: &Database, write: &OneCommitArgs) -> Result<()> {
    if !context.is_quiet() && !context.flag(db, "commit.sign")?.unwrap_or(false) {
        say("warning: from now on commits are judged by this list, and commit.sign is off here");
        let sign = if write.commit.sign.sign { "" } else { ", --sign a single one" };
        say(&format!("hint: `isodb config commit.sign true` signs them all{sign}"));
    }
    Ok(())
}

pub(super) fn remove(context: &Context, args: RemoveArgs) -> Result<()> {
    let what = if args.revoke { "trust revoke" } else { "trust remove" };
    let message = match &args.who[..] {
        [who] => format!("{what} {}", quoted(who)),
        who => format!("{what} {} and {} more", quoted(&who[0]), who.len() - 1),
    };
    let edit = DocumentEdit { write: &args.write, key: signers_key(), message };
    edit.run(context, |db, _, found, _| {
        let mut list = list(found)?;
        for who in &args.who {
            remove_one(context, &mut list, who, args.revoke)?;
        }
        if args.revoke
            && !context.is_quiet()
            && let Some(signer) = context.signer(db, args.write.commit.sign, "commit.sign")?
            && list.is_revoked(signer.public_key())
        {
            say("warning: a key cannot revoke itself: who has stolen it could do so as well");
            say("hint: sign the revocation with another key");
        }
        if !args.force && !can_anybody_sign(&list) {
            return Err(Failure::usage("nobody would be left who may sign")
                .hint("add somebody first; --force does it all the same")
                .into());
        }
        Ok(list.to_text())
    })
}

/// Removes the lines of whoever is meant, and revokes their keys if asked to.
fn remove_one(context: &Context, list: &mut AllowedSigners, who: &str, revoke: bool) -> Result<()> {
    let is_meant = |signer: &AllowedSigner| signer.principals == who || signer.key.fingerprint() == who;
    let mut removed = list.remove(is_meant);
    let mut keys: Vec<(PublicKey, String)> = Vec::new();
    if removed.is_empty()
        && let Some((key, comment)) = key_named(context, who)?
    {
        removed = list.remove(|signer| signer.key == key);
        keys.push((key, comment));
    }
    if removed.is_empty() && (!revoke || keys.is_empty()) {
        return Err(Failure::no_such(format!("nobody in the list is {who:?}"))
            .hint("`isodb trust list` shows those who are")
            .into());
    }
    if revoke {
        keys.extend(removed.into_iter().map(|signer| (signer.key, signer.principals)));
        for (key, comment) in keys {
            list.revoke(&key, &comment)?;
        }
    }
    Ok(())
}

/// Whether a line is left that can be used.
fn can_anybody_sign(list: &AllowedSigners) -> bool {
    let problems = signer_problems(list);
    list.numbered()
        .any(|(line, signer)| !list.is_revoked(&signer.key) && !problems.iter().any(|(wrong, _)| *wrong == line))
}
