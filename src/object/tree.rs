//! Trees: entries one after the other, in git's order.
//!
//! A parsed tree keeps the stored bytes and an index into them, so reading one costs no allocation for each entry.
//! The parser refuses what `git fsck --strict` refuses of a tree's own bytes; it does not look at what the entries
//! point to, nor does it know git's own files in a checkout, such as `.gitmodules`.

use std::cmp::Ordering;

use memchr::memchr;

use super::dotgit::is_dotgit;
use super::entry::{EntryRef, Mode, tree_order};
use super::{Error, Id, Kind};

/// Where an entry's name lies in the body; its id follows after a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    mode: Mode,
    start: u32,
    end: u32,
}

impl Span {
    fn name(self, body: &[u8]) -> &[u8] {
        &body[self.start as usize..self.end as usize]
    }

    fn entry(self, body: &[u8]) -> EntryRef<'_> {
        let id = body[self.end as usize + 1..].first_chunk().expect("the parser has seen 32 bytes here");
        EntryRef { mode: self.mode, name: self.name(body), id: Id::from_bytes(*id) }
    }
}

/// A well-formed tree: its stored bytes, and where the entries lie in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    body: Vec<u8>,
    spans: Vec<Span>,
}

impl Tree {
    /// The tree without entries, [`TreeId::EMPTY`](super::TreeId::EMPTY).
    pub fn empty() -> Tree {
        Tree { body: Vec::new(), spans: Vec::new() }
    }

    /// Reads a tree's body of less than 4 GiB.
    ///
    /// Strict, as `git fsck --strict`: modes spelled as git writes them; names that are neither empty nor `.`, `..` or
    /// a form of `.git`, and hold no `/`; git's order; no name twice; no zero id. Else [`Error::Malformed`].
    pub fn parse(body: Vec<u8>) -> Result<Tree, Error> {
        let spans = scan(&body)?;
        Ok(Tree { body, spans })
    }

    /// The stored bytes.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The stored bytes, by value.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The entries, in git's order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = EntryRef<'_>> + ExactSizeIterator + Clone {
        self.spans.iter().map(|span| span.entry(&self.body))
    }

    /// The entry at this place in git's order, from 0.
    pub fn entry(&self, index: usize) -> Option<EntryRef<'_>> {
        self.spans.get(index).map(|span| span.entry(&self.body))
    }

    /// The entry of this name that is a tree, or the one that is none; found by binary search.
    pub fn find(&self, name: &[u8], is_tree: bool) -> Option<EntryRef<'_>> {
        self.position(name, is_tree).ok().and_then(|index| self.entry(index))
    }

    /// Where the entry of this name is, or (as `Err`) where it would stand.
    pub fn position(&self, name: &[u8], is_tree: bool) -> Result<usize, usize> {
        self.spans
            .binary_search_by(|span| tree_order((span.name(&self.body), span.mode == Mode::Tree), (name, is_tree)))
    }
}

/// Whether the body is a well-formed tree.
pub(super) fn check(body: &[u8]) -> Result<(), Error> {
    scan(body).map(drop)
}

fn wrong(reason: impl Into<String>) -> Error {
    Error::Malformed { kind: Kind::Tree, reason: reason.into() }
}

fn scan(body: &[u8]) -> Result<Vec<Span>, Error> {
    if u32::try_from(body.len()).is_err() {
        return Err(wrong("it has 4 GiB or more"));
    }
    // Most entries are a mode, a name of some twenty bytes and an id: one allocation does for nearly every tree.
    let mut spans: Vec<Span> = Vec::with_capacity(body.len() / 56 + 1);
    let mut files = Files::default();
    let mut at = 0;
    while at < body.len() {
        let span = next_span(body, at)?;
        if let Some(&last) = spans.last() {
            let (a, b) = (last.name(body), span.name(body));
            match tree_order((a, last.mode == Mode::Tree), (b, span.mode == Mode::Tree)) {
                Ordering::Less => {}
                Ordering::Equal => return Err(twice(b)),
                Ordering::Greater => return Err(wrong("entries are out of order")),
            }
        }
        at = span.end as usize + 1 + 32;
        // Nothing follows the last entry: a document's tree, the most frequent of all, needs no list of files.
        if at < body.len() || span.mode == Mode::Tree {
            files.see(body, span)?;
        }
        spans.push(span);
    }
    Ok(spans)
}

