//! Moving loose refs into `packed-refs`, and deleted ones out of it.
//!
//! The order that keeps every ref in one of the two places at any moment, for readers and for a power cut: a ref is
//! durable in `packed-refs` before its own file goes, and gone from `packed-refs`, durably, before its own file goes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::{Marks, WriteLock};
use super::packed::{self, Line};
use super::{Error, RefName, RefValue, Result, io_error};
use crate::object::Id;

impl WriteLock<'_> {
    /// Moves all loose refs into `packed-refs`. `peel` tells what an annotated tag leads to.
    ///
    /// # Errors
    /// When a lock stays taken or the disk fails; the refs are whole either way.
    pub fn pack(&self, peel: &dyn Fn(Id) -> Option<Id>) -> Result<()> {
        let refs = self.refs;
        let path = refs.root.join("packed-refs");
        // Held until the end: while it is, git deletes no ref, so none that is removed here is missing there.
        let mut marks = self.marks();
        self.mark(&mut marks, &path, self.patience)?;
        let packed = refs.packed()?;
        let mut lines: BTreeMap<String, Line> =
            packed.lines("")?.into_iter().map(|line| (line.name.clone(), line)).collect();
        if !packed.is_fully_peeled() {
            lines.values_mut().for_each(|line| line.peeled = peel(line.id));
        }
        let mut moved = Vec::new();
        for name in refs.loose_names("refs/")? {
            if let Some(RefValue::Id(id)) = refs.read_loose(&name)? {
                let line = Line { name: name.as_str().to_owned(), id, peeled: peel(id) };
                lines.insert(line.name.clone(), line);
                moved.push((name, id));
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        self.write_packed(&path, &lines.into_values().collect::<Vec<_>>(), true)?;
        self.sync_root()?;
        for (name, id) in moved {
            let path = refs.path(&name);
            let mut mark = self.marks();
            match self.mark(&mut mark, &path, Duration::ZERO) {
                // git is at this ref, and may be waiting for packed-refs: the ref stays loose.
                Err(Error::Locked { .. }) => continue,
                marked => marked?,
            }
            if refs.read_loose(&name)? == Some(RefValue::Id(id)) {
                refs.disk.remove(&path).map_err(io_error(&path))?;
            }
        }
        Ok(())
    }

    /// Takes refs that are to be deleted out of `packed-refs`. What the caller must still make durable comes to
    /// `changed`.
    pub(super) fn unpack(
        &self,
        marks: &mut Marks<'_>,
        deleted: &BTreeSet<&RefName>,
        changed: &mut BTreeSet<PathBuf>,
    ) -> Result<()> {
        if deleted.is_empty() {
            return Ok(());
        }
        let path = self.refs.root.join("packed-refs");
        self.mark(marks, &path, self.patience)?;
        let packed = self.refs.packed()?;
        let mut lines = packed.lines("")?;
        let count = lines.len();
        let names: BTreeSet<&str> = deleted.iter().map(|name| name.as_str()).collect();
        lines.retain(|line| !names.contains(line.name.as_str()));
        if lines.len() == count {
            return Ok(());
        }
        self.write_packed(&path, &lines, packed.is_fully_peeled())?;
        changed.insert(self.refs.root.clone());
        for name in deleted {
            if self.refs.read_loose(name)?.is_some() {
                // Its own file goes next, and must not go first. A ref without one is deleted by now, and its
                // flush is the caller's.
                return self.sync_root();
            }
        }
        Ok(())
    }

    pub(super) fn sync_root(&self) -> Result<()> {
        let root = &self.refs.root;
        self.refs.disk.sync(std::slice::from_ref(root)).map_err(io_error(root))
    }

    /// Writes `packed-refs` anew; its mark is held, and its name is not durable yet.
    pub(super) fn write_packed(&self, path: &Path, lines: &[Line], is_fully_peeled: bool) -> Result<()> {
        let disk = &self.refs.disk;
        let temporary = self.write_temporary(&packed::encode(lines, is_fully_peeled))?;
        let named = disk.sync(std::slice::from_ref(&temporary)).and_then(|()| disk.rename(&temporary, path));
        named
            .inspect_err(|_| {
                let _ = disk.remove(&temporary);
            })
            .map_err(io_error(path))
    }
}
