//! The command line: global options and the list of commands. Each command's own arguments are in its file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::*;
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
    pub(crate) sync: SyncArgs,
}

/// Where a commit is built without moving a ref.
#[derive(Args, Debug)]
pub(crate) struct OnArgs {
    /// Build the commit on REV and print its id, without moving any ref. Several make a merge of your own; `none` a
    /// commit without parents
    #[arg(long, value_name = "REV", conflicts_with_all = ["expect", "reference"], add = complete::revisions())]
    pub(crate) on: Vec<String>,
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

#[derive(Subcommand)]
pub(crate) enum Command {
    Init(init::Args),
    Config(config::Args),
    Put(put::Args),
    Get(get::Args),
    Rm(rm::Args),
    Ls(ls::Args),
    Apply(apply::Args),
    Import(import::Args),
    Export(export::Args),
    Log(log::Args),
    Show(show::Args),
    Diff(diff::Args),
    Head(head::Args),
    Restore(restore::Args),
    Ref(reference::Args),
    CatObject(cat_object::Args),
    HashObject(hash_object::Args),
    LsTree(ls_tree::Args),
    RevParse(rev_parse::Args),
    CountObjects(count_objects::Args),
    Gc(gc::Args),
    Fsck(fsck::Args),
    Completions(completions::Args),
}
