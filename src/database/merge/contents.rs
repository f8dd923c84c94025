//! Rules that need nothing but the contents: JSON and text. Many documents are merged on all cores.

use super::decide::{Decided, Version, versions};
use super::made::Origins;
use crate::database::Database;
use crate::database::error::Result;
use crate::merge::{Dispute, Fields, Later, MAX_CONTENT, is_json_object, merge_json, merge_text};
use crate::object::{BlobId, Kind, Objects, hash};
use crate::tree::on_all_cores;

/// From this many documents on, threads share the work.
const THREADS_FROM: usize = 64;

/// How the contents of a document are merged.
#[derive(Clone, Copy, Debug)]
pub(super) enum How<'d> {
    /// By its members.
    Json(&'d Fields),
    /// By its members if all versions are JSON objects: where no rule is for it.
    Unless(&'d Fields),
    /// Line by line.
    Text,
}

impl How<'_> {
    /// Whether it may be needed which version is the later one.
    pub(super) fn needs_times(self) -> bool {
        matches!(self, How::Json(fields) if fields.need_times())
    }
}

/// Reads contents from the objects of a merge.
pub(super) struct Reader<'r, O> {
    pub(super) db: &'r Database,
    pub(super) objects: &'r O,
}

impl<O: Objects> Reader<'_, O> {
    /// A content, or its size in bytes where it is too long to be merged.
    pub(super) fn read(&self, blob: BlobId) -> Result<Result<Vec<u8>, usize>> {
        // What the merge has made is not in the store, and not longer than what it was made from.
        if let Some((Kind::Blob, size)) = self.db.store().header(blob.0)?
            && size > MAX_CONTENT as u64
        {
            return Ok(Err(usize::try_from(size).unwrap_or(usize::MAX)));
        }
        Ok(Ok(self.objects.blob(blob)?))
    }

    /// The contents of the base, if there is one, and of the versions (`None` is the deletion); or why they cannot be
    /// merged.
    pub(super) fn contents(&self, dispute: &Dispute) -> Result<Result<Contents, String>> {
        let too_long = || Ok(Err(format!("a version has more than {} MiB", MAX_CONTENT >> 20)));
        let base = match dispute.set.base.map(|base| self.read(base)).transpose()? {
            Some(Err(_)) => return too_long(),
            base => base.and_then(Result::ok),
        };
        let mut contents = Vec::new();
        for version in versions(&dispute.set) {
            match version.map(|blob| self.read(blob)).transpose()? {
                Some(Err(_)) => return too_long(),
                content => contents.push((version, content.and_then(Result::ok))),
            }
        }
        Ok(Ok(Contents { base, versions: contents }))
    }
}

/// What a document is merged from.
pub(super) struct Contents {
    pub(super) base: Option<Vec<u8>>,
    pub(super) versions: Vec<(Version, Option<Vec<u8>>)>,
}

type Item<'d> = (usize, &'d Dispute, How<'d>);

/// Merges documents; the answers are in the order of the documents.
pub(super) fn merge<O: Objects + Sync>(
    reader: &Reader<'_, O>,
    items: &[Item<'_>],
    origins: &Origins,
) -> Result<Vec<(usize, Decided)>> {
    let one = |(at, dispute, how): &Item<'_>| Ok((*at, document(reader, dispute, *how, origins)?));
    match items.len() < THREADS_FROM {
        true => items.iter().map(one).collect(),
        false => on_all_cores(items, 1, one).into_iter().collect(),
    }
}

fn document<O: Objects>(reader: &Reader<'_, O>, dispute: &Dispute, how: How<'_>, origins: &Origins) -> Result<Decided> {
    if dispute.set.deleted {
        return Ok(Decided::kept("one side deleted it, and another changed it"));
    }
    let Contents { base, versions } = match reader.contents(dispute)? {
        Ok(contents) => contents,
        Err(reason) => return Ok(Decided::kept(reason)),
    };
    let is_object = |content: &Option<Vec<u8>>| content.as_deref().is_some_and(is_json_object);
    if matches!(how, How::Unless(_)) && !versions.iter().all(|(_, content)| is_object(content)) {
        return Ok(Decided::kept("no rule is for it, and not all versions are JSON objects"));
    }
    // Each with its time, which a result has from the later one of both that it was made of.
    let time = |version| origins.time(&dispute.key, version);
    let mut versions = versions.into_iter().filter_map(|(id, content)| Some((id?, content?, time(id))));
    let Some(mut merged) = versions.next() else { return Ok(Decided::kept("it has no content")) };
    for next in versions {
        if next.0 == merged.0 {
            continue;
        }
        let latest = merged.2.max(next.2);
        let (left, right) = if merged.0 < next.0 { (&merged, &next) } else { (&next, &merged) };
        let later = || if (left.2, left.0) > (right.2, right.0) { Later::Left } else { Later::Right };
        let result = match how {
            How::Json(fields) | How::Unless(fields) => merge_json(base.as_deref(), &left.1, &right.1, fields, &later),
            How::Text => merge_text(base.as_deref(), &left.1, &right.1),
        };
        match result {
            Ok(content) => merged = (BlobId(hash(Kind::Blob, &content)), content, latest),
            Err(reason) => return Ok(Decided::kept(reason)),
        }
    }
    Ok(Decided::version(Some(BlobId(reader.objects.put(Kind::Blob, &merged.1)?))))
}
