//! git's packet lines: four hex digits for the length, then so many bytes. Strict, and never more than one packet in memory.
//!
//! Source: git's `Documentation/gitprotocol-common.adoc`.

use std::io::{self, ErrorKind, Read, Write};

use super::error::{Error, Result, strange};

/// The most bytes that a packet's data may have.
pub(crate) const MAX_DATA: usize = 65516;

/// The most bytes that one message may have, a pack not counted: what is kept of it is in memory.
const MAX_MESSAGE: u64 = 128 << 20;

/// One packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// Bytes, or a line.
    Data(&'a [u8]),
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a part of a message.
    Delimiter,
    /// `0002`: the end of an answer.
    End,
}

/// Reads packets, and nothing beyond the last one that was asked for.
pub(crate) struct Packets<'r> {
    source: &'r mut dyn Read,
    buffer: Vec<u8>,
    /// How many bytes may still come.
    left: u64,
}

impl<'r> Packets<'r> {
    /// Reads a message from a source.
    pub(crate) fn new(source: &'r mut dyn Read) -> Packets<'r> {
        Packets { source, buffer: Vec::new(), left: MAX_MESSAGE }
    }

    /// Lets any number of bytes follow: they are not kept in memory.
    pub(crate) fn lift_limit(&mut self) {
        self.left = u64::MAX;
    }

    /// The source behind the last packet.
    pub(crate) fn into_source(self) -> &'r mut dyn Read {
        self.source
    }

    /// The next packet; `None` where the source ends in front of it.
    ///
    /// # Errors
    /// [`Error::Protocol`] for what is no packet or is cut off, [`Error::TooMuch`], [`Error::Connection`].
    pub(crate) fn next(&mut self) -> Result<Option<Packet<'_>>> {
        let mut head = [0; 4];
        match self.fill(&mut head)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(Error::Protocol("a packet is cut off".into())),
        }
        let length = parse_length(head).ok_or_else(|| strange("this is no packet's length", &head))?;
        Ok(Some(match length {
            0 => Packet::Flush,
            1 => Packet::Delimiter,
            2 => Packet::End,
            4..=0xfff0 => {
                let too_much = Error::TooMuch { what: "the size of a message", limit: MAX_MESSAGE };
                self.left = self.left.checked_sub(length as u64).ok_or(too_much)?;
                let mut buffer = std::mem::take(&mut self.buffer);
                buffer.resize(length - 4, 0);
                let len = self.fill(&mut buffer)?;
                self.buffer = buffer;
                if len < self.buffer.len() {
                    return Err(Error::Protocol("a packet is cut off".into()));
                }
                Packet::Data(&self.buffer)
            }
            _ => return Err(strange("this is no packet's length", &head)),
        }))
    }

    /// The next packet, which must be there.
    ///
    /// # Errors
    /// As [`Packets::next`], and [`Error::Protocol`] where the source ends; [`Error::Refused`] for a packet by which the other
    /// side says that it gives up.
    pub(crate) fn expect(&mut self) -> Result<Packet<'_>> {
        match self.next()? {
            Some(Packet::Data(data)) if data.starts_with(b"ERR ") => {
                Err(Error::Refused(super::error::excerpt(&data[4..])))
            }
            Some(packet) => Ok(packet),
            None => Err(Error::Protocol("it has hung up".into())),
        }
    }

    /// Reads until the buffer is full or the source ends; answers how much.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let mut len = 0;
        while len < buffer.len() {
            match self.source.read(&mut buffer[len..]) {
                Ok(0) => break,
                Ok(read) => len += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::Connection(error)),
            }
        }
        Ok(len)
    }
}

fn parse_length(head: [u8; 4]) -> Option<usize> {
    if !head.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    usize::from_str_radix(std::str::from_utf8(&head).ok()?, 16).ok()
}

/// A packet's data as a line: UTF-8, without the newline at its end.
///
/// # Errors
/// [`Error::Protocol`] for what is no text or has a NUL.
pub(crate) fn line(data: &[u8]) -> Result<&str> {
    let data = data.strip_suffix(b"\n").unwrap_or(data);
    let text = std::str::from_utf8(data).ok().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| strange("this is no line of text", data))
}

