//! A server of HTTP: git's smart protocol and the isodb stream for some databases, to whoever may ask.
//!
//! All connections live on one thread that never waits for a disk; databases answer on others, a few of which work at a time,
//! while the rest wait for their clients. **Invariant:** what a client does or leaves undone holds a bounded amount of memory
//! and of time: what comes and what goes is passed on in small pieces, a connection without progress, or with too little of
//! it, is closed, and whatever there can be many of is counted.

mod answer;
mod connection;
mod error;
mod guard;
mod idle;
mod limits;
mod pace;
mod request;
mod routes;
mod tls;
mod turn;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};

pub use error::Error;
pub use limits::HttpLimits;
pub use tls::TlsIdentity;

use crate::database::Database;
use crate::object::Ident;
use crate::script::Runner;
use crate::sync::ServeLimits;
use error::Result;

/// How long threads that work for nobody any more are waited for in the end.
const LAST: Duration = Duration::from_secs(1);

/// A database that is served.
#[derive(Clone)]
pub struct Site {
    /// The first part of the path in its address.
    pub name: String,
    /// The database.
    pub database: Arc<Database>,
    /// What it takes and gives at most.
    pub limits: ServeLimits,
}

/// Who may ask.
#[derive(Clone, Debug)]
pub enum Admission {
    /// Whoever is on this machine: no other can connect.
    Local,
    /// Who has one of these tokens, as a password or by itself.
    Tokens(Vec<String>),
    /// Whoever can connect.
    Everybody,
}

/// What is served, and to whom.
#[derive(Clone)]
pub struct ServeOptions {
    /// The databases. One alone is served without its name as well.
    pub sites: Vec<Site>,
    /// Who may ask.
    pub admission: Admission,
    /// Whether nothing can be pushed.
    pub is_read_only: bool,
    /// Who the server is, to serve https in place of http.
    pub tls: Option<TlsIdentity>,
    /// How much there may be of what.
    pub limits: HttpLimits,
}

/// What the server needs of the world around it.
pub trait Surroundings: Send + Sync + 'static {
    /// Who stands in a database's reflog for those who push, and the time.
    ///
    /// # Errors
    /// When there is nobody who could; the request fails.
    fn who(&self, database: &Database) -> io::Result<Ident>;

    /// What runs the merge scripts of one request.
    ///
    /// # Errors
    /// When there is nothing that could; the request fails.
    fn runner(&self) -> io::Result<Box<dyn Runner>>;

    /// Is told when a push to a database has been answered, whatever came of it: upkeep may be due.
    fn pushed(&self, database: &Database);

    /// Is told of each request when its answer has been sent or given up.
    fn answered(&self, request: &Answered);
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Where it came from, if that is known.
    pub peer: Option<SocketAddr>,
    /// The method.
    pub method: String,
    /// The path, as it came.
    pub path: String,
    /// The status.
    pub status: u16,
    /// The bytes of its body and of the answer's, as they went over the connection but for their chunks' frames.
    pub received: u64,
    /// See `received`.
    pub sent: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// What was wrong with it.
    pub problem: Option<String>,
}

/// What all requests share.
struct Shared {
    sites: BTreeMap<String, Site>,
    admission: Admission,
    is_read_only: bool,
    limits: HttpLimits,
    surroundings: Arc<dyn Surroundings>,
    /// How many more may connect, how many more requests may be begun, and how many more worked on.
    connections: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    workers: Arc<Semaphore>,
}

/// A server, which is not listening yet.
pub struct HttpServer {
    shared: Arc<Shared>,
    tls: Option<tls::Acceptor>,
    listeners: Vec<TcpListener>,
    stop: Arc<watch::Sender<bool>>,
}

/// Tells a server to stop.
#[derive(Clone)]
pub struct Stopper(Arc<watch::Sender<bool>>);

impl Stopper {
    /// Lets the server take no more requests; it ends when those that run have been answered, or after the time of grace.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl HttpServer {
    /// Makes a server.
    ///
    /// # Errors
    /// [`Error::Twice`] for two databases of one name, [`Error::NoToken`], and [`Error::Tls`].
    pub fn new(options: ServeOptions, surroundings: impl Surroundings) -> Result<HttpServer> {
        let ServeOptions { sites, admission, is_read_only, tls, limits } = options;
        if let Admission::Tokens(tokens) = &admission
            && (tokens.is_empty() || tokens.iter().any(String::is_empty))
        {
            return Err(Error::NoToken);
        }
        let mut by_name = BTreeMap::new();
        for site in sites {
            if let Some(site) = by_name.insert(site.name.clone(), site) {
                return Err(Error::Twice(site.name));
            }
        }
        let shared = Shared {
            sites: by_name,
            admission,
            is_read_only,
            limits,
            surroundings: Arc::new(surroundings),
            connections: Arc::new(Semaphore::new(limits.connections)),
            requests: Arc::new(Semaphore::new(limits.requests.max(1))),
            workers: Arc::new(Semaphore::new(limits.workers.max(1))),
        };
        let tls = tls.map(|identity| tls::acceptor(&identity)).transpose()?;
        let stop = Arc::new(watch::Sender::new(false));
        Ok(HttpServer { shared: Arc::new(shared), tls, listeners: Vec::new(), stop })
    }

    /// Listens at an address; port 0 is one that is free. Answers the address that it got. Connections wait until
    /// [`HttpServer::run`].
    ///
    /// # Errors
    /// [`Error::Listen`], and [`Error::Exposed`] for an address that other machines reach where that is not meant.
    pub fn listen(&mut self, address: SocketAddr) -> Result<SocketAddr> {
        if matches!(self.shared.admission, Admission::Local) && !address.ip().is_loopback() {
            return Err(Error::Exposed(address));
        }
        let failed = |source| Error::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        self.listeners.push(listener);
        Ok(address)
    }

    /// What stops it, from another thread.
    pub fn stopper(&self) -> Stopper {
        Stopper(Arc::clone(&self.stop))
    }

    /// Serves all who connect until it is stopped.
    ///
    /// # Errors
    /// [`Error::System`].
    pub fn run(self) -> Result<()> {
        let runtime = self.runtime()?;
        let served = runtime.block_on(connection::accept(self.shared, self.tls, self.listeners, self.stop.subscribe()));
        // What still works for a client that is gone ends when it tries to tell it something.
        runtime.shutdown_timeout(LAST);
        served.map_err(Error::System)
    }

    /// Serves one connection, which `input` and `output` are the ends of.
    ///
    /// # Errors
    /// [`Error::System`]; how the connection ends is no error.
    pub fn converse(self, input: impl Read + Send + 'static, output: impl Write + Send + 'static) -> Result<()> {
        let runtime = self.runtime()?;
        let served = connection::converse(&runtime, self.shared, self.stop.subscribe(), input, output);
        runtime.shutdown_background();
        served.map_err(Error::System)
    }

    fn runtime(&self) -> Result<Runtime> {
        let mut builder = Builder::new_current_thread();
        let threads = self.shared.limits.requests.max(1);
        builder.enable_io().enable_time().thread_name("isodb-serve").max_blocking_threads(threads);
        builder.build().map_err(Error::System)
    }
}
