//! `isodb init`: make a database.

use std::path::PathBuf;

use anyhow::Result;
use isodb::{Error, Found, OsDisk, RefError, RefName};

use crate::context::Context;
use crate::error::say;
use crate::output::Output;

/// Make a database in DIR/.isodb, or in DIR itself if its name ends in `.isodb`, and print its path. One that is there
/// already is left as it is.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb init
  isodb init /var/lib/farm.isodb")]
pub(crate) struct Args {
    /// Where [default: here]
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// The first branch's name
    #[arg(short, long, value_name = "NAME", default_value = "main")]
    branch: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let path = context.new_database_path(args.dir.as_deref())?;
    let branch = RefName::from_user(&args.branch).map_err(|error| Error::from(RefError::from(error)))?;
    if isodb::init(&OsDisk::new(), &path, &branch)? == Found::Database && !context.is_quiet() {
        say("note: it was a database already, and is left as it was");
    }
    let mut out = Output::new(context);
    out.record(&path.display().to_string())?;
    out.finish()
}
