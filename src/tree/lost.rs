//! Which documents of a root tree cannot be read.

use std::sync::Arc;

use super::folder::Edge;
use super::key::Key;
use crate::object::{Id, Kind, Objects, Tree, TreeId};

/// What is known of objects by who asks which documents are lost.
pub(crate) trait Soundness: Objects {
    /// Whether an object is there and whole.
    fn is_sound(&self, id: Id) -> bool;

    /// Whether a tree was found to have lost nothing below it.
    fn is_clean(&self, id: TreeId) -> bool;

    /// Notes that a tree has lost nothing below it.
    fn set_clean(&self, id: TreeId);
}

/// A tree on the way from the root.
struct Frame {
    id: TreeId,
    tree: Arc<Tree>,
    next: usize,
    /// The length of the path to the folder: its names, each with a slash behind it.
    path: usize,
    is_whole: bool,
}

/// Tells `lost` of everything below a root tree that cannot be read: the key of a document with the blob, or that of a
/// folder with its tree (or a part's), all below which is lost. The root's own key is `None`. Trees that are clean are
/// not read.
pub(crate) fn lost<O: Soundness>(objects: &O, root: TreeId, lost: &mut dyn FnMut(Option<&Key>, Kind, Id)) {
    let mut path = String::new();
    let mut frames = Vec::new();
    let mut next = Some((root, 0));
    loop {
        if let Some((id, len)) = next.take().filter(|(id, _)| !objects.is_clean(*id)) {
            match objects.tree(id) {
                Ok(tree) => frames.push(Frame { id, tree, next: 0, path: len, is_whole: true }),
                Err(_) => {
                    lost(Key::from_path(&path[..len]).as_ref(), Kind::Tree, id.0);
                    spoil(&mut frames);
                }
            }
        }
        let Some(frame) = frames.last_mut() else { return };
        path.truncate(frame.path);
        let Some(entry) = frame.tree.entry(frame.next) else {
            if frame.is_whole {
                objects.set_clean(frame.id);
                frames.pop();
            } else {
                frames.pop();
                spoil(&mut frames);
            }
            continue;
        };
        frame.next += 1;
        match Edge::of(&entry) {
            Edge::Blob => {
                if !objects.is_sound(entry.id) {
                    lost(Key::from_path(&path).as_ref(), Kind::Blob, entry.id);
                    frame.is_whole = false;
                }
            }
            Edge::Conflict => {
                // The versions are contents of the document as well.
                let versions = objects.tree(TreeId(entry.id));
                let kind = if versions.is_ok() { Kind::Blob } else { Kind::Tree };
                let ids: Vec<Id> = match &versions {
                    Ok(tree) => tree.iter().map(|version| version.id).filter(|id| !objects.is_sound(*id)).collect(),
                    Err(_) => vec![entry.id],
                };
                for id in ids {
                    lost(Key::from_path(&path).as_ref(), kind, id);
                    frame.is_whole = false;
                }
            }
            Edge::Part(_) => next = Some((TreeId(entry.id), path.len())),
            Edge::Child(name) => {
                // What is no name is no key either; fsck tells of it.
                let Ok(name) = std::str::from_utf8(name) else { continue };
                path.push_str(name);
                path.push('/');
                next = Some((TreeId(entry.id), path.len()));
            }
            Edge::Foreign => {}
        }
    }
}

fn spoil(frames: &mut [Frame]) {
    if let Some(frame) = frames.last_mut() {
        frame.is_whole = false;
    }
}
