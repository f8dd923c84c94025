//! What stands before the pack of a bundle: what its reader must have, the refs in it, and what its writer says of itself.
//!
//! It is git's header of version 3 for SHA-256 (git's `Documentation/gitformat-bundle.adoc`). What isodb adds are names of
//! refs, since git takes no other words: `docs/protocol/bundles.md`.

use std::collections::HashSet;
use std::io::{self, BufRead, Read, Write};

use super::name::NodeName;
use crate::object::{CommitId, Id, TreeId};
use crate::refs::RefName;
use crate::sync::error::{Error, Result, excerpt};

/// The first line.
const SIGNATURE: &str = "# v3 git bundle";
/// The same of a bundle with a stream in place of a pack, which git does not read.
const STREAM: &str = "# v1 isodb bundle";
/// The one capability that is written.
const FORMAT: &str = "@object-format=sha256";
/// The refs that tell of the writer begin so. They lead to what is there anyway, so that git can take them for refs.
const OWN: &str = "refs/isodb/bundle/";
/// Behind that: the writer's name.
const FROM: &str = "from/";
/// Behind that: the id of a commit or tag that the writer has with all that it leads to.
const HAS: &str = "has/";

/// The longest line, in bytes.
const MAX_LINE: u64 = 1 << 20;
/// The longest header, in bytes.
const MAX_HEADER: u64 = 128 << 20;
/// The most lines of a header.
const MAX_LINES: usize = 1 << 20;

/// What a bundle says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BundleHeader {
    /// Commits that a reader must have with all that they lead to, each with a text for people, mostly its subject.
    pub prerequisites: Vec<(CommitId, String)>,
    /// The refs that come with it.
    pub refs: Vec<(RefName, Id)>,
    /// Who wrote it, where that is told. git does not.
    pub from: Option<NodeName>,
    /// More commits and tags that the writer has with all that they lead to, beside the prerequisites and the refs.
    pub has: Vec<Id>,
    /// Whether an isodb stream follows in place of a pack.
    pub is_stream: bool,
}

impl BundleHeader {
    /// All that the writer is known to have, with what it leads to.
    pub fn known(&self) -> impl Iterator<Item = Id> {
        let prerequisites = self.prerequisites.iter().map(|(id, _)| id.0);
        self.refs.iter().map(|(_, id)| *id).chain(prerequisites).chain(self.has.iter().copied())
    }

    /// Writes it; the pack or the stream follows.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}\n{FORMAT}", if self.is_stream { STREAM } else { SIGNATURE })?;
        for (id, text) in &self.prerequisites {
            let text = excerpt(text.as_bytes());
            writeln!(out, "-{id}{}{text}", if text.is_empty() { "" } else { " " })?;
        }
        for (name, id) in &self.refs {
            writeln!(out, "{id} {name}")?;
        }
        // Whatever the reader has by then.
        let there = self.refs.first().map(|(_, id)| *id).or(self.prerequisites.first().map(|(id, _)| id.0));
        let there = there.unwrap_or(TreeId::EMPTY.0);
        if let Some(from) = &self.from {
            writeln!(out, "{there} {OWN}{FROM}{from}")?;
        }
        for id in &self.has {
            writeln!(out, "{there} {OWN}{HAS}{id}")?;
        }
        writeln!(out)
    }

    /// Reads it, and not beyond.
    ///
    /// # Errors
    /// [`Error::Bundle`] for what is no header of a bundle that can be read here, [`Error::TooMuch`], and those of `source`.
    pub(super) fn read(source: &mut dyn BufRead) -> Result<BundleHeader> {
        let mut lines = Lines { source, left: MAX_HEADER, count: 0 };
        let is_stream = match lines.next() {
            Ok(line) if line == SIGNATURE => false,
            Ok(line) if line == STREAM => true,
            Ok(line) if line == "# v2 git bundle" => {
                return Err(wrong("it is of git's version 2, which has SHA-1 alone"));
            }
            Err(error @ Error::Connection(_)) => return Err(error),
            _ => return Err(wrong("it does not begin as one does")),
        };
        let mut line = lines.next()?;
        let mut is_sha256 = false;
        while let Some(capability) = line.strip_prefix('@') {
            match capability {
                "object-format=sha256" => is_sha256 = true,
                "object-format=sha1" => return Err(wrong("its ids are SHA-1, and here they are SHA-256")),
                _ if capability.starts_with("filter") => return Err(wrong("it leaves objects out, by a filter")),
                _ => {
                    return Err(wrong(&format!(
                        "it asks for {:?}, which is not known",
                        excerpt(capability.as_bytes())
                    )));
                }
            }
            line = lines.next()?;
        }
        if !is_sha256 {
            return Err(wrong("its ids are SHA-1, and here they are SHA-256"));
        }
        let mut header = BundleHeader { is_stream, ..BundleHeader::default() };
        while let Some(rest) = line.strip_prefix('-') {
            let (id, text) = rest.split_once(' ').unwrap_or((rest, ""));
            header.prerequisites.push((CommitId(id_of(id, &line)?), excerpt(text.as_bytes())));
            line = lines.next()?;
        }
        let mut names = HashSet::new();
        while !line.is_empty() {
            let (id, name) = line.split_once(' ').ok_or_else(|| strange(&line))?;
            let id = id_of(id, &line)?;
            if !names.insert(name.to_owned()) {
                return Err(wrong(&format!("it has the ref {:?} twice", excerpt(name.as_bytes()))));
            }
            match name.strip_prefix(OWN) {
                Some(told) => header.take_told(told, &line)?,
                None => match RefName::full(name) {
                    Ok(name) => header.refs.push((name, id)),
                    Err(error) => return Err(wrong(&error.to_string())),
                },
            }
            line = lines.next()?;
        }
        Ok(header)
    }

    /// Takes what the name of a ref tells of the writer. What a later version may tell is passed over.
    fn take_told(&mut self, told: &str, line: &str) -> Result<()> {
        if let Some(name) = told.strip_prefix(FROM) {
            self.from = Some(name.parse().map_err(|_| strange(line))?);
        } else if let Some(id) = told.strip_prefix(HAS) {
            self.has.push(id_of(id, line)?);
        }
        Ok(())
    }
}

/// The lines of a header.
struct Lines<'s> {
    source: &'s mut dyn BufRead,
    /// How many bytes may still come.
    left: u64,
    count: usize,
}

impl Lines<'_> {
    /// The next line, without its end.
    fn next(&mut self) -> Result<String> {
        self.count += 1;
        if self.count > MAX_LINES {
            return Err(Error::TooMuch { what: "the number of lines of a bundle's header", limit: MAX_LINES as u64 });
        }
        let mut line = Vec::new();
        let most = MAX_LINE.min(self.left);
        let len = (&mut *self.source).take(most).read_until(b'\n', &mut line).map_err(Error::Connection)?;
        self.left -= len as u64;
        match line.pop() {
            Some(b'\n') => {}
            Some(_) if len as u64 == most => {
                return Err(Error::TooMuch { what: "the length of a bundle's header", limit: most });
            }
            _ => return Err(wrong("its header is cut short")),
        }
        // git takes a message's bytes into its comments as they are.
        Ok(String::from_utf8(line).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
    }
}

fn id_of(text: &str, line: &str) -> Result<Id> {
    text.parse().map_err(|_| strange(line))
}

fn strange(line: &str) -> Error {
    wrong(&format!("its header has the line {:?}", excerpt(line.as_bytes())))
}

/// The error of what is no bundle.
pub(super) fn wrong(reason: &str) -> Error {
    Error::Bundle(reason.to_owned())
}
