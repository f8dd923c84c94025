//! Names of nodes: texts that can be a file's name on any stick, a part of a ref's name, and a word on the command line.

use std::fmt;
use std::str::FromStr;

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// What Windows takes for a device, whatever stands behind a dot.
const DEVICES: [&str; 6] = ["aux", "con", "nul", "prn", "com", "lpt"];

/// A node's name: lower-case letters, digits, and `-`, `_` or `.` between them, at most 64.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(String);

/// A text that is no name of a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be a node's name: that is at most 64 lower-case letters, digits, and - _ . between them")]
pub struct NodeNameError(String);

impl NodeName {
    /// The name that is most like a text: with what no name has left out.
    pub fn like(text: &str) -> Option<NodeName> {
        let text = text.to_lowercase();
        let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let text: String = text.chars().map(kept).take(LONGEST).collect();
        let text = text.trim_matches(['-', '_', '.']).replace("..", ".");
        text.parse().ok()
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeName {
    type Err = NodeNameError;

    fn from_str(text: &str) -> Result<NodeName, NodeNameError> {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let bytes = text.as_bytes();
        let stem = text.split('.').next().unwrap_or_default();
        let is_device = DEVICES.contains(&stem.trim_end_matches(|c: char| c.is_ascii_digit())) && stem.len() <= 4;
        let is_name = bytes.len() <= LONGEST
            && bytes.first().copied().is_some_and(is_letter)
            && bytes.last().copied().is_some_and(is_letter)
            && bytes.iter().all(|byte| is_letter(*byte) || b"-_.".contains(byte))
            && !text.contains("..")
            && !text.ends_with(".lock")
            && !is_device;
        if is_name { Ok(NodeName(text.to_owned())) } else { Err(NodeNameError(text.chars().take(300).collect())) }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_name() {
        for good in ["a", "barn", "tablet-2", "x_y.z", "7", "console", "com-1", "lock", &"a".repeat(64)] {
            assert_eq!(good.parse::<NodeName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "Barn",
            "a b",
            "-a",
            "a-",
            ".a",
            "a.",
            "a..b",
            "a/b",
            "a:b",
            "é",
            "con",
            "nul.x",
            "com1",
            "lpt9.a",
            "a.lock",
            &"a".repeat(65),
        ] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_like_a_text() {
        let like = |text: &str| NodeName::like(text).map(|name| name.to_string());
        assert_eq!(like("Ann's Tablet"), Some("ann-s-tablet".to_owned()));
        assert_eq!(like("..BARN.."), Some("barn".to_owned()));
        assert_eq!(like("///"), None);
        assert_eq!(like("CON"), None);
        assert_eq!(like(&"x".repeat(100)), Some("x".repeat(64)));
    }
}
