//! Names that are hard on the format: around a slash in tree order, in need of escapes, and such that open parts.

use std::sync::OnceLock;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::model::{self, Leaf};
use super::state::key;
use crate::tree::Key;

/// Segments around `/` in byte order, that are escaped, or that look like isodb's own edges.
pub(super) const SEGMENTS: [&str; 18] = [
    "a",
    "a!",
    "a-",
    "a-b",
    "a.b",
    "a0",
    "ab",
    "-",
    "!",
    ".part:a",
    ".conflict",
    "blob",
    "%61",
    "~",
    "é",
    "b",
    "c",
    "\u{200c}",
];

/// How many of [`openers`] have each level.
const OF_LEVEL: [usize; 4] = [110, 100, 80, 4];

/// A few hundred segments of which most open a part, of one level or of several: a folder of them alone has three
/// levels of parts, where ordinary names would need 65,000. In no order, and before, at and after a slash.
pub(super) fn openers() -> &'static [String] {
    static OPENERS: OnceLock<Vec<String>> = OnceLock::new();
    OPENERS.get_or_init(|| {
        let mut wanted = OF_LEVEL;
        let mut found = Vec::new();
        for i in 0_u64.. {
            let start = ["a", "a!", "a-", "a.", "a0", "!", "-", ",", "~", "é"][(i % 10) as usize];
            let name = format!("{start}{:05x}", i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44);
            let level = model::level(&model::segments(&name)[0]) as usize;
            if let Some(count) = wanted.get_mut(level).filter(|count| **count > 0) {
                *count -= 1;
                found.push(name);
            }
            if wanted == [0; 4] {
                break;
            }
        }
        // A name that goes on with what sorts before a slash comes before the name itself, so in the part to its left.
        let longer: Vec<String> = found.iter().step_by(5).map(|name| format!("{name}-")).collect();
        found.extend(longer);
        found.sort_by_cached_key(|name| model::order(name));
        found.dedup();
        found
    })
}

/// Those of a level up to `most`, and one above: 65 children or parts are not cut where no name says so.
pub(super) fn openers_up_to(most: u32) -> Vec<String> {
    let level = |name: &str| model::level(&model::segments(name)[0]);
    let above = openers().iter().filter(|name| level(name) > most).nth(10);
    openers().iter().filter(|&name| level(name) <= most || Some(name) == above).cloned().collect()
}

/// Keys of few segments, many of which lie below one another.
pub(super) fn nested_key() -> impl Strategy<Value = String> {
    vec(prop::sample::select(SEGMENTS.as_slice()), 1..5).prop_map(|segments| segments.join("/"))
}

/// Documents, some of them in conflict.
pub(super) fn leaf() -> impl Strategy<Value = Leaf> {
    let content = || vec(0..4_u8, 0..2);
    let conflict = (btree_set(content(), 1..4), proptest::option::of(content()), any::<bool>());
    prop_oneof![
        3 => content().prop_map(|content| Leaf::of(&content)),
        1 => conflict.prop_map(|(versions, base, deleted)| {
            let in_conflict = versions.len() + usize::from(deleted) > 1;
            Leaf { versions, base: base.filter(|_| in_conflict), deleted }
        }),
    ]
}

#[test]
fn openers_have_three_levels_of_parts() {
    let levels: Vec<u32> = openers().iter().map(|name| model::level(&model::segments(name)[0])).collect();
    for (level, count) in OF_LEVEL.into_iter().enumerate() {
        assert!(levels.iter().filter(|&&l| l as usize == level).count() >= count - 1, "{level}");
    }
}

#[test]
fn every_character_has_the_name_that_the_model_gives_it() {
    for c in ('\u{1}'..'\u{3000}').chain('\u{fe00}'..='\u{ffff}').filter(|&c| c != '/') {
        for text in [format!("{c}"), format!("a{c}b"), format!(".{c}")] {
            let key = key(&text);
            let name = model::segments(&text).remove(0);
            assert_eq!((key.names().next().unwrap().as_bytes(), &*key.text()), (&*name, &*text), "{text:?}");
            assert_eq!(Key::from_path(key.path()), Some(key));
        }
    }
}
