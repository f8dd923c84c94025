//! The client: asks a remote for its refs, fetches what is lacked here, pushes what is lacked there.

use std::cell::RefCell;
use std::io::{self, Read};

use super::error::{Error, Result};
use super::here::{Direction, Listener, Progress, Unit};
use super::intake::Limited;
use super::negotiate::Negotiator;
use super::pktline::Packets;
use super::protocol::{
    Capabilities, Command, Demultiplexer, FetchAsked, Pushable, RemoteRef, Report, Service, agent, read_acknowledged,
    read_capabilities, read_pushable, read_refs, read_report, write_commands, write_fetch, write_list,
};
use super::select::{Form, commit_of, outgoing};
use super::stream;
use super::transport::Transport;
use crate::database::{self, Database};
use crate::object::{self, CommitId, Id};
use crate::refs::RefName;
use crate::store::{Received, Store};

/// How many commits the first round names, and how many any round names at most.
const FIRST_ROUND: usize = 16;
const LARGEST_ROUND: usize = 1024;
/// After so many rounds the client takes what is common by then for all that is.
const MAX_ROUNDS: usize = 24;

/// A remote's upload-pack.
pub struct Fetching<'t> {
    transport: &'t mut dyn Transport,
    capabilities: Capabilities,
}

/// What is to be fetched.
#[derive(Clone, Copy, Debug)]
pub struct FetchOptions<'a> {
    /// The objects, with all that they lead to.
    pub wants: &'a [Id],
    /// Commits that are here with all that they lead to, and from which it is found out what both have: mostly
    /// [`Database::heads`].
    pub haves: &'a [CommitId],
    /// Whether annotated tags of what comes are to come with it.
    pub with_tags: bool,
    /// The largest pack that is taken, in bytes.
    pub max_pack: u64,
}

