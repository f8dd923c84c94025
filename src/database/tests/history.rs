//! A history is the same with a commit-graph file, with one that lacks the newest commits, with git's, and with none.

use super::*;
use crate::database::{Database, HistoryOptions};

/// A history's commits with their parents, or why it ended.
fn history(db: &Database, heads: &[CommitId], options: &HistoryOptions) -> Vec<(CommitId, Vec<CommitId>)> {
    db.history(heads, options.clone()).unwrap().map(|entry| entry.map(|e| (e.id, e.parents)).unwrap()).collect()
}

fn options() -> impl Strategy<Value = HistoryOptions> {
    let prefixes = prop::sample::select(vec!["many", "few", "many/25", "none"]);
    let key = prop_oneof![3 => number().prop_map(key), 1 => prefixes.prop_map(|text| text.parse().unwrap())];
    let time = || prop::option::weighted(0.2, 0i64..60);
    (prop::collection::vec(key, 0..3), time(), time(), any::<bool>())
        .prop_map(|(keys, since, until, topological)| HistoryOptions { keys, since, until, topological })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn with_and_without_the_file(
        steps in steps(40),
        all in prop::collection::vec(options(), 1..8),
        heads in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
        known in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
    ) {
        let (disk, db) = database();
        let made = make(&db, &steps);
        let pick = |some: &[prop::sample::Index]| some.iter().map(|at| made[at.index(made.len())]).collect::<Vec<_>>();
        let (heads, known) = (pick(&heads), pick(&known));
        let plain: Vec<_> = all.iter().map(|options| history(&db, &heads, options)).collect();
        // Part of the commits, then all of them: what the first file has is taken over into the second.
        let mut files = Vec::new();
        for roots in [&known, &made] {
            db.write_commit_graph(roots).unwrap();
            let db = reopen(&disk);
            prop_assert_eq!(db.check_commit_graph().unwrap(), None);
            for (options, plain) in all.iter().zip(&plain) {
                prop_assert_eq!(&history(&db, &heads, options), plain, "{:?}", options);
            }
            files.push(disk.read(Path::new("/farm.isodb/objects/info/commit-graph")).unwrap());
        }
        disk.remove(Path::new("/farm.isodb/objects/info/commit-graph")).unwrap();
        prop_assert_eq!(db.write_commit_graph(&made).unwrap(), made.iter().collect::<std::collections::HashSet<_>>().len() as u64);
        prop_assert!(disk.read(Path::new("/farm.isodb/objects/info/commit-graph")).unwrap() == files[1]);
    }
}

#[test]
fn trees_are_read_only_where_a_key_may_have_changed() {
    let (disk, db) = database();
    let steps: Vec<Step> = (0..400)
        .map(|n| Step {
            parents: Vec::new(),
            time: n + 1,
            edits: vec![(if n % 100 == 7 { 295 } else { 3 }, Some(n as u8))],
        })
        .collect();
    // One by one, so that they can be taken away.
    db.store().set_unpack_limit(usize::MAX);
    let made = make(&db, &steps);
    db.write_commit_graph(&made).unwrap();
    // Without the trees of the commits in between nothing could be read of them.
    for n in [50, 51, 250, 340] {
        let tree = db.store().commit(made[n]).unwrap().tree.to_string();
        disk.remove(&Path::new("/farm.isodb/objects").join(&tree[..2]).join(&tree[2..])).unwrap();
        let commit = made[n].to_string();
        disk.remove(&Path::new("/farm.isodb/objects").join(&commit[..2]).join(&commit[2..])).unwrap();
    }
    let db = reopen(&disk);
    let options = HistoryOptions { keys: vec![key(295)], ..HistoryOptions::default() };
    let found: Vec<CommitId> = history(&db, &made[399..], &options).into_iter().map(|(id, _)| id).collect();
    assert_eq!(found, [made[307], made[207], made[107], made[7]]);
    assert_eq!(db.resolve(&format!("{}~399", made[399])).unwrap(), made[0].0);
    // The file is not asked where the configuration says so.
    let mut db = db;
    db.configure(|config| config.with("core.commitGraph", "false").map(Some)).unwrap();
    assert!(reopen(&disk).history(&made[399..], options).unwrap().any(|entry| entry.is_err()));
}

#[test]
fn what_a_damaged_file_says_is_not_asked() {
    let (disk, db) = database();
    let steps: Vec<Step> =
        (0..50).map(|n| Step { parents: Vec::new(), time: n + 1, edits: vec![(n as u16, Some(1))] }).collect();
    let made = make(&db, &steps);
    let options = HistoryOptions { keys: vec![key(30)], ..HistoryOptions::default() };
    let plain = history(&db, &made[49..], &options);
    let path = Path::new("/farm.isodb/objects/info/commit-graph");
    db.write_commit_graph(&made).unwrap();
    let sound = disk.read(path).unwrap();
    for len in [0, 5, 200, 1500, sound.len() - 1] {
        disk.remove(path).unwrap();
        disk.import(path, Some(sound[..len].to_vec()));
        let db = reopen(&disk);
        assert_eq!(history(&db, &made[49..], &options), plain, "{len}");
        assert!(db.check_commit_graph().unwrap().is_some(), "{len}");
        // A new file is made of the commits again.
        db.write_commit_graph(&made).unwrap();
        assert!(disk.read(path).unwrap() == sound);
    }
    // Its parents are places that no commit has.
    let records = 8 + 8 * 12 + 1024 + 50 * 32;
    for n in 0..50 {
        disk.write_at(path, records + 48 * n + 32, &[0x6f, 0xff, 0xff, 0xff]).unwrap();
    }
    assert_eq!(history(&reopen(&disk), &made[49..], &options), plain);
}
