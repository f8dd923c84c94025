//! `isodb changes`: the feed of changed documents.

use anyhow::Result;
use isodb::{Batch, Database, Error, Feed, Key, Objects};

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::say;
use crate::feed::{self, FeedArgs};
use crate::output::{Output, end_with_reader};

/// List the documents that have changed since a commit, or as they change
///
/// Each changed document comes once, in the order of keys: a line `WHAT ID SIZE KEY`, where WHAT is put, delete or
/// conflict, and ID and SIZE are of the content as it is now (`-` for one that is gone). Behind them a line
/// `commit ID TIME` says where to go on: give that ID to --since the next time. It ends every batch, so what comes without
/// it is not complete. With --follow, a batch comes for every move of the ref that changes something.
///
/// It is the difference between the two commits, whatever lies between. With --each, there is a batch for every commit
/// that changed something, oldest first, and a merge is what it brought to the line that comes from REV.
///
/// With --json, a change is {"key","what","old","new","size","commit","time"}: the contents' ids before and now, null
/// where there is none, and the commit of its batch; with --values the content too, as `isodb get --json` gives it
/// ("newline" with it). What ends a batch is {"commit","time","changes"}, which alone has no key.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb changes --since HEAD~10
  isodb changes --json --values stock >first.ndjson
  isodb changes --follow --since $last animals | while read -r what id size key; do …; done")]
pub(crate) struct Args {
    /// Only documents at or below this key
    #[arg(value_name = "PREFIX", add = complete::keys())]
    prefix: Option<String>,
    /// Wait for more, and print it as it comes
    #[arg(short, long)]
    follow: bool,
    /// A batch for each commit
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    feed: FeedArgs,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    if args.feed.values && !args.list.json {
        return Err(crate::error::Failure::usage("--values goes with --json").into());
    }
    let db = context.database()?;
    let prefix = super::prefix(args.prefix.as_deref())?;
    let mut feed = db.feed(context.reference(args.feed.reference.as_deref())?, args.feed.since(&db)?);
    if args.each {
        feed = feed.by_commit();
    }
    if args.follow {
        end_with_reader();
    }
    let mut printer = Printer { db: &db, out: Output::records(context, args.list), prefix, args: &args };
    printer.all(&mut feed, true)?;
    if !args.follow {
        if feed.at().is_none() && args.feed.reference.is_some() {
            return Err(Error::NoCommit(feed.name().clone()).into());
        }
        return printer.out.finish();
    }
    if feed.at().is_none() && !context.is_quiet() {
        say(&format!("waiting for the first commit of {}", db.refs().resolve(feed.name())?.0));
    }
    loop {
        printer.out.flush()?;
        feed.wait(args.feed.interval)?;
        printer.all(&mut feed, false)?;
    }
}

/// Prints batches as the command was asked to.
struct Printer<'a> {
    db: &'a Database,
    out: Output,
    prefix: Option<Key>,
    args: &'a Args,
}

impl Printer<'_> {
    /// Prints all batches up to where the ref is; where there was nothing to tell, `always` says so.
    fn all(&mut self, feed: &mut Feed<'_>, always: bool) -> Result<()> {
        let mut is_told = false;
        while let Some(batch) = feed.next_batch()? {
            is_told = self.batch(&batch)?;
            feed.done(batch);
        }
        match feed.at() {
            Some(commit) if always && !is_told => {
                let time = self.db.store().commit(commit)?.committer.seconds();
                self.checkpoint(commit, time, 0)
            }
            _ => Ok(()),
        }
    }

    /// Prints a batch, and answers whether there was something in it.
    fn batch(&mut self, batch: &Batch<'_>) -> Result<bool> {
        let mut count = 0;
        for change in batch.changes(self.prefix.as_ref())? {
            let change = change?;
            count += 1;
            if self.args.list.json {
                feed::write_change(self.db, self.out.writer(), batch, &change, self.args.feed.values)?;
                continue;
            }
            let (id, size) = match change.new {
                Some(document) => (self.out.id(document.blob.0), feed::size(self.db, document.blob)?.to_string()),
                None => ("-".into(), "-".into()),
            };
            let (key, size) = (change.key.text(), self.out.style().column(&size));
            self.out.record(&format!("{} {id} {size} {}", feed::what(&change), self.out.key(&key)))?;
        }
        if count > 0 {
            self.checkpoint(batch.commit, batch.time, count)?;
            // Whoever waits for it need not wait for the next one.
            self.out.flush()?;
        }
        Ok(count > 0)
    }

    fn checkpoint(&mut self, commit: isodb::CommitId, time: i64, changes: u64) -> Result<()> {
        if self.args.list.json {
            return feed::write_checkpoint(self.out.writer(), commit, time, changes);
        }
        let id = self.out.id(commit);
        self.out.record(&format!("commit {id} {time}"))
    }
}
