//! Fetching: the one place that decides how what a remote has comes here. What came is judged by nobody yet, and no ref has
//! moved.

use std::collections::HashSet;

use super::again::again;
use super::error::{Error, Result};
use super::exchange::{FetchOptions, Fetching};
use super::here::{Here, Traffic};
use super::protocol::RemoteRef;
use super::select::commit_of;
use super::stream::{self, Carried, Totals};
use super::transport::{Metered, Transport};
use crate::database::{Database, Quarantine};
use crate::object::{self, CommitId, Id};
use crate::refs::RefName;

/// What a remote is asked for.
#[derive(Clone, Copy, Debug)]
pub struct FetchRequest<'a> {
    /// The refs whose names there begin with one of these are wanted, with all that they lead to: mostly `refs/heads/` and
    /// `refs/tags/`, or the whole name of one.
    pub prefixes: &'a [String],
    /// Where the remote's refs were when they were last seen, by its own names.
    pub known: &'a [(RefName, Id)],
    /// Commits that are here with all that they lead to: mostly [`Database::heads`].
    pub haves: &'a [CommitId],
    /// Whether the remote spoke the isodb stream when it was last met.
    pub speaks_stream: bool,
    /// What is taken at most.
    pub limits: FetchLimits,
}

/// What is taken from a remote at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// The largest pack, in bytes.
    pub max_pack: u64,
    /// After so many bytes a stream ends for this time; what came is kept for the next. What comes in a pack comes at once.
    pub max_bytes: Option<u64>,
}

impl Default for FetchLimits {
    /// A pack of 64 GiB, and a stream to its end.
    fn default() -> FetchLimits {
        FetchLimits { max_pack: 64 << 30, max_bytes: None }
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Fetched<'d> {
    /// The remote's refs that were asked for, HEAD first.
    pub refs: Vec<RemoteRef>,
    /// What came, apart; nothing where nothing was lacking.
    pub quarantine: Option<Quarantine<'d>>,
    /// What went over the connection.
    pub traffic: Traffic,
    /// Whether the remote speaks the isodb stream.
    pub speaks_stream: bool,
    /// What is still to come, where no more was to be taken this time: then there are no refs and nothing to let in.
    pub left: Option<Totals>,
}

/// Where things are fetched from.
pub trait Source {
    /// Asks for refs and fetches what they lead to and is lacked here.
    ///
    /// # Errors
    /// When the remote cannot be reached, refuses, or sends what cannot be taken.
    fn fetch<'d>(&mut self, here: &mut Here<'d, '_>, request: &FetchRequest<'_>) -> Result<Fetched<'d>>;
}

impl<T: Transport> Source for T {
    fn fetch<'d>(&mut self, here: &mut Here<'d, '_>, request: &FetchRequest<'_>) -> Result<Fetched<'d>> {
        let mut metered = Metered::new(self);
        let mut fetched = by_any(here, &mut metered, request)?;
        (fetched.traffic.received, fetched.traffic.sent) = (metered.received(), metered.sent());
        Ok(fetched)
    }
}

/// Fetches by a stream where the remote speaks it, else in git's way.
fn by_any<'d>(here: &mut Here<'d, '_>, link: &mut Metered<'_>, request: &FetchRequest<'_>) -> Result<Fetched<'d>> {
    if request.speaks_stream && !link.needs_advertisement() {
        match stream::fetch(here, link, request) {
            // It did when it was last met, and does no more.
            Ok(Carried::Not) | Err(Error::Http { status: 404 | 405, .. }) => {}
            carried => return by_stream(carried?, here, link, request),
        }
    }
    let fetched = again(link, |link| {
        let fetching = Fetching::open(link)?;
        if fetching.speaks_stream() { Ok(None) } else { by_packs(here, fetching, request).map(Some) }
    })?;
    match fetched {
        Some(fetched) => Ok(fetched),
        None => by_stream(stream::fetch(here, link, request)?, here, link, request),
    }
}

/// What a stream has brought; what it could not carry comes in git's way.
fn by_stream<'d>(
    carried: Carried<'d>,
    here: &mut Here<'d, '_>,
    link: &mut Metered<'_>,
    request: &FetchRequest<'_>,
) -> Result<Fetched<'d>> {
    let (refs, traffic) = (Vec::new(), Traffic::default());
    let mut fetched = Fetched { refs, quarantine: None, traffic, speaks_stream: true, left: None };
    match carried {
        Carried::All { refs, quarantine, documents } => {
            (fetched.refs, fetched.traffic.documents) = (refs, documents);
            fetched.quarantine = quarantine.map(|all| *all);
        }
        Carried::Partly { left, documents } => (fetched.left, fetched.traffic.documents) = (Some(left), documents),
        Carried::Not => return again(link, |link| by_packs(here, Fetching::open(link)?, request)),
    }
    Ok(fetched)
}

/// Fetches in git's way.
fn by_packs<'d>(
    here: &mut Here<'d, '_>,
    mut fetching: Fetching<'_>,
    request: &FetchRequest<'_>,
) -> Result<Fetched<'d>> {
    let refs = fetching.refs(request.prefixes)?;
    let wants = lacking(here.db, &refs, request.haves)?;
    let traffic = Traffic::default();
    let mut fetched = Fetched { refs, quarantine: None, traffic, speaks_stream: false, left: None };
    if !wants.is_empty() {
        let quarantine = here.db.quarantine()?;
        let haves = haves(here.db, request)?;
        let options =
            FetchOptions { wants: &wants, haves: &haves, with_tags: false, max_pack: request.limits.max_pack };
        let received = fetching.fetch(here.db, quarantine.store(), &options, here.listener)?;
        fetched.traffic.objects = received.count().into();
        received.keep()?;
        fetched.quarantine = Some(quarantine);
    }
    Ok(fetched)
}

/// What refs lead to and is not here with all that it leads to in turn.
pub(super) fn lacking(db: &Database, refs: &[RemoteRef], haves: &[CommitId]) -> Result<Vec<Id>> {
    let mut seen: HashSet<Id> = haves.iter().map(|have| have.0).collect();
    let mut wants = Vec::new();
    for id in refs.iter().filter_map(|found| found.id) {
        if seen.insert(id) && !is_whole(db, id, haves)? {
            wants.push(id);
        }
    }
    Ok(wants)
}

/// Whether an object is here with all that it leads to. Being here is not enough: of what no ref leads to, parts may be gone.
fn is_whole(db: &Database, id: Id, haves: &[CommitId]) -> Result<bool> {
    let looked = || -> Result<bool> {
        let Some(commit) = commit_of(db, id)? else {
            if db.store().contains(id)? {
                db.store().check_connected(&[], &[id])?;
                return Ok(true);
            }
            return Ok(false);
        };
        let commits = db.commits_since(&[commit], haves)?;
        db.store().check_connected(&commits, &[])?;
        Ok(true)
    };
    match looked() {
        Err(Error::Database(crate::database::Error::Object(
            object::Error::Missing { .. } | object::Error::Damaged { .. },
        ))) => Ok(false),
        looked => looked,
    }
}

/// The commits that are here whole: those of the remote that were let in before, then those that are said to be.
pub(super) fn haves(db: &Database, request: &FetchRequest<'_>) -> Result<Vec<CommitId>> {
    let (mut haves, mut seen) = (Vec::new(), HashSet::new());
    for (_, id) in request.known {
        haves.extend(commit_of(db, *id)?);
    }
    haves.extend(request.haves);
    haves.retain(|have| seen.insert(*have));
    Ok(haves)
}
