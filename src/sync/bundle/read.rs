//! Reading a bundle: its header, whether what it builds on is here, and its pack into a quarantine.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::header::{BundleHeader, wrong};
use crate::database::{Database, Quarantine};
use crate::disk::Disk;
use crate::object::{CommitId, Id};
use crate::refs::RefName;
use crate::script::Runner;
use crate::sync::error::{Error, Result};
use crate::sync::exchange::PushEdit;
use crate::sync::fetch::{FetchRequest, Fetched, Source, lacking};
use crate::sync::here::{Direction, Here, Listener, Progress, Traffic, Unit};
use crate::sync::intake::{self, Limited};
use crate::sync::protocol::RemoteRef;
use crate::sync::select::commit_of;

/// How much is read at once.
const PIECE: usize = 1 << 16;

/// A bundle whose header was read: a remote to fetch from, once.
pub struct Bundle {
    header: BundleHeader,
    /// The pack, until it is read.
    pack: Option<Box<dyn BufRead>>,
}

impl Bundle {
    /// Reads the header of a bundle.
    ///
    /// # Errors
    /// [`Error::Bundle`] for what is none, [`Error::TooMuch`], [`Error::Connection`] when the source fails.
    pub fn read(source: impl Read + 'static) -> Result<Bundle> {
        let mut rest = BufReader::with_capacity(PIECE, source);
        Ok(Bundle { header: BundleHeader::read(&mut rest)?, pack: Some(Box::new(rest)) })
    }

    /// What it says of itself.
    pub fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// The refs as those of a remote, HEAD first. git guesses in the same way where it leads; where there is none, as in a
    /// bundle that git made of one branch, it leads to `main` or to the only branch.
    pub fn refs(&self) -> Vec<RemoteRef> {
        let refs = &self.header.refs;
        let plain =
            |(name, id): &(RefName, Id)| RemoteRef { name: name.clone(), id: Some(*id), target: None, peeled: None };
        let found = refs.iter().find(|(name, _)| *name == RefName::head()).map(|(_, id)| *id);
        let is_led_to = |(name, id): &&(RefName, Id)| name.is_branch() && found.is_none_or(|head| head == *id);
        let led_to: Vec<&(RefName, Id)> = refs.iter().filter(is_led_to).collect();
        let main = led_to.iter().find(|(name, _)| name.as_str() == "refs/heads/main").copied();
        let target = main.or_else(|| led_to.first().copied().filter(|_| found.is_some() || led_to.len() == 1));
        let head = found.or(target.map(|(_, id)| *id)).map(|id| RemoteRef {
            name: RefName::head(),
            id: Some(id),
            target: target.map(|(name, _)| name.clone()),
            peeled: None,
        });
        head.into_iter().chain(refs.iter().filter(|(name, _)| *name != RefName::head()).map(plain)).collect()
    }

    /// The commits that it builds on and that are not here, each with what the bundle says of it.
    pub fn lacking(&self, db: &Database) -> Result<Vec<(CommitId, String)>> {
        let mut lacking = Vec::new();
        for (id, text) in &self.header.prerequisites {
            if commit_of(db, id.0)? != Some(*id) {
                lacking.push((*id, text.clone()));
            }
        }
        Ok(lacking)
    }

    /// The pack, as it is.
    pub(in crate::sync) fn into_pack(self) -> impl Read {
        self.pack.unwrap_or_else(|| Box::new(io::empty()))
    }

    /// Takes what follows the header into a quarantine. Answers also how many objects that are, with the ones added that
    /// deltas in it are against, or how many documents, and how many bytes it has.
    ///
    /// # Errors
    /// [`Error::Lacking`]; those of [`Store::receive`](crate::Store::receive); [`Error::TooMuch`] for more than `max_pack` bytes.
    fn receive<'d>(
        &mut self,
        db: &'d Database,
        max_pack: u64,
        runner: &mut dyn Runner,
        listener: &mut dyn Listener,
    ) -> Result<(Quarantine<'d>, Traffic)> {
        if let Some((commit, text)) = self.lacking(db)?.into_iter().next() {
            return Err(Error::Lacking { commit, text });
        }
        let source = self.pack.take().ok_or_else(|| wrong("it was read already"))?;
        let mut counted = Counted { source, bytes: 0, listener };
        let mut limited = Limited::new(&mut counted, max_pack);
        let taken = match self.header.is_stream {
            true => stream(db, &mut limited, runner).map(|quarantine| (quarantine, 0)),
            false => pack(db, &mut limited),
        };
        if limited.is_exceeded() {
            return Err(Error::TooMuch { what: "the size of the bundle", limit: max_pack });
        }
        let (quarantine, objects) = taken?;
        Ok((quarantine, Traffic { objects, received: counted.bytes, ..Traffic::default() }))
    }
}

