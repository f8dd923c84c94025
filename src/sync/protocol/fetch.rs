//! The command `fetch`: what is wanted and what is had, what both have, and then the pack.

use std::io::{self, Write};

use super::version::write_command;
use super::{MAX_HAVES, MAX_REFS, id, within};
use crate::object::Id;
use crate::sync::error::{Error, Result, strange};
use crate::sync::pktline::{Packet, Packets, line, write_delimiter, write_flush, write_line};

/// One round of a fetch: what the client says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FetchAsked {
    /// The objects that it is to get, with all that they lead to.
    pub(crate) wants: Vec<Id>,
    /// Some that it has, with all that they lead to.
    pub(crate) haves: Vec<Id>,
    /// Whether it has said all that it is going to say, and waits for the pack.
    pub(crate) done: bool,
    /// Whether deltas may be against what it has.
    pub(crate) thin_pack: bool,
    /// Whether deltas may name their bases by where they are.
    pub(crate) ofs_delta: bool,
    /// Whether tags of what it gets are wanted too.
    pub(crate) include_tag: bool,
    /// Whether it does not want to hear of progress.
    pub(crate) no_progress: bool,
    /// Whether no pack may come before it is done.
    pub(crate) wait_for_done: bool,
}

impl FetchAsked {
    /// Takes an argument. Unknown ones are refused: what is asked for would not be done.
    pub(super) fn take(&mut self, argument: &str) -> Result<()> {
        match argument.split_once(' ') {
            None => match argument {
                "done" => self.done = true,
                "thin-pack" => self.thin_pack = true,
                "ofs-delta" => self.ofs_delta = true,
                "include-tag" => self.include_tag = true,
                "no-progress" => self.no_progress = true,
                "wait-for-done" => self.wait_for_done = true,
                _ => return Err(strange("this is no argument of fetch that is known here", argument.as_bytes())),
            },
            Some(("want", text)) => {
                within(self.wants.len() + 1, MAX_REFS, "the number of wanted objects")?;
                self.wants.push(id(text)?);
            }
            Some(("have", text)) => {
                within(self.haves.len() + 1, MAX_HAVES, "the number of commits that are had")?;
                self.haves.push(id(text)?);
            }
            Some(_) => return Err(strange("this is no argument of fetch that is known here", argument.as_bytes())),
        }
        Ok(())
    }
}

/// Writes a round.
pub(crate) fn write_fetch(out: &mut dyn Write, asked: &FetchAsked) -> io::Result<()> {
    write_command(out, "fetch")?;
    for (is_set, name) in [
        (asked.thin_pack, "thin-pack"),
        (asked.no_progress, "no-progress"),
        (asked.include_tag, "include-tag"),
        (asked.ofs_delta, "ofs-delta"),
        (asked.wait_for_done, "wait-for-done"),
    ] {
        if is_set {
            write_line(out, name)?;
        }
    }
    for want in &asked.wants {
        write_line(out, &format!("want {want}"))?;
    }
    for have in &asked.haves {
        write_line(out, &format!("have {have}"))?;
    }
    if asked.done {
        write_line(out, "done")?;
    }
    write_flush(out)
}

/// What the server says of the commits that the client has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// Those that both have.
    pub(crate) common: Vec<Id>,
    /// Whether that is enough: the pack follows at once.
    pub(crate) is_ready: bool,
}

/// Writes it, up to where the pack is announced.
pub(crate) fn write_acknowledged(out: &mut dyn Write, said: &Acknowledged) -> io::Result<()> {
    write_line(out, "acknowledgments")?;
    for id in &said.common {
        write_line(out, &format!("ACK {id}"))?;
    }
    if said.common.is_empty() {
        write_line(out, "NAK")?;
    }
    if !said.is_ready {
        return write_flush(out);
    }
    write_line(out, "ready")?;
    write_delimiter(out)
}

/// Reads the answer to a round up to the pack: `None` where it follows without a word, as it does to who is done.
///
/// # Errors
/// [`Error::Protocol`], [`Error::Refused`].
pub(crate) fn read_acknowledged(packets: &mut Packets<'_>) -> Result<Option<Acknowledged>> {
    let mut said = Acknowledged::default();
    match packets.expect()? {
        Packet::Data(data) => match line(data)? {
            "acknowledgments" => {}
            "packfile" => return Ok(None),
            other => return Err(strange("this is no part of an answer that was asked for", other.as_bytes())),
        },
        _ => return Err(Error::Protocol("acknowledgments or a pack are expected".into())),
    }
    loop {
        match packets.expect()? {
            Packet::Data(data) => match line(data)? {
                "NAK" => {}
                "ready" => said.is_ready = true,
                text => {
                    let id = text.strip_prefix("ACK ").map(id);
                    within(said.common.len() + 1, MAX_HAVES, "the number of acknowledgments")?;
                    said.common.push(id.ok_or_else(|| strange("this is no acknowledgment", text.as_bytes()))??);
                }
            },
            Packet::Delimiter if said.is_ready => break,
            Packet::Flush if !said.is_ready => return Ok(Some(said)),
            _ => return Err(Error::Protocol("acknowledgments do not end so".into())),
        }
    }
    match packets.expect()? {
        Packet::Data(b"packfile\n" | b"packfile") => Ok(Some(said)),
        _ => Err(Error::Protocol("a pack is expected".into())),
    }
}
