//! Tests of the packs' codecs and of reading packs, many of them against the real git.

mod damage;
mod delta;
mod index;
mod read;
mod receive;
mod salvage;
mod set;
mod trail;
mod write;

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::entry::{self, EntryKind};
use super::index::{IndexEntry, write_index};
use crate::object::{Id, Kind};
use crate::store::Store;
use crate::store::tests::git::Git;

/// A repository with a history of documents that are like each other, all loose in one pack of git's making.
fn repository(commits: usize) -> Option<Git> {
    let git = Git::new()?;
    add_commits(&git, 0..commits);
    Some(git)
}

/// Adds commits, each of which changes a few documents, and a tag.
fn add_commits(git: &Git, numbers: std::ops::Range<usize>) {
    let mut stream = String::new();
    let data = |stream: &mut String, text: &str| writeln!(stream, "data {}\n{text}", text.len()).unwrap();
    for number in numbers.clone() {
        let time = 1_700_000_000 + number;
        writeln!(stream, "commit refs/heads/main\ncommitter Ann <ann@farm> {time} +0000").unwrap();
        data(&mut stream, &format!("change {number}"));
        if number == numbers.start && number > 0 {
            writeln!(stream, "from refs/heads/main^0").unwrap();
        }
        for document in 0..3 {
            let cow = (number * 7 + document * 5) % 40;
            writeln!(stream, "M 100644 inline herd/{}/cow-{cow:04}/blob", cow % 3).unwrap();
            let notes = "calm, likes apples, gives much milk; ".repeat(cow % 9 + 1);
            data(&mut stream, &format!(r#"{{"name":"cow {cow}","milk":{number},"notes":"{notes}{number}"}}"#));
        }
    }
    writeln!(stream, "tag v{}\nfrom refs/heads/main\ntagger Ann <ann@farm> 1 +0000", numbers.start).unwrap();
    data(&mut stream, "a tag");
    git.run_with(["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"], stream.as_bytes());
}

fn store(git: &Git) -> Store {
    crate::store::tests::store_in(&git.root())
}

/// Each object as git tells of it: id, kind and size.
fn objects(git: &Git) -> Vec<(Id, String, u64)> {
    let said = git.run(["cat-file", "--batch-all-objects", "--batch-check"]);
    let object = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        (words[0].parse().unwrap(), words[1].to_owned(), words[2].parse().unwrap())
    };
    said.lines().map(object).collect()
}

/// The store reads all that git has, in every way.
#[track_caller]
fn assert_reads_all(git: &Git, store: &Store) {
    let objects = objects(git);
    assert!(!objects.is_empty());
    assert_eq!(store.ids().unwrap(), objects.iter().map(|object| object.0).collect::<Vec<_>>());
    for (id, kind, size) in objects {
        let kind = kind.parse().unwrap();
        assert_eq!(store.header(id).unwrap(), Some((kind, size)));
        assert_eq!(store.verify(id).unwrap(), Some(kind));
        let object = crate::object::Objects::get(store, id).unwrap().unwrap();
        assert_eq!((object.id(), object.kind, object.body.len() as u64), (id, kind, size));
        assert!(store.contains(id).unwrap());
    }
}

/// The files of a directory whose names end so.
fn files(dir: PathBuf, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.to_str().unwrap().ends_with(ending)).collect();
    found.sort();
    found
}

/// The packs of a repository: the paths of their data files.
fn packs(git: &Git) -> Vec<PathBuf> {
    files(git.path("objects/pack"), ".pack")
}

/// What an entry of a pack made by hand is.
#[derive(Clone, Copy)]
enum Made {
    Blob,
    /// A delta against the entry of this number.
    OnEntry(usize),
    OnId(Id),
}

/// A pack and its index, put together by hand: objects' ids, what their entries are, and the uncompressed data.
fn assemble(entries: &[(Id, Made, Vec<u8>)]) -> (Vec<u8>, Vec<u8>) {
    let mut pack = [b"PACK\0\0\0\x02".as_slice(), &(entries.len() as u32).to_be_bytes()].concat();
    let mut listed: Vec<IndexEntry> = Vec::new();
    for (id, made, data) in entries {
        let own = pack.len() as u64;
        let kind = match made {
            Made::Blob => EntryKind::Whole(Kind::Blob),
            Made::OnEntry(number) => EntryKind::OfsDelta(listed[*number].offset()),
            Made::OnId(id) => EntryKind::RefDelta(*id),
        };
        entry::encode(kind, own, data.len() as u64, &mut pack);
        let mut zlib = flate2::write::ZlibEncoder::new(&mut pack, flate2::Compression::default());
        std::io::Write::write_all(&mut zlib, data).unwrap();
        zlib.finish().unwrap();
        let mut crc = flate2::Crc::new();
        crc.update(&pack[own as usize..]);
        listed.push(IndexEntry::new(*id, crc.sum(), own));
    }
    listed.sort_by_key(|entry| entry.id);
    let checksum: [u8; 32] = Sha256::digest(&pack).into();
    pack.extend_from_slice(&checksum);
    let mut index = Vec::new();
    write_index(&listed, &checksum, &mut index).unwrap();
    (pack, index)
}

/// A store on a disk in memory that has these packs.
fn store_of(packs: &[(Vec<u8>, Vec<u8>)]) -> (Store, crate::disk::FaultDisk) {
    let disk = crate::disk::FaultDisk::new();
    for (number, (pack, index)) in packs.iter().enumerate() {
        let stem = format!("/db/objects/pack/pack-{number}");
        disk.import(format!("{stem}.pack").as_ref(), Some(pack.clone()));
        disk.import(format!("{stem}.idx").as_ref(), Some(index.clone()));
    }
    (Store::new(Arc::new(disk.clone()), "/db".as_ref(), "/db/isodb/tmp".as_ref()), disk)
}
