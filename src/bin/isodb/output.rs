//! What commands answer on stdout: bytes, records for people and scripts, JSON.

use std::borrow::Cow;
use std::io::{self, BufWriter, StdoutLock, Write};

use anyhow::Result;
use isodb::{Id, ObjectError, Reader};
use serde::Serialize;

use crate::args::ListArgs;
use crate::context::Context;
use crate::error::OutputError;

/// stdout, buffered. [`Output::finish`] writes what is left; a command ends with it.
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    style: Style,
    color: bool,
}

/// How records are written.
#[derive(Clone, Copy)]
pub(crate) struct Style {
    end: u8,
    quotes: bool,
    people: bool,
}

impl Style {
    /// What a record ends in.
    pub(crate) fn end(self) -> u8 {
        self.end
    }

    /// A key as a record shows it.
    pub(crate) fn key(self, key: &str) -> Cow<'_, str> {
        if self.quotes { quoted(key) } else { Cow::Borrowed(key) }
    }

    /// An id: whole for scripts, short for people.
    pub(crate) fn id(self, id: impl Into<Id>) -> String {
        let id = id.into();
        if self.people { id.short() } else { id.to_string() }
    }

    /// A number in a column, which is as wide as it needs to be for scripts, and wide enough for most for people.
    pub(crate) fn column(self, text: &str) -> String {
        if self.people { format!("{text:>8}") } else { text.to_owned() }
    }
}

impl Output {
    /// For bytes, and for records that end in newline.
    pub(crate) fn new(context: &Context) -> Output {
        Output {
            out: BufWriter::with_capacity(1 << 16, io::stdout().lock()),
            style: Style { end: b'\n', quotes: true, people: context.for_people() },
            color: context.with_color(),
        }
    }

    /// For records as the command was asked to print them.
    pub(crate) fn records(context: &Context, list: ListArgs) -> Output {
        let mut out = Output::new(context);
        if list.null {
            out.style = Style { end: b'\0', quotes: false, ..out.style };
        }
        out
    }

    /// How records are written.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// One record.
    pub(crate) fn record(&mut self, text: &str) -> Result<()> {
        self.bytes(text.as_bytes())?;
        self.bytes(&[self.style.end])
    }

    /// One record as JSON; `-z` does not change how JSON is written.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut self.out, value).map_err(|error| OutputError(error.into()))?;
        self.bytes(b"\n")
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.out.write_all(bytes).map_err(OutputError)?)
    }

    /// An object's body, piece by piece.
    pub(crate) fn body(&mut self, reader: &mut Reader) -> Result<()> {
        reader.copy_to(&mut self.out).map_err(to_output)
    }

    /// For writers that need one.
    pub(crate) fn writer(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// A key as a record shows it.
    pub(crate) fn key<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.style.key(key)
    }

    /// An id: whole for scripts, short for people.
    pub(crate) fn id(&self, id: impl Into<Id>) -> String {
        self.style.id(id)
    }

    /// Text in a colour, where there are colours. `code` is the SGR parameter: 31 red, 32 green, 33 yellow, 36 cyan.
    pub(crate) fn paint(&self, code: u8, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Shows what has been written so far, for a reader that waits for it.
    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush().map_err(OutputError)?)
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()
    }
}

/// Ends the program with success when the reader of stdout goes away, which a command that waits would not notice before it
/// writes again.
#[cfg(unix)]
pub(crate) fn end_with_reader() {
    use rustix::event::{PollFd, PollFlags, poll};
    std::thread::spawn(|| {
        let stdout = io::stdout();
        loop {
            let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut asked, None) {
                Ok(_) if asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => std::process::exit(0),
                Err(rustix::io::Errno::INTR) => {}
                // What tells nothing now tells nothing later.
                _ => return,
            }
        }
    });
}

/// Elsewhere the next write tells.
#[cfg(not(unix))]
pub(crate) fn end_with_reader() {}

/// An error of copying an object to stdout: one of stdout where it was that which failed.
pub(crate) fn to_output(error: ObjectError) -> anyhow::Error {
    match error {
        ObjectError::Io { path, source } if path.as_os_str() == "(output)" => OutputError(source).into(),
        error => error.into(),
    }
}

/// `1 document`, `2 documents`.
pub(crate) fn number_of(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A key for a line of text: in JSON quoting where it has a control character, or could be taken for a quoted one.
pub(crate) fn quoted(key: &str) -> Cow<'_, str> {
    if !key.starts_with('"') && !key.chars().any(char::is_control) {
        return Cow::Borrowed(key);
    }
    let json = serde_json::to_string(key).expect("text is JSON");
    // JSON escapes only those control characters that are below the space.
    let escaped = json.chars().map(|c| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.into() });
    Cow::Owned(escaped.collect())
}
