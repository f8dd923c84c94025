//! Entries of trees: what they are, their order, and how they are written.
//!
//! ```text
//! +------+-------+------+-----+-------------+
//! | mode | space | name | NUL | 32 bytes id |
//! +------+-------+------+-----+-------------+
//! ```

use std::cmp::Ordering;

use super::{Id, Kind};

/// What an entry of a tree is, in git's octal modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// 40000: another tree.
    Tree,
    /// 100644: a file.
    Blob,
    /// 100755: a file that can be run.
    Executable,
    /// 120000: a symbolic link; the blob holds its target.
    Link,
    /// 160000: a commit of another repository, which need not be here.
    Gitlink,
}

impl Mode {
    /// The digits as a tree stores them: `40000`, `100644`, …
    pub fn octal(self) -> &'static str {
        match self {
            Mode::Tree => "40000",
            Mode::Blob => "100644",
            Mode::Executable => "100755",
            Mode::Link => "120000",
            Mode::Gitlink => "160000",
        }
    }

    /// Six digits, as git shows modes: `040000`, `100644`, …
    pub fn padded(self) -> &'static str {
        match self {
            Mode::Tree => "040000",
            other => other.octal(),
        }
    }

    /// The kind of the object that an entry of this mode points to.
    pub fn kind(self) -> Kind {
        match self {
            Mode::Tree => Kind::Tree,
            Mode::Blob | Mode::Executable | Mode::Link => Kind::Blob,
            Mode::Gitlink => Kind::Commit,
        }
    }

    pub(super) fn from_octal(digits: &[u8]) -> Option<Mode> {
        match digits {
            b"40000" => Some(Mode::Tree),
            b"100644" => Some(Mode::Blob),
            b"100755" => Some(Mode::Executable),
            b"120000" => Some(Mode::Link),
            b"160000" => Some(Mode::Gitlink),
            _ => None,
        }
    }
}

/// One entry of a tree, on its own. A value can hold a name that no tree may; [`Tree::parse`](super::Tree::parse)
/// tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// What the entry is.
    pub mode: Mode,
    /// Its name: bytes without `/` and NUL, which need not be UTF-8.
    pub name: Vec<u8>,
    /// The object it points to.
    pub id: Id,
}

impl Entry {
    /// The same entry, borrowed.
    pub fn borrowed(&self) -> EntryRef<'_> {
        EntryRef { mode: self.mode, name: &self.name, id: self.id }
    }
}

/// One entry of a tree, its name borrowed from the tree's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntryRef<'a> {
    /// What the entry is.
    pub mode: Mode,
    /// Its name: bytes without `/` and NUL, which need not be UTF-8.
    pub name: &'a [u8],
    /// The object it points to.
    pub id: Id,
}

impl EntryRef<'_> {
    /// Whether it is a tree: such entries are ordered as if their names ended in `/`.
    pub fn is_tree(&self) -> bool {
        self.mode == Mode::Tree
    }

    /// Writes the entry behind others, as a tree holds it. Its name is not checked.
    pub fn encode(&self, body: &mut Vec<u8>) {
        body.extend_from_slice(self.mode.octal().as_bytes());
        body.push(b' ');
        body.extend_from_slice(self.name);
        body.push(0);
        body.extend_from_slice(self.id.as_bytes());
    }

    /// The same entry with a name of its own.
    pub fn to_entry(self) -> Entry {
        Entry { mode: self.mode, name: self.name.to_vec(), id: self.id }
    }
}

impl From<EntryRef<'_>> for Entry {
    fn from(entry: EntryRef<'_>) -> Entry {
        entry.to_entry()
    }
}

/// git's order of two entries, each a name and whether it is a tree: by bytes, as if a tree's name ended in `/`.
///
/// A file and a tree of the same name are not equal here, though no tree holds both.
pub fn tree_order(a: (&[u8], bool), b: (&[u8], bool)) -> Ordering {
    let common = a.0.len().min(b.0.len());
    // A name holds no NUL, so 0 stands for its end. Where both have ended, both may be trees.
    let next = |(name, is_tree): (&[u8], bool)| name.get(common).copied().unwrap_or(if is_tree { b'/' } else { 0 });
    a.0[..common].cmp(&b.0[..common]).then_with(|| next(a).cmp(&next(b))).then_with(|| a.0.len().cmp(&b.0.len()))
}

/// Sorts the entries into git's order and encodes them.
///
/// Names are not checked: those that no tree may hold, or two of one name, make a body that
/// [`Tree::parse`](super::Tree::parse) refuses.
pub fn encode_tree(entries: &mut [Entry]) -> Vec<u8> {
    entries.sort_by(|a, b| tree_order((&a.name, a.mode == Mode::Tree), (&b.name, b.mode == Mode::Tree)));
    encode_sorted(entries.iter().map(Entry::borrowed))
}

/// Encodes entries that are in git's order already; neither order nor names are checked.
pub fn encode_sorted<'a>(entries: impl IntoIterator<Item = EntryRef<'a>>) -> Vec<u8> {
    let entries = entries.into_iter();
    // 40 bytes beside the name, which has some twenty.
    let mut body = Vec::with_capacity(entries.size_hint().0 * 64);
    for entry in entries {
        entry.encode(&mut body);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_spelled_as_git_does() {
        for mode in [Mode::Tree, Mode::Blob, Mode::Executable, Mode::Link, Mode::Gitlink] {
            assert_eq!(Mode::from_octal(mode.octal().as_bytes()), Some(mode));
            assert_eq!(mode.padded(), format!("{:0>6}", mode.octal()));
        }
        assert_eq!(Mode::from_octal(b"040000"), None);
        assert_eq!(Mode::from_octal(b"100664"), None);
    }

    #[test]
    fn a_tree_is_ordered_as_if_it_ended_in_a_slash() {
        let sorted: [(&[u8], bool); 8] = [
            (b"a", false),
            (b"a-b", true),
            (b"a.b", false),
            (b"a", true),
            (b"a0", false),
            (b"ab", false),
            (b"ab", true),
            (b"b", true),
        ];
        for (i, &a) in sorted.iter().enumerate() {
            for (j, &b) in sorted.iter().enumerate() {
                assert_eq!(tree_order(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
    }
}
