//! Keys: paths of segments, their names in trees, and their order.
//!
//! A [`Key`] is checked once, when it is made; whoever holds one needs no further check.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// The longest name of a segment in a tree, in bytes: file systems hold 255 when git checks a commit out.
const MAX_NAME: usize = 240;

/// A valid key, such as `people/alice`.
///
/// Keys are ordered by their segments' names in trees, each compared bytewise as if it ended in `/`: the order of
/// `ls -r`, of ranges and of diffs. A document comes before those below it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The names of the segments, each followed by `/`: comparing these strings is comparing keys.
    path: String,
}

/// Why a text is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The key has no segment.
    #[error("a key is empty")]
    Empty,
    /// The key starts or ends with `/` or has two in a row.
    #[error("key {0} has an empty segment (a slash at its start or end, or two in a row)")]
    EmptySegment(String),
    /// The key holds a NUL character.
    #[error("key {0} has a NUL character")]
    Nul(String),
    /// The key's bytes are not UTF-8.
    #[error("key {0} is not valid UTF-8")]
    NotUtf8(String),
    /// The key has more than 4,096 bytes.
    #[error("key {start} is too long: {len} bytes, and 4096 is the limit")]
    TooLong {
        /// How the key starts.
        start: String,
        /// Its length in bytes.
        len: usize,
    },
    /// The name of one segment has more than 240 bytes.
    #[error("key {start} has a segment that is too long: {len} bytes after escaping, and 240 is the limit")]
    SegmentTooLong {
        /// How the key starts.
        start: String,
        /// The name's length in bytes.
        len: usize,
    },
}

/// A key for a message: quoted, and cut where it is long.
fn shown(text: &str) -> String {
    let mut end = text.len().min(60);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    if end < text.len() { format!("{:?}…", &text[..end]) } else { format!("{text:?}") }
}

impl Key {
    /// The longest key, in bytes.
    pub(super) const MAX_LEN: usize = 4096;

    /// The key with these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Key, KeyError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.parse(),
            Err(_) => Err(KeyError::NotUtf8(shown(&String::from_utf8_lossy(bytes)))),
        }
    }

    /// The key whose segments have these names in trees, as they are met when walking down. `None` when a name is
    /// not one that [`Key`] would give, or the key is too long.
    pub(crate) fn from_path(path: &str) -> Option<Key> {
        let mut len = 0;
        for name in path.strip_suffix('/')?.split('/') {
            len += text_len(name)? + 1;
        }
        (len <= Key::MAX_LEN + 1).then(|| Key { path: path.to_owned() })
    }

    /// The key with this path, whose names and length have been checked.
    pub(super) fn from_checked(path: String) -> Key {
        Key { path }
    }

    /// The names of the segments in trees.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.path[..self.path.len() - 1].split('/')
    }

    /// The names, each followed by `/`.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// How many segments the key has.
    pub fn depth(&self) -> usize {
        self.names().count()
    }

    /// Whether this key is `prefix` or lies below it.
    pub fn is_below(&self, prefix: &Key) -> bool {
        self.path.starts_with(&prefix.path)
    }

    /// The key as text, the way it was given.
    pub fn text(&self) -> Cow<'_, str> {
        let path = &self.path[..self.path.len() - 1];
        if !path.contains('%') {
            return Cow::Borrowed(path);
        }
        let parts: Vec<_> = path.split('/').map(|name| unescape(name).expect("a key's names unescape")).collect();
        Cow::Owned(parts.join("/"))
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Key, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if text.len() > Key::MAX_LEN {
            return Err(KeyError::TooLong { start: shown(text), len: text.len() });
        }
        if text.contains('\0') {
            return Err(KeyError::Nul(shown(text)));
        }
        let mut path = String::with_capacity(text.len() + 8);
        for segment in text.split('/') {
            if segment.is_empty() {
                return Err(KeyError::EmptySegment(shown(text)));
            }
            let before = path.len();
            escape(segment, &mut path);
            let len = path.len() - before;
            if len > MAX_NAME {
                return Err(KeyError::SegmentTooLong { start: shown(text), len });
            }
            path.push('/');
        }
        Ok(Key { path })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

/// Characters that are invisible, or that some file systems leave out when they compare names.
fn is_ignorable(c: char) -> bool {
    matches!(c, '\u{200C}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{206A}'..='\u{206F}' | '\u{FEFF}')
}

/// The segment whose name is escaped though none of its characters is, and that name.
const ODD: (&str, &str) = ("blob", "%62lob");

/// How the names of the segments that start with `start` start, but for [`odd_name`].
pub(super) fn escape_start(start: &str) -> String {
    let mut name = String::new();
    escape_characters(start, &mut name);
    name
}

/// The name of the one segment that starts with `start` while its name does not.
pub(super) fn odd_name(start: &str) -> Option<&'static str> {
    ODD.0.starts_with(start).then_some(ODD.1)
}

/// Whether the character at this place of a segment is escaped in the segment's name.
fn is_escaped(at: usize, c: char) -> bool {
    matches!(c, '%' | '~' | '\\' | '\0'..='\x1F' | '\x7F') || (at == 0 && c == '.') || is_ignorable(c)
}

