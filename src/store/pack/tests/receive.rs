//! Packs that come in: git's are indexed as git does it, thin ones are completed, and bad ones leave nothing behind.

use proptest::prelude::*;

use super::*;
use crate::disk::{Disk, FaultDisk};
use crate::object::{Error, Memory, Objects, hash};
use crate::store::Result;
use crate::store::pack::delta::DeltaIndex;
use crate::store::pack::receive::{Dirs, Received, index_pack, take_in};
use crate::store::pack::resolve::Resolver;
use crate::store::tests::noise;

const DIR: &str = "/db/objects/pack";

fn dirs() -> Dirs<'static> {
    Dirs { packs: DIR.as_ref(), temporary: "/db/isodb/tmp".as_ref() }
}

fn empty_disk() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.import(dirs().temporary, None);
    disk
}

/// Takes in a pack on a disk in memory; the objects of `known` can be bases.
fn receive(disk: &FaultDisk, pack: &[u8], known: &Memory) -> Result<Received> {
    index_pack(Arc::new(disk.clone()), &mut &pack[..], dirs(), &|id| known.get(id))
}

fn store_on(disk: &FaultDisk) -> Store {
    Store::new(Arc::new(disk.clone()), "/db".as_ref(), "/db/isodb/tmp".as_ref())
}

fn files_on(disk: &FaultDisk) -> Vec<(PathBuf, Vec<u8>)> {
    disk.files().into_iter().filter_map(|(path, content)| Some((path, content?))).collect()
}

#[test]
fn gits_packs_are_indexed_as_git_does_it() {
    let Some(git) = repository(60) else { return };
    let none = Memory::new();
    for options in [vec![], vec!["--delta-base-offset"], vec!["--depth=0"], vec!["--window=50", "--depth=200"]] {
        let all = ["pack-objects", "--all", "--stdout", "-q", "--no-reuse-delta"].into_iter().chain(options);
        let pack = git.command().args(all).stdin(std::process::Stdio::null()).output().unwrap().stdout;
        for room in [usize::MAX, 0] {
            let disk = empty_disk();
            let resolve = |id| none.get(id);
            let resolver = Resolver::new(&resolve, room);
            let received = take_in(Arc::new(disk.clone()), &mut &pack[..], dirs(), resolver).unwrap();
            assert_eq!(store_on(&disk).ids().unwrap(), []);
            received.keep().unwrap();
            let files = files_on(&disk);
            assert_eq!(files.len(), 2);
            let name = hex::encode(&pack[pack.len() - 32..]);
            let name = |ending: &str| PathBuf::from(format!("{DIR}/pack-{name}.{ending}"));
            assert!(files.contains(&(name("pack"), pack.clone())));
            std::fs::write(git.path("new.pack"), &pack).unwrap();
            git.run(["index-pack", "new.pack"]);
            assert!(files.contains(&(name("idx"), std::fs::read(git.path("new.idx")).unwrap())));
            for leftover in ["new.pack", "new.idx", "new.rev"] {
                let _ = std::fs::remove_file(git.path(leftover));
            }
        }
    }
}

#[test]
fn thin_packs_are_completed() {
    let Some(git) = repository(40) else { return };
    git.run(["clone", "-q", "--bare", "--no-local", ".", "old.git"]);
    let root = git.path("old.git");
    let receiver = crate::store::tests::store_in(&root);
    for (number, offsets) in [(40, true), (50, false)] {
        add_commits(&git, number..number + 10);
        let old = git.run(["-C", "old.git", "rev-parse", "main"]);
        let revisions = format!("main\n^{old}\n");
        let mut command = vec!["pack-objects", "--thin", "--revs", "--stdout", "-q", "--no-reuse-delta"];
        command.extend(offsets.then_some("--delta-base-offset"));
        std::fs::write(git.path("revisions"), revisions).unwrap();
        let input = std::fs::File::open(git.path("revisions")).unwrap();
        let pack = git.command().args(command).stdin(input).output().unwrap().stdout;
        let claimed = u32::from_be_bytes(*pack[8..].first_chunk().unwrap());
        let received = receiver.receive(&mut &pack[..]).unwrap();
        assert!(received.count() > claimed, "no base was left out");
        let main: Id = git.run(["rev-parse", "main"]).parse().unwrap();
        assert!(!receiver.contains(main).unwrap());
        received.keep().unwrap();
        assert!(receiver.contains(main).unwrap());
        git.run(["-C", "old.git", "update-ref", "refs/heads/main", &main.to_string()]);
        git.run(["-C", "old.git", "fsck", "--strict", "--full"]);
        for path in files(root.join("objects/pack"), ".idx") {
            git.run(["verify-pack", path.to_str().unwrap()]);
        }
        assert_eq!(files(root.join("objects/pack"), "tmp").len(), 0);
    }
}

