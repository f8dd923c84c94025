//! The body of a request on its way to the thread that works on it: the beginning is waited for, the rest is passed on in
//! pieces, unpacked where it is packed, and never more of it than is allowed.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::{Buf, Bytes};
use flate2::read::MultiGzDecoder;
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::time::{Instant, timeout_at};

use super::HttpLimits;
use super::answer::refusal;
use super::guard::Notes;
use super::limits::{BEFORE_WORK, DRAINED, WAITING};
use super::pace::Pace;
use super::turn::Turn;

/// A body that is coming.
pub(super) struct Intake {
    start: Vec<Bytes>,
    /// What follows, if that was not all.
    rest: Option<mpsc::Receiver<Piece>>,
    is_packed: bool,
    most: u64,
}

enum Piece {
    Data(Bytes),
    End,
    /// It broke off, and why.
    Broken(&'static str),
}

/// What comes of a connection.
struct Coming {
    body: Body,
    idle: Duration,
    pace: Pace,
    until: Instant,
    left: u64,
    notes: Notes,
}

impl Coming {
    /// The next piece; an empty one is passed over.
    async fn next(&mut self) -> Piece {
        let mut since = Instant::now();
        let until = self.until.min(since + self.idle);
        loop {
            let came = timeout_at(until.min(since + self.pace.left()), self.body.frame()).await;
            let now = Instant::now();
            if self.pace.waited(now.saturating_duration_since(since)) {
                return Piece::Broken("it comes too slowly");
            }
            since = now;
            let frame = match came {
                Err(_) if now < until => continue,
                Err(_) => return Piece::Broken("it takes too long to come"),
                Ok(None) => return Piece::End,
                Ok(Some(Err(_))) => return Piece::Broken("the connection broke"),
                Ok(Some(Ok(frame))) => frame,
            };
            // What else there is stands behind the body, and is of no use here.
            let Ok(data) = frame.into_data() else { continue };
            self.notes.received(data.len());
            self.pace.moved(data.len());
            match self.left.checked_sub(data.len() as u64) {
                None => return Piece::Broken("it is larger than is allowed"),
                Some(left) => self.left = left,
            }
            if !data.is_empty() {
                return Piece::Data(data);
            }
        }
    }

    /// Passes the rest on; when nobody wants it any more, it is taken all the same for a while.
    async fn pass_on(mut self, to: mpsc::Sender<Piece>) {
        let mut drained = 0;
        loop {
            let piece = self.next().await;
            let is_last = !matches!(piece, Piece::Data(_));
            let len = match &piece {
                Piece::Data(data) => data.len() as u64,
                _ => 0,
            };
            if to.send(piece).await.is_err() {
                drained += len;
            }
            if is_last || drained > DRAINED {
                return;
            }
        }
    }
}

/// Takes the beginning of a body, of at most so many bytes on the way.
///
/// # Errors
/// What the client is told that sends what is not taken.
pub(super) async fn take(asked: Request, limits: HttpLimits, most: u64, notes: Notes) -> Result<Intake, Box<Response>> {
    let refuse = |status, text: &str| Err(Box::new(refusal(status, text)));
    let is_packed = match packing(asked.headers()) {
        Some(is_packed) => is_packed,
        None => return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "a body may be packed with gzip and nothing else"),
    };
    let announced = asked.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|announced: u64| announced > most) {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, &format!("a request may have {most} bytes here"));
    }
    let until = Instant::now() + limits.total;
    let mut coming =
        Coming { body: asked.into_body(), idle: limits.idle, pace: Pace::new(&limits), until, left: most, notes };
    let (mut start, mut size) = (Vec::new(), 0);
    while size < BEFORE_WORK {
        match coming.next().await {
            Piece::Data(data) => {
                size += data.len();
                start.push(data);
            }
            Piece::End => return Ok(Intake { start, rest: None, is_packed, most }),
            Piece::Broken(why) => return refuse(StatusCode::BAD_REQUEST, why),
        }
    }
    let (to, rest) = mpsc::channel(WAITING);
    tokio::spawn(coming.pass_on(to));
    Ok(Intake { start, rest: Some(rest), is_packed, most })
}

/// Whether a body is packed; `None` where that is done in a way that is not known.
fn packing(headers: &HeaderMap) -> Option<bool> {
    match headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"identity") => Some(false),
        Some(b"gzip" | b"x-gzip") => Some(true),
        Some(_) => None,
    }
}

impl Intake {
    /// Reads the body, on a thread that may wait.
    pub(super) fn reader(self, turn: &Arc<Turn>) -> Box<dyn Read> {
        let most = self.most;
        let pieces = Pieces { now: Bytes::new(), start: self.start.into_iter(), rest: self.rest, turn: turn.clone() };
        if !self.is_packed {
            return Box::new(pieces);
        }
        // Packed bytes can stand for a thousand times as many.
        Box::new(Limited { source: MultiGzDecoder::new(io::BufReader::new(pieces)), left: most })
    }
}

struct Pieces {
    now: Bytes,
    start: std::vec::IntoIter<Bytes>,
    rest: Option<mpsc::Receiver<Piece>>,
    turn: Arc<Turn>,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.now.is_empty() && !out.is_empty() {
            self.now = match (self.start.next(), &mut self.rest) {
                (Some(next), _) => next,
                (None, None) => return Ok(0),
                (None, Some(rest)) => match next(rest, &self.turn) {
                    Some(Piece::Data(data)) => data,
                    Some(Piece::End) => {
                        self.rest = None;
                        return Ok(0);
                    }
                    Some(Piece::Broken(why)) => return Err(io::Error::other(why)),
                    None => return Err(io::Error::other("the connection broke")),
                },
            };
        }
        let len = out.len().min(self.now.len());
        self.now.copy_to_slice(&mut out[..len]);
        Ok(len)
    }
}

/// The next piece, which is waited for if need be.
fn next(rest: &mut mpsc::Receiver<Piece>, turn: &Turn) -> Option<Piece> {
    match rest.try_recv() {
        Ok(piece) => Some(piece),
        Err(TryRecvError::Disconnected) => None,
        Err(TryRecvError::Empty) => turn.pause(|| rest.blocking_recv()),
    }
}

struct Limited<R> {
    source: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(out)?;
        let too_much = || io::Error::other("it is larger than is allowed when it is unpacked");
        self.left = self.left.checked_sub(len as u64).ok_or_else(too_much)?;
        Ok(len)
    }
}
