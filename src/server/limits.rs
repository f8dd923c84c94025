//! How much a server takes, of bytes, time and clients.

use std::time::Duration;

/// What a server takes at most; what a database takes is in its [`ServeLimits`](crate::ServeLimits).
#[derive(Clone, Copy, Debug)]
pub struct HttpLimits {
    /// How many connections there may be; others wait until one ends.
    pub connections: usize,
    /// How many requests may be begun and not answered to their end, each on a thread of its own.
    pub requests: usize,
    /// How many of them are worked on at once; the others wait for their clients, or for one of these.
    pub workers: usize,
    /// How long a request may wait until it is begun, before it is told to come again later.
    pub queue: Duration,
    /// How long the head of a request may take to come, and a connection be kept on which nothing is asked.
    pub head: Duration,
    /// How long a body or an answer may make no progress at all.
    pub idle: Duration,
    /// How many bytes have to come or go in [`HttpLimits::least_over`] where a client is waited for all that time.
    pub least: u64,
    /// See [`HttpLimits::least`].
    pub least_over: Duration,
    /// How long a request may take in all.
    pub total: Duration,
    /// How long requests that run are waited for when the server is told to stop.
    pub grace: Duration,
    /// The bytes of a request that is no push; a push may have a pack besides.
    pub max_request: u64,
}

impl Default for HttpLimits {
    /// 256 connections, 64 requests, 16 workers, 128 MiB, times for slow links, and 50 bytes a second over ten minutes.
    fn default() -> HttpLimits {
        HttpLimits {
            connections: 256,
            requests: 64,
            workers: 16,
            queue: Duration::from_secs(30),
            head: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            least: 50 * 600,
            least_over: Duration::from_secs(600),
            total: Duration::from_secs(4 * 3600),
            grace: Duration::from_secs(10),
            max_request: 128 << 20,
        }
    }
}

/// A head of a request may have this many bytes, and so many are kept of what comes before it is asked for.
pub(super) const MAX_HEAD: usize = 1 << 16;
/// So many bytes of a request's body are waited for before a thread begins to work on it: mostly all of them.
pub(super) const BEFORE_WORK: usize = 1 << 16;
/// An answer up to this size is sent with its length in front.
pub(super) const WITH_LENGTH: usize = 1 << 14;
/// So many pieces of a body or of an answer wait for their reader.
pub(super) const WAITING: usize = 4;
/// So many bytes of a push are still taken when nobody reads them any more, for clients that only listen to an answer when
/// they have said all.
pub(super) const DRAINED: u64 = 1 << 30;
/// So many bytes at most wait in the system to be sent for the first time: with more, nothing could be seen for minutes of
/// what a slow client takes.
#[cfg(target_os = "linux")]
pub(super) const UNSENT: u32 = 1 << 17;
/// How long somebody with a wrong token waits to be told.
pub(super) const WRONG_TOKEN: Duration = Duration::from_millis(200);
