//! One file a command: its arguments, whose comments are the help, and `run`.

pub(crate) mod apply;
pub(crate) mod bundle;
pub(crate) mod cat_object;
pub(crate) mod changes;
pub(crate) mod clone;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod conflicts;
pub(crate) mod count_objects;
pub(crate) mod diff;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod fsck;
pub(crate) mod gc;
pub(crate) mod get;
pub(crate) mod hash_object;
pub(crate) mod head;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod log;
pub(crate) mod ls;
pub(crate) mod ls_remote;
pub(crate) mod ls_tree;
pub(crate) mod merge;
pub(crate) mod peers;
pub(crate) mod prove;
pub(crate) mod pull;
pub(crate) mod push;
pub(crate) mod put;
pub(crate) mod receive_pack;
pub(crate) mod reference;
pub(crate) mod remote;
pub(crate) mod resolve;
pub(crate) mod restore;
pub(crate) mod rev_parse;
pub(crate) mod rm;
pub(crate) mod rule;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod tag;
pub(crate) mod trust;
pub(crate) mod upload_pack;
pub(crate) mod verify;
pub(crate) mod watch;

use std::io;
use std::path::Path;

use anyhow::Result;
use isodb::{Changeset, CommitId, Database, Key, Objects, Outcome, ServeLimits, Server, Service, TreeId};
use serde_json::json;

use crate::args::{CommitArgs, OnArgs};
use crate::context::Context;
use crate::output::Output;

/// Lists the commands once: the enum for the parser, how each is run, and each one's own parser.
macro_rules! commands {
    ($($name:literal $variant:ident($module:ident)),* $(,)?) => {
        #[derive(clap::Subcommand)]
        pub(crate) enum Command {
            $(#[command(name = $name)] $variant($module::Args),)*
        }

        /// Runs a command.
        pub(crate) fn run(context: &Context, command: Command) -> Result<()> {
            match command {
                $(Command::$variant(args) => $module::run(context, args),)*
            }
        }

        /// The parser of one command's own arguments.
        pub(crate) fn parser(name: &str) -> Option<clap::Command> {
            match name {
                $($name => Some(<$module::Args as clap::Args>::augment_args(clap::Command::new($name))),)*
                _ => None,
            }
        }
    };
}

commands! {
    "init" Init(init),
    "clone" Clone(clone),
    "config" Config(config),
    "put" Put(put),
    "get" Get(get),
    "rm" Rm(rm),
    "ls" Ls(ls),
    "apply" Apply(apply),
    "import" Import(import),
    "export" Export(export),
    "log" Log(log),
    "show" Show(show),
    "diff" Diff(diff),
    "head" Head(head),
    "restore" Restore(restore),
    "status" Status(status),
    "ref" Ref(reference),
    "merge" Merge(merge),
    "conflicts" Conflicts(conflicts),
    "resolve" Resolve(resolve),
    "rule" Rule(rule),
    "simulate" Simulate(simulate),
    "verify" Verify(verify),
    "trust" Trust(trust),
    "tag" Tag(tag),
    "prove" Prove(prove),
    "remote" Remote(remote),
    "fetch" Fetch(fetch),
    "push" Push(push),
    "pull" Pull(pull),
    "sync" Sync(sync),
    "peers" Peers(peers),
    "ls-remote" LsRemote(ls_remote),
    "upload-pack" UploadPack(upload_pack),
    "receive-pack" ReceivePack(receive_pack),
    "serve" Serve(serve),
    "bundle" Bundle(bundle),
    "changes" Changes(changes),
    "watch" Watch(watch),
    "cat-object" CatObject(cat_object),
    "hash-object" HashObject(hash_object),
    "ls-tree" LsTree(ls_tree),
    "rev-parse" RevParse(rev_parse),
    "count-objects" CountObjects(count_objects),
    "gc" Gc(gc),
    "fsck" Fsck(fsck),
    "completions" Completions(completions),
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
        None => Ok(place_at(db, None)?.1),
    }
}

/// The commit at a revision and its root tree, by default of the current head; without a commit where the revision names
/// a tree, or there is no commit yet.
fn place_at(db: &Database, at: Option<&str>) -> Result<(Option<CommitId>, TreeId)> {
    let commit = match at {
        None => db.head()?.1,
        Some(revision) => {
            let id = db.peel(db.resolve(revision)?)?;
            if !db.is_commit(id)? {
                return Ok((None, db.resolve_tree(revision)?));
            }
            Some(CommitId(id))
        }
    };
    let tree = commit.map(|commit| db.store().commit(commit)).transpose()?.map_or(TreeId::EMPTY, |commit| commit.tree);
    Ok((commit, tree))
}

/// Makes the commit that a command's arguments ask for.
pub(crate) fn commit(
    context: &Context,
    db: &Database,
    args: &CommitArgs,
    on: Option<&OnArgs>,
    changes: &Changeset,
    default_message: String,
) -> Result<Outcome> {
    let info = context.commit_info(db, args, default_message)?;
    match on {
        Some(on) if !on.on.is_empty() => {
            let parents = context.parents(db, &on.on)?;
            Ok(db.commit_on(&parents, changes, &info, &mut context.runner()?)?)
        }
        _ => {
            let expect = context.expect(db, args.expect.as_deref())?;
            let outcome = db.commit(&context.target(args)?, expect, changes, &info)?;
            context.start_upkeep(db, outcome);
            Ok(outcome)
        }
    }
}

/// Prints where a ref is after a command: nothing when it has no commit and there was nothing to do.
pub(crate) fn print_outcome(context: &Context, outcome: Outcome, as_json: bool) -> Result<()> {
    let mut out = Output::new(context);
    let commit = outcome.head.map(|id| id.to_string());
    if as_json {
        out.json(&json!({"commit": commit, "new": outcome.is_new}))?;
    } else if let Some(id) = outcome.head {
        out.record(&out.id(id))?;
    }
    out.finish()
}

/// What a database takes from those who push.
pub(crate) fn serve_limits(db: &Database) -> Result<ServeLimits> {
    let mut limits = ServeLimits::default();
    if let Some(max_pack) = db.config().get_number("receive.maxInputSize")?.filter(|size| *size > 0) {
        limits.max_pack = max_pack;
    }
    if let Some(max_kept) = db.config().get_number("receive.maxKeptSize")? {
        limits.max_kept = max_kept;
    }
    Ok(limits)
}

/// Serves a database on stdin and stdout.
fn serve_on_stdio(context: &Context, dir: &Path, service: Service) -> Result<()> {
    let db = context.database_at(dir)?;
    let limits = serve_limits(&db)?;
    let mut runner = context.runner()?;
    let mut server = Server::new(&db, context.mover(&db)?, &mut runner, limits);
    server.converse(service, &mut io::stdin().lock(), &mut io::stdout().lock())?;
    if service == Service::ReceivePack {
        context.start_upkeep(&db, Outcome { head: db.head()?.1, is_new: true });
    }
    Ok(())
}
