//! Counting what a run takes. The engine's own count is not used: it forgets what callbacks of native functions did.

use std::cell::{Cell, RefCell};
use std::ops::{Range, RangeInclusive};

use ::rhai::{Dynamic, EvalAltResult, Position};

use super::values;
use crate::script::limits;

/// What the natives answer.
pub(super) type Outcome<T> = Result<T, Box<EvalAltResult>>;

/// The count of one run, which the engine and all native functions share.
#[derive(Default)]
pub(super) struct Meter {
    steps: Cell<u64>,
    /// Why the run ends, when what met the limit could not answer an error itself.
    stopped: RefCell<Option<String>>,
    printed: RefCell<Vec<String>>,
    printed_len: Cell<usize>,
}

impl Meter {
    /// Forgets the last run.
    pub(super) fn reset(&self) {
        self.steps.set(0);
        self.stopped.take();
        self.printed.take();
        self.printed_len.set(0);
    }

    /// One step of the engine. Answers what ends the run.
    pub(super) fn step(&self) -> Option<Dynamic> {
        let reason = match &*self.stopped.borrow() {
            Some(reason) => reason.clone(),
            None => self.add(1).err()?,
        };
        Some(Dynamic::from(Stop { reason, position: Position::NONE }))
    }

    fn add(&self, steps: u64) -> Result<(), String> {
        let steps = self.steps.get().saturating_add(steps);
        self.steps.set(steps);
        if steps <= limits::rhai::STEPS {
            return Ok(());
        }
        Err(format!("the script takes more than {} steps", limits::rhai::STEPS))
    }

    /// Work on so many bytes of text.
    pub(super) fn bytes(&self, count: usize) -> Outcome<()> {
        self.add((count / limits::rhai::BYTES_A_STEP) as u64).map_err(stop)
    }

    /// Work on so many values.
    pub(super) fn values(&self, count: usize) -> Outcome<()> {
        self.add((count / limits::rhai::VALUES_A_STEP) as u64).map_err(stop)
    }

    /// A copy of a value.
    pub(super) fn copy(&self, value: &Dynamic) -> Outcome<Dynamic> {
        // Characters come out of strings by an index, and go into them; parts do so by a range.
        if value.is_char() || value.is::<Range<i64>>() || value.is::<RangeInclusive<i64>>() {
            self.reach()?;
        }
        self.values(values::size(value))?;
        Ok(value.clone())
    }

    /// Reaching into a string.
    pub(super) fn reach(&self) -> Outcome<()> {
        self.add(limits::rhai::REACH).map_err(stop)
    }

    /// Ends the run at its next step.
    pub(super) fn stop_soon(&self, reason: String) {
        self.stopped.borrow_mut().get_or_insert(reason);
    }

    /// Why the run has to end, if it does.
    pub(super) fn stopped(&self) -> Option<String> {
        self.stopped.borrow().clone()
    }

    /// Keeps a line for whoever wants to see it.
    pub(super) fn print(&self, line: &str) {
        let len = self.printed_len.get() + line.len() + 1;
        if len <= limits::PRINTED {
            self.printed_len.set(len);
            self.printed.borrow_mut().push(line.to_owned());
        }
    }

    /// The lines of the run.
    pub(super) fn printed(&self) -> Vec<String> {
        self.printed.take()
    }
}

/// Why a run was ended, and where: the engine forgets the place of such an error on its way up.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) reason: String,
    pub(super) position: Position,
}

impl Stop {
    /// As an error that a script cannot catch.
    pub(super) fn error(self) -> Box<EvalAltResult> {
        EvalAltResult::ErrorTerminated(Dynamic::from(self), Position::NONE).into()
    }
}

/// An error that a script cannot catch, with its reason.
pub(super) fn stop(reason: impl Into<String>) -> Box<EvalAltResult> {
    Stop { reason: reason.into(), position: Position::NONE }.error()
}

/// An error that a script can catch, like that of a `throw`.
pub(super) fn fail<T>(reason: impl Into<String>) -> Outcome<T> {
    Err(EvalAltResult::ErrorRuntime(reason.into().into(), Position::NONE).into())
}

/// The error for a string that is too long.
pub(super) fn too_long() -> Box<EvalAltResult> {
    stop(format!("a string has more than {} bytes", limits::rhai::STRING))
}

/// A native's answer.
pub(super) fn done<T>(answer: T) -> Outcome<T> {
    Ok(answer)
}
