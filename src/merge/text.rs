//! Merging texts three ways, line by line.
//!
//! As `git merge-file` does it: where the lines that both sides changed overlap or touch, and do not come to the same,
//! the document stays in conflict. Lines are bytes up to a newline; what they say does not matter.

use std::collections::HashMap;

use crate::json::{self, Value};

use super::MAX_CONTENT;
use super::diff::{self, Hunk, Work};

/// The most lines that a version may have.
const MAX_LINES: usize = 1 << 20;

/// Merges two versions of a text.
///
/// # Errors
/// Where the conflict stays: why, for people. JSON is never merged line by line, for a result would often be none.
pub fn merge_text(base: Option<&[u8]>, left: &[u8], right: &[u8]) -> Result<Vec<u8>, String> {
    let Some(base) = base else { return Err("the versions have no text that both come from".to_owned()) };
    for content in [base, left, right] {
        if content.len() > MAX_CONTENT {
            return Err(format!("a version has more than {} MiB", MAX_CONTENT >> 20));
        }
        if content.contains(&0) {
            return Err("a version has a NUL byte, and so is no text".to_owned());
        }
    }
    if [left, right].into_iter().any(is_json) {
        return Err("a version is JSON, which is not merged line by line".to_owned());
    }
    let mut numbers = HashMap::new();
    let base = Text::new(base, &mut numbers)?;
    let left = Text::new(left, &mut numbers)?;
    let right = Text::new(right, &mut numbers)?;
    let count = numbers.len();
    let hunks = |side: &Text<'_>| {
        diff::hunks(&base.numbers, &side.numbers, count, &mut Work::new())
            .ok_or_else(|| "the versions differ in too many lines".to_owned())
    };
    let (by_left, by_right) = (hunks(&left)?, hunks(&right)?);
    combine(&base, Side::new(&left, &by_left), Side::new(&right, &by_right))
}

/// Whether a content is a JSON object or array, also one that cannot be read without a loss.
fn is_json(content: &[u8]) -> bool {
    match json::parse(content) {
        Ok(value) => matches!(value, Value::Object(_) | Value::Array(_)),
        Err(error) => error.is_loss(),
    }
}

/// A text's lines, with their ends.
struct Text<'t> {
    bytes: &'t [u8],
    /// Where each line starts, and where the last one ends.
    starts: Vec<usize>,
    /// For each line, which one it is: the same number is the same line.
    numbers: Vec<u32>,
}

impl<'t> Text<'t> {
    fn new(bytes: &'t [u8], known: &mut HashMap<&'t [u8], u32>) -> Result<Text<'t>, String> {
        let mut text = Text { bytes, starts: vec![0], numbers: Vec::new() };
        let mut at = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if text.numbers.len() == MAX_LINES {
                return Err(format!("a version has more than {MAX_LINES} lines"));
            }
            let next = u32::try_from(known.len()).expect("three texts have fewer lines");
            text.numbers.push(*known.entry(line).or_insert(next));
            at += line.len();
            text.starts.push(at);
        }
        Ok(text)
    }

    fn lines(&self, from: usize, to: usize) -> &'t [u8] {
        &self.bytes[self.starts[from]..self.starts[to]]
    }
}

/// One side of a merge on the way through it.
struct Side<'s> {
    text: &'s Text<'s>,
    /// What has not been taken yet.
    hunks: &'s [Hunk],
    /// How many lines those have added and removed that were taken.
    added: usize,
    removed: usize,
}

impl<'s> Side<'s> {
    fn new(text: &'s Text<'s>, hunks: &'s [Hunk]) -> Side<'s> {
        Side { text, hunks, added: 0, removed: 0 }
    }

    /// The next line of base that this side changed.
    fn next(&self) -> Option<usize> {
        self.hunks.first().map(|hunk| hunk.base.start)
    }

    /// Takes the next hunk if it starts at line `end` of base at the latest, and answers where it ends.
    fn take(&mut self, end: usize) -> Option<usize> {
        let (hunk, rest) = self.hunks.split_first().filter(|(hunk, _)| hunk.base.start <= end)?;
        self.hunks = rest;
        self.added += hunk.side.len();
        self.removed += hunk.base.len();
        Some(hunk.base.end)
    }

    /// Where a line of base is on this side, when all hunks before it have been taken.
    fn line(&self, base: usize) -> usize {
        base + self.added - self.removed
    }
}

/// Puts together what neither side changed, and what one of them did or both alike.
fn combine(base: &Text<'_>, mut left: Side<'_>, mut right: Side<'_>) -> Result<Vec<u8>, String> {
    let mut merged = Vec::with_capacity(left.text.bytes.len().max(right.text.bytes.len()));
    let mut at = 0;
    while let Some(start) = left.next().into_iter().chain(right.next()).min() {
        merged.extend(base.lines(at, start));
        let (left_start, right_start) = (left.line(start), right.line(start));
        let before = (left.hunks.len(), right.hunks.len());
        // All hunks that overlap or touch make one region.
        at = start;
        while let Some(end) = left.take(at).or_else(|| right.take(at)) {
            at = at.max(end);
        }
        let left_lines = left.text.lines(left_start, left.line(at));
        let right_lines = right.text.lines(right_start, right.line(at));
        let (by_left, by_right) = (left.hunks.len() < before.0, right.hunks.len() < before.1);
        if by_left && by_right && left_lines != right_lines {
            return Err(format!("both sides changed the text from line {} of what they come from on", start + 1));
        }
        merged.extend(if by_left { left_lines } else { right_lines });
    }
    merged.extend(base.lines(at, base.numbers.len()));
    Ok(merged)
}

#[cfg(test)]
mod tests;
