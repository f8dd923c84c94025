//! What goes into a bundle: refs, and what they lead to without what all of its readers have.

use std::io::{self, Write};
use std::path::Path;

use super::header::BundleHeader;
use super::name::NodeName;
use crate::database::Database;
use crate::object::{self, CommitId, Id, Objects};
use crate::refs::RefName;
use crate::store::Outgoing;
use crate::sync::error::{Error, Result, excerpt};
use crate::sync::select::{Form, commit_of, outgoing, peel};
use crate::sync::stream;

/// So many commits are told at most that the writer has beside what its refs lead to.
const MAX_TOLD: usize = 1000;

/// What is to go into a bundle.
#[derive(Clone, Debug, Default)]
pub struct BundleRequest<'a> {
    /// The refs.
    pub refs: &'a [(RefName, Id)],
    /// What each of its readers has, with all that it leads to; what is not here does not count. Without any, all goes in
    /// that the refs lead to.
    pub readers: &'a [Vec<Id>],
    /// Whether annotated tags of commits that all readers have go in as well, but for those that are among what they have.
    pub with_old_tags: bool,
    /// Who writes it: then it tells what else is here, too.
    pub from: Option<NodeName>,
    /// Whether it is to have an isodb stream in place of a pack, if one can carry it.
    pub is_stream: bool,
}

/// A bundle that was worked out and not been made.
pub struct BundlePlan<'d> {
    db: &'d Database,
    header: BundleHeader,
    body: Body<'d>,
    commits: usize,
}

enum Body<'d> {
    Pack(Box<Outgoing<'d>>),
    /// With how many tags there are in it.
    Stream(stream::Plan, usize),
}

impl<'d> BundlePlan<'d> {
    /// Works it out.
    ///
    /// # Errors
    /// When something that is to go in is missing or damaged.
    pub fn new(db: &'d Database, request: &BundleRequest<'_>) -> Result<BundlePlan<'d>> {
        let known = db.heads()?;
        let mut readers = Vec::with_capacity(request.readers.len());
        for ids in request.readers {
            readers.push(whole_here(db, ids, &known)?);
        }
        let (mut heads, mut tags) = (Vec::new(), Vec::new());
        for (name, id) in request.refs {
            let peeled = peel(db, *id)?.ok_or(object::Error::Missing { id: *id, kind: None })?;
            let commit = commit_of(db, *id)?;
            heads.extend(commit);
            if let Some(commit) = commit.filter(|_| !peeled.tags.is_empty()) {
                tags.push((name, *id, commit));
            }
        }
        let (commits, below) = db.lacked(&heads, &readers)?;
        let mut header = BundleHeader { from: request.from.clone(), ..BundleHeader::default() };
        let (mut left_out, tagged) = (Vec::new(), tags.len());
        for (name, id, commit) in tags {
            let is_had = !request.readers.is_empty() && request.readers.iter().all(|ids| ids.contains(&id));
            let is_old = || Ok::<_, Error>(db.commits_since(&[commit], &below)?.is_empty());
            if is_had || (!request.with_old_tags && !below.is_empty() && is_old()?) {
                left_out.push((name, id));
            }
        }
        let is_left_out = |name: &RefName| left_out.iter().any(|(left_out, _)| *left_out == name);
        header.refs = request.refs.iter().filter(|(name, _)| !is_left_out(name)).cloned().collect();
        for id in &below {
            let message = db.store().commit(*id)?.message;
            let subject = message.split(|byte| *byte == b'\n').next().unwrap_or_default();
            header.prerequisites.push((*id, excerpt(subject)));
        }
        if request.from.is_some() {
            header.has = left_out.iter().map(|(_, id)| *id).chain(beside(db, &known, &heads)?).collect();
        }
        let wants: Vec<Id> = header.refs.iter().map(|(_, id)| *id).collect();
        let streamed = if request.is_stream { stream::planned(db, &wants, &below)? } else { None };
        header.is_stream = streamed.is_some();
        let body = match streamed {
            Some(plan) => Body::Stream(plan, tagged - left_out.len()),
            None => {
                let form = Form { is_thin: true, takes_offsets: true, with_tags: false };
                Body::Pack(Box::new(outgoing(db, &wants, &below, form)?))
            }
        };
        Ok(BundlePlan { db, header, body, commits })
    }

    /// What it says of itself.
    pub fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// Whether all of its readers have all of it.
    pub fn is_empty(&self) -> bool {
        match &self.body {
            Body::Pack(pack) => pack.count() == 0,
            Body::Stream(plan, tags) => plan.totals.commits == 0 && *tags == 0,
        }
    }

    /// How many objects it will have; in a stream, how many documents.
    pub fn count(&self) -> u64 {
        match &self.body {
            Body::Pack(pack) => pack.count(),
            Body::Stream(plan, _) => plan.totals.documents,
        }
    }

    /// How many commits it will have.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// Makes it and writes it; `progress` is told after how many objects, or documents. Answers how many bytes it has.
    ///
    /// # Errors
    /// [`Error::Connection`] when `out` fails, and when an object cannot be read any more.
    pub fn write(&self, out: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> Result<u64> {
        let mut header = Vec::new();
        self.header.write(&mut header).and_then(|()| out.write_all(&header)).map_err(Error::Connection)?;
        let mut out = Counted { out, bytes: header.len() as u64 };
        let written = match &self.body {
            Body::Pack(pack) => pack.write(&mut out, progress).map(drop).map_err(|error| match error {
                object::Error::Io { path, source } if path == Path::new("(output)") => Error::Connection(source),
                error => error.into(),
            }),
            Body::Stream(plan, _) => stream::write(self.db, plan, stream::Position::default(), &mut out, progress),
        };
        written.map(|()| out.bytes)
    }
}

/// Counts what passes.
struct Counted<'o> {
    out: &'o mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.bytes += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The commits among some objects, or that tags among them are of, that are here with all that they lead to.
fn whole_here(db: &Database, ids: &[Id], known: &[CommitId]) -> Result<Vec<CommitId>> {
    let mut commits = Vec::new();
    for id in ids {
        // Being here is not enough: of what no ref leads to, parts may be gone.
        match commit_of(db, *id)? {
            Some(commit) if is_led_to(db, commit, known)? => commits.push(commit),
            _ => {}
        }
    }
    commits.sort_unstable();
    commits.dedup();
    Ok(commits)
}

fn is_led_to(db: &Database, commit: CommitId, known: &[CommitId]) -> Result<bool> {
    if known.contains(&commit) {
        return Ok(true);
    }
    for known in known {
        if db.is_ancestor(commit, *known)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The commits that refs lead to and the heads of a bundle do not.
fn beside(db: &Database, known: &[CommitId], heads: &[CommitId]) -> Result<Vec<Id>> {
    let beside = db.commits_since(known, heads)?;
    let beside: std::collections::HashSet<CommitId> = beside.into_iter().collect();
    let known: Vec<CommitId> = known.iter().copied().filter(|id| beside.contains(id)).take(MAX_TOLD).collect();
    Ok(db.independent(&known)?.into_iter().map(|id| id.0).collect())
}
