//! `import` of tables, directories and archives.

use std::os::unix::ffi::OsStrExt as _;

use super::refused;
use crate::support::{Sandbox, has_tool};

fn documents(sandbox: &Sandbox) -> Vec<String> {
    sandbox.isodb(["ls", "-r"]).ok().lines()
}

#[test]
fn a_table() {
    let sandbox = Sandbox::with_database();
    sandbox.write(
        "r.csv",
        "\u{feff}farm,time,kg,\"a \"\"note\"\"\"\r\n17,08:00,1.50,\"two\nlines, one value\"\r\n18,09:00,,true\r\n",
    );
    let json = sandbox.isodb(["import", "--json", "--key", "farms/{farm}/{{{time}}}/{#}", "r.csv"]).ok().line();
    assert!(json.contains("\"documents\":2"), "{json}");
    assert_eq!(documents(&sandbox), ["farms/17/{08:00}/1", "farms/18/{09:00}/2"]);
    assert_eq!(
        sandbox.isodb(["get", "farms/17/{08:00}/1"]).ok().text(),
        r#"{"farm":"17","time":"08:00","kg":"1.50","a \"note\"":"two\nlines, one value"}"#
    );
    sandbox.isodb(["import", "--types", "--key", "t/{#}", "r.csv"]).ok();
    assert_eq!(sandbox.isodb(["get", "t/2"]).ok().text(), r#"{"farm":18,"time":"09:00","kg":"","a \"note\"":true}"#);
    assert!(sandbox.isodb(["get", "t/1"]).ok().text().contains("\"kg\":1.50,"), "digits stay");
    sandbox.write("r.tsv", "a\tb\n1,2\t3\n");
    sandbox.isodb(["import", "--key", "tsv/{b}", "r.tsv"]).ok();
    assert_eq!(sandbox.isodb(["get", "tsv/3"]).ok().text(), r#"{"a":"1,2","b":"3"}"#);
    let args = ["import", "--format", "csv", "--delimiter", ";", "--key", "s/{b}", "--key-slashes"];
    sandbox.isodb_with_input(args, "a;b\n1;2026/11/22\n").ok();
    assert_eq!(sandbox.isodb(["get", "s/2026/11/22"]).ok().text(), r#"{"a":"1","b":"2026/11/22"}"#);
    sandbox.isodb_with_input(["import", "--format", "csv", "--key", "none/{a}"], "a,b\n").ok();
    sandbox.check_with_git();
}

#[test]
fn a_wrong_table_is_refused() {
    let sandbox = Sandbox::with_database();
    let import = |key: &str, table: &[u8]| {
        sandbox.write("r.csv", table);
        sandbox.isodb(["import", "--key", key, "r.csv"])
    };
    let ran = refused(import("{b}", b"a,b\n1,2\n3,\n"), 2, "r.csv: row 2 (line 3): column \"b\" is empty");
    assert!(ran.stderr().contains("hint: nothing of this input was stored"));
    let ran = refused(import("{b}", b"a,b\n\"x\ny\",2\n3,4/5\n"), 2, "row 2 (line 4): column \"b\" holds \"4/5\"");
    assert!(ran.stderr().contains("--key-slashes"));
    refused(import("{b}", b"a,b\n1,2\n3\n"), 2, "row 2: it has 1 fields, and the header has 2");
    refused(import("{b}/", b"a,b\n1,2\n"), 2, "row 1 (line 2): key \"2/\" has an empty segment");
    refused(import("{b}", b"a,b\n\xff,2\n"), 2, "row 1 (line 2): it is not valid UTF-8");
    let ran = refused(import("{c}", b"a,b\n1,2\n"), 2, "there is no column \"c\"");
    assert!(ran.stderr().contains("hint: its columns are a, b"));
    refused(import("{b}", b"b,b\n1,2\n"), 2, "two columns are named \"b\"");
    refused(import("{b}", b"b,\n1,2\n"), 2, "column 2 has no name");
    refused(import("b", b"a,b\n1,2\n"), 2, "the same key");
    refused(import("{b", b"a,b\n1,2\n"), 2, "{NAME}");
    refused(sandbox.isodb(["import", "r.csv"]), 2, "nothing says what the keys of its rows are");
    refused(sandbox.isodb(["import", "--delimiter", "ab", "r.csv"]), 2, "one ASCII character");
    refused(sandbox.isodb(["head"]), 1, "no commit yet");
}

#[test]
fn a_directory() {
    let sandbox = Sandbox::with_database();
    let big = vec![7; 5 << 20];
    sandbox.write("d/a/deep/file.json", "{}");
    sandbox.write("d/.hidden", "h");
    sandbox.write("d/empty", "");
    sandbox.write("d/blob", "b");
    sandbox.write("d/new\nline\\", "n");
    sandbox.write("d/big", &big);
    sandbox.write("d/x/.git/config", "no");
    sandbox.write("d/.isodb/config", "no");
    sandbox.bash("ln -s a d/link && ln -s nowhere d/broken && mkfifo d/fifo && mkdir d/nothing").ok();
    let ran = sandbox.isodb(["import", "d"]).ok();
    assert_eq!(
        ran.stderr().lines().collect::<Vec<_>>(),
        [
            "warning: skipped 2 directories of databases (--all takes them), the first: d/.isodb",
            "warning: skipped 3 symbolic links and special files, the first: d/broken",
        ]
    );
    let found = sandbox.isodb(["ls", "-rz"]).ok().text();
    assert_eq!(
        found.split_terminator('\0').collect::<Vec<_>>(),
        [".hidden", "blob", "a/deep/file.json", "big", "empty", "new\nline\\"]
    );
    assert!(sandbox.isodb(["get", "big"]).ok().bytes() == big);
    assert_eq!(sandbox.isodb(["-q", "import", "d"]).ok().stderr(), "");
    sandbox.isodb(["-q", "import", "--all", "--prefix", "all", "d"]).ok();
    assert_eq!(sandbox.isodb(["get", "all/x/.git/config"]).ok().text(), "no");
    // Where the database itself lies, it is left out.
    sandbox.isodb(["-q", "import", "--all", "--prefix", "here", "."]).ok();
    assert_eq!(sandbox.isodb(["ls", "here"]).ok().lines(), ["here/d/"]);
    refused(sandbox.isodb(["import", ".isodb"]), 2, "is the database itself");
    // A mirror follows the directory.
    std::fs::remove_file(sandbox.path().join("d/empty")).unwrap();
    sandbox.isodb(["-q", "import", "--delete", "d"]).ok();
    assert_eq!(sandbox.isodb(["ls", "-r", "--count"]).ok().line(), "5");
    sandbox.write("bad/x", "");
    std::fs::write(sandbox.path().join("bad").join(std::ffi::OsStr::from_bytes(b"\xff")), "").unwrap();
    refused(sandbox.isodb(["import", "bad"]), 2, "its name is not valid UTF-8");
    sandbox.check_with_git();
}

#[test]
fn an_archive_of_another_program() {
    if !has_tool("tar") {
        return;
    }
    let sandbox = Sandbox::with_database();
    let long = "long/".repeat(40) + "file";
    sandbox.write("d/a/file", "1");
    sandbox.write("d/new\nline", "2");
    sandbox.write("d/big", vec![7; 5 << 20]);
    sandbox.write(&format!("d/{long}"), "3");
    sandbox.bash("ln -s a d/link && ln d/a/file d/zz").ok();
    for format in ["gnu", "pax", "ustar"] {
        sandbox.bash(&format!("tar -C d --format={format} -cf {format}.tar .")).ok();
        let ran = sandbox.isodb(["import", "--prefix", format, &format!("{format}.tar")]).ok();
        assert!(ran.stderr().starts_with("warning: skipped 2 links and special entries, the first: ./"));
        assert_eq!(sandbox.isodb(["get", &format!("{format}/{long}")]).ok().text(), "3");
        assert_eq!(sandbox.isodb(["get", &format!("{format}/new\nline")]).ok().text(), "2");
        assert_eq!(sandbox.isodb(["ls", "-r", "--count", format]).ok().line(), "4");
    }
    sandbox
        .bash("gzip -c gnu.tar >g.tgz && isodb -q import --prefix z g.tgz && isodb -q import --prefix y - <g.tgz")
        .ok();
    let ids = sandbox.bash("for p in gnu pax ustar z y; do isodb ls --long --json | grep \"\\\"$p\\\"\"; done");
    assert_eq!(ids.ok().lines().len(), 5);
    let trees = sandbox.git(["ls-tree", "--object-only", "HEAD"]).ok().lines();
    assert!(trees.windows(2).all(|pair| pair[0] == pair[1]), "{trees:?}");
    sandbox.check_with_git();
}

#[test]
fn a_wrong_archive_is_refused() {
    if !has_tool("tar") {
        return;
    }
    let sandbox = Sandbox::with_database();
    sandbox.write("d/file", "1");
    sandbox
        .bash(
            "cd d && tar -P -cf ../abs.tar \"$PWD/file\" && tar -P -cf ../up.tar ../d/file && tar -cf ../cut.tar file",
        )
        .ok();
    refused(sandbox.isodb(["import", "abs.tar"]), 2, "its path is absolute");
    refused(sandbox.isodb(["import", "up.tar"]), 2, "its path leads out of the archive");
    let whole = std::fs::read(sandbox.path().join("cut.tar")).unwrap();
    sandbox.write("cut.tar", &whole[..512]);
    refused(sandbox.isodb(["import", "cut.tar"]), 2, "cut.tar: entry 1 (\"file\")");
    let mut bad = whole.clone();
    bad[0] ^= 1;
    sandbox.write("bad.tar", &bad);
    refused(sandbox.isodb(["import", "bad.tar"]), 2, "bad.tar: entry 1");
    sandbox.bash("truncate -s 1M d/hole && tar -S -C d -cf sparse.tar hole").ok();
    refused(sandbox.isodb(["import", "sparse.tar"]), 2, "it is a sparse file");
    sandbox.bash("tar -S --format=pax -C d -cf sparse.tar hole").ok();
    refused(sandbox.isodb(["import", "sparse.tar"]), 2, "it is a sparse file");
    refused(sandbox.isodb(["head"]), 1, "no commit yet");
}
