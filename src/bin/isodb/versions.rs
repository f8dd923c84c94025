//! Documents in conflict as scripts and people read them.

use anyhow::Result;
use isodb::{BlobId, Change, Database, Document, Id, InConflict, Kind, ObjectError, Prefix, Version};
use serde_json::{Value, json};

use crate::error::Failure;
use crate::output::Output;
use crate::people;
use crate::time;

/// A document in conflict as a JSON object.
pub(crate) fn json(db: &Database, document: &InConflict) -> Result<Value> {
    let versions = document.versions.iter().map(|version| version_json(db, version)).collect::<Result<Vec<_>>>()?;
    Ok(json!({
        "key": document.key.text(), "base": document.base.map(|id| id.to_string()), "versions": versions,
        "winner": document.document.blob.to_string(),
    }))
}

fn version_json(db: &Database, version: &Version) -> Result<Value> {
    let mut object = match version.id {
        Some(id) => json!({"id": id.to_string(), "size": size(db, id)?}),
        None => json!({"id": null, "deleted": true}),
    };
    if let Some(origin) = &version.origin {
        object["author"] = people::person_json(&origin.author);
        object["time"] = origin.committer.seconds().into();
        object["commit"] = origin.commit.to_string().into();
    }
    Ok(object)
}

/// A content's size in bytes.
fn size(db: &Database, id: BlobId) -> Result<u64> {
    let header = db.store().header(id.0)?;
    Ok(header.ok_or(ObjectError::Missing { id: id.0, kind: Some(Kind::Blob) })?.1)
}

/// A version as a record: id, size, when, who, key, with tabs between them.
pub(crate) fn record(db: &Database, out: &Output, key: &str, version: &Version) -> Result<String> {
    let (id, size) = match version.id {
        Some(id) => (out.id(id), size(db, id)?.to_string()),
        None => ("deleted".to_owned(), "-".to_owned()),
    };
    let (when, who) = match &version.origin {
        Some(origin) => (time::show(origin.committer.seconds()), origin.author.name().replace('\t', " ")),
        None => ("-".to_owned(), "-".to_owned()),
    };
    Ok(format!("{id}\t{size}\t{when}\t{}\t{}", people::printable(&who), out.key(key)))
}

/// Shows a document in conflict to people: each version with who wrote it, and how it differs from the base; without a
/// base, what it holds.
pub(crate) fn show(db: &Database, out: &mut Output, document: &InConflict) -> Result<()> {
    let text = document.key.text();
    let key = out.paint(33, &format!("conflict {}", out.key(&text)));
    out.record(&format!("{key}: {} versions", document.versions.len()))?;
    match document.base {
        Some(base) => out.record(&format!("base {base}"))?,
        None => out.record("no base")?,
    }
    for version in &document.versions {
        let id = version.id.map_or_else(|| "deleted".to_owned(), |id| id.to_string());
        let name = if version.id == Some(document.document.blob) { " (the one that get answers)" } else { "" };
        let heading = out.paint(33, &format!("version {id}"));
        out.record(&format!("\n{heading}{name}"))?;
        if let Some(origin) = &version.origin {
            let author = format!("{} <{}>", origin.author.name(), origin.author.email());
            out.record(&format!("Author:    {}", people::printable(&author)))?;
            out.record(&format!("Date:      {}", time::show(origin.committer.seconds())))?;
            out.record(&format!("Commit:    {}", out.id(origin.commit)))?;
        }
        if version.id.is_some() && version.id == document.base {
            out.record("  the same as the base")?;
        } else if let Some(id) = version.id {
            let (old, new) = (document.base.map(Document::from), Some(Document::from(id)));
            let patch = people::patch(db, out, &Change { key: document.key.clone(), old, new })?;
            out.bytes(patch.as_bytes())?;
        }
    }
    Ok(())
}

/// The content that the start of an id, or `base`, names among those of a document.
///
/// # Errors
/// The answer is no where there is none, also for `deleted`.
pub(crate) fn find(key: &str, ids: &[BlobId], base: Option<BlobId>, which: &str) -> Result<BlobId> {
    if which == "base" {
        return base.ok_or_else(|| Failure::no_such(format!("the versions of {key:?} have no base")).into());
    }
    let none =
        || Failure::no_such(format!("{key:?} has no version {which}")).hint("`isodb show KEY` shows the versions");
    if which == "deleted" {
        return Err(Failure::no_such("the deletion has no content").into());
    }
    let prefix: Prefix = which.parse().map_err(|_| {
        Failure::usage(format!("{which:?} is no version")).hint("give 4 digits of an id at least, or `base`")
    })?;
    match ids.iter().filter(|id| prefix.matches(id.0)).collect::<Vec<_>>()[..] {
        [] => Err(none().into()),
        [id] => Ok(*id),
        [one, other, ..] => {
            let found: Vec<Id> = vec![one.0, other.0];
            Err(isodb::Error::Ambiguous { text: which.to_owned(), found }.into())
        }
    }
}
