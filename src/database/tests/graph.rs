//! The commit-graph file against git: git finds ours right and answers the same with it, and ours is read from git's.

use std::process::{Command, Output};

use super::*;
use crate::database::HistoryOptions;
use crate::store::tests::git::Git;

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", dir).arg("--git-dir").arg(dir.join("farm.isodb")).args(args);
    command
}

fn git(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().unwrap()
}

#[track_caller]
fn told(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A history with merges of several parents, times before those of parents, and a folder with parts.
fn filled(dir: &Path) -> (Database, Vec<CommitId>) {
    let db = database_in(&dir.join("farm.isodb"));
    let mut steps: Vec<Step> = (0..3).flat_map(|nth| sample(super::steps(60), nth)).collect();
    assert!(steps.len() > 40, "{} steps", steps.len());
    // A date that is corrected by more than 31 bits hold; beyond 32 git 2.47 writes a wrong one itself.
    steps[20].time = 3_000_000_000;
    let many = (0..200).map(|n| (n, Some(1))).collect();
    steps.push(Step { parents: Vec::new(), time: 50, edits: many });
    steps.push(Step { parents: Vec::new(), time: 51, edits: vec![(17, Some(2)), (295, None), (296, Some(9))] });
    let made = make(&db, &steps);
    name(&db, &made);
    (db, made)
}

#[test]
fn git_finds_ours_right() {
    let Some(_) = Git::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (db, made) = filled(dir.path());
    let logs = || {
        let asked: [&[&str]; 6] = [
            &["log", "--all", "--format=%H %P"],
            &["log", "--all", "--topo-order", "--format=%H"],
            &["log", "--all", "--format=%H", "--", "many/17"],
            &["log", "--all", "--format=%H", "--", "few/6"],
            &["log", "--all", "--format=%H", "--", "few"],
            &["log", "--all", "--format=%H", "--", "nothing"],
        ];
        let asked = asked.iter().map(|args| told(git(dir.path(), args)));
        let parts = told(git(dir.path(), &["ls-tree", "-rt", "--name-only", &made.last().unwrap().to_string()]));
        let parted = parts.lines().filter(|path| path.contains(".part:")).step_by(17);
        asked.chain(parted.map(|path| told(git(dir.path(), &["log", "--all", "--format=%H", "--", path])))).collect()
    };
    let before: Vec<String> = logs();
    assert!(before.len() > 12);
    assert_eq!(db.write_commit_graph(&made).unwrap(), db.heads().unwrap().len() as u64);
    told(git(dir.path(), &["commit-graph", "verify"]));
    assert_eq!(logs(), before);
    // git asks our filters, which answer it.
    let mut command = command(dir.path(), &["log", "--all", "--format=%H", "--", "many/17"]);
    let traced = command.env("GIT_TRACE2_PERF", "1").output().unwrap();
    let traced = String::from_utf8_lossy(&traced.stderr).into_owned();
    let statistics = traced.lines().find(|line| line.contains("definitely_not")).expect("git tells of filters");
    assert!(statistics.contains("\"filter_not_present\":0,"), "{statistics}");
    assert!(!statistics.contains("\"definitely_not\":0,"), "{statistics}");
    // And it takes them over into a file of its own.
    told(git(dir.path(), &["commit-graph", "write", "--reachable", "--changed-paths"]));
    told(git(dir.path(), &["commit-graph", "verify"]));
    assert_eq!(logs(), before);
}

#[test]
fn gits_are_read() {
    let Some(_) = Git::new() else { return };
    let dir = tempfile::tempdir().unwrap();
    let (db, made) = filled(dir.path());
    let keys: Vec<Key> = ["many/17", "few/6", "few", "none"].map(|text| text.parse().unwrap()).into();
    let all = |db: &Database| -> Vec<Vec<CommitId>> {
        let one = |keys: Vec<Key>| {
            let options = HistoryOptions { keys, ..HistoryOptions::default() };
            db.history(&made, options).unwrap().map(|entry| entry.unwrap().id).collect()
        };
        keys.iter().map(|key| one(vec![key.clone()])).chain([one(Vec::new())]).collect()
    };
    let before = all(&db);
    for (version, paths) in [("1", "--no-changed-paths"), ("2", "--no-changed-paths"), ("2", "--changed-paths")] {
        let setting = format!("commitGraph.generationVersion={version}");
        told(git(
            dir.path(),
            &["-c", &setting, "-c", "commitGraph.changedPathsVersion=2", "commit-graph", "write", "--reachable", paths],
        ));
        let db = database_in(&dir.path().join("farm.isodb"));
        assert_eq!(db.check_commit_graph().unwrap(), None, "{version} {paths}");
        assert_eq!(all(&db), before);
        let graph = db.store().open_commit_graph().unwrap().unwrap();
        assert!((0..graph.len()).all(|at| graph.filter(at).is_none()), "git's filters know no keys");
        // Ours on top of git's is the same as ours alone.
        let path = db.root().join("objects/info/commit-graph");
        let disk = OsDisk::new();
        db.write_commit_graph(&made).unwrap();
        let onto = disk.read(&path).unwrap();
        disk.remove(&path).unwrap();
        db.write_commit_graph(&made).unwrap();
        assert!(disk.read(&path).unwrap() == onto);
        disk.remove(&path).unwrap();
    }
}
