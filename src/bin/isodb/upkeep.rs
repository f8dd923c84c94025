//! Upkeep in the background: `isodb gc --auto` as a process of its own, one at a time, which nobody waits for.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::context::raw_variable;

/// The upkeep that was started last.
#[derive(Default)]
pub(crate) struct Upkeep(Mutex<Option<Child>>);

impl Upkeep {
    /// Starts it for a database when `is_due` says so, unless it is switched off or still at work. What keeps it from starting
    /// is no error of who wrote something.
    pub(crate) fn start(&self, root: &Path, is_due: impl FnOnce() -> bool) {
        if raw_variable("ISODB_GC_AUTO").is_some_and(|value| value == "0") {
            return;
        }
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_running = running.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if is_running || !is_due() {
            return;
        }
        let Ok(program) = std::env::current_exe() else { return };
        let mut command = Command::new(program);
        command.arg("--db").arg(root).args(["gc", "--auto", "--quiet"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // Ctrl-C is meant for the command in front.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        *running = command.spawn().ok();
    }
}
