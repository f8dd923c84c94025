//! git reads what we write, and we read what git writes.

use std::io::Write;

use super::git::Git;
use super::*;
use crate::object::{Entry, Mode, encode_tree, hash};
use crate::store::STREAM_FROM;

#[test]
fn git_reads_ours() {
    let Some(git) = Git::new() else { return };
    let store = store_in(&git.root());
    let small = store.put(Kind::Blob, b"hello\n").unwrap();
    let large = noise(STREAM_FROM as usize + 12_345);
    let streamed = store.put_stream(Kind::Blob, large.len() as u64, &mut large.as_slice()).unwrap();
    let unsized_ = store.put_unsized(Kind::Blob, &mut [large.as_slice(), b"!"].concat().as_slice(), u64::MAX).unwrap();
    let entry = |name: &str, id| Entry { mode: Mode::Blob, name: name.into(), id };
    let tree = encode_tree(&mut [entry("a", small), entry("b", streamed), entry("c", unsized_)]);
    let tree = store.put(Kind::Tree, &tree).unwrap();
    let commit = format!("tree {tree}\nauthor Ann <ann@farm> 1 +0000\ncommitter Ann <ann@farm> 1 +0000\n\nm\n");
    let commit = store.put(Kind::Commit, commit.as_bytes()).unwrap();
    let many: Vec<Id> = put_blobs(&store, 0..200).unwrap();
    store.flush(&[]).unwrap();

    assert_eq!(git.run(["cat-file", "blob", &small.to_string()]), "hello");
    assert_eq!(git.output(["cat-file", "blob", &streamed.to_string()]).stdout, large);
    assert_eq!(git.run(["cat-file", "-t", &commit.to_string()]), "commit");
    for (number, id) in many.iter().enumerate().step_by(20) {
        assert_eq!(git.output(["cat-file", "blob", &id.to_string()]).stdout, blob(number));
    }
    git.run(["update-ref", "refs/heads/main", &commit.to_string()]);
    git.assert_sound();
    // What was streamed is loose, and the rest is in one pack.
    let counted = git.run(["count-objects", "-v"]);
    let has = |line: String| assert!(counted.lines().any(|counted| counted == line), "{line}: {counted}");
    has("count: 2".into());
    has(format!("in-pack: {}", store.ids().unwrap().len() - 2));
    has("packs: 1".into());
    has("garbage: 0".into());
}

#[test]
fn we_read_gits() {
    let Some(git) = Git::new() else { return };
    let bodies = [Vec::new(), b"x".to_vec(), b"some text, ".repeat(5000), noise(100_000)];
    for level in ["0", "1", "9"] {
        for body in &bodies {
            let body = [body.as_slice(), level.as_bytes()].concat();
            let setting = format!("core.looseCompression={level}");
            let said = git.run_with(["-c", &setting, "hash-object", "-w", "--stdin"], &body);
            let id: Id = said.parse().unwrap();
            assert_eq!(id, hash(Kind::Blob, &body));
            let store = store_in(&git.root());
            assert_eq!(store.get(id).unwrap().unwrap().body, body);
            assert_eq!(store.header(id).unwrap(), Some((Kind::Blob, body.len() as u64)));
            assert_eq!(store.verify(id).unwrap(), Some(Kind::Blob));
            assert_eq!(store.with_prefix(&said[..6].parse().unwrap()).unwrap(), [id]);
        }
    }
}

#[test]
fn a_large_blob_of_gits_is_streamed() {
    let Some(git) = Git::new() else { return };
    let body = noise(1 << 20).repeat(20);
    let file = git.path("large");
    std::fs::File::create(&file).unwrap().write_all(&body).unwrap();
    // Above git's own limit for holding a file in memory it would write a pack.
    let id = git.run(["-c", "core.looseCompression=1", "hash-object", "-w", "large"]);
    std::fs::remove_file(&file).unwrap();
    let store = store_in(&git.root());
    let mut reader = store.open(id.parse().unwrap()).unwrap().unwrap();
    assert_eq!((reader.kind(), reader.size()), (Kind::Blob, body.len() as u64));
    let mut copy = Vec::new();
    reader.copy_to(&mut copy).unwrap();
    assert!(copy == body);
}

#[test]
fn what_git_has_is_not_written_again() {
    let Some(git) = Git::new() else { return };
    let id: Id = git.run_with(["hash-object", "-w", "--stdin"], b"hello\n").parse().unwrap();
    let store = store_in(&git.root());
    let path = super::super::loose::path(&git.path("objects"), id);
    let before = std::fs::metadata(&path).unwrap();
    assert_eq!(store.put(Kind::Blob, b"hello\n").unwrap(), id);
    assert_eq!(store.put_stream(Kind::Blob, 6, &mut b"hello\n".as_slice()).unwrap(), id);
    store.flush(&[]).unwrap();
    let after = std::fs::metadata(&path).unwrap();
    assert_eq!(before.modified().unwrap(), after.modified().unwrap());
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&before), std::os::unix::fs::MetadataExt::ino(&after));
    git.assert_sound();
}

#[test]
fn a_tree_is_a_delta_of_the_one_before() {
    // As they come, and all at once.
    for held in [3, 1024] {
        trees_are_deltas(held);
    }
}

fn trees_are_deltas(held: usize) {
    let Some(git) = Git::new() else { return };
    let store = store_in(&git.root());
    store.set_unpack_limit(3);
    store.pending(|pending| pending.set_held(held));
    let entry = |n: usize, round: usize| {
        let content = if n == round % 40 { format!("{n} {round}") } else { format!("{n}") };
        Entry {
            mode: Mode::Blob,
            name: format!("{n:02}").into(),
            id: store.put(Kind::Blob, content.as_bytes()).unwrap(),
        }
    };
    let mut trees: Vec<Id> = Vec::new();
    for round in 0..60 {
        let body = encode_tree(&mut (0..40).map(|n| entry(n, round)).collect::<Vec<_>>());
        let tree = store.put_after(Kind::Tree, &body, trees.last().copied()).unwrap();
        // Read while it waits or is on its way into the pack.
        assert_eq!(store.get(tree).unwrap().unwrap().body, body);
        trees.push(tree);
    }
    store.flush(&[]).unwrap();
    let pack = std::fs::read_dir(git.path("objects/pack")).unwrap().map(|entry| entry.unwrap().path());
    let pack = pack.filter(|path| path.extension().is_some_and(|end| end == "pack")).collect::<Vec<_>>();
    let told = git.run(["verify-pack", "-v", pack[0].to_str().unwrap()]);
    let depths = |deep: usize| told.lines().filter(|line| line.contains(&format!("chain length = {deep}:"))).count();
    assert!(depths(8) > 0 && depths(9) == 0, "{told}");
    let deltas = told.lines().filter(|line| line.contains(" tree ") && line.split_whitespace().count() == 7).count();
    assert_eq!(deltas, trees.len() - trees.len().div_ceil(9), "{told}");
    git.assert_sound();
    for id in trees {
        assert_eq!(store_in(&git.root()).verify(id).unwrap(), Some(Kind::Tree));
    }
}
