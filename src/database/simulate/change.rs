//! Random changes of a document's content, of the kind that its users make: members and numbers of JSON, lines of text.
//! There are few different ones, so that two nodes make the same change now and then.

use super::random::Random;
use crate::json::{self, Number, Value};

/// Words that are written into documents.
const WORDS: [&str; 4] = ["early", "late", "dry", "wet"];

/// A content with a change.
pub(super) fn change(content: &[u8], random: &mut Random) -> Vec<u8> {
    if let Ok(mut value) = json::parse(content) {
        change_value(&mut value, random);
        let mut text = json::write(&value);
        if content.ends_with(b"\n") {
            text.push('\n');
        }
        return text.into_bytes();
    }
    match std::str::from_utf8(content) {
        Ok(text) => change_lines(text, random).into_bytes(),
        Err(_) => change_bytes(content, random),
    }
}

fn change_value(value: &mut Value, random: &mut Random) {
    match value {
        Value::Object(members) => change_members(members, random),
        Value::Array(items) => change_items(items, random),
        Value::Number(number) => *number = change_number(number, random),
        Value::Bool(is) => *is = !*is,
        Value::Null | Value::String(_) => *value = word(random),
    }
}

fn change_members(members: &mut Vec<(String, Value)>, random: &mut Random) {
    match random.below(10) {
        0 => {
            let name = format!("new{}", random.below(3));
            match members.iter_mut().find(|(member, _)| *member == name) {
                Some((_, value)) => change_value(value, random),
                None => members.push((name, small_number(random))),
            }
        }
        1 if members.len() > 1 => {
            members.remove(random.below(members.len()));
        }
        _ if members.is_empty() => members.push(("new0".into(), small_number(random))),
        _ => {
            let at = random.below(members.len());
            change_value(&mut members[at].1, random);
        }
    }
}

fn change_items(items: &mut Vec<Value>, random: &mut Random) {
    match random.below(3) {
        0 if !items.is_empty() => {
            items.remove(random.below(items.len()));
        }
        1 if !items.is_empty() => {
            let at = random.below(items.len());
            change_value(&mut items[at], random);
        }
        _ => items.insert(random.below(items.len() + 1), word(random)),
    }
}

/// A number a little up or down; one that is no small integer is written anew.
fn change_number(number: &Number, random: &mut Random) -> Number {
    let by = [-2, -1, 1, 2, 5][random.below(5)];
    match number.as_i64().and_then(|number| number.checked_add(by)) {
        Some(changed) => changed.into(),
        None => Number::new(&format!("{}.{}0", random.below(4), random.below(10))).unwrap_or_else(|| by.into()),
    }
}

fn small_number(random: &mut Random) -> Value {
    Value::Number((random.below(4) as i64).into())
}

fn word(random: &mut Random) -> Value {
    Value::String((*random.one(&WORDS)).to_owned())
}

fn change_lines(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    let new = format!("{}\n", random.one(&WORDS));
    match random.below(3) {
        0 if !lines.is_empty() => {
            lines.remove(random.below(lines.len()));
        }
        1 if !lines.is_empty() => {
            let at = random.below(lines.len());
            lines[at] = new;
        }
        _ => lines.insert(random.below(lines.len() + 1), new),
    }
    lines.concat()
}

fn change_bytes(content: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = content.to_vec();
    match bytes.len() {
        len if len > 0 && random.percent(70) => {
            let at = random.below(len);
            bytes[at] = bytes[at].wrapping_add(1);
        }
        _ => bytes.push(0xff),
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(content: &[u8]) -> Vec<Vec<u8>> {
        (0..300).map(|seed| change(content, &mut Random::new(seed))).collect()
    }

    #[test]
    fn json_stays_json_and_keeps_its_last_newline() {
        let content = b"{\"a\":1.50,\"b\":[true,null],\"c\":{\"d\":\"x\"}}\n";
        let found = changes(content);
        for changed in &found {
            assert!(json::parse(changed).is_ok() && changed.ends_with(b"\n"));
            assert!(matches!(json::parse(changed), Ok(Value::Object(_))));
        }
        let kept = found.iter().filter(|changed| changed.windows(4).any(|part| part == b"1.50")).count();
        assert!(kept > 100 && kept < 300);
        assert!(changes(b"7").iter().all(|changed| json::parse(changed).is_ok() && changed != b"7"));
        assert!(changes(b"9223372036854775807").iter().all(|changed| json::parse(changed).is_ok()));
        assert!(changes(b"[]").iter().chain(&changes(b"{}")).all(|changed| json::parse(changed).is_ok()));
    }

    #[test]
    fn text_stays_text_and_bytes_change() {
        let found = changes("grün\nblau\n".as_bytes());
        assert!(found.iter().all(|changed| std::str::from_utf8(changed).is_ok()));
        assert!(found.iter().any(|changed| changed.starts_with("grün\n".as_bytes()) && changed.len() > 12));
        assert!(changes(b"\xff\x00").iter().all(|changed| changed != b"\xff\x00"));
        assert!(changes(b"").iter().all(|changed| !changed.is_empty()));
    }

    #[test]
    fn two_nodes_make_the_same_change_now_and_then() {
        let found = changes(b"{\"n\":1,\"m\":2}");
        let different: std::collections::BTreeSet<_> = found.iter().collect();
        assert!(different.len() > 8 && different.len() < 60, "{}", different.len());
    }
}
