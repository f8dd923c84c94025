//! Which database a command is about, and which directories are none.

use super::refused;
use crate::support::{Sandbox, run};

#[test]
fn the_nearest_here_or_above() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "where"], "outer").ok();
    sandbox.isodb(["init", "inner"]).ok();
    sandbox.isodb_with_input(["-C", "inner", "put", "where"], "inner").ok();
    sandbox.isodb(["init", "bare.isodb"]).ok();
    sandbox.isodb_with_input(["--db", "bare.isodb", "put", "where"], "bare").ok();
    std::fs::create_dir_all(sandbox.path().join("inner/a/b")).unwrap();
    std::fs::create_dir_all(sandbox.path().join("c")).unwrap();
    for (dir, found) in [
        (".", "outer"),
        ("c", "outer"),
        (".isodb", "outer"),
        (".isodb/refs/heads", "outer"),
        ("inner", "inner"),
        ("inner/a/b", "inner"),
        ("inner/a/../..", "outer"),
        ("bare.isodb", "bare"),
        ("bare.isodb/objects", "bare"),
    ] {
        assert_eq!(sandbox.isodb(["-C", dir, "get", "where"]).ok().text(), found, "-C {dir}");
        assert_eq!(sandbox.bash(&format!("cd {dir} && isodb get where")).ok().text(), found, "cd {dir}");
    }
}

#[test]
fn the_one_that_is_named() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "where"], "here").ok();
    sandbox.isodb(["init", "other"]).ok();
    sandbox.isodb_with_input(["--db", "other", "put", "where"], "other").ok();
    for db in ["other", "other/", "other/.isodb"] {
        assert_eq!(sandbox.isodb(["--db", db, "get", "where"]).ok().text(), "other");
        assert_eq!(sandbox.isodb(["get", "where", "--db", db]).ok().text(), "other");
        let mut command = sandbox.isodb_command(["get", "where"]);
        command.env("ISODB_DIR", db);
        assert_eq!(run(command, None).ok().text(), "other");
        let mut command = sandbox.isodb_command(["-C", "/", "get", "where"]);
        command.env("ISODB_DIR", sandbox.path().join(db));
        assert_eq!(run(command, None).ok().text(), "other");
        let mut command = sandbox.isodb_command(["--db", ".", "get", "where"]);
        command.env("ISODB_DIR", db);
        assert_eq!(run(command, None).ok().text(), "here", "--db comes first");
    }
    // Both are seen from the directory of -C.
    assert_eq!(sandbox.isodb(["-C", "other", "--db", "../.isodb", "get", "where"]).ok().text(), "here");
    let mut command = sandbox.isodb_command(["-C", "other", "get", "where"]);
    command.env("ISODB_DIR", "../.isodb");
    assert_eq!(run(command, None).ok().text(), "here");
    let mut command = sandbox.isodb_command(["init"]);
    command.env("ISODB_DIR", "third");
    assert_eq!(run(command, None).ok().line(), "third");
    let mut command = sandbox.isodb_command(["get", "where"]);
    command.env("ISODB_DIR", "");
    assert_eq!(run(command, None).ok().text(), "here", "an empty variable is none");
}

#[test]
fn no_database() {
    let sandbox = Sandbox::new();
    for command in [
        vec!["ls"],
        vec!["put", "a"],
        vec!["log"],
        vec!["fsck"],
        vec!["ref", "list"],
        vec!["apply"],
        vec!["cat-object", "--all"],
    ] {
        let ran = refused(sandbox.isodb(&command), 2, "no database in");
        assert!(ran.stderr().contains("hint: `isodb init` makes one here"));
    }
    sandbox.write("file", "");
    std::fs::create_dir(sandbox.path().join("empty")).unwrap();
    for (dir, words) in [
        ("no-such", "it does not exist"),
        ("file", "it is a file"),
        ("empty", "it has no file `config`"),
        ("file/x", "file/x"),
    ] {
        refused(sandbox.isodb(["--db", dir, "ls"]), 2, words);
    }
    refused(sandbox.isodb(["-C", "no-such", "ls"]), 2, "no-such");
}

#[test]
fn what_is_not_ours_is_refused_never_guessed_at() {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["put", "a"], "1").ok();
    let config = std::fs::read_to_string(sandbox.db().join("config")).unwrap();
    for (from, to, words) in [
        ("format = 1\n", "format = 2\n", "isodb.format is \"2\""),
        ("\tformat = 1\n", "", "does not set isodb.format"),
        ("objectformat = sha256", "objectformat = sha1", "extensions.objectformat is \"sha1\""),
        ("\tobjectformat = sha256\n", "", "extensions.objectformat is \"not set\""),
        ("repositoryformatversion = 1", "repositoryformatversion = 2", "repositoryformatversion is \"2\""),
        ("[isodb]", "[extensions]\n\tfuture = on\n[isodb]", "extensions.future is \"on\""),
        ("[isodb]", "[extensions]\n\trefStorage = reftable\n[isodb]", "extensions.refstorage is \"reftable\""),
        ("[isodb]", "[isodb", "line 7 of the configuration is not understood"),
    ] {
        std::fs::write(sandbox.db().join("config"), config.replace(from, to)).unwrap();
        for command in [vec!["ls"], vec!["put", "b"], vec!["init"], vec!["fsck"]] {
            // A directory with something in it is nobody's to make a database of.
            let words =
                if command == ["init"] && words.starts_with("does not set") { "it exists and holds" } else { words };
            refused(sandbox.isodb(&command), 2, words);
        }
    }
    std::fs::write(sandbox.db().join("config"), b"\xff").unwrap();
    refused(sandbox.isodb(["ls"]), 2, "not text");
    std::fs::write(sandbox.db().join("config"), &config).unwrap();
    for missing in ["HEAD", "objects", "refs"] {
        let (path, aside) = (sandbox.db().join(missing), sandbox.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        refused(sandbox.isodb(["ls"]), 2, &format!("it has no `{missing}`"));
        std::fs::rename(&aside, &path).unwrap();
    }
    sandbox.bash("git init -q --bare sha1").ok();
    refused(sandbox.isodb(["--db", "sha1", "ls"]), 2, "does not set isodb.format");
    sandbox.bash("git --git-dir=sha1 config isodb.format 1").ok();
    refused(sandbox.isodb(["--db", "sha1", "ls"]), 2, "repositoryformatversion is \"0\"");
    // A bare repository of git's with the right format is one once its owner says so.
    sandbox.bash("git clone -q --bare .isodb clone && git --git-dir=clone config isodb.format 1").ok();
    assert_eq!(sandbox.isodb(["--db", "clone", "get", "a"]).ok().text(), "1");
    sandbox.check_with_git();
}
