//! A proof's bytes (`docs/format/proof.md`): the claim in lines of text, the objects and the content in one zlib stream, and
//! a checksum. Only the one spelling that [`Writer`] gives is read back.
//!
//! Nothing here looks at what the objects say: that is the business of who asks for them.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::Compression;
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};

use crate::database::error::{Error, Result};
use crate::database::{MAX_DOCUMENT, proof};
use crate::object::{self, BlobId, CommitId, Hasher, Kind, decode_header, encode_header};
use crate::store::Reader;
use crate::tree::Key;

/// The first line.
const FIRST: &str = "isodb-proof 1\n";

/// More bytes than the claim of the longest key has.
const MAX_CLAIM: u64 = 16 << 10;

/// The largest object beside the content, in bytes.
const MAX_OBJECT: u64 = 8 << 20;

/// The most that all objects beside the content may have together, in bytes, where each counts for [`OVERHEAD`] more.
pub(super) const MAX_OBJECTS: u64 = 64 << 20;

/// What an object costs in memory beside its body, in bytes, at the least.
pub(super) const OVERHEAD: u64 = 256;

/// How much of a content is read at once.
const PIECE: usize = 1 << 16;

/// What a proof says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The document's key.
    pub(super) key: Key,
    /// The commit that has it so.
    pub(super) commit: CommitId,
    /// The content; `None` where there is no document.
    pub(super) content: Option<BlobId>,
    /// The commit that the chain of commits begins with, where there is one.
    pub(super) since: Option<CommitId>,
}

impl Claim {
    /// All that stands before the zlib stream, where that holds so many objects beside the content.
    fn encode(&self, objects: usize) -> String {
        let path = self.key.path();
        let mut text = format!("{FIRST}key {}\ncommit {}\n", &path[..path.len() - 1], self.commit);
        text += &self.content.map_or("absent\n".to_owned(), |id| format!("content {id}\n"));
        if let Some(since) = self.since {
            text += &format!("since {since}\n");
        }
        text + &format!("objects {objects}\n\n")
    }

    /// Reads what [`Claim::encode`] has written. `None` for anything else.
    fn parse(text: &str) -> Option<(Claim, usize)> {
        let mut lines = text.strip_prefix(FIRST)?.split('\n').peekable();
        let key = Key::from_path(&format!("{}/", lines.next()?.strip_prefix("key ")?))?;
        let commit = lines.next()?.strip_prefix("commit ")?.parse().ok()?;
        let content = match lines.next()? {
            "absent" => None,
            line => Some(line.strip_prefix("content ")?.parse().ok()?),
        };
        let since = lines.next_if(|line| line.starts_with("since "));
        let since = since.map(|line| line["since ".len()..].parse().ok()).map_or(Some(None), |id| id.map(Some))?;
        let objects = lines.next()?.strip_prefix("objects ")?.parse().ok()?;
        let claim = Claim { key, commit, content, since };
        // What is spelled in another way is no claim: ids in capitals, a plus sign, more lines.
        (claim.encode(objects) == text).then_some((claim, objects))
    }
}

/// Passes bytes on, and computes the checksum of all of them.
struct Summed<T> {
    inner: T,
    sum: Sha256,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Summed<T> {
        Summed { inner, sum: Sha256::new() }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.sum.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Summed<BufReader<R>> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.sum.update(&out[..n]);
        Ok(n)
    }
}

impl<R: Read> BufRead for Summed<BufReader<R>> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.sum.update(&self.inner.buffer()[..n]);
        self.inner.consume(n);
    }
}

/// Writes a proof.
pub(super) struct Writer<'a>(ZlibEncoder<Summed<&'a mut dyn Write>>);

