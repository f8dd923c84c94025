//! Meeting a remote: what is fetched is checked and let in, and the refs that keep the remote's own move; what is noted of it
//! is brought up to date. Whatever carries it, this is the one way in.

use std::collections::HashSet;

use super::admit::admit;
use super::error::{Error, Result};
use super::fetch::{FetchLimits, FetchRequest, Fetched, Source};
use super::here::{Here, Traffic};
use super::peers::{PeerNote, WentBack};
use super::protocol::RemoteRef;
use super::remote::Remote;
use super::stream::Totals;
use crate::database::{self, Accepted, Database, Quarantine, Refusal};
use crate::object::{CommitId, Id};
use crate::refs::{self, Expect, RefEdit, RefName, RefValue};

/// Below this a database keeps its tags.
const TAGS: &str = "refs/tags/";
/// So often it is tried again to move refs that others move at the same time.
const ATTEMPTS: usize = 5;

/// What is to be fetched from a remote.
#[derive(Clone, Copy, Debug, Default)]
pub struct FetchWish<'a> {
    /// The refs there; none for all branches that are kept here, and all tags.
    pub names: &'a [RefName],
    /// Whether refs that keep what the remote does not have any more are deleted.
    pub prunes: bool,
    /// Whether nothing comes in where one of the refs may not.
    pub is_atomic: bool,
    /// What is taken at most.
    pub limits: FetchLimits,
}

/// What became of a remote's ref.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It is where it was.
    Same,
    /// It was not known here.
    New,
    /// It has gone on, and lost nothing.
    Forward,
    /// It has gone back to an ancestor of where it was.
    Backward,
    /// It has moved and lost commits that somebody made.
    Aside,
    /// There is another tag of this name here, which was not moved.
    Kept,
    /// It is gone there, and here now too.
    Gone,
    /// It came, and there is no ref here that keeps it.
    Loose,
    /// It may not come in; where it was known here, that is left as it is.
    Refused,
}

impl Arrival {
    /// The word for it, which stays the same in all versions.
    pub fn word(self) -> &'static str {
        match self {
            Arrival::Same => "same",
            Arrival::New => "new",
            Arrival::Forward => "forward",
            Arrival::Backward => "backward",
            Arrival::Aside => "aside",
            Arrival::Kept => "kept",
            Arrival::Gone => "gone",
            Arrival::Loose => "loose",
            Arrival::Refused => "refused",
        }
    }
}

/// A ref of a remote that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its name there.
    pub there: RefName,
    /// Where it is there.
    pub id: Option<Id>,
    /// The ref here that keeps it.
    pub here: Option<RefName>,
    /// Where that one was.
    pub old: Option<Id>,
    /// What became of it.
    pub arrival: Arrival,
}

/// What came of meeting a remote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// The remote's refs that were asked for, by name.
    pub refs: Vec<Arrived>,
    /// What went over the connection.
    pub traffic: Traffic,
    /// What is still to come, where no more was to be taken this time: then no ref has moved, and what came is kept for the
    /// next time.
    pub left: Option<Totals>,
    /// What stands against the refs that were refused.
    pub refused: Vec<Refusal>,
}

impl Meeting {
    /// Where a ref of the remote is, and all that it leads to is here.
    ///
    /// # Errors
    /// [`Error::NotLetIn`] where it may not come in.
    pub fn at(&self, name: &RefName) -> Result<Option<Id>> {
        let refusals: Vec<Refusal> = self.refused.iter().filter(|refusal| refusal.name == *name).cloned().collect();
        if !refusals.is_empty() {
            return Err(Error::NotLetIn { refusals });
        }
        Ok(self.refs.iter().find(|found| found.there == *name).and_then(|found| found.id))
    }
}

