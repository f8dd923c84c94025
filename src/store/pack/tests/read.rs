//! Reading packs that git wrote, with every kind of delta, and what git itself tells of them.

use std::collections::HashMap;
use std::io::Write;

use super::*;
use crate::object::{Error, Kind, Objects, hash};
use crate::store::STREAM_FROM;
use crate::store::pack::delta::DeltaIndex;
use crate::store::tests::noise;

#[test]
fn packs_of_every_make() {
    let Some(git) = repository(60) else { return };
    // Deltas by offset, then by id, then none.
    for settings in
        [["--depth=50", "repack.useDeltaBaseOffset=true"], ["--depth=50", "repack.useDeltaBaseOffset=false"]]
    {
        git.run(["-c", settings[1], "repack", "-adfq", "--window=50", settings[0]]);
        assert_eq!(packs(&git).len(), 1);
        assert_reads_all(&git, &store(&git));
    }
    git.run(["repack", "-adfq", "--depth=0"]);
    assert_reads_all(&git, &store(&git));
    // More packs, some loose objects, bitmaps and an index over all packs.
    for start in [60, 70, 80] {
        add_commits(&git, start..start + 10);
    }
    git.run_with(["hash-object", "-w", "--stdin"], b"loose");
    assert!(packs(&git).len() > 3);
    assert_reads_all(&git, &store(&git));
    git.run(["multi-pack-index", "write"]);
    assert_reads_all(&git, &store(&git));
    git.run(["repack", "-adbq", "--write-midx"]);
    assert_reads_all(&git, &store(&git));
    git.run(["-c", "gc.cruftPacks=true", "gc", "-q", "--prune=never"]);
    assert_reads_all(&git, &store(&git));
}

#[test]
fn git_tells_the_same_of_every_entry() {
    let Some(git) = repository(80) else { return };
    git.run(["repack", "-adfq", "--window=50", "--depth=50"]);
    let path = packs(&git).remove(0);
    let said = git.run(["verify-pack", "-v", path.with_extension("idx").to_str().unwrap()]);
    let store = store(&git);
    let listed = store.own.packs().listed().unwrap();
    let [pack] = &listed.packs[..] else { panic!("one pack") };
    pack.index().verify().unwrap();

    let order = pack.by_offset().unwrap();
    let mut ends: HashMap<u64, u64> = HashMap::new();
    let offsets: Vec<u64> = order.iter().map(|&place| pack.offset(place).unwrap()).collect();
    for (n, &offset) in offsets.iter().enumerate() {
        ends.insert(offset, offsets.get(n + 1).copied().unwrap_or(pack.end().unwrap()));
    }
    let mut deepest = 0;
    let mut seen = 0;
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let Ok(id) = words[0].parse::<Id>() else { continue };
        seen += 1;
        let place = pack.index().find(id).unwrap();
        let offset = pack.offset(place).unwrap();
        let outline = pack.outline(offset).unwrap();
        let (header, stream) = pack.raw(offset, ends[&offset]).unwrap();
        let depth = words.get(5).map_or(0, |depth| depth.parse().unwrap());
        deepest = deepest.max(depth);
        assert_eq!((outline.kind.name(), outline.depth), (words[1], depth), "{line}");
        assert_eq!([header.size, (header.len + stream.len()) as u64, offset].map(|n| n.to_string()), words[2..5]);
        let mut head = Vec::new();
        entry::encode(header.kind, offset, header.size, &mut head);
        let mut crc = flate2::Crc::new();
        crc.update(&head);
        crc.update(stream);
        assert_eq!(crc.sum(), pack.index().crc(place));
    }
    assert_eq!(seen, order.len());
    assert!(deepest > 5, "{deepest}");
}

#[test]
fn a_large_body_is_streamed_and_a_large_delta_made() {
    let Some(git) = Git::new() else { return };
    let mut body = noise(STREAM_FROM as usize + 100_000);
    let first: Id = git.run_with(["hash-object", "-w", "--stdin"], &body).parse().unwrap();
    body[1000] ^= 1;
    body.extend_from_slice(b"and more");
    let second: Id = git.run_with(["hash-object", "-w", "--stdin"], &body).parse().unwrap();
    let ids = format!("{first} a\n{second} a\n");
    git.run_with(["pack-objects", "-q", "--depth=10", "objects/pack/pack"], ids.as_bytes());
    git.run(["prune-packed"]);
    let store = store(&git);
    let listed = store.own.packs().listed().unwrap();
    let depth = |id| {
        let pack = &listed.packs[0];
        pack.outline(pack.offset(pack.index().find(id).unwrap()).unwrap()).unwrap().depth
    };
    assert_eq!(depth(first) + depth(second), 1);
    for id in [first, second] {
        let mut reader = store.open(id).unwrap().unwrap();
        let mut out = Vec::new();
        reader.copy_to(&mut out).unwrap();
        assert_eq!(hash(Kind::Blob, &out), id);
        assert_eq!(store.header(id).unwrap(), Some((Kind::Blob, out.len() as u64)));
    }
}

