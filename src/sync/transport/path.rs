//! A service of a database on this machine, on a thread of this process.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::{Connection, Peer, Pipes, Transport};
use crate::database::Database;
use crate::object::Ident;
use crate::script::Runner;
use crate::sync::error::{Error, Result};
use crate::sync::protocol::Service;
use crate::sync::serve::{ServeLimits, Server};

/// Leads to the services of an open database. `who` stands in its reflogs, and what `runner` makes runs merge scripts there.
pub fn to_database<R: Runner>(
    db: Arc<Database>,
    who: Ident,
    runner: impl Fn() -> io::Result<R> + Send + Sync + 'static,
) -> impl Transport {
    let runner = Arc::new(runner);
    let start = move |service| start(db.clone(), who.clone(), runner.clone(), service);
    Pipes { start, running: None }
}

fn start<R: Runner>(
    db: Arc<Database>,
    who: Ident,
    runner: Arc<impl Fn() -> io::Result<R> + Send + Sync + 'static>,
    service: Service,
) -> Result<Connection> {
    let (mut requests, input) = io::pipe().map_err(Error::Connection)?;
    let (output, mut answers) = io::pipe().map_err(Error::Connection)?;
    let serve = move || {
        let mut runner = runner().map_err(Error::Connection)?;
        let mut server = Server::new(&db, who, &mut runner, ServeLimits::default());
        server.converse(service, &mut requests, &mut answers)
    };
    let thread = thread::Builder::new().name("isodb-serve".into()).spawn(serve).map_err(Error::Connection)?;
    Ok(Connection::new(Box::new(input), Box::new(output), Box::new(Thread(Some(thread)))))
}

struct Thread(Option<JoinHandle<Result<()>>>);

impl Peer for Thread {
    fn wait(&mut self) -> io::Result<()> {
        let Some(thread) = self.0.take() else { return Ok(()) };
        match thread.join() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(io::Error::other(error.to_string())),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    fn abandon(&mut self) {
        // Its pipes are closed, so it ends soon.
        if let Some(thread) = self.0.take() {
            let _ = thread.join();
        }
    }
}
