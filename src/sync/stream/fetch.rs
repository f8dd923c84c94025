//! The client's side of a stream that is fetched: asks, takes what comes, and goes on when the connection is cut.

use std::cell::RefCell;

use super::Totals;
use super::block::{Block, Unpacker};
use super::link::{Failure, failed};
use super::message::{Answer, Asked, Head, Wanted, digest};
use super::partial::{Found, Partial};
use super::take::Taker;
use super::wire::wrong;
use crate::database::{Database, Quarantine};
use crate::object::{CommitId, Id};
use crate::sync::again::{Patience, cut};
use crate::sync::error::{Error, Result};
use crate::sync::fetch::{FetchRequest, haves};
use crate::sync::here::{Direction, Here, Progress, Unit};
use crate::sync::negotiate::Negotiator;
use crate::sync::pktline::Packets;
use crate::sync::protocol::{Demultiplexer, RemoteRef, Service, read_capabilities};
use crate::sync::transport::Transport;

/// The most commits that the first request and the second one name.
const FIRST: usize = 256;
const SECOND: usize = 1024;

/// What came of asking for a stream.
pub(in crate::sync) enum Carried<'d> {
    /// All that is lacked is here, or (with a quarantine) came.
    All { refs: Vec<RemoteRef>, quarantine: Option<Box<Quarantine<'d>>>, documents: u64 },
    /// So much as was to be taken at once; the rest is for another time.
    Partly { left: Totals, documents: u64 },
    /// It has to be fetched in git's way.
    Not,
}

/// Fetches what a remote's refs lead to. The transport has been asked for its advertisement if it needs that, and is asked
/// again where a connection was cut.
pub(in crate::sync) fn fetch<'d>(
    here: &mut Here<'d, '_>,
    transport: &mut dyn Transport,
    request: &FetchRequest<'_>,
) -> Result<Carried<'d>> {
    let is_met = transport.needs_advertisement();
    Client { here, transport, request, received: 0, patience: Patience::default(), is_met }.run()
}

struct Client<'c, 'd, 'r> {
    here: &'c mut Here<'d, 'r>,
    transport: &'c mut dyn Transport,
    request: &'c FetchRequest<'c>,
    /// How many bytes of blocks came.
    received: u64,
    patience: Patience,
    /// Whether the other side has answered already, so that it is there.
    is_met: bool,
}

/// A stream that is being taken.
struct Going<'d> {
    refs: Vec<(RemoteRef, bool)>,
    wanted: Wanted,
    totals: Totals,
    taker: Taker<'d>,
    partial: Option<Partial>,
}

/// What came of one request.
enum Step {
    /// An answer without a stream.
    Short(Answer),
    /// The stream has ended.
    Ended,
    /// As much came as was to be taken.
    Enough,
}