/// Writes a packet of bytes, at most [`MAX_DATA`] of them.
pub(crate) fn write_data(out: &mut dyn Write, data: &[u8]) -> io::Result<()> {
    if data.len() > MAX_DATA {
        return Err(io::Error::new(ErrorKind::InvalidInput, "a packet has at most 65516 bytes"));
    }
    write!(out, "{:04x}", data.len() + 4)?;
    out.write_all(data)
}

/// Writes a packet of a line, with a newline at its end.
pub(crate) fn write_line(out: &mut dyn Write, line: &str) -> io::Result<()> {
    write_data(out, format!("{line}\n").as_bytes())
}

/// Writes the packet by which a side says that it gives up, and why.
pub(crate) fn write_error(out: &mut dyn Write, text: &str) -> io::Result<()> {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(1000).collect();
    write_data(out, format!("ERR {text}\n").as_bytes())
}

/// Ends a message.
pub(crate) fn write_flush(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"0000")
}

/// Ends a part of a message.
pub(crate) fn write_delimiter(out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"0001")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(mut bytes: &[u8]) -> Result<Vec<Option<Vec<u8>>>> {
        let mut packets = Packets::new(&mut bytes);
        let mut found = Vec::new();
        while let Some(packet) = packets.next()? {
            found.push(match packet {
                Packet::Data(data) => Some(data.to_vec()),
                _ => None,
            });
        }
        Ok(found)
    }

    #[test]
    fn what_git_writes() {
        assert_eq!(all(b"0006a\n0005a000bfoobar\n0004").unwrap().len(), 4);
        assert_eq!(all(b"0006a\n0000").unwrap(), [Some(b"a\n".to_vec()), None]);
        assert_eq!(all(b"00010002").unwrap(), [None, None]);
        assert_eq!(all(b"").unwrap(), [None; 0]);
    }

    #[test]
    fn bad_packets_are_refused() {
        for bad in ["0003", "fff1", "ffff", "00 5a", "+005", "-001", "000", "0005", "0006a", "zzzz"] {
            assert!(matches!(all(bad.as_bytes()), Err(Error::Protocol(_))), "{bad}");
        }
        assert!(line(b"a\0b").is_err() && line(b"\xff").is_err());
        assert_eq!(line(b"a\n\n").unwrap(), "a\n");
        let error = Packets::new(&mut &b"0011ERR no\x1b[2Jno\n"[..]).expect().unwrap_err();
        assert_eq!(error.to_string(), "the other side says: no [2Jno");
        assert!(Packets::new(&mut &b""[..]).expect().is_err());
    }

    #[test]
    fn messages_have_an_end() {
        let mut out = Vec::new();
        write_data(&mut out, &vec![7; MAX_DATA]).unwrap();
        let mut endless = Repeat(&out, 0);
        let mut packets = Packets::new(&mut endless);
        let error = (0..3000).find_map(|_| packets.next().err()).unwrap();
        assert_eq!(error.to_string(), "the size of a message is more than the limit of 134217728");
        let mut endless = Repeat(&out, 0);
        let mut packets = Packets::new(&mut endless);
        packets.lift_limit();
        assert!((0..3000).all(|_| packets.next().is_ok()));
    }

    /// The same bytes again and again.
    struct Repeat<'b>(&'b [u8], usize);

    impl Read for Repeat<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let len = out.len().min(self.0.len() - self.1);
            out[..len].copy_from_slice(&self.0[self.1..self.1 + len]);
            self.1 = (self.1 + len) % self.0.len();
            Ok(len)
        }
    }

    #[test]
    fn longest() {
        let mut out = Vec::new();
        write_data(&mut out, &vec![7; MAX_DATA]).unwrap();
        assert!(write_data(&mut out, &vec![7; MAX_DATA + 1]).is_err());
        assert_eq!(out[..4], *b"fff0");
        assert_eq!(all(&out).unwrap(), [Some(vec![7; MAX_DATA])]);
    }

    proptest! {
        #[test]
        fn round_trip(packets in prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..300)), 0..9)) {
            let mut out = Vec::new();
            for packet in &packets {
                match packet {
                    Some(data) => write_data(&mut out, data).unwrap(),
                    None => write_flush(&mut out).unwrap(),
                }
            }
            prop_assert_eq!(all(&out).unwrap(), packets);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..50)) {
            let _ = all(&bytes);
        }
    }
}
