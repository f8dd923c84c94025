//! What one change costs in objects read and written: it follows the change, not the folder's size.

use std::sync::Mutex;

use super::model;
use crate::object::{BlobId, Error, Id, Kind, Memory, Object, Objects, TreeId};
use crate::tree::{Edit, Edits, Key, Tree};

/// How many bytes of objects were read and written.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cost {
    read: usize,
    written: usize,
}

/// Objects in memory that count.
#[derive(Default)]
struct Counted {
    objects: Memory,
    cost: Mutex<Cost>,
}

impl Counted {
    /// What was read and written since this was last asked.
    fn take(&self) -> Cost {
        std::mem::take(&mut self.cost.lock().unwrap())
    }
}

impl Objects for Counted {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        let object = self.objects.get(id)?;
        self.cost.lock().unwrap().read += object.as_ref().map_or(0, |object| object.body.len());
        Ok(object)
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        self.cost.lock().unwrap().written += body.len();
        self.objects.put(kind, body)
    }
}

fn key(i: usize) -> Key {
    format!("item-{i:07}").parse().unwrap()
}

fn document(content: u8) -> Edit {
    Edit::Put(BlobId(Id::from_bytes([content; 32])).into())
}

/// One folder of so many documents.
fn large(objects: &Counted, count: usize) -> TreeId {
    let empty = TreeId(objects.put(Kind::Tree, b"").unwrap());
    let tree = Tree::new(objects, empty).edit(&(0..count).map(|i| (key(i), document(1))).collect()).unwrap();
    objects.take();
    tree.id()
}

/// Makes an edit at places all over a folder of `count`, and sees what one costs, and one diff of it.
///
/// Sizes of parts differ as waiting times do: so the bound is for the mean, and a looser one for the worst.
fn check_single_edits(count: usize) {
    let objects = &Counted::default();
    let old = Tree::new(objects, large(objects, count));
    let edits = |i: usize| {
        [(key(i), document(2)), (format!("{}-new", key(i)).parse().unwrap(), document(2)), (key(i), Edit::Remove)]
    };
    let places: Vec<usize> = (0..100).map(|i| i * (count / 100) + i).collect();
    let mut costs = Vec::new();
    for edit in places.iter().flat_map(|&i| edits(i)) {
        let new = old.edit(&Edits::from_iter([edit])).unwrap();
        let Cost { read, written } = objects.take();
        assert_eq!(old.diff(&new, None).unwrap().count(), 1);
        costs.push((read + written, objects.take().read));
    }
    let mean = |of: fn(&(usize, usize)) -> usize| costs.iter().map(of).sum::<usize>() / costs.len();
    let worst = |of: fn(&(usize, usize)) -> usize| costs.iter().map(of).max().unwrap();
    let (edit, diff) = (mean(|cost| cost.0), mean(|cost| cost.1));
    assert!(edit < 40_000 && diff < 40_000, "an edit costs {edit} bytes, a diff {diff}");
    let (edit, diff) = (worst(|cost| cost.0), worst(|cost| cost.1));
    assert!(edit < 90_000 && diff < 80_000, "an edit costs up to {edit} bytes, a diff {diff}");
}

#[test]
fn one_edit_among_a_hundred_thousand() {
    check_single_edits(100_000);
}

#[test]
#[ignore = "slow without optimisation: run with --release"]
fn one_edit_among_a_million() {
    check_single_edits(1_000_000);
}

#[test]
fn the_folder_s_own_document_costs_one_tree() {
    let objects = &Counted::default();
    let inner = large(objects, 5000);
    let name = |i: usize| format!("f/item-{i:07}").parse().unwrap();
    let empty = Tree::new(objects, TreeId(objects.put(Kind::Tree, b"").unwrap()));
    let tree = empty.edit(&(0..5000).map(|i| (name(i), document(1))).collect()).unwrap();
    assert_eq!(tree.folder(Some(&"f".parse().unwrap())).unwrap(), Some(inner));
    let own = objects.tree(inner).unwrap().body().len();
    let root = objects.tree(tree.id()).unwrap().body().len();
    objects.take();
    tree.edit(&Edits::from_iter([("f".parse().unwrap(), document(2))])).unwrap();
    let with_document = own + b"100644 blob\0".len() + 32;
    assert_eq!(objects.take(), Cost { read: root + own, written: root + with_document });
}

/// One name more can put a level of parts above all others: those below are still seen to be the same.
#[test]
fn a_folder_that_grew_by_a_level_is_compared_by_its_parts() {
    let objects = &Counted::default();
    let level = |i: &usize| model::level(format!("item-{i:07}").as_bytes());
    let cut = (10_000..).find(|i| level(i) == 2).unwrap();
    let low = (0..20_000).filter(|i| level(i) < 2).map(|i| (key(i), document(1))).collect();
    let empty = Tree::new(objects, TreeId(objects.put(Kind::Tree, b"").unwrap()));
    let old = empty.edit(&low).unwrap();
    let new = old.edit(&Edits::from_iter([(key(cut), document(1))])).unwrap();
    let edges = |tree: &Tree<'_, Counted>| objects.tree(tree.id()).unwrap().len();
    assert!(edges(&old) > 500 && edges(&new) == 2);
    let tops = 2 * objects.tree(old.id()).unwrap().body().len();
    for (one, other) in [(old, new), (new, old)] {
        objects.take();
        assert_eq!(one.diff(&other, None).unwrap().count(), 1);
        let read = objects.take().read;
        assert!(read < tops + tops / 2, "{read} bytes, of which all edges to parts are {tops}");
    }
}

#[test]
fn equal_documents_are_not_compared() {
    let objects = &Counted::default();
    let root = large(objects, 1000);
    let tree = Tree::new(objects, root);
    assert_eq!(tree.diff(&tree, None).unwrap().count(), 0);
    assert_eq!(objects.take(), Cost::default());
}