/// Fetches from a remote, or without one from a place that has no name, and lets in what nothing stands against: each ref on
/// its own, unless all or none is wished for.
///
/// # Errors
/// Those of the [`Source`]; [`Error::NotLetIn`] when none of the refs may be let in, or not all of them where that is wished
/// for; [`Error::NoRef`] when the remote has not what is wished for.
pub fn meet(
    here: &mut Here<'_, '_>,
    from: &mut dyn Source,
    remote: Option<&Remote>,
    wish: &FetchWish<'_>,
) -> Result<Meeting> {
    let db = here.db;
    let prefixes = match (wish.names, remote) {
        ([], Some(remote)) => remote.prefixes().into_iter().chain([TAGS.to_owned()]).collect(),
        ([], None) => vec!["HEAD".to_owned()],
        (names, _) => names.iter().map(RefName::to_string).collect(),
    };
    let mut note = remote.map(|remote| PeerNote::read(db, remote)).transpose()?.flatten().unwrap_or_default();
    let known = still_here(db, &note)?;
    let haves = db.heads()?;
    let request = FetchRequest {
        prefixes: &prefixes,
        known: &known,
        haves: &haves,
        speaks_stream: note.speaks_stream,
        limits: wish.limits,
    };
    let mut fetched = from.fetch(here, &request)?;
    if fetched.left.is_some() {
        return Ok(Meeting { traffic: fetched.traffic, left: fetched.left, ..Meeting::default() });
    }
    fetched.refs.retain(|found| wish.names.is_empty() || wish.names.contains(&found.name));
    if let Some(name) = wish.names.iter().find(|name| fetched.refs.iter().all(|found| found.name != **name)) {
        return Err(Error::NoRef { name: name.to_string() });
    }
    let Fetched { refs, quarantine, traffic, speaks_stream, .. } = fetched;
    let mut arrived = Vec::new();
    for found in &refs {
        arrived.extend(arrival(db, remote, found)?);
    }
    if let Some(remote) = remote.filter(|_| wish.prunes) {
        arrived.extend(gone(db, remote, &prefixes, &refs)?);
    }
    let is_moved = arrived.iter().any(|arrived| arrived.id != arrived.old && arrived.here.is_some());
    let quarantine = match quarantine {
        // Nothing of what refs are moved to may go meanwhile.
        None if is_moved => Some(db.quarantine()?),
        quarantine => quarantine,
    };
    let mut refused = Vec::new();
    if let Some(quarantine) = quarantine {
        // What a ref led to before was let in then.
        let led_to: HashSet<Id> = arrived.iter().filter_map(|found| found.old).collect();
        let new = refs.iter().filter(|found| found.id.is_some_and(|id| !led_to.contains(&id)));
        let (quarantine, refusals) = admit(db, quarantine, new.collect(), wish.is_atomic, here.runner)?;
        refused = refusals;
        let is_refused = |found: &RemoteRef| refused.iter().any(|refusal| refusal.name == found.name);
        if !refused.is_empty() && refs.iter().all(is_refused) {
            return Err(Error::NotLetIn { refusals: refused });
        }
        for found in &mut arrived {
            found.arrival = match refused.iter().any(|refusal| refusal.name == found.there) {
                true => Arrival::Refused,
                false => compare(quarantine.database(), found)?,
            };
        }
        let _accepted = let_in(here, quarantine, &mut arrived)?;
    }
    if let Some(remote) = remote {
        note.seen = here.who.seconds();
        note.speaks_stream = speaks_stream;
        let is_asked = |name: &RefName| prefixes.iter().any(|prefix| name.as_str().starts_with(prefix));
        // What is noted of one that was refused stays true of what is here.
        let is_refused = |name: &RefName| refused.iter().any(|refusal| refusal.name == *name);
        let is_left = |name: &RefName| !wish.names.is_empty() && !wish.names.contains(name);
        note.refs.retain(|(name, _)| !is_asked(name) || is_left(name) || is_refused(name));
        let seen = refs.iter().filter(|found| !is_refused(&found.name));
        note.refs.extend(seen.filter_map(|found| Some((found.name.clone(), found.id?))));
        remember_what_went_back(db, &mut note, &arrived)?;
        note.write(db, remote)?;
    }
    Ok(Meeting { refs: arrived, traffic, left: None, refused })
}

/// The refs of a note, if refs here lead to all of them: the remote may be told then that they are known.
fn still_here(db: &Database, note: &PeerNote) -> Result<Vec<(RefName, Id)>> {
    let led_to: HashSet<Id> = db.refs().list("refs/")?.into_iter().map(|(_, id)| id).collect();
    let is_here = note.refs.iter().all(|(_, id)| led_to.contains(id));
    Ok(if is_here { note.refs.clone() } else { Vec::new() })
}

/// What a remote's ref means here, before it is known what came with it.
fn arrival(db: &Database, remote: Option<&Remote>, found: &RemoteRef) -> Result<Option<Arrived>> {
    // A HEAD that leads to nothing yet.
    let Some(id) = found.id else { return Ok(None) };
    let is_tag = found.name.as_str().starts_with(TAGS);
    let here = match remote {
        Some(remote) => remote.tracking(&found.name).or_else(|| is_tag.then(|| found.name.clone())),
        None => None,
    };
    let old = here.as_ref().map(|here| db.refs().get(here)).transpose()?.flatten();
    let arrival = if here.is_none() { Arrival::Loose } else { Arrival::Same };
    Ok(Some(Arrived { there: found.name.clone(), id: Some(id), here, old, arrival }))
}

