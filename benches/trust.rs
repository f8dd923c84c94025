//! What verifying 10,000 signed commits costs, in a database of 100,000 documents: the first time, and the next:
//! `cargo bench --bench trust`.

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use isodb::{
    AllowedSigner, Anchors, BlobId, Changeset, CommitInfo, Database, Expect, GcRequest, InProcess, Kind, Objects,
    OsDisk, Person, PrivateKey, RefName, init, signers_key,
};

const DOCUMENTS: usize = 100_000;
const COMMITS: usize = 10_000;
/// So many commits are made with one flush.
const SERIES: usize = 500;

fn open(dir: &Path) -> Database {
    Database::open(Arc::new(OsDisk::without_sync()), dir).expect("it is a database")
}

fn put(db: &Database, changes: &mut Changeset, key: &str, content: &str) {
    let content = BlobId(db.store().put(Kind::Blob, content.as_bytes()).expect("the disk takes it"));
    changes.put(key.parse().expect("it is a key"), content);
}

/// Makes the database; where `clause` is there, the signer may change what matches it.
fn make(dir: &Path, clause: Option<&str>) {
    init(&OsDisk::without_sync(), dir, &RefName::from_user("main").expect("it is a name")).expect("it is made");
    let mut db = open(dir);
    let key = PrivateKey::generate([7; 32], "ann@farm");
    let mut anchors = Anchors::default();
    anchors.add_key(key.public_key());
    db.configure(|config| anchors.write_to(config).map(Some)).expect("the disk takes it");
    let ann = Person::new("Ann", "ann@farm").expect("it is a name");
    let mut signer = AllowedSigner::new("ann@farm", key.public_key().clone());
    signer.keys.extend(clause.map(str::to_owned));
    let info = CommitInfo {
        author: ann.clone(),
        author_time: 1_700_000_000,
        committer: ann,
        committer_time: 1_700_000_000,
        message: "a change".into(),
        signer: Some(Arc::new(key)),
    };
    let mut first = Changeset::new();
    put(&db, &mut first, &signers_key().text(), &format!("{signer}\n"));
    for n in 0..DOCUMENTS {
        put(&db, &mut first, &format!("farms/{}/animals/{n}", n % 97), "{\"weight\":100}");
    }
    let mut series = vec![first];
    for start in (0..COMMITS - 1).step_by(SERIES) {
        for n in start..(start + SERIES).min(COMMITS - 1) {
            let mut changes = Changeset::new();
            let animal = n.wrapping_mul(2_654_435_761) % DOCUMENTS;
            put(
                &db,
                &mut changes,
                &format!("farms/{}/animals/{animal}", animal % 97),
                &format!("{{\"weight\":{}}}", n + 1000),
            );
            series.push(changes);
        }
        let commits: Vec<_> = series.iter().map(|changes| (changes, &info)).collect();
        let made = db.commit_series(&RefName::head(), Expect::Any, &commits).expect("it can be committed");
        assert!(made.failed.is_none());
        series.clear();
    }
    db.gc(&GcRequest::default(), &mut |_, _, _| ()).expect("it is sound");
}

fn verify(db: &Database) {
    let mut runner = InProcess::new().expect("there is a thread");
    let (heads, mut signed) = (db.heads().expect("there are refs"), 0);
    let mut found = |one: isodb::Judged| signed += usize::from(one.standing.word() == "signed");
    db.verify(&heads, &[], &mut runner, &mut found, &mut |_, _| ()).expect("it is sound");
    assert_eq!(signed, COMMITS);
}

fn trust(criterion: &mut Criterion) {
    for (name, clause) in [("all documents", None), ("within a clause", Some("**"))] {
        let temp = tempfile::tempdir().expect("there is room for temporary files");
        let dir = temp.path().join("bench.isodb");
        make(&dir, clause);
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        group.bench_function("the first time", |bencher| {
            let forget = || {
                let _ = std::fs::remove_file(dir.join("isodb/verified"));
                open(&dir)
            };
            bencher.iter_batched_ref(forget, |db| verify(db), BatchSize::PerIteration);
        });
        verify(&open(&dir));
        group.bench_function("again", |bencher| {
            bencher.iter_batched_ref(|| open(&dir), |db| verify(db), BatchSize::PerIteration);
        });
    }
}

criterion_group!(benches, trust);
criterion_main!(benches);
