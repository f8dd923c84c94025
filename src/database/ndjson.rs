//! Changes as NDJSON, one a line: `{"key":K,"value":JSON}`, `{"key":K,"text":S}`, `{"key":K,"base64":S}` or
//! `{"key":K,"delete":true}`, each with an optional `"if":ID` or `"if":"none"`.
//!
//! A value is stored as its own text, byte for byte: a number keeps its digits, an object its spaces and its order. With
//! `"newline":true` a final newline follows it, as a program that prints JSON gives it.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::value::RawValue;

use super::changeset::Condition;
use super::error::{Error, Result};
use crate::object::BlobId;
use crate::tree::Key;

/// The longest line: 256 MiB. A larger document is put by itself.
const MAX_LINE: u64 = 256 << 20;

/// One line's change. What stands in the line as it is stored is lent by the reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NdjsonLine<'a> {
    /// The line's number, from 1.
    pub number: u64,
    /// The document's key.
    pub key: Key,
    /// The document's content; `None` to remove it.
    pub content: Option<Cow<'a, [u8]>>,
    /// What the key must hold before.
    pub condition: Option<Condition>,
}

/// Reads changes line by line; empty lines are passed over.
#[derive(Debug)]
pub struct NdjsonReader<R> {
    source: R,
    number: u64,
    line: Vec<u8>,
}

/// A line's members as they stand.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "present")]
    value: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    base64: Option<Text<'a>>,
    delete: Option<bool>,
    newline: Option<bool>,
    #[serde(borrow, rename = "if")]
    condition: Option<Text<'a>>,
    // What `get --json` says of a document besides: taken, so that its output can be stored as it is.
    #[serde(rename = "id")]
    _id: Option<IgnoredAny>,
    #[serde(rename = "size")]
    _size: Option<IgnoredAny>,
    #[serde(rename = "conflict")]
    _conflict: Option<IgnoredAny>,
}

/// A text that is borrowed where it can be: within an option, a bare `Cow` never is.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A member that is there, even when it is null.
fn present<'de: 'a, 'a, D: Deserializer<'de>>(source: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(source).map(Some)
}

impl<R: BufRead> NdjsonReader<R> {
    /// Reads from a source.
    pub fn new(source: R) -> Self {
        NdjsonReader { source, number: 0, line: Vec::new() }
    }

    /// The next change; `None` at the end.
    ///
    /// # Errors
    /// [`Error::Line`], which names the line.
    pub fn next_change(&mut self) -> Result<Option<NdjsonLine<'_>>> {
        loop {
            self.line.clear();
            self.number += 1;
            let number = self.number;
            let wrong = |reason: String| Error::Line { line: number, reason };
            let read = (&mut self.source).take(MAX_LINE + 1).read_until(b'\n', &mut self.line);
            if read.map_err(|error| wrong(format!("it cannot be read: {error}")))? == 0 {
                return Ok(None);
            }
            if self.line.len() as u64 > MAX_LINE {
                return Err(wrong("it is longer than 256 MiB; put a document of that size by itself".into()));
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            return parse(&self.line, number).map(Some).map_err(wrong);
        }
    }
}

impl<R: Read> NdjsonReader<BufReader<R>> {
    /// Whether the next change has not been written yet, as far as is known: asking for it may wait for somebody.
    pub fn is_waiting(&self) -> bool {
        // Empty lines are no change.
        !self.source.buffer().trim_ascii_start().contains(&b'\n')
    }
}

fn parse(line: &[u8], number: u64) -> Result<NdjsonLine<'_>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not valid UTF-8".to_owned())?;
    if !text.trim_start().starts_with('{') {
        return Err("it is not a JSON object".into());
    }
    let members: Members<'_> = serde_json::from_str(text).map_err(|error| explain(&error))?;
    let key: Key = members.key.parse().map_err(|error: crate::tree::KeyError| error.to_string())?;
    let condition = members.condition.map(|text| parse_condition(&text.0)).transpose()?;
    if members.newline.is_some() && members.value.is_none() {
        return Err("\"newline\" goes with \"value\" alone".into());
    }
    let content = match (members.value, members.text, members.base64, members.delete) {
        (Some(value), None, None, None) => {
            let value = value.get().as_bytes();
            Some(if members.newline == Some(true) { [value, b"\n"].concat().into() } else { value.into() })
        }
        (None, Some(Text(Cow::Borrowed(text))), None, None) => Some(text.as_bytes().into()),
        (None, Some(Text(Cow::Owned(text))), None, None) => Some(text.into_bytes().into()),
        (None, None, Some(coded), None) => {
            let content = BASE64.decode(coded.0.as_bytes()).map_err(|error| format!("its base64 is wrong: {error}"))?;
            Some(content.into())
        }
        (None, None, None, Some(true)) => None,
        (None, None, None, Some(false)) => return Err("\"delete\" can only be true".into()),
        (None, None, None, None) => return Err("it has none of value, text, base64 and delete".into()),
        _ => return Err("it has more than one of value, text, base64 and delete".into()),
    };
    Ok(NdjsonLine { number, key, content, condition })
}

