//! The files of a pack that is being made, under temporary names until all of it is there and durable.

use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::index::{IndexEntry, write_index};
use crate::disk::{Access, Disk};
use crate::object::Id;
use crate::store::temporary::{Stem, new_stem};
use crate::store::{Result, io_error};

/// From so many entries on, a thread sorts them while the file is read.
const SORTED_BESIDE: usize = 10_000;
/// Where the count of objects stands.
const COUNT_AT: u64 = 8;
/// How much of the file is read at once for its checksum.
const PIECE: usize = 1 << 16;

/// The files of one writer. Dropping it removes all of them.
#[derive(Debug)]
pub(super) struct Files {
    disk: Arc<dyn Disk>,
    /// `objects/pack`.
    dir: PathBuf,
    pack: PathBuf,
    index: PathBuf,
    /// Goes last, since it stands for the others.
    _stem: Stem,
}

impl Drop for Files {
    fn drop(&mut self) {
        // Best effort: what is left is swept later.
        for path in [&self.pack, &self.index] {
            let _ = self.disk.remove(path);
        }
    }
}

impl Files {
    /// Starts a pack in the directory `pack_dir`, which is made if need be; also answers its file, which is empty. The
    /// writer's lock is in the directory `temporary`, which is there.
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        pack_dir: &Path,
        temporary: &Path,
    ) -> Result<(Files, Box<dyn Write + Send>)> {
        let stem = Stem::lock(&disk, temporary, new_stem())?;
        let [pack, index] = stem.in_packs(pack_dir);
        let files = Files { dir: pack_dir.to_owned(), pack, index, _stem: stem, disk };
        let create = || files.disk.create(&files.pack, Access::ReadWrite);
        let file = match create() {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                files.disk.create_dir_all(pack_dir).map_err(io_error(pack_dir))?;
                create()
            }
            created => created,
        }
        .map_err(io_error(&files.pack))?;
        Ok((files, file))
    }

    pub(super) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The path of the pack.
    pub(super) fn pack(&self) -> &Path {
        &self.pack
    }

    /// Ends the pack, to whose `file` all entries have been written, and writes its index. Where the checksum is not
    /// known, the count in the head is not the right one either. Nothing is durable and nothing has its name yet.
    pub(super) fn finish(
        self,
        mut file: Box<dyn Write + Send>,
        mut entries: Vec<IndexEntry>,
        checksum: Option<[u8; 32]>,
    ) -> Result<Finished> {
        let count = entries.len() as u32;
        let of_pack = || io_error(&self.pack);
        file.flush().map_err(of_pack())?;
        let checksum = match checksum {
            Some(checksum) => {
                sort(&mut entries);
                checksum
            }
            None => {
                self.disk.write_at(&self.pack, COUNT_AT, &count.to_be_bytes()).map_err(of_pack())?;
                // The count was not known when the first bytes were written, so all are read again, out of the system's
                // cache.
                let sum = || sum(&*self.disk, &self.pack);
                if entries.len() < SORTED_BESIDE {
                    sort(&mut entries);
                    sum()
                } else {
                    std::thread::scope(|scope| {
                        let sorted = scope.spawn(|| sort(&mut entries));
                        let sum = sum();
                        sorted.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                        sum
                    })
                }
                .map_err(of_pack())?
            }
        };
        file.write_all(&checksum).and_then(|()| file.flush()).map_err(of_pack())?;
        drop(file);
        self.disk.set_read_only(&self.pack).map_err(of_pack())?;
        let of_index = || io_error(&self.index);
        let mut index = self.disk.create(&self.index, Access::ReadOnly).map_err(of_index())?;
        write_index(&entries, &checksum, &mut index).and_then(|_| index.flush()).map_err(of_index())?;
        Ok(Finished { files: self, checksum, count })
    }
}

fn sort(entries: &mut [IndexEntry]) {
    entries.sort_unstable_by_key(|entry| entry.id);
}

/// The checksum of a whole file.
fn sum(disk: &dyn Disk, path: &Path) -> io::Result<[u8; 32]> {
    let mut file = disk.open(path)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(n) => hash.update(&piece[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// A whole pack and its index, under temporary names. Dropping it removes them.
#[derive(Debug)]
pub(crate) struct Finished {
    files: Files,
    checksum: [u8; 32],
    count: u32,
}

impl Finished {
    /// How many objects it has.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The checksum that gives the pack its name.
    pub(crate) fn checksum(&self) -> Id {
        Id::from_bytes(self.checksum)
    }

    /// The path that the pack will have; that of its index ends in `idx`.
    pub(crate) fn path(&self) -> PathBuf {
        self.files.dir.join(format!("pack-{}.pack", self.checksum()))
    }

    /// Makes the pack durable and gives it its name.
    pub(crate) fn keep(self) -> Result<()> {
        let disk = self.files.disk.clone();
        let sync = |paths: &[PathBuf]| disk.sync(paths).map_err(io_error(&paths[0]));
        sync(&self.files())?;
        sync(&self.install()?)
    }

    /// The files that must be durable before [`Finished::install`].
    pub(crate) fn files(&self) -> [PathBuf; 2] {
        [self.files.pack.clone(), self.files.index.clone()]
    }

    /// As [`Finished::keep`], but replaces what has the names already.
    pub(crate) fn replace(self) -> Result<()> {
        let Files { disk, dir, .. } = &self.files;
        let pack = self.path();
        let index = pack.with_extension("idx");
        let in_order = || {
            disk.sync(&self.files())?;
            disk.rename(&self.files.pack, &pack)?;
            disk.rename(&self.files.index, &index)?;
            disk.sync(std::slice::from_ref(dir))
        };
        in_order().map_err(io_error(&pack))
    }

    /// Gives the files their names, the index last: who sees that has the pack. Answers what must be made durable for
    /// the names to last.
    pub(crate) fn install(self) -> Result<Vec<PathBuf>> {
        let Files { disk, dir, .. } = &self.files;
        let pack = self.path();
        let index = pack.with_extension("idx");
        // The name tells the whole content, so what has it already is as good, if it is durable.
        let names = match (disk.stat(&index), disk.stat(&pack)) {
            (Ok(_), Ok(_)) => vec![pack, index, dir.clone()],
            _ => {
                disk.rename(&self.files.pack, &pack).map_err(io_error(&pack))?;
                disk.rename(&self.files.index, &index).map_err(io_error(&index))?;
                vec![dir.clone()]
            }
        };
        // The directory may have been made a moment ago.
        Ok(names.into_iter().chain(dir.parent().map(Path::to_owned)).collect())
    }
}
