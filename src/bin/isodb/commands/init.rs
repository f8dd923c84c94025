//! `isodb init`: make a database.

use std::path::PathBuf;

use anyhow::Result;
use isodb::{Error, Found, OsDisk, RefError, RefName};
use serde_json::json;

use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::Output;

/// Make a database
///
/// It is made in DIR/.isodb, or in DIR itself if its name ends in `.isodb`, and its path is printed. A database that is
/// there already is left as it is.
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
    /// Print a JSON object: {"path","new"}, `new` telling whether the database was made now
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let path = context.new_database_path(args.dir.as_deref())?;
    let branch = RefName::from_user(&args.branch).map_err(|error| Error::from(RefError::from(error)))?;
    let found = isodb::init(&OsDisk::new(), &path, &branch).map_err(|error| match error {
        Error::NotADatabase { path, reason } => {
            let text = format!("cannot make a database in {}: {reason}", path.display());
            anyhow::Error::from(Failure::usage(text).hint("name another directory"))
        }
        error => error.into(),
    })?;
    if found == Found::Database && !context.is_quiet() {
        say("note: it was a database already, and is left as it was");
    }
    let mut out = Output::new(context);
    if args.json {
        out.json(&json!({"path": path.display().to_string(), "new": found == Found::Nothing}))?;
    } else {
        out.bytes(path.as_os_str().as_encoded_bytes())?;
        out.record("")?;
    }
    out.finish()
}
