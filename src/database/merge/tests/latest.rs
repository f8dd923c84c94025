//! `latest` on many documents of many heads, some of which wrote the same: against a model that asks every head anew.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::object::hash;

const KEYS: [&str; 5] = ["a", "b", "c/d", "c/e", "f"];

/// Of each head, its time and what it makes of each document: leaves it, deletes it, or writes one of a few contents.
type Plan = Vec<(i64, [u8; 5])>;

fn plans() -> impl Strategy<Value = Plan> {
    prop::collection::vec((10..40i64, prop::array::uniform5(0..6u8)), 2..9)
}

fn content(choice: u8) -> Option<String> {
    (choice > 1).then(|| choice.to_string())
}

/// What the versions of one document come to, given in the order of the heads' ids, with their times.
fn expected(heads: &[(i64, u8)]) -> Option<String> {
    let id = |choice: u8| content(choice).map(|text| hash(Kind::Blob, text.as_bytes()));
    let mut merged = heads[0].1;
    for (at, (_, next)) in heads.iter().enumerate().skip(1) {
        // Who left it as it was takes no part.
        if merged == 0 || *next == 0 {
            merged = merged.max(*next);
            continue;
        }
        let time = |choice: u8| heads[..=at].iter().filter(|(_, its)| *its == choice).map(|(time, _)| *time).max();
        merged = [merged, *next].into_iter().max_by_key(|choice| (time(*choice), id(*choice))).unwrap();
    }
    content(if merged == 0 { u8::MAX } else { merged })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_latest_of_all_wins(plan in plans()) {
        let (_, db) = database();
        let rules = ("_isodb/merge/rules".to_owned(), Some(r#"[{"keys":"**","use":"latest"}]"#.to_owned()));
        let before = KEYS.iter().map(|key| ((*key).to_owned(), content(u8::MAX))).chain([rules]);
        let start = author(&db, "start", &[], &before.collect::<Vec<_>>(), 1);
        let mut heads: Vec<(CommitId, i64, [u8; 5])> = Vec::new();
        for (n, (time, choices)) in plan.iter().enumerate() {
            let puts: Vec<_> = KEYS
                .iter()
                .zip(choices)
                .filter(|(_, choice)| **choice > 0)
                .map(|(key, choice)| ((*key).to_owned(), content(*choice)))
                .collect();
            heads.push((author(&db, &format!("n{n}"), &[start], &puts, *time), *time, *choices));
        }
        heads.sort();
        let ids: Vec<CommitId> = heads.iter().map(|(id, ..)| *id).collect();
        let found = documents(&db, merged(&db, &ids).head);
        let model: BTreeMap<String, Vec<Option<Vec<u8>>>> = KEYS
            .iter()
            .enumerate()
            .filter_map(|(at, key)| {
                let sides: Vec<(i64, u8)> = heads.iter().map(|(_, time, choices)| (*time, choices[at])).collect();
                Some(((*key).to_owned(), vec![Some(expected(&sides)?.into_bytes())]))
            })
            .collect();
        let found: BTreeMap<_, _> = found.into_iter().filter(|(key, _)| KEYS.contains(&key.as_str())).collect();
        prop_assert_eq!(found, model);
    }
}