/// Bodies that are like each other, each made from one of those before it.
fn forest() -> impl Strategy<Value = Vec<(Option<prop::sample::Index>, bool, u8)>> {
    prop::collection::vec((prop::option::weighted(0.8, any::<prop::sample::Index>()), any::<bool>(), 0u8..40), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn every_forest_of_deltas_is_resolved(forest in forest(), outside: prop::sample::Index, room in 0usize..1000) {
        let known = Memory::new();
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        let mut entries: Vec<(Id, Made, Vec<u8>)> = Vec::new();
        let mut left_out = None;
        let skipped = outside.index(forest.len());
        for (n, (base, by_id, extra)) in forest.iter().enumerate() {
            let number = base.filter(|_| n > 0).map(|base| base.index(n));
            let mut body = number.map_or_else(|| noise(100), |base| bodies[base].clone());
            body.extend_from_slice(format!(" {n} {}", "x".repeat(usize::from(*extra))).as_bytes());
            let id = hash(Kind::Blob, &body);
            let data = number.map(|base| DeltaIndex::new(&bodies[base]).make(&body, 10_000).unwrap());
            bodies.push(body.clone());
            if n == skipped {
                known.put(Kind::Blob, &body).unwrap();
                left_out = Some(id);
                entries.push((id, Made::Blob, body));
                continue;
            }
            let made = match number {
                None => Made::Blob,
                Some(base) if *by_id || base == skipped => Made::OnId(entries[base].0),
                // The entry that is left out moves the ones behind it.
                Some(base) => Made::OnEntry(base - usize::from(base > skipped)),
            };
            entries.push((id, made, data.unwrap_or(body)));
        }
        entries.remove(skipped);
        let (pack, _) = assemble(&entries);
        let disk = empty_disk();
        let resolve = |id| known.get(id);
        let resolver = Resolver::new(&resolve, room);
        take_in(Arc::new(disk.clone()), &mut &pack[..], dirs(), resolver).unwrap().keep().unwrap();
        let store = store_on(&disk);
        for (id, _, _) in &entries {
            prop_assert_eq!(store.get(*id).unwrap().unwrap().id(), *id);
        }
        let is_base = entries.iter().any(|(_, made, _)| matches!(made, Made::OnId(id) if Some(*id) == left_out));
        let expected = entries.len() + usize::from(is_base);
        prop_assert_eq!(store.ids().unwrap().len(), expected);
    }
}

fn blob(n: u8) -> (Id, Vec<u8>) {
    let body = format!("document {n}, of which much is the same").into_bytes();
    (hash(Kind::Blob, &body), body)
}

fn delta(from: u8, to: u8) -> Vec<u8> {
    DeltaIndex::new(&blob(from).1).make(&blob(to).1, 1000).unwrap()
}

/// The pack is refused, and nothing is left of it.
#[track_caller]
fn refused(pack: &[u8], known: &Memory) -> Error {
    let disk = empty_disk();
    let error = receive(&disk, pack, known).unwrap_err();
    assert_eq!(files_on(&disk), []);
    error
}

#[test]
fn no_flipped_or_lost_byte_is_taken() {
    let entries = [
        (blob(0).0, Made::Blob, blob(0).1),
        (blob(1).0, Made::OnEntry(0), delta(0, 1)),
        (blob(2).0, Made::OnId(blob(1).0), delta(1, 2)),
    ];
    let (pack, _) = assemble(&entries);
    let none = Memory::new();
    assert_eq!(receive(&empty_disk(), &pack, &none).unwrap().count(), 3);
    for at in 0..pack.len() {
        for mask in [0x01, 0x40, 0xFF] {
            let mut bad = pack.clone();
            bad[at] ^= mask;
            refused(&bad, &none);
        }
        refused(&pack[..at], &none);
    }
    let error = refused(&[&pack[..], b"x"].concat(), &none);
    assert_eq!(error.to_string(), "the received pack is damaged: there are bytes behind its end");
}

/// The pack with its checksum made right again.
fn summed(mut pack: Vec<u8>) -> Vec<u8> {
    pack.truncate(pack.len() - 32);
    let checksum = Sha256::digest(&pack);
    pack.extend_from_slice(&checksum);
    pack
}

#[test]
fn what_is_wrong_is_told() {
    let known = Memory::new();
    let reason = |pack: &[u8]| match refused(pack, &known) {
        Error::DamagedFile { reason, .. } => reason,
        other => panic!("{other}"),
    };
    let (mut pack, _) = assemble(&[(blob(0).0, Made::Blob, blob(0).1)]);
    pack[8..12].copy_from_slice(&[0xff; 4]);
    // The checksum is taken for an entry.
    reason(&summed(pack.clone()));
    pack[8..12].copy_from_slice(&[0; 4]);
    assert_eq!(reason(&summed(pack)), "its checksum is another");
    let twice = [(blob(0).0, Made::Blob, blob(0).1), (blob(0).0, Made::Blob, blob(0).1)];
    assert_eq!(reason(&assemble(&twice).0), "it has an object twice");
    assert_eq!(reason(b""), "it is no pack of version 2 or 3");
    let wrong = [(blob(0).0, Made::Blob, blob(0).1), (blob(1).0, Made::OnEntry(0), delta(3, 1)[..5].to_vec())];
    assert!(reason(&assemble(&wrong).0).starts_with("a delta"));

    let thin = [(blob(1).0, Made::OnId(blob(0).0), delta(0, 1))];
    assert!(matches!(refused(&assemble(&thin).0, &known), Error::Missing { id, .. } if id == blob(0).0));
    let mut tree = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
    entry::encode(EntryKind::Whole(Kind::Tree), 12, 3, &mut tree);
    let mut zlib = flate2::write::ZlibEncoder::new(&mut tree, flate2::Compression::default());
    std::io::Write::write_all(&mut zlib, b"bad").unwrap();
    zlib.finish().unwrap();
    tree.extend_from_slice(&[0; 32]);
    let error = refused(&summed(tree), &known);
    assert!(matches!(&error, Error::Damaged { id, .. } if *id == hash(Kind::Tree, b"bad")), "{error}");
}

#[test]
fn a_base_that_is_here_and_outside_is_not_added_twice() {
    let known = Memory::new();
    for n in [0, 1] {
        known.put(Kind::Blob, &blob(n).1).unwrap();
    }
    // 2 on 1, 1 on 0, and 0 is left out; whichever base is looked for first.
    let chain = [(blob(2).0, Made::OnId(blob(1).0), delta(1, 2)), (blob(1).0, Made::OnId(blob(0).0), delta(0, 1))];
    let disk = empty_disk();
    receive(&disk, &assemble(&chain).0, &known).unwrap().keep().unwrap();
    let store = store_on(&disk);
    for n in 0..3 {
        assert_eq!(store.get(blob(n).0).unwrap().unwrap().body, blob(n).1);
    }
    // Each on the other: complete only with what is outside.
    let circle = [(blob(0).0, Made::OnId(blob(1).0), delta(1, 0)), (blob(1).0, Made::OnId(blob(0).0), delta(0, 1))];
    let error = refused(&assemble(&circle).0, &known);
    assert!(error.to_string().ends_with("deltas are each other's bases"), "{error}");
}

#[test]
fn an_empty_pack_leaves_nothing() {
    let disk = empty_disk();
    let received = receive(&disk, &assemble(&[]).0, &Memory::new()).unwrap();
    assert_eq!(received.count(), 0);
    received.keep().unwrap();
    assert_eq!(files_on(&disk), []);
}

#[test]
fn what_is_kept_survives_a_power_cut() {
    let (pack, _) = assemble(&[(blob(0).0, Made::Blob, blob(0).1), (blob(1).0, Made::OnEntry(0), delta(0, 1))]);
    let disk = empty_disk();
    disk.import("/db/objects/info".as_ref(), None);
    receive(&disk, &pack, &Memory::new()).unwrap().keep().unwrap();
    let disk = disk.after_power_cut(crate::disk::Survivors::SYNCED);
    assert_eq!(disk.list(DIR.as_ref()).unwrap().len(), 2);
    assert_eq!(store_on(&disk).get(blob(1).0).unwrap().unwrap().body, blob(1).1);
}
