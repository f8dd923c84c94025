//! What an engine is to the rest of the room: one script, ready to run, and the list of those that are loaded.

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

/// The scripts that were loaded, by their numbers.
#[derive(Default)]
pub(super) struct Engines(Vec<(Script, Box<dyn Engine>)>);

impl Engines {
    /// Takes in a script; one that is there already keeps its number, for many merges in a row load the same ones. One
    /// that does not compile becomes an engine whose every verdict is the reason.
    pub(super) fn load(&mut self, script: &Script) -> Loaded {
        if let Some(number) = self.0.iter().position(|(known, _)| known == script) {
            return Loaded { script: number, takes_sides: self.0[number].1.takes_sides() };
        }
        let compiled = match script.dialect {
            _ if script.source.len() > CONTENT => Err(format!("the script has more than {CONTENT} bytes")),
            Dialect::Rhai1 => rhai::compile(&script.source),
            Dialect::Wasm1 => wasm::compile(&script.source),
        };
        let engine = compiled.unwrap_or_else(|reason| Box::new(Broken(reason)));
        let loaded = Loaded { script: self.0.len(), takes_sides: engine.takes_sides() };
        self.0.push((script.clone(), engine));
        loaded
    }

    /// Runs one job; nothing is answered when its script was never loaded.
    pub(super) fn run(&mut self, job: &Job, print: &mut dyn FnMut(&str)) -> Option<Verdict> {
        let (_, engine) = self.0.get_mut(job.script)?;
        if [&job.base, &job.left, &job.right].into_iter().flatten().any(|content| content.len() > CONTENT) {
            return Some(Verdict::Conflict(format!("a version has more than {CONTENT} bytes, too many for a script")));
        }
        Some(match engine.run(job, print) {
            Verdict::Merged(content) if content.len() > CONTENT => {
                Verdict::Conflict(format!("the result has more than {CONTENT} bytes"))
            }
            verdict => verdict,
        })
    }
}

/// A script that does not compile.
struct Broken(String);

impl Engine for Broken {
    fn takes_sides(&self) -> bool {
        false
    }

    fn run(&mut self, _: &Job, _: &mut dyn FnMut(&str)) -> Verdict {
        Verdict::Conflict(self.0.clone())
    }
}
