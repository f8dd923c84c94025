//! What goes into a bundle: refs, and what they lead to without what all of its readers have.

use std::io::Write;
use std::path::Path;

use super::header::BundleHeader;
use super::name::NodeName;
use crate::database::Database;
use crate::object::{self, CommitId, Id, Objects};
use crate::refs::RefName;
use crate::store::Outgoing;
use crate::sync::error::{Error, Result, excerpt};
use crate::sync::select::{Form, commit_of, outgoing, peel};

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
}

/// A bundle that was worked out and not been made.
#[derive(Debug)]
pub struct BundlePlan<'d> {
    header: BundleHeader,
    pack: Outgoing<'d>,
    commits: usize,
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
        let mut left_out = Vec::new();
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
        let form = Form { is_thin: true, takes_offsets: true, with_tags: false };
        let pack = outgoing(db, &wants, &below, form)?;
        Ok(BundlePlan { header, pack, commits })
    }

    /// What it says of itself.
    pub fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// How many objects it will have; none when all of its readers have all of it.
    pub fn objects(&self) -> u64 {
        self.pack.count()
    }

    /// How many commits it will have.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// Makes it and writes it; `progress` is told after how many objects. Answers how many bytes it has.
    ///
    /// # Errors
    /// [`Error::Connection`] when `out` fails, and when an object cannot be read any more.
    pub fn write(&self, out: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> Result<u64> {
        let mut header = Vec::new();
        self.header.write(&mut header).and_then(|()| out.write_all(&header)).map_err(Error::Connection)?;
        match self.pack.write(out, progress) {
            Ok(bytes) => Ok(header.len() as u64 + bytes),
            Err(object::Error::Io { path, source }) if path == Path::new("(output)") => Err(Error::Connection(source)),
            Err(error) => Err(error.into()),
        }
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
