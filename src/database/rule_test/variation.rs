//! Versions of documents that people could have made, by small random edits; the same seed makes the same ones.

use crate::json::{self, Number, Value};

/// Numbers that look random. The same on every machine.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % end.max(1) as u64) as usize
    }
}

/// A version of a content: JSON is edited by members, text by lines, anything else by bytes.
pub(super) fn varied(random: &mut Random, content: &[u8]) -> Vec<u8> {
    let edits = 1 + random.below(3);
    if let Ok(mut value) = json::parse(content) {
        for _ in 0..edits {
            edit(random, &mut value);
        }
        let mut text = json::write(&value);
        if content.ends_with(b"\n") {
            text.push('\n');
        }
        return text.into_bytes();
    }
    if content.contains(&0) || std::str::from_utf8(content).is_err() {
        let mut bytes = content.to_vec();
        let at = random.below(bytes.len() + 1);
        bytes.insert(at, b'0' + random.below(10) as u8);
        return bytes;
    }
    let mut lines: Vec<Vec<u8>> = content.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    for _ in 0..edits {
        let at = random.below(lines.len() + 1);
        let new = format!("line {}\n", random.below(100)).into_bytes();
        match random.below(3) {
            0 if at < lines.len() => _ = lines.remove(at),
            1 if at < lines.len() => lines[at] = new,
            _ => lines.insert(at, new),
        }
    }
    lines.concat()
}

/// One edit somewhere in a value.
fn edit(random: &mut Random, value: &mut Value) {
    match value {
        Value::Object(members) if !members.is_empty() && random.below(8) > 0 => {
            let at = random.below(members.len());
            if random.below(10) == 0 {
                members.remove(at);
            } else {
                edit(random, &mut members[at].1);
            }
        }
        Value::Object(members) => {
            let name = format!("new {}", random.below(4));
            match members.iter_mut().find(|(member, _)| *member == name) {
                Some((_, value)) => edit(random, value),
                None => members.push((name, number(random.below(100)))),
            }
        }
        Value::Array(elements) if !elements.is_empty() && random.below(2) == 0 => {
            let at = random.below(elements.len());
            match random.below(3) {
                0 => _ = elements.remove(at),
                _ => edit(random, &mut elements[at]),
            }
        }
        Value::Array(elements) => {
            let mut new = elements.first().cloned().unwrap_or(Value::Null);
            match &mut new {
                // A list's elements have ids, which are not given twice.
                Value::Object(members) if members.iter().any(|(name, _)| name == "id") => {
                    for (_, id) in members.iter_mut().filter(|(name, _)| name == "id") {
                        *id = renamed(id, random.below(1_000_000));
                    }
                }
                new => edit(random, new),
            }
            elements.push(new);
        }
        Value::String(text) => text.push_str([" and", " or", " not", "!"][random.below(4)]),
        Value::Number(old) => {
            let new = old.as_i64().and_then(|old| old.checked_add(random.below(20) as i64 - 9));
            *old = new.map_or_else(|| Number::from(random.below(100) as i64), Number::from);
        }
        Value::Bool(is_true) => *is_true = !*is_true,
        Value::Null => *value = number(random.below(100)),
    }
}

fn number(number: usize) -> Value {
    Value::Number(Number::from(number as i64))
}

/// An id of the same kind.
fn renamed(id: &Value, number: usize) -> Value {
    match id {
        Value::String(_) => Value::String(format!("new {number}")),
        _ => Value::Number(Number::from(number as i64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_versions_of_the_same_kind() {
        let json = br#"{"count":10,"name":"hay","tags":["a"],"items":[{"id":1,"n":2}],"dry":true,"old":null,"e":1e3}"#;
        let versions = |seed: u64, content: &[u8]| -> Vec<Vec<u8>> {
            let mut random = Random::new(seed);
            (0..200).map(|_| varied(&mut random, content)).collect()
        };
        let made = versions(1, json);
        assert_eq!(made, versions(1, json));
        assert_ne!(made, versions(2, json));
        assert!(made.iter().all(|version| matches!(json::parse(version), Ok(Value::Object(_)))));
        for part in ["\"count\":1", "\"items\":[]", "new 1", "\"dry\":false", "hay and", "[\"a\",\"a"] {
            let has = |version: &Vec<u8>| String::from_utf8_lossy(version).contains(part);
            assert!(made.iter().any(has), "{part}");
        }
        assert!(made.iter().any(|version| !String::from_utf8_lossy(version).contains("\"name\"")));
        for content in [&b""[..], b"one\ntwo\nthree\n", b"\0\xff", b"{}", b"[]", b"1\n"] {
            assert!(versions(1, content).iter().filter(|version| *version != content).count() > 100, "{content:?}");
        }
    }
}
