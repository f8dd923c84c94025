//! `isodb upload-pack`: answer a client that fetches, on stdin and stdout.

use std::path::PathBuf;

use anyhow::Result;
use isodb::Service;

use crate::context::Context;

/// Send what a client asks for, speaking git's protocol on stdin and stdout
///
/// This is what `isodb` starts at the other end of ssh to fetch, and what git starts there with
/// `--upload-pack 'isodb upload-pack'`. It speaks version 2 of the protocol. Nothing is changed.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  git clone --upload-pack 'isodb upload-pack' barn:farm.isodb
  isodb upload-pack /srv/farm.isodb")]
pub(crate) struct Args {
    /// The database: its directory, or one that holds it as `.isodb`
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    super::serve_on_stdio(context, &args.dir, Service::UploadPack)
}
