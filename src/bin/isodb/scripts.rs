//! The process that runs merge scripts: this program once more, with limits that the system holds it to.
//!
//! A script that keeps within its own limits never meets these. They are for the machine that has no memory left, and for
//! an engine that fails: then the process ends, and there is no answer that could be taken for a merge.

use std::io::{self, Read};
use std::num::NonZero;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use isodb::{Job, Loaded, Print, RemoteRunner, Runner, Script, ScriptFailure, Verdict};

/// The argument that makes this program the one that runs scripts.
pub(crate) const WORKER: &str = "script-worker";

/// How long an answer may take. A script within its limits takes far less than a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// So many threads of the process run scripts, where the machine runs as many at once. What they answer is the same.
const THREADS: usize = 4;

/// The address space of the process, in bytes, for the program and for each thread: a half of that is its stack, and no
/// script within its limits comes near the rest.
#[cfg(unix)]
const SPACE: u64 = 512 << 20;

/// Runs scripts in a process that is started when there is a first one, and ends with this value.
pub(crate) struct Worker {
    command: Command,
    patience: Duration,
    /// Where what scripts print goes, until the process is started.
    print: Option<Print>,
    running: Option<Running>,
}

struct Running {
    remote: RemoteRunner<ChildStdin, Watched>,
    watch: Arc<Watch>,
    guard: Option<JoinHandle<()>>,
}

impl Worker {
    /// A worker that is not started yet.
    pub(crate) fn new() -> io::Result<Worker> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORKER);
        Ok(Worker::of(command, PATIENCE))
    }

    /// A worker that is this command, and how long an answer of its may take.
    fn of(mut command: Command, patience: Duration) -> Worker {
        // Nothing of the environment is for scripts.
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Worker { command, patience, print: None, running: None }
    }

    /// The same, with a place for what scripts print.
    pub(crate) fn printing(self, print: Print) -> Worker {
        Worker { print: Some(print), ..self }
    }

    fn start(&mut self) -> io::Result<Running> {
        let mut child = self.command.spawn()?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("it has no pipes"));
        };
        let watch = Arc::new(Watch::new(child));
        let mut remote = RemoteRunner::new(requests, Watched { answers, watch: Arc::clone(&watch) });
        if let Some(print) = self.print.take() {
            remote = remote.printing(print);
        }
        let mut running = Running { remote, watch, guard: None };
        let (watch, patience) = (Arc::clone(&running.watch), self.patience);
        running.guard = Some(std::thread::Builder::new().spawn(move || watch.guard(patience))?);
        Ok(running)
    }

    fn ask<T>(
        &mut self,
        question: impl FnOnce(&mut RemoteRunner<ChildStdin, Watched>) -> Result<T, ScriptFailure>,
    ) -> Result<T, ScriptFailure> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start().map_err(|error| ScriptFailure(format!("cannot be started: {error}")))?,
        };
        // After a failure the process is of no use any more.
        let answer = question(&mut running.remote).map_err(|failure| running.watch.explain(failure))?;
        self.running = Some(running);
        Ok(answer)
    }
}

impl Runner for Worker {
    fn load(&mut self, script: &Script) -> Result<Loaded, ScriptFailure> {
        self.ask(|remote| remote.load(script))
    }

    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, ScriptFailure> {
        self.ask(|remote| remote.run(jobs))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.watch.end();
        if let Some(guard) = self.guard.take() {
            // It has nothing to tell.
            let _ = guard.join();
        }
    }
}

/// The process, and since when an answer of it is waited for.
struct Watch {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    child: Child,
    waiting: Option<Instant>,
    is_late: bool,
    is_over: bool,
}

impl Watch {
    fn new(child: Child) -> Watch {
        let state = State { child, waiting: None, is_late: false, is_over: false };
        Watch { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing is left half done by a thread that panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The guard's thread: kills the process when an answer takes too long.
    fn guard(&self, patience: Duration) {
        let mut state = self.state();
        while !state.is_over {
            if state.waiting.is_some_and(|since| since.elapsed() > patience) {
                state.is_late = true;
                let _ = state.child.kill();
                return;
            }
            let waited = self.changed.wait_timeout(state, patience / 8);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the process and the guard.
    fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        // One that has ended already cannot be killed, and is only reaped.
        let _ = state.child.kill();
        let _ = state.child.wait();
        self.changed.notify_all();
    }

    /// What lies behind a failure, as far as the process's end tells.
    fn explain(&self, failure: ScriptFailure) -> ScriptFailure {
        // A process that breaks off is gone in a moment; what only answers nonsense stays, and is not waited for.
        let ended = (0..50).find_map(|_| {
            let ended = self.state().child.try_wait().ok().flatten();
            if ended.is_none() {
                std::thread::sleep(Duration::from_millis(10));
            }
            ended
        });
        match ended {
            _ if self.state().is_late => ScriptFailure("gives no answer, and was ended".to_owned()),
            Some(status) => ScriptFailure(told(status)),
            None => failure,
        }
    }
}

fn told(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("was ended by signal {signal}, perhaps for want of memory");
    }
    match status.code() {
        Some(code) => format!("ended with status {code}"),
        None => "has ended".to_owned(),
    }
}

/// The answers, each read of which is timed.
struct Watched {
    answers: ChildStdout,
    watch: Arc<Watch>,
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.watch.state().waiting = Some(Instant::now());
        let read = self.answers.read(buffer);
        self.watch.state().waiting = None;
        read
    }
}

/// The process itself: runs scripts until its input ends.
pub(crate) fn work() -> io::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS);
    #[cfg(unix)]
    limit(threads)?;
    isodb::serve_scripts(NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN), io::stdin(), io::stdout())
}

/// What the process may take at all, before it has read anything.
#[cfg(unix)]
fn limit(threads: usize) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    for (resource, most) in [
        (Resource::As, SPACE * (1 + threads as u64)),
        // No merge takes an hour of scripts alone; a process that nobody watches any more ends at last.
        (Resource::Cpu, 3600),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, 16),
    ] {
        // Where less is allowed already, that stays.
        let most = getrlimit(resource).maximum.map_or(most, |allowed| allowed.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