/// Reads the entry that starts at `at` and checks what can be seen of it alone.
fn next_span(body: &[u8], at: usize) -> Result<Span, Error> {
    let rest = &body[at..];
    let (mode, start) = read_mode(rest)?;
    let length = memchr(0, &rest[start..]).ok_or_else(|| wrong("a name has no end"))?;
    let name = &rest[start..start + length];
    check_name(name)?;
    let id: &[u8; 32] = rest[start + length + 1..].first_chunk().ok_or_else(|| wrong("an id is cut off"))?;
    if *id == [0; 32] {
        return Err(wrong(format!("the id of {} is zero", quoted(name))));
    }
    let offset = |place: usize| u32::try_from(at + place).map_err(|_| wrong("it has 4 GiB or more"));
    Ok(Span { mode, start: offset(start)?, end: offset(start + length)? })
}

/// The mode at the start of an entry, and where its name begins.
fn read_mode(entry: &[u8]) -> Result<(Mode, usize), Error> {
    // The two modes that isodb's own trees are made of.
    if entry.starts_with(b"40000 ") {
        return Ok((Mode::Tree, 6));
    } else if entry.starts_with(b"100644 ") {
        return Ok((Mode::Blob, 7));
    }
    let end = entry.iter().take(8).position(|&byte| byte == b' ').ok_or_else(|| wrong("an entry has no mode"))?;
    let unknown = || wrong(format!("unknown mode {:?}", String::from_utf8_lossy(&entry[..end])));
    Ok((Mode::from_octal(&entry[..end]).ok_or_else(unknown)?, end + 1))
}

fn check_name(name: &[u8]) -> Result<(), Error> {
    let (mut slash, mut odd) = (false, matches!(name.first(), None | Some(b'.' | b'g' | b'G')));
    for &byte in name {
        slash |= byte == b'/';
        odd |= byte == b'\\' || !byte.is_ascii();
    }
    // Nearly every name leaves here: no name is refused that is none of these.
    if !slash && !odd {
        Ok(())
    } else if name.is_empty() {
        Err(wrong("a name is empty"))
    } else if slash {
        Err(wrong(format!("the name {} has a slash", quoted(name))))
    } else if name == b"." || name == b".." || is_dotgit(name) {
        Err(wrong(format!("the name {} is not allowed", quoted(name))))
    } else {
        Ok(())
    }
}

fn twice(name: &[u8]) -> Error {
    wrong(format!("the name {} stands there twice", quoted(name)))
}

/// A name for a message: escaped, and not longer than a message bears.
fn quoted(name: &[u8]) -> String {
    format!("{:?}", super::error::excerpt(&String::from_utf8_lossy(&name[..name.len().min(300)])))
}

/// The files that a tree of the same name could still follow.
///
/// All that git's order puts between the file `a` and the tree `a` starts with `a`. So it is enough to keep those
/// files whose names start the latest one, each longer than the one before.
#[derive(Default)]
struct Files(Vec<Span>);

