//! A service of one database, for any transport: what it says first, and its answer to each request.

use std::io::{BufWriter, Read, Write};

use super::error::{Error, Result};
use super::pktline::{Packets, write_error, write_line};
use super::protocol::{
    Acknowledged, Band, FetchAsked, ListAsked, Multiplexer, RemoteRef, Request, Service, read_request,
    write_acknowledged, write_capabilities, write_pushable, write_refs,
};
use super::select::{Form, commit_of, outgoing, peel};
use super::stream;
use crate::database::Database;
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
    /// How many bytes are kept of all streams whose pushes were cut, for their next attempts.
    pub max_kept: u64,
}

impl Default for ServeLimits {
    /// A pack of 64 GiB, and 1 GiB kept.
    fn default() -> ServeLimits {
        ServeLimits { max_pack: 64 << 30, max_kept: 1 << 30 }
    }
}

/// A database that answers.
pub struct Server<'a> {
    pub(super) db: &'a Database,
    /// Who moves refs.
    pub(super) who: Ident,
    /// Makes merge commits that come in again.
    pub(super) runner: &'a mut dyn Runner,
    pub(super) limits: ServeLimits,
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

    /// Answers one request; false when no other can follow on the same connection. What is wrong with the request is told to the client, and is an error
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
        while self.answer(service, input, out)? {}
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
