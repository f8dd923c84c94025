//! The command `ls-refs`: which refs a database has, and where they are.

use std::io::{self, Write};

use super::version::write_command;
use super::{MAX_REFS, id, within};
use crate::object::Id;
use crate::refs::RefName;
use crate::sync::error::{Error, Result, strange};
use crate::sync::pktline::{Packet, Packets, line, write_flush, write_line};

/// With more prefixes than this, all refs are told.
const MAX_PREFIXES: usize = 1 << 12;

/// What a client asks of refs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListAsked {
    /// Whether what tags lead to is told too.
    pub(crate) peel: bool,
    /// Whether it is told where symbolic refs lead.
    pub(crate) symrefs: bool,
    /// Whether a HEAD without a commit is told too.
    pub(crate) unborn: bool,
    /// How the names begin that are asked for; nothing for all.
    pub(crate) prefixes: Vec<String>,
    /// Whether there were so many of them that all refs are told.
    pub(crate) is_unbounded: bool,
}

impl ListAsked {
    /// Takes an argument. Unknown ones are refused, as git does.
    pub(super) fn take(&mut self, argument: &str) -> Result<()> {
        match argument.split_once(' ') {
            None if argument == "peel" => self.peel = true,
            None if argument == "symrefs" => self.symrefs = true,
            None if argument == "unborn" => self.unborn = true,
            Some(("ref-prefix", _)) if self.prefixes.len() == MAX_PREFIXES => self.is_unbounded = true,
            Some(("ref-prefix", prefix)) => self.prefixes.push(prefix.to_owned()),
            _ => return Err(strange("this is no argument of ls-refs", argument.as_bytes())),
        }
        Ok(())
    }

    /// Whether a ref of this name is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.is_unbounded || self.prefixes.is_empty() || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}

/// A ref of another database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRef {
    /// Its name.
    pub name: RefName,
    /// Where it is; nothing for a HEAD that leads to a ref that does not exist yet.
    pub id: Option<Id>,
    /// The ref that it leads to, where it is symbolic and that was asked for.
    pub target: Option<RefName>,
    /// What it leads to in the end, where it is at a tag and that was asked for.
    pub peeled: Option<Id>,
}

/// Writes a request for refs: all that a client can be told of those whose names begin so, or of all.
pub(crate) fn write_list(out: &mut dyn Write, prefixes: &[String], unborn: bool) -> io::Result<()> {
    write_command(out, "ls-refs")?;
    write_line(out, "peel")?;
    write_line(out, "symrefs")?;
    if unborn {
        write_line(out, "unborn")?;
    }
    for prefix in prefixes {
        write_line(out, &format!("ref-prefix {prefix}"))?;
    }
    write_flush(out)
}

/// Writes the answer.
pub(crate) fn write_refs(out: &mut dyn Write, refs: &[RemoteRef]) -> io::Result<()> {
    for found in refs {
        let mut text = match found.id {
            Some(id) => format!("{id} {}", found.name),
            None => format!("unborn {}", found.name),
        };
        if let Some(target) = &found.target {
            text += &format!(" symref-target:{target}");
        }
        if let Some(peeled) = found.peeled {
            text += &format!(" peeled:{peeled}");
        }
        write_line(out, &text)?;
    }
    write_flush(out)
}

/// Reads the answer.
///
/// # Errors
/// [`Error::Protocol`]; [`Error::TooMuch`] for more than [`MAX_REFS`].
pub(crate) fn read_refs(packets: &mut Packets<'_>) -> Result<Vec<RemoteRef>> {
    let mut refs = Vec::new();
    loop {
        match packets.expect()? {
            Packet::Data(data) => {
                within(refs.len() + 1, MAX_REFS, "the number of refs of the other side")?;
                refs.push(parse(line(data)?)?);
            }
            Packet::Flush => return Ok(refs),
            _ => return Err(Error::Protocol("a list of refs does not end so".into())),
        }
    }
}

fn parse(line: &str) -> Result<RemoteRef> {
    let bad = || strange("this is no line of a list of refs", line.as_bytes());
    let mut words = line.split(' ');
    let (first, name) = words.next().zip(words.next()).ok_or_else(bad)?;
    let id_of = |text: &str| Ok::<_, Error>(Some(id(text)?).filter(|id| !id.is_zero()));
    let mut found = RemoteRef {
        name: RefName::full(name).map_err(|_| bad())?,
        id: if first == "unborn" { None } else { Some(id_of(first)?.ok_or_else(bad)?) },
        target: None,
        peeled: None,
    };
    for word in words {
        match word.split_once(':') {
            Some(("symref-target", target)) => found.target = Some(RefName::full(target).map_err(|_| bad())?),
            Some(("peeled", text)) => found.peeled = id_of(text)?,
            // What else there is to be told of a ref may come one day.
            _ => {}
        }
    }
    if found.id.is_none() && found.target.is_none() { Err(bad()) } else { Ok(found) }
}
