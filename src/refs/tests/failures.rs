//! A disk that is full or refuses: an error, no ref half changed, and nothing left that blocks the next transaction.

use std::io::ErrorKind;

use super::*;

type Run<'a> = &'a dyn Fn(&Refs) -> Result<()>;

fn some(refs: &Refs) {
    apply(refs, vec![set("refs/heads/main", id(1)), set("refs/heads/a/b", id(2)), set("refs/tags/v", id(3))]).unwrap();
    pack(refs).unwrap();
    apply(refs, vec![set("refs/heads/main", id(4))]).unwrap();
}

fn fail_everywhere(what: &str, is_one_ref: bool, run: Run<'_>) {
    let start = empty_disk();
    some(&refs_on(&start));
    let old = state(&refs_on(&start));
    let whole = start.fork();
    run(&refs_on(&whole)).unwrap();
    let (new, operations) = (state(&refs_on(&whole)), whole.operations());
    for n in 0..operations {
        for (lasting, kind) in [(true, ErrorKind::StorageFull), (false, ErrorKind::PermissionDenied)] {
            let what = format!("{what}, {kind} at {n}");
            let disk = start.fork();
            if lasting {
                disk.fail_from(n, kind)
            } else {
                disk.fail_at(n, kind)
            }
            let refs = refs_on(&disk);
            let done = run(&refs);
            let found = state(&refs);
            // Removing what is not needed any more may fail without harm.
            assert!(done.is_err() || found == new, "{what}");
            assert!(!is_one_ref || found == old || found == new, "{what}: {found:?}");
            for text in old.keys().chain(new.keys()) {
                assert!([old.get(text), new.get(text)].contains(&found.get(text)), "{what}: {text}");
            }
            // Where what failed was to remove one, that one is left; on a full disk none is.
            let left = files_ending_in(&disk, ".lock").len() + temporary_files(&disk);
            assert!(left <= usize::from(!lasting), "{what}: {:?}", disk.files());
            disk.heal();
            run(&refs).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(state(&refs), new, "{what}");
            apply(&refs, vec![set("refs/heads/next", id(9))]).unwrap();
            apply(&refs, vec![delete("refs/heads/next")]).unwrap();
        }
    }
}

#[test]
fn one_ref() {
    fail_everywhere("a new branch", true, &|refs| apply(refs, vec![set("refs/heads/x/y", id(9))]));
    fail_everywhere("a move", true, &|refs| apply(refs, vec![set("refs/heads/main", id(9))]));
    fail_everywhere("a link", true, &|refs| apply(refs, vec![link("HEAD", "refs/tags/v")]));
    for text in ["refs/heads/main", "refs/heads/a/b", "refs/tags/v"] {
        fail_everywhere("a deletion", true, &|refs| apply(refs, vec![delete(text)]));
    }
    fail_everywhere("packing", true, &pack);
}

#[test]
fn several_refs() {
    fail_everywhere("several", false, &|refs| {
        apply(refs, vec![set("refs/heads/main", id(9)), set("refs/heads/n", id(9)), delete("refs/tags/v")])
    });
}

#[test]
fn a_log_that_cannot_be_written_keeps_the_ref_where_it_was() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    apply(&refs, vec![set("refs/heads/main", id(1))]).unwrap();
    // The new file takes three operations, the mark one.
    disk.fail_from(4, ErrorKind::StorageFull);
    apply(&refs, vec![set("refs/heads/main", id(2))]).unwrap_err();
    assert_eq!(refs.get(&name("refs/heads/main")).unwrap(), Some(id(1)));
    disk.heal();
    apply(&refs, vec![set("refs/heads/main", id(3))]).unwrap();
    let log = refs.log(&name("refs/heads/main")).unwrap();
    assert_eq!((log.damaged_lines(), log.newest_first().next().unwrap().new), (1, id(3)));
}
