//! Which of a remote's refs may come in: each is judged on its own, and of what came with others, which may not, nothing is
//! let in but what it shares with these.

use std::collections::{HashMap, HashSet};
use std::io;

use super::error::{Error, Result};
use super::intake::unconnected;
use super::protocol::RemoteRef;
use super::select::{Form, outgoing};
use crate::database::{Database, Quarantine, RefMove, Refusal, Refused};
use crate::object::Id;
use crate::refs::RefName;
use crate::script::Runner;

/// Answers what may come in with these refs, and what stands against the others.
///
/// # Errors
/// [`Error::NotLetIn`] where not all may come in and `is_atomic`.
pub(super) fn admit<'d>(
    db: &'d Database,
    mut quarantine: Quarantine<'d>,
    mut refs: Vec<&RemoteRef>,
    is_atomic: bool,
    runner: &mut dyn Runner,
) -> Result<(Quarantine<'d>, Vec<Refusal>)> {
    let mut refused = Vec::new();
    loop {
        let found = refuse(&quarantine, &mut refs, runner)?;
        if found.is_empty() {
            return Ok((quarantine, refused));
        }
        refused.extend(found);
        if is_atomic {
            return Err(Error::NotLetIn { refusals: refused });
        }
        // What is left is judged again, as it is without the others.
        let wants: Vec<Id> = refs.iter().filter_map(|one| one.id).collect();
        quarantine = sifted(db, &quarantine, &wants)?;
    }
}

/// Judges refs, and leaves those against which nothing is found to stand; answers what stands against the others.
pub(super) fn refuse(
    quarantine: &Quarantine<'_>,
    refs: &mut Vec<&RemoteRef>,
    runner: &mut dyn Runner,
) -> Result<Vec<Refusal>> {
    let found = refusals(quarantine, refs.iter().copied(), runner)?;
    if found.is_empty() {
        return Ok(found);
    }
    let mut of_name: HashMap<&RefName, Vec<&Refused>> = HashMap::new();
    for refusal in &found {
        of_name.entry(&refusal.name).or_default().push(&refusal.refused);
    }
    // Of refs at the same object one was judged.
    let mut of_object: HashMap<Option<Id>, Vec<&Refused>> = HashMap::new();
    for one in refs.iter() {
        if let Some(refused) = of_name.get(&one.name) {
            of_object.entry(one.id).or_default().extend(refused);
        }
    }
    let against = |one: &RemoteRef| of_object.get(&one.id).into_iter().flatten();
    let mut refused = Vec::new();
    for one in refs.iter() {
        refused.extend(against(one).map(|why| Refusal { name: one.name.clone(), refused: (*why).clone() }));
    }
    let names: HashSet<&RefName> = refused.iter().map(|refusal| &refusal.name).collect();
    refs.retain(|one| !names.contains(&one.name));
    // What cannot be said of one of them is said of all.
    if refused.is_empty() { Err(Error::NotLetIn { refusals: found }) } else { Ok(refused) }
}

/// What stands against refs, of those at the same object against one.
fn refusals<'r>(
    quarantine: &Quarantine<'_>,
    refs: impl Iterator<Item = &'r RemoteRef>,
    runner: &mut dyn Runner,
) -> Result<Vec<Refusal>> {
    let mut seen = HashSet::new();
    // What a ref loses is the remote's matter.
    let one = |found: &RemoteRef| Some(RefMove { name: found.name.clone(), old: None, new: found.id? });
    let moves: Vec<RefMove> = refs.filter_map(one).filter(|found| seen.insert(found.new)).collect();
    let mut refusals = quarantine.check(&moves, runner)?;
    for (name, reason) in unconnected(quarantine.database(), &moves)? {
        refusals.push(Refusal { name, refused: Refused::Damaged { reason } });
    }
    Ok(refusals)
}

/// A quarantine of what some objects lead to in another one.
fn sifted<'d>(db: &'d Database, all: &Quarantine<'_>, wants: &[Id]) -> Result<Quarantine<'d>> {
    let sifted = db.quarantine()?;
    if wants.is_empty() {
        return Ok(sifted);
    }
    let form = Form { is_thin: false, takes_offsets: true, with_tags: false };
    let pack = outgoing(all.database(), wants, &db.heads()?, form)?;
    if pack.count() > 0 {
        let (mut from, mut to) = io::pipe().map_err(Error::Connection)?;
        std::thread::scope(|scope| {
            let writing = scope.spawn(move || pack.write(&mut to, &mut |_| ()).map(drop));
            let received = sifted.store().receive(&mut from);
            drop(from);
            match writing.join() {
                Ok(written) => received.and_then(|received| written.and_then(|()| received.keep())),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })?;
    }
    Ok(sifted)
}
