//! CSV: a header row that names the fields, and a document a row, under a key that a template makes of its values.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use anyhow::Result;
use csv::{ByteRecord, ErrorKind, ReaderBuilder};

use super::importer::Importer;
use crate::error::Failure;

/// The longest row: 256 MiB, as a line of NDJSON.
const MAX_ROW: u64 = 256 << 20;

/// How rows become documents.
pub(crate) struct Rules {
    pub(crate) template: Template,
    /// Let a value with slashes make several segments.
    pub(crate) slashes: bool,
    /// Store what reads as a JSON number, true, false or null as that.
    pub(crate) types: bool,
    pub(crate) delimiter: Option<u8>,
}

/// A key with places for values: `farms/{farm}/{#}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Column(String),
    Number,
}

impl Template {
    /// Reads a template as a user writes it.
    pub(crate) fn parse(text: &str) -> Result<Template, String> {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let (brace, after) = rest[at..].split_at(1);
            if let Some(after) = after.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            let Some((name, after)) = after.split_once('}').filter(|(name, _)| brace == "{" && !name.is_empty()) else {
                return Err("write {NAME} for a column, {#} for the row's number, {{ and }} for braces".into());
            };
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(if name == "#" { Piece::Number } else { Piece::Column(name.to_owned()) });
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal));
        }
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            return Err("it gives every row the same key: name a column in it, as {NAME}, or the row, as {#}".into());
        }
        Ok(Template(pieces))
    }
}

/// The columns' names, as text and as a JSON document has them.
struct Columns {
    names: Vec<String>,
    quoted: Vec<String>,
}

impl Columns {
    fn new(header: &ByteRecord) -> Result<Columns, String> {
        let mut names: Vec<String> = Vec::new();
        for (at, name) in header.iter().enumerate() {
            let at = at + 1;
            let name = std::str::from_utf8(name).map_err(|_| format!("the name of column {at} is not valid UTF-8"))?;
            if name.is_empty() {
                return Err(format!("column {at} has no name"));
            }
            if names.iter().any(|known| known == name) {
                return Err(format!("two columns are named {name:?}"));
            }
            names.push(name.to_owned());
        }
        let quoted = names.iter().map(|name| json(name)).collect();
        Ok(Columns { names, quoted })
    }

    /// A row's key.
    fn key(&self, rules: &Rules, places: &[usize], row: &[&str], number: u64) -> Result<String, String> {
        let mut key = String::new();
        let mut places = places.iter();
        for piece in &rules.template.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Number => key.push_str(&number.to_string()),
                Piece::Column(name) => {
                    let value = places.next().and_then(|&place| row.get(place)).copied().unwrap_or_default();
                    if value.is_empty() {
                        return Err(format!("column {name:?} is empty, and the key is made of it"));
                    }
                    if value.contains('/') && !rules.slashes {
                        return Err(format!("column {name:?} holds {value:?}, whose slash would cut the key"));
                    }
                    key.push_str(value);
                }
            }
        }
        Ok(key)
    }

    /// A row's document.
    fn document(&self, rules: &Rules, row: &[&str]) -> String {
        let mut document = String::from("{");
        for (name, value) in self.quoted.iter().zip(row) {
            if document.len() > 1 {
                document.push(',');
            }
            document.push_str(name);
            document.push(':');
            if rules.types && is_typed(value) {
                document.push_str(value);
            } else {
                document.push_str(&json(value));
            }
        }
        document.push('}');
        document
    }
}

