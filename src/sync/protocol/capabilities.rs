//! What a side says that it can do: words, some with a value behind `=`.

use super::{MAX_CAPABILITIES, within};
use crate::sync::error::Result;

/// A list of capabilities, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities(Vec<(String, String)>);

impl Capabilities {
    /// The words of one line.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn of_line(line: &str) -> Result<Capabilities> {
        let mut list = Capabilities::default();
        line.split(' ').filter(|word| !word.is_empty()).try_for_each(|word| list.add(word))?;
        Ok(list)
    }

    /// Adds one.
    ///
    /// # Errors
    /// When there are too many.
    pub(crate) fn add(&mut self, word: &str) -> Result<()> {
        within(self.0.len() + 1, MAX_CAPABILITIES, "the number of capabilities")?;
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        self.0.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// The value of one: empty where it has none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether one is there.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether one is there and its value, a list of words, has this one.
    pub(crate) fn has_word(&self, name: &str, word: &str) -> bool {
        self.get(name).is_some_and(|value| value.split(' ').any(|found| found == word))
    }
}
