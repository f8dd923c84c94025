//! A service of one database, for any transport: what it says first, and its answer to each request.

use std::io::{self, BufWriter, Read, Write};

use super::error::{Error, Result};
use super::intake::{self, Limited, Move};
use super::pktline::{Packets, write_error, write_line};
use super::protocol::{
    Acknowledged, Asked, Band, FetchAsked, ListAsked, Multiplexer, RemoteRef, Report, Request, Service, read_commands,
    read_request, write_acknowledged, write_capabilities, write_pushable, write_refs, write_report,
};
use super::select::{Form, commit_of, outgoing, peel};
use super::stream;
use crate::database::{Database, Quarantine};
use crate::object::{CommitId, Id, Ident};
use crate::refs::{RefName, RefValue};
use crate::script::Runner;

/// With more wanted objects than this it is not worked out whether the common commits are enough for each.
const LOOKED_AT: usize = 64;

/// What a service takes and gives at most.
#[derive(Clone, Copy, Debug)]
pub struct ServeLimits {
    /// The largest pack that is taken, in bytes.
    pub max_pack: u64,
}

impl Default for ServeLimits {
    /// A pack of 64 GiB.
    fn default() -> ServeLimits {
        ServeLimits { max_pack: 64 << 30 }
    }
}

/// A database that answers.
pub struct Server<'a> {
    db: &'a Database,
    /// Who moves refs.
    who: Ident,
    /// Makes merge commits that come in again.
    runner: &'a mut dyn Runner,
    limits: ServeLimits,
}

