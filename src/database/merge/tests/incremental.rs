//! One more head on a known merge gives what starting over gives.

use proptest::prelude::*;

use super::*;

/// Documents that the rules below are for, and what is written into them.
const KEYS: [&str; 6] = ["a", "b", "json/x", "json/y", "json/y/z", "_isodb/merge/rules"];

const RULES: [&str; 3] = [
    r#"[{"keys":"json/**","use":"json","fields":{"/n":"sum"}}]"#,
    r#"[{"keys":"a","use":"text"}]"#,
    r#"[{"keys":"a","use":"latest"}]"#,
];

fn content(at: usize, number: u8) -> String {
    match at {
        0 => ["1\n2\n3\n", "1\n2\n4\n", "0\n2\n3\n"][usize::from(number % 3)].to_owned(),
        5 => RULES[usize::from(number % 3)].to_owned(),
        at if at > 1 => format!(r#"{{"n":{},"m{}":1}}"#, number, number % 3),
        _ => number.to_string(),
    }
}

/// Commits on one or two of those before, or on none.
type Plan = Vec<(Vec<prop::sample::Index>, Vec<(u8, Option<u8>)>)>;

fn plans() -> impl Strategy<Value = Plan> {
    // Rules change less often than documents.
    let at = prop_oneof![15 => 0..5u8, 1 => Just(5u8)];
    let puts = prop::collection::vec((at, prop::option::weighted(0.85, 0..6u8)), 1..4);
    let on = prop_oneof![
        1 => Just(0..1usize), 12 => Just(1..2usize), 3 => Just(2..3usize)
    ];
    let on = on.prop_flat_map(|count| prop::collection::vec(any::<prop::sample::Index>(), count));
    prop::collection::vec((on, puts), 4..10)
}

fn play(db: &Database, plan: &Plan) -> Vec<CommitId> {
    let mut made: Vec<CommitId> = Vec::new();
    for (n, (on, puts)) in plan.iter().enumerate() {
        // Mostly on the first few, so that there are many heads.
        let on: Vec<CommitId> = on.iter().filter(|_| n > 0).map(|at| made[at.index(n.min(3))]).collect();
        let puts: Vec<(String, Option<String>)> = puts
            .iter()
            .map(|(at, number)| (KEYS[usize::from(*at)].to_owned(), number.map(|n| content(usize::from(*at), n))))
            .collect();
        made.push(author(db, &format!("n{n}"), &on, &puts, n as i64));
    }
    made
}

/// The merge of a frontier without some of its heads, and then with them; answers whether that was short.
fn extend(db: &Database, frontier: &Frontier, without: &[usize]) -> bool {
    let some: Vec<CommitId> =
        frontier.iter().enumerate().filter(|(n, _)| !without.contains(n)).map(|(_, id)| *id).collect();
    if some.is_empty() {
        return false;
    }
    let (mut whole, mut part, mut again) = (NoScripts, NoScripts, NoScripts);
    let expected = Merger::new(db, &mut whole).unwrap().merge(frontier).unwrap();
    let known = merged(db, &some).head;
    let mut merger = Merger::new(db, &mut part).unwrap();
    let Some(known) = merger.known(known, &[]).unwrap() else { return false };
    let Some(found) = merger.extend(&known, frontier).unwrap() else { return false };
    assert_eq!((found.tree, found.in_force), (expected.tree, expected.in_force));
    let all = Merger::new(db, &mut again).unwrap().merge(frontier).unwrap().decided;
    for (key, (dispute, decided)) in &found.decided {
        assert_eq!(all.get(key), Some(&(dispute.clone(), decided.clone())));
    }
    true
}

fn frontier_of(db: &Database, made: &[CommitId]) -> Frontier {
    db.frontier(made).unwrap().into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_same_as_from_the_start(plan in plans()) {
        let (_, db) = database();
        let made = play(&db, &plan);
        let frontier = frontier_of(&db, &made);
        for one in 0..frontier.len() {
            extend(&db, &frontier, &[one]);
            extend(&db, &frontier, &[one, (one + 2) % frontier.len()]);
        }
    }
}

#[test]
fn most_of_these_are_short() {
    let (mut short, mut all) = (0, 0);
    for nth in 0..24 {
        let (_, db) = database();
        let made = play(&db, &sample(plans(), nth));
        let frontier = frontier_of(&db, &made);
        for one in 0..frontier.len() {
            all += 1;
            short += usize::from(extend(&db, &frontier, &[one]));
        }
    }
    assert!(short * 4 > all && short < all, "{short} of {all}");
}

#[test]
fn heads_on_one_beginning_are_merged_in_short() {
    let (_, db) = database();
    let put = |key: &str, text: &str| (key.to_owned(), Some(text.to_owned()));
    let shared = |n: usize| put("json/x", &format!(r#"{{"n":{n}}}"#));
    let start = author(&db, "start", &[], &[put("a", "1"), shared(0), put(KEYS[5], RULES[0])], 1);
    let made: Vec<CommitId> = (1..8)
        .map(|n| author(&db, &format!("n{n}"), &[start], &[put(&format!("own/{n}"), "x"), shared(n)], n as i64))
        .collect();
    let frontier = frontier_of(&db, &made);
    for one in 0..frontier.len() {
        assert!(extend(&db, &frontier, &[one]), "head {one}");
        assert!(extend(&db, &frontier, &[one, (one + 3) % frontier.len()]), "head {one} and another");
    }
    assert!(!extend(&db, &frontier, &[0, 1, 2, 3]), "too many new ones");
    let all = documents(&db, merged(&db, &made).head);
    assert_eq!(all["json/x"], [Some(br#"{"n":28}"#.to_vec())]);
}

#[test]
fn other_rules_or_rules_that_ask_for_times_start_over() {
    let (_, db) = database();
    let put = |key: &str, text: &str| (key.to_owned(), Some(text.to_owned()));
    let start = author(&db, "start", &[], &[put("a", "1")], 1);
    let mut made: Vec<CommitId> =
        (2..5).map(|n| author(&db, &format!("n{n}"), &[start], &[put("a", &n.to_string())], n as i64)).collect();
    let plain = frontier_of(&db, &made);
    assert!((0..3).all(|one| extend(&db, &plain, &[one])));
    made.push(author(&db, "rules", &[start], &[put(KEYS[5], RULES[2])], 9));
    let frontier = frontier_of(&db, &made);
    assert!((0..4).all(|one| !extend(&db, &frontier, &[one])));
}
