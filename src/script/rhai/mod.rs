//! The dialect `rhai/1`: Rhai 1.27.0 with a library of our own, and without what is not the same everywhere.
//!
//! None of the engine's packages is registered: what is not in this directory, a script does not have. What the language
//! itself brings along is taken away in `engine.rs` where it must be.

mod arrays;
mod convert;
mod copies;
mod engine;
mod maps;
mod meter;
mod number;
mod strings;
mod values;

use std::rc::Rc;

use ::rhai::{AST, CallFnOptions, Dynamic, EvalAltResult, Map, Scope};

use super::engine::Engine;
use super::limits;
use super::{Job, Side, Verdict};
use convert::Bytes;
use copies::Marked;
use meter::{Meter, Stop};

/// A script that compiled.
struct Rhai {
    engine: ::rhai::Engine,
    script: AST,
    meter: Rc<Meter>,
    takes_sides: bool,
    marked: Marked,
}

/// Makes a script ready to run; the error is the reason of every conflict that it leaves.
pub(super) fn compile(source: &[u8]) -> Result<Box<dyn Engine>, String> {
    if source.len() > limits::rhai::SOURCE {
        return Err(format!("the script has more than {} bytes", limits::rhai::SOURCE));
    }
    let source = std::str::from_utf8(source).map_err(|_| "the script is not valid UTF-8".to_owned())?;
    let meter = Rc::new(Meter::default());
    let mut engine = engine::build(&meter);
    let written = engine.compile(source).map_err(|error| format!("the script does not compile: {error}"))?;
    let takes_sides = takes_sides(&written)?;
    let marked = copies::mark(source, &written)?;
    // A mark makes an expression deeper, at most as often as it is deep.
    engine.set_max_expr_depths(2 * limits::rhai::EXPRESSION + 1, 2 * limits::rhai::EXPRESSION + 1);
    let script = engine.compile(&marked.source).map_err(|error| format!("the script cannot be run: {error}"))?;
    Ok(Box::new(Rhai { engine, script, marked, meter, takes_sides }))
}

/// Whether the script's `merge` takes the sides; the error says what is wrong with the script.
fn takes_sides(script: &AST) -> Result<bool, String> {
    if !script.statements().is_empty() {
        return Err("the script has statements outside of its functions, which would never run".to_owned());
    }
    let merges = script.iter_functions().filter(|function| function.name == "merge");
    match merges.map(|function| function.params.len()).collect::<Vec<_>>().as_slice() {
        [4] => Ok(false),
        [5] => Ok(true),
        _ => Err("the script needs one function merge(key, base, left, right), or with a fifth parameter".to_owned()),
    }
}

impl Engine for Rhai {
    fn takes_sides(&self) -> bool {
        self.takes_sides
    }

    fn run(&mut self, job: &Job, print: &mut dyn FnMut(&str)) -> Verdict {
        self.meter.reset();
        let verdict = self.verdict(job).unwrap_or_else(Verdict::Conflict);
        self.meter.printed().iter().for_each(|line| print(line));
        verdict
    }
}

impl Rhai {
    fn verdict(&self, job: &Job) -> Result<Verdict, String> {
        let document = |content: &Option<Vec<u8>>| {
            convert::to_script(content.as_deref()).map_err(|what| format!("a version has {what}"))
        };
        let mut arguments =
            vec![job.key.as_str().into(), document(&job.base)?, document(&job.left)?, document(&job.right)?];
        if self.takes_sides {
            arguments.push(job.sides.as_ref().map_or(Dynamic::UNIT, sides));
        }
        // There are no statements outside of functions.
        let options = CallFnOptions::new().eval_ast(false).rewind_scope(true);
        let called =
            self.engine.call_fn_with_options::<Dynamic>(options, &mut Scope::new(), &self.script, "merge", arguments);
        let result = called.map_err(|error| self.reason(*error))?.flatten();
        match self.meter.stopped() {
            Some(reason) => Err(reason),
            None => verdict(&result, job),
        }
    }

    /// Why a run failed, for people: the innermost error and where it happened.
    fn reason(&self, mut error: EvalAltResult) -> String {
        let mut position = error.take_position();
        while let EvalAltResult::ErrorInFunctionCall(_, _, inner, _) = error {
            error = *inner;
            let inner = error.take_position();
            position = if inner.is_none() { position } else { inner };
        }
        let text = match &error {
            EvalAltResult::ErrorRuntime(value, _) => reason_of(value),
            EvalAltResult::ErrorTerminated(value, _) => match value.read_lock::<Stop>() {
                Some(stop) => {
                    position = stop.position;
                    stop.reason.clone()
                }
                None => reason_of(value),
            },
            EvalAltResult::ErrorStackOverflow(_) => "the calls of functions are nested too deeply".to_owned(),
            EvalAltResult::ErrorDataRace(..) => "a function uses the value that it is called on".to_owned(),
            // The engine has three names for one type.
            other => cut(&other.to_string().replace("&str | ImmutableString | String", "string")),
        };
        match self.marked.original(position) {
            Some((line, column)) => format!("{text} (line {line}, position {column})"),
            None => text,
        }
    }
}

/// The parameter for scripts that ask who made the versions.
fn sides([left, right]: &[Side; 2]) -> Dynamic {
    let side = |side: &Side| -> Dynamic {
        let members = [
            ("author", side.author.as_str().into()),
            ("time", side.time.into()),
            ("commit", side.commit.as_str().into()),
        ];
        members.into_iter().map(|(name, value)| (name.into(), value)).collect::<Map>().into()
    };
    [("left".into(), side(left)), ("right".into(), side(right))].into_iter().collect::<Map>().into()
}

/// What a returned value means.
fn verdict(result: &Dynamic, job: &Job) -> Result<Verdict, String> {
    if result.is_unit() {
        return Ok(Verdict::Deleted);
    }
    let makes_json = job.makes_json();
    if let Some(bytes) = result.read_lock::<Bytes>() {
        if makes_json && crate::json::parse(&bytes.0).is_err() {
            return Err("the result is no JSON, and the versions are".to_owned());
        }
        return Ok(Verdict::Merged(bytes.0.to_vec()));
    }
    if let Some(text) = result.read_lock::<::rhai::ImmutableString>().filter(|_| !makes_json) {
        return Ok(Verdict::Merged(text.as_bytes().to_vec()));
    }
    let value = convert::to_json(result, limits::CONTENT);
    let value = value.map_err(|what| format!("the result has {what} in it"))?;
    let mut content = crate::json::write(&value);
    if job.versions().all(|version| version.ends_with(b"\n")) {
        content.push('\n');
    }
    Ok(Verdict::Merged(content.into_bytes()))
}

/// The text of what a script throws.
fn reason_of(value: &Dynamic) -> String {
    match values::text(value) {
        Ok(text) if text.is_empty() => "the script says so".to_owned(),
        Ok(text) => cut(&text),
        Err(_) => format!("the script throws {}", values::kind(value)),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(limits::REASON) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
