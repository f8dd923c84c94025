//! Help: grouped, examples first, an example for every command, manual pages, the reference page.

use std::path::Path;

use crate::support::Sandbox;
use crate::support::farm::Farm;

/// The commands in the order of the help's groups.
const COMMANDS: &[&str] = &[
    "init",
    "clone",
    "config",
    "put",
    "get",
    "rm",
    "ls",
    "apply",
    "import",
    "export",
    "log",
    "show",
    "diff",
    "head",
    "restore",
    "status",
    "ref",
    "merge",
    "conflicts",
    "resolve",
    "rule",
    "simulate",
    "verify",
    "trust",
    "tag",
    "prove",
    "remote",
    "fetch",
    "push",
    "pull",
    "sync",
    "peers",
    "ls-remote",
    "upload-pack",
    "receive-pack",
    "serve",
    "bundle",
    "changes",
    "watch",
    "cat-object",
    "hash-object",
    "ls-tree",
    "rev-parse",
    "count-objects",
    "gc",
    "fsck",
    "completions",
];

/// The commands that have commands of their own.
const NESTED: [(&str, &[&str]); 5] = [
    ("ref", &["set", "get", "list", "delete", "log"]),
    ("remote", &["add", "list", "set-url", "remove"]),
    ("rule", &["list", "add", "remove", "test"]),
    ("bundle", &["create", "apply", "verify"]),
    ("trust", &["keygen", "list", "add", "remove", "pin"]),
];

/// Every command, those below others too, as words.
fn all_commands() -> Vec<Vec<&'static str>> {
    let nested = NESTED.into_iter().flat_map(|(name, below)| below.iter().map(move |below| vec![name, below]));
    COMMANDS.iter().map(|name| vec![*name]).chain(nested).collect()
}

