//! Objects that are read and written piece by piece, in constant memory.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::pending::Pending;
use super::{Result, Store, deflate, io_error, loose};
use crate::disk::{Access, Disk};
use crate::object::{Error, Hasher, Id, Kind, Object, decode_header, encode_header, hash};

/// How much is read or written at once.
const PIECE: usize = 1 << 17;

/// An object that is being read. The hash of a large one is checked when its end is reached, not before: who must not act
/// on damaged bytes reads to the end first.
pub struct Reader {
    id: Id,
    path: PathBuf,
    kind: Kind,
    size: u64,
    /// The part of the body that came with the header.
    head: Vec<u8>,
    /// What follows the head.
    rest: Rest,
}

/// Where the rest of a body comes from.
enum Rest {
    /// A file of its own, which ends with the object.
    File(ZlibDecoder<BufReader<Box<dyn Read + Send>>>),
    /// A pack, where other objects follow.
    Pack(ZlibDecoder<BufReader<Box<dyn Read + Send>>>),
    /// Nowhere: the head is all.
    Nothing { is_checked: bool },
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("id", &self.id).field("kind", &self.kind).field("size", &self.size).finish()
    }
}

impl Reader {
    pub(super) fn new(file: Box<dyn Read + Send>, id: Id, path: PathBuf) -> Result<Reader> {
        let mut inflated = ZlibDecoder::new(BufReader::new(file));
        let mut head = Vec::new();
        (&mut inflated).take(32).read_to_end(&mut head).map_err(|error| inflating(id, &path, error))?;
        let (kind, size, start) =
            decode_header(&head).map_err(|error| Error::Damaged { id, reason: error.to_string() })?;
        head.drain(..start);
        Ok(Reader { id, path, kind, size, head, rest: Rest::File(inflated) })
    }

    /// A reader of a body of this kind and size whose zlib stream is at the start of `stream`.
    pub(super) fn of_stream(
        stream: Box<dyn Read + Send>,
        (id, path): (Id, PathBuf),
        (kind, size): (Kind, u64),
    ) -> Reader {
        let rest = Rest::Pack(ZlibDecoder::new(BufReader::new(stream)));
        Reader { id, path, kind, size, head: Vec::new(), rest }
    }

    /// A reader of an object that is in memory; its hash is still to be checked.
    pub(super) fn of_object(object: Object, id: Id) -> Reader {
        Reader::in_memory(object, id, false)
    }

    /// A reader of an object that is in memory, and has this hash.
    pub(super) fn of_checked(object: Object, id: Id) -> Reader {
        Reader::in_memory(object, id, true)
    }

    fn in_memory(Object { kind, body }: Object, id: Id, is_checked: bool) -> Reader {
        let (size, rest) = (body.len() as u64, Rest::Nothing { is_checked });
        Reader { id, path: PathBuf::new(), kind, size, head: body, rest }
    }

    /// The id that was asked for.
    pub(super) fn id(&self) -> Id {
        self.id
    }

    /// What the object is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The body's size in bytes, as the header says; it is checked at the end.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Gives the body to `out`, piece by piece, and then checks size and hash.
    ///
    /// # Errors
    /// [`Error::Damaged`] when the object is not what its id says; `out` has its bytes by then. An [`Error::Io`]
    /// with the path `(output)` when `out` fails.
    pub fn copy_to(&mut self, out: &mut dyn Write) -> Result<()> {
        let to_output = || io_error(Path::new("(output)"));
        if let Rest::Nothing { is_checked } = self.rest {
            self.check_head(is_checked)?;
            return out.write_all(&std::mem::take(&mut self.head)).map_err(to_output());
        }
        let damaged = |reason: &str| Error::Damaged { id: self.id, reason: reason.to_owned() };
        let mut hasher = Hasher::new(self.kind, self.size);
        let mut left = self.size;
        let mut piece = std::mem::take(&mut self.head);
        loop {
            left = left.checked_sub(piece.len() as u64).ok_or_else(|| damaged("it is longer than its header says"))?;
            hasher.update(&piece);
            out.write_all(&piece).map_err(to_output())?;
            piece.clear();
            let (Rest::File(inflated) | Rest::Pack(inflated)) = &mut self.rest else { break };
            let mut next = inflated.take(PIECE as u64);
            if next.read_to_end(&mut piece).map_err(|error| inflating(self.id, &self.path, error))? == 0 {
                break;
            }
        }
        if let Rest::File(inflated) = &mut self.rest
            && inflated.get_mut().read(&mut [0]).map_err(io_error(&self.path))? > 0
        {
            return Err(damaged("there are bytes behind its end"));
        }
        if left > 0 {
            return Err(damaged("it is shorter than its header says"));
        }
        if hasher.finish() != self.id {
            return Err(damaged("its hash is another"));
        }
        Ok(())
    }

