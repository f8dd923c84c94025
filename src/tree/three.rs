//! Comparing three trees: what makes the merged tree of the left one.
//!
//! What the right side has as the base has it is passed over unread, so that changes of the left side alone cost
//! nothing. What the left side has as the base has it, a whole folder or a whole part, is replaced unread. Only what both
//! changed is gone into. Where that is much, several threads share it, folder by folder: no edit of one depends on those of
//! another.

use super::cores::cores;
use super::cursor::Cursor;
use super::diff::next_pair;
use super::edit::Action;
use super::folder::Folder;
use super::list::{key, push};
use super::pool::{Pool, Task};
use super::{Document, Edit, Edits, Key, Result};
use crate::object::{Objects, TreeId};

/// What stands at one path on the three sides: the base, the left one, the right one.
pub(crate) type Sides<T> = [Option<T>; 3];

/// After so many folders there is enough to do for several threads.
const ALONE: usize = 64;
/// Folders that are more than so many levels deep are not given to other threads.
const NEAR: usize = 16;

/// The edits that bring to the left tree what the right one changed since the base.
///
/// `merge` is called for documents that the right side changed in folders that both sides changed, in any order and on
/// several threads where there are many: what it answers becomes one of the edits. The edits are for the left tree alone:
/// they may put parts into it.
pub(crate) fn merge_edits<O: Objects + Sync + ?Sized>(
    objects: &O,
    trees: [TreeId; 3],
    merge: impl Fn(&Key, Sides<Document>) -> Result<Option<Edit>> + Sync,
) -> Result<Edits> {
    let threads = cores();
    merge_edits_on(threads, ALONE, objects, trees, merge)
}

/// The same on so many threads at most, from so many folders on. What is answered does not depend on either.
pub(super) fn merge_edits_on<O: Objects + Sync + ?Sized>(
    threads: usize,
    alone: usize,
    objects: &O,
    trees: [TreeId; 3],
    merge: impl Fn(&Key, Sides<Document>) -> Result<Option<Edit>> + Sync,
) -> Result<Edits> {
    // The empty tree need not be stored to be known.
    let first = Task { path: String::new(), sides: trees.map(|id| Some(id).filter(|&id| id != TreeId::EMPTY)) };
    let pool = Pool::new(first);
    let walk =
        |alone| Walk { objects, path: String::new(), stack: Vec::new(), edits: Edits::new(), merge: &merge, alone };
    std::thread::scope(|scope| {
        let mut others = Vec::new();
        let mut start = || {
            // Where there can be no more threads, this one does it all.
            others.extend((1..threads).map_while(|_| {
                pool.join();
                let work = || walk(usize::MAX).run(&pool, &mut || ());
                std::thread::Builder::new().spawn_scoped(scope, work).inspect_err(|_| pool.leave()).ok()
            }));
        };
        let mut found = walk(alone).run(&pool, &mut start);
        for thread in others {
            let edits = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            found = found.and_then(|mut all| {
                all.append(edits?);
                Ok(all)
            });
        }
        found
    })
}

struct Walk<'a, O: ?Sized, F> {
    objects: &'a O,
    /// The path of the folder at the top of the stack, or of its child.
    path: String,
    stack: Vec<Frame<'a, O>>,
    edits: Edits,
    merge: &'a F,
    /// After so many folders there are many.
    alone: usize,
}

impl<'a, O: Objects + ?Sized, F: Fn(&Key, Sides<Document>) -> Result<Option<Edit>>> Walk<'a, O, F> {
    /// Walks folders of the pool until there are none; `many` is called when there seem to be many.
    fn run(mut self, pool: &Pool, many: &mut dyn FnMut()) -> Result<Edits> {
        let _end = pool.end_on_panic();
        while let Some(task) = pool.take() {
            self.path = task.path;
            self.walk(task.sides, pool, many).inspect_err(|_| pool.stop())?;
        }
        Ok(self.edits)
    }

    /// Walks a folder, but for folders in it that other threads take.
    fn walk(&mut self, sides: Sides<TreeId>, pool: &Pool, many: &mut dyn FnMut()) -> Result<()> {
        self.open(sides)?;
        while let Some(frame) = self.stack.last_mut() {
            self.path.truncate(frame.len);
            match frame.next(&mut self.path, &mut self.edits)? {
                None => drop(self.stack.pop()),
                Some(child) if is_to_open(&self.path, child, &mut self.edits)? => {
                    self.open(child)?;
                    self.alone = self.alone.saturating_sub(1);
                    if self.alone == 0 {
                        many();
                        self.alone = usize::MAX;
                    }
                }
                Some(_) => {}
            }
            if pool.is_hungry() {
                self.give_away(pool)?;
            }
        }
        Ok(())
    }

    /// Gives a folder to another thread: one as near to the root as there is, since much is likely to be in it.
    fn give_away(&mut self, pool: &Pool) -> Result<()> {
        let mut path = String::new();
        for frame in self.stack.iter_mut().take(NEAR) {
            path.clear();
            path.push_str(&self.path[..frame.len]);
            while let Some(sides) = frame.next(&mut path, &mut self.edits)? {
                if is_to_open(&path, sides, &mut self.edits)? {
                    pool.give(Task { path, sides });
                    return Ok(());
                }
                path.truncate(frame.len);
            }
        }
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

/// Takes in a folder that differs between the base and the right side; answers whether it has to be gone into.
fn is_to_open(path: &str, [base, left, right]: Sides<TreeId>, edits: &mut Edits) -> Result<bool> {
    if left == right {
        return Ok(false);
    }
    if left != base {
        return Ok(true);
    }
    edits.push(&key(path, right.or(base).unwrap_or(TreeId::EMPTY))?, right.map_or(Edit::RemoveFolder, Edit::PutFolder));
    Ok(false)
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
