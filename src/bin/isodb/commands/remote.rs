//! `isodb remote`: names for other databases.

use anyhow::Result;
use isodb::{Location, Remote};
use serde_json::json;

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::output::Output;

/// Name other databases, to meet them again
///
/// The branches of a remote NAME are kept as refs/remotes/NAME/…, as they were when it was last met. Remotes stand in the
/// database's configuration as git writes them, so that git in the same directory knows them too.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb remote add barn barn:farm.isodb
  isodb remote add stick /media/stick/farm.isodb
  isodb remote list")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Name another database
    #[command(after_help = "Example:
  isodb remote add barn ssh://ann@barn:2222/srv/farm.isodb")]
    Add(Place),
    /// List the remotes
    ///
    /// With --json, a remote is {"remote","url","push_url"}; `push_url` is where it is pushed to, mostly the same.
    #[command(after_help = "Example:
  isodb remote list --json")]
    List(ListArgs),
    /// Make a name lead elsewhere
    #[command(
        name = "set-url",
        after_help = "Example:
  isodb remote set-url stick /mnt/farm.isodb"
    )]
    SetUrl(Place),
    /// Forget a remote, and where its branches were
    #[command(after_help = "Example:
  isodb remote remove barn")]
    Remove(Named),
}

#[derive(clap::Args)]
struct Place {
    /// The name: letters, digits, -, _ and .
    #[arg(add = complete::remotes())]
    name: String,
    /// A path, ssh://[USER@]HOST[:PORT]/PATH, [USER@]HOST:PATH or https://HOST/PATH
    url: String,
}

#[derive(clap::Args)]
struct Named {
    /// The name
    #[arg(add = complete::remotes())]
    name: String,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let mut db = context.database()?;
    match args.command {
        Command::Add(place) => Ok(db.add_remote(&Remote::new(&place.name, &absolute(context, &place.url)?)?)?),
        Command::SetUrl(place) => Ok(db.set_remote_url(&place.name, &absolute(context, &place.url)?)?),
        Command::Remove(named) => {
            let who = context.mover(&db)?;
            Ok(db.remove_remote(&named.name, &who)?)
        }
        Command::List(list) => {
            let mut out = Output::records(context, list);
            for remote in Remote::all(db.config())? {
                if list.json {
                    let (name, url, push_url) = (remote.name(), remote.url(), remote.push_url());
                    out.json(&json!({"remote": name, "url": url, "push_url": push_url}))?;
                } else {
                    out.record(&format!("{}\t{}", remote.name(), remote.url()))?;
                }
            }
            out.finish()
        }
    }
}

/// A location that means the same from every directory.
pub(super) fn absolute(context: &Context, url: &str) -> Result<String> {
    match url.parse::<Location>()? {
        Location::Path(path) if !url.contains("://") => context.absolute(&path),
        _ => Ok(url.to_owned()),
    }
}
