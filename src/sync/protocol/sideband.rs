//! One stream that carries three: data, progress for people, and the error that ends it all.

use std::io::{self, Read, Write};

use crate::sync::error::{Error, Result, excerpt};
use crate::sync::pktline::{MAX_DATA, Packet, Packets, write_data, write_flush};

/// Which stream bytes belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Band {
    /// What the stream is for.
    Data = 1,
    /// Progress, for people.
    Progress = 2,
    /// Why it ends before its end.
    Error = 3,
}

/// Writes the bands. Data is gathered into large packets.
pub(crate) struct Multiplexer<'o> {
    out: &'o mut dyn Write,
    data: Vec<u8>,
}

impl<'o> Multiplexer<'o> {
    /// Writes to an output.
    pub(crate) fn new(out: &'o mut dyn Write) -> Multiplexer<'o> {
        Multiplexer { out, data: vec![Band::Data as u8] }
    }

    fn write_out(&mut self) -> io::Result<()> {
        if self.data.len() > 1 {
            write_data(self.out, &self.data)?;
            self.data.truncate(1);
        }
        Ok(())
    }

    /// Says something beside the data; a text that is too long is cut.
    pub(crate) fn say(&mut self, band: Band, text: &str) -> io::Result<()> {
        self.write_out()?;
        let mut packet = vec![band as u8];
        packet.extend_from_slice(&text.as_bytes()[..text.len().min(MAX_DATA - 1)]);
        write_data(self.out, &packet)?;
        self.out.flush()
    }

    /// Writes what is left, and the end.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.write_out()?;
        write_flush(self.out)?;
        self.out.flush()
    }
}

impl Write for Multiplexer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.data.len() == MAX_DATA {
            self.write_out()?;
        }
        let len = bytes.len().min(MAX_DATA - self.data.len());
        self.data.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    /// Passes on what was gathered.
    fn flush(&mut self) -> io::Result<()> {
        self.write_out()?;
        self.out.flush()
    }
}

/// Is told what the other side says while it works: text as it comes, which may end in the middle of a line. It has no
/// characters that a terminal would obey but the newline and the carriage return.
pub(crate) type Heard<'h> = &'h mut dyn FnMut(&str);

/// Reads the data, and gives what is said beside it to who listens. It ends where the stream does.
pub(crate) struct Demultiplexer<'p, 'r, 'h> {
    packets: &'p mut Packets<'r>,
    heard: Heard<'h>,
    data: Vec<u8>,
    taken: usize,
    is_over: bool,
    failure: Option<Error>,
}

impl<'p, 'r, 'h> Demultiplexer<'p, 'r, 'h> {
    /// Reads from packets.
    pub(crate) fn new(packets: &'p mut Packets<'r>, heard: Heard<'h>) -> Demultiplexer<'p, 'r, 'h> {
        packets.lift_limit();
        Demultiplexer { packets, heard, data: Vec::new(), taken: 0, is_over: false, failure: None }
    }

    /// Why reading failed, in better words than those of an I/O error.
    pub(crate) fn take_failure(&mut self) -> Option<Error> {
        self.failure.take()
    }

    /// Reads to the end, where no more data may come.
    ///
    /// # Errors
    /// [`Error::Protocol`] when there is more, and as reading it.
    pub(crate) fn finish(mut self) -> Result<()> {
        match self.advance() {
            Ok(true) => Err(Error::Protocol("there are bytes behind the end".into())),
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that there is data which was not taken; false at the end.
    fn advance(&mut self) -> Result<bool> {
        while self.taken == self.data.len() && !self.is_over {
            match self.packets.expect()? {
                Packet::Data([1, data @ ..]) => {
                    self.data.clear();
                    self.data.extend_from_slice(data);
                    self.taken = 0;
                }
                Packet::Data([2, text @ ..]) => (self.heard)(&harmless(text)),
                Packet::Data([3, text @ ..]) => return Err(Error::Refused(excerpt(text))),
                Packet::Flush => self.is_over = true,
                // Sent to keep the connection open.
                Packet::Data([]) => {}
                _ => return Err(Error::Protocol("a packet belongs to no band".into())),
            }
        }
        Ok(self.taken < self.data.len())
    }
}

fn harmless(text: &[u8]) -> String {
    let is_harmless = |c: char| !c.is_control() || c == '\n' || c == '\r';
    String::from_utf8_lossy(text).chars().map(|c| if is_harmless(c) { c } else { ' ' }).collect()
}

impl Read for Demultiplexer<'_, '_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if let Err(error) = self.advance() {
            let text = error.to_string();
            self.failure.get_or_insert(error);
            return Err(io::Error::other(text));
        }
        let len = out.len().min(self.data.len() - self.taken);
        out[..len].copy_from_slice(&self.data[self.taken..self.taken + len]);
        self.taken += len;
        Ok(len)
    }
}
