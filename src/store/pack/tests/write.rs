//! Writing packs: git knows every object of ours, the same objects make the same bytes, and nothing is left behind.

use std::collections::BTreeMap;
use std::io::{Cursor, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;

use crate::disk::{Disk, FaultDisk, OsDisk};
use crate::object::{Error, Id, Kind, Object, hash};
use crate::store::Reader;
use crate::store::deflate::{compressor, deflate};
use crate::store::pack::delta::DeltaIndex;
use crate::store::pack::files::Finished;
use crate::store::pack::write::{Copied, Effort, PackWriter};
use crate::store::temporary::sweep;
use crate::store::tests::git::Git;
use crate::store::tests::noise;

const PACKS: &str = "/db/objects/pack";
const TEMPORARY: &str = "/db/isodb/tmp";

fn disk() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.import(Path::new("/db/objects"), None);
    disk.import(Path::new(TEMPORARY), None);
    disk
}

fn writer(disk: &FaultDisk) -> crate::store::Result<PackWriter> {
    writer_for(disk, None)
}

fn writer_for(disk: &FaultDisk, count: Option<usize>) -> crate::store::Result<PackWriter> {
    PackWriter::create(Arc::new(disk.clone()), Path::new(PACKS), Path::new(TEMPORARY), count)
}

fn in_git(git: &Git) -> PackWriter {
    let temporary = git.path("isodb/tmp");
    std::fs::create_dir_all(&temporary).unwrap();
    PackWriter::create(Arc::new(OsDisk::without_sync()), &git.path("objects/pack"), &temporary, None).unwrap()
}

/// How an object is added.
#[derive(Clone, Copy, Debug)]
enum Way {
    Whole,
    /// Against the object added this many before, if that is of the same kind.
    Delta(usize),
    Copied,
    CopiedDelta(usize),
    Stored,
}

fn stream(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    deflate(&mut compressor(), &[bytes], &mut out);
    out
}

/// Reads a blob of this size from a stream piece by piece.
fn reader(id: Id, size: u64, stream: Vec<u8>) -> Reader {
    Reader::of_stream(Box::new(Cursor::new(stream)), (id, PathBuf::new()), (Kind::Blob, size))
}

/// Adds objects in the ways given, of which some cannot be gone; answers how many deltas there are.
fn add(pack: &mut PackWriter, objects: &[(Object, Way)]) -> crate::store::Result<usize> {
    let mut deltas = 0;
    for (at, (object, way)) in objects.iter().enumerate() {
        let (id, body) = (object.id(), &object.body);
        let base = |back: &usize| {
            let base = &objects[at.checked_sub(back + 1)?].0;
            let is_fit = base.kind == object.kind && base.id() != id && !pack.contains(id);
            let delta = is_fit.then(|| DeltaIndex::new(&base.body).make(body, usize::MAX))??;
            // git takes no others.
            (delta.len() >= 4 && !body.is_empty()).then_some((base.id(), delta))
        };
        match way {
            Way::Delta(back) if base(back).is_some() => {
                let (base, delta) = base(back).unwrap();
                pack.add_delta(id, base, &delta)?;
                deltas += 1;
            }
            Way::CopiedDelta(back) if base(back).is_some() => {
                let (base, delta) = base(back).unwrap();
                pack.add_copied(id, Copied::Delta(base), delta.len() as u64, &stream(&delta))?;
                deltas += 1;
            }
            Way::Copied => pack.add_copied(id, Copied::Whole(object.kind), body.len() as u64, &stream(body))?,
            Way::Stored => pack.add_stored(id, &mut reader(id, body.len() as u64, stream(body)))?,
            _ => pack.add(id, object.kind, body)?,
        }
    }
    Ok(deltas)
}

fn way() -> impl Strategy<Value = Way> {
    let back = 0usize..5;
    prop_oneof![
        4 => Just(Way::Whole),
        4 => back.clone().prop_map(Way::Delta),
        1 => Just(Way::Copied),
        1 => back.prop_map(Way::CopiedDelta),
        1 => Just(Way::Stored),
    ]
}