impl<'d> Client<'_, 'd, '_> {
    fn run(&mut self) -> Result<Carried<'d>> {
        let haves = haves(self.here.db, self.request)?;
        let mut asked = Asked {
            prefixes: self.request.prefixes.to_vec(),
            digest: digest(self.request.known.iter().map(|(name, id)| (name, *id))),
            haves: haves.iter().copied().take(FIRST).collect(),
            is_last: false,
            wanted: None,
        };
        let mut going = self.kept()?;
        let mut is_kept = going.is_some();
        let mut is_open = true;
        loop {
            let step = self.connect(&mut is_open).map_err(Failure::from);
            let step = step.and_then(|()| self.converse(&asked, &mut going));
            match (step, &mut going) {
                (Ok(Step::Ended), _) => {
                    let Some(ended) = going.take() else { return Err(wrong("a stream ends that has not begun")) };
                    match self.ended(ended)? {
                        (carried, None) => return Ok(carried),
                        (_, more) => going = more,
                    }
                }
                (Ok(Step::Enough), Some(Going { partial, totals, taker, .. })) => {
                    partial.iter_mut().for_each(Partial::next_connection);
                    let done = taker.done();
                    return Ok(Carried::Partly { left: totals.less(&done), documents: done.documents });
                }
                (Ok(Step::Short(Answer::NothingNew)), None) => return Ok(self.nothing_new()),
                (Ok(Step::Short(Answer::More)), None) if !asked.is_last => {
                    let mut more = Negotiator::new(self.here.db, &haves)?;
                    asked.haves = more.next(SECOND)?;
                    asked.is_last = true;
                }
                // What was wanted then is gone by now, or this is another remote: it begins anew.
                (Ok(Step::Short(Answer::Gone)), Some(_)) if std::mem::take(&mut is_kept) => going = None,
                (Ok(Step::Short(Answer::NotCarried)), _) => return Ok(Carried::Not),
                (Ok(_), _) => return Err(wrong("this is no answer to what was asked")),
                (Err(Failure::Final(error)), going) => {
                    // Nothing of it is of use, whoever is to blame.
                    if let Some(partial) = going.as_mut().and_then(|going| going.partial.take()) {
                        partial.remove();
                    }
                    return match error {
                        Error::Unsupported(_) => Ok(Carried::Not),
                        error => Err(error),
                    };
                }
                (Err(Failure::Cut(error)), None) if !self.is_met => return Err(error),
                (Err(Failure::Cut(error)), going) => {
                    going.iter_mut().flat_map(|going| &mut going.partial).for_each(Partial::next_connection);
                    self.patience.wait(error)?;
                    is_open = false;
                }
            }
        }
    }

    /// Makes sure that the service listens.
    fn connect(&mut self, is_open: &mut bool) -> Result<()> {
        if self.transport.needs_advertisement() && !*is_open {
            let mut said = self.transport.advertisement(Service::UploadPack)?;
            read_capabilities(&mut Packets::new(&mut *said)).map_err(cut)?;
            *is_open = true;
        }
        Ok(())
    }

    /// What an earlier attempt has left.
    fn kept(&mut self) -> Result<Option<Going<'d>>> {
        let prefixes = self.request.prefixes;
        let is_asked = |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix));
        let Some(Found { mut partial, head, wanted }) = Partial::find(self.here.db, &is_asked) else { return Ok(None) };
        let mut taker = Taker::new(self.here.db.quarantine()?);
        let mut unpacker = unpacker()?;
        let runner = &mut *self.here.runner;
        let replayed = partial.replay(|block, is_first| {
            if is_first {
                unpacker = self::unpacker()?;
            }
            taker.take(unpacker.unpack(block)?, block.packed.len(), runner)
        });
        if replayed.is_err() || taker.has_ended() {
            partial.remove();
            return Ok(None);
        }
        Ok(Some(Going { refs: head.refs, wanted, totals: head.totals, taker, partial: Some(partial) }))
    }

    /// Makes one request and takes what comes.
    fn converse(&mut self, asked: &Asked, going: &mut Option<Going<'d>>) -> Result<Step, Failure> {
        let Client { here, transport, request, received, patience, is_met } = self;
        let Here { db, runner, listener, .. } = &mut **here;
        let asked = match going {
            None => asked.clone(),
            Some(going) => {
                going.wanted.from = going.taker.position();
                Asked { wanted: Some(going.wanted.clone()), ..asked.clone() }
            }
        };
        let mut answer = transport.stream(Service::UploadPack, &mut |out| asked.write(out))?;
        *is_met = true;
        let mut packets = Packets::new(&mut *answer);
        let said = RefCell::new(String::new());
        let mut heard = |text: &str| said.borrow_mut().push_str(text);
        let mut bands = Demultiplexer::new(&mut packets, &mut heard);
        let read = Answer::read(&mut bands);
        let head = match failed(read, &mut bands)? {
            Answer::Stream(head) => head,
            answer => {
                bands.finish()?;
                return Ok(Step::Short(answer));
            }
        };
        let going = match going {
            Some(going) => going,
            None => going.insert(Going::new(db, &asked, head)?),
        };
        let mut unpacker = unpacker()?;
        while !going.taker.has_ended() {
            let read = Block::read(&mut bands);
            let block = failed(read, &mut bands)?;
            going.taker.take(unpacker.unpack(&block)?, block.packed.len(), &mut **runner)?;
            if let Some(partial) = &mut going.partial {
                partial.add(&block);
            }
            *received += block.packed.len() as u64;
            patience.renew();
            let text = std::mem::take(&mut *said.borrow_mut());
            if !text.is_empty() {
                listener.said(&text);
            }
            let (done, totals) = (going.taker.done(), &going.totals);
            listener.progress(&Progress {
                direction: Direction::In,
                unit: Unit::Documents,
                done: done.documents,
                total: Some(totals.documents),
                bytes: done.bytes,
                total_bytes: Some(totals.bytes),
            });
            let is_enough = request.limits.max_bytes.is_some_and(|most| *received >= most);
            if is_enough && !going.taker.has_ended() {
                return Ok(Step::Enough);
            }
        }
        bands.finish()?;
        Ok(Step::Ended)
    }

    /// What is to be told when the refs are where they were.
    fn nothing_new(&self) -> Carried<'d> {
        let refs = self.request.known.iter();
        let refs = refs.map(|(name, id)| RemoteRef { name: name.clone(), id: Some(*id), target: None, peeled: None });
        Carried::All { refs: refs.collect(), quarantine: None, documents: 0 }
    }

    /// Looks at what came, once all has: that it is what was said, and whether something has to be asked for beside it.
    fn ended(&mut self, going: Going<'d>) -> Result<(Carried<'d>, Option<Going<'d>>)> {
        let Going { refs, wanted, totals, taker, partial } = going;
        let documents = taker.done().documents;
        let quarantine = taker.into_quarantine();
        let has = |id: &Id| Ok::<_, Error>(quarantine.database().store().contains(*id)?);
        for id in &wanted.wants {
            if !has(id)? {
                return Err(wrong(&format!("{id} was to come and has not")));
            }
        }
        if let Some(partial) = partial {
            partial.remove();
        }
        // Tags of commits that are here.
        let mut more = Wanted { common: wanted.common, ..Wanted::default() };
        for id in refs.iter().filter(|(_, is_sent)| !is_sent).filter_map(|(found, _)| found.id) {
            if !has(&id)? && !more.wants.contains(&id) {
                more.wants.push(id);
            }
        }
        let carried = |quarantine| {
            let refs = refs.iter().map(|(found, _)| found.clone()).collect();
            Carried::All { refs, quarantine, documents }
        };
        if more.wants.is_empty() {
            let has_something = totals.commits > 0 || !wanted.wants.is_empty();
            return Ok((carried(has_something.then(|| Box::new(quarantine))), None));
        }
        more.common.extend(self.request.haves);
        let refs = refs.iter().map(|(found, _)| (found.clone(), true)).collect();
        let taker = Taker::new(quarantine);
        Ok((Carried::Not, Some(Going { refs, wanted: more, totals: Totals::default(), taker, partial: None })))
    }
}

impl<'d> Going<'d> {
    /// The stream that an answer begins.
    fn new(db: &'d Database, asked: &Asked, head: Head) -> Result<Going<'d>> {
        let have = |place: &usize| asked.haves.get(*place).copied();
        let common: Option<Vec<CommitId>> = head.common.iter().map(have).collect();
        let common = common.ok_or_else(|| wrong("a commit is common that was not named"))?;
        let wants = head.refs.iter().filter(|(_, is_sent)| *is_sent).filter_map(|(found, _)| found.id).collect();
        let wanted = Wanted { wants, common, ..Wanted::default() };
        let partial = Some(Partial::new(db, &head, &wanted));
        let taker = Taker::new(db.quarantine()?);
        Ok(Going { refs: head.refs, wanted, totals: head.totals, taker, partial })
    }
}

fn unpacker() -> Result<Unpacker> {
    // Only memory could be lacking for it.
    Unpacker::new().map_err(|error| Error::Protocol(error.to_string()))
}
