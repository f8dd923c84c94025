//! What goes over the pipe between a merge and the process that runs its scripts: frames of a length and a body.
//!
//! A frame is the length of its body in four bytes, least first, and the body: a byte that says what it is, and its parts.
//! A part of bytes or text is its length in four bytes and itself; one that may be missing has a byte 0 or 1 before it.

use std::io::{self, Read, Write};

use super::limits::CONTENT;
use super::{Dialect, Job, Loaded, Script, Side, Verdict};

/// The largest body: three versions or the largest result, and room for the rest.
const MAX: usize = 4 * CONTENT + (1 << 20);

/// What the child is asked. Each is answered by one [`Answer`], but for the lines that a run prints.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Load(Script),
    Run(Job),
}

/// What the child answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Loaded(Loaded),
    Verdict(Verdict),
    /// A line that the run printed, before its verdict.
    Printed(String),
}

/// Writes a frame.
pub(super) fn write(out: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length =
        u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX).ok_or_else(|| bad("a frame that is too long"))?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(body)
}

/// Reads a frame's body; nothing at the end of the input.
pub(super) fn read(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read(&mut length[..1])? {
        0 => return Ok(None),
        _ => input.read_exact(&mut length[1..])?,
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MAX {
        return Err(bad("a frame that is too long"));
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body)?;
    Ok(Some(body))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Request {
    pub(super) fn decode(body: &[u8]) -> io::Result<Request> {
        let mut parts = Parts(body);
        let request = match parts.byte()? {
            b'L' => {
                let dialect = Dialect::from_name(&parts.text()?).ok_or_else(|| bad("a dialect that is not known"))?;
                Request::Load(Script { dialect, source: parts.bytes()? })
            }
            b'R' => Request::Run(Job {
                script: parts.number()?,
                key: parts.text()?,
                base: parts.maybe(Parts::bytes)?,
                left: parts.maybe(Parts::bytes)?,
                right: parts.maybe(Parts::bytes)?,
                sides: parts.maybe(|parts| Ok([parts.side()?, parts.side()?]))?,
            }),
            _ => return Err(bad("a request that is not known")),
        };
        parts.end(request)
    }
}

/// The body that asks to load a script.
pub(super) fn load(script: &Script) -> Vec<u8> {
    let mut body = vec![b'L'];
    push(&mut body, script.dialect.name().as_bytes());
    push(&mut body, cut(&script.source));
    body
}

/// The body that asks to run a job.
pub(super) fn run(job: &Job) -> Vec<u8> {
    let mut body = vec![b'R'];
    push_number(&mut body, job.script);
    push(&mut body, job.key.as_bytes());
    for content in [&job.base, &job.left, &job.right] {
        push_maybe(&mut body, content.as_deref().map(cut), push);
    }
    push_maybe(&mut body, job.sides.as_ref(), |body, sides| {
        for side in sides {
            push(body, side.author.as_bytes());
            body.extend(side.time.to_le_bytes());
            push(body, side.commit.as_bytes());
        }
    });
    body
}

/// As much of a content as is needed to see that it is too large.
fn cut(content: &[u8]) -> &[u8] {
    content.get(..=CONTENT).unwrap_or(content)
}

impl Answer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let (kind, text) = match self {
            Answer::Loaded(loaded) => {
                body.push(b'L');
                push_number(&mut body, loaded.script);
                body.push(u8::from(loaded.takes_sides));
                push_maybe(&mut body, loaded.broken.as_deref().map(str::as_bytes), push);
                return body;
            }
            Answer::Verdict(Verdict::Deleted) => return vec![b'D'],
            Answer::Verdict(Verdict::Merged(content)) => (b'M', content.as_slice()),
            Answer::Verdict(Verdict::Conflict(reason)) => (b'C', reason.as_bytes()),
            Answer::Printed(line) => (b'P', line.as_bytes()),
        };
        body.push(kind);
        push(&mut body, text);
        body
    }

    pub(super) fn decode(body: &[u8]) -> io::Result<Answer> {
        let mut parts = Parts(body);
        let answer = match parts.byte()? {
            b'L' => Answer::Loaded(Loaded {
                script: parts.number()?,
                takes_sides: parts.byte()? == 1,
                broken: parts.maybe(Parts::text)?,
            }),
            b'D' => Answer::Verdict(Verdict::Deleted),
            b'M' => Answer::Verdict(Verdict::Merged(parts.bytes()?)),
            b'C' => Answer::Verdict(Verdict::Conflict(parts.text()?)),
            b'P' => Answer::Printed(parts.text()?),
            _ => return Err(bad("an answer that is not known")),
        };
        parts.end(answer)
    }
}

