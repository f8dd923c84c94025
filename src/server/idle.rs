//! A connection that fails when what is to be sent makes no progress for too long, or too little. How long reading may take
//! depends on what is read, and is decided there.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::HttpLimits;
use super::pace::Pace;

pub(super) struct Idle<S> {
    stream: S,
    limit: Duration,
    pace: Pace,
    /// Runs out when there is something to judge, while somebody is `waiting`.
    timer: Pin<Box<Sleep>>,
    /// Since when nothing can be sent, and since when that was not judged.
    waiting: Option<(Instant, Instant)>,
}

impl<S> Idle<S> {
    pub(super) fn new(stream: S, limits: &HttpLimits) -> Idle<S> {
        let timer = Box::pin(sleep(limits.idle));
        Idle { stream, limit: limits.idle, pace: Pace::new(limits), timer, waiting: None }
    }

    /// Passes on what came of writing, unless it has been too little for too long.
    fn judge<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let failed = |text: &str| Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, text)));
        loop {
            let (since, judged) = match self.waiting {
                None if written.is_ready() => return written,
                None => {
                    let now = Instant::now();
                    self.timer.as_mut().reset(now + self.limit.min(self.pace.left()));
                    *self.waiting.insert((now, now))
                }
                Some(waiting) => waiting,
            };
            if written.is_pending() {
                ready!(self.timer.as_mut().poll(context));
            }
            let now = Instant::now();
            let is_slow = self.pace.waited(now.saturating_duration_since(judged));
            let stands = now.saturating_duration_since(since);
            if is_slow {
                return failed("the client takes too little");
            }
            if written.is_ready() {
                self.waiting = None;
                return written;
            }
            if stands >= self.limit {
                return failed("the client takes nothing any more");
            }
            self.waiting = Some((since, now));
            self.timer.as_mut().reset(now + (self.limit - stands).min(self.pace.left()));
        }
    }

    /// The same, where some bytes were sent.
    fn sent(&mut self, context: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(len)) = written {
            self.pace.moved(len);
        }
        self.judge(context, written)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Idle<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, out)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Idle<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.sent(context, written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.sent(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.judge(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shut = Pin::new(&mut this.stream).poll_shutdown(context);
        this.judge(context, shut)
    }
}
