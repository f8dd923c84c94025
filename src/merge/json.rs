//! Merging JSON three ways, member by member.
//!
//! The result is a function of the three texts, whichever of the versions is left: members in base's order, then new
//! ones by name. A member that one side alone changed is taken as that side has it, digit by digit.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::json::{self, Number, Value};

use super::decimal::Decimal;
use super::fields::{Field, Fields, pointer};
use super::{Later, MAX_CONTENT, list};

/// Merges two versions of a JSON document.
///
/// Without a base, what both have is new on both sides. `later` is asked only where a field needs it, and must always
/// answer the same.
///
/// # Errors
/// Where the conflict stays: why, for people.
pub fn merge_json(
    base: Option<&[u8]>,
    left: &[u8],
    right: &[u8],
    fields: &Fields,
    later: &dyn Fn() -> Later,
) -> Result<Vec<u8>, String> {
    let read = |what: &str, content: &[u8]| {
        if content.len() > MAX_CONTENT {
            return Err(format!("{what} has more than {} MiB", MAX_CONTENT >> 20));
        }
        json::parse(content).map_err(|error| format!("{what} cannot be merged as JSON: {error}"))
    };
    let base = base.map(|base| read("what both versions come from", base)).transpose()?;
    let (left_value, right_value) = (read("a version", left)?, read("a version", right)?);
    let mut merger = Merger { fields, later, path: Vec::new(), digits: 0 };
    let merged = merger.value(Three { base: base.as_ref(), left: Some(&left_value), right: Some(&right_value) })?;
    let mut text = json::write(&merged.expect("a document that both sides have stays"));
    if left.ends_with(b"\n") && right.ends_with(b"\n") {
        text.push('\n');
    }
    Ok(text.into_bytes())
}

/// Whether a content is a JSON object that can be merged: one that [`merge_json`] reads without losing anything.
pub fn is_json_object(content: &[u8]) -> bool {
    content.len() <= MAX_CONTENT && matches!(json::parse(content), Ok(Value::Object(_)))
}

/// One member on all three sides, where it is there.
#[derive(Clone, Copy)]
pub(super) struct Three<'v> {
    pub(super) base: Option<&'v Value>,
    pub(super) left: Option<&'v Value>,
    pub(super) right: Option<&'v Value>,
}

/// A merge that is under way.
pub(super) struct Merger<'v> {
    fields: &'v Fields,
    later: &'v dyn Fn() -> Later,
    /// The names that lead to the member in work.
    path: Vec<&'v str>,
    /// How many digits sums have written.
    digits: usize,
}

type Merged = Result<Option<Value>, String>;

impl<'v> Merger<'v> {
    /// A member of this name, below the one in work.
    pub(super) fn member(&mut self, name: &'v str, three: Three<'v>) -> Merged {
        self.path.push(name);
        let merged = self.value(three)?;
        self.path.pop();
        Ok(merged)
    }

    /// Why the member in work is a conflict.
    pub(super) fn conflict<T>(&self, what: &str) -> Result<T, String> {
        if self.path.is_empty() {
            return Err(format!("the whole document {what}"));
        }
        Err(format!("the member {:?} {what}", pointer(&self.path)))
    }

    fn value(&mut self, three: Three<'v>) -> Merged {
        let Three { base, left, right } = three;
        if let Some(field) = self.fields.find(&self.path) {
            return match (left != base, right != base) {
                (true, true) => self.field(field, three),
                (true, false) => Ok(taken(base, left)),
                (false, true) => Ok(taken(base, right)),
                (false, false) => Ok(base.cloned()),
            };
        }
        // Objects are gone through even where a side is unchanged: the order of members is base's.
        if (base.is_none_or(is_object) && left.is_some_and(is_object) && right.is_some_and(is_object)) || left == right
        {
            return self.alike(three);
        }
        if left == base {
            return Ok(right.cloned());
        }
        if right == base {
            return Ok(left.cloned());
        }
        self.conflict(match (left, right) {
            (Some(_), Some(_)) => "was changed on both sides",
            _ => "was deleted on one side and changed on the other",
        })
    }

