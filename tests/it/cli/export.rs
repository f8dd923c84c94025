//! `export`: what it writes, and that `import` makes the same documents of it.

use super::refused;
use crate::support::{Ran, Sandbox, has_tool};

/// Keys and contents of every kind; without those that no directory can hold.
fn odd_documents() -> String {
    let long = "x".repeat(240);
    let deep = "deep/".repeat(60) + "end";
    let keys = ["blob", ".x", "%", "a b", "new\nline", "\"quoted\"", "back\\slash", "~", "é", "%2E", &long, &deep];
    let contents = [
        r#""value":{"n":1.50}"#,
        r#""value":[1, 2],"newline":true"#,
        r#""text":"two\nlines\n""#,
        r#""text":"""#,
        r#""base64":"AP8=""#,
        r#""text":" 1""#,
        r#""text":"1\r""#,
        r#""text":"\n""#,
    ];
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let mut lines = String::new();
    for (at, key) in keys.iter().enumerate() {
        for below in ["", "/blob", "/n"] {
            if below.is_empty() != (at % 2 == 0) {
                continue;
            }
            let key = json(&format!("{key}{below}"));
            lines += &format!("{{\"key\":{key},{}}}\n", contents[at % contents.len()]);
        }
    }
    let content = contents.iter().enumerate().map(|(at, content)| format!("{{\"key\":\"c/{at}\",{content}}}\n"));
    lines + &content.collect::<String>()
}

fn root(sandbox: &Sandbox) -> String {
    sandbox.git(["rev-parse", "HEAD^{tree}"]).ok().line()
}

fn with(lines: &str) -> Sandbox {
    let sandbox = Sandbox::with_database();
    sandbox.isodb_with_input(["import"], lines).ok();
    sandbox
}

/// Asserts that importing an export into an empty database gives the same documents.
fn comes_back(sandbox: &Sandbox, export: &Ran) {
    let other = Sandbox::with_database();
    other.isodb_with_input(["import", "-"], export.bytes()).ok();
    assert_eq!(root(&other), root(sandbox));
    other.check_with_git();
}

#[test]
fn lines() {
    let sandbox = with(&odd_documents());
    let export = sandbox.isodb(["export"]).ok();
    assert_eq!(export.stderr(), "");
    assert_eq!(export.lines().len(), odd_documents().lines().count());
    comes_back(&sandbox, &export);
    assert!(export.text().contains("{\"key\":\"c/1\",\"value\":[1, 2],\"newline\":true}\n"));
    assert!(export.text().contains("{\"key\":\"c/4\",\"base64\":\"AP8=\"}\n"));
    // The same as lists of keys say, in the same order.
    let keys = sandbox.isodb(["ls", "-r", "--json"]).ok().lines();
    let key = |line: &String| serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].clone();
    assert_eq!(export.lines().iter().map(key).collect::<Vec<_>>(), keys.iter().map(key).collect::<Vec<_>>());
    let ran = sandbox.bash("isodb export | isodb apply");
    assert_eq!(ran.ok().line(), sandbox.isodb(["head"]).ok().line());
    let empty = Sandbox::with_database();
    assert_eq!(empty.isodb(["export"]).ok().text(), "");
    assert_eq!(empty.bash("isodb export | isodb import -").ok().text(), "");
}

