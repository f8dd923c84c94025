//! `isodb receive-pack`: answer a client that pushes, on stdin and stdout.

use std::path::PathBuf;

use anyhow::Result;
use isodb::Service;

use crate::context::Context;

/// Take what a client pushes, speaking git's protocol on stdin and stdout
///
/// This is what `isodb` starts at the other end of ssh to push, and what git starts there with
/// `--receive-pack 'isodb receive-pack'`. What comes is checked before any ref moves. A ref moves only from where the
/// client believes it to be, and a branch only so that no commit that somebody made is lost, unless receive.denyNonSafe is
/// false. Any branch but HEAD's can be deleted, unless receive.denyDeletes is true. A refusal tells the client why.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  git push --receive-pack 'isodb receive-pack' barn:farm.isodb main
  isodb receive-pack /srv/farm.isodb")]
pub(crate) struct Args {
    /// The database: its directory, or one that holds it as `.isodb`
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    super::serve_on_stdio(context, &args.dir, Service::ReceivePack)
}
