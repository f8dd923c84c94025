//! The answer on its way from the thread that works on it to the client: with its length where it is short, else in pieces,
//! of which only a few wait. Who stops listening stops the work.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, ErrorKind, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Sleep, sleep};

use super::guard::Notes;
use super::limits::{WAITING, WITH_LENGTH};
use super::turn::Turn;
use super::{Shared, Site};
use crate::sync::{self, Server};

/// An answer that is a sentence.
pub(super) fn refusal(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// What the thread that works on an answer gives away.
enum Piece {
    Data(Bytes),
    /// That was all.
    End,
}

/// What is to be done for a request.
pub(super) struct Work {
    shared: Arc<Shared>,
    notes: Notes,
}

/// Why there is no answer.
type Failed = Box<dyn std::error::Error>;

impl Work {
    pub(super) fn new(shared: Arc<Shared>, notes: Notes) -> Work {
        Work { shared, notes }
    }

    /// Does it on a thread of its own when it is its turn, and answers as soon as there is enough to be said.
    pub(super) async fn run(
        self,
        head: HeaderMap,
        task: impl FnOnce(&Work, &Arc<Turn>, &mut dyn Write) -> Result<(), Failed> + Send + 'static,
    ) -> Response {
        let limits = self.shared.limits;
        let Some(turn) = Turn::take(&self.shared).await else {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, "there is too much to do: come again later");
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            return response;
        };
        let (to, mut from) = mpsc::channel(WAITING);
        tokio::task::spawn_blocking(move || {
            let turn = Arc::new(turn);
            let mut out = Out { to, is_begun: false, turn: Arc::clone(&turn) };
            let done = task(&self, &turn, &mut out);
            if let Err(error) = &done {
                self.notes.problem(error.to_string());
            }
            // What failed before a word was said is told by the status.
            if done.is_ok() || out.is_begun {
                // Who has hung up need not hear that this was all.
                let _ = out.give(Piece::End);
            }
        });
        let (mut start, mut size) = (VecDeque::new(), 0);
        let rest = loop {
            match from.recv().await {
                Some(Piece::Data(data)) => {
                    size += data.len();
                    start.push_back(data);
                    if size > WITH_LENGTH {
                        break Some(from);
                    }
                }
                Some(Piece::End) => break None,
                None => {
                    return refusal(StatusCode::INTERNAL_SERVER_ERROR, "the server cannot answer: its log tells why");
                }
            }
        };
        let answer = Answer { start, size: size as u64, rest, timer: Box::pin(sleep(limits.total)) };
        let mut response = Response::new(Body::new(answer));
        *response.headers_mut() = head;
        response
    }

    /// A push to a database has been answered.
    pub(super) fn pushed(&self, site: &Site) {
        self.shared.surroundings.pushed(&site.database);
    }

    /// Lets a database answer.
    pub(super) fn with_server(
        &self,
        site: &Site,
        task: impl FnOnce(&mut Server<'_>) -> Result<(), sync::Error>,
    ) -> Result<(), Failed> {
        let mut runner = self.shared.surroundings.runner()?;
        let who = self.shared.surroundings.who(&site.database)?;
        Ok(task(&mut Server::new(&site.database, who, &mut *runner, site.limits))?)
    }
}

/// Where the thread writes to.
struct Out {
    to: mpsc::Sender<Piece>,
    is_begun: bool,
    turn: Arc<Turn>,
}

impl Out {
    /// Gives a piece away, when there is room for it.
    fn give(&self, piece: Piece) -> io::Result<()> {
        let gone = || io::Error::new(ErrorKind::BrokenPipe, "the client has hung up");
        match self.to.try_send(piece) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(_)) => Err(gone()),
            Err(TrySendError::Full(piece)) => self.turn.pause(|| self.to.blocking_send(piece)).map_err(|_| gone()),
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !bytes.is_empty() {
            self.is_begun = true;
            self.give(Piece::Data(Bytes::copy_from_slice(bytes)))?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An answer as the connection asks for it.
struct Answer {
    start: VecDeque<Bytes>,
    /// How much of the start has not been asked for yet.
    size: u64,
    rest: Option<mpsc::Receiver<Piece>>,
    /// Runs out when the request has taken too long.
    timer: Pin<Box<Sleep>>,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(data) = self.start.pop_front() {
            self.size -= data.len() as u64;
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if self.rest.is_some() && self.timer.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(io::Error::new(ErrorKind::TimedOut, "the request takes too long"))));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        match ready!(rest.poll_recv(context)) {
            Some(Piece::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Some(Piece::End) => {
                self.rest = None;
                Poll::Ready(None)
            }
            // A client must not take what is cut off for the whole.
            None => Poll::Ready(Some(Err(io::Error::other("the answer broke off")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.start.is_empty() && self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.rest {
            None => SizeHint::with_exact(self.size),
            Some(_) => SizeHint::default(),
        }
    }
}
