//! What strings can do. Letters change case in ASCII alone and white space is ASCII's: Unicode's tables grow with the
//! versions of the language.

use std::rc::Rc;

use ::rhai::{Array, Dynamic, Engine, ImmutableString};

use super::arrays::{position, stretch};
use super::meter::{Meter, Outcome, done, too_long};
use super::values;
use crate::script::limits::rhai as limits;

/// Replaces every part of a text, and looks at the size before there is a result.
fn replace(text: &str, part: &str, other: &str) -> Outcome<String> {
    if part.is_empty() {
        return Ok(text.to_owned());
    }
    let size = text.len() + text.matches(part).count() * other.len();
    if size.saturating_sub(text.matches(part).count() * part.len()) > limits::STRING {
        return Err(too_long());
    }
    Ok(text.replace(part, other))
}

/// Splits a text; by the empty text into its characters.
fn split(text: &str, separator: &str) -> Array {
    let parts: Box<dyn Iterator<Item = Dynamic>> = if separator.is_empty() {
        Box::new(text.chars().map(|char| char.to_string().into()))
    } else {
        Box::new(text.split(separator).map(Into::into))
    };
    parts.collect()
}

/// The part of a text from a character on.
fn sub_string(text: &str, start: i64, count: i64) -> ImmutableString {
    let range = stretch(text.chars().count(), start, count);
    text.chars().skip(range.start).take(range.len()).collect::<String>().into()
}

fn index_of(text: &str, part: &str) -> i64 {
    text.find(part).map_or(-1, |at| text[..at].chars().count() as i64)
}

/// Registers what strings can do; each is charged by the text's length.
pub(super) fn register(engine: &mut Engine, meter: &Rc<Meter>) {
    let its = Rc::clone(meter);
    engine.register_fn("len", move |text: ImmutableString| {
        its.bytes(text.len())?;
        done(text.chars().count() as i64)
    });
    engine.register_fn("is_empty", |text: ImmutableString| text.is_empty());
    for (name, change) in [
        ("to_upper", (|text| text.to_ascii_uppercase().into()) as fn(&str) -> Dynamic),
        ("to_lower", |text| text.to_ascii_lowercase().into()),
        ("trim", |text| text.trim_matches([' ', '\t', '\n', '\r']).into()),
    ] {
        let its = Rc::clone(meter);
        engine.register_fn(name, move |text: ImmutableString| {
            its.bytes(text.len())?;
            done(change(&text))
        });
    }
    for (name, look) in [
        ("contains", (|text, part| text.contains(part).into()) as fn(&str, &str) -> Dynamic),
        ("starts_with", |text, part| text.starts_with(part).into()),
        ("ends_with", |text, part| text.ends_with(part).into()),
        ("index_of", |text, part| index_of(text, part).into()),
    ] {
        let its = Rc::clone(meter);
        engine.register_fn(name, move |text: ImmutableString, part: Dynamic| {
            its.bytes(text.len())?;
            done(look(&text, &values::charged_text(&its, &part)?))
        });
    }
    let its = Rc::clone(meter);
    engine.register_fn("split", move |text: ImmutableString, separator: ImmutableString| {
        let parts = split(&text, &separator);
        its.bytes(text.len())?;
        its.values(parts.len())?;
        done(parts)
    });
    let its = Rc::clone(meter);
    engine.register_fn("replace", move |text: &mut ImmutableString, part: ImmutableString, other: ImmutableString| {
        its.bytes(text.len())?;
        let replaced = replace(text, &part, &other)?;
        its.bytes(replaced.len())?;
        *text = replaced.into();
        done(())
    });
    let its = Rc::clone(meter);
    engine.register_fn("sub_string", move |text: ImmutableString, start: i64| {
        its.bytes(text.len())?;
        done(sub_string(&text, start, i64::MAX))
    });
    let its = Rc::clone(meter);
    engine.register_fn("sub_string", move |text: ImmutableString, start: i64, count: i64| {
        its.bytes(text.len())?;
        done(sub_string(&text, start, count))
    });
    let its = Rc::clone(meter);
    engine.register_fn("repeat", move |text: ImmutableString, count: i64| {
        let count = position(limits::STRING + 1, count.max(0));
        if text.len().saturating_mul(count) > limits::STRING {
            return Err(too_long());
        }
        its.bytes(text.len() * count)?;
        Ok(text.repeat(count))
    });
}
