//! What an engine is to the rest of the room: one script, ready to run; and the scripts that were loaded, by their numbers.

use std::sync::Arc;

use super::limits::CONTENT;
use super::{Dialect, Job, Loaded, Script, Verdict, rhai, wasm};

/// One script in its dialect's engine. What it answers depends on its source and the job alone.
pub(super) trait Engine {
    /// Whether the script takes [`Job::sides`].
    fn takes_sides(&self) -> bool;

    /// Runs one job. Nothing of it is left for the next. What the script prints goes line by line to `print`, which does
    /// not change the verdict.
    fn run(&mut self, job: &Job, print: &mut dyn FnMut(&str)) -> Verdict;
}

/// Makes a script ready to run; the error is the reason of every conflict that it leaves.
fn compile(script: &Script) -> Result<Box<dyn Engine>, String> {
    match script.dialect {
        _ if script.source.len() > CONTENT => Err(format!("the script has more than {CONTENT} bytes")),
        Dialect::Rhai1 => rhai::compile(&script.source),
        Dialect::Wasm1 => wasm::compile(&script.source),
    }
}

/// The scripts that were loaded. A script's number is its place.
#[derive(Default)]
pub(super) struct Scripts(Vec<Arc<Script>>);

impl Scripts {
    /// Takes in a script, and answers its number; one that is there already keeps its own, for many merges in a row load
    /// the same ones.
    pub(super) fn add(&mut self, script: Script) -> (usize, Arc<Script>) {
        if let Some(number) = self.0.iter().position(|known| **known == script) {
            return (number, Arc::clone(&self.0[number]));
        }
        let script = Arc::new(script);
        self.0.push(Arc::clone(&script));
        (self.0.len() - 1, script)
    }

    pub(super) fn get(&self, number: usize) -> Option<&Arc<Script>> {
        self.0.get(number)
    }
}

/// The engines of one thread, by the numbers of their scripts: each is made when the thread first needs it.
#[derive(Default)]
pub(super) struct Engines(Vec<Option<Result<Box<dyn Engine>, String>>>);

impl Engines {
    /// What is to be known of the script of this number.
    pub(super) fn load(&mut self, number: usize, script: &Script) -> Loaded {
        let engine = self.of(number, script);
        let takes_sides = engine.as_ref().is_ok_and(|engine| engine.takes_sides());
        Loaded { script: number, takes_sides, broken: engine.as_ref().err().cloned() }
    }

    /// Runs a job of this script.
    pub(super) fn run(&mut self, script: &Script, job: &Job, print: &mut dyn FnMut(&str)) -> Verdict {
        let engine = match self.of(job.script, script) {
            Ok(engine) => engine,
            Err(reason) => return Verdict::Conflict(reason.clone()),
        };
        if [&job.base, &job.left, &job.right].into_iter().flatten().any(|content| content.len() > CONTENT) {
            return Verdict::Conflict(format!("a version has more than {CONTENT} bytes, too many for a script"));
        }
        match engine.run(job, print) {
            Verdict::Merged(content) if content.len() > CONTENT => {
                Verdict::Conflict(format!("the result has more than {CONTENT} bytes"))
            }
            verdict => verdict,
        }
    }

    fn of(&mut self, number: usize, script: &Script) -> &mut Result<Box<dyn Engine>, String> {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        self.0[number].get_or_insert_with(|| compile(script))
    }
}
