//! Merging texts, with `git merge-file` as the oracle.

use std::path::Path;
use std::process::Command;

use proptest::prelude::*;

use super::*;

/// What git makes of it; `None` where it sees a conflict.
fn git_merge(dir: &Path, base: &[u8], left: &[u8], right: &[u8]) -> Option<Vec<u8>> {
    for (name, content) in [("base", base), ("left", left), ("right", right)] {
        std::fs::write(dir.join(name), content).unwrap();
    }
    let output =
        Command::new("git").args(["merge-file", "-p", "left", "base", "right"]).current_dir(dir).output().unwrap();
    let code = output.status.code().unwrap();
    assert!(code < 128, "{}", String::from_utf8_lossy(&output.stderr));
    (code == 0).then_some(output.stdout)
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn line(&mut self, kinds: usize) -> String {
        match self.below(kinds) {
            0 => "\n".into(),
            kind => format!("{}line {kind}\n", " ".repeat(kind % 3)),
        }
    }

    fn edited(&mut self, lines: &[String], kinds: usize, edits: usize) -> String {
        let mut lines = lines.to_vec();
        for _ in 0..self.below(edits + 1) {
            let at = self.below(lines.len() + 1);
            match self.below(3) {
                0 => lines.insert(at, self.line(kinds)),
                1 if at < lines.len() => _ = lines.remove(at),
                _ if at < lines.len() => lines[at] = self.line(kinds),
                _ => {}
            }
        }
        let mut text = lines.concat();
        if self.below(5) == 0 {
            text.pop();
        }
        text
    }
}

/// Compares with git on many merges of texts of up to `len` lines of some kinds, with up to `edits` edits on a side.
fn compare(cases: u64, len: usize, kinds: usize, edits: usize) {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut clean = 0;
    for case in 0..cases {
        let mut random = Random(case << 16 | (len + kinds + edits) as u64);
        let count = random.below(len + 1);
        let lines: Vec<String> = (0..count).map(|_| random.line(kinds)).collect();
        let (left, right) = (random.edited(&lines, kinds, edits), random.edited(&lines, kinds, edits));
        let base = lines.concat();
        let ours = merge_text(Some(base.as_bytes()), left.as_bytes(), right.as_bytes());
        let swapped = merge_text(Some(base.as_bytes()), right.as_bytes(), left.as_bytes());
        let git = git_merge(dir.path(), base.as_bytes(), left.as_bytes(), right.as_bytes());
        assert_eq!(ours, swapped, "{base:?} {left:?} {right:?}");
        assert_eq!(ours.ok(), git, "{base:?} {left:?} {right:?}");
        clean += u64::from(git.is_some());
    }
    assert!(clean > cases / 20 && clean < cases, "{clean} of {cases} without a conflict");
}

#[test]
fn small_texts_merge_as_in_git() {
    compare(150, 12, 4, 3);
    compare(150, 25, 3, 2);
}

#[test]
fn texts_merge_as_in_git() {
    compare(100, 80, 12, 8);
    compare(60, 600, 60, 12);
}

#[test]
fn long_searches_take_the_shortcuts_of_git() {
    compare(12, 4000, 8, 60);
    let dir = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        // One side rewrites most of the middle, so that the search passes every limit; the other changes the first
        // line.
        let mut random = Random(seed);
        let kinds = [3, 20, 200, 1000, 40, 2][seed as usize];
        let lines: Vec<String> = (0..3000).map(|_| random.line(kinds)).collect();
        let left = format!("new\n{}", lines[1..].concat());
        let mut other = lines.clone();
        for line in other[100..].iter_mut().filter(|line| line.len() % 2 == 0 || kinds < 10) {
            if random.below(4) > 0 {
                *line = random.line(kinds);
            }
        }
        let right = random.edited(&other, kinds, 900);
        let right = right.strip_prefix(&lines[..50].concat()).map_or(right.clone(), |rest| lines[..50].concat() + rest);
        let base = lines.concat();
        let ours = merge_text(Some(base.as_bytes()), left.as_bytes(), right.as_bytes());
        let git = git_merge(dir.path(), base.as_bytes(), left.as_bytes(), right.as_bytes());
        assert!(ours.ok() == git, "seed {seed}");
    }
}

fn merge(base: &str, left: &str, right: &str) -> Result<String, String> {
    let merged = merge_text(Some(base.as_bytes()), left.as_bytes(), right.as_bytes());
    let swapped = merge_text(Some(base.as_bytes()), right.as_bytes(), left.as_bytes());
    assert_eq!(merged, swapped);
    merged.map(|text| String::from_utf8(text).unwrap())
}

