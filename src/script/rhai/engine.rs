//! The engine: its limits, what is taken away from the language, and what is counted at every step.

use std::ops::{Range, RangeInclusive};
use std::rc::Rc;

use ::rhai::{Engine, OptimizationLevel};

use super::convert::Bytes;
use super::meter::Meter;
use super::{arrays, maps, number, strings, values};
use crate::script::limits::rhai as limits;

/// What is taken away: powers of floats (the machine's library computes them), whatever makes code out of text or asks
/// about the program, and `switch`, which compares by hashes.
const DISABLED: [&str; 17] = [
    "**",
    "**=",
    "eval",
    "Fn",
    "call",
    "curry",
    "is_def_fn",
    "is_def_var",
    "is_shared",
    "this",
    "switch",
    "import",
    "export",
    "global",
    "sync",
    "thread",
    "go",
];

/// An engine whose runs `meter` counts.
pub(super) fn build(meter: &Rc<Meter>) -> Engine {
    let mut engine = Engine::new_raw();
    DISABLED.into_iter().for_each(|symbol| _ = engine.disable_symbol(symbol));
    engine
        // What an optimiser works out beforehand is not counted.
        .set_optimization_level(OptimizationLevel::None)
        // Ours come before those of the language only without this.
        .set_fast_operators(false)
        .set_strict_variables(true)
        .set_max_call_levels(limits::CALLS)
        .set_max_expr_depths(limits::EXPRESSION, limits::EXPRESSION)
        // With limits of its own for sizes, the engine would look through a whole value after every step.
        .set_max_string_size(0)
        .set_max_array_size(0)
        .set_max_map_size(0)
        .set_max_variables(limits::VARIABLES)
        .set_max_functions(limits::FUNCTIONS);
    let its = Rc::clone(meter);
    engine.on_progress(move |_| its.step());
    // Ranges reach into strings too.
    let its = Rc::clone(meter);
    engine.register_fn("..", move |start: i64, end: i64| its.reach().map(|()| start..end));
    let its = Rc::clone(meter);
    engine.register_fn("..=", move |start: i64, end: i64| its.reach().map(|()| start..=end));
    engine.register_iterator::<Range<i64>>().register_iterator::<RangeInclusive<i64>>();
    engine.register_type_with_name::<Bytes>("bytes");
    engine.register_type_with_name::<Range<i64>>("range").register_type_with_name::<RangeInclusive<i64>>("range");
    engine.register_fn("len", |bytes: &mut Bytes| bytes.0.len() as i64);
    values::register(&mut engine, meter);
    number::register(&mut engine, meter);
    strings::register(&mut engine, meter);
    arrays::register(&mut engine, meter);
    maps::register(&mut engine, meter);
    engine
}
