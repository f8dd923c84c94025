//! Scripts in WebAssembly, the dialect `wasm/1`: wasmi's deterministic profile, with fuel and without imports.
//!
//! A script gets documents as they are stored, and answers with bytes (`docs/format/scripts.md`). Each job has an
//! instance of its own, so nothing is left over from one document to the next.

mod instance;
mod reason;
mod setup;
mod shape;

use wasmi::{ExternType, FuncType, Module, ValType};

use super::engine::Engine;
use super::{Job, Verdict};
use crate::json;
use crate::script::limits::wasm as limits;
use instance::{Answer, Instance};

/// Compiles a module.
///
/// # Errors
/// Why it is no script, for people: the reason for each conflict that it would have decided.
pub(super) fn compile(source: &[u8]) -> Result<Box<dyn Engine>, String> {
    shape::check(source)?;
    let engine = wasmi::Engine::new(&setup::config());
    let module = Module::new(&engine, source).map_err(|error| format!("the module is not valid: {error}"))?;
    let function = |name: &str, params: usize, results: &[ValType]| match module.get_export(name) {
        None => Ok(false),
        Some(ExternType::Func(is)) if is == FuncType::new(vec![ValType::I32; params], results.to_vec()) => Ok(true),
        Some(_) => Err(format!("the export {name:?} is not what it should be")),
    };
    let result = [ValType::I64];
    let takes_sides = match (function(MERGE, 8, &result)?, function(MERGE_WITH, 10, &result)?) {
        (true, false) => false,
        (false, true) => true,
        (true, true) => return Err(format!("the module exports both {MERGE:?} and {MERGE_WITH:?}")),
        (false, false) => return Err(format!("the module exports no function {MERGE:?}")),
    };
    if !function(ALLOC, 1, &[ValType::I32])? {
        return Err(format!("the module exports no function {ALLOC:?}"));
    }
    let gives_reason = function(REASON, 0, &result)?;
    match module.get_export(MEMORY) {
        Some(ExternType::Memory(memory)) if memory.minimum().saturating_mul(PAGE) <= limits::MEMORY as u64 => {}
        Some(ExternType::Memory(_)) => {
            return Err(format!("the module starts with more than {} bytes of memory", limits::MEMORY));
        }
        Some(_) | None => return Err(format!("the module exports no memory {MEMORY:?}")),
    }
    Ok(Box::new(Script { module, takes_sides, gives_reason }))
}

/// What a module exports.
const MEMORY: &str = "memory";
const ALLOC: &str = "alloc";
const MERGE: &str = "merge";
const MERGE_WITH: &str = "merge_with";
const REASON: &str = "reason";

/// The unit in which memory is counted, in bytes.
const PAGE: u64 = 64 << 10;

/// A module that was compiled.
struct Script {
    module: Module,
    takes_sides: bool,
    gives_reason: bool,
}

impl Engine for Script {
    fn takes_sides(&self) -> bool {
        self.takes_sides
    }

    fn run(&mut self, job: &Job, _: &mut dyn FnMut(&str)) -> Verdict {
        self.merge(job).unwrap_or_else(Verdict::Conflict)
    }
}

impl Script {
    /// One job; the error is the reason for its conflict.
    fn merge(&self, job: &Job) -> Result<Verdict, String> {
        let versions = [&job.base, &job.left, &job.right].map(Option::as_deref);
        if versions.iter().flatten().any(|version| version.len() > limits::CONTENT) {
            return Err(format!("a version has more than {} bytes", limits::CONTENT));
        }
        let mut instance = Instance::new(&self.module)?;
        let mut inputs = vec![Some(job.key.as_bytes())];
        inputs.extend(versions);
        let sides = job.sides.as_ref().map(sides_text);
        let name = if self.takes_sides {
            inputs.push(sides.as_deref().map(str::as_bytes));
            MERGE_WITH
        } else {
            MERGE
        };
        match instance.merge(name, &inputs)? {
            Answer::Deleted => Ok(Verdict::Deleted),
            Answer::Document(document) => {
                if json::parse(&document).is_err() && job.makes_json() {
                    return Err("the versions are JSON, and the script's result is not".into());
                }
                Ok(Verdict::Merged(document))
            }
            Answer::Conflict if self.gives_reason => Err(instance.reason()?),
            Answer::Conflict => Err("the script left the conflict, and gave no reason".into()),
        }
    }
}

/// Who made the two versions, as the JSON text that `merge_with` gets.
fn sides_text(sides: &[super::Side; 2]) -> String {
    let object = |side: &super::Side| {
        json::Value::Object(vec![
            ("author".into(), json::Value::String(side.author.clone())),
            ("time".into(), json::Value::Number(side.time.into())),
            ("commit".into(), json::Value::String(side.commit.clone())),
        ])
    };
    let [left, right] = sides;
    json::write(&json::Value::Object(vec![("left".into(), object(left)), ("right".into(), object(right))]))
}

#[cfg(test)]
mod tests;
