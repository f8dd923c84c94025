//! Transactions: what is expected, all or nothing, names in each other's way.

use super::*;
use crate::refs::Error;

const MAIN: &str = "refs/heads/main";

/// A database with a loose ref, a packed one, one that is both, and a symbolic one.
fn some_refs() -> (FaultDisk, Refs) {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    apply(&refs, vec![set("refs/heads/packed", id(1)), set("refs/heads/both", id(2))]).unwrap();
    pack(&refs).unwrap();
    apply(&refs, vec![set("refs/heads/both", id(3)), set("refs/heads/loose", id(4))]).unwrap();
    apply(&refs, vec![link("refs/heads/link", "refs/heads/loose")]).unwrap();
    (disk, refs)
}

#[test]
fn expectations() {
    let (disk, refs) = some_refs();
    for (text, at) in [
        ("refs/heads/packed", Some(id(1))),
        ("refs/heads/both", Some(id(3))),
        ("refs/heads/loose", Some(id(4))),
        ("refs/heads/link", Some(id(4))),
        ("refs/heads/none", None),
        ("HEAD", None),
    ] {
        assert_eq!(refs.get(&name(text)).unwrap(), at, "{text}");
        for new in [Some(RefValue::Id(id(9))), None] {
            for expect in [Expect::Any, Expect::Absent, Expect::At(id(1)), Expect::At(id(4)), Expect::At(id(8))] {
                let holds = match expect {
                    Expect::Any => true,
                    Expect::Absent => at.is_none(),
                    Expect::At(id) => at == Some(id),
                };
                let disk = disk.fork();
                let (refs, before) = (refs_on(&disk), state(&refs));
                let done = apply(&refs, vec![edit(text, expect, new.clone())]);
                assert!(files_ending_in(&disk, ".lock").is_empty());
                assert_eq!(temporary_files(&disk), 0);
                if holds {
                    done.unwrap();
                    assert_eq!(refs.read(&name(text)).unwrap(), new, "{text}");
                    continue;
                }
                match done {
                    Err(Error::Mismatch { name, expected, found }) => {
                        assert_eq!((name.as_str(), found), (text, at));
                        assert_eq!(expected, if let Expect::At(id) = expect { Some(id) } else { None });
                    }
                    other => panic!("{text} {expect:?} {other:?}"),
                }
                assert_eq!(state(&refs), before);
            }
        }
    }
}

#[test]
fn all_or_nothing() {
    let (disk, refs) = some_refs();
    let (before, files) = (state(&refs), disk.files());
    let wrong = edit("refs/heads/packed", Expect::At(id(7)), Some(RefValue::Id(id(9))));
    let edits = vec![set("refs/heads/a", id(9)), delete("refs/heads/both"), wrong, set("refs/heads/z", id(9))];
    assert!(matches!(apply(&refs, edits), Err(Error::Mismatch { .. })));
    assert_eq!(state(&refs), before);
    let logs =
        |files: &[(std::path::PathBuf, _)]| files.iter().filter(|(path, _)| path.starts_with("/db/logs")).count();
    assert_eq!(logs(&disk.files()), logs(&files));

    let edits = vec![
        edit("refs/heads/packed", Expect::At(id(1)), None),
        edit("refs/heads/both", Expect::At(id(3)), None),
        edit("refs/heads/new/a", Expect::Absent, Some(RefValue::Id(id(9)))),
        set("refs/heads/loose", id(8)),
        link("HEAD", "refs/heads/loose"),
    ];
    apply(&refs, edits).unwrap();
    let now: Vec<String> = refs.list("refs/").unwrap().into_iter().map(|(name, _)| name.to_string()).collect();
    assert_eq!(now, ["refs/heads/link", "refs/heads/loose", "refs/heads/new/a"]);
    assert_eq!(refs.get(&RefName::head()).unwrap(), Some(id(8)));
    // HEAD's log knows where HEAD came to be.
    assert_eq!(refs.log(&RefName::head()).unwrap().newest_first().next().unwrap().new, id(8));
}