impl<'a> Server<'a> {
    /// Serves a database; `who` stands in the reflog for those who push.
    pub fn new(db: &'a Database, who: Ident, runner: &'a mut dyn Runner, limits: ServeLimits) -> Server<'a> {
        Server { db, who, runner, limits }
    }

    /// Says what the service says first.
    pub fn advertise(&self, service: Service, out: &mut dyn Write) -> Result<()> {
        let mut out = BufWriter::new(out);
        match service {
            Service::UploadPack => write_capabilities(&mut out),
            Service::ReceivePack => write_pushable(&mut out, &self.db.refs().list("refs/")?),
        }
        .and_then(|()| out.flush())
        .map_err(Error::Connection)
    }

    /// Answers one request; false when there is none. What is wrong with the request is told to the client, and is an error
    /// here too: there is nothing more to be said then.
    pub fn answer(&mut self, service: Service, input: &mut dyn Read, out: &mut dyn Write) -> Result<bool> {
        let mut out = BufWriter::with_capacity(1 << 16, out);
        let answered = match service {
            Service::UploadPack => self.upload(input, &mut out),
            Service::ReceivePack => self.receive(input, &mut out),
        };
        if let Err(error) = &answered
            && !matches!(error, Error::Connection(_) | Error::Refused(_))
        {
            // Best effort: who does not keep to the protocol may not listen either.
            let _ = write_error(&mut out, &error.to_string());
        }
        let flushed = out.flush().map_err(Error::Connection);
        answered.and_then(|more| flushed.map(|()| more))
    }

    /// Speaks with a client to the end, over a connection that carries all requests.
    pub fn converse(&mut self, service: Service, input: &mut dyn Read, out: &mut dyn Write) -> Result<()> {
        self.advertise(service, out)?;
        while self.answer(service, input, out)? && service == Service::UploadPack {}
        Ok(())
    }

    fn upload(&mut self, input: &mut dyn Read, out: &mut dyn Write) -> Result<bool> {
        match read_request(&mut Packets::new(input))? {
            None => return Ok(false),
            Some(Request::List(asked)) => {
                let refs = self.list(&asked)?;
                write_refs(out, &refs).map_err(Error::Connection)?;
            }
            Some(Request::Fetch(asked)) => self.fetch(&asked, out)?,
            Some(Request::Stream(asked)) => {
                let list = |prefixes: &[String]| {
                    let prefixes = prefixes.to_vec();
                    self.list(&ListAsked { symrefs: true, unborn: true, prefixes, ..ListAsked::default() })
                };
                stream::answer(self.db, &asked, &list, out)?;
            }
        }
        Ok(true)
    }

    /// The refs that are asked for, HEAD first.
    fn list(&self, asked: &ListAsked) -> Result<Vec<RemoteRef>> {
        let (db, head) = (self.db, RefName::head());
        let mut found = Vec::new();
        if asked.wants(head.as_str()) {
            let symbolic = match db.refs().read(&head)? {
                Some(RefValue::Symbolic(target)) => Some(target),
                _ => None,
            };
            let id = db.refs().get(&head)?;
            if id.is_some() || (asked.unborn && symbolic.is_some()) {
                let target = symbolic.filter(|_| asked.symrefs || id.is_none());
                found.push(RemoteRef { name: head, id, target, peeled: None });
            }
        }
        for (name, id) in db.refs().list("refs/")? {
            if !asked.wants(name.as_str()) {
                continue;
            }
            let peeled = match asked.peel && !name.is_branch() {
                true => peel(db, id)?.filter(|peeled| !peeled.tags.is_empty()).map(|peeled| peeled.id),
                false => None,
            };
            // Reading each ref again would cost more than it tells: git makes symbolic refs of this name alone.
            let target = match asked.symrefs && name.as_str().ends_with("/HEAD") {
                true => db.refs().read(&name)?,
                false => None,
            };
            let target = match target {
                Some(RefValue::Symbolic(target)) => Some(target),
                _ => None,
            };
            found.push(RemoteRef { name, id: Some(id), target, peeled });
        }
        Ok(found)
    }

    fn fetch(&self, asked: &FetchAsked, out: &mut dyn Write) -> Result<()> {
        for want in &asked.wants {
            if !self.db.store().contains(*want)? {
                return Err(Error::Protocol(format!("{want} is wanted, and not here")));
            }
        }
        let mut said = Acknowledged::default();
        let mut common: Vec<CommitId> = Vec::new();
        for have in &asked.haves {
            if let Some(commit) = commit_of(self.db, *have)? {
                said.common.push(*have);
                common.push(commit);
            }
        }
        if !asked.done {
            said.is_ready = !asked.wait_for_done && is_enough(self.db, &asked.wants, &common)?;
            write_acknowledged(out, &said).map_err(Error::Connection)?;
            if !said.is_ready {
                return Ok(());
            }
        }
        let form = Form { is_thin: asked.thin_pack, takes_offsets: asked.ofs_delta, with_tags: asked.include_tag };
        let pack = outgoing(self.db, &asked.wants, &common, form);
        let connection = |error| Err(Error::Connection(error));
        if let Err(error) = write_line(out, "packfile") {
            return connection(error);
        }
        let mut bands = Multiplexer::new(out);
        let sent = pack.and_then(|pack| {
            if !asked.no_progress {
                bands.say(Band::Progress, &format!("sending {} objects\n", pack.count())).map_err(Error::Connection)?;
            }
            Ok(pack.write(&mut bands, &mut |_| ())?)
        });
        match sent {
            Ok(_) => bands.finish().map_err(Error::Connection),
            Err(error) => {
                // Told on this band, or to nobody if the connection is what failed.
                let _ = bands.say(Band::Error, &error.to_string());
                Err(Error::Refused(error.to_string()))
            }
        }
    }

    fn receive(&mut self, input: &mut dyn Read, out: &mut dyn Write) -> Result<bool> {
        let mut packets = Packets::new(input);
        let Some(asked) = read_commands(&mut packets)? else { return Ok(false) };
        let input = packets.into_source();
        let report = self.push(&asked, input);
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
            None => Ok(true),
        }
    }

    /// Takes a pack if there is one, and moves the refs that may move.
    fn push(&mut self, asked: &Asked, input: &mut dyn Read) -> Report {
        let mut report = Report::default();
        let mut refused = vec![None; asked.commands.len()];
        let done = self.try_push(asked, input, &mut refused);
        if let Err(error) = done {
            report.unpack = Some(error.to_string());
            refused.iter_mut().for_each(|reason| *reason = Some("nothing was taken".to_owned()));
        }
        let names = asked.commands.iter().map(|command| command.name.clone());
        report.refs = names.zip(refused).collect();
        report
    }

    fn try_push(&mut self, asked: &Asked, input: &mut dyn Read, refused: &mut [Option<String>]) -> Result<()> {
        let db = self.db;
        let has_pack = asked.commands.iter().any(|command| command.new.is_some());
        let quarantine = if has_pack { Some(self.take(asked, input)?) } else { None };
        // The moves that nothing stands against, each with its command's place.
        let mut free: Vec<(usize, Move)> = Vec::new();
        for (place, command) in asked.commands.iter().enumerate() {
            let Some(name) = RefName::full(&command.name).ok().filter(|name| *name != RefName::head()) else {
                refused[place] = Some("this is no name of a ref that can be pushed to".into());
                continue;
            };
            let asked = Move { name, old: command.old, new: command.new };
            match intake::objection(db, &asked)? {
                None => free.push((place, asked)),
                reason => refused[place] = reason,
            }
        }
        let is_atomic = asked.capabilities.has("atomic");
        let mut is_off = is_atomic && free.len() < refused.len();
        if let Some(quarantine) = quarantine.as_ref().filter(|_| !is_off) {
            let moves: Vec<Move> = free.iter().map(|(_, asked)| asked.clone()).collect();
            let verdict = intake::judge(quarantine, &moves, self.runner)?;
            for (name, reason) in verdict.refused {
                for (place, _) in free.iter().filter(|(_, asked)| asked.name == name) {
                    refused[*place].get_or_insert_with(|| reason.clone());
                }
            }
            free.retain(|(place, _)| refused[*place].is_none());
            // Objects come in together or not at all.
            is_off = verdict.is_bad || (is_atomic && free.len() < refused.len());
        }
        if is_off {
            for reason in refused.iter_mut().filter(|reason| reason.is_none()) {
                *reason = Some("another ref of this push was refused".into());
            }
            return Ok(());
        }
        let (places, moves): (Vec<usize>, Vec<Move>) = free.into_iter().unzip();
        let needs_objects = moves.iter().any(|asked| asked.new.is_some());
        if !moves.is_empty() {
            let quarantine = quarantine.filter(|_| needs_objects);
            let answers = intake::apply(db, quarantine, &moves, is_atomic, &self.who)?;
            for (place, reason) in places.into_iter().zip(answers) {
                refused[place] = reason;
            }
        }
        Ok(())
    }

    /// Takes the pack that follows, or the stream in its place, into a quarantine.
    fn take(&mut self, asked: &Asked, input: &mut dyn Read) -> Result<Quarantine<'a>> {
        let limit = self.limits.max_pack;
        let mut input = Limited::new(input, limit);
        let taken = match asked.capabilities.has(stream::COMMAND) {
            true => stream::take(self.db, &mut input, self.runner),
            false => self.take_pack(&mut input),
        };
        match taken {
            Err(_) if input.is_exceeded() => Err(Error::TooMuch { what: "the size of the pack", limit }),
            taken => taken,
        }
    }

    fn take_pack(&self, input: &mut dyn Read) -> Result<Quarantine<'a>> {
        let quarantine = self.db.quarantine()?;
        quarantine.store().receive(input)?.keep()?;
        Ok(quarantine)
    }
}

/// Whether something is known to be had below each wanted commit.
pub(super) fn is_enough(db: &Database, wants: &[Id], common: &[CommitId]) -> Result<bool> {
    if common.is_empty() {
        return Ok(false);
    }
    for want in wants.iter().take(LOOKED_AT) {
        let Some(want) = commit_of(db, *want)? else { continue };
        let mut is_below = false;
        for have in common.iter().rev().take(LOOKED_AT) {
            is_below = is_below || db.is_ancestor(*have, want)?;
        }
        if !is_below {
            return Ok(false);
        }
    }
    Ok(true)
}