fn pack<'d>(db: &'d Database, source: &mut dyn Read) -> Result<(Quarantine<'d>, u64)> {
    let quarantine = db.quarantine()?;
    let received = quarantine.store().receive(source)?;
    let objects = received.count().into();
    received.keep()?;
    Ok((quarantine, objects))
}

fn stream<'d>(db: &'d Database, source: &mut dyn Read, runner: &mut dyn Runner) -> Result<Quarantine<'d>> {
    let taken = crate::sync::stream::take(db, source, runner).map_err(|error| match error {
        Error::Connection(error) => wrong(&format!("its stream cannot be read: {error}")),
        Error::Protocol(text) | Error::Unsupported(text) => wrong(&format!("its stream is wrong: {text}")),
        error => error,
    })?;
    match source.read(&mut [0]).map_err(Error::Connection)? {
        0 => Ok(taken),
        _ => Err(wrong("something follows it")),
    }
}

/// What is known of a bundle that was taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleReport {
    /// How many objects came, with the ones added that deltas are against; none of a stream.
    pub objects: u64,
    /// How many bytes its pack or its stream has.
    pub bytes: u64,
    /// What is wrong with what its refs lead to: a ref each, and why it would be refused.
    pub problems: Vec<(RefName, String)>,
}

impl Bundle {
    /// Takes it apart as if it were fetched, and lets nothing in.
    ///
    /// # Errors
    /// [`Error::Lacking`]; those of [`Store::receive`](crate::Store::receive); [`Error::TooMuch`] for a pack of more than `max_pack` bytes; and when
    /// this machine fails.
    pub fn verify(
        mut self,
        db: &Database,
        max_pack: u64,
        runner: &mut dyn Runner,
        listener: &mut dyn Listener,
    ) -> Result<BundleReport> {
        let refs = self.header.refs.iter().filter(|(name, _)| *name != RefName::head());
        let moves: Vec<PushEdit> =
            refs.map(|(name, id)| PushEdit { name: name.clone(), old: None, new: Some(*id) }).collect();
        let (quarantine, Traffic { objects, received: bytes, .. }) = self.receive(db, max_pack, runner, listener)?;
        let problems = intake::judge(&quarantine, &moves, runner)?.refused;
        Ok(BundleReport { objects, bytes, problems })
    }
}

/// Tells how much of a pack was read.
struct Counted<'l> {
    source: Box<dyn BufRead>,
    bytes: u64,
    listener: &'l mut dyn Listener,
}

impl Read for Counted<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(out)?;
        self.bytes += len as u64;
        let (direction, unit, bytes) = (Direction::In, Unit::Objects, self.bytes);
        self.listener.progress(&Progress { direction, unit, done: 0, total: None, bytes, total_bytes: None });
        Ok(len)
    }
}

/// A bundle in a file, as a remote to fetch from.
#[derive(Clone, Debug)]
pub struct BundleFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

impl BundleFile {
    /// The bundle in this file.
    pub fn new(disk: Arc<dyn Disk>, path: &Path) -> BundleFile {
        BundleFile { disk, path: path.to_owned() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it and reads its header.
    ///
    /// # Errors
    /// [`Error::File`] when the file cannot be read, and those of [`Bundle::read`].
    pub fn open(&self) -> Result<Bundle> {
        let of_file = |source| Error::File { path: self.path.clone(), source };
        let file = self.disk.open(&self.path).map_err(of_file)?;
        Bundle::read(file).map_err(|error| match error {
            Error::Connection(source) => of_file(source),
            error => error,
        })
    }
}

impl Source for BundleFile {
    fn fetch<'d>(&mut self, here: &mut Here<'d, '_>, request: &FetchRequest<'_>) -> Result<Fetched<'d>> {
        self.open()?.fetch(here, request)
    }
}

impl Source for Bundle {
    fn fetch<'d>(&mut self, here: &mut Here<'d, '_>, request: &FetchRequest<'_>) -> Result<Fetched<'d>> {
        let mut refs = self.refs();
        let is_asked = |found: &RemoteRef| request.prefixes.iter().any(|asked| found.name.as_str().starts_with(asked));
        refs.retain(|found| request.prefixes.is_empty() || is_asked(found));
        // Of how the one speaks who wrote it, a file tells nothing.
        let speaks_stream = request.speaks_stream;
        let mut fetched = Fetched { refs, quarantine: None, traffic: Traffic::default(), speaks_stream, left: None };
        if !lacking(here.db, &fetched.refs, request.haves)?.is_empty() {
            let max_pack = request.limits.max_pack;
            let (quarantine, traffic) = self.receive(here.db, max_pack, here.runner, here.listener)?;
            fetched.traffic = traffic;
            fetched.quarantine = Some(quarantine);
        }
        Ok(fetched)
    }
}