#[test]
fn the_programs_help_is_grouped_and_starts_with_examples() {
    let sandbox = Sandbox::new();
    let text = sandbox.isodb(["--help"]).ok().text();
    assert_eq!(sandbox.isodb(["-h"]).ok().text(), text);
    assert_eq!(sandbox.isodb(["help"]).ok().text(), text);
    let headings: Vec<&str> = text.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    assert_eq!(
        headings,
        [
            "Examples:",
            "Start:",
            "Documents:",
            "History:",
            "Names:",
            "Merging:",
            "Trust:",
            "Sharing:",
            "Objects:",
            "Upkeep:",
            "Options:"
        ]
    );
    let named: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())))
        .filter_map(|line| line.split("  ").next())
        .filter(|name| !name.contains(' '))
        .collect();
    assert_eq!(named, COMMANDS);
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "too long: {line}");
    }
    assert!(text.contains("Exit status: 0 done; 1 "));
    let version = sandbox.isodb(["--version"]).ok().line();
    assert_eq!(version, concat!("isodb ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn every_command_has_a_short_line_and_an_example() {
    let sandbox = Sandbox::new();
    for command in all_commands() {
        let short = sandbox.isodb([command.as_slice(), &["-h"]].concat()).ok().text();
        let long = sandbox.isodb([command.as_slice(), &["--help"]].concat()).ok().text();
        assert_eq!(sandbox.isodb([&["help"], command.as_slice()].concat()).ok().text(), long);
        let about = short.lines().next().unwrap();
        assert!(about.chars().count() <= 80 && !about.ends_with('.'), "{about}");
        assert_eq!(long.lines().next(), Some(about));
        let examples = long.split("Example").nth(1).unwrap_or_else(|| panic!("{command:?} has no example"));
        assert!(examples.contains(&format!("isodb {}", command.join(" "))), "{command:?}: {examples}");
        assert!(long.contains("Usage: isodb ") && long.contains("--db <DIR>"), "{long}");
        for line in short.lines().chain(long.lines()) {
            assert!(line.chars().count() <= 100, "{command:?}: {line}");
        }
    }
}

#[test]
fn every_argument_and_option_is_explained() {
    let sandbox = Sandbox::new();
    for command in all_commands() {
        let short = sandbox.isodb([command.as_slice(), &["-h"]].concat()).ok().text();
        for line in short
            .lines()
            .take_while(|line| !line.starts_with("Example"))
            .skip_while(|line| !line.ends_with(':'))
            .filter(|line| line.starts_with("  ") && line.contains(['<', '[']))
        {
            let text = line.trim().split_once("  ").map_or("", |(_, text)| text.trim());
            assert!(!text.is_empty() || line.trim().ends_with(':') || line.starts_with("    "), "{command:?}: {line}");
        }
    }
}

/// The names of the members of a record.
fn members(record: &serde_json::Value, names: &mut std::collections::BTreeSet<String>) {
    match record {
        serde_json::Value::Object(object) => {
            for (name, value) in object {
                names.insert(name.clone());
                members(value, names);
            }
        }
        serde_json::Value::Array(all) => all.iter().for_each(|value| members(value, names)),
        _ => {}
    }
}

#[test]
fn every_member_of_a_json_answer_is_documented() {
    let Farm { sandbox, .. } = Farm::new();
    sandbox.isodb_with_input(["put", "a/b"], "1").ok();
    sandbox.isodb_with_input(["put", "a/b"], "2").ok();
    sandbox.isodb(["remote", "add", "barn", "x"]).ok();
    sandbox.isodb(["init", "x"]).ok();
    sandbox.isodb_with_input(["--db", "x", "put", "z"], "9").ok();
    let mut seen = Vec::new();
    for line in [
        "init x",
        "config --list",
        "config core.bare",
        "put a/b new.json",
        "get a/b",
        "get stock/hay",
        "rm a/b",
        "apply changes",
        "import --format ndjson changes",
        "ls",
        "ls --long -r",
        "ls --count",
        "log",
        "diff HEAD~1",
        "head",
        "ref get main",
        "ref list refs/heads/main",
        "ref log",
        "merge HEAD",
        "merge --show-frontier",
        "status",
        "conflicts",
        "conflicts --count",
        "resolve --dry-run --delete notes/*",
        "resolve --delete notes/*",
        "rule add stock/* keep",
        "rule list",
        "rule remove 1",
        "rule test --script swap.rhai",
        "simulate --rounds 2 --seed 1",
        "tag v1 -m x",
        "trust keygen new.key",
        "trust add ann@farm new.key.pub",
        "trust pin new.key.pub",
        "trust list",
        "trust remove ann@farm --force",
        "changes --values a/b",
        "cat-object HEAD",
        "cat-object --all",
        "hash-object changes",
        "ls-tree HEAD",
        "remote list",
        "clone x y",
        "peers",
        "fetch barn",
        "pull barn",
        "push barn main",
        "sync barn",
        "ls-remote x",
        "bundle create f",
        "bundle verify f",
        "bundle apply f",
        "rev-parse HEAD",
        "count-objects",
        "fsck",
        "restore --all --from HEAD~1",
    ] {
        sandbox.write("new.json", "3");
        sandbox.write("swap.rhai", "no script");
        sandbox.write("changes", "{\"key\":\"a/b\",\"value\":4}");
        if line == "fsck" {
            std::fs::write(sandbox.db().join("refs/heads/bad"), "junk").unwrap();
        }
        let words: Vec<&str> = line.split(' ').collect();
        if line == "fsck" {
            std::fs::write(sandbox.db().join("refs/heads/bad"), "junk").unwrap();
        }
        let is_nested = NESTED.iter().any(|(name, _)| *name == words[0]);
        let command = &words[..if is_nested { 2 } else { 1 }];
        let help = sandbox.isodb([&["help"], command].concat()).ok().text();
        let status = match words[0] {
            "fsck" => 4,
            "conflicts" | "pull" | "sync" => 1,
            "merge" if words[1] == "HEAD" => 1,
            "rule" if words[1] == "test" => 1,
            _ => 0,
        };
        let records = sandbox.isodb([words.as_slice(), &["--json"]].concat()).status(status).lines();
        assert!(!records.is_empty(), "{line}");
        let mut names = std::collections::BTreeSet::new();
        records.iter().for_each(|record| members(&serde_json::from_str(record).unwrap(), &mut names));
        for name in names {
            assert!(help.contains(&format!("\"{name}\"")), "the help of {command:?} does not name {name:?}");
        }
        seen.push(command.join(" "));
    }
    // Whatever takes --json was tried.
    for command in all_commands() {
        let short = sandbox.isodb([command.as_slice(), &["-h"]].concat()).ok().text();
        let tried = seen.contains(&command.join(" ")) || [["show"], ["gc"], ["verify"]].contains(&[command[0]]);
        assert_eq!(short.contains("--json"), tried, "{command:?}");
    }
}

#[test]
fn manual_pages_have_their_examples() {
    let sandbox = Sandbox::new();
    sandbox.isodb(["completions", "--man", "man/man1"]).ok();
    let page = |name: &str| std::fs::read_to_string(sandbox.path().join(format!("man/man1/{name}.1"))).unwrap();
    for command in all_commands() {
        let page = page(&format!("isodb-{}", command.join("-")));
        let plain = page.replace("\\-", "-");
        assert!(plain.contains(&format!(".TH isodb-{} 1", command.join("-"))), "{plain}");
        let examples = plain.split("Example").nth(1).unwrap_or_else(|| panic!("{command:?} has no example"));
        assert!(examples.contains(&format!("isodb {}", command.join(" "))), "{command:?}");
    }
    let main = page("isodb");
    assert!(main.contains("isodb") && main.contains("put"));
    let count = std::fs::read_dir(sandbox.path().join("man/man1")).unwrap().count();
    assert_eq!(count, all_commands().len() + 1);
}

#[test]
fn the_reference_page_is_the_programs_own() {
    let made = Sandbox::new().isodb(["completions", "--markdown"]).ok().text();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == made, "docs/cli.md is out of date: run `cargo run -- completions --markdown > docs/cli.md`");
    for command in all_commands() {
        assert!(made.contains(&format!("\n### isodb {}\n", command.join(" "))), "{command:?}");
    }
}
