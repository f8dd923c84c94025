//! Where `export` writes: stdout, or a file that has its name only when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use isodb::{BlobId, Database};

use super::archive;
use crate::document::{self, Content};
use crate::error::{Failure, OutputError};
use crate::output::to_output;

/// How a document becomes a record. It depends on nothing else, so records can be made side by side.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    Ndjson,
    /// Entries with this time, in seconds since 1970.
    Tar(u64),
}

impl Form {
    /// Writes a document's record.
    pub(crate) fn write(
        self,
        db: &Database,
        out: &mut impl Write,
        key: &str,
        (blob, content): (BlobId, Content),
    ) -> Result<()> {
        match self {
            Form::Ndjson => document::write_change(db, out, key, (blob, content)),
            Form::Tar(time) => archive::write_entry(out, key, content, time),
        }
    }

    /// Writes what stands behind the last record.
    pub(crate) fn write_end(self, out: &mut impl Write) -> Result<()> {
        match self {
            Form::Ndjson => Ok(()),
            Form::Tar(_) => archive::write_end(out),
        }
    }
}

/// Where the bytes go.
enum Target {
    Plain(Box<dyn Write>),
    Packed(Box<GzEncoder<File>>),
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Target::Plain(out) => out.write(bytes),
            Target::Packed(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Target::Plain(out) => out.flush(),
            Target::Packed(out) => out.flush(),
        }
    }
}

/// A stream that is being written.
pub(crate) struct Sink {
    out: BufWriter<Target>,
    file: Option<Temporary>,
    /// How many bytes were written.
    pub(crate) bytes: u64,
}

impl Sink {
    /// To stdout for none, else to a file, packed where its name ends in .gz or .tgz.
    pub(crate) fn open(path: Option<&Path>) -> Result<Sink> {
        let extension = path.and_then(Path::extension);
        Sink::create(path, extension.is_some_and(|extension| extension == "gz" || extension == "tgz"))
    }

    /// To stdout for none, else to a file, as it is.
    pub(crate) fn plain(path: Option<&Path>) -> Result<Sink> {
        Sink::create(path, false)
    }

    fn create(path: Option<&Path>, is_packed: bool) -> Result<Sink> {
        let (out, file) = match path {
            None => (Target::Plain(Box::new(io::stdout().lock())), None),
            Some(path) => {
                let (file, temporary) = Temporary::create(path).map_err(|error| cannot_write(path, error))?;
                let out = match is_packed {
                    true => Target::Packed(Box::new(GzEncoder::new(file, Compression::default()))),
                    false => Target::Plain(Box::new(file)),
                };
                (out, Some(temporary))
            }
        };
        Ok(Sink { out: BufWriter::with_capacity(1 << 17, out), file, bytes: 0 })
    }

    /// An error of the answer is one of the file where it goes to a file.
    pub(crate) fn named(error: anyhow::Error, path: Option<&Path>) -> anyhow::Error {
        match (error.downcast::<OutputError>(), path) {
            (Ok(error), Some(path)) => cannot_write(path, error.0).into(),
            (Ok(error), None) => error.into(),
            (Err(error), _) => error,
        }
    }

    /// An error of the library's, told of the file where it was that which could not be written.
    pub(crate) fn failed(error: isodb::Error, path: Option<&Path>) -> anyhow::Error {
        match error {
            isodb::Error::Object(error) => Sink::named(to_output(error), path),
            error => error.into(),
        }
    }

    /// Writes what is left, and gives the file its name.
    pub(crate) fn finish(self) -> Result<()> {
        match self.out.into_inner().map_err(|error| OutputError(error.into_error()))? {
            Target::Plain(mut out) => out.flush().map_err(OutputError)?,
            Target::Packed(out) => drop(out.finish().map_err(OutputError)?),
        }
        match self.file {
            Some(file) => Ok(file.keep().map_err(OutputError)?),
            None => Ok(()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A file that is not whole yet: beside its place, and removed if it never gets there.
struct Temporary {
    file: File,
    path: PathBuf,
    /// The place; `None` once it is there, and for what cannot be replaced, such as a device.
    place: Option<PathBuf>,
}

impl Temporary {
    fn create(path: &Path) -> io::Result<(File, Temporary)> {
        // What a symbolic link leads to is replaced, not the link.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Ok(metadata) = fs::metadata(&place)
            && !metadata.is_file()
        {
            let file = File::options().write(true).open(&place)?;
            return Ok((file.try_clone()?, Temporary { file, path: place, place: None }));
        }
        let Some(name) = place.file_name() else { return Err(io::ErrorKind::IsADirectory.into()) };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        let path = place.with_file_name(hidden);
        let file = File::create(&path)?;
        Ok((file.try_clone()?, Temporary { file, path, place: Some(place) }))
    }

    fn keep(mut self) -> io::Result<()> {
        if let Some(place) = &self.place {
            self.file.sync_all()?;
            fs::rename(&self.path, place)?;
        }
        self.place = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.place.is_some() {
            // Best effort: the name says what it is.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn cannot_write(path: &Path, error: io::Error) -> Failure {
    Failure::system(format!("cannot write {}: {error}", path.display()))
}
