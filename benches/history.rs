//! What a history of 100,000 commits costs: the last changes of one document, merge bases, the commit-graph file itself:
//! `cargo bench --bench history`. git makes the history, so it must be installed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use isodb::{CommitId, Database, HistoryOptions, Key, OsDisk};

/// How many commits the history has.
const COUNT: usize = 100_000;

/// Runs git on a repository, with this on its stdin.
fn git(dir: &Path, args: &[&str], input: &str) {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", dir).arg("--git-dir").arg(dir).args(args);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("git is installed");
    let mut stdin = child.stdin.take().expect("it has a pipe");
    stdin.write_all(input.as_bytes()).expect("git reads its input");
    drop(stdin);
    assert!(child.wait().expect("git ends").success(), "git {args:?} failed");
}

/// A thousand documents in folders, one of which each commit changes; every hundredth commit merges a side of one commit.
/// The document `rare` changes once, near the beginning.
fn import(dir: &Path) {
    git(dir, &["init", "-q", "--bare", "--object-format=sha256", "-b", "main"], "");
    git(dir, &["config", "isodb.format", "1"], "");
    let mut stream = String::new();
    for n in 0..COUNT {
        let (farm, field) = (n * 7 % 20, n * 13 % 50);
        let path = if n == 50 { "rare/one".to_owned() } else { format!("farms/{farm:02}/fields/{field:02}") };
        let content = format!("{{\"reading\":{n}}}");
        let who = format!("committer Ann <ann@farm> {} +0000", 1_600_000_000 + n * 60);
        writeln!(stream, "commit refs/heads/{}", if n % 100 == 99 { "side" } else { "main" })
            .expect("memory takes all");
        write!(stream, "mark :{}\n{who}\ndata 4\nput\n", n + 1).expect("memory takes all");
        if n % 100 == 99 {
            writeln!(stream, "from :{}", n - 2).expect("memory takes all");
        } else if n % 100 == 0 && n > 0 {
            write!(stream, "from :{}\nmerge :{n}\n", n - 1).expect("memory takes all");
        }
        writeln!(stream, "M 100644 inline {path}/blob\ndata {}\n{content}", content.len()).expect("memory takes all");
    }
    git(dir, &["fast-import", "--quiet"], &stream);
}

fn open(dir: &Path) -> Database {
    Database::open(Arc::new(OsDisk::without_sync()), dir).expect("it is a database")
}

fn ids(db: &Database, head: CommitId, keys: &[&str], limit: usize) -> usize {
    let keys = keys.iter().map(|key| key.parse::<Key>().expect("it is a key")).collect();
    let history = db.history(&[head], HistoryOptions { keys, ..HistoryOptions::default() }).expect("it can be read");
    let mut count = 0;
    for entry in history.take(limit) {
        entry.expect("it can be read");
        count += 1;
    }
    count
}

fn history(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("there is a place for files");
    let dir = dir.path();
    import(dir);
    let db = open(dir);
    let head = db.resolve_commit("main").expect("main has commits");
    let side = db.resolve_commit("side").expect("side has commits");
    let mut group = criterion.benchmark_group("history");
    group.sample_size(10);
    group.bench_function("log -n 10, no file", |b| b.iter(|| ids(&open(dir), head, &[], 10)));
    group.bench_function("write the file", |b| {
        b.iter(|| {
            let _ = std::fs::remove_file(dir.join("objects/info/commit-graph"));
            open(dir).write_commit_graph(&[head, side]).expect("it can be written")
        });
    });
    group.bench_function("write it again", |b| {
        b.iter(|| open(dir).write_commit_graph(&[head, side]).expect("it is there"))
    });
    group.bench_function("log -n 10", |b| b.iter(|| assert_eq!(ids(&open(dir), head, &[], 10), 10)));
    let often = "farms/07/fields/13";
    group.bench_function("log KEY -n 10, often changed", |b| {
        b.iter(|| assert_eq!(ids(&open(dir), head, &[often], 10), 10))
    });
    group.bench_function("log KEY -n 10, changed once", |b| {
        b.iter(|| assert_eq!(ids(&open(dir), head, &["rare/one"], 10), 1))
    });
    group.bench_function("log KEY -n 10, never there", |b| {
        b.iter(|| assert_eq!(ids(&open(dir), head, &["farms/07/x"], 10), 0))
    });
    group.bench_function("main~90000", |b| b.iter(|| open(dir).resolve("main~90000").expect("there are as many")));
    group.bench_function("merge base", |b| b.iter(|| open(dir).merge_bases(head, &[side]).expect("it can be read")));
    group.finish();
}

criterion_group!(benches, history);
criterion_main!(benches);