#[test]
fn lines_are_bytes() {
    assert_eq!(merge("a\nb\nc\nd\n", "A\nb\nc\nd\n", "a\nb\nc\nD").unwrap(), "A\nb\nc\nD");
    assert_eq!(merge("a\r\nb\r\nc\r\n", "x\r\nb\r\nc\r\n", "a\r\nb\r\nc\n").unwrap(), "x\r\nb\r\nc\n");
    assert_eq!(merge("a\nb\n", "a\nb\n", "").unwrap(), "");
    assert_eq!(merge("", "a\n", "a\n").unwrap(), "a\n");
    let merged = merge_text(Some(b"\xff\nb\nc\n"), b"\xfe\nb\nc\n", b"\xff\nb\n\xfd\n").unwrap();
    assert_eq!(merged, b"\xfe\nb\n\xfd\n");
}

#[test]
fn conflicts_say_why() {
    let changed = |line| Err(format!("both sides changed the text from line {line} of what they come from on"));
    assert_eq!(merge("a\nb\nc\n", "x\nb\nc\n", "y\nb\nc\n"), changed(1));
    // Lines that touch are a conflict as well.
    assert_eq!(merge("a\nb\nc\n", "a\nx\nc\n", "a\nb\ny\n"), changed(2));
    assert_eq!(merge("a\nb\nc", "a\nb\nc\n", "a\nb\nd"), changed(3));
    assert_eq!(merge_text(None, b"a", b"b").unwrap_err(), "the versions have no text that both come from");
    assert_eq!(merge("a\n", "a\0\n", "a\n").unwrap_err(), "a version has a NUL byte, and so is no text");
    let long = "\n".repeat(MAX_LINES + 1);
    assert_eq!(merge("a", &long, "a").unwrap_err(), "a version has more than 1048576 lines");
    let large = vec![b'x'; MAX_CONTENT + 1];
    assert_eq!(merge_text(Some(b"a"), &large, b"a").unwrap_err(), "a version has more than 16 MiB");
}

#[test]
fn json_is_never_merged_by_lines() {
    for json in ["{\n\"a\": 1\n}\n", "[\n1\n]", "{\"a\":1,\n\"a\":2}", "[\"\\ud800\"]", &"[".repeat(1000)] {
        assert_eq!(merge("x\ny\n", json, "x\nz\n").unwrap_err(), "a version is JSON, which is not merged line by line");
    }
    assert_eq!(merge("1\n2\n3\n", "0\n2\n3\n", "1\n2\n4\n").unwrap(), "0\n2\n4\n");
}

#[test]
fn work_is_bounded() {
    let mut random = Random(7);
    let mut text =
        |kinds: usize| -> String { (0..500_000).map(|_| ["a\n", "b\n", "c\n"][random.below(kinds)]).collect() };
    let (base, left) = (text(2), text(3));
    let error = merge_text(Some(base.as_bytes()), left.as_bytes(), base.as_bytes()).unwrap_err();
    assert_eq!(error, "the versions differ in too many lines");
    // Many runs that could slide a long way are no way around it.
    let (base, left) = ("a\n".repeat(100_000), "a\nb\n".repeat(50_000));
    assert!(merge(&base, &left, &base).is_ok_and(|merged| merged == left));
}

proptest! {
    #[test]
    fn one_side_alone_is_taken(base in "[ab\n]{0,40}", side in "[abc\n]{0,40}") {
        prop_assert_eq!(merge(&base, &base, &side), Ok(side.clone()));
        prop_assert_eq!(merge(&base, &side, &side), Ok(side));
    }

    #[test]
    fn hunks_make_the_one_text_of_the_other(
        base in proptest::collection::vec(0_u32..5, 0..60),
        side in proptest::collection::vec(0_u32..5, 0..60),
    ) {
        let hunks = diff::hunks(&base, &side, 5, &mut Work::new()).unwrap();
        let mut made: Vec<u32> = Vec::new();
        let mut at = 0;
        for hunk in &hunks {
            prop_assert!(at < hunk.base.start || at == 0, "a line between two hunks");
            made.extend(&base[at..hunk.base.start]);
            prop_assert_eq!(made.len(), hunk.side.start);
            made.extend(&side[hunk.side.clone()]);
            at = hunk.base.end;
        }
        made.extend(&base[at..]);
        prop_assert_eq!(made, side);
    }
}
