//! `isodb resolve`: choose what a document in conflict shall be.

use std::path::Path;

use anyhow::Result;
use isodb::{
    BlobId, Changeset, Choice, CommitId, Condition, Database, Decided, Decision, Dispute, Document, Error, InConflict,
    Key, Pattern,
};
use serde_json::json;

use crate::args::{CommitArgs, OnArgs};
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::input::Input;
use crate::output::{Output, number_of, quoted};
use crate::versions;

/// End conflicts: choose versions, or store what the documents shall be
///
/// Stores FILE or stdin under KEY in place of all its versions, or what --take and --delete say. The other choices are
/// for many documents at once: all in conflict that match a PATTERN (`*` within a segment, `**` for any number of
/// segments). All of it is one commit, whose id is printed. `put` and `rm` end a conflict as well.
///
/// --rules runs the merge rules and scripts that are stored now, those of the commit that is built on: for conflicts that
/// are older than the rule for them. What they leave in conflict stays so, and the exit status is 1 then, as of `merge`.
///
/// When KEY is not in conflict, a PATTERN matches no document in conflict, or one of the documents has no such version,
/// nothing is changed, and the exit status is 1. When somebody else changes one of them meanwhile, nothing is changed, and
/// it is 3.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb resolve animals/bella --take 3bbc
  isodb resolve notes/today merged.txt
  isodb resolve --take-latest 'sensors/**'
  isodb resolve --rules
  isodb resolve --delete --dry-run '*/tmp'")]
