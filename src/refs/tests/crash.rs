//! The power is cut at every operation: every ref is where it was or where it went, and what was flushed is there.

use super::*;
use crate::disk::Survivors;

type Run<'a> = &'a dyn Fn(&Refs) -> Result<()>;

/// Cuts the power at each operation of `run`, and looks at everything that can be left.
fn cut_everywhere(what: &str, prepare: Run<'_>, run: Run<'_>) {
    let start = empty_disk();
    prepare(&refs_on(&start)).unwrap();
    let old = state(&refs_on(&start));
    let whole = start.fork();
    run(&refs_on(&whole)).unwrap();
    let (new, operations) = (state(&refs_on(&whole)), whole.operations());
    for survivors in Survivors::all() {
        let after = refs_on(&whole.after_power_cut(survivors));
        assert_eq!(state(&after), new, "{what} is lost, {survivors}");
        assert!(after.strange_files().unwrap().is_empty());
    }
    for n in 0..operations {
        let disk = start.fork();
        disk.cut_at(n);
        // The power may be cut when only marks are left to be removed.
        let done = run(&refs_on(&disk)).is_ok();
        assert!(disk.is_cut());
        for survivors in Survivors::all() {
            let what = format!("{what}, cut at {n}, {survivors}");
            let disk = disk.after_power_cut(survivors);
            let after = refs_on(&disk);
            let found = state(&after);
            for text in old.keys().chain(new.keys()) {
                let at = found.get(text);
                assert!(at == new.get(text) || (!done && at == old.get(text)), "{what}: {text} at {at:?}");
            }
            assert!(after.strange_files().unwrap().is_empty(), "{what}");
            run(&after).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(state(&after), new, "{what}");
            for survivors in Survivors::all() {
                assert_eq!(state(&refs_on(&disk.after_power_cut(survivors))), new, "{what}, then {survivors}");
            }
            // What stale marks and logs are left are in nobody's way.
            for (from, to) in [("refs/heads/a/b", "refs/heads/a"), ("refs/heads/x", "refs/heads/x/y")] {
                apply(&after, vec![delete(from), delete(to)]).unwrap();
                apply(&after, vec![set(to, id(99))]).unwrap_or_else(|error| panic!("{what}: {error}"));
                assert_eq!(after.log(&name(to)).unwrap().newest_first().next().unwrap().new, id(99));
            }
            apply(&after, vec![delete("refs/heads/main")]).unwrap();
            pack(&after).unwrap();
            assert!(files_ending_in(&disk, "packed-refs.lock").is_empty(), "{what}");
        }
    }
}

fn nothing(_: &Refs) -> Result<()> {
    Ok(())
}

fn some(refs: &Refs) -> Result<()> {
    apply(refs, vec![set("refs/heads/main", id(1)), set("refs/heads/a/b", id(2)), set("refs/tags/v", id(3))])
}

fn some_packed(refs: &Refs) -> Result<()> {
    some(refs)?;
    pack(refs)?;
    apply(refs, vec![set("refs/heads/main", id(4))])
}

#[test]
fn create() {
    cut_everywhere("a first branch", &nothing, &|refs| apply(refs, vec![set("refs/heads/main", id(1))]));
    cut_everywhere("a deep branch", &nothing, &|refs| apply(refs, vec![set("refs/heads/a/b", id(1))]));
    cut_everywhere("a remote's branch", &some, &|refs| apply(refs, vec![set("refs/remotes/r/s/main", id(1))]));
    cut_everywhere("a name of two parts", &some, &|refs| apply(refs, vec![set("refs/stash", id(1))]));
}

#[test]
fn move_one() {
    cut_everywhere("a move", &some, &|refs| apply(refs, vec![set("refs/heads/main", id(9))]));
    cut_everywhere("a move of a packed ref", &some_packed, &|refs| apply(refs, vec![set("refs/heads/a/b", id(9))]));
    cut_everywhere("a link", &some, &|refs| apply(refs, vec![link("HEAD", "refs/heads/a/b")]));
}

#[test]
fn delete_one() {
    for text in ["refs/heads/main", "refs/heads/a/b", "refs/tags/v"] {
        cut_everywhere("a deletion", &some, &|refs| apply(refs, vec![delete(text)]));
        cut_everywhere("a deletion of a packed ref", &some_packed, &|refs| apply(refs, vec![delete(text)]));
    }
}

#[test]
fn several() {
    cut_everywhere("several", &some_packed, &|refs| {
        let edits = vec![set("refs/heads/main", id(9)), set("refs/heads/n", id(9)), delete("refs/tags/v")];
        apply(refs, [edits, vec![link("HEAD", "refs/heads/n")]].concat())
    });
}

#[test]
fn packing() {
    cut_everywhere("packing", &some, &pack);
    cut_everywhere("packing again", &some_packed, &pack);
    cut_everywhere("packing and a move", &some, &|refs| {
        pack(refs)?;
        apply(refs, vec![set("refs/heads/main", id(9))])
    });
}

#[test]
fn directories_that_a_dead_process_made_are_made_durable() {
    let disk = empty_disk();
    // A process made the directories and was killed before it flushed them.
    disk.create_dir_all(Path::new("/db/refs/heads/a/b")).unwrap();
    apply(&refs_on(&disk), vec![set("refs/heads/a/b/c", id(1))]).unwrap();
    let after = refs_on(&disk.after_power_cut(Survivors::SYNCED));
    assert_eq!(after.get(&name("refs/heads/a/b/c")).unwrap(), Some(id(1)));
}