fn object() -> impl Strategy<Value = Object> {
    let line = prop::sample::select(vec!["name: Bella\n", "born: 2019\n", "weight: 512.5\n", "\0\u{1}\n", ""]);
    let body = prop_oneof![
        8 => prop::collection::vec(line, 0..60).prop_map(|lines| lines.concat().into_bytes()),
        1 => (0usize..200_000).prop_map(noise),
    ];
    body.prop_map(|body| Object { kind: Kind::Blob, body })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn git_lists_the_same(objects in prop::collection::vec((object(), way()), 1..200)) {
        let Some(git) = Git::new() else { return Ok(()) };
        let mut pack = in_git(&git);
        let deltas = add(&mut pack, &objects).unwrap();
        let all: BTreeMap<Id, &Object> = objects.iter().map(|(object, _)| (object.id(), object)).collect();
        prop_assert_eq!(pack.len(), all.len());
        for (id, object) in &all {
            prop_assert_eq!(&pack.get(*id).unwrap().unwrap(), *object);
        }
        prop_assert!(pack.get(Id::ZERO).unwrap().is_none());
        let path = install(pack.finish().unwrap());
        let told = git.run(["verify-pack", "-v", &path]);
        let listed = told.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let id = words.next()?.parse::<Id>().ok()?;
            Some((id, words.nth(1)?.parse::<u64>().ok()?, words.nth(2).is_some()))
        });
        let listed: Vec<_> = listed.collect();
        prop_assert_eq!(listed.iter().map(|(id, ..)| *id).collect::<std::collections::BTreeSet<_>>().len(), all.len());
        for (id, size, is_delta) in &listed {
            // Of a delta git tells the delta's own size.
            prop_assert!(*is_delta || all[id].body.len() as u64 == *size);
        }
        prop_assert_eq!(listed.iter().filter(|(.., is_delta)| *is_delta).count(), deltas);
        git.run(["index-pack", "--strict", "--verify", &path]);
        git.assert_sound();
    }
}

/// Gives a pack its name and answers the path.
fn install(finished: Finished) -> String {
    let path = finished.path();
    finished.install().unwrap();
    path.to_str().unwrap().to_owned()
}

/// Enough for many batches, some of them of one large body.
fn many() -> Vec<(Object, Way)> {
    let body = |n: usize| if n % 400 == 399 { noise(70_000 + n) } else { format!("document {n}\n").repeat(30).into() };
    let way = |n: usize| if n % 3 == 2 && !n.is_multiple_of(400) { Way::Delta(n % 2) } else { Way::Whole };
    (0..2000).map(|n| (Object { kind: Kind::Blob, body: body(n) }, way(n))).collect()
}

fn written(objects: &[(Object, Way)], count: Option<usize>) -> (Id, Vec<Vec<u8>>) {
    let disk = disk();
    let mut pack = writer_for(&disk, count).unwrap();
    add(&mut pack, objects).unwrap();
    let finished = pack.finish().unwrap();
    let (checksum, path) = (finished.checksum(), finished.path());
    assert_eq!(finished.count() as usize, objects.len());
    finished.install().unwrap();
    assert!(disk.stat(&path).unwrap().len > 0);
    assert!(left(&disk).is_empty());
    (checksum, disk.files().into_iter().filter_map(|(_, content)| content).collect())
}

/// The names of temporary files.
fn left(disk: &FaultDisk) -> Vec<String> {
    let names = disk.files().into_iter().filter(|(_, content)| content.is_some());
    names.map(|(path, _)| path.to_str().unwrap().to_owned()).filter(|name| name.contains("tmp")).collect()
}

#[test]
fn the_same_objects_make_the_same_bytes() {
    let objects = many();
    let first = written(&objects, None);
    for _ in 0..5 {
        assert!(written(&objects, None) == first);
    }
}

#[test]
fn what_is_said_of_the_count_changes_nothing() {
    let mut objects = many();
    objects.truncate(500);
    let large = Object { kind: Kind::Blob, body: noise(3000) };
    objects.push((large, Way::Stored));
    let first = written(&objects, None);
    for count in [0, objects.len() - 1, objects.len(), objects.len() + 1, usize::MAX] {
        assert!(written(&objects, Some(count)) == first, "{count}");
    }
}

#[test]
fn a_pack_that_is_there_is_left() {
    let disk = disk();
    for _ in 0..2 {
        let mut pack = writer(&disk).unwrap();
        pack.add(hash(Kind::Blob, b"x"), Kind::Blob, b"x").unwrap();
        let names = pack.finish().unwrap().install().unwrap();
        assert!(names.contains(&PACKS.into()));
    }
    assert_eq!(disk.list(Path::new(PACKS)).unwrap().len(), 2);
}

