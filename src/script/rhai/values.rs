//! What all values have in common: equality, order and text. None of it is the engine's own: that compares floats with a
//! tolerance, finds every order between different types false, and shows functions by hashes that differ by machine.

use std::cmp::Ordering;
use std::rc::Rc;

use ::rhai::{Array, Dynamic, Engine, FnPtr, ImmutableString, Map, NativeCallContext};

use super::convert::{self, Bytes};
use super::meter::{Meter, Outcome, Stop, done, fail, too_long};
use super::number::{self, Num};
use crate::json;
use crate::script::limits;

/// Whether two values are equal: numbers by value, characters as strings of one, arrays and maps by what is in them.
pub(super) fn equal(meter: &Meter, one: &Dynamic, other: &Dynamic) -> Outcome<bool> {
    let mut seen = 0;
    let is_equal = equal_uncharged(one, other, &mut seen);
    meter.values(seen)?;
    Ok(is_equal)
}

fn equal_uncharged(one: &Dynamic, other: &Dynamic, seen: &mut usize) -> bool {
    *seen += 1;
    if number::is_number(one) && number::is_number(other) {
        // Numbers that are no integers are compared as texts.
        *seen += if one.is_int() && other.is_int() { 0 } else { limits::rhai::VALUES_A_STEP };
        return number::compare(one, other).is_some_and(Ordering::is_eq);
    }
    if let (Some(one), Some(other)) = (one.read_lock::<Array>(), other.read_lock::<Array>()) {
        let mut pairs = one.iter().zip(other.iter());
        return one.len() == other.len() && pairs.all(|(one, other)| equal_uncharged(one, other, seen));
    }
    if let (Some(one), Some(other)) = (one.read_lock::<Map>(), other.read_lock::<Map>()) {
        let mut pairs = one.iter().zip(other.iter());
        return one.len() == other.len()
            && pairs.all(|((name, one), (another, other))| name == another && equal_uncharged(one, other, seen));
    }
    if let (Some(one), Some(other)) = (one.read_lock::<Bytes>(), other.read_lock::<Bytes>()) {
        *seen += one.0.len() / limits::rhai::BYTES_A_STEP;
        return one.0 == other.0;
    }
    if let (Some(one), Some(other)) = (plain_text(one), plain_text(other)) {
        *seen += one.len() / limits::rhai::BYTES_A_STEP;
        return one == other;
    }
    match (one.as_bool(), other.as_bool()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one.is_unit() && other.is_unit(),
    }
}

/// The text of a string or character.
fn plain_text(value: &Dynamic) -> Option<ImmutableString> {
    if let Ok(char) = value.as_char() {
        return Some(char.to_string().into());
    }
    value.read_lock::<ImmutableString>().map(|text| text.clone())
}

/// The order of two values: of numbers by value, of strings by their bytes, of booleans.
pub(super) fn compare(meter: &Meter, one: &Dynamic, other: &Dynamic) -> Outcome<Ordering> {
    let found = if let (Some(one), Some(other)) = (plain_text(one), plain_text(other)) {
        meter.bytes(one.len())?;
        Some(one.as_str().cmp(other.as_str()))
    } else if let (Ok(one), Ok(other)) = (one.as_bool(), other.as_bool()) {
        Some(one.cmp(&other))
    } else {
        number::compare(one, other)
    };
    found.map_or_else(|| fail(format!("there is no order between {} and {}", kind(one), kind(other))), Ok)
}

/// What a value is, for people.
pub(super) fn kind(value: &Dynamic) -> &'static str {
    match () {
        () if value.is_unit() => "nothing",
        () if value.is_bool() => "a boolean",
        () if value.is_int() => "an integer",
        () if value.is_float() => "a float",
        () if value.is::<Num>() => "a number",
        () if value.is_char() => "a character",
        () if value.is_string() => "a string",
        () if value.is_array() => "an array",
        () if value.is_map() => "a map",
        () if value.is::<Bytes>() => "bytes",
        () if value.is::<FnPtr>() => "a function",
        () => "a range",
    }
}

