//! The side that is pushed to: what a client sends, a pack or a stream, waits in a quarantine; what stands against the moves of
//! refs is found out; then it is let in, and the refs move.

use std::io::{self, Read, Write};

use super::error::{Error, Result};
use super::exchange::PushEdit;
use super::intake::{self, Limited};
use super::pktline::Packets;
use super::protocol::{Asked, Begun, Command, Multiplexer, Report, read_commands, write_report};
use super::push::NotMoved;
use super::serve::Server;
use super::stream::{self, Kept, Outcome, Position, Submitted};
use crate::database::Quarantine;
use crate::object::Id;
use crate::refs::RefName;

/// What stands in the log of a ref that git's commands have moved.
const MESSAGE: &str = "push";

/// For each move, why it is not done, if it is not.
type NotMovedOf = [Option<NotMoved>];

impl<'a> Server<'a> {
    /// Answers one request of receive-pack; false when no other can follow.
    pub(super) fn receive(&mut self, input: &mut dyn Read, out: &mut dyn Write) -> Result<bool> {
        let mut packets = Packets::new(input);
        match read_commands(&mut packets)? {
            None => Ok(false),
            Some(Begun::Commands(asked)) => self.receive_pack(&asked, packets.into_source(), out),
            Some(Begun::Stream) => self.receive_stream(packets, out),
        }
    }

    fn receive_pack(&mut self, asked: &Asked, input: &mut dyn Read, out: &mut dyn Write) -> Result<bool> {
        let report = self.push(asked, input);
        let write = |out: &mut dyn Write| -> io::Result<()> {
            if !asked.capabilities.has("report-status") {
                return Ok(());
            }
            if !asked.capabilities.has("side-band-64k") {
                return write_report(out, &report);
            }
            let mut bands = Multiplexer::new(out);
            write_report(&mut bands, &report)?;
            bands.finish()
        };
        write(out).map_err(Error::Connection)?;
        match report.unpack {
            // The client has been told.
            Some(reason) => Err(Error::Refused(reason)),
            None => Ok(false),
        }
    }

    /// Takes a pack if there is one, and moves the refs that may move.
    fn push(&mut self, asked: &Asked, input: &mut dyn Read) -> Report {
        let mut report = Report::default();
        let mut not_moved = vec![None; asked.commands.len()];
        let done = self.try_push(asked, input, &mut not_moved);
        if let Err(error) = done {
            report.unpack = Some(error.to_string());
            not_moved.fill(Some(NotMoved::Refused("nothing was taken".to_owned())));
        }
        let names = asked.commands.iter().map(|command| command.name.clone());
        let reasons = not_moved.into_iter().map(|reason| reason.map(|reason| reason.to_string()));
        report.refs = names.zip(reasons).collect();
        report
    }

    fn try_push(&mut self, asked: &Asked, input: &mut dyn Read, not_moved: &mut NotMovedOf) -> Result<()> {
        let has_pack = asked.commands.iter().any(|command| command.new.is_some());
        let quarantine = if has_pack { Some(self.take_pack(input)?) } else { None };
        // The moves that nothing stands against, each with its command's place.
        let mut free: Vec<(usize, PushEdit)> = Vec::new();
        for (place, Command { name, old, new }) in asked.commands.iter().enumerate() {
            let Ok(name) = RefName::full(name) else {
                not_moved[place] = Some(NotMoved::Refused("this is no name of a ref that can be pushed to".into()));
                continue;
            };
            let edit = PushEdit { name, old: *old, new: *new };
            match intake::objection(self.db, &edit)? {
                None => free.push((place, edit)),
                reason => not_moved[place] = reason,
            }
        }
        self.let_in(free, quarantine, asked.capabilities.has("atomic"), MESSAGE, not_moved)
    }

    /// Lets in what came, if nothing stands against it, and makes the moves that are left.
    fn let_in(
        &mut self,
        mut free: Vec<(usize, PushEdit)>,
        quarantine: Option<Quarantine<'a>>,
        is_atomic: bool,
        message: &str,
        not_moved: &mut NotMovedOf,
    ) -> Result<()> {
        let is_stopped = |not_moved: &NotMovedOf| is_atomic && not_moved.iter().any(Option::is_some);
        let mut is_off = is_stopped(not_moved);
        if let Some(quarantine) = quarantine.as_ref().filter(|_| !is_off) {
            let moves: Vec<PushEdit> = free.iter().map(|(_, asked)| asked.clone()).collect();
            let verdict = intake::judge(quarantine, &moves, self.runner)?;
            for (name, reason) in verdict.refused {
                for (place, _) in free.iter().filter(|(_, asked)| asked.name == name) {
                    not_moved[*place].get_or_insert_with(|| NotMoved::Refused(reason.clone()));
                }
            }
            free.retain(|(place, _)| not_moved[*place].is_none());
            // Objects come in together or not at all.
            is_off = verdict.is_bad || is_stopped(not_moved);
        }
        if is_off {
            stop(not_moved, &free);
            return Ok(());
        }
        let (places, moves): (Vec<usize>, Vec<PushEdit>) = free.into_iter().unzip();
        let needs_objects = moves.iter().any(|asked| asked.new.is_some());
        if !moves.is_empty() {
            let quarantine = quarantine.filter(|_| needs_objects);
            let applied = intake::apply(self.db, quarantine, &moves, is_atomic, &self.who, message)?;
            for (place, reason) in places.into_iter().zip(applied) {
                not_moved[place] = reason;
            }
        }
        Ok(())
    }

