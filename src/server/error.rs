//! What keeps a server from serving, in the words that users read.

use std::io;
use std::net::SocketAddr;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two databases would have one address.
    #[error("two of the databases are called {0:?}, and are served under that name")]
    Twice(String),
    /// Tokens are asked for, and there is none.
    #[error("there is no token, so nobody could ask for anything")]
    NoToken,
    /// Anybody could ask who reaches this machine.
    #[error("{0} can be reached from other machines, and whoever does so would need no token")]
    Exposed(SocketAddr),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A certificate or its key cannot be used.
    #[error("the certificate and its key cannot be used: {0}")]
    Tls(String),
    /// The system said no.
    #[error("cannot serve: {0}")]
    System(#[source] io::Error),
}

/// The room's results.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;
