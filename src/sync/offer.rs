//! Offering a remote what it lacks: which of its refs may move, from where, and what is noted of it afterwards.
//!
//! A ref of a remote moves only from where it is known to be. **Invariant:** without being forced, nothing that somebody
//! committed is lost there: the move is safe, as far as it can be told here, before anything is sent.

use std::collections::HashMap;

use super::again::again;
use super::error::Result;
use super::exchange::{Fetching, PushEdit, PushOptions};
use super::here::{Here, Traffic};
use super::meet::remember_what_went_back;
use super::peers::PeerNote;
use super::push::{NotMoved, PushRequest, push};
use super::remote::Remote;
use super::transport::{Metered, Transport};
use crate::database::Database;
use crate::object::{CommitId, Id};
use crate::refs::{Expect, RefEdit, RefName, RefValue};

/// A move of a remote's ref that is wished for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushWish {
    /// The ref there.
    pub name: RefName,
    /// Where it is to go; `None` to delete it.
    pub new: Option<Id>,
    /// Where it has to be now, if that matters (`Some(None)`: it does not exist); else wherever it is found to be.
    pub expect: Option<Option<Id>>,
    /// Whether it may lose commits.
    pub is_forced: bool,
}

/// What came of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It was there already.
    Same,
    /// It was moved.
    Moved {
        /// Where it was.
        old: Option<Id>,
    },
    /// It is not where it was expected.
    Unexpected {
        /// Where it is.
        found: Option<Id>,
    },
    /// It would lose commits, or may: it is at something that is not here.
    Loses {
        /// Where it is.
        found: Id,
    },
    /// The remote refused, in its own words.
    Refused(String),
}

/// What came of an offer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// For each wish, what came of it.
    pub refs: Vec<Offered>,
    /// What went over the connection.
    pub traffic: Traffic,
}

/// Moves refs of a remote, or without one of a place that has no name.
///
/// # Errors
/// When the remote cannot be reached, or refuses all of it.
pub fn offer(
    here: &mut Here<'_, '_>,
    to: &mut dyn Transport,
    remote: Option<&Remote>,
    wishes: &[PushWish],
    options: PushOptions,
) -> Result<Offer> {
    let db = here.db;
    let mut note = remote.map(|remote| PeerNote::read(db, remote)).transpose()?.flatten().unwrap_or_default();
    let mut offer = Offer { refs: vec![Offered::Same; wishes.len()], traffic: Traffic::default() };
    let mut olds = Vec::with_capacity(wishes.len());
    // Where each push is a request of its own, asking first costs more than being told that it was elsewhere.
    let is_guess = note.speaks_stream && !to.needs_advertisement();
    let at: HashMap<RefName, Id> = match is_guess {
        true => note.refs.iter().cloned().collect(),
        false => listed(wishes, to, &mut offer.traffic)?,
    };
    olds.extend(wishes.iter().map(|wish| wish.expect.unwrap_or_else(|| at.get(&wish.name).copied())));
    let all: Vec<usize> = (0..wishes.len()).collect();
    let mut round = Round { wishes, options, note: &mut note, is_asked: !is_guess };
    round.make(here, to, &all, &olds, &mut offer)?;
    // What was believed and is not so is looked at again.
    let is_doubtful = |place: &usize| {
        let is_guessed = is_guess && wishes[*place].expect.is_none();
        is_guessed && matches!(offer.refs[*place], Offered::Unexpected { .. } | Offered::Loses { .. })
    };
    let doubtful: Vec<usize> = all.iter().copied().filter(is_doubtful).collect();
    if !doubtful.is_empty() {
        let is_told = |place: &usize| matches!(offer.refs[*place], Offered::Unexpected { .. });
        let at = match doubtful.iter().all(is_told) {
            true => HashMap::new(),
            false => listed(wishes, to, &mut offer.traffic)?,
        };
        for &place in &doubtful {
            olds[place] = match offer.refs[place] {
                Offered::Unexpected { found } => found,
                _ => at.get(&wishes[place].name).copied(),
            };
        }
        round.is_asked = true;
        round.make(here, to, if options.is_atomic { &all } else { &doubtful }, &olds, &mut offer)?;
    }
    if let Some(remote) = remote {
        keep(here, remote, note, wishes, &offer.refs)?;
    }
    Ok(offer)
}

