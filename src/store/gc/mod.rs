//! Upkeep: everything that can be reached goes into one pack, and what nobody needs goes away.
//!
//! **Invariant:** nothing is removed before all that is kept is durable under its new name. And nothing is removed
//! while a writer may rely on it: see [`hold`](super::hold).

mod cruft;
mod encode;
mod mark;
mod plan;
mod remove;
mod send;
mod stock;
#[cfg(test)]
mod tests;
mod write;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::pack::Pack;
use super::walk::Bounds;
use super::{Result, Store};
use crate::object::{CommitId, Error, Id, Kind};

pub use send::{Outgoing, Wanted};

use mark::{Marks, Order};
use stock::{NONE, Spot, Stock};

/// Fewer unreachable objects than this stay loose.
const FEW: usize = 100;

/// What keeps objects: gathered by who knows refs.
#[derive(Clone, Debug, Default)]
pub struct Roots {
    /// What must be there, with all that it leads to.
    pub required: Vec<Id>,
    /// What is kept if it is there, as far as it is there: where refs have been.
    pub optional: Vec<Id>,
    /// Commits whose parents were left out when the database was cloned.
    pub shallow: Vec<CommitId>,
}

/// What a gc is to do.
#[derive(Clone, Copy, Debug)]
pub struct GcOptions {
    /// Unreachable objects that were last written or used before this moment are removed, by the disk's clock; `None`
    /// removes none.
    pub prune_before: Option<SystemTime>,
    /// For how long writers are waited for before what is no longer needed stays after all.
    pub patience: Duration,
    /// Whether large packs stay as they are, so that little is written where little is new.
    pub is_partial: bool,
}

/// What a gc did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GcReport {
    /// The objects in the new pack.
    pub packed: u64,
    /// Unreachable objects that stay for the time being.
    pub kept: u64,
    /// Unreachable objects that were removed.
    pub removed: u64,
    /// The bytes of all objects' files before.
    pub bytes_before: u64,
    /// The bytes of all objects' files after.
    pub bytes_after: u64,
    /// Whether a writer was at work for so long that nothing could be removed.
    pub is_held_up: bool,
}

/// Which part of the work is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcStage {
    /// Finding out what can be reached.
    Walking,
    /// Writing the new pack.
    Packing,
}

/// Is told how much is done, of how much if that is known.
pub type GcProgress<'p> = &'p mut dyn FnMut(GcStage, u64, Option<u64>);

impl Store {
    /// Puts all that can be reached into one pack, and removes what cannot be reached and is old, as well as every file
    /// that is not needed any more. `roots` is asked again before anything is removed. The caller sees to it that only
    /// one gc is at work.
    ///
    /// # Errors
    /// When something that must be there is missing or damaged, or the disk fails. Nothing is removed then, or only
    /// what was to be removed.
    pub fn gc<E: From<Error>>(
        &self,
        roots: &dyn Fn() -> Result<Roots, E>,
        options: &GcOptions,
        progress: GcProgress<'_>,
    ) -> Result<GcReport, E> {
        // What is held by this store itself would hold itself up.
        self.let_go();
        let mut stock = Stock::take(self)?;
        if options.is_partial {
            stock.keep_large();
        }
        let mut report = GcReport { bytes_before: self.bytes()?, ..GcReport::default() };
        let mut marks = Marks::new(self, &stock);
        let given = roots()?;
        self.walk(&given, &mut marks, progress)?;
        let order = marks.take_order();
        let versions = marks.take_versions();
        let unreachable = self.young(&stock, &mut marks, options.prune_before)?;

        // The walk is over: the memory is for the table of the new pack.
        self.trees.clear();
        let written = self.write_packs(&stock, order, versions, unreachable, progress)?;
        report.packed = written.packed;
        report.kept = written.kept;
        // Once without stopping the writers, so that there is little left to do while they wait.
        self.catch_up(&stock, &mut marks, &roots()?)?;
        match self.hold.removal(options.patience)? {
            None => report.is_held_up = true,
            Some(removal) => {
                self.catch_up(&stock, &mut marks, &roots()?)?;
                report.removed = self.remove(&stock, &mut marks, &written.stems, options.prune_before)?;
                drop(removal);
            }
        }
        self.own.packs().rescan()?;
        report.bytes_after = self.bytes()?;
        Ok(report)
    }

