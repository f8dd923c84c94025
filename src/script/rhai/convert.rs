//! Documents to the engine's values and back. Nothing is lost on the way: what a value could not hold is not let in.

use ::rhai::{Array, Dynamic, ImmutableString, Map};

use super::number::{self, Num, float_text};
use super::values::kind;
use crate::json::{self, Number, Value};
use crate::script::limits::rhai as limits;

/// A document that is neither JSON nor text, or JSON's `null`, which would be taken for no document. It can be compared and
/// returned.
#[derive(Clone, Debug)]
pub(super) struct Bytes(pub(super) std::rc::Rc<[u8]>);

/// A document's content as a value; `()` for none. The error says what is too large.
pub(super) fn to_script(content: Option<&[u8]>) -> Result<Dynamic, &'static str> {
    let Some(content) = content else { return Ok(Dynamic::UNIT) };
    if content.len() > limits::CONTENT {
        return Err("more bytes than a script is given");
    }
    match (json::parse(content), std::str::from_utf8(content)) {
        (Ok(Value::Null), _) | (_, Err(_)) => Ok(Dynamic::from(Bytes(content.into()))),
        (Ok(value), _) => from_json(value),
        (_, Ok(text)) => from_text(text.to_owned()),
    }
}

fn from_text(text: String) -> Result<Dynamic, &'static str> {
    if text.len() > limits::STRING { Err("a longer text than a script is given") } else { Ok(text.into()) }
}

/// The depth is what `json::parse` lets through.
fn from_json(value: Value) -> Result<Dynamic, &'static str> {
    Ok(match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(value) => value.into(),
        Value::Number(number) => number::from_number(number).ok_or("a longer number than a script is given")?,
        Value::String(text) => from_text(text)?,
        Value::Array(values) => values.into_iter().map(from_json).collect::<Result<Array, _>>()?.into(),
        Value::Object(members) => {
            let mut map = Map::new();
            for (name, value) in members {
                map.insert(name.into(), from_json(value)?);
            }
            map.into()
        }
    })
}

/// A value as JSON, of which a text of `room` bytes is all that is wanted; the error says what is in it that JSON does not
/// have. The room is looked at on the way: a string that is in a value a thousand times is in memory but once.
pub(super) fn to_json(value: &Dynamic, mut room: usize) -> Result<Value, &'static str> {
    to_json_at(value, 0, &mut room)
}

/// Takes what something is written in at least.
fn take(room: &mut usize, bytes: usize) -> Result<(), &'static str> {
    *room = room.checked_sub(bytes).ok_or("more text than there may be")?;
    Ok(())
}

fn to_json_at(value: &Dynamic, depth: usize, room: &mut usize) -> Result<Value, &'static str> {
    take(room, 1)?;
    if depth == json::MAX_DEPTH && (value.is_array() || value.is_map()) {
        return Err("a nesting that is too deep");
    }
    if let Some(values) = value.read_lock::<Array>() {
        return values
            .iter()
            .map(|value| to_json_at(value, depth + 1, room))
            .collect::<Result<_, _>>()
            .map(Value::Array);
    }
    if let Some(map) = value.read_lock::<Map>() {
        let mut members = Vec::new();
        for (name, value) in map.iter() {
            take(room, name.len() + 3)?;
            members.push((name.to_string(), to_json_at(value, depth + 1, room)?));
        }
        return Ok(Value::Object(members));
    }
    if let Some(text) = value.read_lock::<ImmutableString>() {
        take(room, text.len() + 1)?;
        return Ok(Value::String(text.to_string()));
    }
    if let Some(num) = value.read_lock::<Num>() {
        take(room, num.0.text().len() - 1)?;
        return Ok(Value::Number(Number::clone(&num.0)));
    }
    if let Ok(int) = value.as_int() {
        return Ok(Value::Number(int.into()));
    }
    if let Ok(float) = value.as_float() {
        // Neither infinity nor what is no number has a text by JSON's grammar.
        let number = Number::new(&float_text(float));
        return number.map(Value::Number).ok_or("a float that is infinite or no number");
    }
    if let Ok(value) = value.as_bool() {
        return Ok(Value::Bool(value));
    }
    if let Ok(char) = value.as_char() {
        return Ok(Value::String(char.to_string()));
    }
    if value.is_unit() { Ok(Value::Null) } else { Err(kind(value)) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Value> {
        let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            number.prop_map(|text| Value::Number(Number::new(&text).unwrap())),
            any::<i64>().prop_map(|int| Value::Number(int.into())),
            any::<String>().prop_map(Value::String),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            let members = proptest::collection::btree_map(any::<String>(), inner.clone(), 0..6);
            prop_oneof![
                proptest::collection::vec(inner, 0..6).prop_map(Value::Array),
                members.prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_document_comes_back_to_the_last_digit(value in json()) {
            prop_assume!(!matches!(value, Value::Null));
            let text = json::write(&value);
            let given = to_script(Some(text.as_bytes())).unwrap();
            prop_assert_eq!(json::write(&to_json(&given, text.len()).unwrap()), text);
        }
    }
}
