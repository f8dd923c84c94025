//! What arrays can do. Callbacks get values, and their errors are the function's own.

use std::cmp::Ordering;
use std::ops::Range;
use std::rc::Rc;

use ::rhai::{Array, Dynamic, Engine, FnPtr, ImmutableString, NativeCallContext};

use super::meter::{Meter, Outcome, done, fail, too_long};
use super::values;
use crate::script::limits::rhai as limits;

/// The position that an index means: negative ones count from the end, and what is beyond is the nearest end.
pub(super) fn position(len: usize, index: i64) -> usize {
    let size = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
    if index < 0 { len.saturating_sub(size) } else { size.min(len) }
}

/// The positions of a stretch.
pub(super) fn stretch(len: usize, start: i64, count: i64) -> Range<usize> {
    let start = position(len, start);
    let count = usize::try_from(count).unwrap_or(0);
    start..start.saturating_add(count).min(len)
}

fn is_true(answer: Dynamic) -> Outcome<bool> {
    let kind = values::kind(&answer);
    answer.as_bool().or_else(|_| fail(format!("the function has to answer true or false, and not {kind}")))
}

fn copies(meter: &Meter, values: &[Dynamic]) -> Outcome<Array> {
    values.iter().map(|value| meter.copy(value)).collect()
}

/// The first element for which the function answers true.
fn find(meter: &Meter, context: &NativeCallContext<'_>, array: &Array, test: &FnPtr) -> Outcome<Option<usize>> {
    for (at, value) in array.iter().enumerate() {
        if is_true(test.call_raw(context, None, [meter.copy(value)?])?)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn find_equal(meter: &Meter, array: &Array, wanted: &Dynamic) -> Outcome<Option<usize>> {
    for (at, value) in array.iter().enumerate() {
        if values::equal(meter, value, wanted)? {
            return Ok(Some(at));
        }
    }
    meter.values(array.len())?;
    Ok(None)
}

fn index(found: Option<usize>) -> i64 {
    found.and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
}

/// A stable merge sort: what it asks and what it answers depends on the comparison alone, even where that is no order.
fn sort(values: Array, order: &mut dyn FnMut(&Dynamic, &Dynamic) -> Outcome<Ordering>) -> Outcome<Array> {
    if values.len() < 2 {
        return Ok(values);
    }
    let mut left = values;
    let right = left.split_off(left.len() / 2);
    let (left, right) = (sort(left, order)?, sort(right, order)?);
    let mut merged = Array::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        merged.extend(if order(one, other)?.is_gt() { right.next() } else { left.next() });
    }
    merged.extend(left.chain(right));
    Ok(merged)
}

/// What a comparison answered: a number below, at or above zero, or whether the first may come first.
fn order(answer: &Dynamic) -> Outcome<Ordering> {
    match (answer.as_int(), answer.as_bool()) {
        (Ok(number), _) => Ok(number.cmp(&0)),
        (_, Ok(is_in_order)) => Ok(if is_in_order { Ordering::Less } else { Ordering::Greater }),
        _ => fail(format!("a comparison has to answer an integer or a boolean, and not {}", values::kind(answer))),
    }
}

fn join(meter: &Meter, array: &Array, separator: &str) -> Outcome<String> {
    let mut joined = String::new();
    for (at, value) in array.iter().enumerate() {
        if at > 0 {
            joined.push_str(separator);
        }
        joined.push_str(&values::charged_text(meter, value)?);
        if joined.len() > limits::STRING {
            return Err(too_long());
        }
    }
    meter.bytes(joined.len())?;
    Ok(joined)
}

/// Registers what arrays can do.
pub(super) fn register(engine: &mut Engine, meter: &Rc<Meter>) {
    engine.register_iterator::<Array>();
    engine.register_fn("len", |array: &mut Array| array.len() as i64);
    engine.register_fn("is_empty", |array: &mut Array| array.is_empty());
    engine.register_fn("clear", |array: &mut Array| array.clear());
    engine.register_fn("push", |array: &mut Array, value: Dynamic| array.push(value));
    engine.register_fn("pop", |array: &mut Array| array.pop().unwrap_or_default());
    register_places(engine, meter);
    register_searches(engine, meter);
    register_callbacks(engine, meter);
    let its = Rc::clone(meter);
    engine.register_fn("sort", move |array: &mut Array| {
        let sorted = sort(copies(&its, array)?, &mut |one, other| {
            its.values(limits::VALUES_A_STEP)?;
            values::compare(&its, one, other)
        })?;
        *array = sorted;
        done(())
    });
    let its = Rc::clone(meter);
    engine.register_fn("sort", move |context: NativeCallContext<'_>, array: &mut Array, comparison: FnPtr| {
        let sorted = sort(copies(&its, array)?, &mut |one, other| {
            order(&comparison.call_raw(&context, None, [its.copy(one)?, its.copy(other)?])?)
        })?;
        *array = sorted;
        done(())
    });
    let its = Rc::clone(meter);
    engine.register_fn("join", move |array: &mut Array, separator: ImmutableString| join(&its, array, &separator));
}