impl<'a> Writer<'a> {
    /// Begins a proof with so many objects beside the content.
    pub(super) fn new(out: &'a mut dyn Write, claim: &Claim, objects: usize) -> Result<Writer<'a>> {
        let mut out = Summed::new(out);
        out.write_all(claim.encode(objects).as_bytes()).map_err(output_error)?;
        Ok(Writer(ZlibEncoder::new(out, Compression::new(6))))
    }

    /// Writes the next object.
    pub(super) fn object(&mut self, kind: Kind, body: &[u8]) -> Result<()> {
        self.0.write_all(&encode_header(kind, body.len() as u64)).map_err(output_error)?;
        self.0.write_all(body).map_err(output_error)
    }

    /// Writes the content, piece by piece.
    pub(super) fn content(&mut self, mut reader: Reader) -> Result<()> {
        self.0.write_all(&encode_header(Kind::Blob, reader.size())).map_err(output_error)?;
        Ok(reader.copy_to(&mut self.0)?)
    }

    /// Writes the checksum.
    pub(super) fn finish(self) -> Result<()> {
        let Summed { inner, sum } = self.0.finish().map_err(output_error)?;
        inner.write_all(&sum.finalize()).and_then(|()| inner.flush()).map_err(output_error)
    }
}

/// Reads a proof.
pub(super) struct Parser<R: Read> {
    stream: BufReader<ZlibDecoder<Summed<BufReader<R>>>>,
    /// How much the objects may still have.
    left: u64,
}

impl<R: Read> Parser<R> {
    /// Reads the claim, and how many objects there are beside the content.
    pub(super) fn open(source: R) -> Result<(Claim, usize, Parser<R>)> {
        let mut source = Summed::new(BufReader::new(source));
        let mut text = Vec::new();
        let mut head = (&mut source).take(MAX_CLAIM);
        while !text.ends_with(b"\n\n") {
            if head.read_until(b'\n', &mut text).map_err(input_error)? == 0 {
                break;
            }
            if !text.starts_with(&FIRST.as_bytes()[..FIRST.len().min(text.len())]) {
                return Err(proof::broken("it is no proof of version 1: its first line is another"));
            }
        }
        let parsed = std::str::from_utf8(&text).ok().and_then(Claim::parse);
        let (claim, objects) = parsed.ok_or_else(|| proof::broken("its claim is damaged or cut off"))?;
        Ok((claim, objects, Parser { stream: BufReader::new(ZlibDecoder::new(source)), left: MAX_OBJECTS }))
    }

    /// The next object's kind and size.
    fn header(&mut self) -> Result<(Kind, u64)> {
        let mut header = Vec::new();
        (&mut self.stream).take(32).read_until(0, &mut header).map_err(input_error)?;
        let (kind, size, _) = decode_header(&header).map_err(|error| proof::broken(&error.to_string()))?;
        Ok((kind, size))
    }

    /// The next object.
    pub(super) fn object(&mut self) -> Result<(Kind, Vec<u8>)> {
        let (kind, size) = self.header()?;
        let cost = size.saturating_add(OVERHEAD);
        if size > MAX_OBJECT || cost > self.left {
            return Err(proof::broken("its objects are larger than those of a proof can be"));
        }
        self.left -= cost;
        let mut body = Vec::new();
        (&mut self.stream).take(size).read_to_end(&mut body).map_err(input_error)?;
        match body.len() as u64 == size {
            true => Ok((kind, body)),
            false => Err(proof::broken("an object is cut off")),
        }
    }

    /// Gives the content to `out`, piece by piece, and then its size, if it is this one.
    pub(super) fn content(&mut self, id: BlobId, out: &mut dyn Write) -> Result<u64> {
        let (kind, size) = self.header()?;
        if kind != Kind::Blob || size > MAX_DOCUMENT {
            return Err(proof::broken("where the content must stand is no document"));
        }
        let (mut hasher, mut left) = (Hasher::new(kind, size), size);
        let mut piece = Vec::with_capacity(PIECE);
        while left > 0 {
            piece.clear();
            (&mut self.stream).take(left.min(PIECE as u64)).read_to_end(&mut piece).map_err(input_error)?;
            if piece.is_empty() {
                return Err(proof::broken("the content is cut off"));
            }
            hasher.update(&piece);
            out.write_all(&piece).map_err(output_error)?;
            left -= piece.len() as u64;
        }
        match hasher.finish() == id.0 {
            true => Ok(size),
            false => Err(proof::broken("the content is another than the document's")),
        }
    }

    /// Reads to the end, where nothing but the checksum must be left.
    pub(super) fn finish(mut self) -> Result<()> {
        let mut rest = Vec::new();
        if (&mut self.stream).take(1).read_to_end(&mut rest).map_err(input_error)? > 0 {
            return Err(proof::broken("it holds more than it needs"));
        }
        let Summed { mut inner, sum } = self.stream.into_inner().into_inner();
        (&mut inner).take(33).read_to_end(&mut rest).map_err(input_error)?;
        match rest[..] == sum.finalize()[..] {
            true => Ok(()),
            false => Err(proof::broken("its checksum is another: it is damaged, or cut off")),
        }
    }
}

/// An error of the inflating reader: of the input where the system failed, else of what it holds.
fn input_error(error: io::Error) -> Error {
    match error.raw_os_error() {
        Some(_) => Error::Io { path: "(the proof)".into(), source: error },
        None => proof::broken("its objects cannot be unpacked"),
    }
}

/// As the store's readers tell of it.
fn output_error(source: io::Error) -> Error {
    object::Error::Io { path: "(output)".into(), source }.into()
}
