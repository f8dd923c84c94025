//! Ancestry against what the definitions say, and against git.

use std::collections::{BTreeSet, HashMap};

use super::*;
use crate::store::tests::git::Git;

/// Of each commit all its ancestors, itself among them.
fn ancestors(db: &Database, made: &[CommitId]) -> HashMap<CommitId, BTreeSet<CommitId>> {
    let mut all: HashMap<CommitId, BTreeSet<CommitId>> = HashMap::new();
    for id in made {
        let parents = db.store().commit(*id).unwrap().parents;
        let above = parents.iter().flat_map(|parent| all[parent].iter().copied());
        let set = above.chain([*id]).collect();
        all.insert(*id, set);
    }
    all
}

fn best(common: BTreeSet<CommitId>, all: &HashMap<CommitId, BTreeSet<CommitId>>) -> Vec<CommitId> {
    let is_below = |id: &CommitId| common.iter().any(|other| other != id && all[other].contains(id));
    common.iter().copied().filter(|id| !is_below(id)).collect()
}

/// Histories with more merges, crossing ones among them.
fn shapes(longest: usize) -> impl Strategy<Value = Vec<Step>> {
    let parents = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    let step = (parents, 1i64..30).prop_map(|(parents, time)| Step { parents, time, edits: Vec::new() });
    prop::collection::vec(step, 1..longest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_the_definitions_say(
        steps in shapes(30),
        asked in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 1..5), 12),
        known in prop::collection::vec(any::<prop::sample::Index>(), 1..3),
    ) {
        let (disk, db) = database();
        let made = make(&db, &steps);
        let all = ancestors(&db, &made);
        let pick = |some: &[prop::sample::Index]| some.iter().map(|at| made[at.index(made.len())]).collect::<Vec<_>>();
        for roots in [Vec::new(), pick(&known), made.clone()] {
            db.write_commit_graph(&roots).unwrap();
            let db = reopen(&disk);
            for asked in &asked {
                let asked = pick(asked);
                let (one, others) = asked.split_first().unwrap();
                let beside: BTreeSet<CommitId> = others.iter().flat_map(|id| all[id].iter().copied()).collect();
                let common = all[one].intersection(&beside).copied().collect();
                prop_assert_eq!(db.merge_bases(*one, others).unwrap(), best(common, &all));
                for other in others {
                    prop_assert_eq!(db.is_ancestor(*one, *other).unwrap(), all[other].contains(one));
                }
                let since = db.commits_since(&[*one], others).unwrap();
                let expected = all[one].difference(&beside).copied().collect::<BTreeSet<_>>();
                prop_assert_eq!(since.iter().copied().collect::<BTreeSet<_>>(), expected);
                for (at, id) in since.iter().enumerate() {
                    let parents = db.store().commit(*id).unwrap().parents;
                    prop_assert!(parents.iter().all(|parent| !since[at..].contains(parent)), "parents come first");
                }
                let groups: Vec<Vec<CommitId>> = others.chunks(2).map(<[_]>::to_vec).collect();
                let by_all = groups.iter().map(|ids| ids.iter().flat_map(|id| all[id].iter().copied()).collect());
                let by_all = by_all.reduce(|one: BTreeSet<CommitId>, other| &one & &other).unwrap_or_default();
                let had = &all[one] & &by_all;
                let expected = (all[one].len() - had.len(), best(had, &all));
                prop_assert_eq!(db.lacked(&[*one], &groups).unwrap(), expected);
                let heads: BTreeSet<CommitId> = db.independent(&asked).unwrap().into_iter().collect();
                prop_assert_eq!(heads.into_iter().collect::<Vec<_>>(), best(asked.iter().copied().collect(), &all));
            }
        }
    }
}

#[test]
fn as_git_says() {
    let Some(_) = Git::new() else { return };
    for nth in 0..3 {
        let steps = sample(shapes(40), nth);
        let dir = tempfile::tempdir().unwrap();
        let db = database_in(&dir.path().join("farm.isodb"));
        let made = make(&db, &steps);
        let git = |args: &[&str], ids: &[CommitId]| {
            let mut command = std::process::Command::new("git");
            command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", dir.path()).arg("--git-dir").arg(db.root()).args(args);
            let output = command.args(ids.iter().map(CommitId::to_string)).output().unwrap();
            let mut lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
            lines.sort();
            (output.status.code() == Some(0), lines)
        };
        let text = |ids: Vec<CommitId>| {
            let mut lines: Vec<String> = ids.iter().map(CommitId::to_string).collect();
            lines.sort();
            lines
        };
        for n in 0..12 {
            let asked: Vec<CommitId> = (0..2 + n % 3).map(|k| made[(n * 7 + k * 5 + 1) % made.len()]).collect();
            let bases = text(db.merge_bases(asked[0], &asked[1..]).unwrap());
            assert_eq!(bases, git(&["merge-base", "--all"], &asked).1);
            assert_eq!(text(db.independent(&asked).unwrap()), git(&["merge-base", "--independent"], &asked).1);
            let is_ancestor = db.is_ancestor(asked[0], asked[1]).unwrap();
            assert_eq!(is_ancestor, git(&["merge-base", "--is-ancestor"], &asked[..2]).0);
        }
    }
}

#[test]
fn a_walk_ends_where_both_sides_meet() {
    let (disk, db) = database();
    let steps: Vec<Step> = (0..60).map(|n| Step { parents: Vec::new(), time: n + 1, edits: Vec::new() }).collect();
    let made = make(&db, &steps);
    let side = put_commit(&db, TreeId::EMPTY, vec![made[50]], 55, "side");
    db.store().flush(&[]).unwrap();
    // Whoever goes further back than need be finds nothing there.
    let lost = made[40].to_string();
    disk.remove(&Path::new("/farm.isodb/objects").join(&lost[..2]).join(&lost[2..])).unwrap();
    let db = reopen(&disk);
    assert_eq!(db.merge_bases(made[59], &[side]).unwrap(), [made[50]]);
    assert_eq!(db.independent(&[made[59], side, made[52]]).unwrap(), [made[59], side]);
    assert!(db.is_ancestor(made[45], made[59]).unwrap() && !db.is_ancestor(side, made[59]).unwrap());
    assert!(!db.is_ancestor(made[59], made[45]).unwrap());
    assert_eq!(db.independent(&[side]).unwrap(), [side]);
}