    /// Members of objects on both sides. Whether one side is unchanged as a whole need not be known: its members tell.
    fn object(
        &mut self,
        base: &'v [(String, Value)],
        left: &'v [(String, Value)],
        right: &'v [(String, Value)],
    ) -> Result<Value, String> {
        let (bases, lefts, rights) = (Members::of(base), Members::of(left), Members::of(right));
        let is_new = |(name, _): &&'v (String, Value)| bases.get(name).is_none();
        let new: BTreeSet<&str> = left.iter().chain(right).filter(is_new).map(|(name, _)| name.as_str()).collect();
        let mut members = Vec::with_capacity(base.len() + new.len());
        for name in base.iter().map(|(name, _)| name.as_str()).chain(new) {
            let three = Three { base: bases.get(name), left: lefts.get(name), right: rights.get(name) };
            if let Some(value) = self.member(name, three)? {
                members.push((name.to_owned(), value));
            }
        }
        Ok(Value::Object(members))
    }

    /// A member that both sides have as an object, or that is the same on both though maybe not in the order of
    /// members.
    fn alike(&mut self, three: Three<'v>) -> Merged {
        let Three { base, left, right } = three;
        match (left, right) {
            (Some(Value::Object(left)), Some(Value::Object(right))) => {
                let base = if let Some(Value::Object(base)) = base { base.as_slice() } else { &[] };
                self.object(base, left, right).map(Some)
            }
            _ if left == base => Ok(base.cloned()),
            (Some(left), Some(right)) => Ok(Some(lesser(left, right).clone())),
            _ => Ok(None),
        }
    }

    /// A member that both sides changed and the rule speaks of.
    fn field(&mut self, field: Field, three: Three<'v>) -> Merged {
        let Three { base, left, right } = three;
        let merged = match (field, left, right) {
            (Field::Max | Field::Min | Field::Union | Field::Latest, ..) if left == right => return self.alike(three),
            (Field::Latest, ..) => match (self.later)() {
                Later::Left => return Ok(taken(base, left)),
                Later::Right => return Ok(taken(base, right)),
            },
            (_, None, None) => return Ok(None),
            (Field::Sum, Some(left), Some(right)) => self.sum(base, left, right)?,
            (Field::List, Some(left), Some(right)) => list::merge(self, base, left, right)?,
            (Field::Union, Some(left), Some(right)) => self.union(base, left, right)?,
            (Field::Max, Some(left), Some(right)) => if self.is_greater(left, right)? { left } else { right }.clone(),
            (Field::Min, Some(left), Some(right)) => if self.is_greater(left, right)? { right } else { left }.clone(),
            _ => return self.conflict("was deleted on one side and changed on the other"),
        };
        Ok(Some(merged))
    }

    /// Base plus both differences.
    fn sum(&mut self, base: Option<&Value>, left: &Value, right: &Value) -> Result<Value, String> {
        let (left, right) = (self.decimal(left)?, self.decimal(right)?);
        let sum = match base {
            Some(base) => left.plus(&right).minus(&self.decimal(base)?),
            None => left.plus(&right),
        };
        // A thousand zeros can be asked for in six bytes: what they come to is bounded as a whole.
        self.digits += sum.len();
        if self.digits > MAX_CONTENT {
            return self.conflict("makes the sums too long");
        }
        Ok(Value::Number(sum.number()))
    }

    fn decimal(&self, value: &Value) -> Result<Decimal, String> {
        let Value::Number(number) = value else { return self.conflict("is not a number on all sides") };
        Decimal::new(number).map_or_else(|| self.conflict("has an exponent beyond 1000"), Ok)
    }

    /// Whether the left one of two different values is the greater one: of numbers by value, then by text.
    fn is_greater(&self, left: &Value, right: &Value) -> Result<bool, String> {
        match (left, right) {
            (Value::Number(one), Value::Number(two)) => {
                let order = self.decimal(left)?.compare(&self.decimal(right)?);
                Ok(order.then_with(|| Number::text(one).cmp(two.text())).is_gt())
            }
            (Value::String(one), Value::String(two)) => Ok(one > two),
            _ => self.conflict("is neither two numbers nor two texts"),
        }
    }

