//! Editing: sorted changes applied to a tree, writing only the folders and parts that change.

use super::folder::{self, Edge, Folder, Span};
use super::part::{self, MAX_HEIGHT};
use super::{Document, Error, Key, Result};
use crate::object::{self, Kind, Objects, TreeId, tree_order};

/// What becomes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The key holds this document from now on. A conflict that was there is resolved, unless the document brings one.
    Put(Document),
    /// There is no document at the key any more. Nothing happens when there was none.
    Remove,
    /// There is no document at the key nor below it any more, but for those that the same changes put there.
    RemoveFolder,
}

/// Keys with more segments than this are edited on a stack of their own: one level of large folders costs up to ten
/// kilobytes of stack in a debug build, and a key can have 2,048 segments.
const DEEP: usize = 64;
const DEEP_STACK: usize = 64 << 20;

/// The root tree with these changes.
pub(super) fn edit<O: Objects + Sync + ?Sized>(
    objects: &O,
    root: TreeId,
    mut edits: Vec<(Key, Edit)>,
) -> Result<TreeId> {
    // The sort is stable: of several edits of one key the last stays last.
    edits.sort_by(|a, b| a.0.cmp(&b.0));
    keep_last_of_each(&mut edits);
    let run = || {
        let new = edit_folder(objects, Some(root), &edits, 0)?;
        match new {
            Some(id) => Ok(id),
            None => Ok(TreeId(objects.put(Kind::Tree, b"")?)),
        }
    };
    if edits.iter().all(|(key, _)| key.path().len() < 2 * DEEP || key.depth() <= DEEP) {
        return run();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, run);
        match thread.map(|t| t.join()) {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(source) => Err(object::Error::Io { path: "a thread with a large stack".into(), source }.into()),
        }
    })
}

/// Keeps only the last of the edits of one key, sorted; but what follows the removal of its folder stays behind it.
fn keep_last_of_each(edits: &mut Vec<(Key, Edit)>) {
    edits.dedup_by(|(key, edit), (kept, last)| {
        if key != kept || *last == Edit::RemoveFolder {
            return false;
        }
        *last = *edit;
        true
    });
}

/// Edits one folder: all of `edits` lie at or below it, and the folder's path takes the first `depth` bytes of each.
/// `None` when nothing is left in it.
fn edit_folder<O: Objects + ?Sized>(
    objects: &O,
    old: Option<TreeId>,
    edits: &[(Key, Edit)],
    depth: usize,
) -> Result<Option<TreeId>> {
    let here = edits.iter().take_while(|(key, _)| key.path().len() == depth).count();
    let cleared = edits[..here].iter().any(|(_, edit)| *edit == Edit::RemoveFolder);
    let (id, folder) = match old.filter(|_| !cleared) {
        Some(id) => (id, Folder::load(objects, id)?),
        None => (TreeId::EMPTY, Folder::empty()),
    };
    let mut document = folder.document;
    for (_, edit) in &edits[..here] {
        document = match edit {
            Edit::Put(new) => Some(*new),
            Edit::Remove | Edit::RemoveFolder => None,
        };
    }
    let children = by_child(&edits[here..], depth);
    if children.is_empty() {
        let is_empty = document.is_none() && folder.tree.iter().all(|e| Edge::of(&e).is_of_document());
        let write = || folder::write_document(objects, (id, &folder.tree), document);
        return if is_empty { Ok(None) } else { write().map(Some) };
    }
    let mut spans = Vec::new();
    spread(objects, (id, &folder.tree), &children, MAX_HEIGHT, &mut spans)?;
    let spans = part::regroup(objects, spans)?;
    if spans.is_empty() && document.is_none() {
        return Ok(None);
    }
    folder::write(objects, &spans, document).map(Some)
}

/// The edits at or below one child.
struct ChildEdits<'e> {
    name: &'e [u8],
    edits: &'e [(Key, Edit)],
    depth: usize,
}