#[test]
fn deep_chains_are_read() {
    let body = |n: usize| format!("a document in its version {n}, which is like the others").into_bytes();
    let ids: Vec<Id> = (0..=4095).map(|n| hash(Kind::Blob, &body(n))).collect();
    for by_id in [false, true] {
        let mut entries = vec![(ids[0], Made::Blob, body(0))];
        for n in 1..ids.len() {
            let delta = DeltaIndex::new(&body(n - 1)).make(&body(n), 1000).unwrap();
            entries.push((ids[n], if by_id { Made::OnId(ids[n - 1]) } else { Made::OnEntry(n - 1) }, delta));
        }
        let (store, _) = store_of(&[assemble(&entries)]);
        assert_eq!(store.get(ids[4095]).unwrap().unwrap().id(), ids[4095]);
        for (n, &id) in ids.iter().enumerate().rev().step_by(5) {
            assert_eq!(store.get(id).unwrap().unwrap().id(), id);
            let (pack, place) = store.own.packs().locate(id).unwrap().unwrap();
            let outline = pack.outline(pack.offset(place).unwrap()).unwrap();
            assert_eq!(outline.depth as usize, n);
        }
    }
}

#[test]
fn circles_are_refused() {
    let [a, b, c] = [b"a", b"b", b"c"].map(|body| hash(Kind::Blob, body));
    let delta = vec![1, 1, 1, b'x'];
    let circle = |bases: [Id; 3]| {
        let entries: Vec<_> =
            [a, b, c].into_iter().zip(bases).map(|(id, base)| (id, Made::OnId(base), delta.clone())).collect();
        let (store, _) = store_of(&[assemble(&entries)]);
        for id in [a, b, c] {
            for error in [store.get(id).unwrap_err(), store.header(id).unwrap_err(), store.open(id).unwrap_err()] {
                assert!(matches!(&error, Error::Damaged { reason, .. } if reason.contains("bases")), "{error}");
            }
        }
    };
    circle([a, b, c]);
    circle([b, a, a]);
    circle([b, c, a]);
    circle([c, a, b]);
}

#[test]
fn what_is_too_large_is_refused_by_its_header() {
    let id = hash(Kind::Blob, b"x");
    let whole = |size: u64| {
        let mut pack = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
        entry::encode(EntryKind::Whole(Kind::Blob), 12, size, &mut pack);
        let mut zlib = flate2::write::ZlibEncoder::new(&mut pack, flate2::Compression::default());
        zlib.write_all(b"x").unwrap();
        zlib.finish().unwrap();
        let checksum: [u8; 32] = Sha256::digest(&pack).into();
        pack.extend_from_slice(&checksum);
        let mut index = Vec::new();
        write_index(&[IndexEntry::new(id, 0, 12)], &checksum, &mut index).unwrap();
        store_of(&[(pack, index)]).0
    };
    assert_eq!(whole(1).get(id).unwrap().unwrap().body, b"x");
    for size in [0, 2, 1 << 20] {
        assert!(matches!(whole(size).get(id), Err(Error::Damaged { .. })), "{size}");
    }
    assert!(matches!(whole(1 << 40).get(id), Err(Error::TooLarge { size, .. }) if size == 1 << 40));
    // A delta of a few bytes that makes more than is held in memory.
    let delta = vec![1, 0x80, 0x80, 0x80, 0x80, 2, 0x90, 1];
    let large = hash(Kind::Blob, b"y");
    let entries = [(id, Made::Blob, b"x".to_vec()), (large, Made::OnEntry(0), delta)];
    let (store, _) = store_of(&[assemble(&entries)]);
    assert!(matches!(store.get(large), Err(Error::TooLarge { size, .. }) if size == 1 << 29));
    assert_eq!(store.header(large).unwrap(), Some((Kind::Blob, 1 << 29)));
}