    /// The name of the one pack that holds all objects; `None` where there are more packs, loose objects or none.
    pub(crate) fn only_pack(&self) -> Result<Option<String>> {
        let mut loose = Vec::new();
        self.own.all_loose_ids(&mut loose)?;
        self.own.packs().rescan()?;
        let listed = self.own.packs().listed()?;
        let name = |pack: &Arc<Pack>| Some(pack.stem().file_name()?.to_str()?.to_owned());
        Ok(match &listed.packs[..] {
            [pack] if loose.is_empty() && listed.broken.is_empty() => name(pack),
            _ => None,
        })
    }

    fn bytes(&self) -> Result<u64> {
        let usage = self.usage()?;
        Ok(usage.loose_bytes + usage.pack_bytes)
    }

    /// The kinds of objects, of which those that are missing are left out.
    fn kinds(&self, ids: &[Id]) -> Result<Vec<(Id, Kind)>> {
        let mut found = Vec::new();
        for &id in ids {
            match self.header(id) {
                Ok(header) => found.extend(header.map(|(kind, _)| (id, kind))),
                Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn walk(&self, roots: &Roots, marks: &mut Marks<'_>, progress: GcProgress<'_>) -> Result<()> {
        progress(GcStage::Walking, 0, None);
        let mut required = Vec::new();
        for &id in &roots.required {
            let (kind, _) = self.header(id)?.ok_or(Error::Missing { id, kind: None })?;
            required.push((id, kind));
        }
        marks.walk(&required, &Bounds { shallow: &roots.shallow, is_lenient: false })?;
        marks.walk(&self.kinds(&roots.optional)?, &Bounds { shallow: &roots.shallow, is_lenient: true })
    }

    /// The unreachable objects that are too young to go, and all that they lead to.
    fn young(&self, stock: &Stock, marks: &mut Marks<'_>, before: Option<SystemTime>) -> Result<Order> {
        let mut roots = Vec::new();
        for number in 0..stock.len() as u32 {
            let is_candidate = !marks.is_reached(number)
                && !matches!(stock.spot(number), Spot::Packed(pack, _) if pack.is_kept)
                && stock.number(stock.id(number)) == Some(number);
            if is_candidate && is_young(stock.modified(self, number)?, before) {
                roots.extend(self.kinds(&[stock.id(number)])?);
            }
        }
        marks.walk(&roots, &Bounds { shallow: &[], is_lenient: true })?;
        Ok(marks.take_order())
    }

    /// Walks what has become reachable since the last walk, and what came to the store.
    fn catch_up(&self, stock: &Stock, marks: &mut Marks<'_>, roots: &Roots) -> Result<()> {
        self.walk(roots, marks, &mut |_, _, _| ())?;
        let mut new = Vec::new();
        self.own.all_loose_ids(&mut new)?;
        new.retain(|id| stock.loose.binary_search(id).is_err());
        self.own.packs().rescan()?;
        for pack in &self.own.packs().listed()?.packs {
            if !stock.packs.iter().any(|known| known.pack.stem() == pack.stem()) {
                let index = pack.index();
                new.extend((0..index.len()).map(|place| index.id(place)).filter(|id| stock.number(*id).is_none()));
            }
        }
        // A commit that no ref leads to yet may be built on objects that were about to go.
        marks.walk_new(&new, &Bounds { shallow: &roots.shallow, is_lenient: true })
    }

    fn write_packs(
        &self,
        stock: &Stock,
        order: Order,
        versions: Vec<u32>,
        unreachable: Order,
        progress: GcProgress<'_>,
    ) -> Result<Written> {
        let mut written = Written { packed: order.len() as u64, kept: unreachable.len() as u64, stems: Vec::new() };
        let all_loose = unreachable.numbers().all(|number| matches!(stock.spot(number), Spot::Loose(_)));
        if unreachable.len() > 0 && !(all_loose && unreachable.len() < FEW) {
            let mut times = Vec::with_capacity(unreachable.len());
            for number in unreachable.numbers() {
                times.push((stock.id(number), stock.modified(self, number)?));
            }
            written.stems.extend(self.write_pack(
                stock,
                unreachable,
                vec![NONE; stock.len()],
                Some(times),
                progress,
            )?);
        }
        written.stems.extend(self.write_pack(stock, order, versions, None, progress)?);
        Ok(written)
    }
}

/// What was written.
struct Written {
    packed: u64,
    kept: u64,
    /// The new packs' paths without their endings.
    stems: Vec<PathBuf>,
}

/// Whether what was in use at that time is not to be removed yet.
fn is_young(modified: Option<SystemTime>, before: Option<SystemTime>) -> bool {
    match (modified, before) {
        (Some(modified), Some(before)) => modified >= before,
        (Some(_), None) => true,
        // It is gone.
        (None, _) => false,
    }
}
