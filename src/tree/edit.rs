//! Editing: sorted changes applied to a tree, writing only the folders and parts that change.

use super::folder::{self, Folder, Span};
use super::part;
use super::{Document, Error, Key, Result};
use crate::object::{Kind, Objects, TreeId, tree_order};

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

/// Keys with more segments than this are edited on a stack of their own: one level of folders costs a few
/// kilobytes of stack in a debug build, and a key can have 2,048 segments.
const DEEP: usize = 128;
const DEEP_STACK: usize = 64 << 20;

/// The root tree with these changes.
pub(super) fn edit<O: Objects + Sync + ?Sized>(
    objects: &O,
    root: TreeId,
    mut edits: Vec<(Key, Edit)>,
) -> Result<TreeId> {
    // The sort is stable: of several edits of one key the last stays last.
    edits.sort_by(|a, b| a.0.cmp(&b.0));
    let edits = last_of_each(edits);
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
            Err(source) => Err(crate::object::Error::Io { path: "a thread with a large stack".into(), source }.into()),
        }
    })
}

/// Of the edits of one key, sorted, only the last; but a put after the removal of its folder needs both.
fn last_of_each(edits: Vec<(Key, Edit)>) -> Vec<(Key, Edit)> {
    let mut kept: Vec<(Key, Edit)> = Vec::with_capacity(edits.len());
    for (key, edit) in edits {
        match kept.last_mut() {
            Some(last) if last.0 == key && last.1 == Edit::RemoveFolder => {
                if edit != Edit::Remove {
                    kept.push((key, edit));
                }
            }
            Some(last) if last.0 == key => last.1 = edit,
            _ => kept.push((key, edit)),
        }
    }
    kept
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
    let (mut document, spans) = match old.filter(|_| !cleared) {
        None => (None, Vec::new()),
        Some(id) => {
            let folder = Folder::load(objects, id)?;
            let height = height(objects, id, &folder)?;
            (folder.document, folder::spans(id, &folder.tree, height)?)
        }
    };
    for (_, edit) in &edits[..here] {
        document = match edit {
            Edit::Put(new) => Some(*new),
            Edit::Remove | Edit::RemoveFolder => None,
        };
    }
    let groups = by_child(&edits[here..], depth);
    let spans = if groups.is_empty() {
        spans
    } else {
        let mut new = Vec::new();
        spread(objects, spans, &groups, &mut new)?;
        part::regroup(objects, new)?
    };
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

fn by_child(edits: &[(Key, Edit)], depth: usize) -> Vec<ChildEdits<'_>> {
    let name = |key: &'_ Key| {
        let rest = &key.path()[depth..];
        depth + rest.find('/').expect("a path ends in a slash")
    };
    edits
        .chunk_by(|(a, _), (b, _)| a.path()[depth..name(a)] == b.path()[depth..name(b)])
        .map(|edits| {
            let end = name(&edits[0].0);
            ChildEdits { name: &edits[0].0.path().as_bytes()[depth..end], edits, depth: end + 1 }
        })
        .collect()
}

/// How many levels of parts lie above a folder's children.
fn height<O: Objects + ?Sized>(objects: &O, id: TreeId, folder: &Folder) -> Result<u32> {
    let part_in = |tree: &crate::object::Tree| {
        let edges = tree.iter().map(|e| (folder::Edge::of(&e), e.id));
        edges.filter(|(edge, _)| matches!(edge, folder::Edge::Part(_))).map(|(_, id)| TreeId(id)).next()
    };
    let mut height = 0;
    let mut part = part_in(&folder.tree);
    while let Some(inner) = part {
        height += 1;
        if height > 50 {
            return Err(Error::Format { id, reason: "its parts are nested too deeply".into() });
        }
        part = part_in(&objects.tree(inner)?);
    }
    Ok(height)
}

/// Applies edits to a list of spans: what no edit touches is passed on unread.
fn spread<O: Objects + ?Sized>(
    objects: &O,
    spans: Vec<Span>,
    mut edits: &[ChildEdits<'_>],
    out: &mut Vec<Span>,
) -> Result<()> {
    let mut spans = spans.into_iter().peekable();
    while let Some(span) = spans.next() {
        // A part holds its first child's name and all up to the next part's; the first part also all before it.
        let mine = match spans.peek() {
            _ if span.height == 0 => edits.partition_point(|e| before(e.name, &span.name)),
            Some(next) => edits.partition_point(|e| before(e.name, &next.name)),
            None => edits.len(),
        };
        let (now, later) = edits.split_at(mine);
        edits = later;
        if span.height > 0 {
            if now.is_empty() {
                out.push(span);
            } else {
                spread(objects, folder::expand(objects, &span)?, now, out)?;
            }
            continue;
        }
        add(objects, now, out)?;
        match edits.first() {
            Some(child) if child.name == span.name => {
                edits = &edits[1..];
                let new = edit_folder(objects, Some(span.id), child.edits, child.depth)?;
                out.extend(new.map(|id| Span { id, ..span }));
            }
            _ => out.push(span),
        }
    }
    add(objects, edits, out)
}

/// Adds children that were not there.
fn add<O: Objects + ?Sized>(objects: &O, edits: &[ChildEdits<'_>], out: &mut Vec<Span>) -> Result<()> {
    for child in edits {
        if let Some(id) = edit_folder(objects, None, child.edits, child.depth)? {
            out.push(Span { name: child.name.to_vec(), id, height: 0 });
        }
    }
    Ok(())
}

fn before(a: &[u8], b: &[u8]) -> bool {
    tree_order((a, true), (b, true)).is_lt()
}