    /// Takes the pack that follows into a quarantine.
    fn take_pack(&self, input: &mut dyn Read) -> Result<Quarantine<'a>> {
        let limit = self.limits.max_pack;
        let mut input = Limited::new(input, limit);
        let quarantine = self.db.quarantine()?;
        match quarantine.store().receive(&mut input) {
            Err(_) if input.is_exceeded() => Err(too_much(limit)),
            received => {
                received?.keep()?;
                Ok(quarantine)
            }
        }
    }

    fn receive_stream(&mut self, mut packets: Packets<'_>, out: &mut dyn Write) -> Result<bool> {
        let answered = Submitted::read(&mut packets).and_then(|asked| {
            let outcome = self.submitted(&asked, packets.into_source())?;
            Ok((outcome, asked.is_question))
        });
        let outcome = match &answered {
            Ok((outcome, _)) => outcome.clone(),
            // Who can still hear it may try again.
            Err(Error::Connection(_)) => Outcome::Again,
            Err(error) => Outcome::Bad(error.to_string()),
        };
        let mut bands = Multiplexer::new(out);
        let told = outcome.write(&mut bands).and_then(|()| bands.finish()).map_err(Error::Connection);
        match answered {
            Ok((_, is_question)) => told.map(|()| is_question),
            Err(error @ Error::Connection(_)) => Err(error),
            // The client has been told.
            Err(error) => Err(Error::Refused(error.to_string())),
        }
    }

    /// Does what is asked for, or tells how far its stream came.
    fn submitted(&mut self, asked: &Submitted, input: &mut dyn Read) -> Result<Outcome> {
        let mut not_moved: Vec<Option<NotMoved>> = vec![None; asked.edits.len()];
        let mut free = Vec::new();
        for (place, edit) in asked.edits.iter().enumerate() {
            if asked.is_again && self.is_done(asked, edit)? {
                continue;
            }
            match intake::objection(self.db, edit)? {
                Some(NotMoved::Elsewhere { .. }) if self.is_done(asked, edit)? => {}
                None if edit.old == edit.new => {}
                None => free.push((place, edit.clone())),
                reason => not_moved[place] = reason,
            }
        }
        if asked.is_atomic && not_moved.iter().any(Option::is_some) {
            stop(&mut not_moved, &free);
            free.clear();
        }
        if free.is_empty() {
            return Ok(Outcome::Done(not_moved));
        }
        let mut kept = match &asked.token {
            Some(token) => match Kept::open(self.db, token, self.limits.max_kept) {
                None => return Ok(Outcome::Again),
                kept => kept,
            },
            None => None,
        };
        if asked.is_question {
            return Ok(Outcome::From(kept.map_or(Position::default(), |kept| kept.position())));
        }
        if let Some(kept) = kept.as_mut().filter(|kept| kept.position() != asked.from) {
            if asked.from != Position::default() {
                return Ok(Outcome::Again);
            }
            kept.restart();
        }
        if kept.as_mut().is_some_and(|kept| !kept.claim()) {
            return Ok(Outcome::Again);
        }
        let quarantine = match asked.has_stream() {
            true => {
                let taken = self.take_stream(input, kept.as_mut());
                if let Err(error) = &taken
                    && !matches!(error, Error::Connection(_))
                    && let Some(kept) = kept.take()
                {
                    // What came whole is of use where the link is to blame, and only there.
                    kept.remove();
                }
                Some(taken?)
            }
            false => None,
        };
        let done = self.let_in(free, quarantine, asked.is_atomic, &asked.log_message(), &mut not_moved);
        if let Some(kept) = kept {
            kept.remove();
        }
        done?;
        // Another attempt of the same push may have been faster.
        for (reason, edit) in not_moved.iter_mut().zip(&asked.edits) {
            if matches!(reason, Some(NotMoved::Elsewhere { .. })) && self.is_done(asked, edit)? {
                *reason = None;
            }
        }
        Ok(Outcome::Done(not_moved))
    }

    /// Takes the stream that follows into a quarantine.
    fn take_stream(&mut self, input: &mut dyn Read, kept: Option<&mut Kept>) -> Result<Quarantine<'a>> {
        let limit = self.limits.max_pack;
        let mut input = Limited::new(input, limit.saturating_sub(kept.as_ref().map_or(0, |kept| kept.size())));
        let taken = match kept {
            Some(kept) => stream::take_on(self.db, &mut input, kept, self.runner),
            None => stream::take(self.db, &mut input, self.runner),
        };
        match taken {
            Err(_) if input.is_exceeded() => Err(too_much(limit)),
            taken => taken,
        }
    }

    /// Whether an attempt of this push has done a move already. A line of the log stands before the move is made: what
    /// came behind it tells whether it was.
    fn is_done(&self, asked: &Submitted, edit: &PushEdit) -> Result<bool> {
        let found = self.db.refs().get(&edit.name)?;
        let Some(new) = edit.new else { return Ok(asked.is_again && found.is_none()) };
        let message = asked.log_message();
        let mut after: Option<Id> = found;
        for entry in self.db.reflog(&edit.name)? {
            if entry.message == message && entry.new == new {
                return Ok(after == Some(new));
            }
            after = Some(entry.old);
        }
        Ok(false)
    }
}

/// Refuses moves since others are refused.
fn stop(not_moved: &mut NotMovedOf, free: &[(usize, PushEdit)]) {
    for (place, _) in free {
        not_moved[*place].get_or_insert_with(|| NotMoved::Refused("another ref of this push was refused".into()));
    }
}

fn too_much(limit: u64) -> Error {
    Error::TooMuch { what: "the size of the pack", limit }
}
