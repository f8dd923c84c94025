//! A file that is all there or not at all, on any file system: a temporary name, flushed, read back, and renamed.

use std::ffi::OsString;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::disk::{Access, Disk};
use crate::store::new_stem;
use crate::sync::error::{Error, Result};

/// How temporary names end.
pub(in crate::sync) const PART: &str = ".part";

/// How much is written, or read back, at once.
const PIECE: usize = 1 << 16;

/// Writes a file whole or not at all, replacing one of that name: what `write` wrote is flushed and read back before the
/// file gets its name.
///
/// # Errors
/// Those of `write`, of which [`Error::Connection`] is one of the file, and [`Error::File`]. Nothing is left of it then.
pub fn write_file<T>(disk: &dyn Disk, path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let of = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let name = path.file_name().ok_or_else(|| of(path)(io::ErrorKind::InvalidFilename.into()))?;
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // Names of other sticks may have to be short and plain.
    let mut temporary: OsString = name.to_owned();
    temporary.push(format!(".{}{PART}", new_stem()));
    let temporary = dir.join(temporary);
    let made = make(disk, &temporary, write).and_then(|made| {
        disk.rename(&temporary, path).map_err(of(path))?;
        Ok(made)
    });
    let made = made.inspect_err(|_| {
        // Best effort: a stick that is gone has it until it is back.
        let _ = disk.remove(&temporary);
    })?;
    disk.sync(&[dir.to_owned()]).map_err(of(dir))?;
    Ok(made)
}

fn make<T>(disk: &dyn Disk, path: &PathBuf, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let failed = |source| Error::File { path: path.clone(), source };
    let file = disk.create(path, Access::ReadWrite).map_err(failed)?;
    let mut out = Hashed { out: BufWriter::with_capacity(PIECE, file), hash: Sha256::new() };
    let made = write(&mut out).map_err(|error| match error {
        Error::Connection(source) => failed(source),
        error => error,
    })?;
    out.flush().map_err(failed)?;
    drop(out.out);
    disk.sync(std::slice::from_ref(path)).map_err(failed)?;
    if read_back(disk, path).map_err(failed)? != out.hash.finalize()[..] {
        return Err(failed(io::Error::other("what is read back is not what was written")));
    }
    Ok(made)
}

fn read_back(disk: &dyn Disk, path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut hash, mut piece) = (disk.open(path)?, Sha256::new(), vec![0; PIECE]);
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            len => hash.update(&piece[..len]),
        }
    }
}

/// Hashes what passes.
struct Hashed<W> {
    out: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.out.write(bytes)?;
        self.hash.update(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
