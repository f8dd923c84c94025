//! What commands read: a file or stdin as one content, or records on stdin.

use std::fs::File;
use std::io::{self, IsTerminal, Read, StdinLock};
use std::path::Path;

use anyhow::Result;
use isodb::{Database, Id, Kind, MAX_DOCUMENT, ObjectError, STREAM_FROM};
use memchr::memchr;

use crate::context::Context;
use crate::error::Failure;

/// A file or stdin, open to be read.
pub(crate) struct Input {
    pub(crate) name: String,
    /// How many bytes a file has; unknown of anything else.
    pub(crate) size: Option<u64>,
    pub(crate) source: Box<dyn Read>,
}

impl Input {
    /// Opens a file; stdin for `-`, and for none where stdin is not a terminal: then nobody meant to type it.
    pub(crate) fn open(context: &Context, file: Option<&Path>) -> Result<Input> {
        let Some(file) = file.filter(|path| path.as_os_str() != "-") else {
            if file.is_none() && io::stdin().is_terminal() {
                return Err(Failure::usage("there is nothing to read: stdin is a terminal")
                    .hint("name a FILE, pipe something in, or give - to type it")
                    .into());
            }
            return Ok(Input { name: "stdin".into(), size: None, source: Box::new(io::stdin().lock()) });
        };
        let path = context.path(file);
        let name = path.display().to_string();
        let opened = File::open(&path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| unreadable(&name, error))?;
        if metadata.is_dir() {
            return Err(Failure::usage(format!("{name} is a directory")).into());
        }
        Ok(Input { name, size: metadata.is_file().then_some(metadata.len()), source: Box::new(file) })
    }

    /// Puts the content into the store as a blob, in constant memory.
    pub(crate) fn store(mut self, db: &Database) -> Result<Id> {
        let stored = match self.size {
            Some(size) if size > STREAM_FROM && size <= MAX_DOCUMENT => {
                db.store().put_stream(Kind::Blob, size, &mut self.source)
            }
            _ => db.store().put_unsized(Kind::Blob, &mut self.source, MAX_DOCUMENT),
        };
        stored.map_err(|error| match error {
            ObjectError::TooLarge { id: None, .. } => Failure::usage("a document can have at most 2 GiB").into(),
            error => self.failed(error),
        })
    }

    /// An error of storing or hashing, with the input's name where it was the input that failed.
    pub(crate) fn failed(&self, error: ObjectError) -> anyhow::Error {
        match error {
            ObjectError::Io { path, source } if path.as_os_str() == "the input" => {
                unreadable(&self.name, source).into()
            }
            error => error.into(),
        }
    }
}

/// A file that is not there is a wrong command line, and one that cannot be unpacked a wrong input; one that may not be
/// read is the system's no.
pub(crate) fn unreadable(name: &str, error: io::Error) -> Failure {
    let text = format!("cannot read {name}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Failure::usage(text),
        _ if error.raw_os_error().is_none() => Failure::usage(text),
        _ => Failure::system(text),
    }
}

/// Records on stdin, each ended by newline or NUL.
pub(crate) struct Records {
    source: StdinLock<'static>,
    end: u8,
    /// What was read; from `at` on it was not given yet.
    bytes: Vec<u8>,
    at: usize,
    has_ended: bool,
}

/// So much is read at once.
const PIECE: usize = 1 << 16;

impl Records {
    pub(crate) fn new(null: bool) -> Records {
        let end = if null { b'\0' } else { b'\n' };
        Records { source: io::stdin().lock(), end, bytes: Vec::new(), at: 0, has_ended: false }
    }

    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>> {
        let mut looked = 0;
        let len = loop {
            let rest = &self.bytes[self.at..];
            if let Some(more) = memchr(self.end, &rest[looked..]) {
                break looked + more;
            }
            looked = rest.len();
            if self.has_ended {
                break looked;
            }
            self.read().map_err(|error| unreadable("stdin", error))?;
        };
        let start = self.at;
        self.at = (start + len + 1).min(self.bytes.len());
        Ok((self.at > start).then(|| &self.bytes[start..start + len]))
    }

    /// Whether the next record has not been written yet, as far as is known: a program that asks for one at a time
    /// waits for its answer first.
    pub(crate) fn is_waiting(&mut self) -> bool {
        loop {
            if self.has_ended || memchr(self.end, &self.bytes[self.at..]).is_some() {
                return false;
            }
            // An error comes again when the record is asked for.
            if !is_ready() || self.read().is_err() {
                return true;
            }
        }
    }

    /// Reads what there is, and waits where there is nothing.
    fn read(&mut self) -> io::Result<()> {
        self.bytes.drain(..self.at);
        self.at = 0;
        let held = self.bytes.len();
        self.bytes.resize(held + PIECE, 0);
        let read = loop {
            match self.source.read(&mut self.bytes[held..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.bytes.truncate(held + *read.as_ref().unwrap_or(&0));
        self.has_ended = read? == 0;
        Ok(())
    }
}

/// Whether a read of stdin would answer at once, be it that there is no more.
#[cfg(unix)]
fn is_ready() -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut asked, Some(&at_once)).is_ok() && !asked[0].revents().is_empty()
}

/// Elsewhere it is not known.
#[cfg(not(unix))]
fn is_ready() -> bool {
    false
}
