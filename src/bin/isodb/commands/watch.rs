//! `isodb watch`: run a command for each batch of changes.

use std::ffi::OsString;
use std::thread;
use std::time::Duration;

use anyhow::Result;
use isodb::{Batch, Change, CommitId, Database, Expect, Pattern, RefName, TreeError};

use crate::args::SyncArgs;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::feed::{self, FeedArgs};
use crate::receiver::{Ended, Receiver};

/// A command that fails again and again is waited for this many times as long as the first time at most.
const MOST_PAUSES: u32 = 16;

/// Run a command for each batch of changed documents
///
/// PATTERN is as in merge rules: `*` stands for characters within a segment, `**` for any number of segments. CMD
/// gets on its stdin a line of JSON a change, and behind them one {"commit","time","changes"}, as `isodb changes --json`
/// prints them. One CMD runs at a time; what changes meanwhile comes in the next batch, each document once. It runs in the
/// directory that watch was started in, with ISODB_DIR set to the database.
///
/// With --state NAME, the commit up to which CMD has succeeded is kept in the ref refs/watch/NAME, and watch goes on from
/// there when it is started again: every change is given at least once, and again where CMD or watch was ended
/// before its end. Without, it starts from --since each time, or from the beginning: `--since HEAD` for what is to come.
///
/// When CMD fails, watch ends with status 1, and the batch is not done; --retry and --keep-going say otherwise.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb watch 'stock/**' --state reorder --retry 5 -- ./reorder.sh
  isodb watch 'animals/*' --since HEAD -- jq -r 'select(.key) | .what + \" \" + .key'
  isodb watch '**' --state backup --once -- ./backup.sh")]
pub(crate) struct Args {
    /// Which documents
    #[arg(value_name = "PATTERN")]
    pattern: String,
    /// The command and its arguments
    #[arg(value_name = "CMD", required = true, last = true, value_hint = clap::ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
    /// Keep in refs/watch/NAME what is done, and go on from there; --since is for the first time then
    #[arg(long, value_name = "NAME")]
    state: Option<String>,
    /// Do what there is to do now, then end
    #[arg(long)]
    once: bool,
    /// When CMD fails, run it again after SECONDS, with what has come meanwhile; then after twice as long, up to 16 times
    #[arg(long, value_name = "SECONDS", value_parser = feed::seconds, conflicts_with = "keep_going")]
    retry: Option<Duration>,
    /// When CMD fails, say so and go on: its batch counts as done
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    feed: FeedArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let pattern: Pattern = args.pattern.parse().map_err(|error| Failure::usage(format!("{error}")))?;
    let db = context.database_to_write(SyncArgs { no_sync: false })?;
    let mut state = args.state.as_deref().map(|name| State::open(context, &db, name)).transpose()?;
    let since = match state.as_ref().and_then(|state| state.at) {
        None => args.feed.since(&db)?,
        done => done,
    };
    let mut feed = db.feed(context.reference(args.feed.reference.as_deref())?, since);
    let receiver = Receiver::new(context, &db, &args.command)?;
    let mut pause = args.retry;
    loop {
        let Some(batch) = feed.next_batch()? else {
            if args.once {
                return Ok(());
            }
            feed.wait(args.feed.interval)?;
            continue;
        };
        let ended = deliver(&db, &receiver, &batch, &pattern, args.feed.values)?;
        if let Some(failed) = ended.as_ref().and_then(Ended::failure) {
            // One that was told to end with this program has not done its work.
            receiver.end_if_told();
            let warn = |then: &str| {
                if !context.is_quiet() {
                    say(&format!("warning: {failed}, and {then}"))
                }
            };
            match pause {
                Some(wait) => {
                    warn("is run again");
                    thread::sleep(wait);
                    pause = args.retry.map(|first| (wait * 2).min(first * MOST_PAUSES));
                    continue;
                }
                None if args.keep_going => warn("its changes count as done"),
                None => {
                    let hint = "run it again for the same changes; --retry does so by itself";
                    return Err(Failure::no_such(failed).hint(hint).into());
                }
            }
        }
        if let (Some(_), Some(state)) = (&ended, &mut state) {
            state.set(context, &db, batch.commit)?;
        }
        receiver.end_if_told();
        feed.done(batch);
        pause = args.retry;
        if args.once {
            return Ok(());
        }
    }
}

/// Gives the changes that match to the command, if there are any.
fn deliver(
    db: &Database,
    receiver: &Receiver<'_>,
    batch: &Batch<'_>,
    pattern: &Pattern,
    values: bool,
) -> Result<Option<Ended>> {
    let is_asked =
        |change: &Result<Change, TreeError>| change.as_ref().map_or(true, |change| pattern.matches(&change.key));
    let mut changes = batch.changes(pattern.prefix().as_ref())?.filter(is_asked).peekable();
    if changes.peek().is_none() {
        return Ok(None);
    }
    let ended = receiver.run(|out| {
        let mut count = 0;
        for change in changes {
            feed::write_change(db, out, batch, &change?, values)?;
            count += 1;
        }
        feed::write_checkpoint(out, batch.commit, batch.time, count)
    })?;
    Ok(Some(ended))
}

/// Up to where the command has succeeded, kept in a ref: so upkeep keeps the commit, and two that do the same work notice
/// each other.
struct State {
    name: RefName,
    at: Option<CommitId>,
}

impl State {
    fn open(context: &Context, db: &Database, name: &str) -> Result<State> {
        let full = if name.starts_with("refs/") { name.to_owned() } else { format!("refs/watch/{name}") };
        let name = context.reference(Some(&full))?;
        let at = match db.refs().get(&name)? {
            Some(_) => Some(db.resolve_commit(name.as_str())?),
            None => None,
        };
        Ok(State { name, at })
    }

    fn set(&mut self, context: &Context, db: &Database, commit: CommitId) -> Result<()> {
        let expect = self.at.map_or(Expect::Absent, |id| Expect::At(id.0));
        db.set_ref(&self.name, Some(commit.0), expect, &context.mover(db)?, "watch")?;
        self.at = Some(commit);
        Ok(())
    }
}
