//! What commands read: a file or stdin as one content, or records on stdin.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, StdinLock};
use std::path::Path;

use anyhow::Result;
use isodb::{Database, Id, Kind, MAX_DOCUMENT, ObjectError, STREAM_FROM};

use crate::context::Context;
use crate::error::Failure;

/// A file or stdin, open to be read.
pub(crate) struct Input {
    name: String,
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

/// A file that is not there is a wrong command line; one that may not be read is the system's no.
fn unreadable(name: &str, error: io::Error) -> Failure {
    let text = format!("cannot read {name}: {error}");
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Failure::usage(text),
        _ => Failure::system(text),
    }
}

/// Records on stdin, each ended by newline or NUL.
pub(crate) struct Records {
    source: BufReader<StdinLock<'static>>,
    end: u8,
    record: Vec<u8>,
}

impl Records {
    pub(crate) fn new(null: bool) -> Records {
        let source = BufReader::with_capacity(1 << 16, io::stdin().lock());
        Records { source, end: if null { b'\0' } else { b'\n' }, record: Vec::new() }
    }

    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>> {
        self.record.clear();
        let read = self.source.read_until(self.end, &mut self.record).map_err(|error| unreadable("stdin", error))?;
        if self.record.last() == Some(&self.end) {
            self.record.pop();
        }
        Ok((read > 0).then_some(&self.record))
    }

    /// Whether the next record has not been written yet, as far as is known: a program that asks for one at a time
    /// waits for its answer first.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.source.buffer().contains(&self.end)
    }
}