/// Takes all rows of a source.
pub(crate) fn import(
    importer: &mut Importer<'_>,
    rules: &Rules,
    name: &str,
    delimiter: u8,
    source: impl Read,
) -> Result<()> {
    let budget = Rc::new(Cell::new(MAX_ROW));
    let source = Bounded { source, budget: budget.clone() };
    let delimiter = rules.delimiter.unwrap_or(delimiter);
    let mut reader = ReaderBuilder::new().delimiter(delimiter).buffer_capacity(1 << 16).from_reader(source);
    let header = reader.byte_headers().map_err(|error| importer.wrong(&format!("{name}: {}", explain(error))))?;
    let columns = Columns::new(header).map_err(|reason| importer.wrong(&format!("{name}: {reason}")))?;
    let places = places(&rules.template, &columns.names).map_err(|column| {
        let known = columns.names.join(", ");
        Failure::usage(format!("{name}: there is no column {column:?}")).hint(format!("its columns are {known}"))
    })?;
    let mut record = ByteRecord::new();
    for number in 1_u64.. {
        budget.set(MAX_ROW);
        let read = reader.read_byte_record(&mut record);
        let line = record.position().map_or(0, csv::Position::line);
        let place = format_args!("{name}: row {number} (line {line})");
        match read {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => {
                return Err(importer.wrong(&format!("{name}: row {number}: {}", explain(error))));
            }
        }
        let row: Result<Vec<&str>, _> = record.iter().map(std::str::from_utf8).collect();
        let row = row.map_err(|_| importer.wrong(&format!("{place}: it is not valid UTF-8")))?;
        let text = columns
            .key(rules, &places, &row, number)
            .map_err(|reason| Failure::usage(format!("{place}: {reason}")).hint(hint_of(importer, &reason)))?;
        let key = importer.key(&text).map_err(|error| importer.wrong(&format!("{place}: {error}")))?;
        importer.put(key, columns.document(rules, &row).as_bytes())?;
    }
    Ok(())
}

fn hint_of(importer: &Importer<'_>, reason: &str) -> String {
    match reason.contains("slash") {
        true => "with --key-slashes it makes more than one segment".into(),
        false => importer.what_became(),
    }
}

/// Where the columns of a template are, in their order; the name of the first that is nowhere.
fn places<'t>(template: &'t Template, names: &[String]) -> Result<Vec<usize>, &'t str> {
    let columns = template.0.iter().filter_map(|piece| match piece {
        Piece::Column(name) => Some(name),
        _ => None,
    });
    columns.map(|column| names.iter().position(|name| name == column).ok_or(column.as_str())).collect()
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether a value reads as JSON, but for strings, lists and objects.
fn is_typed(value: &str) -> bool {
    let is_candidate = match value.as_bytes().first() {
        Some(b'-' | b'0'..=b'9') => true,
        _ => matches!(value, "true" | "false" | "null"),
    };
    is_candidate
        && value.trim_ascii_end().len() == value.len()
        && serde_json::from_str::<&serde_json::value::RawValue>(value).is_ok()
}

/// The reader's words, in those of the program.
fn explain(error: csv::Error) -> String {
    match error.into_kind() {
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} fields, and the header has {expected_len}")
        }
        ErrorKind::Io(error) => format!("it cannot be read: {error}"),
        ErrorKind::Utf8 { .. } => "it is not valid UTF-8".into(),
        _ => "it cannot be read as a table".into(),
    }
}

/// Refuses to read on when a row has become too long: one that is quoted may never end.
struct Bounded<R> {
    source: R,
    budget: Rc<Cell<u64>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        let left = self.budget.get().checked_sub(n as u64);
        self.budget.set(left.ok_or_else(|| io::Error::other("the row is longer than 256 MiB"))?);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates() {
        let column = |name: &str| Piece::Column(name.into());
        let text = |text: &str| Piece::Text(text.into());
        let parsed = |text: &str| Template::parse(text).map(|template| template.0);
        assert_eq!(parsed("a/{b}/{#}"), Ok(vec![text("a/"), column("b"), text("/"), Piece::Number]));
        assert_eq!(parsed("{{{x}}}"), Ok(vec![text("{"), column("x"), text("}")]));
        assert_eq!(parsed("{a b}{c}"), Ok(vec![column("a b"), column("c")]));
        for bad in ["{", "}", "{}", "a{b", "{a}}", "plain", "", "{{a}}"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_typed() {
        for yes in ["0", "-1", "1.50", "1e400", "12345678901234567890123", "true", "false", "null"] {
            assert!(is_typed(yes), "{yes}");
        }
        for no in ["", "007", "+1", ".5", "1.", "0x1", "True", " 1", "1 ", "1\n", "NaN", "-", "\"x\"", "[1]", "1 2"] {
            assert!(!is_typed(no), "{no}");
        }
    }
}
