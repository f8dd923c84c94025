//! What receive-pack speaks: the refs that can be pushed to, commands for them, a pack, and a report of what came of it.

use std::io::{self, Write};

use super::{Capabilities, FORMAT, MAX_REFS, agent, check_format, id, within};
use crate::object::Id;
use crate::refs::RefName;
use crate::sync::error::{Error, Result, excerpt, strange};
use crate::sync::pktline::{Packet, Packets, line, write_data, write_flush, write_line};
use crate::sync::stream::COMMAND;

/// A list without refs has this name for none, to have a place for the capabilities.
const NO_REF: &str = "capabilities^{}";

/// What a server says to who may push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pushable {
    /// The refs, by name.
    pub(crate) refs: Vec<(RefName, Id)>,
    /// Other objects that the server has, with all that they lead to.
    pub(crate) others: Vec<Id>,
    /// What it can do.
    pub(crate) capabilities: Capabilities,
}

/// Writes the refs and what this server can do.
pub(crate) fn write_pushable(out: &mut dyn Write, refs: &[(RefName, Id)]) -> io::Result<()> {
    let capabilities = format!(
        "report-status delete-refs side-band-64k quiet atomic ofs-delta object-format={FORMAT} agent={} {COMMAND}=1",
        agent()
    );
    let mut lines = refs.iter().map(|(name, id)| format!("{id} {name}"));
    let first = lines.next().unwrap_or_else(|| format!("{} {NO_REF}", Id::ZERO));
    write_data(out, format!("{first}\0{capabilities}\n").as_bytes())?;
    lines.try_for_each(|line| write_line(out, &line))?;
    write_flush(out)
}

/// Reads the refs and what a server can do.
///
/// # Errors
/// [`Error::Unsupported`] for a server whose ids are of another kind, [`Error::Protocol`], [`Error::TooMuch`].
pub(crate) fn read_pushable(packets: &mut Packets<'_>) -> Result<Pushable> {
    let mut found = Pushable::default();
    let mut is_first = true;
    let mut may_be_service = true;
    loop {
        let data = match packets.expect()? {
            Packet::Data(data) => data,
            Packet::Flush if !is_first => return Ok(found),
            _ => return Err(Error::Protocol("a list of refs is expected".into())),
        };
        // What servers of HTTP begin with; and what a server says that was asked for another version.
        if std::mem::replace(&mut may_be_service, false) && data.starts_with(b"# service=") {
            if packets.expect()? != Packet::Flush {
                return Err(Error::Protocol("no flush ends the name of the service".into()));
            }
            continue;
        }
        if is_first && line(data).is_ok_and(|text| text == "version 1") {
            continue;
        }
        let data = if is_first {
            let end = data.iter().position(|byte| *byte == 0);
            let (data, words) = end.map(|at| (&data[..at], &data[at + 1..])).unwrap_or((data, &[]));
            found.capabilities = Capabilities::of_line(line(words)?)?;
            check_format(found.capabilities.get("object-format"))?;
            data
        } else {
            data
        };
        let text = line(data)?;
        let bad = || strange("this is no line of a list of refs", data);
        let (first, name) = text.split_once(' ').ok_or_else(bad)?;
        if first != "shallow" {
            within(found.refs.len() + found.others.len() + 1, MAX_REFS, "the number of refs of the other side")?;
            match (name, id(first)?) {
                (NO_REF, _) if is_first => {}
                (".have", id) => found.others.push(id),
                (name, id) => found.refs.push((RefName::full(name).map_err(|_| bad())?, id)),
            }
        }
        is_first = false;
    }
}

/// One change of a ref that a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    /// The ref, as the client names it.
    pub(crate) name: String,
    /// Where it is to be now; `None` for a ref that does not exist.
    pub(crate) old: Option<Id>,
    /// Where it is to go; `None` to delete it.
    pub(crate) new: Option<Id>,
}

/// What a client begins with that pushes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Commands, which a pack follows where one of them is for a new value.
    Commands(Asked),
    /// isodb's own way: its request follows.
    Stream,
}

/// All that a client asks for in front of the pack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The changes.
    pub(crate) commands: Vec<Command>,
    /// What the client wants of the server's capabilities.
    pub(crate) capabilities: Capabilities,
}

/// Writes the commands; with the pack, if there is one, that is all of the request.
pub(crate) fn write_commands(out: &mut dyn Write, commands: &[Command], capabilities: &str) -> io::Result<()> {
    let id = |id: Option<Id>| id.unwrap_or(Id::ZERO);
    for (at, command) in commands.iter().enumerate() {
        let mut text = format!("{} {} {}", id(command.old), id(command.new), command.name);
        if at == 0 {
            text += &format!("\0{capabilities}");
        }
        write_data(out, text.as_bytes())?;
    }
    write_flush(out)
}

