//! The client's side of a stream that is pushed: asks how far it came where that is worth while, sends the rest, and goes on
//! when the connection is cut. A move that was done by an attempt whose answer was lost is not done again.

use std::cell::RefCell;
use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use super::link::{Failure, failed, is_unreachable};
use super::plan::{Plan, Unplanned};
use super::send::{Position, write};
use super::submit::{Outcome, PushId, Submitted};
use super::wire::wrong;
use crate::database::Database;
use crate::object::{CommitId, Id};
use crate::store::new_stem;
use crate::sync::again::{Patience, cut};
use crate::sync::error::{Error, Result};
use crate::sync::exchange::PushEdit;
use crate::sync::here::{Direction, Here, Progress, Unit};
use crate::sync::pktline::Packets;
use crate::sync::protocol::{Demultiplexer, Service, read_pushable};
use crate::sync::push::NotMoved;
use crate::sync::transport::Transport;

/// Of a stream of so many bytes before they are compressed, the other side keeps what comes. Few in tests.
const LARGE: u64 = if cfg!(test) { 4 << 10 } else { 256 << 10 };

/// Works out the stream of what somebody lacks; `None` where a stream cannot carry it.
pub(in crate::sync) fn planned(db: &Database, wants: &[Id], common: &[CommitId]) -> Result<Option<Plan>> {
    match Plan::new(db, wants, common) {
        Ok(plan) => Ok(Some(plan)),
        Err(Unplanned::NotCarried) => Ok(None),
        Err(Unplanned::Failed(error)) => Err(error),
    }
}

/// What came of pushing a stream.
pub(in crate::sync) enum Submission {
    /// For each move, why it was not done, if it was not; and how many documents were sent.
    Done { not_moved: Vec<Option<NotMoved>>, documents: u64 },
    /// A stream cannot carry it.
    NotCarried,
    /// The other side does not take the stream.
    Refused,
}

/// Sends what the other side lacks that has some commits, and asks for the moves. The transport has been asked for its
/// advertisement if it needs that, and is asked again where a connection was cut.
///
/// # Errors
/// When the other side cannot be reached, or not for long enough to send more than before.
pub(in crate::sync) fn submit(
    here: &mut Here<'_, '_>,
    transport: &mut dyn Transport,
    edits: &[PushEdit],
    is_atomic: bool,
    common: &[CommitId],
) -> Result<Submission> {
    let wants: Vec<Id> = edits.iter().filter(|edit| edit.new != edit.old).filter_map(|edit| edit.new).collect();
    let Some(plan) = planned(here.db, &wants, common)? else { return Ok(Submission::NotCarried) };
    let token = (plan.totals.bytes >= LARGE).then(|| plan.token());
    let asked = Submitted { id: new_id(), edits: edits.to_vec(), is_atomic, token, ..Submitted::default() };
    let (is_open, patience) = (true, Patience::default());
    Client { here, transport, plan, asked, is_open, has_sent: false, patience }.run()
}

fn new_id() -> PushId {
    let mut id = PushId::default();
    id.copy_from_slice(&Sha256::digest(new_stem())[..8]);
    id
}

struct Client<'c, 'd, 'r> {
    here: &'c mut Here<'d, 'r>,
    transport: &'c mut dyn Transport,
    plan: Plan,
    asked: Submitted,
    /// Whether the service listens.
    is_open: bool,
    /// Whether something was sent that may have been done.
    has_sent: bool,
    patience: Patience,
}

impl Client<'_, '_, '_> {
    fn run(mut self) -> Result<Submission> {
        let mut may_begin_anew = true;
        loop {
            match self.attempt() {
                Ok(Outcome::Done(not_moved)) => {
                    let documents = if self.has_sent { self.plan.totals.documents } else { 0 };
                    return Ok(Submission::Done { not_moved, documents });
                }
                Ok(Outcome::Again) => self.patience.wait_for_it()?,
                // What another has sent of it was not what it should be, and is gone now.
                Ok(Outcome::Bad(_)) if self.asked.from != Position::default() && may_begin_anew => {
                    may_begin_anew = false;
                    self.asked.from = Position::default();
                }
                Ok(Outcome::Bad(_)) => return Ok(Submission::Refused),
                Ok(Outcome::From(_)) => return Err(wrong("this is no answer to what was asked")),
                Err(Failure::Cut(error)) if !self.has_sent && is_unreachable(&error) => return Err(error),
                Err(Failure::Cut(error)) => self.patience.wait(error)?,
                Err(Failure::Final(error)) => return Err(error),
            }
            // Whatever was said, the other side may not listen any more.
            self.is_open = false;
            self.asked.is_again = self.has_sent;
        }
    }

    /// Asks how far it came, if that is worth while, and sends the rest.
    fn attempt(&mut self) -> Result<Outcome, Failure> {
        if self.asked.token.is_some() || self.asked.is_again {
            match self.call(true)? {
                Outcome::From(position) => {
                    let (at, was) = (position, self.asked.from);
                    if (at.records, at.pieces) > (was.records, was.pieces) {
                        self.patience.renew();
                    }
                    self.asked.from = position;
                }
                outcome => return Ok(outcome),
            }
        }
        self.call(false)
    }

    /// Makes sure that the service listens.
    fn connect(&mut self) -> Result<()> {
        if self.transport.needs_advertisement() && !self.is_open {
            let mut said = self.transport.advertisement(Service::ReceivePack)?;
            read_pushable(&mut Packets::new(&mut *said)).map_err(cut)?;
            self.is_open = true;
        }
        Ok(())
    }

    /// Makes one request.
    fn call(&mut self, is_question: bool) -> Result<Outcome, Failure> {
        self.connect()?;
        let Client { here, transport, plan, asked, has_sent, .. } = self;
        let Here { db, listener, .. } = &mut **here;
        asked.is_question = is_question;
        let mut failure = None;
        let mut body = |out: &mut dyn Write| -> io::Result<()> {
            asked.write(out)?;
            if is_question || !asked.has_stream() {
                return Ok(());
            }
            let mut told = |done| {
                let (direction, unit, total) = (Direction::Out, Unit::Documents, Some(plan.totals.documents));
                listener.progress(&Progress { direction, unit, done, total, bytes: 0, total_bytes: None });
            };
            match write(db, plan, asked.from, out, &mut told) {
                Ok(()) => Ok(()),
                Err(Error::Connection(source)) => Err(source),
                Err(error) => {
                    let text = error.to_string();
                    failure = Some(error);
                    Err(io::Error::other(text))
                }
            }
        };
        let called = transport.stream(Service::ReceivePack, &mut body);
        *has_sent |= !is_question && !called.as_ref().is_err_and(is_unreachable);
        if let Some(failure) = failure {
            return Err(Failure::Final(failure));
        }
        let mut answer = match called {
            // The server has too much to do, or one before it cannot reach it.
            Err(error @ Error::Http { status: 429 | 502 | 503 | 504, .. }) => return Err(Failure::Cut(error)),
            called => called?,
        };
        let mut packets = Packets::new(&mut *answer);
        let said = RefCell::new(String::new());
        let mut heard = |text: &str| said.borrow_mut().push_str(text);
        let mut bands = Demultiplexer::new(&mut packets, &mut heard);
        let read = Outcome::read(&mut bands, asked.edits.len());
        let outcome = failed(read, &mut bands)?;
        bands.finish()?;
        let said = said.into_inner();
        if !said.is_empty() {
            listener.said(&said);
        }
        Ok(outcome)
    }
}