/// The refs that keep what the remote does not have any more.
fn gone(db: &Database, remote: &Remote, prefixes: &[String], refs: &[RemoteRef]) -> Result<Vec<Arrived>> {
    let there: HashSet<&RefName> = refs.iter().map(|found| &found.name).collect();
    let mut gone = Vec::new();
    for (here, id) in db.refs().list("refs/remotes/")? {
        let Some(name) = remote.tracked(&here).filter(|name| !there.contains(name)) else { continue };
        let is_symbolic = matches!(db.refs().read(&here)?, Some(RefValue::Symbolic(_)));
        if !is_symbolic && prefixes.iter().any(|prefix| name.as_str().starts_with(prefix)) {
            gone.push(Arrived { there: name, id: None, here: Some(here), old: Some(id), arrival: Arrival::Gone });
        }
    }
    Ok(gone)
}

/// What becomes of the ref that keeps another.
fn compare(view: &Database, found: &Arrived) -> Result<Arrival> {
    let (Some(here), Some(id)) = (&found.here, found.id) else { return Ok(found.arrival) };
    let Some(old) = found.old else { return Ok(Arrival::New) };
    if old == id {
        return Ok(Arrival::Same);
    }
    if here.as_str().starts_with(TAGS) {
        return Ok(Arrival::Kept);
    }
    direction(view, old, id)
}

/// Where a ref goes that moves from one object to another.
fn direction(view: &Database, old: Id, new: Id) -> Result<Arrival> {
    // Who had it before knows nothing that could be lost.
    if !view.is_commit(old)? || !view.is_commit(new)? {
        return Ok(Arrival::Forward);
    }
    let (old, new) = (CommitId(old), CommitId(new));
    Ok(if view.is_safe_move(old, new)? {
        Arrival::Forward
    } else if view.is_ancestor(new, old)? {
        Arrival::Backward
    } else {
        Arrival::Aside
    })
}

/// Lets in what came, and moves the refs here that keep the remote's, each from where it was seen to be. Nothing of it is
/// removed before the answer is dropped.
fn let_in<'d>(
    here: &Here<'d, '_>,
    quarantine: Quarantine<'d>,
    arrived: &mut [Arrived],
) -> Result<Option<Accepted<'d>>> {
    let db = here.db;
    let (mut waiting, mut accepted) = (Some(quarantine), None);
    // Names of what is gone may be in the way of names of what is new.
    for is_gone in [true, false] {
        for attempt in 1.. {
            let edit = |found: &Arrived| {
                let name = found.here.clone()?;
                let is_moved = found.id != found.old && !matches!(found.arrival, Arrival::Kept | Arrival::Refused);
                let expect = found.old.map_or(Expect::Absent, Expect::At);
                let message = format!("fetch: {}", found.arrival.word());
                (is_moved && found.id.is_none() == is_gone).then_some(RefEdit {
                    name,
                    expect,
                    new: found.id.map(RefValue::Id),
                    message,
                })
            };
            let edits: Vec<RefEdit> = arrived.iter().filter_map(edit).collect();
            if edits.is_empty() {
                break;
            }
            let moved = match waiting.take() {
                None => db.move_refs(edits, here.who),
                Some(quarantine) => {
                    let (held, moved) = quarantine.accept_and_move(edits, here.who)?;
                    accepted = Some(held);
                    moved
                }
            };
            match moved {
                Ok(()) => break,
                // Another process met the remote too: whoever saw more of it is right.
                Err(database::Error::Ref(refs::Error::Mismatch { .. })) if attempt < ATTEMPTS => {
                    for found in arrived.iter_mut() {
                        let Some(name) = found.here.as_ref().filter(|_| found.arrival != Arrival::Refused) else {
                            continue;
                        };
                        found.old = db.refs().get(name)?;
                        found.arrival = compare(db, found)?;
                        if matches!(found.arrival, Arrival::Backward | Arrival::Aside) {
                            (found.old, found.arrival) = (found.id, Arrival::Same);
                        }
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    match waiting {
        Some(quarantine) => Ok(Some(quarantine.accept()?)),
        None => Ok(accepted),
    }
}

/// Notes the heads that went back, and forgets those that have again what they had lost.
pub(super) fn remember_what_went_back(db: &Database, note: &mut PeerNote, arrived: &[Arrived]) -> Result<()> {
    let mut left = Vec::new();
    for went in note.went_back.drain(..) {
        let now = note.refs.iter().find(|(name, _)| *name == went.name).map(|(_, id)| *id);
        let is_back = match now {
            Some(now) if db.store().contains(went.was)? => direction(db, went.was, now)? == Arrival::Forward,
            // What was deleted there was meant to be.
            _ => true,
        };
        if !is_back {
            left.push(went);
        }
    }
    for found in arrived.iter().filter(|found| matches!(found.arrival, Arrival::Backward | Arrival::Aside)) {
        let Some(was) = found.old else { continue };
        left.retain(|went| went.name != found.there || went.was != was);
        left.push(WentBack { name: found.there.clone(), was, seen: note.seen });
    }
    note.went_back = left;
    Ok(())
}
