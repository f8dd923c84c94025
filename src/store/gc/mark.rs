//! Which objects of the stock were reached, in which order, and which of them are versions of one another.

use super::stock::{Bits, NONE, Spot, Stock};
use crate::object::{CommitId, Error, Id, IdSet, Kind, TreeId};
use crate::store::walk::{Bounds, Seen, added, reachable};
use crate::store::{Result, Store};

/// The numbers of the objects that a walk reached, each kind in the order of the walk.
#[derive(Debug, Default)]
pub(super) struct Order {
    pub(super) tags: Vec<u32>,
    pub(super) commits: Vec<u32>,
    pub(super) trees: Vec<u32>,
    pub(super) blobs: Vec<u32>,
}

impl Order {
    /// The lists in the order of a pack: what tells of history first, and the trees apart from the contents, so that
    /// who lists keys or reads them through reads one stretch of the file.
    pub(super) fn lists(&self) -> [(Kind, &[u32]); 4] {
        [(Kind::Tag, &self.tags), (Kind::Commit, &self.commits), (Kind::Tree, &self.trees), (Kind::Blob, &self.blobs)]
    }

    /// All numbers, in that order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.lists().into_iter().flat_map(|(_, list)| list.iter().copied())
    }

    pub(super) fn len(&self) -> usize {
        self.lists().iter().map(|(_, list)| list.len()).sum()
    }

    fn list(&mut self, kind: Kind) -> &mut Vec<u32> {
        match kind {
            Kind::Tag => &mut self.tags,
            Kind::Commit => &mut self.commits,
            Kind::Tree => &mut self.trees,
            Kind::Blob => &mut self.blobs,
        }
    }
}

/// What was reached so far.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    store: &'a Store,
    stock: &'a Stock,
    reached: Bits,
    /// What was reached elsewhere: borrowed, or written since the stock was taken.
    elsewhere: IdSet,
    order: Order,
    /// By number: another version of an object, reached before it: a newer one, or an older one for what is to be sent.
    versions: Vec<u32>,
    /// The versions that were named and not reached: in a walk over what somebody lacks, those that they have.
    held: Bits,
    is_lenient: bool,
    looked_at: u32,
}

impl<'a> Marks<'a> {
    pub(super) fn new(store: &'a Store, stock: &'a Stock) -> Marks<'a> {
        Marks {
            store,
            stock,
            reached: Bits::new(stock.len()),
            elsewhere: IdSet::default(),
            order: Order::default(),
            versions: vec![NONE; stock.len()],
            held: Bits::new(stock.len()),
            is_lenient: false,
            looked_at: 0,
        }
    }

    /// Reaches for all that these lead to and that was not reached before. A lenient walk passes over what is missing.
    pub(super) fn walk(&mut self, roots: &[(Id, Kind)], bounds: &Bounds<'_>) -> Result<()> {
        self.is_lenient = bounds.is_lenient;
        reachable(self.store, roots, bounds, self)
    }

    /// Reaches for what these lead to; those that are themselves contents lead nowhere.
    pub(super) fn walk_new(&mut self, ids: &[Id], bounds: &Bounds<'_>) -> Result<()> {
        for &id in ids {
            if self.has(id) {
                continue;
            }
            if let Some((kind, _)) = self.store.header(id)?.filter(|(kind, _)| *kind != Kind::Blob) {
                self.walk(&[(id, kind)], bounds)?;
            }
        }
        Ok(())
    }

    /// What was reached since this was last asked, without that which must stay where it is.
    pub(super) fn take_order(&mut self) -> Order {
        std::mem::take(&mut self.order)
    }

    /// By number: another version of an object, reached before it. To be asked once.
    pub(super) fn take_versions(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.versions)
    }

    /// Reaches for what each of these commits has that its parents have not, parents first, without what was reached.
    pub(super) fn walk_added(&mut self, commits: &[CommitId]) -> Result<()> {
        self.is_lenient = false;
        added(self.store, commits, self)
    }

    /// Notes an object and nothing that it leads to.
    pub(super) fn add_alone(&mut self, id: Id, kind: Kind) -> Result<()> {
        self.is_lenient = false;
        self.add(id, kind, None).map(drop)
    }

    /// The numbers of what was named as a version of something that was reached, and was not reached itself.
    pub(super) fn take_held(&mut self) -> Bits {
        std::mem::take(&mut self.held)
    }

    /// Whether something was reached that the stock does not have, since it was written later.
    pub(super) fn has_left_stock(&self) -> bool {
        self.elsewhere.iter().any(|id| *id != TreeId::EMPTY.0)
    }

    /// Whether the object of a number was reached.
    pub(super) fn is_reached(&self, number: u32) -> bool {
        self.reached.has(number)
    }
}

impl Seen for Marks<'_> {
    fn has(&self, id: Id) -> bool {
        match self.stock.number(id) {
            Some(number) => self.reached.has(number),
            None => self.elsewhere.contains(&id),
        }
    }

    fn add(&mut self, id: Id, kind: Kind, version: Option<Id>) -> Result<bool> {
        let Some(number) = self.stock.number(id) else {
            // git knows the empty tree without storing it.
            if !self.elsewhere.contains(&id) && id != TreeId::EMPTY.0 && !self.store.contains(id)? {
                return if self.is_lenient { Ok(false) } else { Err(Error::Missing { id, kind: Some(kind) }) };
            }
            return Ok(self.elsewhere.insert(id));
        };
        if !self.reached.add(number) {
            return Ok(false);
        }
        self.stock.release(&mut self.looked_at);
        if matches!(self.stock.spot(number), Spot::Packed(pack, _) if pack.is_kept) {
            return Ok(true);
        }
        self.order.list(kind).push(number);
        if let Some(version) = version.and_then(|version| self.stock.number(version))
            && let Some(slot) = self.versions.get_mut(number as usize)
        {
            *slot = version;
            if !self.reached.has(version) {
                self.held.add(version);
            }
        }
        Ok(true)
    }
}
