//! What maps can do. They are ordered by the bytes of their names, so every walk over one is the same everywhere.

use std::rc::Rc;

use ::rhai::{Array, Dynamic, Engine, ImmutableString, Map};

use super::meter::{Meter, done};

/// Registers what maps can do.
pub(super) fn register(engine: &mut Engine, meter: &Rc<Meter>) {
    engine.register_fn("len", |map: &mut Map| map.len() as i64);
    engine.register_fn("is_empty", |map: &mut Map| map.is_empty());
    engine.register_fn("clear", |map: &mut Map| map.clear());
    engine.register_fn("contains", |map: &mut Map, name: ImmutableString| map.contains_key(name.as_str()));
    engine
        .register_fn("get", |map: &mut Map, name: ImmutableString| map.get(name.as_str()).cloned().unwrap_or_default());
    engine.register_fn("set", |map: &mut Map, name: ImmutableString, value: Dynamic| {
        map.insert(name.as_str().into(), value);
    });
    engine.register_fn("remove", |map: &mut Map, name: ImmutableString| map.remove(name.as_str()).unwrap_or_default());
    let its = Rc::clone(meter);
    engine.register_fn("keys", move |map: &mut Map| {
        its.values(map.len())?;
        done(map.keys().map(|name| name.as_str().into()).collect::<Array>())
    });
    let its = Rc::clone(meter);
    engine.register_fn("values", move |map: &mut Map| {
        map.values().map(|value| its.copy(value)).collect::<Result<Array, _>>()
    });
    let its = Rc::clone(meter);
    engine.register_fn("+", move |mut map: Map, other: Map| {
        its.values(other.len())?;
        map.extend(other);
        done(map)
    });
    for name in ["mixin", "+="] {
        let its = Rc::clone(meter);
        engine.register_fn(name, move |map: &mut Map, other: Map| {
            its.values(other.len())?;
            map.extend(other);
            done(())
        });
    }
}
