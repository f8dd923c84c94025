//! `isodb trust`: who may sign, and the keys of this node.

mod change;
mod keygen;
mod list;
mod pin;

use std::path::Path;

use anyhow::Result;
use isodb::PublicKey;

use crate::context::Context;
use crate::error::Failure;
use crate::signing;

/// Say who may sign, make keys, and pin what this node trusts
///
/// Who may sign is the document _isodb/trust/allowed_signers, in OpenSSH's format, which travels with the data. A commit
/// is judged by the list in its first parent, so that adding and removing keys are commits that are judged as well.
/// Commits where there is no list yet are judged by what this node has pinned. Commits are signed with `commit.sign`, or
/// by --sign.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb trust keygen
  isodb trust add ann@farm ~/.config/isodb/id_ed25519.pub
  isodb trust list")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Make a key to sign with, and print its public half
    ///
    /// It is an Ed25519 key in the files that OpenSSH uses, which nobody else can read. Nothing is ever overwritten.
    /// Without FILE, it becomes your user.signingKey unless you have one.
    #[command(after_help = "Examples:
  isodb trust keygen
  isodb trust keygen --passphrase --comment 'the tablet' tablet.key")]
    Keygen(keygen::Args),
    /// List who may sign, which keys are revoked, and what is pinned
    ///
    /// A line starts with what it is: `signer` and the line of the list, with the key's fingerprint in place of the key;
    /// `revoked` with the kind, fingerprint and comment of a key; `anchor` with what is pinned. Lines of the list that
    /// cannot be used are named on stderr.
    ///
    /// With --json, it is {"type":"signer","line","principals","key","kind","fingerprint","cert_authority","namespaces",
    /// "valid_after","valid_before","keys","comment","revoked"}, {"type":"revoked","key","kind","fingerprint","comment"}
    /// or {"type":"anchor","anchor","kind"}: times are seconds since 1970, and what is not limited is null.
    #[command(after_help = "Examples:
  isodb trust list
  isodb trust list --at main~10")]
    List(list::Args),
    /// Let somebody sign: a line of the list, as one commit, and print its id
    #[command(after_help = "Examples:
  isodb trust add bo@farm bo.pub --sign
  isodb trust add scale@barn \"$(cat scale.pub)\" --keys 'weights/**'
  isodb trust add '*@coop.example' ca.pub --cert-authority --valid-before 2027-01-01")]
    Add(Box<change::AddArgs>),
    /// Let somebody sign no more, as one commit, and print its id
    ///
    /// What they signed before stays good. With --revoke, for a key that was stolen, only what this commit knows of
    /// stays good: a thief cannot go on beside it.
    #[command(after_help = "Examples:
  isodb trust remove bo@farm
  isodb trust remove --revoke SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU")]
    Remove(Box<change::RemoveArgs>),
    /// Pin what this node trusts where there is no list
    ///
    /// A key that is pinned may sign commits where there is no list, as the first ones; a commit that is pinned is
    /// trusted with all its ancestors. It is this node's setting trust.anchor, and no part of the data. Without an
    /// argument, prints what is pinned. With --json, that is {"anchor","kind"}, the kind being `key` or `commit`.
    #[command(after_help = "Examples:
  isodb trust pin
  isodb trust pin ann.pub
  isodb trust pin --remove HEAD~3")]
    Pin(pin::Args),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    match args.command {
        Command::Keygen(args) => keygen::run(context, args),
        Command::List(args) => list::run(context, args),
        Command::Add(args) => change::add(context, *args),
        Command::Remove(args) => change::remove(context, *args),
        Command::Pin(args) => pin::run(context, args),
    }
}

/// The public key that a text is, or that the file of that name holds, with what it is called there. `None` for a text
/// that is neither.
fn key_named(context: &Context, text: &str) -> Result<Option<(PublicKey, String)>> {
    let comment = |line: &str| line.trim().splitn(3, [' ', '\t']).nth(2).unwrap_or_default().trim().to_owned();
    if let Ok(key) = PublicKey::parse(text) {
        return Ok(Some((key, comment(text))));
    }
    let path = context.path(Path::new(text));
    if path.extension().is_none_or(|extension| extension != "pub") && !path.is_file() {
        return Ok(None);
    }
    let line = signing::public_line(&path)?;
    let key = PublicKey::parse(&line).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    Ok(Some((key, comment(&line))))
}
