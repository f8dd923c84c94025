//! The body of a request while it is written: what is short is collected, and what is long goes out from a thread as it
//! comes, with no more than a few pieces in memory.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use ureq::Body;
use ureq::http::Response;

/// A body up to this size is sent with its length in front, and can be sent again.
const WHOLE: usize = 1 << 20;
/// The size of the pieces of a longer one, and how many of them wait.
const PIECE: usize = 1 << 16;
const WAITING: usize = 4;

type Answered = Result<Response<Body>, ureq::Error>;

/// A body that is written.
pub(super) struct Upload<F> {
    /// Sends what a reader gives; gone when it has been started.
    send: Option<F>,
    buffer: Vec<u8>,
    running: Option<Running>,
}

struct Running {
    /// An empty piece is the end.
    pieces: SyncSender<Vec<u8>>,
    thread: JoinHandle<Answered>,
}

/// What became of a body.
pub(super) enum Finished {
    /// It is short, and has not been sent.
    Whole(Vec<u8>),
    /// It was sent, and this came back.
    Sent(Answered),
    /// It could not be written to its end.
    Failed(io::Error),
}

impl<F: FnOnce(Pieces) -> Answered + Send + 'static> Upload<F> {
    pub(super) fn new(send: F) -> Upload<F> {
        Upload { send: Some(send), buffer: Vec::new(), running: None }
    }

    fn running(&mut self) -> io::Result<&mut Running> {
        if let Some(send) = self.send.take() {
            let (pieces, coming) = sync_channel(WAITING);
            let reader = Pieces { coming, piece: Vec::new(), at: 0, has_ended: false };
            let thread = thread::Builder::new().name("isodb-upload".into()).spawn(move || send(reader))?;
            self.running = Some(Running { pieces, thread });
        }
        self.running.as_mut().ok_or_else(|| io::Error::other("it could not be started"))
    }

    fn send(&mut self, piece: Vec<u8>) -> io::Result<()> {
        let gone = |_| io::Error::new(ErrorKind::BrokenPipe, "the other side has stopped listening");
        self.running()?.pieces.send(piece).map_err(gone)
    }

    /// Ends the body; `written` tells whether all of it was.
    pub(super) fn finish(mut self, written: io::Result<()>) -> Finished {
        let ended = match written {
            Ok(()) if self.running.is_none() => return Finished::Whole(self.buffer),
            Ok(()) => {
                let rest = std::mem::take(&mut self.buffer);
                let sent = if rest.is_empty() { Ok(()) } else { self.send(rest) };
                sent.and_then(|()| self.send(Vec::new()))
            }
            Err(error) => Err(error),
        };
        let Some(Running { pieces, thread }) = self.running else {
            return Finished::Failed(ended.err().unwrap_or_else(|| io::Error::other("it could not be started")));
        };
        // What was not ended is cut off, so that nobody takes it for the whole.
        drop(pieces);
        let answered = match thread.join() {
            Ok(answered) => answered,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match ended {
            // Why the other side does not listen any more is in its answer, or in how the connection broke.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Finished::Failed(error),
            _ => Finished::Sent(answered),
        }
    }
}

impl<F: FnOnce(Pieces) -> Answered + Send + 'static> Write for Upload<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let most = if self.running.is_some() { PIECE } else { WHOLE };
        if self.buffer.len() + bytes.len() > most && !self.buffer.is_empty() {
            let piece = std::mem::take(&mut self.buffer);
            self.send(piece)?;
        }
        // The rest is for the next call.
        let taken = &bytes[..bytes.len().min(WHOLE)];
        self.buffer.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        // Whoever reads has no use for a part of it.
        Ok(())
    }
}

/// The pieces of a body, as what sends them reads them.
pub(super) struct Pieces {
    coming: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    has_ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() && !self.has_ended && !out.is_empty() {
            let cut_off = |_| io::Error::other("the request was given up");
            self.piece = self.coming.recv().map_err(cut_off)?;
            self.at = 0;
            self.has_ended = self.piece.is_empty();
        }
        let len = out.len().min(self.piece.len() - self.at);
        out[..len].copy_from_slice(&self.piece[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}
