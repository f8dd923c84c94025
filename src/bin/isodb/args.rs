//! The command line: global options and the list of commands. Each command's own arguments are in its file.

use std::ffi::OsString;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, FromArgMatches, Parser, ValueEnum};

use crate::commands::{self, Command};
use crate::complete;

/// A document database for systems that stay offline, in a git repository
#[derive(Parser)]
#[command(name = "isodb", version, disable_help_subcommand = false, infer_subcommands = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The database: its directory, or one that holds it as `.isodb` [default: $ISODB_DIR, else the nearest `.isodb` here or above]
    #[arg(long, global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) db: Option<PathBuf>,
    /// Run as if started in this directory
    #[arg(short = 'C', global = true, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(crate) directory: Option<PathBuf>,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorChoice,
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
}

/// What every command that makes a commit takes.
#[derive(Args, Debug)]
pub(crate) struct CommitArgs {
    /// The commit's message
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// The author, as "Name <email>"
    #[arg(long, value_name = "WHO")]
    pub(crate) author: Option<String>,
    /// When the change was made: 2026-11-22T10:00:00Z, @1700000000, "2 hours ago"
    #[arg(long, value_name = "TIME")]
    pub(crate) date: Option<String>,
    /// Only if the ref is at REV (`none`: has no commit), else exit 3
    #[arg(long, value_name = "REV", add = complete::revisions())]
    pub(crate) expect: Option<String>,
    /// The ref to commit on, in place of the current one
    #[arg(long = "ref", value_name = "NAME", add = complete::refs())]
    pub(crate) reference: Option<String>,
    #[command(flatten)]
    pub(crate) sign: SignArgs,
    #[command(flatten)]
    pub(crate) sync: SyncArgs,
}

/// Whether what a command makes is signed.
#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct SignArgs {
    /// Sign it with the key that user.signingKey names [default: as the setting commit.sign says, of a tag tag.sign]
    #[arg(long, overrides_with = "no_sign")]
    pub(crate) sign: bool,
    /// Do not sign it
    #[arg(long, overrides_with = "sign")]
    pub(crate) no_sign: bool,
}

/// Where a commit is built without moving a ref.
#[derive(Args, Debug)]
pub(crate) struct OnArgs {
    /// Build the commit on REV and print its id, without moving any ref. Several make a merge of your own, on what
    /// they come to when they are merged; `none` a commit without parents
    #[arg(long, value_name = "REV", conflicts_with_all = ["expect", "reference"], add = complete::revisions())]
    pub(crate) on: Vec<String>,
}

/// What a command takes that makes one commit and prints no more than that.
#[derive(Args, Debug)]
pub(crate) struct OneCommitArgs {
    #[command(flatten)]
    pub(crate) commit: CommitArgs,
    #[command(flatten)]
    pub(crate) on: OnArgs,
    /// Print a JSON object: {"commit","new"}, `new` telling whether there was a change
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct SyncArgs {
    /// Do not wait for the disk: faster, but a power cut may lose what was written
    #[arg(long)]
    pub(crate) no_sync: bool,
}

/// Reads a number on the command line, in words of its own where it is none.
pub(crate) fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "it is not a number that can be used here".to_owned())
}

/// How records are printed.
#[derive(Args, Debug, Clone, Copy)]
pub(crate) struct ListArgs {
    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// End records with NUL in place of newline, and quote no keys
    #[arg(short = 'z', long = "null")]
    pub(crate) null: bool,
}

/// Parses a command line by the parser of its command alone, since making all of them is a third of the program's start.
/// `None` where there is anything to be told about it, such as help or a mistake: the whole parser does that.
pub(crate) fn parse_quickly(arguments: &[OsString]) -> Option<Cli> {
    let name = command_name(arguments)?;
    let command = clap::Command::new("isodb").subcommand_required(true).subcommand(commands::parser(name)?);
    // Taking a parser apart again costs as much as parsing does, so it is left to the end of the process.
    let mut command = ManuallyDrop::new(Global::augment_args(command));
    let matches = command.try_get_matches_from_mut(arguments).ok()?;
    Cli::from_arg_matches(&matches).ok()
}

/// The first argument that is neither a global option nor the value of one.
fn command_name(arguments: &[OsString]) -> Option<&str> {
    let mut arguments = arguments.iter().skip(1).map(|argument| argument.to_str());
    loop {
        match arguments.next()?? {
            "--db" | "-C" | "--color" => drop(arguments.next()?),
            "-q" | "--quiet" => {}
            option if option.starts_with("--db=") || option.starts_with("--color=") => {}
            option if option.starts_with('-') => return None,
            name => return Some(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_behind_global_options() {
        let name = |line: &str| {
            let arguments: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            command_name(&arguments).map(str::to_owned)
        };
        assert_eq!(name("isodb --db x -C get --color=never -q put a -m get").as_deref(), Some("put"));
        for line in ["isodb", "isodb --db", "isodb --help", "isodb -qC x put", "isodb --db=x --version put"] {
            assert_eq!(name(line), None, "{line}");
        }
    }

    #[test]
    fn both_parsers_agree() {
        let parsed = |line: &str| parse_quickly(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        let cli = parsed("isodb --db x get -q a b --json").expect("a sound command line");
        assert_eq!((cli.global.db, cli.global.quiet), (Some(PathBuf::from("x")), true));
        assert!(matches!(cli.command, Command::Get(_)));
        for line in ["isodb get", "isodb get --help", "isodb gets a", "isodb put a b c", "isodb get --no-such a"] {
            assert!(parsed(line).is_none(), "{line}");
            assert!(crate::help::command().try_get_matches_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
