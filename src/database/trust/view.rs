//! What follows for a commit from others: whether the list that it is judged by can be relied on, and whether its key was
//! revoked by a commit that does not descend from it.
//!
//! A list can be relied on when every commit that changed it is trusted itself, back to the anchors: so nobody gains
//! anything by a commit that adds a key of his own. Revocations are commits too, and can contradict each other; where they
//! do, less is trusted and never more.

use super::judge::Judge;
use super::lists::{Revocation, concerns};
use super::standing::Standing;
use super::walk::{Entry, Walked};
use crate::database::error::Result;
use crate::database::lineage::Places;
use crate::object::CommitId;
use crate::sign::PublicKey;

/// The history as a whole.
#[derive(Debug, Default)]
pub(super) struct View {
    /// For each commit, one that makes the list in it unreliable, if there is one.
    culprits: Vec<Option<u32>>,
    revocations: Vec<Known>,
}

/// A revocation in the history.
#[derive(Debug)]
struct Known {
    revocation: Revocation,
    /// Whether it holds even if all that revocations say against its commit is true.
    is_undisputed: bool,
    /// The commits that lead to it, once somebody has asked.
    before: Option<Places>,
}

/// Which revocations are followed, while a view is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Follow {
    /// None.
    None,
    /// A commit has to come before every revocation of its key.
    All,
    /// It has to come before one of those that are undisputed, if there is one.
    Undisputed,
    /// The same; but where there is no undisputed one, it has to come before all others.
    Both,
}

impl View {
    /// Takes the view; nothing when what is remembered was found without one of the revocations.
    pub(super) fn take(judge: &mut Judge<'_>) -> Result<Option<View>> {
        let mut view = View::default();
        let mut found = view.pass(judge, Follow::None)?;
        found.extend(judge.memory.revocations.iter().cloned());
        found.sort();
        found.dedup();
        let mut entries = judge.walked.entries.iter();
        let is_remembered = !judge.memory.revocations.is_empty() || entries.any(|entry| entry.record.is_some());
        if is_remembered && found != judge.memory.revocations {
            return Ok(None);
        }
        if found.is_empty() {
            return Ok(Some(view));
        }
        let known = |revocation| Known { revocation, is_undisputed: false, before: None };
        view.revocations = found.into_iter().map(known).collect();
        let mut held = view.pass(judge, Follow::All)?;
        held.extend(judge.memory.revocations.iter().cloned());
        for known in &mut view.revocations {
            known.is_undisputed = held.contains(&known.revocation);
        }
        if view.revocations.iter().any(|known| !known.is_undisputed) {
            // One that an undisputed one speaks against is none.
            let left = view.pass(judge, Follow::Undisputed)?;
            view.revocations.retain(|known| known.is_undisputed || left.contains(&known.revocation));
        }
        view.pass(judge, Follow::Both)?;
        Ok(Some(view))
    }

    /// Goes through the history, parents first, and finds where the list is unreliable; answers the revocations by commits
    /// that are trusted.
    fn pass(&mut self, judge: &mut Judge<'_>, follow: Follow) -> Result<Vec<Revocation>> {
        let mut found = Vec::new();
        self.culprits = Vec::with_capacity(judge.walked.entries.len());
        for number in 0..judge.walked.entries.len() as u32 {
            let above = judge.walked.parents(number).find_map(|(parent, _)| self.culprits[parent as usize]);
            let entry = judge.walked.entry(number);
            let is_same =
                |(parent, one): (u32, &Entry)| one.list == entry.list && self.culprits[parent as usize].is_none();
            // What stands in one history that can be relied on is no worse for what others did.
            let is_tainted = above.is_some();
            let above = above.filter(|_| !judge.walked.parents(number).any(is_same));
            let mut by = None;
            let culprit = if entry.is_pinned || entry.record.is_some_and(|record| record.is_whole) {
                None
            } else if !judge.walked.is_list_changed(number) {
                above
            } else {
                let remembered = entry.record.map(|record| judge.memory.standing(record));
                match remembered.or_else(|| judge.local.get(&number)) {
                    Some(Standing::Merge) => above,
                    // That it is remembered says that nothing speaks against it.
                    Some(Standing::Signed { .. } | Standing::Pinned) if entry.record.is_some() => None,
                    Some(Standing::Signed { key, .. }) if !is_tainted => {
                        by = Some(key.clone());
                        let key = key.clone();
                        self.revoked(judge, number, &key, follow)?.map(|_| number)
                    }
                    _ => above.or(Some(number)),
                }
            };
            self.culprits.push(culprit);
            let entry = judge.walked.entry(number);
            if culprit.is_none() && entry.record.is_none() && judge.walked.is_list_changed(number) {
                found.extend(introduced(judge, number, by.as_ref())?);
            }
        }
        Ok(found)
    }

