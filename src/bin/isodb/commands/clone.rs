//! `isodb clone`: make a database of all that another one has.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use isodb::{Cloned, DatabaseClone, Disk, Error, Location, OsDisk, RefError, RefName, Remote};
use serde_json::json;

use super::remote::absolute;
use crate::args::SyncArgs;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::meeting::{LimitArgs, Shown, refused};
use crate::output::Output;
use crate::remote::{self, Programs};

/// Make a database of all that another one has
///
/// URL is a path, a bundle's file, ssh://[USER@]HOST[:PORT]/PATH, [USER@]HOST:PATH or https://HOST/PATH. The database is made
/// in DIR/.isodb, or in DIR itself if its name ends in `.isodb`; by default DIR is the last part of URL. It has the branch of
/// the other one's HEAD, its tags, and a remote that leads back. Its path is printed. Nothing is seen of it before it is
/// whole, and a failure leaves nothing behind. A branch or a tag beside that of HEAD that may not come in (damaged, or not
/// trusted) is left out: stderr tells which and why, and the exit status is 4, but the clone is there. If one key has signed all first commits, that key is pinned, as `isodb
/// verify` does; with -c trust.anchor=SHA256:… you say yourself whom to trust.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb clone barn:farm.isodb
  isodb clone https://farm.example/farm field
  isodb clone -c trust.require=signed /media/stick/farm.isodb")]
pub(crate) struct Args {
    /// Where the other database is
    #[arg(value_name = "URL")]
    url: String,
    /// Where the new one is to be
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
    /// The name of the remote that leads back
    #[arg(short, long, value_name = "NAME", default_value = "origin")]
    origin: String,
    /// A setting of the new database, in force for what comes, too
    #[arg(short, long = "config", value_name = "NAME=VALUE")]
    config: Vec<String>,
    /// The program that sends at the other end, as words for a shell [default: isodb upload-pack]
    #[arg(long, value_name = "COMMAND")]
    upload_pack: Option<String>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    sync: SyncArgs,
    /// Print a JSON object: {"path","ref","head","pinned"}, `ref` being the branch, `head` its commit (null before the
    /// first), and `pinned` the fingerprint of the key that was pinned (null for none)
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let url = absolute(context, &args.url)?;
    let location: Location = url.parse()?;
    let dir = match args.dir {
        Some(dir) => dir,
        None => default_dir(&args.url)?,
    };
    let path = context.new_database_path(Some(&dir))?;
    let settings = args.config.iter().map(|text| match text.split_once('=') {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(Failure::usage(format!("{text:?} is no setting")).hint("write -c NAME=VALUE").into()),
    });
    let settings = settings.collect::<Result<Vec<_>>>()?;
    let remote = Remote::new(&args.origin, &url)?;
    let programs = Programs { upload: args.upload_pack.clone(), receive: None };
    // Whether there is anything to clone is found out before anything is made.
    let mut source = remote::source(context, &location, &programs)?;
    let disk: Arc<dyn Disk> =
        if args.sync.no_sync { Arc::new(OsDisk::without_sync()) } else { Arc::new(OsDisk::new()) };
    let branch = RefName::from_user("main").map_err(RefError::from).map_err(Error::from)?;
    let clone = DatabaseClone::begin(disk, &path, remote, &branch, &settings)?;
    let (who, mut runner) = (context.mover(clone.database())?, context.runner()?);
    let cloned = clone.finish(&mut *source, args.limits.limits(), &who, &mut runner, &mut Shown::new(context))?;
    let mut out = Output::new(context);
    if args.json {
        out.json(&json!({
            "path": path.display().to_string(), "ref": cloned.head.as_str(),
            "head": cloned.commit.map(|id| id.to_string()), "pinned": cloned.pinned,
        }))?;
    } else {
        out.bytes(path.as_os_str().as_encoded_bytes())?;
        out.record("")?;
    }
    out.finish()?;
    if !context.is_quiet() {
        notes(&cloned);
    }
    match refused(&args.origin, &cloned.refused) {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

fn notes(cloned: &Cloned) {
    if cloned.commit.is_none() {
        say("note: there is no commit in it yet");
    }
    if let Some(key) = &cloned.pinned {
        say(&format!(
            "note: pinned the key {key}, which has signed the first commit; make sure that it is the right one"
        ));
    }
}

/// The last part of a URL, without what only says that it is a database.
fn default_dir(url: &str) -> Result<PathBuf> {
    let path = url.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let path = path.strip_suffix("/.isodb").unwrap_or(path).trim_end_matches('/');
    let name = path.rsplit(['/', ':']).next().unwrap_or_default();
    let name = name.strip_suffix(".git").or_else(|| name.strip_suffix(".bundle")).unwrap_or(name);
    if name.is_empty() || matches!(name, "." | ".." | ".isodb") || Path::new(name).file_name().is_none() {
        let failure = Failure::usage(format!("the place {url} does not say what the clone is to be called"));
        return Err(failure.hint("`isodb clone URL DIR` says it").into());
    }
    Ok(PathBuf::from(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_clone_is_called() {
        for (url, name) in [
            ("/srv/farm.isodb", "farm.isodb"),
            ("/srv/farm/.isodb/", "farm"),
            ("barn:farm", "farm"),
            ("ssh://barn/x/y.git", "y"),
            ("https://barn/farm?x", "farm"),
            ("stick/a.bundle", "a"),
        ] {
            assert_eq!(default_dir(url).unwrap(), PathBuf::from(name), "{url}");
        }
        for url in ["/", "..", "barn:", ".isodb", "../.isodb"] {
            assert!(default_dir(url).is_err(), "{url}");
        }
    }
}