    /// The whole body, checked.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above `limit` bytes, and as [`Reader::copy_to`].
    pub fn into_body(mut self, limit: u64) -> Result<Vec<u8>> {
        if self.size > limit {
            return Err(Error::TooLarge { id: Some(self.id), size: self.size, limit });
        }
        if let Rest::Nothing { is_checked } = self.rest {
            self.check_head(is_checked)?;
            return Ok(self.head);
        }
        let mut body = Vec::new();
        self.copy_to(&mut body)?;
        Ok(body)
    }

    /// Checks a body that is in memory, if that is not done.
    fn check_head(&self, is_checked: bool) -> Result<()> {
        match is_checked || hash(self.kind, &self.head) == self.id {
            true => Ok(()),
            false => Err(Error::Damaged { id: self.id, reason: "its hash is another".into() }),
        }
    }
}

/// An error of the inflating reader: of the file where the system failed, else of what the file holds.
fn inflating(id: Id, path: &Path, error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return io_error(path)(error);
    }
    Error::Damaged { id, reason: loose::inflate_error(&error) }
}

/// An object that is written as its body comes. It is not stored before [`Store::put_grown`]; dropping it removes what
/// there is of it.
pub(crate) struct Growing {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    number: u64,
    file: ZlibEncoder<Box<dyn Write + Send>>,
    hasher: Hasher,
    left: u64,
    is_kept: bool,
}

impl Growing {
    /// Adds the next bytes of the body.
    ///
    /// # Errors
    /// When the disk fails, or these are more than the size that was given.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let too_long = || io_error(&self.path)(io::Error::other("it is longer than it was to be"));
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(too_long)?;
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(io_error(&self.path))
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        if !self.is_kept {
            // Best effort: what is left is swept later.
            let _ = self.disk.remove(&self.path);
        }
    }
}

impl Store {
    /// Begins an object whose body of `size` bytes comes piece by piece.
    pub(crate) fn grow(&self, kind: Kind, size: u64) -> Result<Growing> {
        self.hold.take()?;
        let (number, path) = self.pending(Pending::next_file)?;
        let file = self.disk.create(&path, Access::ReadOnly).map_err(io_error(&path))?;
        let mut file = ZlibEncoder::new(file, deflate::LEVEL);
        file.write_all(&encode_header(kind, size)).map_err(io_error(&path))?;
        let hasher = Hasher::new(kind, size);
        Ok(Growing { disk: self.disk.clone(), path, number, file, hasher, left: size, is_kept: false })
    }

    /// Puts an object whose body is complete.
    ///
    /// # Errors
    /// When the disk fails, or the body is shorter than was said.
    pub(crate) fn put_grown(&self, mut growing: Growing) -> Result<Id> {
        let path = growing.path.clone();
        if growing.left > 0 {
            return Err(io_error(&path)(io::Error::other("it is shorter than it was to be")));
        }
        growing.file.try_finish().and_then(|()| growing.file.get_mut().flush()).map_err(io_error(&path))?;
        let id = std::mem::replace(&mut growing.hasher, Hasher::new(Kind::Blob, 0)).finish();
        if !self.reuse(id)? {
            growing.is_kept = self.pending(|pending| pending.add_file(id, growing.number));
        }
        Ok(id)
    }

    /// Puts an object whose body of `size` bytes is read piece by piece: the way for large contents.
    ///
    /// # Errors
    /// When the source fails, or does not give exactly `size` bytes.
    pub fn put_stream(&self, kind: Kind, size: u64, source: &mut dyn Read) -> Result<Id> {
        let mut growing = self.grow(kind, size)?;
        copy_exactly(size, source, &mut |bytes| growing.add(bytes))?;
        self.put_grown(growing)
    }
}

/// Reads a source that must give exactly `size` bytes.
pub(super) fn copy_exactly(size: u64, source: &mut dyn Read, each: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let from_source = || io_error(Path::new("the input"));
    let mut buffer = vec![0; PIECE];
    let mut left = size;
    loop {
        let want = usize::try_from(left).map_or(PIECE, |left| left.min(PIECE)).max(1);
        match source.read(&mut buffer[..want]) {
            Ok(0) if left == 0 => return Ok(()),
            Ok(0) => return Err(from_source()(io::Error::other("it became shorter while it was read"))),
            Ok(_) if left == 0 => return Err(from_source()(io::Error::other("it became longer while it was read"))),
            Ok(n) => {
                each(&buffer[..n])?;
                left -= n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(from_source()(error)),
        }
    }
}
