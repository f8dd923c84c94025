//! `isodb verify`: who made the commits, whether they might, and whether the merges in between are honest; and proofs.

mod merges;
mod proof;

use anyhow::Result;
use isodb::{Anchors, CommitId, Database, Error, Judged, Kind, Objects, Require, Standing, TagId};

use crate::args::ListArgs;
use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::{Output, number_of};
use crate::people;
use crate::progress::Progress;

/// Check who made the commits, and whether they might
///
/// A line for each commit, newest first: its id, a tab, how it stands, and where there is more to say a tab and that.
/// `signed` (by whom), `merge` (a merge commit that is what its parents make it) and `pinned` can be relied on; `unsigned`,
/// `unknown-key`, `not-allowed`, `outside-clause` and `revoked` can not, `bad-signature` and `wrong-merge` never. Exit 4
/// when any fails what the setting trust.require asks: with `none`, which is the default, only the last two fail; with
/// `signed`, all but the first three. Commits that can be relied on are remembered, so that the next run is quick.
///
/// A commit is judged by the list in its first parent, the document _isodb/trust/allowed_signers; where there is none, by
/// what is pinned here. Where nothing is pinned and one key has signed all first commits, that key is pinned.
///
/// With --json, it is {"commit","standing","principal","key","reason","passes"}, and a tag that RANGE names, which is
/// verified as well, has "tag" in place of "commit". With --merges, only merge commits that are wrong are told of, a line
/// with the id and what is wrong, or {"commit","expected","reason"}: `expected` is the merge commit that its parents make,
/// null where they make none.
///
/// With --proof, a proof is checked: its lines tell the key, the commit, the content's id and size (or that it is absent, or
/// each version where it is in conflict), the signer's key and who that is, the committer, the commit's time, and with a
/// chain of commits where that begins, how many signed commits it has and how many merges. With --json, they are
/// {"key","commit","id","size","author","committer","signer":{"fingerprint","key","principal"},
/// "chain":{"since","signed","merges"}}, with "missing" in place of "id" and "size" where there is no document, and with
/// "versions" and "base" as conflicts has them. Exit 4 when anything does not hold.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb verify
  isodb verify --failed main@{1}..main
  isodb verify --json v1.0 | jq -r .principal | sort | uniq -c
  isodb verify --merges
  isodb verify --proof hay.proof --signers allowed_signers")]
pub(crate) struct Args {
    /// Only check that merge commits are what their parents make them
    #[arg(long)]
    merges: bool,
    /// Tell only of those that fail
    #[arg(long, conflicts_with = "merges")]
    failed: bool,
    /// Only the history of REV; with A..B, only what B has and A has not [default: the history of all refs]
    #[arg(value_name = "RANGE", add = complete::revisions())]
    range: Option<String>,
    #[command(flatten)]
    proof: proof::ProofArgs,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    if let Some(checked) = args.proof.run(context, args.list) {
        return checked;
    }
    let mut db = context.database()?;
    let (from, without) = match args.range.as_deref().map(|range| (range, range.split_once(".."))) {
        None => (None, None),
        Some((revision, None)) => (Some(revision), None),
        Some((_, Some((without, head)))) => (Some(or_head(head)), Some(or_head(without))),
    };
    let without = without.map(|revision| db.resolve_commit(revision)).transpose()?;
    let heads = match from {
        Some(revision) => vec![db.resolve_commit(revision)?],
        None => db.heads()?,
    };
    if args.merges {
        return merges::run(context, &db, (&heads, without.as_slice()), args.list);
    }
    let require = db.require()?;
    if db.anchors()?.is_empty() {
        pin_first(context, &mut db, &heads)?;
    }
    let mut report = Report { out: Output::records(context, args.list), require, args: &args, failed: 0, error: None };
    let mut tags = 0;
    for tag in from.map(|revision| tags_of(&db, revision)).transpose()?.unwrap_or_default() {
        tags += 1;
        let standing = db.tag_standing(tag, &mut context.runner()?)?;
        report.add("tag", Judged { id: tag.0, standing });
    }
    let mut progress = Progress::new(context, "commits");
    let mut told = |done, total| progress.set(done, Some(total));
    let mut found = |judged| report.add("commit", judged);
    let total = db.verify(&heads, without.as_slice(), &mut context.runner()?, &mut found, &mut told)?;
    drop(progress);
    let Report { out, failed, error, .. } = report;
    if let Some(error) = error {
        return Err(error);
    }
    out.finish()?;
    if !context.is_quiet() {
        let and_tags = if tags > 0 { format!(" and {}", number_of(tags, "tag")) } else { String::new() };
        say(&format!("checked {}{and_tags}: {failed} failed", number_of(total, "commit")));
    }
    if failed == 0 {
        return Ok(());
    }
    let hint = "nothing is pinned here: `isodb trust pin KEY|REV` says whom or what to rely on first";
    let failure = Failure::damaged();
    Err(if db.anchors()?.is_empty() { failure.hint(hint) } else { failure }.into())
}

fn or_head(revision: &str) -> &str {
    if revision.is_empty() { "HEAD" } else { revision }
}

/// On first use, when one key has signed all first commits, that key is pinned.
fn pin_first(context: &Context, db: &mut Database, heads: &[CommitId]) -> Result<()> {
    let all = [heads, &db.heads()?].concat();
    let Some(key) = db.key_of_roots(&all)? else { return Ok(()) };
    let mut anchors = Anchors::default();
    anchors.add_key(&key);
    let pinned = db.configure(|config| anchors.write_to(config).map(Some));
    if !context.is_quiet() {
        let key = key.fingerprint();
        match pinned {
            Ok(_) => {
                say(&format!(
                    "warning: this is the first use: the key {key}, which signed the first commit, is pinned"
                ));
                say(&format!("hint: if that is not a key that you know, `isodb trust pin --remove {key}`"));
            }
            Err(error) => say(&format!("warning: the key {key} of the first commit cannot be pinned: {error}")),
        }
    }
    Ok(())
}

/// The annotated tags that a revision leads through.
fn tags_of(db: &Database, revision: &str) -> Result<Vec<TagId>, Error> {
    let mut tags = Vec::new();
    let mut id = db.resolve(revision)?;
    while db.store().header(id)?.is_some_and(|(kind, _)| kind == Kind::Tag) {
        tags.push(TagId(id));
        id = db.store().tag(TagId(id))?.target;
    }
    Ok(tags)
}

/// What was found, as it is printed.
struct Report<'a> {
    out: Output,
    require: Require,
    args: &'a Args,
    failed: u64,
    error: Option<anyhow::Error>,
}

impl Report<'_> {
    fn add(&mut self, what: &str, Judged { id, standing }: Judged) {
        let passes = self.require.accepts(&standing);
        self.failed += u64::from(!passes);
        if self.error.is_some() || (self.args.failed && passes) {
            return;
        }
        let printed = if self.args.list.json {
            let mut object = people::standing_json(&standing);
            object[what] = id.to_string().into();
            object["passes"] = passes.into();
            self.out.json(&object)
        } else {
            let id = self.out.id(id);
            let more = match &standing {
                Standing::Signed { principal, .. } => Some(principal.clone()),
                other => other.reason(),
            };
            let more = more.map(|text| format!("\t{}", people::printable(&text))).unwrap_or_default();
            let word = self.out.paint(if passes { 32 } else { 31 }, standing.word());
            self.out.record(&format!("{id}\t{word}{more}"))
        };
        self.error = printed.err();
    }
}
