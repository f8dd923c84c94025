//! gc on a disk that keeps its promises to the letter, with refs that are a list in the test.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::disk::{Disk, FaultDisk, Survivors};
use crate::object::{Objects, TreeId};
use crate::store::walk::tests::{Files, commit, files, search, tree};

const NEVER: GcOptions = GcOptions { prune_before: None, patience: Duration::ZERO, is_partial: false };

fn at(days: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(days * 86_400)
}

fn pruning(days: u64) -> GcOptions {
    GcOptions { prune_before: Some(at(days)), ..NEVER }
}

fn empty_disk() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.import(Path::new("/db/objects"), None);
    disk.set_clock(at(100));
    disk
}

fn store_on(disk: &FaultDisk) -> Store {
    Store::new(Arc::new(disk.clone()), Path::new("/db"), Path::new("/db/isodb/tmp"))
}

fn roots(ids: &[Id]) -> Roots {
    Roots { required: ids.to_vec(), ..Roots::default() }
}

fn run(store: &Store, ids: &[Id], options: &GcOptions) -> Result<GcReport> {
    store.gc(&|| Ok::<_, Error>(roots(ids)), options, &mut |_, _, _| ())
}

/// The packs that can be read.
fn packs(disk: &FaultDisk) -> Vec<String> {
    let dir = Path::new("/db/objects/pack");
    let has_index = |name: &str| disk.stat(&dir.join(name).with_extension("idx")).is_ok();
    let entries = disk.list(dir).unwrap_or_default().into_iter().map(|entry| entry.name);
    let mut names: Vec<String> = entries.filter(|name| name.ends_with(".pack") && has_index(name)).collect();
    names.sort();
    names
}

fn assert_whole(store: &Store, roots: &[Id], what: &str) {
    let mut all = BTreeSet::new();
    roots.iter().for_each(|id| search(store, *id, &mut all));
    for id in all {
        assert!(store.verify(id).unwrap().is_some(), "{what}");
    }
}

/// One document a number, alike but not the same.
fn document(number: usize) -> Vec<u8> {
    let field = |n: usize| format!("\"field-number-{n}\":{},", number.wrapping_mul(n * 7919) % 1000);
    format!("{{{}\"name\":\"document {number}\"}}", (1..20).map(field).collect::<String>()).into_bytes()
}

fn folder(store: &Store, documents: std::ops::Range<usize>) -> TreeId {
    let mut entries: Vec<_> = documents
        .map(|number| crate::object::Entry {
            mode: crate::object::Mode::Blob,
            name: format!("{number:05}").into_bytes(),
            id: store.put(Kind::Blob, &document(number)).unwrap(),
        })
        .collect();
    TreeId(store.put(Kind::Tree, &crate::object::encode_tree(&mut entries)).unwrap())
}

fn small(number: u8) -> Files {
    (0..6).map(|n| (format!("{}/{n}", n % 3), if n == number % 6 { number } else { 0 })).collect()
}

/// Five commits, each flushed, the first ones into files of their own and the last ones into packs.
fn history(store: &Store) -> Vec<Id> {
    let mut commits: Vec<CommitId> = Vec::new();
    for number in 0..5 {
        store.set_unpack_limit(if number < 3 { 100 } else { 0 });
        let tree = tree(store, &small(number));
        commits.push(commit(store, tree, &commits[commits.len().saturating_sub(1)..], number.into()));
        store.flush(&[]).unwrap();
        store.discard();
    }
    commits.into_iter().map(Id::from).collect()
}

