//! One file a command: its arguments, whose comments are the help, and `run`.

pub(crate) mod apply;
pub(crate) mod cat_object;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod count_objects;
pub(crate) mod diff;
pub(crate) mod export;
pub(crate) mod fsck;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod hash_object;
pub(crate) mod head;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod ls_tree;
pub(crate) mod put;
pub(crate) mod reference;
pub(crate) mod restore;
pub(crate) mod rev_parse;
pub(crate) mod rm;
pub(crate) mod show;

use anyhow::Result;
use isodb::{Changeset, Database, Key, Outcome, TreeId};
use serde_json::json;

use crate::args::{Command, CommitArgs, OnArgs};
use crate::context::Context;
use crate::output::Output;

/// Runs a command.
pub(crate) fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Init(args) => init::run(context, args),
        Command::Config(args) => config::run(context, args),
        Command::Put(args) => put::run(context, args),
        Command::Get(args) => get::run(context, args),
        Command::Rm(args) => rm::run(context, args),
        Command::Ls(args) => ls::run(context, args),
        Command::Apply(args) => apply::run(context, args),
        Command::Import(args) => import::run(context, args),
        Command::Export(args) => export::run(context, args),
        Command::Log(args) => log::run(context, args),
        Command::Show(args) => show::run(context, args),
        Command::Diff(args) => diff::run(context, args),
        Command::Head(args) => head::run(context, args),
        Command::Restore(args) => restore::run(context, args),
        Command::Ref(args) => reference::run(context, args),
        Command::CatObject(args) => cat_object::run(context, args),
        Command::HashObject(args) => hash_object::run(context, args),
        Command::LsTree(args) => ls_tree::run(context, args),
        Command::RevParse(args) => rev_parse::run(context, args),
        Command::CountObjects(args) => count_objects::run(context, args),
        Command::Gc(args) => gc::run(context, args),
        Command::Fsck(args) => fsck::run(context, args),
        Command::Completions(args) => completions::run(context, args),
    }
}

/// A key given on the command line.
fn key(text: &str) -> Result<Key> {
    Ok(text.parse::<Key>()?)
}

/// A prefix given on the command line: a key, with or without the slash that `ls` shows behind folders.
fn prefix(text: Option<&str>) -> Result<Option<Key>> {
    match text.map(|text| text.strip_suffix('/').unwrap_or(text)) {
        None => Ok(None),
        Some("") if text == Some("/") => Ok(None),
        Some(text) => Ok(Some(key(text)?)),
    }
}

/// The root tree at a revision, by default of the current head; before the first commit there are no documents.
fn tree_at(db: &Database, at: Option<&str>) -> Result<TreeId> {
    match at {
        Some(revision) => Ok(db.resolve_tree(revision)?),
        None => {
            let (_, head) = db.head()?;
            Ok(db.tree_of(head)?.id())
        }
    }
}

/// Makes the commit that a command's arguments ask for.
fn commit(
    context: &Context,
    db: &Database,
    args: &CommitArgs,
    on: Option<&OnArgs>,
    changes: &Changeset,
    default_message: String,
) -> Result<Outcome> {
    let info = context.commit_info(db, args, default_message)?;
    match on {
        Some(on) if !on.on.is_empty() => Ok(db.commit_on(&context.parents(db, &on.on)?, changes, &info)?),
        _ => {
            let expect = context.expect(db, args.expect.as_deref())?;
            let outcome = db.commit(&context.target(args)?, expect, changes, &info)?;
            context.start_upkeep(db, outcome);
            Ok(outcome)
        }
    }
}

/// Prints where a ref is after a command: nothing when it has no commit and there was nothing to do.
fn print_outcome(context: &Context, outcome: Outcome, as_json: bool) -> Result<()> {
    let mut out = Output::new(context);
    let commit = outcome.head.map(|id| id.to_string());
    if as_json {
        out.json(&json!({"commit": commit, "new": outcome.is_new}))?;
    } else if let Some(id) = outcome.head {
        out.record(&out.id(id))?;
    }
    out.finish()
}