impl<'t> Fetching<'t> {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connection`], [`Error::Unsupported`], and what the remote says.
    pub fn open(transport: &'t mut dyn Transport) -> Result<Fetching<'t>> {
        let capabilities = {
            let mut said = transport.advertisement(Service::UploadPack)?;
            read_capabilities(&mut Packets::new(&mut *said))?
        };
        for command in ["ls-refs", "fetch"] {
            if !capabilities.has(command) {
                return Err(Error::Unsupported(format!("has no command {command}")));
            }
        }
        Ok(Fetching { transport, capabilities })
    }

    /// Whether the remote speaks isodb's own stream as well.
    pub(super) fn speaks_stream(&self) -> bool {
        self.capabilities.get(stream::COMMAND) == Some("1")
    }

    /// The remote's refs whose names begin with one of these, or all of them; HEAD first, even where it leads to no commit
    /// yet.
    pub fn refs(&mut self, prefixes: &[String]) -> Result<Vec<RemoteRef>> {
        let unborn = self.capabilities.has_word("ls-refs", "unborn");
        let mut answer = self.transport.call(Service::UploadPack, &mut |out| write_list(out, prefixes, unborn))?;
        let mut refs = read_refs(&mut Packets::new(&mut *answer))?;
        // Prefixes are a wish, not an order.
        refs.retain(|found| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| found.name.as_str().starts_with(prefix))
        });
        Ok(refs)
    }

    /// Fetches what is wanted and not had into a store, which need not be the database's own: the bases of deltas are read
    /// from it, and nothing is kept before [`Received::keep`].
    ///
    /// # Errors
    /// Those of [`Store::receive`], [`Error::TooMuch`], and of the connection.
    pub fn fetch(
        &mut self,
        db: &Database,
        into: &Store,
        options: &FetchOptions<'_>,
        listener: &mut dyn Listener,
    ) -> Result<Received> {
        let mut negotiator = Negotiator::new(db, options.haves)?;
        let mut asked = FetchAsked {
            wants: options.wants.to_vec(),
            thin_pack: true,
            ofs_delta: true,
            include_tag: options.with_tags,
            ..FetchAsked::default()
        };
        let mut common: Vec<Id> = Vec::new();
        let mut size = FIRST_ROUND;
        for round in 1.. {
            let named = negotiator.next(size)?;
            size = (size * 2).min(LARGEST_ROUND);
            asked.done = negotiator.is_over() || round >= MAX_ROUNDS;
            asked.haves = common.iter().copied().chain(named.iter().map(|id| id.0)).collect();
            let mut answer = self.transport.call(Service::UploadPack, &mut |out| write_fetch(out, &asked))?;
            let mut packets = Packets::new(&mut *answer);
            match read_acknowledged(&mut packets)? {
                Some(said) if !said.is_ready => {
                    if asked.done {
                        return Err(Error::Protocol("a pack is expected".into()));
                    }
                    for id in said.common {
                        if negotiator.is_common(CommitId(id)) && asked.haves.contains(&id) {
                            common.push(id);
                        }
                    }
                }
                _ => return receive(&mut packets, into, options.max_pack, listener),
            }
        }
        unreachable!("the last round is done")
    }
}

/// Takes in the pack that follows.
fn receive(packets: &mut Packets<'_>, into: &Store, max: u64, listener: &mut dyn Listener) -> Result<Received> {
    let listener = RefCell::new(listener);
    let mut heard = |text: &str| listener.borrow_mut().said(text);
    let mut bands = Demultiplexer::new(packets, &mut heard);
    let mut counted = Told { source: &mut bands, listener: &listener, bytes: 0 };
    let mut pack = Limited::new(&mut counted, max);
    let received = into.receive(&mut pack);
    if pack.is_exceeded() {
        return Err(Error::TooMuch { what: "the size of the pack", limit: max });
    }
    if let Some(failure) = bands.take_failure() {
        return Err(failure);
    }
    let received = received?;
    bands.finish()?;
    Ok(received)
}

/// Tells how much of a pack was read. How much it will be is said by nobody.
struct Told<'s, 'l, 'i> {
    source: &'s mut dyn Read,
    listener: &'s RefCell<&'l mut (dyn Listener + 'i)>,
    bytes: u64,
}

impl Read for Told<'_, '_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(out)?;
        self.bytes += len as u64;
        let (direction, unit, bytes) = (Direction::In, Unit::Objects, self.bytes);
        let progress = Progress { direction, unit, done: 0, total: None, bytes, total_bytes: None };
        self.listener.borrow_mut().progress(&progress);
        Ok(len)
    }
}

/// A remote's receive-pack.
pub struct Pushing<'t> {
    transport: &'t mut dyn Transport,
    said: Pushable,
}

/// One change of a remote's ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushEdit {
    /// The ref there.
    pub name: RefName,
    /// Where it must be; `None` for one that must not exist. The remote refuses otherwise.
    pub old: Option<Id>,
    /// Where it is to go; `None` to delete it.
    pub new: Option<Id>,
}

/// How a push is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushOptions {
    /// Whether all refs are to move or none.
    pub is_atomic: bool,
}

/// What came of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PushReport {
    /// For each edit, why the remote refused it, if it did.
    pub refused: Vec<Option<String>>,
    /// How many objects were sent in a pack.
    pub objects: u64,
    /// The size of the pack in bytes.
    pub bytes: u64,
}

impl<'t> Pushing<'t> {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Connection`], [`Error::Unsupported`], and what the remote says.
    pub fn open(transport: &'t mut dyn Transport) -> Result<Pushing<'t>> {
        let said = pushable(transport)?;
        Ok(Pushing::opened(transport, said))
    }

    /// Goes on from what the service has said.
    pub(super) fn opened(transport: &'t mut dyn Transport, said: Pushable) -> Pushing<'t> {
        Pushing { transport, said }
    }

    /// Connects again, to begin anew.
    pub(super) fn reopen(&mut self) -> Result<()> {
        self.said = pushable(self.transport)?;
        Ok(())
    }

    /// The way there.
    pub(super) fn transport(&mut self) -> &mut dyn Transport {
        self.transport
    }

    /// The commits that the remote has with all that they lead to, as far as it says so and they are here.
    pub(super) fn common(&self, db: &Database) -> Result<Vec<CommitId>> {
        let mut common = Vec::new();
        for id in self.said.refs.iter().map(|(_, id)| *id).chain(self.said.others.iter().copied()) {
            common.extend(commit_of(db, id)?);
        }
        common.sort_unstable();
        common.dedup();
        Ok(common)
    }

    /// Whether the remote speaks isodb's own stream as well.
    pub(super) fn speaks_stream(&self) -> bool {
        self.said.capabilities.get(stream::COMMAND) == Some("1")
    }

    /// The remote's refs as they were on connecting.
    pub fn refs(&self) -> &[(RefName, Id)] {
        &self.said.refs
    }

    /// Sends what the remote lacks, in a pack, and asks it to move its refs, each from where it must be. To be called once.
    ///
    /// # Errors
    /// When nothing was asked for; a ref that the remote refuses to move is in the report.
    pub fn push(
        &mut self,
        db: &Database,
        edits: &[PushEdit],
        options: PushOptions,
        listener: &mut dyn Listener,
    ) -> Result<PushReport> {
        let can = &self.said.capabilities;
        let needs = |name: &str, is_needed: bool| match is_needed && !can.has(name) {
            true => Err(Error::Unsupported(format!("cannot do what is needed: it does not know {name:?}"))),
            false => Ok(()),
        };
        if edits.is_empty() {
            return Ok(PushReport::default());
        }
        needs("report-status", true)?;
        needs("atomic", options.is_atomic)?;
        needs("delete-refs", edits.iter().any(|edit| edit.new.is_none()))?;
        let wants: Vec<Id> = edits.iter().filter_map(|edit| edit.new).collect();
        let form = Form { is_thin: !can.has("no-thin"), takes_offsets: can.has("ofs-delta"), with_tags: false };
        let pack = match wants.is_empty() {
            true => None,
            false => Some(outgoing(db, &wants, &self.common(db)?, form)?),
        };

        let has_bands = can.has("side-band-64k");
        let mut words = format!("report-status object-format=sha256 agent={}", agent());
        for (name, is_wanted) in
            [("side-band-64k", has_bands), ("quiet", can.has("quiet")), ("atomic", options.is_atomic)]
        {
            if is_wanted {
                words += &format!(" {name}");
            }
        }
        let commands = edits.iter().map(|edit| Command { name: edit.name.to_string(), old: edit.old, new: edit.new });
        let commands: Vec<Command> = commands.collect();
        let objects = pack.as_ref().map_or(0, |pack| pack.count());
        let (mut bytes, mut failure) = (0, None);
        let mut body = |out: &mut dyn io::Write| -> io::Result<()> {
            write_commands(out, &commands, &words)?;
            let Some(pack) = &pack else { return Ok(()) };
            let mut progress = |done| {
                let (direction, unit, total) = (Direction::Out, Unit::Objects, Some(objects));
                listener.progress(&Progress { direction, unit, done, total, bytes: 0, total_bytes: None });
            };
            match pack.write(out, &mut progress).map_err(Error::from) {
                Ok(size) => {
                    bytes = size;
                    Ok(())
                }
                Err(Error::Database(database::Error::Object(object::Error::Io { path, source })))
                    if path.as_os_str() == "(output)" =>
                {
                    Err(source)
                }
                Err(error) => {
                    let text = error.to_string();
                    failure = Some(error);
                    Err(io::Error::other(text))
                }
            }
        };
        let called = self.transport.call(Service::ReceivePack, &mut body);
        if let Some(failure) = failure {
            return Err(failure);
        }
        let mut answer = called?;
        let mut packets = Packets::new(&mut *answer);
        let report = if has_bands {
            let mut heard = |text: &str| listener.said(text);
            let mut bands = Demultiplexer::new(&mut packets, &mut heard);
            let report = read_report(&mut Packets::new(&mut bands));
            match bands.take_failure() {
                Some(failure) => return Err(failure),
                None => report?,
            }
        } else {
            read_report(&mut packets)?
        };
        Ok(PushReport { refused: refused(edits, report)?, objects, bytes })
    }
}

/// What a remote says to who wants to push.
pub(super) fn pushable(transport: &mut dyn Transport) -> Result<Pushable> {
    let mut said = transport.advertisement(Service::ReceivePack)?;
    read_pushable(&mut Packets::new(&mut *said))
}

/// The report in the order of the edits.
fn refused(edits: &[PushEdit], report: Report) -> Result<Vec<Option<String>>> {
    if let Some(reason) = report.unpack {
        return Err(Error::Refused(format!("the pack was not taken: {reason}")));
    }
    let mut said: std::collections::HashMap<String, Option<String>> = report.refs.into_iter().collect();
    let one = |edit: &PushEdit| {
        let name = edit.name.as_str();
        said.remove(name).ok_or_else(|| Error::Protocol(format!("it does not say what became of {name}")))
    };
    edits.iter().map(one).collect()
}