/// A value's text: a string is its own, arrays and maps are written as JSON.
pub(super) fn text(value: &Dynamic) -> Result<ImmutableString, String> {
    if let Some(text) = plain_text(value) {
        return Ok(text);
    }
    if value.is_unit() {
        return Ok(ImmutableString::new());
    }
    let value = convert::to_json(value, limits::rhai::STRING);
    let value = value.map_err(|what| format!("a value with {what} in it has no text"))?;
    let text = json::write(&value);
    if text.len() > limits::rhai::STRING {
        return Err("the text of a value is too long".to_owned());
    }
    Ok(text.into())
}

/// The text of a value, its cost charged, as an error that a script can catch.
pub(super) fn charged_text(meter: &Meter, value: &Dynamic) -> Outcome<ImmutableString> {
    let text = text(value).or_else(fail)?;
    meter.bytes(text.len())?;
    Ok(text)
}

fn concat(meter: &Meter, one: &Dynamic, other: &Dynamic) -> Outcome<ImmutableString> {
    let (one, other) = (charged_text(meter, one)?, charged_text(meter, other)?);
    if one.len() + other.len() > limits::rhai::STRING {
        return Err(too_long());
    }
    Ok(one + other)
}

/// Registers the operators and functions that take any value.
pub(super) fn register(engine: &mut Engine, meter: &Rc<Meter>) {
    for (name, wanted) in [("==", true), ("!=", false)] {
        let its = Rc::clone(meter);
        engine.register_fn(name, move |one: &mut Dynamic, other: Dynamic| done(equal(&its, one, &other)? == wanted));
    }
    for (name, holds) in [
        ("<", Ordering::is_lt as fn(Ordering) -> bool),
        ("<=", Ordering::is_le),
        (">", Ordering::is_gt),
        (">=", Ordering::is_ge),
    ] {
        let its = Rc::clone(meter);
        engine.register_fn(name, move |one: &mut Dynamic, other: Dynamic| compare(&its, one, &other).map(holds));
    }
    let its = Rc::clone(meter);
    engine.register_fn("+", move |one: ImmutableString, other: Dynamic| concat(&its, &one.into(), &other));
    let its = Rc::clone(meter);
    engine.register_fn("+", move |one: &mut Dynamic, other: ImmutableString| concat(&its, one, &other.into()));
    let its = Rc::clone(meter);
    engine.register_fn("+=", move |one: &mut ImmutableString, other: Dynamic| {
        *one = concat(&its, &one.clone().into(), &other)?;
        done(())
    });
    for name in ["-", "-="] {
        // The language would look through the whole text.
        engine.register_fn(name, |_: ImmutableString, _: Dynamic| fail::<()>("nothing can be taken from a string"));
    }
    let its = Rc::clone(meter);
    // The engine shows a value in its own way when this fails, so a failure has to wait for the next step.
    engine.register_fn("to_string", move |value: &mut Dynamic| match text(value) {
        Ok(text) => its.bytes(text.len()).map(|()| text).unwrap_or_default(),
        Err(reason) => {
            its.stop_soon(reason);
            ImmutableString::new()
        }
    });
    for name in ["print", "debug"] {
        let its = Rc::clone(meter);
        engine.register_fn(name, move |value: &mut Dynamic| {
            let text = charged_text(&its, value)?;
            its.print(&text);
            done(())
        });
    }
    engine.register_fn("!", |value: bool| !value);
    engine.register_fn("conflict", |context: NativeCallContext<'_>, why: &mut Dynamic| {
        Err::<(), _>(Stop { reason: super::reason_of(why), position: context.call_position() }.error())
    });
    let its = Rc::clone(meter);
    // See `copies`.
    engine.register_fn("+", move |value: &mut Dynamic| {
        if value.read_lock::<ImmutableString>().is_some_and(|text| text.len() > limits::rhai::STRING) {
            return Err(too_long());
        }
        its.copy(value)
    });
}

/// How large a value is, in what an integer in an array takes: a map takes more, and names are copied with it.
pub(super) fn size(value: &Dynamic) -> usize {
    if let Some(values) = value.read_lock::<Array>() {
        return 2 + values.iter().map(size).sum::<usize>();
    }
    match value.read_lock::<Map>() {
        Some(map) => 16 + map.iter().map(|(name, value)| 4 + name.len() / 16 + size(value)).sum::<usize>(),
        None => 1,
    }
}