#[test]
fn all_goes_into_one_pack_and_the_second_time_nothing_changes() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let commits = history(&store);
    assert_eq!(packs(&disk).len(), 2);
    let tip = &commits[4..];
    let report = run(&store, tip, &NEVER).unwrap();
    assert_eq!(packs(&disk).len(), 1);
    assert_eq!((report.packed, report.kept, report.removed), (store.ids().unwrap().len() as u64, 0, 0));
    let usage = store.usage().unwrap();
    assert_eq!((usage.loose, usage.packed), (0, report.packed));
    assert_whole(&store, tip, "after gc");
    assert_whole(&store_on(&disk), tip, "opened again");
    let leftovers: Vec<_> =
        disk.files().into_iter().filter(|(path, _)| path.to_string_lossy().contains("tmp_")).collect();
    assert!(leftovers.is_empty(), "{leftovers:?}");
    let fanouts = disk.list(Path::new("/db/objects")).unwrap();
    assert_eq!(fanouts.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["pack"]);
    let before = packs(&disk);
    run(&store, tip, &NEVER).unwrap();
    assert_eq!(packs(&disk), before, "the same objects make the same pack");
}

#[test]
fn like_documents_are_stored_as_differences() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let first = commit(&store, folder(&store, 0..300), &[], 1);
    let last = commit(&store, folder(&store, 2..302), &[first], 2);
    store.flush(&[]).unwrap();
    store.discard();
    let before = store.usage().unwrap();
    let report = run(&store, &[last.0], &NEVER).unwrap();
    let after = store.usage().unwrap();
    assert!(
        (after.loose, after.packed) == (0, 302 + 4) && report.bytes_after * 10 < report.bytes_before * 9,
        "{before:?} {after:?}"
    );
    assert_whole(&store_on(&disk), &[last.0], "as differences");
    // Taken over as they are, beside new ones.
    let newest = commit(&store, folder(&store, 3..310), &[last], 3);
    store.flush(&[]).unwrap();
    store.discard();
    run(&store, &[newest.0], &NEVER).unwrap();
    assert_whole(&store_on(&disk), &[newest.0], "again");
    assert_eq!(packs(&disk).len(), 1);
}

#[test]
fn what_is_unreachable_stays_for_its_time() {
    for few in [true, false] {
        let disk = empty_disk();
        let store = store_on(&disk);
        store.set_unpack_limit(1000);
        let kept = commit(&store, tree(&store, &small(1)), &[], 1);
        // Old, but led to by something that is young.
        let count = if few { 3 } else { 120 };
        let old_folder = folder(&store, 0..count);
        let dropped = store.put(Kind::Blob, b"old and alone").unwrap();
        store.flush(&[]).unwrap();
        store.discard();
        disk.set_clock(at(110));
        let young = commit(&store, old_folder, &[], 2);
        store.flush(&[]).unwrap();
        store.discard();

        let report = run(&store, &[kept.0], &pruning(105)).unwrap();
        assert_eq!((report.kept, report.removed), (count as u64 + 2, 1), "few: {few}");
        assert!(!store_on(&disk).contains(dropped).unwrap());
        assert_whole(&store_on(&disk), &[kept.0, young.0], "kept for now");
        assert_eq!(packs(&disk).len(), if few { 1 } else { 2 });

        // Its age is not forgotten when it is written anew.
        disk.set_clock(at(120));
        let report = run(&store, &[kept.0], &pruning(105)).unwrap();
        assert_eq!((report.kept, report.removed), (count as u64 + 2, 0));
        let report = run(&store, &[kept.0], &pruning(115)).unwrap();
        assert_eq!((report.kept, report.removed), (0, count as u64 + 2));
        assert_whole(&store_on(&disk), &[kept.0], "kept for good");
        assert!(!store_on(&disk).contains(young.0).unwrap());
        assert_eq!(packs(&disk).len(), 1);
    }
}