fn by_child(mut edits: &[(Key, Edit)], depth: usize) -> Vec<ChildEdits<'_>> {
    let mut children = Vec::new();
    while let Some((key, _)) = edits.first() {
        let path = &key.path().as_bytes()[depth..];
        let end = path.iter().position(|&byte| byte == b'/').expect("a path ends in a slash");
        let is_same = |(key, _): &&(Key, Edit)| key.path().as_bytes()[depth..].starts_with(&path[..=end]);
        let (mine, others) = edits.split_at(edits.iter().take_while(is_same).count());
        children.push(ChildEdits { name: &path[..end], edits: mine, depth: depth + end + 1 });
        edits = others;
    }
    children
}

/// A folder's tree or a part, read.
type Listed<'t> = (TreeId, &'t object::Tree);

/// The height of a part that has not been read: known when the list that holds it has been gone through.
const UNKNOWN: u32 = u32::MAX;

/// Applies edits, at least one, to the children that a tree lists: what no edit touches is passed on unread.
/// Answers how many levels of parts lie between the tree and the children, which must be at most `limit`.
fn spread<O: Objects + ?Sized>(
    objects: &O,
    listed: Listed<'_>,
    edits: &[ChildEdits<'_>],
    limit: u32,
    out: &mut Vec<Span>,
) -> Result<u32> {
    if folder::first_part(listed.1).is_some() {
        spread_parts(objects, listed, edits, limit, out)
    } else {
        spread_children(objects, listed, edits, out).map(|()| 0)
    }
}

fn spread_parts<O: Objects + ?Sized>(
    objects: &O,
    (id, tree): Listed<'_>,
    mut edits: &[ChildEdits<'_>],
    limit: u32,
    out: &mut Vec<Span>,
) -> Result<u32> {
    if limit == 0 {
        return Err(Error::Format { id, reason: "its parts are nested too deeply".into() });
    }
    let start = out.len();
    let mut below = None;
    let mut edges = tree.iter().filter(|e| !Edge::of(e).is_of_document()).peekable();
    while let Some(entry) = edges.next() {
        if !matches!(Edge::of(&entry), Edge::Part(_)) {
            return Err(folder::misplaced(id, &entry));
        }
        // A part holds its first child and all up to the next part's; the first part also all before it.
        let mine = match edges.peek().map(Edge::of) {
            Some(Edge::Part(next)) => edits.partition_point(|e| before(e.name, next)),
            _ => edits.len(),
        };
        let (now, later) = edits.split_at(mine);
        edits = later;
        let part = TreeId(entry.id);
        if now.is_empty() {
            out.push(Span { edge: entry.name.to_vec(), id: part, height: UNKNOWN });
            continue;
        }
        let height = spread(objects, (part, &*objects.tree(part)?), now, limit - 1, out)?;
        if *below.get_or_insert(height) != height {
            return Err(folder::uneven(id));
        }
    }
    let height = below.expect("each edit lies in some part") + 1;
    for span in &mut out[start..] {
        if span.height == UNKNOWN {
            span.height = height;
        }
    }
    Ok(height)
}

fn spread_children<O: Objects + ?Sized>(
    objects: &O,
    (id, tree): Listed<'_>,
    mut edits: &[ChildEdits<'_>],
    out: &mut Vec<Span>,
) -> Result<()> {
    for entry in tree.iter().filter(|e| !Edge::of(e).is_of_document()) {
        let Edge::Child(name) = Edge::of(&entry) else { return Err(folder::misplaced(id, &entry)) };
        let (new, later) = edits.split_at(edits.iter().take_while(|e| before(e.name, name)).count());
        edits = later;
        add(objects, new, out)?;
        let mut child = Some(TreeId(entry.id));
        if let Some(edit) = edits.first().filter(|e| e.name == name) {
            edits = &edits[1..];
            child = edit_folder(objects, child, edit.edits, edit.depth)?;
        }
        out.extend(child.map(|id| Span { edge: name.to_vec(), id, height: 0 }));
    }
    add(objects, edits, out)
}

/// Adds children that were not there.
fn add<O: Objects + ?Sized>(objects: &O, edits: &[ChildEdits<'_>], out: &mut Vec<Span>) -> Result<()> {
    for child in edits {
        if let Some(id) = edit_folder(objects, None, child.edits, child.depth)? {
            out.push(Span { edge: child.name.to_vec(), id, height: 0 });
        }
    }
    Ok(())
}

fn before(a: &[u8], b: &[u8]) -> bool {
    tree_order((a, true), (b, true)).is_lt()
}
