//! The command that `watch` runs: one at a time, with records on its stdin.
//!
//! A SIGTERM that comes while it runs is passed on to it, and ends this program when the command has ended: nobody who
//! starts the program again meets a command that is still at work.

use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};

use anyhow::Result;
use isodb::Database;

use crate::context::Context;
use crate::error::{Failure, is_closed_pipe};

/// A command to be run for each batch.
pub(crate) struct Receiver<'a> {
    command: &'a [OsString],
    directory: PathBuf,
    database: PathBuf,
    running: Running,
}

/// How a command has ended.
pub(crate) struct Ended {
    name: String,
    status: ExitStatus,
}

impl Ended {
    /// What is said of a command that failed.
    pub(crate) fn failure(&self) -> Option<String> {
        if self.status.success() {
            return None;
        }
        #[cfg(unix)]
        if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&self.status) {
            return Some(format!("{} was ended by signal {signal}", self.name));
        }
        let status = self.status.code().map_or("no status".into(), |code| format!("status {code}"));
        Some(format!("{} ended with {status}", self.name))
    }
}

impl<'a> Receiver<'a> {
    /// A receiver that is this command.
    pub(crate) fn new(context: &Context, db: &Database, command: &'a [OsString]) -> Result<Receiver<'a>> {
        let failed = |error: io::Error| Failure::system(format!("cannot watch: {error}"));
        Ok(Receiver {
            command,
            directory: context.path(Path::new(".")),
            database: std::path::absolute(db.root()).map_err(failed)?,
            running: Running::new().map_err(failed)?,
        })
    }

    /// Runs the command to its end; `write` writes its stdin, of which it need not read all.
    pub(crate) fn run(&self, write: impl FnOnce(&mut BufWriter<ChildStdin>) -> Result<()>) -> Result<Ended> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(Failure::usage("there is no command to run").into());
        };
        let name = program.to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.directory).env("ISODB_DIR", &self.database).stdin(Stdio::piped());
        let mut child = self.running.start(&mut command).map_err(|error| {
            let text = format!("cannot run {name}: {error}");
            if error.kind() == io::ErrorKind::NotFound { Failure::usage(text) } else { Failure::system(text) }
        })?;
        let written = match child.stdin.take() {
            Some(stdin) => {
                let mut out = BufWriter::with_capacity(1 << 16, stdin);
                write(&mut out).and_then(|()| Ok(out.flush().map_err(crate::error::OutputError)?))
            }
            None => Ok(()),
        };
        let ended = self.running.wait(child);
        // It is the command's own business how much it reads.
        if let Err(error) = written
            && !is_closed_pipe(&error)
        {
            return Err(error);
        }
        let status = ended.map_err(|error| Failure::system(format!("cannot wait for {name}: {error}")))?;
        Ok(Ended { name, status })
    }

    /// Ends the program if it was told to while the command ran.
    pub(crate) fn end_if_told(&self) {
        self.running.end_if_told();
    }
}

#[cfg(unix)]
mod told {
    //! The command that runs now, for the thread that is told of signals.

    use std::io;
    use std::process::{Child, Command, ExitStatus};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use rustix::io::Errno;
    use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
    use signal_hook::consts::SIGTERM;
    use signal_hook::iterator::Signals;

    #[derive(Clone, Default)]
    pub(super) struct Running(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        command: Option<Pid>,
        is_told: bool,
    }

    impl Running {
        pub(super) fn new() -> io::Result<Running> {
            let running = Running::default();
            let (mut signals, of_thread) = (Signals::new([SIGTERM])?, running.clone());
            std::thread::Builder::new().name("isodb-signals".into()).spawn(move || {
                for _ in signals.forever() {
                    of_thread.tell();
                }
            })?;
            Ok(running)
        }

        fn state(&self) -> MutexGuard<'_, State> {
            // Nothing is left half done by a thread that panics.
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }

        /// SIGTERM has come.
        fn tell(&self) {
            let mut state = self.state();
            match state.command {
                Some(command) if !state.is_told => {
                    state.is_told = true;
                    // One that has ended meanwhile needs no signal.
                    let _ = kill_process(command, Signal::TERM);
                }
                // Who says it twice does not want to wait.
                _ => end(),
            }
        }

        pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
            let mut state = self.state();
            let child = command.spawn()?;
            state.command = Some(Pid::from_child(&child));
            Ok(child)
        }

        pub(super) fn wait(&self, mut child: Child) -> io::Result<ExitStatus> {
            // Its number is nobody else's until it is waited for the second time.
            let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while waitid(WaitId::Pid(Pid::from_child(&child)), seen).is_err_and(|e| e == Errno::INTR) {}
            self.state().command = None;
            child.wait()
        }

        pub(super) fn end_if_told(&self) {
            if self.state().is_told {
                end();
            }
        }
    }

    /// Ends the program as the signal would have.
    fn end() {
        let _ = signal_hook::low_level::emulate_default_handler(SIGTERM);
    }
}

#[cfg(not(unix))]
mod told {
    //! Nobody tells of signals here.

    use std::io;
    use std::process::{Child, Command, ExitStatus};

    pub(super) struct Running;

    impl Running {
        pub(super) fn new() -> io::Result<Running> {
            Ok(Running)
        }

        pub(super) fn start(&self, command: &mut Command) -> io::Result<Child> {
            command.spawn()
        }

        pub(super) fn wait(&self, mut child: Child) -> io::Result<ExitStatus> {
            child.wait()
        }

        pub(super) fn end_if_told(&self) {}
    }
}

use told::Running;
