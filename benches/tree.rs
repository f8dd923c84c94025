//! What trees cost on objects in memory, so hashing and copying but no disk and no compression: `cargo bench`.

use std::hint::black_box;
use std::ops::ControlFlow;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use isodb::{BlobId, Document, Edit, Edits, Id, Key, Kind, Memory, Objects, Range, Tree, TreeError, TreeId};

/// How many documents a store has.
const COUNT: usize = 100_000;

/// How keys lie in folders.
type Layout = fn(usize) -> String;

const LAYOUTS: [(&str, Layout); 2] =
    [("flat", |i| format!("item-{i:07}")), ("nested", |i| format!("farms/{}/readings/{}/{i:07}", i % 97, i % 13))];

fn document(content: usize) -> Document {
    let mut id = [1; 32];
    id[..8].copy_from_slice(&content.to_le_bytes());
    BlobId(Id::from_bytes(id)).into()
}

fn key(layout: Layout, i: usize) -> Key {
    layout(i).parse().expect("the layouts make keys")
}

fn puts(layout: Layout, numbers: impl Iterator<Item = usize>, content: usize) -> Edits {
    numbers.map(|i| (key(layout, i), Edit::Put(document(i + content)))).collect()
}

fn empty(objects: &Memory) -> Tree<'_, Memory> {
    Tree::new(objects, TreeId(objects.put(Kind::Tree, b"").expect("memory takes all")))
}

fn trees(criterion: &mut Criterion) {
    for (name, layout) in LAYOUTS {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        group.throughput(Throughput::Elements(COUNT as u64));
        group.bench_function("collect 100,000 edits", |bencher| {
            let keys: Vec<Key> = (0..COUNT).map(|i| key(layout, i)).collect();
            bencher.iter(|| {
                let mut edits = Edits::new();
                keys.iter().enumerate().for_each(|(i, key)| edits.push(key, Edit::Put(document(i))));
                edits
            });
        });
        let all = puts(layout, 0..COUNT, 0);
        group.bench_function("build 100,000", |bencher| {
            bencher.iter_batched_ref(
                Memory::new,
                |objects| empty(objects).edit(&all).map(|tree| tree.id()),
                BatchSize::PerIteration,
            );
        });

        let objects = &Memory::new();
        let tree = empty(objects).edit(&all).expect("memory takes all");
        group.bench_function("list", |bencher| {
            let all = || tree.documents(Range::default()).expect("the tree is sound");
            bencher.iter(|| assert_eq!(all().count(), COUNT));
        });
        group.bench_function("scan", |bencher| {
            bencher.iter(|| {
                let mut count = 0;
                let work = |_: &Memory, key, document| Ok::<_, TreeError>(((key, document), 64));
                let scanned = tree.scan(Range::default(), 0, work, |item| {
                    black_box(item);
                    count += 1;
                    Ok(ControlFlow::Continue(()))
                });
                assert!(scanned.is_ok() && count == COUNT);
            });
        });

        group.throughput(Throughput::Elements(1));
        let mut number = 0;
        group.bench_function("get", |bencher| {
            bencher.iter(|| {
                number = (number + 7919) % COUNT;
                tree.get(&key(layout, number)).expect("the tree is sound")
            });
        });
        group.bench_function("edit one", |bencher| {
            bencher.iter(|| {
                number = (number + 7919) % COUNT;
                tree.edit(&puts(layout, std::iter::once(number), COUNT)).expect("the tree is sound").id()
            });
        });
        let changed = tree.edit(&puts(layout, (0..COUNT).step_by(COUNT / 100), COUNT)).expect("the tree is sound");
        group.bench_function("compare with 100 changed", |bencher| {
            bencher.iter(|| assert_eq!(tree.diff(&changed, None).expect("the tree is sound").count(), 100));
        });
    }
}

criterion_group!(benches, trees);
criterion_main!(benches);
