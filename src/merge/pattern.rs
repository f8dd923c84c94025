//! Patterns of keys: which documents a rule is for.
//!
//! A pattern is matched segment by segment, on the segments as they are given, never on their names in trees. The time
//! that it takes grows with the pattern times the key, whatever either holds.

use std::fmt;
use std::str::FromStr;

use crate::tree::Key;

/// The longest pattern, in bytes: as long as the longest key.
const MAX_LEN: usize = 4096;

/// A pattern of keys, such as `stock/*/count` or `notes/**`.
///
/// `*` stands for any run of characters within a segment, also for none, also as a part of the segment (`*.md`); the
/// segment `**` stands for any number of segments, also for none. Everything else stands for itself; there is no
/// escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is empty.
    #[error("a pattern is empty")]
    Empty,
    /// It starts or ends with `/` or has two in a row, so it matches no key.
    #[error("pattern {0:?} has an empty segment (a slash at its start or end, or two in a row)")]
    EmptySegment(String),
    /// `**` is a part of a segment.
    #[error("pattern {0:?} has ** beside other characters: it stands for whole segments, as in a/**/b")]
    PartOfSegment(String),
    /// It has more than 4,096 bytes.
    #[error("a pattern is too long: {0} bytes, and 4096 is the limit")]
    TooLong(usize),
}

impl Pattern {
    /// Whether the pattern matches a key.
    pub fn matches(&self, key: &Key) -> bool {
        let key = key.text();
        let (mut pattern, mut rest) = (Segments::of(&self.text), Segments::of(&key));
        // Where to go on when what follows the last `**` does not match: it takes in one segment more. An earlier one
        // never needs to be tried again, for the last can take in all that an earlier one could.
        let mut retry: Option<(Segments<'_>, Segments<'_>)> = None;
        while rest.0.is_some() {
            let at = rest;
            match (pattern.next(), rest.next()) {
                (Some("**"), _) => {
                    rest = at;
                    retry = Some((pattern, at));
                }
                (Some(wanted), Some(segment)) if segment_matches(wanted, segment) => {}
                _ => {
                    let Some((after, from)) = &mut retry else { return false };
                    from.next();
                    (pattern, rest) = (*after, *from);
                }
            }
        }
        pattern.all(|segment| segment == "**")
    }

