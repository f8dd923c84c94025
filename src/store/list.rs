//! What is stored as a whole: ids, how much there is, and what is no object. Nothing is read but names and indexes.

use std::path::PathBuf;

use super::source::{Source, Usage};
use super::{Result, Store, io_error, temporary};
use crate::disk::FileKind;
use crate::object::{Id, Prefix};

impl Store {
    pub(super) fn sources(&self) -> Result<impl Iterator<Item = &Source>> {
        Ok(std::iter::once(&self.own).chain(self.borrowed()?).map(|source| &**source))
    }

    /// Every stored object's id, in ascending order, those of borrowed objects with them.
    pub fn ids(&self) -> Result<Vec<Id>> {
        let mut ids = Vec::new();
        for source in self.sources()? {
            source.ids(&mut ids)?;
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The stored objects whose ids begin with a prefix, in ascending order.
    pub fn with_prefix(&self, prefix: &Prefix) -> Result<Vec<Id>> {
        let mut ids = Vec::new();
        for source in self.sources()? {
            source.with_prefix(prefix, &mut ids)?;
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// How much the loose objects and the packs take, without what is borrowed.
    pub fn usage(&self) -> Result<Usage> {
        self.own.usage()
    }

    /// The files under `objects/` that are neither objects nor git's own: each a path and why it is strange.
    pub fn strange_files(&self) -> Result<Vec<(PathBuf, &'static str)>> {
        let mut strange = Vec::new();
        for entry in self.disk.list(&self.objects).map_err(io_error(&self.objects))? {
            let fanout = entry.name.len() == 2 && entry.name.bytes().all(|b| b.is_ascii_hexdigit());
            if !fanout || entry.kind != FileKind::Dir {
                continue;
            }
            let dir = self.objects.join(&entry.name);
            for file in self.disk.list(&dir).map_err(io_error(&dir))? {
                let is_object = format!("{}{}", entry.name, file.name).parse::<Id>().is_ok();
                if !is_object && !file.name.starts_with(temporary::BESIDE) {
                    strange.push((dir.join(&file.name), "its name is no object's"));
                }
            }
        }
        strange.sort();
        Ok(strange)
    }
}
