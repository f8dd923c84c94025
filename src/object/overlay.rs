//! A set of objects in memory on top of another one, which stays as it is.
//!
//! For work whose steps nobody keeps: only what the result needs is written to a set that lasts.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Error, Id, IdMap, IdSet, Kind, Object, Objects, Tree, TreeId, hash, of_kind};

/// What was put, on top of a lower set that is only read. Can be shared between threads.
///
/// Whatever is put is kept until the overlay is dropped, even where the lower set has it as well: asking that set each
/// time would cost more than keeping it.
#[derive(Debug)]
pub struct Overlay<'a, O: ?Sized> {
    lower: &'a O,
    own: Mutex<IdMap<Own>>,
}

/// An object of the overlay's own, and the one that it is likely to resemble.
#[derive(Debug)]
struct Own {
    content: Content,
    predecessor: Option<Id>,
}

/// Trees are kept as they are read: those that are put are mostly asked for soon.
#[derive(Clone, Debug)]
enum Content {
    Tree(Arc<Tree>),
    Other(Arc<Object>),
}

impl Content {
    fn kind(&self) -> Kind {
        match self {
            Content::Tree(_) => Kind::Tree,
            Content::Other(object) => object.kind,
        }
    }

    fn body(&self) -> &[u8] {
        match self {
            Content::Tree(tree) => tree.body(),
            Content::Other(object) => &object.body,
        }
    }

    fn object(&self) -> Object {
        Object { kind: self.kind(), body: self.body().to_vec() }
    }
}

impl<'a, O: Objects + ?Sized> Overlay<'a, O> {
    /// Nothing yet, on top of `lower`.
    pub fn new(lower: &'a O) -> Self {
        Overlay { lower, own: Mutex::new(IdMap::default()) }
    }

    /// How many objects were put.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether none was put.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Puts into another set what was put here and can be reached from this tree: what an object leads to comes before
    /// it. Objects of the lower set are not looked at, so what they lead to must be in it. Errors are those of `into`.
    pub fn write_reachable(&self, root: TreeId, into: &(impl Objects + ?Sized)) -> Result<(), Error> {
        for id in self.reachable(root.0) {
            if let Some(content) = self.content(id) {
                into.put_after(content.kind(), content.body(), self.lower_predecessor(id))?;
            }
        }
        Ok(())
    }

    /// The overlay's own objects that can be reached, each behind those that it leads to.
    fn reachable(&self, root: Id) -> Vec<Id> {
        let (mut seen, mut found) = (IdSet::default(), Vec::new());
        // An object is met twice: when what it leads to is still to come, and when that is done.
        let mut todo = vec![(root, false)];
        while let Some((id, is_done)) = todo.pop() {
            if is_done {
                found.push(id);
                continue;
            }
            let Some(content) = self.content(id) else { continue };
            if seen.insert(id) {
                todo.push((id, true));
                if let Content::Tree(tree) = content {
                    todo.extend(tree.iter().map(|entry| (entry.id, false)));
                }
            }
        }
        found
    }

    /// The object that this one is likely to resemble, of those that the lower set has.
    fn lower_predecessor(&self, id: Id) -> Option<Id> {
        let own = self.lock();
        let mut seen = IdSet::default();
        let mut at = own.get(&id)?.predecessor?;
        while let Some(next) = own.get(&at) {
            // What was put again under other circumstances may come before itself.
            if !seen.insert(at) {
                return None;
            }
            at = next.predecessor?;
        }
        Some(at)
    }

    fn content(&self, id: Id) -> Option<Content> {
        self.lock().get(&id).map(|own| own.content.clone())
    }

    // The map is whole after every call on it, so a thread that panicked elsewhere takes nothing from the others.
    fn lock(&self) -> MutexGuard<'_, IdMap<Own>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<O: Objects + ?Sized> Objects for Overlay<'_, O> {
    fn get(&self, id: Id) -> Result<Option<Object>, Error> {
        match self.content(id) {
            Some(content) => Ok(Some(content.object())),
            None => self.lower.get(id),
        }
    }

    fn require(&self, id: Id, kind: Kind) -> Result<Vec<u8>, Error> {
        match self.content(id) {
            Some(content) => of_kind(Some(content.object()), id, kind),
            None => self.lower.require(id, kind),
        }
    }

    fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
        self.put_after(kind, body, None)
    }

