//! The lines before the message that commits and tags share: `name value`, then an empty line.
//!
//! A value of several lines goes on with lines that start with a space.

use super::{Error, Id, Ident, Kind};

/// Further headers in order, each a name and its value.
type Headers = Vec<(String, Vec<u8>)>;

/// Reads the head of a commit's or a tag's body, line by line.
pub(super) struct Lines<'a> {
    kind: Kind,
    rest: &'a [u8],
}

/// Headers whose place in the object is fixed, so that one more of them could only mislead.
const FIXED: [&str; 8] = ["tree", "parent", "author", "committer", "object", "type", "tag", "tagger"];

impl<'a> Lines<'a> {
    pub(super) fn new(kind: Kind, body: &'a [u8]) -> Lines<'a> {
        Lines { kind, rest: body }
    }

    /// The value of the next line if it has this name.
    pub(super) fn value(&mut self, name: &str) -> Result<Option<&'a [u8]>, Error> {
        let Some(after) = self.rest.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b" ")) else {
            return Ok(None);
        };
        self.rest = after;
        self.line().map(Some)
    }

    /// The value of the next line, which must have this name.
    pub(super) fn need(&mut self, name: &str) -> Result<&'a [u8], Error> {
        self.value(name)?.ok_or_else(|| self.wrong(format!("it has no {name} where one must stand")))
    }

    /// An id as git writes it: 64 hex digits in lower case, not all zero.
    pub(super) fn id(&self, name: &str, value: &[u8]) -> Result<Id, Error> {
        let text = std::str::from_utf8(value).ok().filter(|text| !text.bytes().any(|byte| byte.is_ascii_uppercase()));
        let id = text.and_then(|text| text.parse::<Id>().ok()).filter(|id| !id.is_zero());
        id.ok_or_else(|| self.wrong(format!("its {name} is not an id")))
    }

    pub(super) fn ident(&self, name: &str, value: &[u8]) -> Result<Ident, Error> {
        Ident::parse(value).map_err(|error| match error {
            Error::Ident(reason) => self.wrong(format!("in its {name}, {reason}")),
            other => other,
        })
    }

    /// All lines up to the empty one, and the message after it.
    pub(super) fn finish(mut self) -> Result<(Headers, Vec<u8>), Error> {
        let mut headers = Headers::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Ok((headers, self.rest.to_vec()));
            }
            if let Some(more) = line.strip_prefix(b" ") {
                let (_, value) = headers.last_mut().ok_or_else(|| self.wrong("a line continues no header"))?;
                value.push(b'\n');
                value.extend_from_slice(more);
            } else {
                headers.push(self.header(line)?);
            }
        }
    }

    fn header(&self, line: &[u8]) -> Result<(String, Vec<u8>), Error> {
        let space = line.iter().position(|&byte| byte == b' ');
        let (name, value) = line.split_at(space.ok_or_else(|| self.wrong("a header has no value"))?);
        if name.contains(&0) || value.contains(&0) {
            return Err(self.wrong("a header holds NUL"));
        }
        let name = std::str::from_utf8(name).map_err(|_| self.wrong("a header's name is not UTF-8"))?;
        if FIXED.contains(&name) {
            return Err(self.wrong(format!("{name} does not stand in its place, or stands there twice")));
        }
        Ok((name.to_owned(), value[1..].to_vec()))
    }

    fn line(&mut self) -> Result<&'a [u8], Error> {
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or_else(|| self.wrong("no empty line ends its headers"))?;
        let line = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        Ok(line)
    }

    pub(super) fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::Malformed { kind: self.kind, reason: reason.into() }
    }
}

/// Writes one header, its further lines behind a space each.
pub(super) fn push(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    for line in value.split(|&byte| byte == b'\n') {
        out.push(b' ');
        out.extend_from_slice(line);
        out.push(b'\n');
    }
}

/// The value of the first header of this name.
pub(super) fn find<'a>(headers: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_slice())
}