/// Whether a segment has none but the usual characters, of which none is escaped. Nearly every segment has; all bytes are
/// looked at, which is faster than to stop at the first that is not.
fn is_plain(segment: &str) -> bool {
    let is_usual = |b: u8| (0x20..0x7F).contains(&b) & (b != b'%') & (b != b'~') & (b != b'\\');
    !segment.starts_with('.') && segment.bytes().fold(true, |all, b| all & is_usual(b))
}

/// Writes a segment's name in a tree.
fn escape(segment: &str, out: &mut String) {
    if segment == ODD.0 {
        out.push_str(ODD.1);
    } else if is_plain(segment) {
        out.push_str(segment);
    } else {
        escape_characters(segment, out);
    }
}

fn escape_characters(segment: &str, out: &mut String) {
    for (at, c) in segment.char_indices() {
        if is_escaped(at, c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                out.push('%');
                out.push(char::from(b"0123456789ABCDEF"[usize::from(byte >> 4)]));
                out.push(char::from(b"0123456789ABCDEF"[usize::from(byte & 15)]));
            }
        } else {
            out.push(c);
        }
    }
}

/// The segment that has this name in a tree; `None` when no segment has.
fn unescape(name: &str) -> Option<Cow<'_, str>> {
    if is_plain(name) {
        return (!name.is_empty() && name != ODD.0).then_some(Cow::Borrowed(name));
    }
    if !name.contains('%') {
        let is_plain = !name.is_empty() && name != ODD.0 && !name.char_indices().any(|(at, c)| is_escaped(at, c));
        return is_plain.then_some(Cow::Borrowed(name));
    }
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        if *first == b'%' {
            let pair = after.get(..2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    let segment = String::from_utf8(bytes).ok()?;
    // Only the one spelling that escaping gives is a name: anything else would be a second way to store a key.
    let mut again = String::with_capacity(name.len());
    escape(&segment, &mut again);
    (again == name && !segment.contains('\0')).then_some(Cow::Owned(segment))
}

/// How many bytes the segment has that has this name in a tree; `None` when no segment has.
pub(super) fn text_len(name: &str) -> Option<usize> {
    if name.len() > MAX_NAME { None } else { unescape(name).map(|segment| segment.len()) }
}

/// Whether a tree's entry of this name leads to a child: whether it is some segment's name.
pub(crate) fn is_child_name(name: &[u8]) -> bool {
    std::str::from_utf8(name).is_ok_and(|name| text_len(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    #[test]
    fn limits() {
        assert_eq!("".parse::<Key>(), Err(KeyError::Empty));
        for bad in ["/", "/a", "a/", "a//b"] {
            assert!(matches!(bad.parse::<Key>(), Err(KeyError::EmptySegment(_))), "{bad}");
        }
        assert!(matches!("a\0".parse::<Key>(), Err(KeyError::Nul(_))));
        assert!(matches!(Key::from_bytes(b"a\xff"), Err(KeyError::NotUtf8(_))));
        assert!("x".repeat(240).parse::<Key>().is_ok());
        assert!(matches!("x".repeat(241).parse::<Key>(), Err(KeyError::SegmentTooLong { len: 241, .. })));
        assert!(matches!("%".repeat(81).parse::<Key>(), Err(KeyError::SegmentTooLong { len: 243, .. })));
        let long = format!("{}aaa", "a/".repeat(2047));
        assert!(long[..4096].parse::<Key>().is_ok());
        assert!(matches!(long.parse::<Key>(), Err(KeyError::TooLong { len: 4097, .. })));
        let longest = key(&long[..4096]);
        assert_eq!(Key::from_path(longest.path()), Some(longest.clone()));
        assert_eq!(Key::from_path(&format!("a{}", longest.path())), None);
        assert!(Key::from_path(&format!("{}/", "x".repeat(240))).is_some());
        assert_eq!(Key::from_path(&format!("{}/", "x".repeat(241))), None);
    }

    #[test]
    fn only_one_spelling_is_a_name() {
        for good in ["a", "%25", "%2Egit", "%62lob", "blobs"] {
            assert!(is_child_name(good.as_bytes()), "{good}");
        }
        for bad in ["", "blob", ".git", "%", "%2", "%2e", "%41", "a%2Fb", "~", "%FF", "a.b%2E", "x\u{7f}"] {
            assert!(!is_child_name(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn order_is_that_of_trees() {
        let mut keys = [key("a/b"), key("a"), key("a.b"), key("a-b"), key("ab"), key("a b/c")];
        keys.sort();
        let texts: Vec<_> = keys.iter().map(|k| k.text().into_owned()).collect();
        assert_eq!(texts, ["a b/c", "a-b", "a.b", "a", "a/b", "ab"]);
    }

    proptest! {
        #[test]
        fn text_comes_back(text in "[a-z%~.\\\\\u{200c}\u{7f}\n/ é]{1,20}") {
            prop_assert!(!is_plain(&text) || !text.char_indices().any(|(at, c)| is_escaped(at, c)));
            if let Ok(key) = text.parse::<Key>() {
                prop_assert_eq!(key.text(), text.as_str());
                prop_assert_eq!(Key::from_path(key.path()), Some(key.clone()));
                prop_assert!(key.names().all(|name| is_child_name(name.as_bytes())));
            }
        }
    }
}
