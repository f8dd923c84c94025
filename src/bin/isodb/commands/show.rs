//! `isodb show`: one commit and what it changed, a document in conflict with its versions, or another object.

use anyhow::Result;
use isodb::{CommitId, Database, Error, Id, InConflict, Key, Kind, ObjectError, Objects, Standing, TagId, TreeId};
use serde_json::json;

use crate::complete;
use crate::context::Context;
use crate::output::Output;
use crate::people::{self, Detail};
use crate::versions;

/// Show a commit with the documents that it changed, a document, or another object
///
/// A commit is compared with its first parent. Of a document (REV:KEY; KEY stands for HEAD:KEY where it is no revision) the
/// content is shown. Of one in conflict all versions are: who wrote each, when, and what differs from the content that
/// they came from.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb show
  isodb show -p HEAD~2
  isodb show stock/hay
  isodb show HEAD~2:animals/bella")]
pub(crate) struct Args {
    /// What to show [default: the current head]
    #[arg(value_name = "REV|KEY", default_value = "HEAD", hide_default_value = true, add = complete::revisions())]
    revision: String,
    /// What differs inside the documents
    #[arg(short, long, conflicts_with = "stat")]
    patch: bool,
    /// The documents' sizes before and after
    #[arg(long)]
    stat: bool,
    /// Of a commit or a tag, tell how it stands, as verify does
    #[arg(long)]
    show_signature: bool,
    /// Print JSON: a commit as log does, with its {"changes"} as diff does; a document in conflict as conflicts does; what
    /// else, as ls-tree and cat-object do
    #[arg(long, conflicts_with_all = ["patch", "stat"])]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::new(context);
    let mut id = match find(&db, &args.revision)? {
        Found::Object(id) => id,
        Found::Conflict(document) => {
            if args.json {
                out.json(&versions::json(&db, &document)?)?;
            } else {
                versions::show(&db, &mut out, &document)?;
            }
            return out.finish();
        }
    };
    loop {
        let (kind, size) = db.store().header(id)?.ok_or(ObjectError::Missing { id, kind: None })?;
        match kind {
            Kind::Commit => break,
            Kind::Tag => {
                let judge = || db.tag_standing(TagId(id), &mut context.runner()?).map_err(anyhow::Error::from);
                let standing = args.show_signature.then(judge).transpose()?;
                id = tag(&db, &mut out, TagId(id), args.json, standing.as_ref())?;
            }
            Kind::Tree => {
                super::ls_tree::print(&db, &mut out, TreeId(id), false, args.json)?;
                return out.finish();
            }
            Kind::Blob if args.json => {
                super::cat_object::line(&mut out, true, id, kind, size)?;
                return out.finish();
            }
            Kind::Blob => {
                let reader = db.store().open(id)?;
                out.body(&mut reader.ok_or(ObjectError::Missing { id, kind: Some(kind) })?)?;
                return out.finish();
            }
        }
    }
    let commit = db.store().commit(CommitId(id))?;
    let judge = || db.standing(CommitId(id), &mut context.runner()?).map_err(anyhow::Error::from);
    let standing = args.show_signature.then(judge).transpose()?;
    let trees = [db.tree_of(commit.parents.first().copied())?.id(), commit.tree];
    if args.json {
        let mut object = people::commit_json(CommitId(id), &commit);
        let mut changes = Vec::new();
        people::each_change(&db, trees, None, |change| {
            changes.push(super::diff::change_json(&change));
            Ok(())
        })?;
        object["changes"] = changes.into();
        if let Some(standing) = &standing {
            object["signature"] = people::signature_json(standing);
        }
        out.json(&object)?;
        return out.finish();
    }
    let text = people::commit_text(&out, CommitId(id), &commit, standing.as_ref());
    out.record(&text)?;
    let detail = Detail::of(args.patch, args.stat);
    people::each_change(&db, trees, None, |change| people::print_change(&db, &mut out, &change, detail))?;
    out.finish()
}

/// What a revision or a key names.
enum Found {
    Object(Id),
    Conflict(Box<InConflict>),
}

/// Finds what is to be shown. A text that is a revision is one, whatever documents there are.
fn find(db: &Database, text: &str) -> Result<Found> {
    match revision(db, text) {
        Err(error @ (Error::NoRevision { .. } | Error::BadRevision { .. } | Error::Ambiguous { .. })) => {
            let key = document(db, text)?.ok_or(error)?;
            Ok(at(db, "HEAD", key)?)
        }
        found => Ok(found?),
    }
}

fn revision(db: &Database, text: &str) -> Result<Found, Error> {
    match text.split_once(':') {
        Some((revision, key)) => at(db, if revision.is_empty() { "HEAD" } else { revision }, key.parse()?),
        None => db.resolve(text).map(Found::Object),
    }
}

/// A document at a revision.
fn at(db: &Database, revision: &str, key: Key) -> Result<Found, Error> {
    let document = db.document(revision, &key)?;
    if document.conflict.is_none() {
        return Ok(Found::Object(document.blob.0));
    }
    // Who wrote its versions is known of a commit alone.
    let commit = db.resolve_commit(revision).ok();
    let mut found = db.versions(commit.as_slice(), &[(key, document)])?;
    Ok(Found::Conflict(Box::new(found.remove(0))))
}

/// The key that a text is, if the current head has a document there.
fn document(db: &Database, text: &str) -> Result<Option<Key>> {
    let Ok(key) = text.parse::<Key>() else { return Ok(None) };
    let (_, tree) = super::place_at(db, None)?;
    Ok(db.tree(tree).get(&key)?.map(|_| key))
}

/// Prints a tag, and answers what it leads to.
fn tag(db: &Database, out: &mut Output, id: TagId, as_json: bool, standing: Option<&Standing>) -> Result<Id> {
    let tag = db.store().tag(id)?;
    if as_json {
        let (id, target) = (id.0.to_string(), tag.target.to_string());
        let mut object = json!({"tag": tag.name, "id": id, "target": target, "message": tag.message_text()});
        if let Some(standing) = standing {
            object["signature"] = people::signature_json(standing);
        }
        out.json(&object)?;
    } else {
        out.record(&format!("tag {}", people::printable(&tag.name)))?;
        if let Some(standing) = standing {
            let signature = people::signature(out, standing);
            out.record(&format!("Signature: {signature}"))?;
        }
        for line in tag.message_text().lines() {
            out.record(&people::printable(line))?;
        }
    }
    Ok(tag.target)
}