fn parse_condition(text: &str) -> Result<Condition, String> {
    match text {
        "none" => Ok(Condition::Absent),
        _ => text
            .parse::<BlobId>()
            .map(Condition::Holds)
            .map_err(|_| format!("\"if\" is neither an id nor \"none\": {text:?}")),
    }
}

/// A JSON error without the line that the parser counts, which is always the first.
fn explain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(at) => format!("{} (column {})", &text[..at], error.column()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<Vec<NdjsonLine<'static>>> {
        let mut reader = NdjsonReader::new(text);
        let mut lines = Vec::new();
        while let Some(line) = reader.next_change()? {
            lines.push(NdjsonLine { content: line.content.map(|content| content.into_owned().into()), ..line });
        }
        Ok(lines)
    }

    #[test]
    fn values_keep_their_text() {
        for value in
            ["1.0", "1e2", "-0", "null", "{ \"b\" : 1,\"a\":[ ] }", "123456789012345678901234567890", "\"\\u00e9\""]
        {
            let lines = read(format!("{{\"key\":\"k\", \"value\" : {value} }}\n\n").as_bytes()).unwrap();
            assert_eq!(lines[0].content.as_deref(), Some(value.as_bytes()));
        }
    }

    #[test]
    fn the_other_members() {
        let text = "{\"key\":\"a\",\"text\":\"x\\n\"}\n\n{\"base64\":\"AAEC\",\"key\":\"b\",\"if\":\"none\"}\n{\"key\":\"c\",\"delete\":true}";
        let lines = read(text.as_bytes()).unwrap();
        assert_eq!(lines[0].content.as_deref(), Some(b"x\n".as_slice()));
        assert_eq!(lines[1].content.as_deref(), Some([0, 1, 2].as_slice()));
        assert_eq!(lines[1].condition, Some(Condition::Absent));
        assert_eq!(lines[1].number, 3);
        assert_eq!(lines[2].content, None);
        let lines =
            read(b"{\"key\":\"d\",\"value\":1,\"newline\":true}\n{\"key\":\"e\",\"value\":1,\"newline\":false}")
                .unwrap();
        assert_eq!(lines[0].content.as_deref(), Some(b"1\n".as_slice()));
        assert_eq!(lines[1].content.as_deref(), Some(b"1".as_slice()));
    }

    #[test]
    fn bad_lines_are_named() {
        let bad = [
            "x",
            "[]",
            "{",
            "{\"key\":1,\"value\":1}",
            "{\"key\":\"a\"}",
            "{\"value\":1}",
            "{\"key\":\"\",\"value\":1}",
            "{\"key\":\"a\",\"value\":1,\"value\":2}",
            "{\"key\":\"a\",\"key\":\"b\",\"value\":2}",
            "{\"key\":\"a\",\"value\":1,\"text\":\"\"}",
            "{\"key\":\"a\",\"delete\":false}",
            "{\"key\":\"a\",\"delete\":1}",
            "{\"key\":\"a\",\"base64\":\"?\"}",
            "{\"key\":\"a\",\"vlaue\":1}",
            "{\"key\":\"a\",\"value\":1,\"if\":\"x\"}",
            "{\"key\":\"a\",\"value\":01}",
            "{\"key\":\"a\",\"text\":\"\\ud800\"}",
            "{\"key\":\"a\",\"value\":1} x",
            "{\"key\":\"a\",\"value\":nul}",
            "{\"key\":\"a\",\"text\":\"x\",\"newline\":true}",
        ];
        for line in bad {
            match read(format!("{{\"key\":\"k\",\"value\":0}}\n{line}\n").as_bytes()) {
                Err(Error::Line { line: 2, reason }) => assert!(!reason.contains("at line"), "{reason}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(matches!(read(b"{\"key\":\"a\xff\",\"value\":1}"), Err(Error::Line { line: 1, .. })));
    }

    proptest! {
        #[test]
        fn never_panics(line in "[{}\":,a-z0-9\\\\ \\[\\]]{0,60}") {
            let _ = read(line.as_bytes());
        }
    }
}