/// Asks where the refs are for which that does not matter.
fn listed(wishes: &[PushWish], to: &mut dyn Transport, traffic: &mut Traffic) -> Result<HashMap<RefName, Id>> {
    let unknown: Vec<String> =
        wishes.iter().filter(|wish| wish.expect.is_none()).map(|wish| wish.name.to_string()).collect();
    if unknown.is_empty() {
        return Ok(HashMap::new());
    }
    let mut metered = Metered::new(to);
    let listed = again(&mut metered, |link| Fetching::open(link)?.refs(&unknown))?;
    *traffic += Traffic { received: metered.received(), sent: metered.sent(), ..Traffic::default() };
    Ok(listed.into_iter().filter_map(|found| Some((found.name, found.id?))).collect())
}

/// One time of asking.
struct Round<'r> {
    wishes: &'r [PushWish],
    options: PushOptions,
    note: &'r mut PeerNote,
    /// Whether it is known, and not only believed, where the refs are.
    is_asked: bool,
}

impl Round<'_> {
    /// Asks for some of the moves, by their places, each from where the ref is taken to be.
    fn make(
        &mut self,
        here: &mut Here<'_, '_>,
        to: &mut dyn Transport,
        places: &[usize],
        olds: &[Option<Id>],
        offer: &mut Offer,
    ) -> Result<()> {
        let (mut edits, mut asked, mut is_stopped) = (Vec::new(), Vec::new(), false);
        for &place in places {
            let (wish, old) = (&self.wishes[place], olds[place]);
            offer.refs[place] = Offered::Same;
            match old {
                Some(old) if !wish.is_forced && loses(here.db, old, wish)? => {
                    offer.refs[place] = Offered::Loses { found: old };
                    is_stopped |= self.options.is_atomic;
                }
                _ if old == wish.new && wish.expect.is_none() && self.is_asked => {}
                _ => {
                    asked.push(place);
                    edits.push(PushEdit { name: wish.name.clone(), old, new: wish.new });
                }
            }
        }
        if is_stopped {
            for place in asked {
                offer.refs[place] = Offered::Refused("another ref of this push cannot be moved".into());
            }
            return Ok(());
        }
        if edits.is_empty() {
            return Ok(());
        }
        let (known, speaks_stream) = (&self.note.refs, self.note.speaks_stream);
        let pushed = push(here, to, &PushRequest { edits: &edits, options: self.options, known, speaks_stream })?;
        offer.traffic += pushed.traffic;
        self.note.speaks_stream = pushed.speaks_stream;
        for ((place, edit), not_moved) in asked.into_iter().zip(&edits).zip(pushed.not_moved) {
            offer.refs[place] = match not_moved {
                None if edit.old == edit.new => Offered::Same,
                None => Offered::Moved { old: edit.old },
                Some(NotMoved::Refused(reason)) => Offered::Refused(reason),
                Some(NotMoved::Elsewhere { found }) => Offered::Unexpected { found },
            };
        }
        Ok(())
    }
}

/// Keeps here and in the note where the remote's refs are now.
fn keep(
    here: &Here<'_, '_>,
    remote: &Remote,
    mut note: PeerNote,
    wishes: &[PushWish],
    offered: &[Offered],
) -> Result<()> {
    let mut edits = Vec::new();
    for (wish, offered) in wishes.iter().zip(offered) {
        if !matches!(offered, Offered::Same | Offered::Moved { .. }) {
            continue;
        }
        note.refs.retain(|(name, _)| *name != wish.name);
        note.refs.extend(wish.new.map(|id| (wish.name.clone(), id)));
        let Some(name) = remote.tracking(&wish.name) else { continue };
        if here.db.refs().get(&name)? != wish.new {
            // Where it was seen to be before does not matter: this was seen later.
            let new = wish.new.map(RefValue::Id);
            edits.push(RefEdit { name, expect: Expect::Any, new, message: "push".into() });
        }
    }
    if !edits.is_empty() {
        here.db.move_refs(edits, here.who)?;
    }
    note.seen = here.who.seconds();
    remember_what_went_back(here.db, &mut note, &[])?;
    note.write(here.db, remote)
}

/// Whether a ref would lose something, or may: what is not here cannot be looked into.
fn loses(db: &Database, old: Id, wish: &PushWish) -> Result<bool> {
    let Some(new) = wish.new else {
        // Who deletes a ref means it.
        return Ok(false);
    };
    if old == new {
        return Ok(false);
    }
    if !db.is_commit(old)? || !db.is_commit(new)? {
        return Ok(true);
    }
    Ok(!db.is_safe_move(CommitId(old), CommitId(new))?)
}
