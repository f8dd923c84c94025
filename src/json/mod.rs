//! JSON that loses nothing: numbers keep their digits, and what an object cannot hold is refused.
//!
//! A leaf room: bytes to values and back, nothing else. Merging and scripts see documents through it, so that a number
//! that nobody changed comes out as it went in, and no member disappears because its name stands twice.

mod decimal;
mod parse;
mod write;

pub use parse::{ParseError, parse};
pub use write::write;

/// The deepest nesting of arrays and objects that is read or written.
pub(crate) const MAX_DEPTH: usize = 128;

/// A JSON value.
///
/// Two are equal when their texts are, but for white space, the spelling of strings and the order of members.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as its text.
    Number(Number),
    /// A string, without quotes and escapes.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object: its members in the order of the text, no name twice.
    Object(Vec<(String, Value)>),
}

/// A number as the text that it was written as, which is JSON's grammar: `1`, `1.0` and `1e0` are three numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number(String);

impl Number {
    /// A number with this text, if it is one by JSON's grammar.
    pub fn new(text: &str) -> Option<Number> {
        parse::is_number(text.as_bytes()).then(|| Number(text.to_owned()))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The number as an `i64`, if that has the same text.
    pub fn as_i64(&self) -> Option<i64> {
        // "-0" is a number whose sign an integer would lose.
        self.0.parse().ok().filter(|number: &i64| number.to_string() == self.0)
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Number {
        Number(number.to_string())
    }
}

impl Value {
    /// The member of this name, of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Object(members) => members.iter().find(|(member, _)| member == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(two)) => one == two,
            (Value::Number(one), Value::Number(two)) => one == two,
            (Value::String(one), Value::String(two)) => one == two,
            (Value::Array(one), Value::Array(two)) => one == two,
            (Value::Object(one), Value::Object(two)) => {
                // Most objects that are compared have the same order; the others are compared sorted by name.
                if one.len() != two.len() {
                    return false;
                }
                if one.iter().zip(two).all(|((name, _), (other, _))| name == other) {
                    return one.iter().zip(two).all(|((_, value), (_, other))| value == other);
                }
                let sorted = |members: &[(String, Value)]| {
                    let mut order: Vec<usize> = (0..members.len()).collect();
                    order.sort_unstable_by(|&a, &b| members[a].0.cmp(&members[b].0));
                    order
                };
                sorted(one).into_iter().zip(sorted(two)).all(|(a, b)| one[a] == two[b])
            }
            _ => false,
        }
    }
}

impl Eq for Value {}

#[cfg(test)]
mod tests;
