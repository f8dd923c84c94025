//! Bundles: what is written is read, what is bent is refused, and whoever has what a bundle builds on gets all of it.

use proptest::prelude::*;

use super::*;
use crate::database::tests::{database, ident, make, reopen, sample, steps};
use crate::object::{CommitId, Id};
use crate::refs::RefName;
use crate::sync::tests::{assert_whole, empty, runner, set, with};
use crate::sync::{Error, FetchLimits, FetchRequest, Here, Source};

/// The bytes of a bundle of these refs.
fn bytes(db: &crate::Database, refs: &[(RefName, Id)], readers: &[Vec<Id>]) -> Vec<u8> {
    bytes_as(db, refs, readers, false)
}

fn bytes_as(db: &crate::Database, refs: &[(RefName, Id)], readers: &[Vec<Id>], is_stream: bool) -> Vec<u8> {
    let request = BundleRequest { refs, readers, with_old_tags: true, from: Some("barn".parse().unwrap()), is_stream };
    let plan = BundlePlan::new(db, &request).unwrap();
    let mut out = Vec::new();
    let size = plan.write(&mut out, &mut |_| ()).unwrap();
    assert_eq!(size, out.len() as u64);
    out
}

fn read(bytes: &[u8]) -> Result<Bundle, Error> {
    Bundle::read(std::io::Cursor::new(bytes.to_vec()))
}

/// Lets in what a bundle has.
fn take(db: &crate::Database, bytes: &[u8]) -> Result<u64, Error> {
    let mut here = Here { db, who: &ident(1), runner: &mut runner().unwrap(), listener: &mut () };
    let limits = FetchLimits::default();
    let request = FetchRequest { prefixes: &[], known: &[], haves: &[], speaks_stream: false, limits };
    let fetched = read(bytes)?.fetch(&mut here, &request)?;
    fetched.quarantine.map(crate::Quarantine::accept).transpose()?;
    Ok(fetched.traffic.objects)
}

fn refs_of(db: &crate::Database) -> Vec<(RefName, Id)> {
    db.refs().list("refs/").unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn who_has_what_it_builds_on_gets_all(
        steps in steps(14),
        picks in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..3), 1..4),
        is_stream in any::<bool>(),
    ) {
        let (disk, db) = database();
        let made = make(&db, &steps);
        made.iter().enumerate().for_each(|(n, id)| set(&db, &format!("b{n}"), *id));
        let db = reopen(&disk);
        let picks: Vec<Vec<CommitId>> =
            picks.iter().map(|ids| ids.iter().map(|at| made[at.index(made.len())]).collect()).collect();
        let mut readers = Vec::new();
        for ids in &picks {
            let reader = empty();
            if !ids.is_empty() {
                let refs: Vec<(RefName, Id)> =
                    ids.iter().enumerate().map(|(n, id)| (format!("r{n}"), id)).map(|(name, id)| {
                        (RefName::from_user(&name).unwrap(), id.0)
                    }).collect();
                take(&reader, &bytes(&db, &refs, &[])).unwrap();
                refs.iter().for_each(|(name, id)| set(&reader, name.short(), CommitId(*id)));
            }
            readers.push(reader);
        }
        let known: Vec<Vec<Id>> = picks.iter().map(|ids| ids.iter().map(|id| id.0).collect()).collect();
        let bundle = bytes_as(&db, &refs_of(&db), &known, is_stream);
        for (reader, ids) in readers.iter().zip(&picks) {
            let count = take(reader, &bundle).unwrap();
            assert_whole(reader, &made);
            let lacked = db.commits_since(&made, ids).unwrap().len();
            prop_assert!(is_stream || count as usize >= lacked);
        }
        let header = read(&bundle).unwrap().header().clone();
        prop_assert_eq!(&header.refs, &refs_of(&db));
        let below: Vec<CommitId> = header.prerequisites.iter().map(|(id, _)| *id).collect();
        prop_assert_eq!(db.independent(&below).unwrap().len(), below.len());
        if !below.is_empty() {
            let refused = take(&empty(), &bundle);
            prop_assert!(matches!(refused, Err(Error::Lacking { commit, .. }) if commit == below[0]), "{refused:?}");
        }
    }
}

