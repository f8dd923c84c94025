//! What merging three trees of a million documents costs, out of packs on a disk and with nothing read yet:
//! `cargo bench --bench merge`. It needs 200 MB beside the system's temporary files for each layout.

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use isodb::{BlobId, Database, Edit, Edits, Id, Key, OsDisk, Overlay, RefName, Tree, TreeId, init, three_way};

/// How many documents there are.
const COUNT: usize = 1_000_000;

/// How keys lie in folders.
type Layout = fn(usize) -> String;

const LAYOUTS: [(&str, Layout); 2] =
    [("flat", |i| format!("item-{i:07}")), ("nested", |i| format!("farms/{}/readings/{}/{i:07}", i % 97, i % 13))];

/// How many documents each side changes, and how many of these both do.
const CHANGES: [(usize, usize); 3] = [(10_000, 0), (10_000, 1000), (100, 10)];

/// Puts of documents all over the tree. Their contents are not stored: merging does not look at them.
fn puts(layout: Layout, numbers: impl Iterator<Item = usize>, content: usize) -> Edits {
    let put = |i: usize| {
        let i = i.wrapping_mul(2_654_435_761) % COUNT;
        let mut id = [1; 32];
        id[..16].copy_from_slice(&((i as u128) << 64 | content as u128).to_le_bytes());
        let key: Key = layout(i).parse().expect("the layouts make keys");
        (key, Edit::Put(BlobId(Id::from_bytes(id)).into()))
    };
    numbers.map(put).collect()
}

fn open(dir: &Path) -> Database {
    Database::open(Arc::new(OsDisk::without_sync()), dir).expect("it is a database")
}

fn merges(criterion: &mut Criterion) {
    for (name, layout) in LAYOUTS {
        let temp = tempfile::tempdir().expect("there is room for temporary files");
        let dir = temp.path().join("bench.isodb");
        init(&OsDisk::without_sync(), &dir, &RefName::from_user("main").expect("it is a name")).expect("it is made");
        let store = &open(&dir);
        let edit = |tree: TreeId, edits: Edits| {
            let tree = Tree::new(store.store(), tree).edit(&edits).expect("the tree is sound").id();
            store.store().flush(&[]).expect("the disk takes it");
            tree
        };
        let base = edit(TreeId::EMPTY, puts(layout, 0..COUNT, 0));
        let mut group = criterion.benchmark_group(name);
        group.sample_size(10);
        for (count, both) in CHANGES {
            let left = edit(base, puts(layout, 0..count, 1));
            let right = edit(base, puts(layout, count - both..2 * count - both, 2));
            group.bench_function(format!("{count} against {count}, {both} of them the same"), |bencher| {
                let merge = |db: &mut Database| {
                    let overlay = Overlay::new(db.store());
                    let merge = three_way(&overlay, base, left, right).expect("the trees are sound");
                    assert_eq!(merge.disputes.len(), both);
                    merge.finish(&overlay, &[]).expect("memory takes all")
                };
                bencher.iter_batched_ref(|| open(&dir), merge, BatchSize::PerIteration);
            });
        }
    }
}

criterion_group!(benches, merges);
criterion_main!(benches);