#[test]
fn what_becomes_reachable_meanwhile_stays() {
    for packed in [false, true] {
        let disk = empty_disk();
        let store = store_on(&disk);
        store.set_unpack_limit(if packed { 0 } else { 1000 });
        let first = commit(&store, tree(&store, &small(1)), &[], 1);
        store.flush(&[]).unwrap();
        let lost = commit(&store, tree(&store, &small(2)), &[], 2);
        store.flush(&[]).unwrap();
        store.discard();
        // A writer builds on it while gc works; or a ref comes back to it at the last moment.
        for moved_at in [2, 3] {
            let disk = disk.fork();
            let (store, other) = (store_on(&disk), store_on(&disk));
            let (asked, new) = (Cell::new(0), Cell::new(None));
            let move_ref = || {
                if moved_at == 3 {
                    return lost.0;
                }
                let on_lost = commit(&other, other.commit(lost).unwrap().tree, &[lost], 3);
                other.flush(&[]).unwrap();
                other.discard();
                on_lost.0
            };
            let ask = || {
                asked.set(asked.get() + 1);
                if asked.get() == moved_at {
                    new.set(Some(move_ref()));
                }
                let ids: Vec<Id> = [first.0].into_iter().chain(new.get()).collect();
                Ok::<_, Error>(roots(&ids))
            };
            let report = store.gc(&ask, &pruning(200), &mut |_, _, _| ()).unwrap();
            assert_eq!((asked.get(), report.removed), (3, 0), "packed: {packed}");
            assert_whole(&store_on(&disk), &[first.0, new.get().unwrap()], "moved meanwhile");
        }
    }
}

#[test]
fn nothing_is_removed_while_a_writer_is_at_work() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let commits = history(&store);
    let writer = store_on(&disk);
    writer.put(Kind::Blob, b"in the middle of something").unwrap();
    let before = store.usage().unwrap();
    let report = run(&store, &commits[4..], &pruning(200)).unwrap();
    assert!(report.is_held_up);
    let after = store.usage().unwrap();
    assert_eq!((after.loose, after.packs), (before.loose, before.packs + 1));
    writer.discard();
    assert!(!run(&store, &commits[4..], &pruning(200)).unwrap().is_held_up);
    assert_eq!(packs(&disk).len(), 1);
}

#[test]
fn a_partial_run_leaves_large_packs_alone() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let partial = GcOptions { is_partial: true, ..pruning(200) };
    let (mut tip, mut largest) = (None, String::new());
    for round in 0..12 {
        // First a large folder, then many small ones, each in a pack of its own.
        store.set_unpack_limit(0);
        let documents = if round == 0 { 0..300 } else { 300 + 8 * round..308 + 8 * round };
        let next = commit(&store, folder(&store, documents), tip.as_slice(), round as i64);
        tip = Some(next);
        store.flush(&[]).unwrap();
        store.discard();
        run(&store, &[next.0], &partial).unwrap();
        if round == 0 {
            largest = packs(&disk)[0].clone();
        }
        assert!(packs(&disk).len() <= 6, "round {round}");
        assert!(packs(&disk).contains(&largest), "round {round}");
        assert_whole(&store_on(&disk), &[next.0], "partial");
    }
    let before = packs(&disk).len();
    assert!(before > 1, "some were worth half of the next");
    run(&store, &[tip.unwrap().0], &NEVER).unwrap();
    assert_eq!(packs(&disk).len(), 1);
}

#[test]
fn what_is_missing_stops_it() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let commits = history(&store);
    let gone = Id::from_bytes([7; 32]);
    let before = disk.files();
    let broken = commit(&store, TreeId(gone), &[], 9);
    store.flush(&[]).unwrap();
    store.discard();
    for id in [gone, broken.0] {
        let error = run(&store, &[commits[4], id], &pruning(200)).unwrap_err();
        assert!(matches!(error, Error::Missing { id, .. } if id == gone), "{error}");
    }
    assert!(before.iter().filter(|(_, content)| content.is_some()).all(|file| disk.files().contains(file)));
    // Where refs have been, nobody counts on all being there.
    let only = Roots { required: vec![commits[4]], optional: vec![gone, broken.0], shallow: Vec::new() };
    store.gc(&|| Ok::<_, Error>(only.clone()), &pruning(200), &mut |_, _, _| ()).unwrap();
    assert!(store.contains(broken.0).unwrap());
    assert_whole(&store, &commits, "with a broken one beside");
}