/// What moves elements; moving is charged by their number.
fn register_places(engine: &mut Engine, meter: &Rc<Meter>) {
    let its = Rc::clone(meter);
    engine.register_fn("shift", move |array: &mut Array| {
        its.values(array.len())?;
        done(if array.is_empty() { Dynamic::UNIT } else { array.remove(0) })
    });
    let its = Rc::clone(meter);
    engine.register_fn("insert", move |array: &mut Array, at: i64, value: Dynamic| {
        its.values(array.len())?;
        array.insert(position(array.len(), at), value);
        done(())
    });
    let its = Rc::clone(meter);
    engine.register_fn("remove", move |array: &mut Array, at: i64| {
        its.values(array.len())?;
        let found = stretch(array.len(), at, 1).next();
        done(found.map(|at| array.remove(at)).unwrap_or_default())
    });
    let its = Rc::clone(meter);
    engine.register_fn("reverse", move |array: &mut Array| {
        array.reverse();
        its.values(array.len())
    });
    let its = Rc::clone(meter);
    engine.register_fn("+", move |mut array: Array, other: Array| {
        its.values(other.len())?;
        array.extend(other);
        done(array)
    });
    for name in ["append", "+="] {
        let its = Rc::clone(meter);
        engine.register_fn(name, move |array: &mut Array, other: Array| {
            its.values(other.len())?;
            array.extend(other);
            done(())
        });
    }
    let its = Rc::clone(meter);
    engine.register_fn("extract", move |array: &mut Array, start: i64, count: i64| {
        its.values(array.len())?;
        copies(&its, &array[stretch(array.len(), start, count)])
    });
}

fn register_searches(engine: &mut Engine, meter: &Rc<Meter>) {
    let its = Rc::clone(meter);
    engine.register_fn("contains", move |array: &mut Array, wanted: Dynamic| {
        find_equal(&its, array, &wanted).map(|found| found.is_some())
    });
    let its = Rc::clone(meter);
    engine
        .register_fn("index_of", move |array: &mut Array, wanted: Dynamic| find_equal(&its, array, &wanted).map(index));
    let its = Rc::clone(meter);
    engine.register_fn("unique", move |array: &mut Array| {
        let mut unique = Array::new();
        for value in array.iter() {
            if find_equal(&its, &unique, value)?.is_none() {
                unique.push(its.copy(value)?);
            }
        }
        done(unique)
    });
}

fn register_callbacks(engine: &mut Engine, meter: &Rc<Meter>) {
    let its = Rc::clone(meter);
    engine.register_fn("index_of", move |context: NativeCallContext<'_>, array: &mut Array, test: FnPtr| {
        find(&its, &context, array, &test).map(index)
    });
    let its = Rc::clone(meter);
    engine.register_fn("find", move |context: NativeCallContext<'_>, array: &mut Array, test: FnPtr| {
        find(&its, &context, array, &test)?.map_or(Ok(Dynamic::UNIT), |at| its.copy(&array[at]))
    });
    let its = Rc::clone(meter);
    engine.register_fn("some", move |context: NativeCallContext<'_>, array: &mut Array, test: FnPtr| {
        find(&its, &context, array, &test).map(|found| found.is_some())
    });
    let its = Rc::clone(meter);
    engine.register_fn("all", move |context: NativeCallContext<'_>, array: &mut Array, test: FnPtr| {
        for value in array.iter() {
            if !is_true(test.call_raw(&context, None, [its.copy(value)?])?)? {
                return done(false);
            }
        }
        Ok(true)
    });
    let its = Rc::clone(meter);
    engine.register_fn("filter", move |context: NativeCallContext<'_>, array: &mut Array, test: FnPtr| {
        let mut kept = Array::new();
        for value in array.iter() {
            if is_true(test.call_raw(&context, None, [its.copy(value)?])?)? {
                kept.push(its.copy(value)?);
            }
        }
        done(kept)
    });
    let its = Rc::clone(meter);
    engine.register_fn("map", move |context: NativeCallContext<'_>, array: &mut Array, change: FnPtr| {
        let mut changed = Array::with_capacity(array.len());
        for value in array.iter() {
            changed.push(change.call_raw(&context, None, [its.copy(value)?])?.flatten());
        }
        done(changed)
    });
    let its = Rc::clone(meter);
    engine.register_fn(
        "reduce",
        move |context: NativeCallContext<'_>, array: &mut Array, step: FnPtr, start: Dynamic| {
            array.iter().try_fold(start, |so_far, value| {
                done(step.call_raw(&context, None, [so_far, its.copy(value)?])?.flatten())
            })
        },
    );
}
