//! Asking again over a link that was cut, where what is asked for has to begin anew: git's protocol knows no way to go on.

use std::io::{self, ErrorKind};
use std::thread;
use std::time::Duration;

use super::error::{Error, Result};
use super::transport::Metered;

/// So many connections may be cut before it is given up.
const TRIES: u32 = 5;
/// How long is waited behind the second one; then twice as long each time.
const PAUSE: Duration = Duration::from_millis(200);

/// Does something over a link, again where the link is cut. What did not come about at all is not tried again: mostly there is
/// no such machine or program, or nobody is let in.
pub(super) fn again<T>(link: &mut Metered<'_>, mut work: impl FnMut(&mut Metered<'_>) -> Result<T>) -> Result<T> {
    for tries in 1.. {
        link.begin();
        let error = match work(link) {
            Err(error) if is_cut(&error, link) => told(error),
            done => return done,
        };
        if tries > TRIES || link.received() == 0 {
            return Err(error);
        }
        if tries > 1 {
            thread::sleep(PAUSE * 2u32.pow(tries - 2));
        }
    }
    unreachable!("it is given up")
}

/// Whether an end of the connection is why something failed.
fn is_cut(error: &Error, link: &Metered<'_>) -> bool {
    match error {
        Error::Connection(_) => true,
        // What ends too early is not what was meant.
        Error::Protocol(_) => link.has_ended(),
        _ => false,
    }
}

/// The error of a connection, which a cut is, whatever was made of what came before it.
fn told(error: Error) -> Error {
    match error {
        Error::Protocol(text) => Error::Connection(io::Error::new(ErrorKind::UnexpectedEof, text)),
        error => error,
    }
}
