//! What `changes` and `watch` share: records of changed documents, and waiting for more.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use isodb::{Batch, BlobId, Change, CommitId, Database, Document, Kind, ObjectError};

use crate::document::{self, Content};
use crate::error::OutputError;

/// How the feed of a ref is read.
#[derive(clap::Args, Debug)]
pub(crate) struct FeedArgs {
    /// Only what has changed since the commit REV (`none`: everything, from the beginning) [default: none]
    #[arg(long, value_name = "REV", add = crate::complete::revisions())]
    pub(crate) since: Option<String>,
    /// The ref whose changes they are, in place of the current one
    #[arg(long = "ref", value_name = "NAME", add = crate::complete::refs())]
    pub(crate) reference: Option<String>,
    /// Give the contents too: as "value", "text" or "base64"
    #[arg(long)]
    pub(crate) values: bool,
    /// While waiting, look at least every SECONDS, for moves that the system does not tell of: those that other machines
    /// make on a shared disk
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub(crate) interval: Duration,
}

impl FeedArgs {
    /// The commit to start from.
    pub(crate) fn since(&self, db: &Database) -> Result<Option<CommitId>> {
        let revision = self.since.as_deref().filter(|revision| *revision != "none");
        Ok(revision.map(|revision| db.resolve_commit(revision)).transpose()?)
    }
}

/// Reads a time to wait: seconds, with decimals.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.001..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "it is no number of seconds from 0.001 to 86400".to_owned())
}

/// What has become of a document.
pub(crate) fn what(change: &Change) -> &'static str {
    match change.new {
        None => "delete",
        Some(document) if document.conflict.is_some() => "conflict",
        Some(_) => "put",
    }
}

/// A content's size in bytes.
pub(crate) fn size(db: &Database, blob: BlobId) -> Result<u64> {
    let header = db.store().header(blob.0)?;
    Ok(header.ok_or(ObjectError::Missing { id: blob.0, kind: Some(Kind::Blob) })?.1)
}

/// Writes a change as a line of JSON.
pub(crate) fn write_change(
    db: &Database,
    out: &mut impl Write,
    batch: &Batch<'_>,
    change: &Change,
    with_content: bool,
) -> Result<()> {
    let content = match change.new {
        Some(Document { blob, .. }) if with_content => Some((blob, Content::read(db, blob)?)),
        _ => None,
    };
    let size = match (&content, change.new) {
        (Some((_, content)), _) => Some(content.size()),
        (None, Some(document)) => Some(size(db, document.blob)?),
        (None, None) => None,
    };
    document::write_key(out, &change.key.text())?;
    let id = |document: Option<Document>| document.map_or("null".into(), |found| format!("\"{}\"", found.blob));
    let size = size.map_or("null".into(), |size| size.to_string());
    let (what, old, new) = (what(change), id(change.old), id(change.new));
    let (commit, time) = (batch.commit, batch.time);
    let fields = format!(
        ",\"what\":\"{what}\",\"old\":{old},\"new\":{new},\"size\":{size},\"commit\":\"{commit}\",\"time\":{time}"
    );
    out.write_all(fields.as_bytes()).map_err(OutputError)?;
    match content {
        Some((blob, content)) => document::write_content(db, out, blob, content),
        None => Ok(out.write_all(b"}\n").map_err(OutputError)?),
    }
}

/// Writes that all changes up to a commit have been given, as a line of JSON.
pub(crate) fn write_checkpoint(out: &mut impl Write, commit: CommitId, time: i64, changes: u64) -> Result<()> {
    let line = format!("{{\"commit\":\"{commit}\",\"time\":{time},\"changes\":{changes}}}\n");
    Ok(out.write_all(line.as_bytes()).map_err(OutputError)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_wait() {
        assert_eq!(seconds("1"), Ok(Duration::from_secs(1)));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["", "0", "-1", "nan", "inf", "1e9", "1s"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
