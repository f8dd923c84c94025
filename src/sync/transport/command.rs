//! A service in a process of its own: ssh to another machine, or a program on this one. What it says on stderr is shown as
//! it comes.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::patient::Patient;
use super::{Connection, IDLE, Peer, Pipes, Transport};
use crate::sync::error::{Error, Result};
use crate::sync::protocol::Service;

/// How long a process may take to end that nobody speaks to any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// Leads to services by commands that `command` makes, whose stdin and stdout carry the protocol. They are told by the
/// variable `GIT_PROTOCOL` which version is spoken. `idle` is how long nothing may come or go before the connection counts as
/// broken; five minutes unless it is given.
pub fn by_command(mut command: impl FnMut(Service) -> Command, idle: Option<Duration>) -> impl Transport {
    let start = move |service| start(command(service), idle.unwrap_or(IDLE), service);
    Pipes { start, running: None }
}

struct Process {
    child: Child,
    name: String,
}

fn start(mut command: Command, idle: Duration, service: Service) -> Result<Connection> {
    let name = command.get_program().to_string_lossy().into_owned();
    let failed = |error: io::Error| Error::Connection(io::Error::new(error.kind(), format!("{name}: {error}")));
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    match service {
        Service::UploadPack => command.env("GIT_PROTOCOL", "version=2"),
        // Of this service there is one version alone.
        Service::ReceivePack => command.env_remove("GIT_PROTOCOL"),
    };
    let mut child = command.spawn().map_err(failed)?;
    let (input, output) = child.stdin.take().zip(child.stdout.take()).expect("both were asked for");
    let input = Patient::new(input, idle).map_err(Error::Connection)?;
    let output = Patient::new(output, idle).map_err(Error::Connection)?;
    Ok(Connection::new(Box::new(input), Box::new(output), Box::new(Process { child, name })))
}

impl Peer for Process {
    fn wait(&mut self) -> io::Result<()> {
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("{} ended with {status}", self.name))) }
    }

    fn abandon(&mut self) {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        // It has nobody to speak to; what it holds on to is not waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
