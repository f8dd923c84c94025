//! Arrays whose elements have an `id`: merged three ways by it, wherever the elements stand.

use std::collections::{BTreeMap, BTreeSet};

use crate::json::{self, Value};

use super::json::{Merger, Three};

/// An array's elements by the texts of their ids: `1` and `"1"` are two.
#[derive(Default)]
struct Elements<'v> {
    /// The ids, in the array's order.
    order: Vec<String>,
    /// For each, its name in paths, and the element.
    by_id: BTreeMap<String, (&'v str, &'v Value)>,
}

/// Merges two arrays.
///
/// An element that both sides have is merged by member; one that a side deleted goes if the other has not changed it.
/// The order is that of the one side that changed it; where both did, base's order, then what is new by the texts of
/// the ids.
pub(super) fn merge<'v>(
    merger: &mut Merger<'v>,
    base: Option<&'v Value>,
    left: &'v Value,
    right: &'v Value,
) -> Result<Value, String> {
    let base = base.map_or_else(|| Ok(Elements::default()), |base| elements(merger, base))?;
    let (left, right) = (elements(merger, left)?, elements(merger, right)?);
    let ids: BTreeSet<&String> = [&base, &left, &right].into_iter().flat_map(|side| &side.order).collect();
    let mut merged = BTreeMap::new();
    for &id in &ids {
        let sides = [&base, &left, &right].map(|side| side.by_id.get(id));
        let name = sides.iter().flatten().map(|(name, _)| *name).next().unwrap_or_default();
        let [base, left, right] = sides.map(|side| side.map(|(_, element)| *element));
        if let Some(element) = merger.member(name, Three { base, left, right })? {
            merged.insert(id, element);
        }
    }
    let order: Vec<&String> = if left.order == right.order || right.order == base.order {
        left.order.iter().collect()
    } else if left.order == base.order {
        right.order.iter().collect()
    } else {
        let new = ids.into_iter().filter(|id| !base.by_id.contains_key(*id));
        base.order.iter().chain(new).collect()
    };
    let list: Vec<Value> = order.into_iter().filter_map(|id| merged.remove(id)).collect();
    debug_assert!(merged.is_empty(), "the order has all elements that stay");
    Ok(Value::Array(list))
}

fn elements<'v>(merger: &Merger<'v>, array: &'v Value) -> Result<Elements<'v>, String> {
    let Value::Array(array) = array else { return merger.conflict("is not an array on all sides") };
    let mut elements = Elements::default();
    for element in array {
        let (name, id) = match element.get("id") {
            Some(id @ Value::String(text)) => (text.as_str(), json::write(id)),
            Some(id @ Value::Number(number)) => (number.text(), json::write(id)),
            _ => return merger.conflict("has an element without an \"id\" that is a text or a number"),
        };
        if elements.by_id.insert(id.clone(), (name, element)).is_some() {
            return merger.conflict(&format!("has the id {id} twice"));
        }
        elements.order.push(id);
    }
    Ok(elements)
}
