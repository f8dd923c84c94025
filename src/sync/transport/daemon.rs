//! Services of a `git daemon`: one connection of TCP for each, without anything that shows who asks or keeps secrets.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::time::Duration;

use super::{Connection, IDLE, Peer, Pipes, Transport};
use crate::sync::error::{Error, Result};
use crate::sync::pktline::write_data;
use crate::sync::protocol::Service;

/// The port that is meant where none is given.
const PORT: u16 = 9418;
/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(30);

/// Leads to the services of a directory that a `git daemon` serves ([`Location::Git`](crate::Location::Git)). `idle` is how
/// long nothing may come or go before the connection counts as broken; five minutes unless it is given.
pub fn by_daemon(host: &str, port: Option<u16>, path: &str, idle: Option<Duration>) -> impl Transport + use<> {
    let (host, path, idle) = (host.to_owned(), path.to_owned(), idle.unwrap_or(IDLE));
    let start = move |service| start(&host, port, &path, idle, service);
    Pipes { start, running: None }
}

fn start(host: &str, port: Option<u16>, path: &str, idle: Duration, service: Service) -> Result<Connection> {
    let failed = |error: io::Error| Error::Connection(io::Error::new(error.kind(), format!("{host}: {error}")));
    let stream = connect(host, port.unwrap_or(PORT), idle).map_err(failed)?;
    let place = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let version = match service {
        Service::UploadPack => "\0version=2\0",
        Service::ReceivePack => "",
    };
    let asked = format!("git-{} {path}\0host={place}\0{version}", service.name());
    write_data(&mut &stream, asked.as_bytes()).map_err(failed)?;
    let output = stream.try_clone().map_err(failed)?;
    Ok(Connection::new(Box::new(Half(stream)), Box::new(Incoming(output)), Box::new(Gone)))
}

fn connect(host: &str, port: u16, idle: Duration) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::NotFound, "there is no machine of that name");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(idle))?;
                stream.set_write_timeout(Some(idle))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What comes.
struct Incoming(TcpStream);

impl Read for Incoming {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(in_words)
    }
}

/// The system's word for what took too long tells nobody anything.
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::WouldBlock => io::Error::new(ErrorKind::TimedOut, "nothing came or went for too long"),
        _ => error,
    }
}

/// The half that is written: the other side sees its end.
struct Half(TcpStream);

impl Write for Half {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(in_words)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // One that is closed already has been seen to end.
        let _ = self.0.shutdown(Shutdown::Write);
    }
}

/// The server: how it ends is its own business.
struct Gone;

impl Peer for Gone {
    fn wait(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn abandon(&mut self) {}
}