#[test]
fn a_ref_that_was_deleted_stays_deleted() {
    let (disk, refs) = some_refs();
    for text in ["refs/heads/packed", "refs/heads/both", "refs/heads/loose"] {
        apply(&refs, vec![delete(text)]).unwrap();
        assert_eq!(refs.read(&name(text)).unwrap(), None);
        assert_eq!(refs.log(&name(text)).unwrap().newest_first().count(), 0);
        let after = refs_on(&disk.after_power_cut(crate::disk::Survivors::SYNCED));
        assert_eq!(after.read(&name(text)).unwrap(), None);
    }
    // What is not there is deleted without a trace.
    let operations = disk.operations();
    apply(&refs, vec![delete("refs/heads/loose/below")]).unwrap();
    assert_eq!(disk.operations(), operations);
}

#[test]
fn names_in_each_others_way() {
    for is_packed in [false, true] {
        let disk = empty_disk();
        let refs = refs_on(&disk);
        apply(&refs, vec![set("refs/heads/a/b", id(1)), set("refs/heads/c", id(1))]).unwrap();
        if is_packed {
            pack(&refs).unwrap();
        }
        let before = state(&refs);
        for (new, in_the_way) in [
            ("refs/heads/a", "refs/heads/a/b"),
            ("refs/heads/a/b/c", "refs/heads/a/b"),
            ("refs/heads/a/b/c/d/e", "refs/heads/a/b"),
            ("refs/heads/c/d", "refs/heads/c"),
        ] {
            match apply(&refs, vec![set(new, id(2))]) {
                Err(Error::Conflict { name, other }) => assert_eq!((name.as_str(), other.as_str()), (new, in_the_way)),
                other => panic!("{new} {other:?}"),
            }
            // Not even when the other one goes with the same transaction, as with git.
            assert!(matches!(apply(&refs, vec![delete(in_the_way), set(new, id(2))]), Err(Error::Conflict { .. })));
        }
        assert!(matches!(
            apply(&refs, vec![set("refs/heads/n", id(2)), set("refs/heads/n/m", id(2))]),
            Err(Error::Conflict { .. })
        ));
        assert!(matches!(apply(&refs, vec![set(MAIN, id(2)), delete(MAIN)]), Err(Error::Twice { .. })));
        assert_eq!(state(&refs), before);
        assert_eq!(temporary_files(&disk), 0);
        apply(&refs, vec![set("refs/heads/a-b", id(3)), set("refs/heads/ab", id(3))]).unwrap();
    }
}

#[test]
fn a_link_that_leads_nowhere_is_in_the_way_too() {
    let refs = refs_on(&empty_disk());
    apply(&refs, vec![link("refs/heads/a/b", "refs/heads/none")]).unwrap();
    assert!(refs.list("refs/").unwrap().is_empty());
    assert!(matches!(apply(&refs, vec![set("refs/heads/a", id(1))]), Err(Error::Conflict { .. })));
}

#[test]
fn names_of_deleted_refs_are_free() {
    for is_packed in [false, true] {
        let disk = empty_disk();
        let refs = refs_on(&disk);
        let tidy = || {
            if is_packed {
                pack(&refs).unwrap()
            }
        };
        apply(&refs, vec![set("refs/heads/a/b/c", id(1)), set("refs/heads/a/d", id(1))]).unwrap();
        tidy();
        apply(&refs, vec![delete("refs/heads/a/b/c"), delete("refs/heads/a/d")]).unwrap();
        apply(&refs, vec![edit("refs/heads/a", Expect::Absent, Some(RefValue::Id(id(2))))]).unwrap();
        tidy();
        assert_eq!(refs.log(&name("refs/heads/a")).unwrap().newest_first().count(), 1);
        apply(&refs, vec![delete("refs/heads/a")]).unwrap();
        apply(&refs, vec![set("refs/heads/a/b", id(3))]).unwrap();
        assert_eq!(refs.list("refs/").unwrap(), [(name("refs/heads/a/b"), id(3))]);
        assert_eq!(refs.log(&name("refs/heads/a/b")).unwrap().newest_first().count(), 1);
    }
}