#[test]
fn a_pack_that_is_kept_stays_as_it_is() {
    let disk = empty_disk();
    let store = store_on(&disk);
    let commits = history(&store);
    let kept = packs(&disk)[0].clone();
    disk.import(&Path::new("/db/objects/pack").join(kept.replace(".pack", ".keep")), Some(Vec::new()));
    disk.import(Path::new("/db/objects/pack/multi-pack-index"), Some(b"names packs".to_vec()));
    run(&store, &commits[4..], &pruning(200)).unwrap();
    assert!(packs(&disk).len() == 2 && packs(&disk).contains(&kept));
    assert!(disk.stat(Path::new("/db/objects/pack/multi-pack-index")).is_err());
    assert_whole(&store_on(&disk), &commits, "beside a kept pack");
}

#[test]
fn a_power_cut_at_every_operation_loses_nothing() {
    let start = empty_disk();
    let commits = history(&store_on(&start));
    let unreachable = {
        let store = store_on(&start);
        let id = commit(&store, tree(&store, &small(9)), &[], 9).0;
        store.flush(&[]).unwrap();
        id
    };
    start.sync_everything();
    for options in [NEVER, pruning(200)] {
        let whole = start.fork();
        run(&store_on(&whole), &commits[4..], &options).unwrap();
        for n in 0..whole.operations() {
            let disk = start.fork();
            disk.cut_at(n);
            let result = run(&store_on(&disk), &commits[4..], &options);
            assert!(disk.is_cut() && result.is_err(), "cut at {n}");
            for survivors in Survivors::all() {
                let after = disk.after_power_cut(survivors);
                let what = format!("cut at {n}, {survivors}");
                assert_whole(&store_on(&after), &commits, &what);
                if options.prune_before.is_none() {
                    assert_whole(&store_on(&after), &[unreachable], &what);
                }
                run(&store_on(&after), &commits[4..], &options).unwrap();
                assert_whole(&store_on(&after), &commits, &what);
                assert_eq!(packs(&after).len(), 1, "{what}");
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_all_as_it_was() {
    let start = empty_disk();
    let commits = history(&store_on(&start));
    for n in 0..20 {
        let disk = start.fork();
        disk.fail_from(n, std::io::ErrorKind::StorageFull);
        if run(&store_on(&disk), &commits[4..], &pruning(200)).is_ok() {
            return assert!(n > 4);
        }
        disk.heal();
        assert_whole(&store_on(&disk), &commits, "full");
        assert!(!disk.files().iter().any(|(path, _)| path.to_string_lossy().contains("tmp_")), "full at {n}");
    }
    panic!("it is never done");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_history_is_kept(
        versions in prop::collection::vec((files(), 0i64..5, any::<prop::sample::Index>(), any::<bool>()), 1..12),
        gc_at in any::<prop::sample::Index>(),
    ) {
        let disk = empty_disk();
        let store = store_on(&disk);
        let mut commits: Vec<CommitId> = Vec::new();
        for (number, (files, time, parent, is_packed)) in versions.iter().enumerate() {
            store.set_unpack_limit(if *is_packed { 0 } else { 100 });
            let parents = if commits.is_empty() { vec![] } else { vec![commits[parent.index(commits.len())]] };
            commits.push(commit(&store, tree(&store, files), &parents, *time));
            store.flush(&[]).unwrap();
            store.discard();
            if number == gc_at.index(versions.len()) {
                let ids: Vec<Id> = commits.iter().map(|id| id.0).collect();
                run(&store, &ids, &pruning(200)).unwrap();
            }
        }
        let tips: Vec<Id> = commits.iter().rev().take(2).map(|id| id.0).collect();
        let mut all = BTreeSet::new();
        tips.iter().for_each(|id| search(&store, *id, &mut all));
        let report = run(&store, &tips, &pruning(200)).unwrap();
        prop_assert_eq!(report.packed, all.len() as u64);
        let store = store_on(&disk);
        prop_assert_eq!(store.ids().unwrap(), all.iter().copied().collect::<Vec<_>>());
        assert_whole(&store, &tips, "any");
    }
}
