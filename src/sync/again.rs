//! Asking again over a link that was cut: how often, and how long it is waited before. Where git's protocol is spoken, what is
//! asked for begins anew, as that knows no way to go on.

use std::io::{self, ErrorKind};
use std::time::Duration;

use super::error::{Error, Result};
use super::transport::Metered;

/// So many connections in a row may bring nothing before it is given up.
const TRIES: u32 = 5;
/// How long is waited behind a connection that brought nothing; then twice as long each time. Tests do not wait.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 200 });
/// So often the other side may ask to be asked later, and how long is waited then at most.
const LATER: u32 = 20;
const LONGEST: Duration = Duration::from_secs(5);

/// Attempts that came to nothing.
#[derive(Debug, Default)]
pub(in crate::sync) struct Patience {
    tries: u32,
    later: u32,
}

impl Patience {
    /// Something came over the link.
    pub(in crate::sync) fn renew(&mut self) {
        *self = Patience::default();
    }

    /// Waits for as long as it takes before the next connection.
    ///
    /// # Errors
    /// The one with which the last ended, when it is given up.
    pub(in crate::sync) fn wait(&mut self, error: Error) -> Result<()> {
        self.tries += 1;
        if self.tries > TRIES {
            return Err(error);
        }
        if self.tries > 1 {
            std::thread::sleep(PAUSE * 2u32.pow(self.tries - 2));
        }
        Ok(())
    }

    /// Waits since the other side asks for it.
    ///
    /// # Errors
    /// When it asks for that again and again.
    pub(in crate::sync) fn wait_for_it(&mut self) -> Result<()> {
        self.later += 1;
        if self.later > LATER {
            return Err(Error::Refused("another attempt of this push is not over yet".into()));
        }
        std::thread::sleep((PAUSE * 2u32.pow(self.later.min(6) - 1)).min(LONGEST));
        Ok(())
    }
}

/// Does something over a link, again where the link is cut. What did not come about at all is not tried again: mostly there is
/// no such machine or program, or nobody is let in.
pub(super) fn again<T>(link: &mut Metered<'_>, mut work: impl FnMut(&mut Metered<'_>) -> Result<T>) -> Result<T> {
    let mut patience = Patience::default();
    loop {
        link.begin();
        let error = match work(link) {
            Err(error) if is_cut(&error, link) => cut(error),
            done => return done,
        };
        if link.received() == 0 {
            return Err(error);
        }
        patience.wait(error)?;
    }
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

/// An answer that makes no sense, of a connection that may have been cut.
pub(in crate::sync) fn cut(error: Error) -> Error {
    match error {
        Error::Protocol(text) => Error::Connection(io::Error::new(ErrorKind::UnexpectedEof, text)),
        error => error,
    }
}