fn push(body: &mut Vec<u8>, bytes: &[u8]) {
    push_number(body, bytes.len());
    body.extend(bytes);
}

/// Numbers and lengths that do not fit make a frame that is too long in any case.
fn push_number(body: &mut Vec<u8>, number: usize) {
    body.extend(u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes());
}

fn push_maybe<T>(body: &mut Vec<u8>, value: Option<T>, push: impl FnOnce(&mut Vec<u8>, T)) {
    body.push(u8::from(value.is_some()));
    if let Some(value) = value {
        push(body, value);
    }
}

/// What is left of a body.
struct Parts<'b>(&'b [u8]);

impl Parts<'_> {
    fn take(&mut self, count: usize) -> io::Result<&[u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| bad("a frame that is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> io::Result<usize> {
        let bytes = self.take(4)?;
        Ok(bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    }

    fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let length = self.number()?;
        self.take(length).map(<[u8]>::to_vec)
    }

    fn text(&mut self) -> io::Result<String> {
        String::from_utf8(self.bytes()?).map_err(|_| bad("text that is not valid UTF-8"))
    }

    fn maybe<T>(&mut self, read: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<Option<T>> {
        match self.byte()? {
            0 => Ok(None),
            _ => read(self).map(Some),
        }
    }

    fn side(&mut self) -> io::Result<Side> {
        let author = self.text()?;
        let mut time = [0; 8];
        time.copy_from_slice(self.take(8)?);
        Ok(Side { author, time: i64::from_le_bytes(time), commit: self.text()? })
    }

    fn end<T>(self, whole: T) -> io::Result<T> {
        if self.0.is_empty() { Ok(whole) } else { Err(bad("a frame with something after its end")) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn round_trip(sent: &[u8], request: &Request) {
        let mut stream = Vec::new();
        write(&mut stream, sent).unwrap();
        let mut input = stream.as_slice();
        let body = read(&mut input).unwrap().unwrap();
        assert_eq!(&Request::decode(&body).unwrap(), request);
        assert_eq!(read(&mut input).unwrap(), None);
        for cut in 0..body.len() {
            Request::decode(&body[..cut]).unwrap_err();
        }
    }

    #[test]
    fn requests_come_back() {
        let script = Script { dialect: Dialect::Wasm1, source: vec![0, 255, 7] };
        round_trip(&load(&script), &Request::Load(script));
        let side = |time| Side { author: "Änn <a@b>".to_owned(), time, commit: "0f".to_owned() };
        for sides in [None, Some([side(-1), side(i64::MAX)])] {
            let job = Job {
                script: 3,
                key: "a/b".to_owned(),
                base: None,
                left: Some(vec![]),
                right: Some(vec![1, 2]),
                sides,
            };
            round_trip(&run(&job), &Request::Run(job));
        }
    }

    #[test]
    fn answers_come_back() {
        for answer in [
            Answer::Loaded(Loaded { script: 300, takes_sides: true, broken: None }),
            Answer::Loaded(Loaded { script: 0, takes_sides: false, broken: Some("it is none".to_owned()) }),
            Answer::Verdict(Verdict::Deleted),
            Answer::Verdict(Verdict::Merged(vec![0; 1000])),
            Answer::Verdict(Verdict::Conflict("why".to_owned())),
            Answer::Printed(String::new()),
        ] {
            assert_eq!(Answer::decode(&answer.encode()).unwrap(), answer);
        }
    }

    #[test]
    fn what_is_too_large_stays_too_large_and_goes_through() {
        let huge = Some(vec![7; 3 * CONTENT]);
        let job =
            Job { script: 0, key: String::new(), base: huge.clone(), left: huge.clone(), right: huge, sides: None };
        write(&mut std::io::sink(), &run(&job)).unwrap();
        let Request::Run(job) = Request::decode(&run(&job)).unwrap() else { panic!() };
        assert_eq!(job.right.unwrap().len(), CONTENT + 1);
    }

    #[test]
    fn a_length_that_is_too_large_is_not_believed() {
        let error = read(&mut [255, 255, 255, 255, 1].as_slice()).unwrap_err();
        assert_eq!(error.to_string(), "a frame that is too long");
        assert!(read(&mut [5, 0, 0, 0, 1].as_slice()).is_err());
        assert!(Answer::decode(b"M\xff\xff\xff\xffx").is_err());
        assert!(Answer::decode(b"Dx").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(body in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = Request::decode(&body);
            let _ = Answer::decode(&body);
            let _ = read(&mut body.as_slice());
        }
    }
}