    /// The commit that revokes a key with which a commit is signed, where it is none of the commits that this is good for.
    fn revoked(
        &mut self,
        judge: &mut Judge<'_>,
        number: u32,
        key: &PublicKey,
        follow: Follow,
    ) -> Result<Option<CommitId>> {
        let is_undisputed = |known: &Known| known.is_undisputed && concerns(&known.revocation.key, key);
        let is_any = follow != Follow::All && self.revocations.iter().any(is_undisputed);
        if follow == Follow::None || (follow == Follow::Undisputed && !is_any) {
            return Ok(None);
        }
        let place = judge.walked.entry(number).place;
        let mut beside = None;
        for known in self.revocations.iter_mut().filter(|known| concerns(&known.revocation.key, key)) {
            if is_any && !known.is_undisputed {
                continue;
            }
            if known.before.is_none() {
                let at = judge.lineage.place(known.revocation.by);
                known.before = Some(judge.lineage.reach(vec![at], 0)?);
            }
            let is_before = known.before.as_ref().is_some_and(|before| before.has(place));
            if is_before && is_any {
                return Ok(None);
            }
            if !is_before {
                beside = Some(known.revocation.by);
            }
        }
        Ok(beside)
    }

    /// How a commit really stands that is signed at its place; nothing where it is as it seems.
    pub(super) fn seen(&mut self, judge: &mut Judge<'_>, number: u32, key: &PublicKey) -> Result<Option<Standing>> {
        let above = judge.walked.parents(number).find_map(|(parent, _)| self.culprits[parent as usize]);
        if let Some(culprit) = above {
            return Ok(Some(unreliable(&judge.walked, culprit, key)));
        }
        let by = self.revoked(judge, number, key, Follow::Both)?;
        Ok(by.map(|by| Standing::Revoked { key: key.clone(), by: Some(by) }))
    }

    /// The same for a tag of a commit. Nobody can tell when a tag was made, so one by a revoked key is never good.
    pub(super) fn of_tag(&self, walked: &Walked, number: u32, key: &PublicKey) -> Option<Standing> {
        if let Some(culprit) = self.culprits[number as usize] {
            return Some(unreliable(walked, culprit, key));
        }
        let known = self.revocations.iter().find(|known| concerns(&known.revocation.key, key))?;
        Some(Standing::Revoked { key: key.clone(), by: Some(known.revocation.by) })
    }

    /// The revocations, in order, where all of them are undisputed.
    pub(super) fn agreed(&self) -> Option<Vec<Revocation>> {
        self.revocations.iter().map(|known| known.is_undisputed.then(|| known.revocation.clone())).collect()
    }
}

fn unreliable(walked: &Walked, culprit: u32, key: &PublicKey) -> Standing {
    let culprit = walked.entry(culprit).id;
    let reason = format!("the list of allowed signers there cannot be relied on: commit {culprit} changed it");
    Standing::NotAllowed { key: key.clone(), reason }
}

/// The revocations that a commit, signed by some key, brings into the list. What a key says of itself does not count: who
/// has stolen it could say so at any place in the history.
fn introduced(judge: &Judge<'_>, number: u32, by: Option<&PublicKey>) -> Result<Vec<Revocation>> {
    let entry = judge.walked.entry(number);
    let mut keys = judge.lists.revoked(judge.db.store(), entry.list)?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    for (_, parent) in judge.walked.parents(number) {
        let before = judge.lists.revoked(judge.db.store(), parent.list)?;
        keys.retain(|key| !before.contains(key));
    }
    keys.retain(|key| by.is_none_or(|by| !concerns(key, by)));
    Ok(keys.into_iter().map(|key| Revocation { by: entry.id, key }).collect())
}
