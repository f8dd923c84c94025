//! `rev-parse` about how commits descend from each other, and the commit-graph file in the program's hands.

use super::refused;
use crate::support::Sandbox;

fn put(sandbox: &Sandbox, key: &str, on: &[&str]) -> String {
    let on = on.iter().flat_map(|on| ["--on", on]);
    sandbox.isodb_with_input(["put", key].into_iter().chain(on), key).ok().line()
}

/// A base, two sides that have merged each other, and a commit that has nothing to do with them.
fn crossed() -> (Sandbox, [String; 6]) {
    let sandbox = Sandbox::with_database();
    let base = put(&sandbox, "a", &[]);
    let (left, right) = (put(&sandbox, "b", &[&base]), put(&sandbox, "c", &[&base]));
    let one = put(&sandbox, "d", &[&left, &right]);
    let two = put(&sandbox, "e", &[&right, &left]);
    let alone = put(&sandbox, "f", &["none"]);
    (sandbox, [base, left, right, one, two, alone])
}

#[test]
fn as_git_says() {
    let (sandbox, [base, left, right, one, two, alone]) = crossed();
    let sorted = |args: &[&str], git: bool| {
        let ran = if git { sandbox.git(args) } else { sandbox.isodb(args) };
        let mut lines = ran.lines();
        lines.sort();
        lines
    };
    let asked: [&[&str]; 6] =
        [&[&one, &two], &[&left, &right], &[&left, &right, &two], &[&base], &[&one, &alone], &[&one, &left]];
    for asked in asked {
        let bases = sorted(&[&["rev-parse", "--merge-base"], asked].concat(), false);
        assert_eq!(bases, sorted(&[&["merge-base", "--all"], asked].concat(), true), "{asked:?}");
        let heads = sorted(&[&["rev-parse", "--independent"], asked].concat(), false);
        assert_eq!(heads, sorted(&[&["merge-base", "--independent"], asked].concat(), true), "{asked:?}");
    }
    assert_eq!(sorted(&["rev-parse", "--merge-base", &one, &two], false).len(), 2);
    assert_eq!(sandbox.isodb(["rev-parse", "--short", "--merge-base", &left, &right]).ok().line(), base[..12]);
    assert_eq!(sandbox.isodb(["rev-parse", "--merge-base", "main", &left]).ok().line(), base);
    assert_eq!(sandbox.isodb(["rev-parse", "--independent", &left, &one, &left]).ok().line(), one);
    let none = sandbox.isodb(["rev-parse", "--merge-base", &one, &alone]).status(1);
    assert_eq!((none.text(), none.stderr()), (String::new(), String::new()));
}

#[test]
fn who_is_an_ancestor() {
    let (sandbox, [base, left, right, one, ..]) = crossed();
    for (ancestor, of, status) in
        [(&base, &one, 0), (&left, &one, 0), (&one, &one, 0), (&one, &base, 1), (&left, &right, 1)]
    {
        let ran = sandbox.isodb(["rev-parse", "--is-ancestor", ancestor, of]).status(status);
        assert_eq!(ran.text() + &ran.stderr(), "");
        sandbox.git(["merge-base", "--is-ancestor", ancestor, of]).status(status);
    }
    refused(sandbox.isodb(["rev-parse", "--is-ancestor", &base]), 2, "--is-ancestor takes two revisions");
    refused(sandbox.isodb(["rev-parse", "--is-ancestor", "main", "no"]), 1, "no ref has this name");
    refused(sandbox.isodb(["rev-parse", "--merge-base", "main:a", "main"]), 2, "names a blob, and a commit is wanted");
    refused(sandbox.isodb(["rev-parse", "--merge-base", "--json", "main"]), 2, "cannot be used with");
}

#[test]
fn gits_graph_is_used_and_checked() {
    let (sandbox, [.., one, two, _]) = crossed();
    sandbox.isodb(["ref", "set", "one", &one]).ok();
    sandbox.isodb(["ref", "set", "two", &two]).ok();
    let asked: [&[&str]; 3] = [
        &["log", "--all", "--oneline", "c"],
        &["log", "--all", "--graph"],
        &["rev-parse", "--merge-base", "one", "two"],
    ];
    let ask = || asked.map(|args| sandbox.isodb(args).ok().text());
    let before = ask();
    sandbox.git(["commit-graph", "write", "--reachable", "--changed-paths"]).ok();
    assert_eq!(ask(), before);
    sandbox.check_with_git();
    let path = sandbox.db().join("objects/info/commit-graph");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let checked = sandbox.isodb(["fsck"]).status(4).text();
    assert!(checked.starts_with("error graph-damaged objects/info/commit-graph: its checksum is wrong\n"), "{checked}");
    std::fs::write(&path, "nonsense").unwrap();
    assert_eq!(ask(), before);
    let checked = sandbox.isodb(["fsck"]).status(4).text();
    assert!(checked.starts_with("error graph-damaged objects/info/commit-graph: it does not start as"), "{checked}");
}
