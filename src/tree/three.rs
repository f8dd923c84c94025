//! Comparing three trees: what makes the merged tree of the left one.
//!
//! What the right side has as the base has it is passed over unread, so that changes of the left side alone cost
//! nothing. What the left side has as the base has it, a whole folder or a whole part, is replaced unread. Only what both
//! changed is gone into.

use super::cursor::Cursor;
use super::diff::next_pair;
use super::edit::Action;
use super::folder::Folder;
use super::list::{key, push};
use super::{Document, Edit, Edits, Key, Result};
use crate::object::{Objects, TreeId};

/// What stands at one path on the three sides: the base, the left one, the right one.
pub(crate) type Sides<T> = [Option<T>; 3];

/// The edits that bring to the left tree what the right one changed since the base.
///
/// `merge` is called for documents that the right side changed in folders that both sides changed, in the order of their
/// keys: what it answers becomes one of the edits. The edits are for the left tree alone: they may put parts into it.
pub(crate) fn merge_edits<O: Objects + ?Sized>(
    objects: &O,
    trees: [TreeId; 3],
    merge: impl FnMut(&Key, Sides<Document>) -> Result<Option<Edit>>,
) -> Result<Edits> {
    let mut walk = Walk { objects, path: String::new(), stack: Vec::new(), edits: Edits::new(), merge };
    // The empty tree need not be stored to be known.
    walk.open(trees.map(|id| Some(id).filter(|&id| id != TreeId::EMPTY)))?;
    while let Some(frame) = walk.stack.last_mut() {
        walk.path.truncate(frame.len);
        match frame.next(&mut walk.path, &mut walk.edits)? {
            Some(child) => walk.child(child)?,
            None => {
                walk.stack.pop();
            }
        }
    }
    Ok(walk.edits)
}

struct Walk<'a, O: ?Sized, F> {
    objects: &'a O,
    /// The path of the folder at the top of the stack, or of its child.
    path: String,
    stack: Vec<Frame<'a, O>>,
    edits: Edits,
    merge: F,
}

impl<'a, O: Objects + ?Sized, F: FnMut(&Key, Sides<Document>) -> Result<Option<Edit>>> Walk<'a, O, F> {
    /// Takes in a folder that differs between the base and the right side.
    fn child(&mut self, sides: Sides<TreeId>) -> Result<()> {
        let [base, left, right] = sides;
        if left == right {
            return Ok(());
        }
        if left != base {
            return self.open(sides);
        }
        let key = key(&self.path, right.or(base).unwrap_or(TreeId::EMPTY))?;
        self.edits.push(&key, right.map_or(Edit::RemoveFolder, Edit::PutFolder));
        Ok(())
    }

    /// Takes in the document of a folder that all sides have in different ways, and begins with its children.
    fn open(&mut self, sides: Sides<TreeId>) -> Result<()> {
        let [base, left, right] = sides.map(|id| self.open_side(id));
        let [base, left, right] = [base?, left?, right?];
        let documents = [base.0, left.0, right.0];
        if documents[2] != documents[0] && documents[2] != documents[1] {
            let key = key(&self.path, sides.into_iter().flatten().last().unwrap_or(TreeId::EMPTY))?;
            if let Some(edit) = (self.merge)(&key, documents)? {
                self.edits.push(&key, edit);
            }
        }
        let (base, left, right) = (base.1, left.1, right.1);
        self.stack.push(Frame { len: self.path.len(), base, left, right, height: None });
        Ok(())
    }

    fn open_side(&self, id: Option<TreeId>) -> Result<(Option<Document>, Cursor<'a, O>)> {
        let Some(id) = id else { return Ok((None, Cursor::nowhere(self.objects))) };
        let folder = Folder::load(self.objects, id)?;
        Ok((folder.document, Cursor::of_folder(self.objects, id, folder)))
    }
}

/// A folder that is walked on three sides.
struct Frame<'a, O: ?Sized> {
    /// How long the folder's path is.
    len: usize,
    base: Cursor<'a, O>,
    left: Cursor<'a, O>,
    right: Cursor<'a, O>,
    /// How many levels of parts all sides have; within, `None` where they differ. Not known before it is needed.
    height: Option<Option<u32>>,
}

impl<O: Objects + ?Sized> Frame<'_, O> {
    /// The next child that differs between the base and the right side; its name is put behind the path.
    fn next(&mut self, path: &mut String, edits: &mut Edits) -> Result<Option<Sides<TreeId>>> {
        let Frame { len, base, left, right, height } = self;
        let pair = next_pair(base, right, path, |[base, right], [old, new], path| {
            left.advance_to_part(&new.name, right.depth())?;
            let Some(now) = left.peek()?.filter(|now| now.part && now.name == new.name) else { return Ok(false) };
            if now.id != old.id && now.id != new.id {
                return Ok(false);
            }
            let Some(height) = common_height([base, left, right], height)? else { return Ok(false) };
            if now.id != new.id {
                let mut first = path.to_owned();
                push(&mut first, new)?;
                edits.push_action(&first, Action::PutPart { id: new.id, height });
            }
            base.pass();
            right.pass();
            Ok(true)
        })?;
        let Some((old, new)) = pair else { return Ok(None) };
        let name = path[*len..].trim_end_matches('/');
        Ok(Some([old, left.advance_to_child(name.as_bytes())?, new]))
    }
}

/// The height of the parts that cursors stand at, which begin alike, if they also end alike and are of one height: then
/// they hold the same stretch of a folder, and each would stand in the place of another.
///
/// That they are followed by the same child matters, because a part may have been cut in two on one side; and a part may
/// hold but one part, so that they are of one height has to be looked at. `folder` is how many levels of parts each
/// side has, once that is known; `Some(None)` where they differ.
fn common_height<O: Objects + ?Sized>(
    cursors: [&Cursor<'_, O>; 3],
    folder: &mut Option<Option<u32>>,
) -> Result<Option<u8>> {
    let [base, left, right] = cursors;
    let is_alike = |other: &Cursor<'_, O>| other.depth() == right.depth() && other.after() == right.after();
    // A folder's first part is also where children that come before it are put.
    if !is_alike(base) || !is_alike(left) || left.is_first() && !right.is_first() {
        return Ok(None);
    }
    let levels = match *folder {
        Some(levels) => levels,
        None => {
            let levels = right.height()?;
            *folder.insert((base.height()? == levels && left.height()? == levels).then_some(levels))
        }
    };
    // A folder's own tree, at the depth of one, leads to parts of the greatest height.
    Ok(levels.and_then(|levels| u8::try_from((levels + 1).checked_sub(right.depth() as u32)?).ok()))
}
