//! Edits come back in the order of their keys, whatever batches they were packed in.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Action, Edits};
use crate::object::{BlobId, Id, TreeId};
use crate::tree::{Document, Edit, Key};

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// Keys of few segments, many of which lie below one another or start alike.
fn nested_key() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "a-", "a!", "ab", "abc", "é", "%", "b"]), 1..5).prop_map(|segments| segments.join("/"))
}

fn edit() -> impl Strategy<Value = Edit> {
    let id = any::<u8>().prop_map(|byte| Id::from_bytes([byte; 32]));
    let document = (id.clone(), proptest::option::of(id.clone()));
    prop_oneof![
        4 => document.prop_map(|(blob, conflict)| {
            Edit::Put(Document { blob: BlobId(blob), conflict: conflict.map(TreeId) })
        }),
        1 => Just(Edit::Remove),
        1 => Just(Edit::RemoveFolder),
        1 => id.prop_map(|id| Edit::PutFolder(TreeId(id))),
    ]
}

/// What is to be given: sorted, and of several edits of one key the last, but for those of its whole folder.
fn expected(mut all: Vec<(Key, Edit)>) -> Vec<(Key, Edit)> {
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut kept: Vec<(Key, Edit)> = Vec::new();
    for (key, edit) in all {
        match kept.last_mut() {
            Some(last) if last.0 == key && !matches!(last.1, Edit::RemoveFolder | Edit::PutFolder(_)) => last.1 = edit,
            _ => kept.push((key, edit)),
        }
    }
    kept
}

fn given(edits: &Edits) -> Vec<(Key, Edit)> {
    let mut sorted = edits.sorted();
    let mut given = Vec::new();
    while let Some((path, action)) = sorted.peek() {
        let Action::Edit(edit) = action else { panic!("{action:?}") };
        given.push((Key::from_path(std::str::from_utf8(path).unwrap()).unwrap(), edit));
        sorted.advance();
    }
    given
}

proptest! {
    #[test]
    fn in_the_order_of_keys(batches in vec(vec((nested_key(), edit()), 0..12), 0..6), in_order: bool) {
        let mut all: Vec<(Key, Edit)> = batches.concat().into_iter().map(|(text, edit)| (key(&text), edit)).collect();
        if in_order {
            all.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let mut edits = Edits::new();
        let mut rest = all.as_slice();
        for batch in &batches {
            let (now, later) = rest.split_at(batch.len());
            rest = later;
            for (key, edit) in now {
                edits.push(key, *edit);
            }
            if !now.is_empty() {
                edits.pack();
            }
        }
        prop_assert_eq!((edits.len(), edits.is_empty()), (all.len(), all.is_empty()));
        prop_assert_eq!(edits.deepest(), all.iter().map(|(key, _)| key.depth()).max().unwrap_or(0));
        prop_assert!(!in_order || edits.runs.len() <= 1);
        let expected = expected(all);
        prop_assert_eq!(given(&edits), &*expected);
        prop_assert_eq!(given(&edits.clone()), expected, "read a second time");
    }
}

#[test]
fn many_take_little_memory() {
    let edits: Edits = (0..300_000_u32)
        .map(|i| (key(&format!("farms/{}/readings/{i:07}", i.wrapping_mul(2_654_435_761) % 50)), i))
        .map(|(key, i)| (key, Edit::Put(BlobId(Id::from_bytes([i as u8; 32])).into())))
        .collect();
    let packed: usize = edits.runs.iter().flat_map(|run| &run.blocks).map(|block| block.len()).sum();
    let count = edits.len() - edits.latest.records.len();
    assert!(count >= 1 << 18 && edits.runs.len() == 4 && packed < 45 * count, "{packed} bytes for {count}");
    let given = given(&edits);
    assert!(given.len() == 300_000 && given.is_sorted_by(|a, b| a.0 < b.0));
}
