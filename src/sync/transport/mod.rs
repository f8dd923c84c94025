//! What leads to a remote's services. Over pipes one process, or one thread of this one, answers all requests.

mod command;
mod daemon;
mod http;
mod metered;
mod path;
mod patient;

use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::time::Duration;

pub use command::by_command;
pub use daemon::by_daemon;
pub use http::{Authorities, Credentials, HttpOptions, by_http};
pub(super) use metered::Metered;
pub use path::to_database;

use super::error::{Error, Result};
use super::protocol::Service;

/// How long nothing may come or go, unless the caller says otherwise: the other side may have much to check.
const IDLE: Duration = Duration::from_secs(300);

/// A remote's services, whatever carries them.
pub trait Transport {
    /// What the service says first. Asking again begins anew.
    ///
    /// # Errors
    /// When the service cannot be reached. What it does not say is found out in reading.
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>>;

    /// One request and its answer; `body` writes the request. The service has been asked for its advertisement.
    ///
    /// # Errors
    /// When the request cannot be sent. Where the other side has stopped listening, its answer may tell why.
    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>>;

    /// Whether a service has to be asked for its advertisement before a request can be made at all.
    fn needs_advertisement(&self) -> bool {
        true
    }

    /// One request of the isodb stream and its answer. Where each request is a connection of its own, no advertisement need
    /// go before it.
    ///
    /// # Errors
    /// As [`Transport::call`]; [`Error::Http`] with the status 404 or 405 from a server that knows no such stream.
    fn stream(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        self.call(service, body)
    }
}

/// What stands for a transport is one. Each method has to be passed on, or its default would answer.
macro_rules! passed_on {
    ($($kind:ty),*) => {$(
        impl<T: Transport + ?Sized> Transport for $kind {
            fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>> {
                (**self).advertisement(service)
            }

            fn call(
                &mut self,
                service: Service,
                body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
            ) -> Result<Box<dyn Read + '_>> {
                (**self).call(service, body)
            }

            fn needs_advertisement(&self) -> bool {
                (**self).needs_advertisement()
            }

            fn stream(
                &mut self,
                service: Service,
                body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
            ) -> Result<Box<dyn Read + '_>> {
                (**self).stream(service, body)
            }
        }
    )*};
}

passed_on!(Box<T>, &mut T);

/// What runs a service at the other end of pipes.
trait Peer: Send {
    /// Waits for its end, after it said its last; its failure is the error.
    fn wait(&mut self) -> io::Result<()>;

    /// Ends it: its pipes are closed, and nobody wants to know what came of it.
    fn abandon(&mut self);
}

/// A service that was started.
struct Connection {
    /// Closed when nothing more is to be said.
    input: Option<BufWriter<Box<dyn Write + Send>>>,
    output: Option<BufReader<Box<dyn Read + Send>>>,
    peer: Box<dyn Peer>,
    has_ended: bool,
}

impl Connection {
    fn new(input: Box<dyn Write + Send>, output: Box<dyn Read + Send>, peer: Box<dyn Peer>) -> Connection {
        let (input, output) = (BufWriter::with_capacity(1 << 16, input), BufReader::with_capacity(1 << 16, output));
        Connection { input: Some(input), output: Some(output), peer, has_ended: false }
    }
}

impl Read for &mut Connection {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some(output) = self.output.as_mut().filter(|_| !self.has_ended) else { return Ok(0) };
        let len = output.read(out)?;
        if len == 0 && !out.is_empty() {
            // It says no more; how it ends may be why.
            self.has_ended = true;
            self.input = None;
            self.peer.wait()?;
        }
        Ok(len)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(input) = self.input.take() {
            // What was not sent is not to be sent any more.
            drop(input.into_parts().0);
        }
        self.output = None;
        if !self.has_ended {
            self.peer.abandon();
        }
    }
}

/// Services that are started as they are asked for, one at a time.
struct Pipes<S> {
    start: S,
    running: Option<(Service, Connection)>,
}

impl<S: FnMut(Service) -> Result<Connection>> Transport for Pipes<S> {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>> {
        self.running = None;
        let connection = (self.start)(service)?;
        let (_, connection) = self.running.insert((service, connection));
        Ok(Box::new(connection))
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        // A push is one request in git's way; who waits for the end of the pack sees it.
        self.ask(service, body, service == Service::ReceivePack)
    }

    fn stream(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        self.ask(service, body, false)
    }
}

impl<S> Pipes<S> {
    fn ask(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
        is_last: bool,
    ) -> Result<Box<dyn Read + '_>> {
        let not_there = || Error::Connection(io::Error::other(format!("{} is not running", service.name())));
        let running = self.running.as_mut().filter(|(found, _)| *found == service);
        let (_, connection) = running.ok_or_else(not_there)?;
        let input = connection.input.as_mut().ok_or_else(not_there)?;
        match body(input).and_then(|()| input.flush()) {
            Ok(()) => {
                if is_last {
                    connection.input = None;
                }
            }
            // Why it does not listen any more is to be read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                if let Some(input) = connection.input.take() {
                    drop(input.into_parts().0);
                }
            }
            Err(error) => return Err(Error::Connection(error)),
        }
        Ok(Box::new(connection))
    }
}