/// Reads the commands; `None` where the client has nothing to push.
///
/// # Errors
/// [`Error::Protocol`], [`Error::Unsupported`] and [`Error::TooMuch`], of which the client is to be told.
pub(crate) fn read_commands(packets: &mut Packets<'_>) -> Result<Option<Begun>> {
    let mut asked = Asked::default();
    loop {
        let data = match packets.next()? {
            Some(Packet::Data(data)) => data,
            Some(Packet::Flush) => break,
            // It has hung up without asking for anything.
            None if asked.commands.is_empty() => return Ok(None),
            _ => return Err(Error::Protocol("a list of commands does not end so".into())),
        };
        if asked.commands.is_empty() && line(data).is_ok_and(|text| text.strip_prefix("command=") == Some(COMMAND)) {
            return Ok(Some(Begun::Stream));
        }
        let data = match data.iter().position(|byte| *byte == 0) {
            Some(at) if asked.commands.is_empty() => {
                asked.capabilities = Capabilities::of_line(line(&data[at + 1..])?)?;
                &data[..at]
            }
            _ => data,
        };
        if data.starts_with(b"shallow ") || data.starts_with(b"push-cert") {
            return Err(strange("this is not understood here", data));
        }
        within(asked.commands.len() + 1, MAX_REFS, "the number of refs that are pushed")?;
        asked.commands.push(parse_command(line(data)?)?);
    }
    if asked.commands.is_empty() {
        return Ok(None);
    }
    check_format(asked.capabilities.get("object-format"))?;
    Ok(Some(Begun::Commands(asked)))
}

fn parse_command(text: &str) -> Result<Command> {
    let bad = || strange("this is no command for a ref", text.as_bytes());
    let (old, rest) = text.split_once(' ').ok_or_else(bad)?;
    let (new, name) = rest.split_once(' ').ok_or_else(bad)?;
    let id = |text| Ok::<_, Error>(Some(id(text)?).filter(|id| !id.is_zero()));
    let command = Command { name: name.to_owned(), old: id(old)?, new: id(new)? };
    if name.is_empty() || name.len() > 4096 || (command.old.is_none() && command.new.is_none()) {
        return Err(bad());
    }
    Ok(command)
}

/// What came of a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    /// Why the pack was not taken, if it was not.
    pub(crate) unpack: Option<String>,
    /// For each ref, by the name that the client gave it, why it was not moved, if it was not.
    pub(crate) refs: Vec<(String, Option<String>)>,
}

/// Writes the report.
pub(crate) fn write_report(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let one_line = |text: &str| excerpt(text.as_bytes());
    match &report.unpack {
        None => write_line(out, "unpack ok")?,
        Some(reason) => write_line(out, &format!("unpack {}", one_line(reason)))?,
    }
    for (name, refused) in &report.refs {
        match refused {
            None => write_line(out, &format!("ok {name}"))?,
            Some(reason) => write_line(out, &format!("ng {name} {}", one_line(reason)))?,
        }
    }
    write_flush(out)
}

/// Reads the report.
///
/// # Errors
/// [`Error::Protocol`], [`Error::TooMuch`].
pub(crate) fn read_report(packets: &mut Packets<'_>) -> Result<Report> {
    let mut report = Report::default();
    match packets.expect()? {
        Packet::Data(data) => match line(data)?.strip_prefix("unpack ") {
            Some("ok") => {}
            Some(reason) => report.unpack = Some(excerpt(reason.as_bytes())),
            None => return Err(strange("this is no report of a push", data)),
        },
        _ => return Err(Error::Protocol("a report of the push is expected".into())),
    }
    loop {
        let text = match packets.expect()? {
            Packet::Data(data) => line(data)?,
            Packet::Flush => return Ok(report),
            _ => return Err(Error::Protocol("a report of a push does not end so".into())),
        };
        within(report.refs.len() + 1, MAX_REFS, "the number of refs in a report")?;
        let bad = || strange("this is no report of a ref", text.as_bytes());
        let (word, rest) = text.split_once(' ').ok_or_else(bad)?;
        report.refs.push(match word {
            "ok" => (rest.to_owned(), None),
            "ng" => {
                let (name, reason) = rest.split_once(' ').unwrap_or((rest, "it does not say why"));
                (name.to_owned(), Some(excerpt(reason.as_bytes())))
            }
            _ => return Err(bad()),
        });
    }
}