impl Files {
    fn see(&mut self, body: &[u8], span: Span) -> Result<(), Error> {
        let name = span.name(body);
        while self.0.pop_if(|file| !name.starts_with(file.name(body))).is_some() {}
        if span.mode != Mode::Tree {
            self.0.push(span);
            return Ok(());
        }
        match self.0.last() {
            Some(file) if file.name(body) == name => Err(twice(name)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Entry, TreeId, encode_sorted, encode_tree, hash};
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    fn body(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let one = |(mode, name): &(&str, &[u8])| [mode.as_bytes(), b" ", name, b"\0", &[7; 32]].concat();
        entries.iter().flat_map(one).collect()
    }

    fn reason(body: Vec<u8>) -> String {
        match Tree::parse(body) {
            Err(Error::Malformed { kind: Kind::Tree, reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn entries_are_found() {
        let bytes = body(&[("100644", b"a"), ("40000", b"a-b"), ("120000", b"a.b"), ("40000", b"b"), ("100755", b"c")]);
        let tree = Tree::parse(bytes.clone()).unwrap();
        assert_eq!((tree.len(), tree.is_empty(), tree.body()), (5, false, bytes.as_slice()));
        let id = Id::from_bytes([7; 32]);
        assert_eq!(tree.find(b"a.b", false), Some(EntryRef { mode: Mode::Link, name: b"a.b", id }));
        for (index, entry) in tree.iter().enumerate() {
            assert_eq!(tree.find(entry.name, entry.is_tree()), Some(entry));
            assert_eq!(tree.find(entry.name, !entry.is_tree()), None);
            assert_eq!(tree.entry(index), Some(entry));
        }
        assert_eq!((tree.find(b"", false), tree.find(b"a/", true), tree.find(b"d", false)), (None, None, None));
        assert_eq!((tree.position(b"bb", true), tree.entry(5)), (Err(4), None));
        let empty = Tree::parse(Vec::new()).unwrap();
        assert_eq!(empty, Tree::empty());
        assert_eq!(hash(Kind::Tree, empty.body()), TreeId::EMPTY.0);
    }

    #[test]
    fn malformed_trees_are_refused() {
        let two = |a, b| reason(body(&[a, b]));
        assert_eq!(two(("100644", b"b"), ("100644", b"a")), "entries are out of order");
        assert_eq!(two(("40000", b"a"), ("100644", b"a-")), "entries are out of order");
        assert_eq!(two(("40000", b"a"), ("100644", b"a")), "entries are out of order");
        let twice = "the name \"a\" stands there twice";
        assert_eq!(two(("100644", b"a"), ("100644", b"a")), twice);
        assert_eq!(two(("40000", b"a"), ("40000", b"a")), twice);
        assert_eq!(two(("100644", b"a"), ("40000", b"a")), twice);
        assert_eq!(reason(body(&[("100644", b"a"), ("100644", b"a-"), ("40000", b"a-b"), ("40000", b"a")])), twice);
        for name in [b"".as_slice(), b".", b"..", b".git", b".GIT", b"a/b", b"/", b"git~1"] {
            assert!(reason(body(&[("100644", name)])).contains("name"), "{name:?}");
        }
        for mode in ["040000", "100664", "0", "", "40001", "644", "1006440", "100644000"] {
            assert!(reason(body(&[(mode, b"a")])).contains("mode"), "{mode}");
        }
        let whole = body(&[("100644", b"a")]);
        for end in 1..whole.len() {
            reason(whole[..end].to_vec());
        }
        assert_eq!(reason([b"100644 a\0".as_slice(), &[0; 32]].concat()), "the id of \"a\" is zero");
        assert!(reason(body(&[("100644", &[b"/".as_slice(), &[0xff; 70_000]].concat())])).len() < 1000);
    }

    fn mode() -> impl Strategy<Value = Mode> {
        prop::sample::select(vec![Mode::Tree, Mode::Tree, Mode::Blob, Mode::Executable, Mode::Link, Mode::Gitlink])
    }

    prop_compose! {
        // A small alphabet around '/' gives many names of which one starts another.
        fn entries()(names in btree_map("[a!0-]{1,4}", (mode(), 1u8..), 0..30)) -> Vec<Entry> {
            let id = |byte| Id::from_bytes([byte; 32]);
            let entry = |(name, (mode, byte))| Entry { mode, name: String::into_bytes(name), id: id(byte) };
            names.into_iter().map(entry).collect()
        }
    }

    proptest! {
        #[test]
        fn encoded_trees_are_read_back(mut entries in entries()) {
            let tree = Tree::parse(encode_tree(&mut entries)).unwrap();
            prop_assert_eq!(tree.iter().map(Entry::from).collect::<Vec<_>>(), entries);
            for entry in tree.iter() {
                prop_assert_eq!(tree.find(entry.name, entry.is_tree()), Some(entry));
            }
        }

        #[test]
        fn a_name_twice_is_always_seen(entries in entries(), at: prop::sample::Index, mode in mode()) {
            prop_assume!(!entries.is_empty());
            let mut entries = entries;
            let again = Entry { mode, ..entries[at.index(entries.len())].clone() };
            entries.push(again);
            prop_assert!(Tree::parse(encode_tree(&mut entries)).is_err());
        }

        #[test]
        fn accepted_bytes_are_written_back(
            mut entries in entries(),
            at: prop::sample::Index,
            bytes in vec(any::<u8>(), 0..3),
        ) {
            let mut body = encode_tree(&mut entries);
            let from = at.index(body.len() + 1);
            body.splice(from..(from + 1).min(body.len()), bytes);
            if let Ok(tree) = Tree::parse(body.clone()) {
                prop_assert_eq!(encode_sorted(tree.iter()), body);
            }
        }
    }
}
