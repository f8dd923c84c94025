//! `isodb config`: read and change settings.

use anyhow::Result;
use isodb::{Config, ConfigError};
use serde_json::json;

use crate::args::ListArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;

/// Print, change or list settings
///
/// The settings are those of the database, in git's file format; `--user` means your own, in
/// $XDG_CONFIG_HOME/isodb/config, which count where the database has none. isodb reads user.name and user.email (who
/// commits), user.signingKey (a private key's file, or the public key of one that ssh-agent holds), commit.sign and tag.sign
/// (whether to sign), core.fsync (`none`: never wait for the disk), core.unpackLimit (a write of more objects than this
/// makes a pack, 100) and isodb.lockTimeout (seconds to wait for another writer, 60); of the database alone, trust.anchor
/// (see `isodb trust pin`) and trust.require (`none` or `signed`, see `isodb verify`). With --json, a setting is
/// {"name","value"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb config user.name 'Ann Field'
  isodb config user.name
  isodb config --list")]
pub(crate) struct Args {
    /// The setting, as SECTION.NAME
    #[arg(required_unless_present = "list_all")]
    name: Option<String>,
    /// Its new value
    #[arg(conflicts_with_all = ["unset", "list_all"])]
    value: Option<String>,
    /// Remove the setting
    #[arg(long, requires = "name")]
    unset: bool,
    /// List all settings
    #[arg(short, long = "list", conflicts_with = "name")]
    list_all: bool,
    /// Your own settings, for all databases
    #[arg(long)]
    user: bool,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let config = if args.user { context.user_config()? } else { context.database()?.config().clone() };
    let mut out = Output::records(context, args.list);
    let name = args.name.unwrap_or_default();
    if args.list_all {
        for (name, value) in config.all() {
            if args.list.json {
                out.json(&json!({"name": name, "value": value}))?;
            } else {
                let value = out.key(value).into_owned();
                out.record(&format!("{name}={value}"))?;
            }
        }
    } else if let Some(value) = args.value {
        change(context, args.user, |config| config.with(&name, &value).map(Some))?;
    } else if args.unset {
        if !change(context, args.user, |config| config.without(&name))? {
            return Err(none(&name).into());
        }
    } else {
        let value = config.get(&name).ok_or_else(|| none(&name))?;
        if args.list.json {
            out.json(&json!({"name": name, "value": value}))?;
        } else {
            out.record(value)?;
        }
    }
    out.finish()
}

fn none(name: &str) -> Failure {
    Failure::no_such(format!("there is no setting {name:?}")).hint("`isodb config --list` shows those that there are")
}

/// Changes the database's settings or the user's; whether there was something to change.
fn change(
    context: &Context,
    user: bool,
    change: impl FnOnce(&Config) -> Result<Option<Config>, ConfigError>,
) -> Result<bool> {
    if !user {
        return Ok(context.database()?.configure(change)?);
    }
    context.change_user_config(change)
}
