//! NDJSON: a change a line.

use std::io::BufRead;

use anyhow::Result;
use isodb::{Error, NdjsonReader};

use super::importer::Importer;

/// Takes all changes of a source.
pub(crate) fn import(importer: &mut Importer<'_>, name: &str, source: impl BufRead) -> Result<()> {
    let mut lines = NdjsonReader::new(source);
    loop {
        let line = match lines.next_change() {
            Ok(Some(line)) => line,
            Ok(None) => return Ok(()),
            Err(error @ Error::Line { .. }) => return Err(importer.wrong(&format!("{name}: {error}"))),
            Err(error) => return Err(error.into()),
        };
        let number = line.number;
        let key = importer
            .below_prefix(line.key)
            .map_err(|error| importer.wrong(&format!("{name}: line {number}: {error}")))?;
        if let Some(condition) = line.condition {
            importer.require(key.clone(), condition);
        }
        match line.content {
            Some(content) => importer.put(key, &content)?,
            None => importer.remove(key)?,
        }
    }
}