    /// All elements once: base's order, then the others by their text.
    fn union(&self, base: Option<&Value>, left: &Value, right: &Value) -> Result<Value, String> {
        let (Value::Array(left), Value::Array(right)) = (left, right) else {
            return self.conflict("is not an array on both sides");
        };
        let base = match base {
            Some(Value::Array(base)) => base.as_slice(),
            _ => &[],
        };
        // The same element may have its members in two orders: the text with sorted names finds it, the lesser text is
        // kept.
        let mut elements: Vec<(String, String, &Value)> = left
            .iter()
            .chain(right)
            .map(|element| (json::write(&sorted(element)), json::write(element), element))
            .collect();
        elements.sort_by(|one, two| (&one.0, &one.1).cmp(&(&two.0, &two.1)));
        elements.dedup_by(|one, two| one.0 == two.0);
        let mut is_taken = vec![false; elements.len()];
        let mut union = Vec::with_capacity(elements.len());
        for element in base {
            let text = json::write(&sorted(element));
            if let Ok(at) = elements.binary_search_by(|(other, ..)| other.cmp(&text))
                && !std::mem::replace(&mut is_taken[at], true)
            {
                union.push(element.clone());
            }
        }
        let rest = elements.iter().zip(&is_taken).filter(|(_, is_taken)| !**is_taken);
        let mut rest: Vec<_> = rest.map(|((_, text, element), _)| (text, *element)).collect();
        rest.sort_by_key(|(text, _)| *text);
        union.extend(rest.into_iter().map(|(_, element)| element.clone()));
        Ok(Value::Array(union))
    }
}

fn is_object(value: &Value) -> bool {
    matches!(value, Value::Object(_))
}

/// The member as the one side has it that changed it; members of objects in base's order.
fn taken(base: Option<&Value>, side: Option<&Value>) -> Option<Value> {
    let (Some(Value::Object(base)), Some(Value::Object(side))) = (base, side) else { return side.cloned() };
    let (bases, sides) = (Members::of(base), Members::of(side));
    let mut members = Vec::with_capacity(side.len());
    for (name, value) in base {
        if let Some(value) = taken(Some(value), sides.get(name)) {
            members.push((name.clone(), value));
        }
    }
    let mut new: Vec<&(String, Value)> = side.iter().filter(|(name, _)| bases.get(name).is_none()).collect();
    new.sort_by(|one, two| one.0.cmp(&two.0));
    members.extend(new.into_iter().cloned());
    Some(Value::Object(members))
}

/// The one of two equal values that has the lesser text.
pub(super) fn lesser<'v>(one: &'v Value, two: &'v Value) -> &'v Value {
    if json::write(two) < json::write(one) { two } else { one }
}

/// The value with the members of all its objects by name.
fn sorted(value: &Value) -> Cow<'_, Value> {
    match value {
        Value::Object(members) => {
            let mut members: Vec<(String, Value)> =
                members.iter().map(|(name, value)| (name.clone(), sorted(value).into_owned())).collect();
            members.sort_by(|one, two| one.0.cmp(&two.0));
            Cow::Owned(Value::Object(members))
        }
        Value::Array(values) => {
            Cow::Owned(Value::Array(values.iter().map(|value| sorted(value).into_owned()).collect()))
        }
        value => Cow::Borrowed(value),
    }
}

/// An object's members, to be looked up by name: a list while there are few, sorted when there are many.
enum Members<'v> {
    Few(&'v [(String, Value)]),
    Many(Vec<(&'v str, &'v Value)>),
}

impl<'v> Members<'v> {
    const FEW: usize = 16;

    fn of(members: &'v [(String, Value)]) -> Members<'v> {
        if members.len() <= Members::FEW {
            return Members::Few(members);
        }
        let mut sorted: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), value)).collect();
        sorted.sort_unstable_by_key(|(name, _)| *name);
        Members::Many(sorted)
    }

    fn get(&self, name: &str) -> Option<&'v Value> {
        match self {
            Members::Few(members) => members.iter().find(|(member, _)| member == name).map(|(_, value)| value),
            Members::Many(members) => {
                let at = members.binary_search_by_key(&name, |(member, _)| member).ok()?;
                Some(members[at].1)
            }
        }
    }
}

#[cfg(test)]
mod tests;