    /// The key that every key which matches is at or below, as far as the pattern's first segments tell it.
    pub fn prefix(&self) -> Option<Key> {
        let end = self.text.split_inclusive('/').take_while(|segment| !segment.contains('*')).map(str::len).sum();
        // What is too long to be a key is a prefix of none, and nothing matches.
        self.text[..end].trim_end_matches('/').parse().ok()
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Pattern, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > MAX_LEN {
            return Err(PatternError::TooLong(text.len()));
        }
        if text.split('/').any(str::is_empty) {
            return Err(PatternError::EmptySegment(text.to_owned()));
        }
        if text.split('/').any(|segment| segment != "**" && segment.contains("**")) {
            return Err(PatternError::PartOfSegment(text.to_owned()));
        }
        Ok(Pattern { text: text.to_owned() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The segments of a text that are left, cheap to copy.
#[derive(Clone, Copy, PartialEq)]
struct Segments<'t>(Option<&'t str>);

impl<'t> Segments<'t> {
    fn of(text: &'t str) -> Segments<'t> {
        Segments(Some(text))
    }
}

impl<'t> Iterator for Segments<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let rest = self.0?;
        match rest.split_once('/') {
            Some((segment, rest)) => {
                self.0 = Some(rest);
                Some(segment)
            }
            None => {
                self.0 = None;
                Some(rest)
            }
        }
    }
}

/// Whether a segment of a pattern matches a segment.
fn segment_matches(wanted: &str, segment: &str) -> bool {
    let Some((start, rest)) = wanted.split_once('*') else { return wanted == segment };
    let Some(mut left) = segment.strip_prefix(start) else { return false };
    // Each part between stars is taken where it comes first: that leaves the most to those behind it.
    let Some((middle, end)) = rest.rsplit_once('*') else { return left.ends_with(rest) };
    for part in middle.split('*') {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, key: &str) -> bool {
        pattern.parse::<Pattern>().unwrap().matches(&key.parse().unwrap())
    }

    #[test]
    fn stars_stand_for_characters_and_segments() {
        for (pattern, yes, no) in [
            ("a", &["a"][..], &["b", "a/b", "aa", "A"][..]),
            ("a/*", &["a/b", "a/.", "a/*"], &["a", "a/b/c", "b/a"]),
            ("*", &["a", "é", "%~\\"], &["a/b"]),
            ("*.md", &["x.md", ".md"], &["x.mdx", "md", "a/x.md"]),
            ("a*b", &["ab", "axb", "abb", "a*b"], &["aba", "a", "b", "ba"]),
            ("a*bc*d", &["abcd", "axbcxd", "abcbcd"], &["abd", "acbd", "abcdx"]),
            ("aa*aa", &["aaaa", "aaxaa"], &["aaa", "aa"]),
            ("**", &["a", "a/b/c"], &[]),
            ("a/**", &["a", "a/b", "a/b/c"], &["b", "ab", "b/a"]),
            ("**/a", &["a", "b/a", "b/c/a", "a/a"], &["a/b", "ba"]),
            ("a/**/b", &["a/b", "a/x/b", "a/b/x/b"], &["a", "b", "a/x", "a/b/x"]),
            ("**/a/**/b/*", &["a/b/c", "x/a/y/b/z", "a/a/b/b/c"], &["a/b", "b/a/c", "a/b/c/d"]),
            ("a/**/**/b", &["a/b", "a/x/y/b"], &["a/x"]),
            ("stock/*/count", &["stock/hay/count"], &["stock/count", "stock/a/b/count"]),
        ] {
            for key in yes {
                assert!(matches(pattern, key), "{pattern} {key}");
            }
            for key in no {
                assert!(!matches(pattern, key), "{pattern} {key}");
            }
        }
    }

    #[test]
    fn a_prefix_is_what_comes_before_stars() {
        for (pattern, prefix) in [("a/b/*", "a/b"), ("a/b*/c", "a"), ("a/b", "a/b"), ("a/**/b", "a"), ("é", "é")] {
            let pattern: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern.prefix(), Some(prefix.parse().unwrap()), "{pattern}");
        }
        for pattern in ["*", "**", "a*/b"] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().prefix(), None, "{pattern}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        use PatternError::*;
        let error = |text: &str| text.parse::<Pattern>().unwrap_err();
        assert_eq!(error(""), Empty);
        for text in ["/", "/a", "a/", "a//b"] {
            assert_eq!(error(text), EmptySegment(text.to_owned()));
        }
        for text in ["a**", "***", "a/**b/c"] {
            assert_eq!(error(text), PartOfSegment(text.to_owned()));
        }
        assert_eq!(error(&"a".repeat(4097)), TooLong(4097));
    }

    #[test]
    fn hostile_patterns_end() {
        let stars = "a*".repeat(100) + "b";
        assert!(!matches(&stars, &"a".repeat(240)));
        let deep = "**/a/".repeat(800) + "b";
        assert!(!matches(&deep, &("a/".repeat(2000) + "a")));
    }

    /// What a segment's pattern means, said by trying everything.
    fn model_segment(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|at| model_segment(rest, &text[at..])),
            Some((c, rest)) => text.first() == Some(c) && model_segment(rest, &text[1..]),
        }
    }

    fn model(pattern: &[&str], key: &[&str]) -> bool {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        match pattern.split_first() {
            None => key.is_empty(),
            Some((&"**", rest)) => (0..=key.len()).any(|at| model(rest, &key[at..])),
            Some((first, rest)) => {
                !key.is_empty() && model_segment(&chars(first), &chars(key[0])) && model(rest, &key[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_everything(
            pattern in proptest::collection::vec(r"\*\*|[ab*]{1,4}", 1..5),
            key in proptest::collection::vec("[ab]{1,4}", 1..5),
        ) {
            let pattern: Vec<String> = pattern.into_iter().map(|s| if s == "**" { s } else { s.replace("**", "*a") }).collect();
            let pattern: Vec<&str> = pattern.iter().map(String::as_str).filter(|s| *s == "**" || !s.contains("**")).collect();
            prop_assume!(!pattern.is_empty());
            let key: Vec<&str> = key.iter().map(String::as_str).collect();
            prop_assert_eq!(matches(&pattern.join("/"), &key.join("/")), model(&pattern, &key));
        }
    }
}