#[test]
fn it_tells_who_wrote_it_and_what_else_is_there() {
    let (_, db) = database();
    let one = with(&db, None, 0..20, "one", 1);
    let two = with(&db, Some(one), 20..30, "two", 2);
    let other = with(&db, Some(one), 30..40, "other", 3);
    let far = with(&db, Some(other), 40..50, "far", 4);
    set(&db, "main", two);
    for (name, id) in [("refs/remotes/x/main", other), ("refs/remotes/x/next", far), ("refs/remotes/y/main", one)] {
        let name = RefName::full(name).unwrap();
        db.set_ref(&name, Some(id.0), crate::Expect::Any, &ident(1), "test").unwrap();
    }
    let refs = [(RefName::head(), two.0), (RefName::from_user("main").unwrap(), two.0)];
    let bundle = bytes(&db, &refs, &[vec![one.0, far.0]]);
    let expected = BundleHeader {
        prerequisites: vec![(one, "one".into())],
        refs: refs.to_vec(),
        from: Some("barn".parse().unwrap()),
        has: vec![far.0],
        is_stream: false,
    };
    let read = read(&bundle).unwrap();
    assert_eq!(*read.header(), expected);
    let refs = read.refs();
    assert_eq!((refs.len(), refs[0].target.as_ref().map(RefName::as_str)), (2, Some("refs/heads/main")));
    // What is not here, or is here and nothing leads to it, is not relied on.
    let lost = with(&db, Some(two), 60..61, "lost", 5);
    let gone: Id = "ab".repeat(32).parse().unwrap();
    let plan = |ids: &[Id]| {
        let readers = [ids.to_vec()];
        BundlePlan::new(&db, &BundleRequest { refs: &expected.refs, readers: &readers, ..BundleRequest::default() })
    };
    assert_eq!(plan(&[lost.0, gone]).unwrap().commits(), 2);
    let nothing = plan(&[far.0, gone, two.0]).unwrap();
    assert!(nothing.commits() == 0 && nothing.is_empty());
    assert_eq!(nothing.header().prerequisites, [(two, "two".to_owned())]);
}

#[test]
fn a_file_as_a_remote() {
    use crate::disk::Disk;
    let (disk, db) = database();
    let one = with(&db, None, 0..20, "one", 1);
    let two = with(&db, Some(one), 20..30, "two", 2);
    set(&db, "main", one);
    set(&db, "next", two);
    let path = std::path::Path::new("/x.bundle");
    let plan = BundlePlan::new(&db, &BundleRequest { refs: &refs_of(&db), ..BundleRequest::default() }).unwrap();
    write_file(&disk, path, |out| plan.write(out, &mut |_| ())).unwrap();
    assert_eq!(disk.list(std::path::Path::new("/")).unwrap().len(), 2, "no temporary file is left");
    let other = empty();
    let mut file = BundleFile::new(std::sync::Arc::new(disk.clone()), path);
    let mut runner = runner().unwrap();
    let who = ident(1);
    let mut here = Here { db: &other, who: &who, runner: &mut runner, listener: &mut () };
    let prefixes = ["refs/heads/main".to_owned()];
    let request = |haves| FetchRequest {
        prefixes: &prefixes,
        known: &[],
        haves,
        speaks_stream: true,
        limits: FetchLimits::default(),
    };
    let small = FetchLimits { max_pack: 40, max_bytes: None };
    let refused = file.fetch(&mut here, &FetchRequest { limits: small, ..request(&[]) }).unwrap_err().to_string();
    assert_eq!(refused, "the size of the bundle is more than the limit of 40");
    let fetched = file.fetch(&mut here, &request(&[])).unwrap();
    assert_eq!((fetched.refs.len(), fetched.refs[0].id), (1, Some(one.0)));
    assert!(
        fetched.speaks_stream && fetched.traffic.objects > 30 && fetched.traffic.received > 1000,
        "{:?}",
        fetched.traffic
    );
    drop(fetched.quarantine.unwrap().accept().unwrap());
    assert!(file.fetch(&mut here, &request(&[one])).unwrap().quarantine.is_none());
    let missing = BundleFile::new(std::sync::Arc::new(disk), std::path::Path::new("/no"));
    assert!(matches!(missing.open().map(drop), Err(Error::File { .. })));
}

