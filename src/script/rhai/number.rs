//! Numbers: integers and floats are the engine's own, and what no `i64` has the text of stays what it is.

use std::cmp::Ordering;
use std::rc::Rc;

use ::rhai::{Dynamic, Engine, ImmutableString};

use super::meter::{Meter, Outcome, fail};
use crate::json::Number;
use crate::script::limits::rhai as limits;

/// A number whose text an `i64` does not reproduce: `1.50`, `-0`, `1e3`, 2^64. It can be compared, handed on and converted,
/// and is written as it was read.
#[derive(Clone, Debug)]
pub(super) struct Num(pub(super) Rc<Number>);

/// A float's text: the shortest that reads back as the same float.
pub(super) fn float_text(float: f64) -> String {
    format!("{float:?}")
}

/// The number that a value is, if it is one. `None` for a float that is no number or infinite.
fn number(value: &Dynamic) -> Option<Number> {
    if let Ok(int) = value.as_int() {
        return Some(int.into());
    }
    if let Ok(float) = value.as_float() {
        return Number::new(&float_text(float));
    }
    value.read_lock::<Num>().map(|num| Number::clone(&num.0))
}

/// Whether a value is a number of any kind.
pub(super) fn is_number(value: &Dynamic) -> bool {
    value.is_int() || value.is_float() || value.is::<Num>()
}

/// Compares two numbers by value, exactly. A float counts as its shortest text, so that 0.1 is the 0.1 of a document.
/// `None` where there is no order, as with what is no number.
pub(super) fn compare(one: &Dynamic, other: &Dynamic) -> Option<Ordering> {
    if let (Ok(one), Ok(other)) = (one.as_int(), other.as_int()) {
        return Some(one.cmp(&other));
    }
    if let (Ok(one), Ok(other)) = (one.as_float(), other.as_float()) {
        return one.partial_cmp(&other);
    }
    // At most one is a float here; one that is not finite is beyond every other number.
    let infinite = |value: &Dynamic| value.as_float().ok().filter(|float| !float.is_finite());
    match (infinite(one), infinite(other)) {
        (Some(float), _) => float.partial_cmp(&0.0).filter(|_| is_number(other)),
        (_, Some(float)) => 0.0.partial_cmp(&float).filter(|_| is_number(one)),
        _ => Some(number(one)?.compare(&number(other)?)),
    }
}

/// The number of a text by JSON's grammar.
fn from_text(text: &str) -> Option<Dynamic> {
    Number::new(text).and_then(from_number)
}

/// A document's number; `None` for one that is too long.
pub(super) fn from_number(number: Number) -> Option<Dynamic> {
    if number.text().len() > limits::DIGITS {
        return None;
    }
    Some(number.as_i64().map_or_else(|| Dynamic::from(Num(number.into())), Dynamic::from))
}

fn to_float(value: &Dynamic) -> Outcome<f64> {
    if let Ok(int) = value.as_int() {
        return Ok(int as f64);
    }
    if let Ok(float) = value.as_float() {
        return Ok(float);
    }
    let float = value.read_lock::<Num>().and_then(|num| num.0.text().parse::<f64>().ok());
    float.filter(|float| float.is_finite()).map_or_else(|| fail("the value is no number that a float can hold"), Ok)
}

fn to_int(value: &Dynamic) -> Outcome<i64> {
    let found = if let Ok(int) = value.as_int() {
        Some(int)
    } else if let Ok(float) = value.as_float() {
        let int = float as i64;
        (float.fract() == 0.0 && int != i64::MAX && int as f64 == float).then_some(int)
    } else {
        value.read_lock::<Num>().and_then(|num| num.0.whole())
    };
    found.map_or_else(|| fail("the value is no whole number that fits into 64 bits"), Ok)
}

fn pick(one: &Dynamic, other: Dynamic, wanted: Ordering) -> Outcome<Dynamic> {
    match compare(one, &other) {
        // A number is copied in no time.
        Some(order) => Ok(if order.reverse() == wanted { other } else { one.clone() }),
        None => fail("min and max are for numbers"),
    }
}

fn abs(value: &mut Dynamic) -> Outcome<Dynamic> {
    if let Ok(int) = value.as_int() {
        return int
            .checked_abs()
            .map_or_else(|| fail("the number has no absolute value in 64 bits"), |int| Ok(int.into()));
    }
    if let Ok(float) = value.as_float() {
        return Ok(float.abs().into());
    }
    let positive = value.read_lock::<Num>().and_then(|num| from_text(num.0.text().trim_start_matches('-')));
    positive.map_or_else(|| fail("abs is for numbers"), Ok)
}

fn negative(value: &mut Dynamic) -> Outcome<Dynamic> {
    if let Ok(int) = value.as_int() {
        return int.checked_neg().map_or_else(|| fail("the number has no negative in 64 bits"), |int| Ok(int.into()));
    }
    match value.as_float() {
        Ok(float) => Ok((-float).into()),
        Err(_) => fail("only integers and floats have a negative"),
    }
}

/// Registers what numbers can do beyond the engine's own operators.
pub(super) fn register(engine: &mut Engine, meter: &Rc<Meter>) {
    engine.register_type_with_name::<Num>("number");
    engine.register_fn("-", negative).register_fn("abs", abs);
    engine.register_fn("min", |one: &mut Dynamic, other: Dynamic| pick(one, other, Ordering::Less));
    engine.register_fn("max", |one: &mut Dynamic, other: Dynamic| pick(one, other, Ordering::Greater));
    for (name, round) in [
        // IEEE 754 defines these to the last bit.
        ("floor", f64::floor as fn(f64) -> f64),
        ("ceil", f64::ceil),
        ("round", f64::round),
        ("trunc", f64::trunc),
        ("sqrt", f64::sqrt),
    ] {
        engine.register_fn(name, move |float: f64| round(float));
    }
    // What these look at is short, whatever it is.
    engine.register_fn("to_float", |value: &mut Dynamic| to_float(value));
    engine.register_fn("to_int", |value: &mut Dynamic| to_int(value));
    let its = Rc::clone(meter);
    engine.register_fn("parse_number", move |text: ImmutableString| {
        its.bytes(text.len())?;
        from_text(&text).map_or_else(|| fail("the text is no number"), Ok)
    });
}
