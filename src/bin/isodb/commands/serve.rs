//! `isodb serve`: databases over HTTP.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use isodb::{
    Admission, Answered, Database, HttpLimits, HttpServer, Ident, Person, Runner, ServeOptions, Site, Stopper,
    Surroundings, TlsIdentity,
};

use super::serve_limits;
use crate::args::number;
use crate::context::{Context, clock};
use crate::error::{Failure, say};
use crate::feed::seconds;
use crate::output::Output;
use crate::scripts::Worker;
use crate::upkeep::Upkeep;

/// Upkeep looks after so many pushes whether there is something to do.
const PUSHES: usize = 16;

/// Serve databases over HTTP, to isodb and to git
///
/// Each DIR is served under its name: /srv/farm.isodb is http://ADDR/farm.isodb, and a single one is http://ADDR as
/// well. The address that it listens at is the first line on stdout: port 0 is one that is free. stderr has a line for each
/// request: where from, method, path, status, bytes that came and went, seconds.
///
/// What is pushed is checked as `isodb receive-pack` does. Without --token-file only this machine is listened to. A token is a
/// line of FILE, without spaces; clients show it as the password of any user, or as `Authorization: Bearer TOKEN`;
/// isodb takes it from ISODB_TOKEN or the file that http.tokenFile names. Over plain HTTP whoever is on the way reads it.
///
/// SIGTERM or Ctrl-C ends it with status 0 when the requests that run have been answered, after 10 seconds at most.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb serve farm.isodb
  isodb serve --listen 0.0.0.0:8417 --token-file tokens --tls-cert cert.pem --tls-key key.pem /srv/*.isodb
  isodb serve --read-only --listen 127.0.0.1:0 farm.isodb")]
pub(crate) struct Args {
    /// The databases: their directories, or those that hold them as `.isodb` [default: the current one]
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dirs: Vec<PathBuf>,
    /// Where to listen, as HOST:PORT; several times for several addresses
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8417")]
    listen: Vec<String>,
    /// Refuse all pushes
    #[arg(long)]
    read_only: bool,
    /// Let in who shows one of the tokens in FILE, one a line
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Let in whoever can connect, from other machines too
    #[arg(long, conflicts_with = "token_file")]
    no_auth: bool,
    /// The server's certificate in PEM, and those behind it: serves https
    #[arg(long, value_name = "FILE", requires = "tls_key", value_hint = clap::ValueHint::FilePath)]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert", value_hint = clap::ValueHint::FilePath)]
    tls_key: Option<PathBuf>,
    /// Serve one connection on stdin and stdout
    #[arg(long, conflicts_with_all = ["listen", "tls_cert"])]
    stdio: bool,
    /// How many may be connected at once; others wait
    #[arg(long, value_name = "N", value_parser = number, default_value = "256")]
    connections: usize,
    /// Close a connection that makes no progress for so long
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "60")]
    idle: Duration,
    /// Close a connection that takes or sends fewer than N bytes a second, where it is waited for during ten minutes
    #[arg(long, value_name = "N", value_parser = number, default_value = "50")]
    min_rate: usize,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let mut sites = Vec::new();
    let mut people = HashMap::new();
    for (name, database) in databases(context, &args.dirs)? {
        people.insert(database.root().to_owned(), context.committer(&database)?);
        sites.push(Site { name, limits: serve_limits(&database)?, database: Arc::new(database) });
    }
    let admission = match &args.token_file {
        Some(path) => Admission::Tokens(context.tokens(path)?),
        None if args.no_auth || args.stdio => Admission::Everybody,
        None => Admission::Local,
    };
    let tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificates), Some(key)) => {
            Some(TlsIdentity { certificates: context.read_file(certificates)?, key: context.read_file(key)? })
        }
        _ => None,
    };
    let scheme = if tls.is_some() { "https" } else { "http" };
    let limits = HttpLimits::default();
    let least = (args.min_rate as u64).saturating_mul(limits.least_over.as_secs());
    let limits = HttpLimits { connections: args.connections.max(1), idle: args.idle, least, ..limits };
    let options = ServeOptions { sites, admission, is_read_only: args.read_only, tls, limits };
    let mut server = HttpServer::new(options, World::new(people, context.is_quiet()))?;
    stop_when_told(server.stopper()).map_err(|error| Failure::system(format!("cannot listen to signals: {error}")))?;
    if args.stdio {
        return Ok(server.converse(io::stdin(), io::stdout())?);
    }
    let mut out = Output::new(context);
    for text in &args.listen {
        for address in addresses(text)? {
            out.record(&format!("{scheme}://{}", server.listen(address)?))?;
        }
    }
    out.finish()?;
    Ok(server.run()?)
}

/// The databases to serve, and under which names.
fn databases(context: &Context, dirs: &[PathBuf]) -> Result<Vec<(String, Database)>> {
    if dirs.is_empty() {
        let database = context.database()?;
        return Ok(vec![(name_of(database.root())?, database)]);
    }
    dirs.iter().map(|dir| Ok((name_of(&context.path(dir))?, context.database_at(dir)?))).collect()
}

/// What a directory is called: by its own name, or by that of the directory that holds it as `.isodb`.
fn name_of(dir: &Path) -> Result<String> {
    let found = dir.canonicalize().map_err(|error| Failure::usage(format!("{}: {error}", dir.display())))?;
    let named = if found.file_name().is_some_and(|name| name == ".isodb") { found.parent() } else { Some(&*found) };
    let name = named.and_then(Path::file_name).and_then(|name| name.to_str());
    let name = name.ok_or_else(|| Failure::usage(format!("{} has no name that is text", dir.display())))?;
    Ok(name.to_owned())
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>> {
    let found = text.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
    found.map_err(|_| {
        let wrong = Failure::usage(format!("{text:?} is no address to listen at"));
        wrong.hint("write HOST:PORT, such as 127.0.0.1:8417 or 0.0.0.0:8417").into()
    })
}

/// What the server knows of this machine.
struct World {
    people: HashMap<PathBuf, Person>,
    is_quiet: bool,
    /// How much was pushed.
    pushes: AtomicUsize,
    upkeep: Upkeep,
}

impl World {
    fn new(people: HashMap<PathBuf, Person>, is_quiet: bool) -> World {
        World { people, is_quiet, pushes: AtomicUsize::new(0), upkeep: Upkeep::default() }
    }
}

impl Surroundings for World {
    fn who(&self, database: &Database) -> io::Result<Ident> {
        let person = self.people.get(database.root()).ok_or_else(|| io::Error::other("nobody is known here"))?;
        let now = clock().map_err(|error| io::Error::other(error.to_string()))?;
        person.clone().at(now).map_err(|error| io::Error::other(error.to_string()))
    }

    fn runner(&self) -> io::Result<Box<dyn Runner>> {
        Ok(Box::new(Worker::new()?))
    }

    fn pushed(&self, database: &Database) {
        // Each push adds a pack. Upkeep finds out itself whether there is enough to do.
        if self.pushes.fetch_add(1, Ordering::Relaxed) % PUSHES == PUSHES - 1 {
            self.upkeep.start(database.root(), || true);
        }
    }

    fn answered(&self, request: &Answered) {
        if self.is_quiet {
            return;
        }
        let Answered { method, path, status, received, sent, elapsed, .. } = request;
        let peer = request.peer.map_or_else(|| "-".to_owned(), |peer| peer.to_string());
        let problem = request.problem.as_ref().map(|problem| format!(" {problem}")).unwrap_or_default();
        say(&format!("{peer} {method} {path} {status} {received} {sent} {:.3}{problem}", elapsed.as_secs_f64()));
    }
}

/// Stops the server when the program is told to end; who says it twice does not want to wait.
#[cfg(unix)]
fn stop_when_told(stopper: Stopper) -> io::Result<()> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let mut is_told = false;
    std::thread::Builder::new().name("isodb-signals".into()).spawn(move || {
        for signal in signals.forever() {
            if std::mem::replace(&mut is_told, true) {
                // It has no effect only where there is no such signal.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            stopper.stop();
        }
    })?;
    Ok(())
}

/// Elsewhere the program is ended as it is.
#[cfg(not(unix))]
fn stop_when_told(_: Stopper) -> io::Result<()> {
    Ok(())
}