    fn put_after(&self, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<Id, Error> {
        let id = hash(kind, body);
        if self.lock().contains_key(&id) {
            return Ok(id);
        }
        let object = || Content::Other(Arc::new(Object { kind, body: body.to_vec() }));
        let content = match kind {
            Kind::Tree => Tree::parse(body.to_vec()).map_or_else(|_| object(), |tree| Content::Tree(Arc::new(tree))),
            _ => object(),
        };
        self.lock().entry(id).or_insert(Own { content, predecessor });
        Ok(id)
    }

    fn tree(&self, id: TreeId) -> Result<Arc<Tree>, Error> {
        match self.content(id.0) {
            None => self.lower.tree(id),
            Some(Content::Tree(tree)) => Ok(tree),
            Some(Content::Other(object)) if object.kind == Kind::Tree => {
                Tree::parse(object.body.clone()).map(Arc::new).map_err(|error| error.of_object(id.0))
            }
            Some(Content::Other(object)) => {
                Err(Error::WrongKind { id: id.0, expected: Kind::Tree, found: object.kind })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{BlobId, Entry, Memory, Mode, encode_tree};

    fn blob(objects: &impl Objects, content: &[u8]) -> Id {
        objects.put(Kind::Blob, content).unwrap()
    }

    fn tree(objects: &impl Objects, edges: &[(&str, Mode, Id)], predecessor: Option<Id>) -> TreeId {
        let edge = |&(name, mode, id): &(&str, Mode, Id)| Entry { mode, name: name.into(), id };
        let mut entries: Vec<Entry> = edges.iter().map(edge).collect();
        TreeId(objects.put_after(Kind::Tree, &encode_tree(&mut entries), predecessor).unwrap())
    }

    /// Objects in memory that note what is put, and after what.
    #[derive(Default)]
    struct Noting {
        objects: Memory,
        puts: Mutex<Vec<(Id, Option<Id>)>>,
    }

    impl Objects for Noting {
        fn get(&self, id: Id) -> Result<Option<Object>, Error> {
            self.objects.get(id)
        }

        fn put(&self, kind: Kind, body: &[u8]) -> Result<Id, Error> {
            self.put_after(kind, body, None)
        }

        fn put_after(&self, kind: Kind, body: &[u8], predecessor: Option<Id>) -> Result<Id, Error> {
            let id = self.objects.put(kind, body)?;
            self.puts.lock().unwrap().push((id, predecessor));
            Ok(id)
        }
    }

    #[test]
    fn both_sets_are_read_and_the_lower_one_stays() {
        let lower = Memory::new();
        let old = blob(&lower, b"old");
        let folder = tree(&lower, &[("blob", Mode::Blob, old)], None);
        let overlay = Overlay::new(&lower);
        assert!(overlay.is_empty());
        let new = blob(&overlay, b"new");
        assert_eq!(blob(&overlay, b"new"), new);
        let root = tree(&overlay, &[("a", Mode::Tree, folder.0), ("blob", Mode::Blob, new)], None);
        assert_eq!((overlay.len(), lower.len()), (2, 2));
        assert_eq!(overlay.blob(BlobId(old)).unwrap(), b"old");
        assert_eq!(overlay.blob(BlobId(new)).unwrap(), b"new");
        assert_eq!(overlay.tree(root).unwrap().len(), 2);
        assert_eq!(overlay.tree(folder).unwrap().len(), 1);
        assert_eq!(overlay.get(root.0).unwrap().unwrap().id(), root.0);
        assert!(overlay.get(Id::ZERO).unwrap().is_none());
        assert!(lower.get(new).unwrap().is_none());
    }

    #[test]
    fn only_what_is_reached_is_written_and_what_it_leads_to_comes_first() {
        let lower = Noting::default();
        let old = tree(&lower, &[("blob", Mode::Blob, blob(&lower, b"old"))], None);
        let overlay = Overlay::new(&lower);
        let step = tree(&overlay, &[("blob", Mode::Blob, blob(&overlay, b"a step"))], Some(old.0));
        let content = blob(&overlay, b"kept");
        let leaf = tree(&overlay, &[("blob", Mode::Blob, content)], Some(step.0));
        let root =
            tree(&overlay, &[("a", Mode::Tree, leaf.0), ("b", Mode::Tree, old.0), ("c", Mode::Tree, leaf.0)], None);
        lower.puts.lock().unwrap().clear();
        overlay.write_reachable(root, &lower).unwrap();
        assert_eq!(*lower.puts.lock().unwrap(), [(content, None), (leaf.0, Some(old.0)), (root.0, None)]);
        overlay.write_reachable(old, &lower).unwrap();
        assert_eq!(lower.puts.lock().unwrap().len(), 3, "a tree of the lower set alone needs nothing");
    }

    #[test]
    fn predecessors_in_a_circle_lead_nowhere() {
        let memory = Memory::new();
        let overlay = Overlay::new(&memory);
        let one = hash(Kind::Blob, b"1");
        let two = overlay.put_after(Kind::Blob, b"2", Some(one)).unwrap();
        overlay.put_after(Kind::Blob, b"1", Some(two)).unwrap();
        assert_eq!(overlay.lower_predecessor(two), None);
    }

    #[test]
    fn what_is_no_tree_is_an_error() {
        let memory = Memory::new();
        let overlay = Overlay::new(&memory);
        let content = blob(&overlay, b"x");
        let broken = overlay.put(Kind::Tree, b"x").unwrap();
        let text = |id| overlay.tree(TreeId(id)).unwrap_err().to_string();
        assert_eq!(text(content), format!("{content} is a blob, not a tree"));
        assert_eq!(text(broken), format!("object {broken} is damaged: not a tree: an entry has no mode"));
        assert_eq!(text(Id::ZERO), format!("tree {} is missing", Id::ZERO));
    }
}
