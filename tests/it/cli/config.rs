//! `config`: the settings of a database and of its user, in a file that git reads too.

use super::refused;
use crate::support::Sandbox;

#[test]
fn set_get_unset() {
    let sandbox = Sandbox::with_database();
    let get = |name: &str| sandbox.isodb(["config", name]);
    assert_eq!(sandbox.isodb(["config", "user.name", "Ann Field"]).ok().text(), "");
    assert_eq!(get("user.name").ok().line(), "Ann Field");
    assert_eq!(get("USER.Name").ok().line(), "Ann Field");
    sandbox.isodb(["config", "user.name", " # \"odd\\ value\t"]).ok();
    assert_eq!(get("user.name").ok().text(), " # \"odd\\ value\t\n");
    assert_eq!(sandbox.git(["config", "user.name"]).ok().text(), " # \"odd\\ value\t\n");
    sandbox.git(["config", "branch.My Branch.key", "x"]).ok();
    assert_eq!(get("branch.My Branch.key").ok().line(), "x");
    assert_eq!(
        sandbox.isodb(["config", "user.name", "--json"]).ok().line(),
        r#"{"name":"user.name","value":" # \"odd\\ value\t"}"#
    );
    sandbox.isodb(["config", "--unset", "user.name"]).ok();
    refused(get("user.name"), 1, "there is no setting \"user.name\"");
    refused(sandbox.isodb(["config", "--unset", "user.name"]), 1, "there is no setting");
    refused(sandbox.isodb(["config", "name", "x"]), 2, "must be like section.name");
    refused(sandbox.isodb(["config"]), 2, "NAME");
    refused(sandbox.isodb(["config", "--unset"]), 2, "NAME");
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    sandbox.check_with_git();
}

#[test]
fn lists() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["config", "user.name", "two\nlines"]).ok();
    let listed = sandbox.isodb(["config", "--list"]).ok().lines();
    assert!(
        listed.contains(&"isodb.format=1".to_owned()) && listed.contains(&r#"user.name="two\nlines""#.to_owned()),
        "{listed:?}"
    );
    assert!(sandbox.isodb(["config", "--list", "-z"]).ok().text().ends_with("user.name=two\nlines\0"));
    assert!(
        sandbox
            .isodb(["config", "-l", "--json"])
            .ok()
            .text()
            .ends_with("{\"name\":\"user.name\",\"value\":\"two\\nlines\"}\n")
    );
}

#[test]
fn the_users_own() {
    let sandbox = Sandbox::new();
    sandbox.isodb(["config", "--user", "user.name", "Me"]).ok();
    assert_eq!(sandbox.isodb(["config", "--user", "user.name"]).ok().line(), "Me");
    assert_eq!(sandbox.isodb(["config", "--user", "--list"]).ok().line(), "user.name=Me");
    let file = sandbox.path().join(".config/isodb/config");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[user]\n\tname = Me\n");
    refused(sandbox.isodb(["config", "user.name"]), 2, "no database");
    std::fs::write(&file, "[broken\n").unwrap();
    refused(sandbox.isodb(["config", "--user", "user.name"]), 2, ".config/isodb/config: line 1");
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    refused(sandbox.isodb(["config", "--user", "user.name"]), 5, "cannot read");
}

#[test]
fn what_makes_it_this_database_stays() {
    let sandbox = Sandbox::with_database();
    let before = std::fs::read(sandbox.db().join("config")).unwrap();
    for (name, value) in [
        ("isodb.format", "2"),
        ("core.repositoryformatversion", "0"),
        ("extensions.objectformat", "sha1"),
        ("extensions.worktreeConfig", "true"),
    ] {
        refused(sandbox.isodb(["config", name, value]), 2, "does not know");
    }
    refused(sandbox.isodb(["config", "--unset", "isodb.format"]), 2, "isodb.format");
    refused(sandbox.isodb(["config", "--unset", "extensions.objectformat"]), 2, "extensions.objectformat");
    assert_eq!(std::fs::read(sandbox.db().join("config")).unwrap(), before);
    sandbox.isodb(["ls"]).ok();
}

#[test]
fn settings_that_isodb_reads() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb(["config", "isodb.lockTimeout", "soon"]).ok();
    refused(sandbox.isodb(["ls"]), 2, "isodb.lockTimeout is \"soon\", which is not a number");
    sandbox.git(["config", "isodb.lockTimeout", "1"]).ok();
    sandbox.isodb(["config", "core.fsync", "none"]).ok();
    let syncs = "strace -f -qq -e trace=fsync,fdatasync,syncfs,sync_file_range -o trace isodb put a </dev/null >out && grep -c sync trace";
    assert_eq!(sandbox.bash(syncs).status(1).line(), "0");
    sandbox.isodb(["config", "--unset", "core.fsync"]).ok();
    let written =
        "strace -f -qq -e trace=fsync,fdatasync,syncfs -o trace isodb put b </dev/null >out && grep -c sync trace";
    assert_ne!(sandbox.bash(written).ok().line(), "0");
    assert_eq!(sandbox.bash(&written.replace("put b", "put c --no-sync")).status(1).line(), "0");
    sandbox.check_with_git();
}