#[test]
fn which_documents() {
    let line = |key: &str| format!("{{\"key\":\"{key}\",\"value\":1}}\n");
    let sandbox = with(&["a", "a/b", "a/c/d", "b", "c"].map(line).concat());
    let keys = |args: &[&str]| {
        let all = sandbox.isodb([&["export"], args].concat()).ok().lines();
        all.iter().map(|line| line.split('"').nth(3).unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(keys(&[]), "a a/b a/c/d b c");
    assert_eq!(keys(&["a"]), "a a/b a/c/d");
    assert_eq!(keys(&["a/c/", "--strip"]), "d");
    assert_eq!(keys(&["--from", "a/c", "--to", "c"]), "a/c/d b");
    sandbox.isodb(["rm", "c"]).ok();
    assert_eq!(keys(&["--from", "b"]), "b");
    assert_eq!(keys(&["--from", "b", "--at", "HEAD~1"]), "b c");
    let tree = sandbox.isodb(["rev-parse", "HEAD^{tree}"]).ok().line();
    assert_eq!(keys(&["--from", "b", "--at", &tree]), "b");
    refused(sandbox.isodb(["export", "x"]), 1, "nothing at or below \"x\"");
    refused(sandbox.isodb(["export", "--at", "x"]), 1, "no revision \"x\"");
    refused(sandbox.isodb(["export", "a", "--strip"]), 2, "the document \"a\" itself has no key");
    refused(sandbox.isodb(["export", "--strip"]), 2, "PREFIX");
}

#[test]
fn large_documents_are_streamed() {
    let sandbox = Sandbox::with_database();
    sandbox.write("d/text", "\"é\n".repeat(2 << 20));
    sandbox.write("d/bytes", vec![0xff; 5 << 20]);
    sandbox.isodb(["import", "d"]).ok();
    comes_back(&sandbox, &sandbox.isodb(["export"]).ok());
    comes_back(&sandbox, &sandbox.isodb(["export", "--format=tar"]).ok());
}

#[test]
fn large_documents_take_little_memory() {
    let sandbox = Sandbox::in_memory();
    sandbox.isodb(["init"]).ok();
    let script = "set -e; mkdir in; head -c 128M /dev/zero | tr '\\0' '\\377' >in/big
        ulimit -d 80000    # kilobytes
        isodb import in
        isodb export --format dir -o out
        cmp in/big out/big
        isodb export -o x.tar
        isodb import --prefix tar x.tar
        isodb export big | wc -c";
    let lines = sandbox.bash(script).ok().lines();
    assert_eq!(lines.last().map(String::as_str), Some("178956998"));
    assert_eq!(
        sandbox.isodb(["rev-parse", "HEAD:tar/big"]).ok().line(),
        sandbox.isodb(["rev-parse", "HEAD:big"]).ok().line()
    );
}

#[test]
fn into_a_file() {
    let sandbox = with(&odd_documents());
    sandbox.isodb(["export", "-o", "x.ndjson"]).ok();
    let lines = sandbox.isodb(["export", "--output", "-"]).ok();
    assert_eq!(std::fs::read(sandbox.path().join("x.ndjson")).unwrap(), lines.bytes());
    sandbox.isodb(["export", "-o", "x.tar"]).ok();
    sandbox.isodb(["export", "-o", "y.tgz"]).ok();
    sandbox.isodb(["export", "-o", "y.ndjson.gz"]).ok();
    for name in ["x.ndjson", "x.tar", "y.tgz", "y.ndjson.gz"] {
        let other = Sandbox::with_database();
        other.isodb(["import", sandbox.path().join(name).to_str().unwrap()]).ok();
        assert_eq!(root(&other), root(&sandbox), "{name}");
    }
    // A failure leaves the file as it was, and nothing beside it.
    sandbox.write("x.ndjson", "before");
    let id = sandbox.isodb(["rev-parse", "HEAD:c/3"]).ok().line();
    std::fs::remove_file(sandbox.db().join("objects").join(&id[..2]).join(&id[2..])).unwrap();
    refused(sandbox.isodb(["export", "-o", "x.ndjson"]), 4, "is missing");
    assert_eq!(std::fs::read_to_string(sandbox.path().join("x.ndjson")).unwrap(), "before");
    let names = std::fs::read_dir(sandbox.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.count(), 5);
    refused(sandbox.isodb(["export", "-o", "no/such"]), 5, "cannot write no/such: ");
    refused(sandbox.isodb(["export", "-o", "."]), 5, "cannot write .: ");
    sandbox.isodb(["export", "c/1", "-o", "/dev/null"]).ok();
}

#[test]
fn a_reader_that_goes_away() {
    let lines: String = (0..5_000).map(|n| format!("{{\"key\":\"n/{n}\",\"value\":{n}}}\n")).collect();
    let sandbox = Sandbox::in_memory();
    sandbox.isodb(["init"]).ok();
    sandbox.isodb_with_input(["import", "--no-sync"], lines).ok();
    for format in ["ndjson", "tar"] {
        let script = format!("set -o pipefail; isodb export --format {format} | head -c 10 >first");
        assert_eq!(sandbox.bash(&script).ok().stderr(), "");
    }
    if std::path::Path::new("/dev/full").exists() {
        refused(sandbox.bash("isodb export >/dev/full"), 5, "cannot write the answer");
        refused(sandbox.isodb(["export", "-o", "/dev/full"]), 5, "cannot write /dev/full");
    }
}

#[test]
fn archives() {
    let dots = "{\"key\":\"../up\",\"value\":1}\n{\"key\":\"a/./b\",\"value\":2}\n{\"key\":\"%2E/x\",\"value\":3}\n";
    let sandbox = with(&(odd_documents() + dots + "{\"key\":\"blob/below\",\"value\":4}\n"));
    let export = sandbox.isodb(["export", "--format", "tar"]).ok();
    assert!(sandbox.isodb(["export", "--format", "tar"]).ok().bytes() == export.bytes(), "always the same");
    comes_back(&sandbox, &export);
    let empty = Sandbox::with_database().bash("isodb export --format tar | isodb import -").ok();
    assert_eq!(empty.text(), "");
    if !has_tool("tar") {
        return;
    }
    // Other programs read it.
    let sandbox = with(&(odd_documents() + dots));
    sandbox.isodb(["export", "-o", "x.tar"]).ok();
    let listed = sandbox.bash("tar --full-time --utc -tvf x.tar 'c/1'").ok().line();
    assert_eq!(listed, "-rw-r--r-- 0/0               7 2023-11-14 22:13:20 c/1");
    sandbox.bash("mkdir y && tar -C y -xf x.tar").ok();
    assert_eq!(std::fs::read_to_string(sandbox.path().join("y/%2E%2E/up")).unwrap(), "1");
    assert!(sandbox.path().join("y/new\nline").is_file() || sandbox.path().join("y/new\nline/n").is_file());
}

#[test]
fn directories() {
    let sandbox = with(&odd_documents());
    sandbox.isodb(["export", "--format", "dir", "-o", "out"]).ok();
    assert_eq!(std::fs::read_to_string(sandbox.path().join("out/c/1")).unwrap(), "[1, 2]\n");
    let other = Sandbox::with_database();
    other.isodb(["import", sandbox.path().join("out").to_str().unwrap()]).ok();
    assert_eq!(root(&other), root(&sandbox));
    refused(sandbox.isodb(["export", "--format", "dir"]), 2, "cannot be written to stdout");
    refused(sandbox.isodb(["export", "--format", "dir", "-o", "out"]), 2, "out is not empty");
    sandbox.write("out/c/1", "old");
    sandbox.write("out/other", "stays");
    sandbox.isodb(["export", "--format", "dir", "-o", "out", "--force"]).ok();
    assert_eq!(std::fs::read_to_string(sandbox.path().join("out/c/1")).unwrap(), "[1, 2]\n");
    assert_eq!(std::fs::read_to_string(sandbox.path().join("out/other")).unwrap(), "stays");
    // No link leads out of the directory.
    sandbox.write("outside/1", "kept");
    sandbox.bash("rm -r out/c && ln -s ../outside out/c").ok();
    refused(sandbox.isodb(["export", "--format", "dir", "-o", "out", "--force"]), 5, "cannot write out/c/");
    assert_eq!(std::fs::read_to_string(sandbox.path().join("outside/1")).unwrap(), "kept");
}

#[test]
fn keys_that_are_no_files() {
    for (keys, words) in [
        (["a", "a/b"], "both a document \"a\" and \"a/b\""),
        (["a", "b/../c"], "\"..\" is a name"),
        (["a", "b/./c"], "\".\" is a name"),
        (["a", "b/.Git/config"], "\".Git\" is a name"),
        (["a", "b/.isodb"], "\".isodb\" is a name"),
    ] {
        let sandbox = with(&keys.map(|key| format!("{{\"key\":\"{key}\",\"value\":1}}\n")).concat());
        let ran = refused(sandbox.isodb(["export", "--format", "dir", "-o", "out"]), 2, words);
        assert!(ran.stderr().contains("what was written before it is in out"), "{}", ran.stderr());
        assert_eq!(std::fs::read_to_string(sandbox.path().join("out/a")).unwrap(), "1");
    }
}

#[test]
fn a_document_in_conflict() {
    let sandbox = with("{\"key\":\"a\",\"value\":1}\n");
    let tree = |entries: &str| {
        let mut command = sandbox.command("git");
        command.arg(format!("--git-dir={}", sandbox.db().display())).arg("mktree");
        crate::support::run(command, Some(entries.as_bytes())).ok().line()
    };
    let blob = |text: &str| sandbox.isodb_with_input(["hash-object", "-w"], text).ok().line();
    let (one, two) = (blob("1"), blob("2"));
    let mut versions = [&one, &two].map(|id| format!("100644 blob {id}\t{id}\n"));
    versions.sort();
    let conflict = tree(&versions.concat());
    let winner = std::cmp::max(&one, &two);
    let document = tree(&format!("040000 tree {conflict}\t.conflict\n100644 blob {winner}\tblob\n"));
    let root = tree(&format!("040000 tree {document}\ta\n"));
    let ran = sandbox.isodb(["export", "--at", &root]).ok();
    assert_eq!(ran.stderr(), "warning: 1 documents are in conflict, and one version of each was written\n");
    assert_eq!(ran.lines().len(), 1);
    assert_eq!(sandbox.isodb(["-q", "export", "--at", &root]).ok().stderr(), "");
}
