//! Files of refs without what is damaged in them.

use std::io;
use std::path::Path;

use super::lock::WriteLock;
use super::{RefName, Result, io_error};
use crate::object::Id;

/// Is told of a file that is about to be replaced.
type Keep<'k> = &'k mut dyn FnMut(&Path) -> io::Result<()>;

impl WriteLock<'_> {
    /// Writes `packed-refs` anew without the lines that are none, if there are such, once `keep` has seen it. Answers
    /// whether there were.
    pub(crate) fn repair_packed(&self, keep: Keep<'_>) -> Result<bool> {
        let path = self.refs.root.join("packed-refs");
        let mut marks = self.marks();
        self.mark(&mut marks, &path, self.patience)?;
        let packed = self.refs.packed()?;
        let (lines, is_fully_peeled, is_damaged) = packed.sound_lines();
        if is_damaged {
            keep(&path).map_err(io_error(&path))?;
            self.write_packed(&path, &lines, is_fully_peeled)?;
            self.sync_root()?;
        }
        Ok(is_damaged)
    }

    /// Writes a ref's log anew without the lines that are none, if there are such, once `keep` has seen it. Answers how
    /// many there were.
    pub(crate) fn repair_log(&self, name: &RefName, keep: Keep<'_>) -> Result<usize> {
        let log = self.refs.log(name)?;
        let damaged = log.damaged_lines();
        if damaged > 0 {
            let path = self.refs.log_path(name);
            keep(&path).map_err(io_error(&path))?;
            self.replace(&path, &log.sound_lines())?;
        }
        Ok(damaged)
    }

    /// Makes a ref's own file say that it is at an id, without a line in its log.
    pub(crate) fn restore(&self, name: &RefName, id: Id) -> Result<()> {
        self.replace(&self.refs.path(name), format!("{id}\n").as_bytes())
    }

    /// Makes HEAD lead to a branch, whatever it is now.
    pub(crate) fn restore_head(&self, branch: &RefName) -> Result<()> {
        self.replace(&self.refs.path(&RefName::head()), format!("ref: {branch}\n").as_bytes())
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<()> {
        let disk = &self.refs.disk;
        let temporary = self.write_temporary(content)?;
        let named = disk.sync(std::slice::from_ref(&temporary)).and_then(|()| disk.rename(&temporary, path));
        let dir = path.parent().map(Path::to_owned);
        named
            .inspect_err(|_| {
                // Best effort: what is left is swept later.
                let _ = disk.remove(&temporary);
            })
            .and_then(|()| disk.sync(dir.as_slice()))
            .map_err(io_error(path))
    }
}
