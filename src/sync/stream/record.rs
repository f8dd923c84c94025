//! Records: what a stream consists of, as bytes. A record stands in one block, and a block has whole records.
//!
//! Nothing here looks at a database: a record that is well formed may still be wrong.

use super::wire::{Cursor, put_bytes, put_number, wrong};
use crate::object::Id;
use crate::sync::error::Result;

/// The most parents that a commit has.
pub(super) const MAX_PARENTS: usize = 1 << 10;
/// The most versions that a conflict has.
pub(super) const MAX_VERSIONS: usize = 1 << 10;
/// So many bytes of a commit's id tell whether it came out.
const CHECK: usize = 8;

/// The bytes of a commit's id that go with it.
pub(super) fn check(id: &Id) -> [u8; CHECK] {
    *id.as_bytes().first_chunk().expect("an id has more bytes")
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record<'b> {
    /// A commit that somebody made. What follows, up to the next commit, tag or end, is what it changes.
    Commit {
        parents: Vec<Parent>,
        /// The place among the parents of the one that the changes are to; `None` for no documents.
        base: Option<usize>,
        /// The commit's bytes behind its parents.
        rest: &'b [u8],
        check: [u8; CHECK],
    },
    /// The merge commit of these parents.
    Merge { parents: Vec<Parent>, check: [u8; CHECK] },
    /// An annotated tag's bytes.
    Tag(&'b [u8]),
    /// What becomes of a key.
    Change { key: KeyPart<'b>, to: To<'b> },
    /// A content that a conflict is going to name.
    Content(Content<'b>),
    /// The next bytes of a content that comes in pieces.
    Piece(&'b [u8]),
    /// All has been sent.
    End,
    /// There is something that a stream cannot carry: it has to be fetched in git's way.
    Stop,
}

/// A commit that was sent before or that both have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parent {
    /// So many commits back in this stream, counting from 1.
    Back(u64),
    /// One that is not in this stream.
    Known(Id),
}

/// A key's path: so many bytes as the one before it has, and these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeyPart<'b> {
    pub(super) shared: usize,
    pub(super) rest: &'b [u8],
}

/// What is at a key from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum To<'b> {
    Nothing,
    Content(Content<'b>),
    /// One of the contents that were sent before or are there.
    Same(Same),
    Conflict {
        versions: Vec<Same>,
        base: Option<Same>,
        is_deleted: bool,
    },
}

/// A content that is sent. It gets the next number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content<'b> {
    /// All its bytes.
    Whole(&'b [u8]),
    /// A delta to what the base has at the same key.
    Delta(&'b [u8]),
    /// So many bytes, which follow in pieces.
    Long(u64),
}

/// A content that is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Same {
    /// The one with this number in this stream.
    Number(u64),
    /// One that is not in this stream.
    Known(Id),
}

const COMMIT: u8 = 1;
const MERGE: u8 = 2;
const TAG: u8 = 3;
const END: u8 = 4;
const PIECE: u8 = 5;
const WHOLE: u8 = 6;
const LONG: u8 = 7;
const STOP: u8 = 8;
/// A change: this and one of those below.
const CHANGE: u8 = 0x10;
const TO_NOTHING: u8 = 0;
const TO_WHOLE: u8 = 1;
const TO_DELTA: u8 = 2;
const TO_LONG: u8 = 3;
const TO_SAME: u8 = 4;
const TO_CONFLICT: u8 = 5;

impl<'b> Record<'b> {
    /// Appends the record.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Record::Commit { parents, base, rest, check } => {
                out.push(COMMIT);
                put_parents(out, parents);
                if !parents.is_empty() {
                    put_number(out, base.map_or(0, |place| place as u64 + 1));
                }
                out.extend_from_slice(check);
                put_bytes(out, rest);
            }
            Record::Merge { parents, check } => {
                out.push(MERGE);
                put_parents(out, parents);
                out.extend_from_slice(check);
            }
            Record::Tag(body) => {
                out.push(TAG);
                put_bytes(out, body);
            }
            Record::End => out.push(END),
            Record::Stop => out.push(STOP),
            Record::Piece(bytes) => {
                out.push(PIECE);
                put_bytes(out, bytes);
            }
            Record::Content(content) => match content {
                Content::Whole(bytes) => {
                    out.push(WHOLE);
                    put_bytes(out, bytes);
                }
                Content::Long(size) => {
                    out.push(LONG);
                    put_number(out, *size);
                }
                Content::Delta(_) => unreachable!("a content without a key has nothing that it could be a delta to"),
            },
            Record::Change { key, to } => {
                let word = match to {
                    To::Nothing => TO_NOTHING,
                    To::Content(Content::Whole(_)) => TO_WHOLE,
                    To::Content(Content::Delta(_)) => TO_DELTA,
                    To::Content(Content::Long(_)) => TO_LONG,
                    To::Same(_) => TO_SAME,
                    To::Conflict { .. } => TO_CONFLICT,
                };
                out.push(CHANGE | word);
                put_number(out, key.shared as u64);
                put_bytes(out, key.rest);
                match to {
                    To::Nothing => {}
                    To::Content(Content::Whole(bytes) | Content::Delta(bytes)) => put_bytes(out, bytes),
                    To::Content(Content::Long(size)) => put_number(out, *size),
                    To::Same(same) => put_same(out, same),
                    To::Conflict { versions, base, is_deleted } => {
                        out.push(u8::from(*is_deleted) | u8::from(base.is_some()) << 1);
                        put_number(out, versions.len() as u64);
                        versions.iter().chain(base).for_each(|same| put_same(out, same));
                    }
                }
            }
        }
    }

    /// Reads the next record.
    pub(super) fn read(cursor: &mut Cursor<'b>) -> Result<Record<'b>> {
        Ok(match cursor.byte()? {
            COMMIT => {
                let parents = parents(cursor)?;
                let base = if parents.is_empty() { 0 } else { cursor.count(parents.len(), "the place of a parent")? };
                let base = base.checked_sub(1);
                let check = cursor.array()?;
                Record::Commit { parents, base, rest: cursor.bytes()?, check }
            }
            MERGE => Record::Merge { parents: parents(cursor)?, check: cursor.array()? },
            TAG => Record::Tag(cursor.bytes()?),
            END => Record::End,
            STOP => Record::Stop,
            PIECE => Record::Piece(cursor.bytes()?),
            WHOLE => Record::Content(Content::Whole(cursor.bytes()?)),
            LONG => Record::Content(Content::Long(cursor.number()?)),
            word if word & 0xf0 == CHANGE => {
                let shared = cursor.count(usize::MAX, "the size of a key")?;
                let key = KeyPart { shared, rest: cursor.bytes()? };
                Record::Change { key, to: to(word & 0x0f, cursor)? }
            }
            _ => return Err(wrong("there is something that is no record")),
        })
    }
}

