//! `isodb remote`: names for other databases, as git has them.

use crate::cli::refused;
use crate::support::Sandbox;

#[test]
fn remotes_stand_where_git_looks_for_them() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["remote", "add", "barn", "ann@barn:farm.isodb"]).ok();
    sandbox.isodb(["remote", "add", "stick", "../stick.isodb"]).ok();
    let stick = sandbox.path().parent().unwrap().join("stick.isodb");
    let listed = sandbox.isodb(["remote", "list"]).ok().lines();
    // A path means the same from everywhere.
    assert_eq!(listed[0], "barn\tann@barn:farm.isodb");
    assert!(listed[1].starts_with("stick\t/") && listed[1].ends_with("stick.isodb"), "{listed:?}");
    assert!(stick.is_absolute());
    assert_eq!(sandbox.git(["remote"]).ok().text(), "barn\nstick\n");
    let fetch = sandbox.git(["config", "remote.barn.fetch"]).ok().line();
    assert_eq!(fetch, "+refs/heads/*:refs/remotes/barn/*");
    let json = sandbox.isodb(["remote", "list", "--json"]).ok().lines();
    assert_eq!(json[0], r#"{"push_url":"ann@barn:farm.isodb","remote":"barn","url":"ann@barn:farm.isodb"}"#);

    // What git adds is known here, and the rest of the file stays as it was.
    sandbox.git(["remote", "add", "field", "https://field/farm"]).ok();
    sandbox.isodb(["remote", "set-url", "field", "https://field/other"]).ok();
    assert_eq!(sandbox.git(["remote", "get-url", "field"]).ok().line(), "https://field/other");
    sandbox.isodb(["remote", "remove", "field"]).ok();
    sandbox.isodb(["remote", "remove", "stick"]).ok();
    assert_eq!(sandbox.git(["remote"]).ok().text(), "barn\n");
}

#[test]
fn what_is_forgotten_with_a_remote() {
    let sandbox = Sandbox::with_database();
    for name in ["barn", "barns"] {
        sandbox.isodb(["remote", "add", name, "/srv/x"]).ok();
    }
    let id = sandbox.isodb_with_input(["put", "a"], "1").ok().line();
    for name in ["refs/remotes/barn/main", "refs/remotes/barn/x/y", "refs/remotes/barns/main", "refs/heads/barn"] {
        sandbox.isodb(["ref", "set", name, &id]).ok();
    }
    sandbox.git(["symbolic-ref", "refs/remotes/barn/HEAD", "refs/remotes/barn/main"]).ok();
    for (name, value) in [("branch.main.remote", "barn"), ("branch.main.merge", "refs/heads/main")] {
        sandbox.isodb(["config", name, value]).ok();
    }
    sandbox.isodb(["remote", "remove", "barn"]).ok();
    let left = sandbox.isodb(["ref", "list"]).ok().lines();
    let left: Vec<&str> = left.iter().map(|line| line.rsplit(['\t', ' ']).next().unwrap()).collect();
    assert_eq!(left, ["refs/heads/barn", "refs/heads/main", "refs/remotes/barns/main"]);
    sandbox.isodb(["config", "branch.main.remote"]).status(1);
    assert!(!sandbox.db().join("refs/remotes/barn/HEAD").exists());
    sandbox.check_with_git();
}

#[test]
fn what_cannot_be() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["remote", "add", "barn", "/srv/x"]).ok();
    let config = std::fs::read(sandbox.db().join("config")).unwrap();
    refused(sandbox.isodb(["remote", "add", "barn", "/srv/y"]), 2, "there is a remote \"barn\" already");
    refused(sandbox.isodb(["remote", "add", "Barn", "/srv/y"]), 2, "there is a remote \"barn\" already");
    refused(sandbox.isodb(["remote", "add", "a/b", "/srv/y"]), 2, "cannot be the name of a remote");
    refused(sandbox.isodb(["remote", "add", "a", "ftp://x/y"]), 2, "is not a place of a database");
    refused(sandbox.isodb(["remote", "set-url", "no", "/x"]), 2, "there is no remote \"no\"");
    refused(sandbox.isodb(["remote", "remove", "no"]), 2, "there is no remote \"no\"");
    assert_eq!(std::fs::read(sandbox.db().join("config")).unwrap(), config);
}