#[test]
fn a_large_object_and_what_is_wrong_with_one() {
    let Some(git) = Git::new() else { return };
    let body = noise(1 << 20).repeat(9);
    let id = hash(Kind::Blob, &body);
    let mut pack = in_git(&git);
    let small = hash(Kind::Blob, b"small");
    pack.add(small, Kind::Blob, b"small").unwrap();
    pack.add_stored(id, &mut reader(id, body.len() as u64, stream(&body))).unwrap();
    pack.add_delta(hash(Kind::Blob, b"smaller"), small, b"\x05\x07\x90\x05\x02er").unwrap();
    assert!(pack.get(id).unwrap().unwrap().body == body);
    assert_eq!(pack.get(hash(Kind::Blob, b"smaller")).unwrap().unwrap().body, b"smaller");
    let path = install(pack.finish().unwrap());
    git.run(["verify-pack", &path]);
    assert!(git.output(["cat-file", "blob", &id.to_string()]).stdout == body);
    for (source, size) in [(&body[1..], body.len() as u64 - 1), (&body[1..], body.len() as u64)] {
        let mut pack = in_git(&git);
        pack.add_stored(id, &mut reader(id, size, stream(source))).unwrap_err();
        pack.finish().unwrap_err();
    }
    assert_eq!(std::fs::read_dir(git.path("objects/pack")).unwrap().count(), 2);
}

#[test]
fn a_base_must_be_there() {
    let disk = disk();
    let mut pack = writer(&disk).unwrap();
    let refused = pack.add_delta(hash(Kind::Blob, b"x"), Id::ZERO, b"\0\0").unwrap_err();
    assert!(matches!(refused, Error::Io { .. }), "{refused}");
    assert_eq!(pack.len(), 0);
}

#[test]
fn an_error_anywhere_leaves_nothing() {
    let objects = many();
    let run = |disk: &FaultDisk| -> crate::store::Result<()> {
        let mut pack = writer(disk)?;
        add(&mut pack, &objects)?;
        pack.finish()?.install().map(drop)
    };
    let whole = disk();
    run(&whole).unwrap();
    // The last one is the removal of the lock's file.
    for n in 0..whole.operations() - 1 {
        for lasting in [false, true] {
            let disk = disk();
            if lasting {
                disk.fail_from(n, ErrorKind::StorageFull)
            } else {
                disk.fail_at(n, ErrorKind::StorageFull)
            }
            run(&disk).unwrap_err();
            assert_eq!(left(&disk), [""; 0], "{n}");
            let names = disk.list(Path::new(PACKS)).unwrap_or_default();
            assert!(names.iter().all(|entry| !entry.name.ends_with(".idx")), "{n}");
        }
    }
}

#[test]
fn what_a_dead_writer_left_is_swept_and_a_living_ones_is_not() {
    let disk = disk();
    let mut living = writer(&disk).unwrap();
    living.add(hash(Kind::Blob, b"x"), Kind::Blob, b"x").unwrap();
    let dead = writer(&disk).unwrap();
    assert_eq!(left(&disk).len(), 4);
    // What a killed process leaves: its files, and no lock.
    let after = disk.fork();
    std::mem::forget(dead);
    let swept = |disk: &FaultDisk| {
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        sweep(disk, Path::new("/db/objects"), Path::new(TEMPORARY), long_ago).unwrap()
    };
    assert_eq!(swept(&disk), 0);
    assert_eq!(swept(&after), 4);
    assert_eq!(left(&after), [""; 0]);
    living.finish().unwrap().install().unwrap();
}

#[test]
fn like_documents_are_paired() {
    let Some(git) = Git::new() else { return };
    let mut pack = in_git(&git);
    pack.set_effort(Effort::Bulk);
    let document = |n: u64| {
        let salt = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        format!("{{\"sensor\":\"s-{salt:016x}\",\"moisture\":{},\"temperature\":{n},\"note\":\"ok\"}}", salt % 99)
            .repeat(3)
    };
    let documents: Vec<Object> =
        (0..900).map(|n| Object { kind: Kind::Blob, body: document(n).into_bytes() }).collect();
    for object in &documents {
        pack.add(object.id(), object.kind, &object.body).unwrap();
    }
    for object in &documents {
        assert_eq!(pack.get(object.id()).unwrap().unwrap(), *object);
    }
    let told = git.run(["verify-pack", "-v", &install(pack.finish().unwrap())]);
    let deltas = told.lines().filter(|line| line.split_whitespace().count() == 7).count();
    assert!((250..450).contains(&deltas), "{deltas}");
    git.assert_sound();
}
