//! How version 2 begins: the list of what the server can do, then requests, each a command with its arguments.

use std::io::{self, Write};

use super::fetch::FetchAsked;
use super::list::ListAsked;
use super::{Capabilities, FORMAT, agent, check_format};
use crate::sync::error::{Error, Result, strange};
use crate::sync::pktline::{Packet, Packets, line, write_flush, write_line};
use crate::sync::stream;

/// Writes what this server can do.
pub(crate) fn write_capabilities(out: &mut dyn Write) -> io::Result<()> {
    write_line(out, "version 2")?;
    write_line(out, &format!("agent={}", agent()))?;
    write_line(out, "ls-refs=unborn")?;
    write_line(out, "fetch=wait-for-done")?;
    write_line(out, &format!("object-format={FORMAT}"))?;
    write_line(out, &format!("{}=1", stream::COMMAND))?;
    write_flush(out)
}

/// Reads what a server can do.
///
/// # Errors
/// [`Error::Unsupported`] for a server that speaks another version or has other ids.
pub(crate) fn read_capabilities(packets: &mut Packets<'_>) -> Result<Capabilities> {
    let mut list = Capabilities::default();
    let mut is_first = true;
    loop {
        let packet = packets.expect()?;
        match packet {
            // What servers of HTTP begin with.
            Packet::Data(data) if is_first && data.starts_with(b"# service=") => {
                if packets.expect()? != Packet::Flush {
                    return Err(Error::Protocol("no flush ends the name of the service".into()));
                }
                continue;
            }
            Packet::Data(data) if is_first => {
                if data.contains(&0) || data.len() > 64 {
                    return Err(Error::Unsupported(
                        "speaks only an old version of git's protocol: over ssh, its server must accept the variable \
                         GIT_PROTOCOL (AcceptEnv in sshd_config)"
                            .into(),
                    ));
                }
                if line(data)? != "version 2" {
                    return Err(strange("this is no version of git's protocol that is spoken here", data));
                }
            }
            Packet::Data(data) => list.add(line(data)?)?,
            Packet::Flush if !is_first => break,
            _ => return Err(Error::Protocol("a list of capabilities is expected".into())),
        }
        is_first = false;
    }
    check_format(list.get("object-format"))?;
    Ok(list)
}

/// Writes how a request begins, up to its arguments.
pub(super) fn write_command(out: &mut dyn Write, name: &str) -> io::Result<()> {
    write_line(out, &format!("command={name}"))?;
    write_line(out, &format!("agent={}", agent()))?;
    write_line(out, &format!("object-format={FORMAT}"))?;
    crate::sync::pktline::write_delimiter(out)
}

/// A request of version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Which refs there are.
    List(ListAsked),
    /// Objects are wanted.
    Fetch(FetchAsked),
    /// History is wanted in isodb's own way.
    Stream(stream::Asked),
}

/// Reads a request; `None` where the client has no more.
///
/// # Errors
/// [`Error::Protocol`], [`Error::Unsupported`] and [`Error::TooMuch`], of which the client is to be told.
pub(crate) fn read_request(packets: &mut Packets<'_>) -> Result<Option<Request>> {
    let command = match packets.next()? {
        None | Some(Packet::Flush) => return Ok(None),
        Some(Packet::Data(data)) => match line(data)?.strip_prefix("command=") {
            Some(name) => name.to_owned(),
            None => return Err(strange("a command is expected", data)),
        },
        Some(_) => return Err(Error::Protocol("a command is expected".into())),
    };
    if command == stream::COMMAND {
        return Ok(Some(Request::Stream(stream::Asked::read(packets)?)));
    }
    let mut capabilities = Capabilities::default();
    let has_arguments = loop {
        match packets.expect()? {
            Packet::Data(data) => capabilities.add(line(data)?)?,
            Packet::Delimiter => break true,
            Packet::Flush => break false,
            Packet::End => return Err(Error::Protocol("a request does not end so".into())),
        }
    };
    check_format(capabilities.get("object-format"))?;
    let mut arguments = |take: &mut dyn FnMut(&str) -> Result<()>| -> Result<()> {
        if !has_arguments {
            return Ok(());
        }
        loop {
            match packets.expect()? {
                Packet::Data(data) => take(line(data)?)?,
                Packet::Flush => return Ok(()),
                _ => return Err(Error::Protocol("a request does not end so".into())),
            }
        }
    };
    match command.as_str() {
        "ls-refs" => {
            let mut asked = ListAsked::default();
            arguments(&mut |argument| asked.take(argument))?;
            Ok(Some(Request::List(asked)))
        }
        "fetch" => {
            let mut asked = FetchAsked::default();
            arguments(&mut |argument| asked.take(argument))?;
            Ok(Some(Request::Fetch(asked)))
        }
        other => Err(strange("this is no command that is served here", other.as_bytes())),
    }
}
