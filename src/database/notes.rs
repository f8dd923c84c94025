//! Small files beside the database that can be deleted at any time: what is noted of other databases.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::Database;
use super::error::{Result, io_error};
use crate::disk::Access;
use crate::store::new_stem;

/// The directory of what is noted of other databases.
const PEERS: &str = "peers";

impl Database {
    fn peer_path(&self, name: &str) -> PathBuf {
        self.root.join("isodb").join(PEERS).join(name)
    }

    /// What is noted of another database; `name` is the name of a file.
    pub(crate) fn peer_note(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.peer_path(name);
        match self.disk.read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(io_error(&path)(error)),
        }
    }

    /// Replaces what is noted of another database. It is not waited for until it is durable.
    pub(crate) fn write_peer_note(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.peer_path(name);
        let dir = self.root.join("isodb").join(PEERS);
        let temporary = self.root.join("isodb").join("tmp").join(format!("peer-{}", new_stem()));
        let written = self
            .disk
            .create_dir_all(&dir)
            .and_then(|_| self.disk.write_new(&temporary, bytes, Access::ReadWrite))
            .and_then(|()| self.disk.rename(&temporary, &path));
        written
            .inspect_err(|_| {
                // Best effort: what is left is swept later.
                let _ = self.disk.remove(&temporary);
            })
            .map_err(io_error(&path))
    }

    /// Removes what is noted of another database.
    pub(crate) fn remove_peer_note(&self, name: &str) -> Result<()> {
        let path = self.peer_path(name);
        match self.disk.remove(&path) {
            Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(io_error(&path)(error))
            }
            _ => Ok(()),
        }
    }
}
