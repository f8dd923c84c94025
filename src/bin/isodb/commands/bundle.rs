//! `isodb bundle`: refs with all that they lead to, in a file.

mod apply;
mod create;
mod verify;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use isodb::{Bundle, BundleFile, OsDisk};

use crate::context::Context;

/// Carry commits in a file, on a stick or by mail
///
/// A bundle holds refs, and what they lead to and its readers lack. It is git's format: `git clone farm.bundle` works, and
/// bundles that git makes of a SHA-256 repository are read. The file's name can stand for a remote's URL.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb bundle create farm.bundle
  isodb bundle create --for barn /media/stick/barn.bundle
  isodb bundle apply farm.bundle")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Write a bundle of refs, by default of all branches and tags
    ///
    /// REV is the name of a ref; A..B is the ref B without what A has, and ^A leaves out what A has. The file is written
    /// beside, flushed, read back and then renamed, so that a stick that is pulled out too early has a whole file or none;
    /// `-` writes to stdout. Exit 1, and no file, when there is nothing that a reader would lack.
    ///
    /// With a name for this node, by --as or the setting isodb.name, the bundle tells who wrote it and what else is here, so
    /// that the one that comes back has no more than is lacked.
    ///
    /// With --json, it prints {"refs","commits","stream","count","bytes","prerequisites"}: `refs` are {"ref","id"}, `count` is
    /// of objects, or of documents in a stream, and `prerequisites` are the commits that a reader must have.
    #[command(after_help = "Examples:
  isodb bundle create farm.bundle
  isodb bundle create - main | ssh barn 'cat >farm.bundle'
  isodb bundle create --since v1 news.bundle main
  isodb bundle create news.bundle main~10..main")]
    Create(Box<create::Args>),
    /// Take in what a bundle has, without merging it
    ///
    /// It is checked as whatever comes from outside, and comes in as a whole or not at all. Its branches are kept as
    /// refs/remotes/NAME/…, NAME being whoever wrote it, and its tags as tags. Printed are the refs that have moved here, each
    /// an id, a tab and its name. An older bundle takes nothing back. Exit 1 when it builds on commits that are not here.
    ///
    /// With --json, a ref is {"ref","there","old","new","change","reason"}, as of `isodb fetch`.
    #[command(after_help = "Examples:
  isodb bundle apply /media/stick/barn.bundle
  isodb bundle apply --as office farm.bundle && isodb merge office/main")]
    Apply(apply::Args),
    /// Check a bundle, without taking anything from it
    ///
    /// It is taken apart as if it were fetched, and nothing of it stays: that all is whole, in the form of isodb, that no
    /// signature is bad and merge commits are what their parents make of them. Its refs are printed, each an id and a name.
    /// Exit 1 when it builds on commits that are not here, 4 when something is wrong with it.
    ///
    /// With --json, it prints {"ok","from","refs","has","prerequisites","objects","bytes","problems"}: `refs` are
    /// {"ref","id"}, `prerequisites` {"id","subject","here"}, `has` what the one who wrote it has beside.
    #[command(after_help = "Examples:
  isodb bundle verify farm.bundle
  isodb bundle verify --json - <farm.bundle")]
    Verify(verify::Args),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    match args.command {
        Command::Create(args) => create::run(context, *args),
        Command::Apply(args) => apply::run(context, args),
        Command::Verify(args) => verify::run(context, args),
    }
}

/// Opens a bundle; `-` is stdin.
fn open(context: &Context, file: &Path) -> Result<Bundle> {
    if file.as_os_str() == "-" {
        let stdin: Box<dyn Read> = Box::new(std::io::stdin());
        return Ok(Bundle::read(stdin)?);
    }
    Ok(BundleFile::new(Arc::new(OsDisk::new()), &context.path(file)).open()?)
}