#[test]
fn logs_that_a_power_cut_kept_make_way() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    disk.import(Path::new("/db/logs/refs/heads/a"), Some(b"old\n".to_vec()));
    disk.import(Path::new("/db/logs/refs/heads/b/c/d"), Some(b"old\n".to_vec()));
    apply(&refs, vec![set("refs/heads/a/b/c", id(1)), set("refs/heads/b", id(1))]).unwrap();
    for text in ["refs/heads/a/b/c", "refs/heads/b"] {
        let log = refs.log(&name(text)).unwrap();
        assert_eq!((log.newest_first().count(), log.damaged_lines()), (1, 0));
    }
}

#[test]
fn two_transactions_prepared_under_one_lock_do_not_mix() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    let lock = refs.lock(Duration::ZERO).unwrap();
    let first = lock.prepare(vec![set("refs/heads/a", id(1))]).unwrap();
    let second = lock.prepare(vec![set("refs/heads/b", id(2))]).unwrap();
    first.commit(&who()).unwrap();
    second.commit(&who()).unwrap();
    drop(lock.prepare(vec![set("refs/heads/c", id(3))]).unwrap());
    let all = [(name("refs/heads/a"), id(1)), (name("refs/heads/b"), id(2))];
    assert_eq!(refs.list("refs/").unwrap(), all);
    assert_eq!(temporary_files(&disk), 0);
}

#[test]
fn one_move_costs_few_operations() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    apply(&refs, vec![set(MAIN, id(1))]).unwrap();
    let before = disk.operations();
    apply(&refs, vec![set(MAIN, id(2))]).unwrap();
    // The new file: make, write, flush. Mark, two lines of log, rename, unmark. Flush two logs and a directory.
    assert_eq!(disk.operations() - before, 3 + 5 + 3);
}

#[test]
fn a_links_target_keeps_its_name_whole() {
    let refs = refs_on(&empty_disk());
    let target = "refs/heads/a\u{a0}";
    apply(&refs, vec![set(target, id(1)), link("HEAD", target)]).unwrap();
    assert_eq!(refs.read(&RefName::head()).unwrap(), Some(RefValue::Symbolic(name(target))));
}

#[test]
fn loose_files_that_are_no_refs_are_told() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    let whole = id(1).to_string();
    for (at, text) in
        ["", "ref: x\n", "ref: refs/heads/.x\n", &whole[1..], &format!("{whole}0\n"), "\0"].iter().enumerate()
    {
        disk.import(&Path::new("/db/refs/heads").join(format!("bad{at}")), Some(text.as_bytes().to_vec()));
        let bad = name(&format!("refs/heads/bad{at}"));
        assert!(matches!(refs.read(&bad), Err(Error::Damaged { .. })), "{text:?}");
    }
    for (at, text) in [whole.clone(), format!("{whole} \n\n"), "ref:refs/heads/good0".to_owned(), whole.to_uppercase()]
        .iter()
        .enumerate()
    {
        disk.import(&Path::new("/db/refs/heads").join(format!("good{at}")), Some(text.as_bytes().to_vec()));
        assert_eq!(refs.get(&name(&format!("refs/heads/good{at}"))).unwrap(), Some(id(1)), "{text:?}");
    }
    disk.import(Path::new("/db/refs/heads/x.lock"), Some(Vec::new()));
    disk.import(Path::new("/db/refs/heads/a~"), Some(Vec::new()));
    assert_eq!(refs.strange_files().unwrap().len(), 7);
    apply(&refs, vec![link("refs/heads/l1", "refs/heads/l2"), link("refs/heads/l2", "refs/heads/l1")]).unwrap();
    assert!(matches!(refs.get(&name("refs/heads/l1")), Err(Error::Damaged { .. })));
}