fn to<'b>(word: u8, cursor: &mut Cursor<'b>) -> Result<To<'b>> {
    Ok(match word {
        TO_NOTHING => To::Nothing,
        TO_WHOLE => To::Content(Content::Whole(cursor.bytes()?)),
        TO_DELTA => To::Content(Content::Delta(cursor.bytes()?)),
        TO_LONG => To::Content(Content::Long(cursor.number()?)),
        TO_SAME => To::Same(same(cursor)?),
        TO_CONFLICT => {
            let flags = cursor.byte()?;
            if flags > 3 {
                return Err(wrong("a conflict is not in its form"));
            }
            let count = cursor.count(MAX_VERSIONS, "the number of versions of a document")?;
            let versions = (0..count).map(|_| same(cursor)).collect::<Result<_>>()?;
            let base = if flags & 2 > 0 { Some(same(cursor)?) } else { None };
            To::Conflict { versions, base, is_deleted: flags & 1 > 0 }
        }
        _ => return Err(wrong("there is something that is no change")),
    })
}

fn put_parents(out: &mut Vec<u8>, parents: &[Parent]) {
    put_number(out, parents.len() as u64);
    for parent in parents {
        match parent {
            Parent::Back(count) => put_number(out, *count),
            Parent::Known(id) => {
                out.push(0);
                out.extend_from_slice(id.as_bytes());
            }
        }
    }
}

fn parents(cursor: &mut Cursor<'_>) -> Result<Vec<Parent>> {
    let count = cursor.count(MAX_PARENTS, "the number of parents of a commit")?;
    let parent = |_| {
        Ok(match cursor.number()? {
            0 => Parent::Known(cursor.id()?),
            back => Parent::Back(back),
        })
    };
    (0..count).map(parent).collect()
}

fn put_same(out: &mut Vec<u8>, same: &Same) {
    match same {
        Same::Number(number) => put_number(out, number + 1),
        Same::Known(id) => {
            out.push(0);
            out.extend_from_slice(id.as_bytes());
        }
    }
}

fn same(cursor: &mut Cursor<'_>) -> Result<Same> {
    Ok(match cursor.number()?.checked_sub(1) {
        None => Same::Known(cursor.id()?),
        Some(number) => Same::Number(number),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_record_comes_back() {
        let id = Id::from_bytes([7; 32]);
        let key = KeyPart { shared: 300, rest: b"farm/" };
        let parents = vec![Parent::Back(1), Parent::Known(id)];
        let mut records = vec![
            Record::Commit { parents: Vec::new(), base: None, rest: b"author", check: [1; 8] },
            Record::Commit { parents: parents.clone(), base: Some(1), rest: b"", check: [2; 8] },
            Record::Commit { parents: parents.clone(), base: None, rest: b"", check: [2; 8] },
            Record::Merge { parents, check: check(&id) },
            Record::Tag(b"tag"),
            Record::Content(Content::Whole(b"")),
            Record::Content(Content::Long(1 << 40)),
            Record::Piece(b"piece"),
            Record::End,
            Record::Stop,
        ];
        let conflict = |base, is_deleted| To::Conflict {
            versions: vec![Same::Number(0), Same::Known(id), Same::Number(900)],
            base,
            is_deleted,
        };
        let to = [
            To::Nothing,
            To::Content(Content::Whole(b"whole")),
            To::Content(Content::Delta(b"delta")),
            To::Content(Content::Long(9)),
            To::Same(Same::Number(5)),
            To::Same(Same::Known(id)),
            conflict(None, true),
            conflict(Some(Same::Number(2)), false),
        ];
        records.extend(to.map(|to| Record::Change { key, to }));
        let mut out = Vec::new();
        records.iter().for_each(|record| record.encode(&mut out));
        let mut cursor = Cursor::new(&out);
        for record in &records {
            assert_eq!(Record::read(&mut cursor).unwrap(), *record);
        }
        cursor.finish().unwrap();
        for end in 0..out.len() {
            let mut cursor = Cursor::new(&out[..end]);
            let read = std::iter::from_fn(|| Some(Record::read(&mut cursor))).take_while(Result::is_ok);
            assert!(read.count() < records.len());
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_so(bytes in prop::collection::vec(prop_oneof![0..0x17u8, any::<u8>()], 0..60)) {
            let mut cursor = Cursor::new(&bytes);
            let mut out = Vec::new();
            while let Ok(record) = Record::read(&mut cursor) {
                record.encode(&mut out);
            }
            prop_assert_eq!(&bytes[..out.len()], &out[..]);
        }
    }
}