#[test]
fn what_is_bent_is_refused() {
    let (_, db) = database();
    let one = with(&db, None, 0..3, "one", 1);
    set(&db, "main", one);
    let sound = bytes(&db, &refs_of(&db), &[]);
    take(&empty(), &sound).unwrap();
    for len in 0..sound.len() {
        assert!(take(&empty(), &sound[..len]).is_err(), "cut at {len}");
    }
    let at = sound.windows(4).position(|four| four == b"PACK").unwrap();
    for flipped in (at..sound.len()).step_by(7) {
        let mut bent = sound.clone();
        bent[flipped] ^= 4;
        assert!(take(&empty(), &bent).is_err(), "a bit at {flipped}");
    }
    assert!(take(&empty(), &[&sound[..], b"x"].concat()).is_err());
    let id = "ab".repeat(32);
    let start = "# v3 git bundle\n@object-format=sha256\n";
    for (text, words) in [
        (String::new(), "does not begin"),
        ("# v4 git bundle\n".into(), "does not begin"),
        (format!("# v2 git bundle\n{id} refs/x\n\n"), "SHA-1 alone"),
        (format!("# v3 git bundle\n{id} refs/x\n\n"), "SHA-1, and here"),
        ("# v3 git bundle\n@object-format=sha1\n".into(), "SHA-1, and here"),
        (format!("{start}@filter=blob:none\n"), "by a filter"),
        (format!("{start}@x\n"), "not known"),
        (format!("{start}-xyz\n"), "the line"),
        (format!("{start}{id}\n"), "the line"),
        (format!("{start}{id} main\n"), "cannot be the name"),
        (format!("{start}{id} refs/x\n{id} refs/x\n"), "twice"),
        (format!("{start}{id} refs/x\n-{id}\n"), "the line"),
        (format!("{start}{id} refs/isodb/bundle/from/A B\n"), "the line"),
        (format!("{start}{id} refs/isodb/bundle/has/x\n"), "the line"),
        (format!("{start}{id} refs/x\n"), "cut short"),
    ] {
        let refused = read(text.as_bytes()).map(drop).unwrap_err().to_string();
        assert!(refused.contains(words), "{text:?}: {refused}");
    }
    let long = format!("{start}-{id} {}\n\n", "x".repeat(2 << 20));
    assert!(matches!(read(long.as_bytes()).map(drop), Err(Error::TooMuch { .. })));
    // What a later version tells is passed over, and a text for people may be anything.
    let later = [start.as_bytes(), format!("-{id} \u{1b}\n").as_bytes(), b"-", id.as_bytes(), b" \xff\n"].concat();
    let later = [&later[..], format!("{id} refs/isodb/bundle/new/x\n\n").as_bytes()].concat();
    let header = read(&later).unwrap().header().clone();
    assert_eq!((header.prerequisites.len(), header.prerequisites[0].1.as_str(), header.refs.len()), (2, " ", 0));
}

#[test]
fn a_stream_that_is_bent_is_refused() {
    let (_, db) = database();
    let one = with(&db, None, 0..200, "one", 1);
    let two = with(&db, Some(one), 200..220, "two", 2);
    set(&db, "main", two);
    let sound = bytes_as(&db, &refs_of(&db), &[], true);
    assert!(sound.len() < bytes(&db, &refs_of(&db), &[]).len() / 2, "{}", sound.len());
    assert!(read(&sound).unwrap().header().is_stream);
    let other = empty();
    take(&other, &sound).unwrap();
    assert_whole(&other, &[two]);
    for len in (0..sound.len()).step_by(5) {
        assert!(take(&empty(), &sound[..len]).is_err(), "cut at {len}");
    }
    assert!(matches!(take(&empty(), &[&sound[..], b"x"].concat()), Err(Error::Bundle(_))));
    let news = bytes_as(&db, &refs_of(&db), &[vec![one.0]], true);
    assert!(matches!(take(&empty(), &news), Err(Error::Lacking { commit, .. }) if commit == one));
}

#[test]
fn a_file_is_whole_or_not_there() {
    use crate::disk::{Disk, FaultDisk, Survivors};
    let path = std::path::Path::new("/x.bundle");
    let old = || {
        let disk = FaultDisk::new();
        write_file(&disk, path, |out| out.write_all(b"old").map_err(Error::Connection)).unwrap();
        disk
    };
    let write = |disk: &FaultDisk| {
        write_file(disk, path, |out| out.write_all(&[7; 200_000]).map_err(Error::Connection).map(|()| 1))
    };
    let disk = old();
    let before = disk.operations();
    assert_eq!(write(&disk).unwrap(), 1);
    let count = disk.operations() - before;
    assert!(count >= 5, "{count}");
    for n in 0..count {
        let disk = old();
        disk.cut_at(n);
        assert!(matches!(write(&disk), Err(Error::File { .. })));
        for survivors in Survivors::all() {
            let content = disk.after_power_cut(survivors).read(path).unwrap();
            assert!(content == b"old" || content == [7; 200_000], "cut at {n}: {} bytes", content.len());
        }
        let disk = old();
        disk.fail_at(n, std::io::ErrorKind::StorageFull);
        let failed = write(&disk);
        assert!(failed.is_err());
        assert!(disk.list(std::path::Path::new("/")).unwrap().len() == 1, "failed at {n}: a temporary file is left");
    }
    // An error of who writes is no error of the file.
    let failed = write_file(&old(), path, |_| Err::<(), _>(Error::Bundle("x".into())));
    assert!(matches!(failed, Err(Error::Bundle(_))));
}

#[test]
fn the_same_in_every_run() {
    let make_one = || {
        let (_, db) = database();
        let made = make(&db, &sample(steps(9), 2));
        set(&db, "main", *made.last().unwrap());
        bytes(&db, &refs_of(&db), &[])
    };
    assert_eq!(make_one(), make_one());
}