pub(crate) struct Args {
    /// The document's key, and the file with its new content [default: stdin]; with one of the choices for many
    /// documents, patterns of keys
    #[arg(value_names = ["KEY|PATTERN", "FILE"], required_unless_present = "rules", add = complete::keys())]
    targets: Vec<String>,
    #[command(flatten)]
    choice: Choices,
    /// Only print what would become of each document: `ID KEY`, `deleted KEY`, or `conflict KEY` where rules leave it so
    #[arg(short = 'n', long)]
    dry_run: bool,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    on: OnArgs,
    /// Print a JSON object: {"commit","new","resolved","left"}, the numbers of documents; with --dry-run {"key","id"} of
    /// each, the id being null for one that is removed, or {"key","conflict","reason"} of one that rules leave in conflict
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[group(multiple = false)]
struct Choices {
    /// The version of KEY whose id starts so; `base` for the content that all came from
    #[arg(long, value_name = "ID")]
    take: Option<String>,
    /// The version that was written last, by the committers' clocks
    #[arg(long)]
    take_latest: bool,
    /// The version that was written first
    #[arg(long)]
    take_earliest: bool,
    /// The version with the lowest id; the deletion, if it is one
    #[arg(long)]
    take_left: bool,
    /// The version with the greatest id: the one that `get` answers
    #[arg(long)]
    take_right: bool,
    /// The content that all versions came from
    #[arg(long)]
    take_base: bool,
    /// No document
    #[arg(long)]
    delete: bool,
    /// What the rules make of the versions; without a PATTERN, of all documents in conflict
    #[arg(long)]
    rules: bool,
}

impl Choices {
    /// The choice for many documents; within it, `None` is to remove them.
    fn of_many(&self) -> Option<Option<Choice>> {
        let choices = [
            (self.take_latest, Some(Choice::Latest)),
            (self.take_earliest, Some(Choice::Earliest)),
            (self.take_left, Some(Choice::Left)),
            (self.take_right, Some(Choice::Right)),
            (self.take_base, Some(Choice::Base)),
            (self.delete, None),
        ];
        choices.into_iter().find(|(is_chosen, _)| *is_chosen).map(|(_, choice)| choice)
    }
}

/// What becomes of a document.
struct Resolution {
    key: Key,
    before: Document,
    after: After,
}

enum After {
    /// It has this content.
    Content(BlobId),
    /// There is none any more.
    Nothing,
    /// It stays in conflict, and why, where a rule says so.
    Conflict(Option<String>),
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = match args.dry_run {
        true => context.database_to_write(args.commit.sync)?,
        false => context.database_to_commit(&args.commit)?,
    };
    let head = head(context, &db, &args)?;
    let resolutions = match (args.choice.rules, args.choice.of_many()) {
        (true, _) => by_rules(context, &db, head, &args.targets)?,
        (_, Some(choice)) => many(&db, head, &args.targets, choice)?,
        _ => vec![one(context, &db, head, &args)?],
    };
    let is_left = |resolution: &&Resolution| matches!(resolution.after, After::Conflict(_));
    let left = resolutions.iter().filter(is_left).count();
    if args.dry_run {
        let mut out = Output::new(context);
        for resolution in &resolutions {
            print(&mut out, resolution, args.json)?;
        }
        db.store().discard();
        out.finish()?;
    } else {
        let resolved: Vec<&Resolution> = resolutions.iter().filter(|resolution| !is_left(resolution)).collect();
        commit(context, &db, &args, &resolved, left)?;
    }
    if left == 0 {
        return Ok(());
    }
    if !context.is_quiet() {
        say(&format!("{} left", number_of(left as u64, "conflict")));
        say("hint: `isodb resolve --rules --dry-run --json` tells why");
    }
    Err(Failure::no().into())
}

/// Prints what would become of a document.
fn print(out: &mut Output, Resolution { key, after, .. }: &Resolution, as_json: bool) -> Result<()> {
    let key = key.text();
    if as_json {
        return out.json(&match after {
            After::Content(id) => json!({"key": key, "id": id.to_string()}),
            After::Nothing => json!({"key": key, "id": null}),
            After::Conflict(reason) => json!({"key": key, "conflict": true, "reason": reason}),
        });
    }
    let what = match after {
        After::Content(id) => id.to_string(),
        After::Nothing => "deleted".to_owned(),
        After::Conflict(_) => "conflict".to_owned(),
    };
    let line = format!("{what} {}", out.key(&key));
    out.record(&line)
}

/// Makes the commit, unless somebody has changed one of the documents meanwhile, and prints it.
fn commit(context: &Context, db: &Database, args: &Args, resolved: &[&Resolution], left: usize) -> Result<()> {
    let by = if args.choice.rules { " by rules" } else { "" };
    let message = match resolved {
        [one] => format!("resolve {}{by}", quoted(&one.key.text())),
        many => format!("resolve {} conflicts{by}", many.len()),
    };
    let mut changes = Changeset::new();
    for Resolution { key, before, after } in resolved {
        changes.require(key.clone(), Condition::Is(*before));
        match after {
            After::Content(blob) => changes.put(key.clone(), *blob),
            After::Nothing => changes.remove(key.clone()),
            After::Conflict(_) => {}
        }
    }
    let outcome = super::commit(context, db, &args.commit, Some(&args.on), &changes, message)?;
    if !args.json {
        return super::print_outcome(context, outcome, false);
    }
    let mut out = Output::new(context);
    let commit = outcome.head.map(|id| id.to_string());
    out.json(&json!({"commit": commit, "new": outcome.is_new, "resolved": resolved.len(), "left": left}))?;
    out.finish()
}

/// The commit whose conflicts are ended.
fn head(context: &Context, db: &Database, args: &Args) -> Result<Option<CommitId>> {
    match &args.on.on[..] {
        [] => Ok(db.refs().resolve(&context.target(&args.commit)?)?.1.map(CommitId)),
        [_] => Ok(context.parents(db, &args.on.on)?.first().copied()),
        _ => Err(Failure::usage("conflicts are resolved on one commit, and --on is given twice")
            .hint("merge the commits first")
            .into()),
    }
}

/// What the arguments say of a single document.
fn one(context: &Context, db: &Database, head: Option<CommitId>, args: &Args) -> Result<Resolution> {
    let (text, file) = match (&args.targets[..], &args.choice.take) {
        ([key], _) => (key, None),
        ([key, file], None) => (key, Some(Path::new(file))),
        _ => {
            return Err(Failure::usage("there is more than one KEY")
                .hint("--take-latest and the other choices for many documents take several")
                .into());
        }
    };
    let key = super::key(text)?;
    let before = db.tree_of(head)?.get(&key)?.ok_or_else(|| Error::NoDocument(key.clone()))?;
    let found = db.versions(&[], &[(key.clone(), before)])?.remove(0);
    let blob = match &args.choice.take {
        None => BlobId(Input::open(context, file)?.store(db)?),
        Some(which) => {
            let ids: Vec<BlobId> = found.versions.iter().filter_map(|version| version.id).collect();
            versions::find(text, &ids, found.base, which)?
        }
    };
    Ok(Resolution { key, before, after: After::Content(blob) })
}

/// The documents in conflict that match one of some patterns.
fn matching(db: &Database, head: Option<CommitId>, patterns: &[String]) -> Result<Vec<(Key, Document)>> {
    let mut found = db.conflicts(db.tree_of(head)?.id(), None)?;
    let mut is_chosen = vec![false; found.len()];
    for text in patterns {
        let pattern = text.parse::<Pattern>();
        // A key stands for itself, whatever is in it.
        let matches = |key: &Key| key.text() == text.as_str() || pattern.as_ref().is_ok_and(|p| p.matches(key));
        let mut matched = false;
        for (chosen, (key, _)) in is_chosen.iter_mut().zip(&found) {
            if matches(key) {
                (*chosen, matched) = (true, true);
            }
        }
        if !matched {
            pattern.map_err(|error| Failure::usage(error.to_string()))?;
            return Err(none(&format!("no document in conflict matches {text:?}")));
        }
    }
    let mut chosen = is_chosen.into_iter();
    found.retain(|_| chosen.next() == Some(true));
    Ok(found)
}

fn none(message: &str) -> anyhow::Error {
    Failure::no_such(message).hint("`isodb conflicts` lists them").into()
}

/// What a choice makes of them.
fn many(db: &Database, head: Option<CommitId>, patterns: &[String], choice: Option<Choice>) -> Result<Vec<Resolution>> {
    let found = matching(db, head, patterns)?;
    let heads = match choice {
        Some(Choice::Latest | Choice::Earliest) => head.as_slice(),
        _ => &[],
    };
    db.versions(heads, &found)?.into_iter().map(|document| chosen(document, choice)).collect()
}

fn chosen(document: InConflict, choice: Option<Choice>) -> Result<Resolution> {
    let blob = match choice {
        None => None,
        Some(choice) => document.choose(choice).ok_or_else(|| {
            Failure::no_such(format!("the versions of {:?} have no base", document.key))
                .hint("leave it out, or choose otherwise")
        })?,
    };
    let after = blob.map_or(After::Nothing, After::Content);
    Ok(Resolution { key: document.key, before: document.document, after })
}

/// What the rules of a commit make of its documents in conflict.
fn by_rules(context: &Context, db: &Database, head: Option<CommitId>, patterns: &[String]) -> Result<Vec<Resolution>> {
    let tree = db.tree_of(head)?;
    let found = if patterns.is_empty() { db.conflicts(tree.id(), None)? } else { matching(db, head, patterns)? };
    // Without a commit there are no conflicts.
    let Some(head) = head else { return Ok(Vec::new()) };
    let dispute = |(key, document): &(Key, Document)| {
        let conflict = document.conflict.ok_or_else(|| Error::NoConflict(key.clone()))?;
        Ok(Dispute { key: key.clone(), set: tree.conflict(conflict)? })
    };
    let disputes = found.iter().map(dispute).collect::<Result<Vec<_>>>()?;
    let decided = db.redo(tree.id(), head, &disputes, &mut context.runner()?)?;
    let resolution = |((key, before), Decided { decision, reason }): (_, Decided)| {
        let after = match decision {
            Decision::Keep => After::Conflict(reason),
            Decision::Merged(blob) => After::Content(blob),
            Decision::Deleted => After::Nothing,
        };
        Resolution { key, before, after }
    };
    Ok(found.into_iter().zip(decided).map(resolution).collect())
}
