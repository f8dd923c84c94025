//! `packed-refs`: looked up by halves as well as line by line, and damaged in every way.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::refs::Error;
use crate::refs::packed::{Line, PackedRefs, encode};

const FILE: &str = "/db/packed-refs";

fn load(disk: &FaultDisk) -> PackedRefs {
    PackedRefs::load(disk, Path::new(FILE)).unwrap()
}

fn with_file(bytes: &[u8]) -> (FaultDisk, Refs) {
    let disk = empty_disk();
    disk.import(Path::new(FILE), Some(bytes.to_vec()));
    let refs = refs_on(&disk);
    (disk, refs)
}

fn line(text: &str, number: usize, is_peeled: bool) -> Line {
    Line { name: text.to_owned(), id: id(number), peeled: is_peeled.then(|| id(number + 1)) }
}

#[test]
fn nothing_and_one() {
    for bytes in ["", "# pack-refs with: peeled fully-peeled sorted \n", "# pack-refs with: sorted"] {
        let (_, refs) = with_file(bytes.as_bytes());
        assert_eq!(refs.get(&name("refs/heads/main")).unwrap(), None);
        assert!(refs.list("refs/").unwrap().is_empty());
        assert!(refs.strange_files().unwrap().is_empty());
    }
    for is_peeled in [false, true] {
        let one = encode(&[line("refs/heads/main", 1, is_peeled)], true);
        for bytes in [one.as_slice(), &one[..one.len() - 1]] {
            let (_, refs) = with_file(bytes);
            assert_eq!(refs.get(&name("refs/heads/main")).unwrap(), Some(id(1)));
            for other in ["refs/heads/mai", "refs/heads/main2", "refs/a", "refs/z"] {
                assert_eq!(refs.get(&name(other)).unwrap(), None, "{other}");
            }
            assert_eq!(refs.list("refs/").unwrap(), [(name("refs/heads/main"), id(1))]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn by_halves_as_line_by_line(
        names in proptest::collection::btree_map("refs/(heads|tags)/[ab]{1,4}(-[ab]{1,2}|/[ab]{1,2})?", any::<bool>(), 0..40),
        others in proptest::collection::vec("refs/(heads|tags)/[ab]{1,5}(-[ab]|/[ab])?", 0..20),
        is_cut: bool,
    ) {
        let lines: Vec<Line> =
            names.iter().enumerate().map(|(at, (name, is_peeled))| line(name, at, *is_peeled)).collect();
        let mut sorted = encode(&lines, true);
        if is_cut && !lines.is_empty() {
            sorted.pop();
        }
        // The same lines in another order, in a file that does not say that they are sorted.
        let mut lines = lines;
        lines.reverse();
        let unsorted = String::from_utf8(encode(&lines, true)).unwrap().replace("sorted ", "");
        let all: BTreeMap<&str, Id> = lines.iter().map(|line| (line.name.as_str(), line.id)).collect();
        for bytes in [sorted, unsorted.into_bytes()] {
            let (disk, _) = with_file(&bytes);
            let packed = load(&disk);
            for text in names.keys().chain(&others) {
                prop_assert_eq!(packed.find(&name(text)).unwrap(), all.get(text.as_str()).copied());
            }
            for prefix in others.iter().map(String::as_str).chain(["", "refs/", "refs/heads/", "refs/tags/b", "x"]) {
                let found: Vec<_> = packed.with_prefix(prefix).unwrap();
                let expected: Vec<_> =
                    all.iter().filter(|(text, _)| text.starts_with(prefix)).map(|(text, id)| (name(text), *id)).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn damage_is_an_error(at: usize, with in proptest::collection::vec(any::<u8>(), 0..6), cut in 0usize..4) {
        let lines: Vec<Line> = (0..8).map(|at| line(&format!("refs/heads/{at}"), at, at % 3 == 0)).collect();
        let mut bytes = encode(&lines, true);
        let at = at % bytes.len();
        let end = (at + cut).min(bytes.len());
        bytes.splice(at..end, with);
        let (_, refs) = with_file(&bytes);
        let mut is_damaged = false;
        for at in 0..9 {
            match refs.get(&name(&format!("refs/heads/{at}"))) {
                Ok(_) => {}
                Err(Error::Damaged { path, .. }) => is_damaged |= path == Path::new(FILE),
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
        let strange = refs.strange_files().unwrap();
        prop_assert!(!is_damaged || !strange.is_empty());
        match refs.list("refs/") {
            Ok(_) | Err(Error::Damaged { .. }) => {}
            Err(other) => prop_assert!(false, "{}", other),
        }
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), is_sorted: bool) {
        let header = if is_sorted { "# pack-refs with: sorted\n" } else { "" };
        let (_, refs) = with_file(&[header.as_bytes(), &bytes].concat());
        let _ = (refs.get(&name("refs/heads/main")), refs.list("refs/"), refs.strange_files());
    }
}

#[test]
fn a_peeled_line_without_a_ref_is_damage() {
    let peeled = format!("^{}\n", id(1));
    let header = "# pack-refs with: peeled fully-peeled sorted \n";
    let one = format!("{} refs/heads/main\n", id(1));
    for text in [peeled.clone(), format!("{peeled}{one}"), format!("{one}{peeled}{peeled}{one}")] {
        let (_, refs) = with_file(format!("{header}{text}").as_bytes());
        assert!(matches!(refs.list("refs/"), Err(Error::Damaged { .. })), "{text}");
        assert_eq!(refs.strange_files().unwrap().len(), 1);
    }
}

#[test]
fn few_lines_of_many_are_looked_at() {
    let lines: Vec<Line> = (0..100_000).map(|at| line(&format!("refs/heads/n{at:06}"), at, at % 10 == 0)).collect();
    let bytes = encode(&lines, true);
    // Every line is damaged; the lookup tells of one at a time, which is then repaired.
    let mut damaged = bytes.clone();
    let starts: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    for at in starts.iter().copied().filter(|at| *at < bytes.len() && bytes[*at] != b'^') {
        damaged[at] = b'x';
    }
    let disk = empty_disk();
    disk.import(Path::new(FILE), Some(damaged));
    let mut looked_at = 0;
    loop {
        match load(&disk).find(&name("refs/heads/n077777")) {
            Ok(found) => break assert_eq!(found, Some(id(77_777))),
            Err(Error::Damaged { reason, .. }) => {
                let at: usize = reason.split(' ').nth(4).unwrap().parse().unwrap();
                disk.overwrite(Path::new(FILE), Some(at as u64), &bytes[at..=at]).unwrap();
                looked_at += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(looked_at <= 20, "{looked_at}");
}

#[test]
fn names_that_git_can_make_are_read() {
    // git needs room for `.lock` in 255 bytes.
    let longest = format!("refs/heads/{}", "x".repeat(250));
    let (_, refs) = with_file(&encode(&[line(&longest, 1, false)], true));
    assert_eq!(refs.list("refs/").unwrap().len(), 1);
    assert!(RefName::full(&format!("{longest}x")).is_err());
}

#[test]
fn what_is_not_known_to_be_peeled_is_not_claimed_to_be() {
    let (disk, refs) = with_file(&encode(&[line("refs/heads/a", 1, false), line("refs/tags/v1", 2, false)], false));
    apply(&refs, vec![delete("refs/heads/a")]).unwrap();
    let text = || String::from_utf8(disk.read(Path::new(FILE)).unwrap()).unwrap();
    assert!(!text().contains("fully-peeled"), "{}", text());
    apply(&refs, vec![set("refs/heads/b", id(5))]).unwrap();
    refs.lock(Duration::ZERO).unwrap().pack(&|of| (of == id(2)).then(|| id(3))).unwrap();
    assert!(text().contains(" fully-peeled ") && text().contains(&format!("{} refs/tags/v1\n^{}\n", id(2), id(3))));
    apply(&refs, vec![delete("refs/heads/b")]).unwrap();
    assert!(text().contains(" fully-peeled ") && text().contains(&format!("^{}\n", id(3))));
}
