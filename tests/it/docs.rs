//! The documents are true: what they show is what the program does.
//!
//! In the README and the pages of `docs/guide` and `docs/format`, a block marked `sh` is a session. A line that starts
//! with `$ ` is a command, lines with `> ` right behind it go on with it, and what follows up to the next command is
//! all that it prints, stdout and stderr as they come. `…` stands for any text within a line, and a line that is only
//! `…` for any lines. The sessions of a page are run in their order by one bash in one new directory; blocks of other
//! kinds (`console`, `text`) are only shown. The built scripts of `tests/fixtures/scripts` that a page names are in its
//! directory. `docs/tour.md` holds in the same way what `docs/tour.sh` prints.
//!
//! ISODB_UPDATE_DOCS=1 writes what was printed into the pages in place of comparing.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::{Sandbox, has_tool, run};

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn updates() -> bool {
    std::env::var_os("ISODB_UPDATE_DOCS").is_some()
}

/// A command of a page and the lines of its output: where they stand and what they are.
#[derive(Debug, Default)]
struct Shown {
    command: String,
    line: usize,
    output: std::ops::Range<usize>,
    expected: Vec<String>,
}

/// The commands of a page.
fn sessions(page: &str) -> Vec<Shown> {
    let mut found: Vec<Shown> = Vec::new();
    let mut inside = None;
    for (number, line) in page.lines().enumerate() {
        match inside {
            None if line.starts_with("```") => inside = Some(line == "```sh"),
            Some(_) if line == "```" => inside = None,
            Some(true) => match (line.strip_prefix("$ "), line.strip_prefix("> "), found.last_mut()) {
                (Some(command), _, _) => {
                    let output = number + 1..number + 1;
                    found.push(Shown { command: command.into(), line: number + 1, output, expected: Vec::new() });
                }
                (_, Some(more), Some(shown)) if shown.expected.is_empty() => {
                    shown.command = format!("{}\n{more}", shown.command);
                    shown.output = number + 1..number + 1;
                }
                (_, _, Some(shown)) => {
                    shown.expected.push(line.to_owned());
                    shown.output.end = number + 1;
                }
                (_, _, None) => panic!("line {}: a session starts with a command", number + 1),
            },
            _ => {}
        }
    }
    assert_eq!(inside, None, "a block is not closed");
    found
}

/// Runs the commands in one bash; what each of them printed.
fn run_sessions(sandbox: &Sandbox, shown: &[Shown]) -> Vec<Vec<String>> {
    // Each output ends with a line that no command prints; `$?` is kept for the next command.
    let mut script = String::from("exec 2>&1\n");
    for shown in shown {
        script += &format!("{}\n_shown=$?; printf '\\036\\n'; (exit $_shown)\n", shown.command);
    }
    script += "true\n";
    sandbox.write(".page.sh", &script);
    let mut command = sandbox.command("bash");
    command.arg(".page.sh");
    let printed = run(command, None).ok().text();
    let mut outputs: Vec<&str> = printed.split("\u{1e}\n").collect();
    assert_eq!(outputs.pop(), Some(""), "the session ended early:\n{printed}");
    outputs.iter().map(|output| output.lines().map(str::to_owned).collect()).collect()
}

/// Whether a line is what a page shows, where `…` is any text.
fn line_matches(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether an output is what a page shows. Empty lines at the end, which set blocks apart, do not count.
fn output_matches(mut shown: &[String], printed: &[String]) -> bool {
    while let Some((last, rest)) = shown.split_last()
        && last.is_empty()
    {
        shown = rest;
    }
    match (shown.split_first(), printed.split_first()) {
        (None, _) => printed.iter().all(String::is_empty),
        (Some((first, rest)), _) if first == "…" => {
            (0..=printed.len()).any(|skipped| output_matches(rest, &printed[skipped..]))
        }
        (Some((first, rest)), Some((line, after))) => line_matches(first, line) && output_matches(rest, after),
        (Some(_), None) => false,
    }
}

/// Runs a page and compares, or writes the page anew.
fn check_page(path: &Path) {
    let page = read(path);
    let shown = sessions(&page);
    let sandbox = Sandbox::new();
    for entry in std::fs::read_dir(project().join("tests/fixtures/scripts")).unwrap() {
        let built = entry.unwrap().path();
        let name = built.file_name().unwrap().to_str().unwrap().to_owned();
        if name.ends_with(".wasm") && page.contains(&name) {
            sandbox.write(&name, std::fs::read(&built).unwrap());
        }
    }
    let outputs = run_sessions(&sandbox, &shown);
    assert_eq!(outputs.len(), shown.len());
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    let mut wrong = String::new();
    for (shown, printed) in shown.iter().zip(&outputs).rev() {
        if !output_matches(&shown.expected, printed) {
            wrong = format!(
                "{}:{}: $ {}\n--- shown\n{}\n--- printed\n{}\n{wrong}",
                path.display(),
                shown.line,
                shown.command,
                shown.expected.join("\n"),
                printed.join("\n")
            );
            lines.splice(shown.output.clone(), printed.iter().cloned());
        }
    }
    if updates() && !wrong.is_empty() {
        std::fs::write(path, lines.join("\n") + "\n").unwrap();
    } else {
        assert!(wrong.is_empty(), "{wrong}");
    }
}

fn pages(dir: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project().join(dir)).unwrap();
    let mut pages: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    pages
}

#[test]
fn the_readme_is_true() {
    let path = project().join("README.md");
    assert!(sessions(&read(&path)).len() > 5);
    check_page(&path);
}

#[test]
fn the_guide_is_true() {
    let pages = pages("docs/guide");
    assert!(pages.len() >= 3);
    for page in pages {
        let text = read(&page);
        assert!(!sessions(&text).is_empty(), "{} shows no command", page.display());
        // git verifies signatures with OpenSSH's help.
        if text.contains("gpg.format=ssh") && !has_tool("ssh-keygen") {
            continue;
        }
        check_page(&page);
    }
}

#[test]
fn the_guide_shows_the_script_that_was_built() {
    let source = read(&project().join("tests/fixtures/scripts/readings.ts"));
    assert!(read(&project().join("docs/guide/scripts.md")).contains(&format!("```ts\n{source}```\n")));
}

#[test]
fn the_pages_about_the_format_are_true() {
    let pages = pages("docs/format");
    assert!(pages.iter().any(|page| !sessions(&read(page)).is_empty()));
    for page in pages {
        check_page(&page);
    }
}

#[test]
fn the_tour_prints_what_its_page_shows() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("bash");
    command.arg(project().join("docs/tour.sh")).env("ISODB", env!("CARGO_BIN_EXE_isodb"));
    let printed = run(command, None).ok().text();
    let path = project().join("docs/tour.md");
    let page = read(&path);
    let (head, rest) = page.split_once("```text\n").expect("the page has a block");
    let (shown, tail) = rest.split_once("\n```\n").expect("the block ends");
    if updates() {
        std::fs::write(&path, format!("{head}```text\n{}\n```\n{tail}", printed.trim())).unwrap();
    } else if let Some((shown, printed)) =
        shown.lines().zip(printed.trim().lines()).find(|(shown, printed)| shown != printed)
    {
        panic!("the page shows {shown:?}, the tour prints {printed:?}");
    } else {
        assert_eq!(shown, printed.trim());
    }
}

#[test]
fn the_tour_stops_at_a_surprise() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command("bash");
    command.arg(project().join("docs/tour.sh")).env("ISODB", "/usr/bin/false");
    let ran = run(command, None).status(1);
    assert!(ran.stderr().contains("status 1, not 0"), "{}", ran.stderr());
}

/// The texts in double quotes that read like a problem's id.
fn problem_ids(source: &str) -> BTreeSet<String> {
    let is_id = |text: &&str| {
        text.contains('-') && text.split('-').all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
    };
    source.split('"').filter(is_id).map(str::to_owned).collect()
}

#[test]
fn the_page_about_fsck_lists_every_problem() {
    let files = ["database/fsck/mod.rs", "database/fsck/links.rs", "store/verify.rs", "tree/check.rs"];
    let in_source: BTreeSet<String> =
        files.iter().flat_map(|file| problem_ids(&read(&project().join("src").join(file)))).collect();
    assert!(in_source.contains("object-damaged") && in_source.contains("folder-shape"));
    let page = read(&project().join("docs/format/fsck.md"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let in_page: BTreeSet<String> = rows.map(|(id, _)| id.to_owned()).collect();
    assert_eq!(in_page, in_source);
}

#[test]
fn the_examples_wildcards_match_what_they_should() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for (shown, printed) in [("a…", "abc"), ("…", ""), ("a…c", "abc"), ("a…b…c", "axxbyc"), ("abc", "abc")] {
        assert!(line_matches(shown, printed), "{shown} {printed}");
    }
    for (shown, printed) in [("a", "ab"), ("a…c", "ab"), ("a…b…c", "acb"), ("ab…b", "ab"), ("", "x")] {
        assert!(!line_matches(shown, printed), "{shown} {printed}");
    }
    assert!(output_matches(&lines("a\n…\nd\n"), &lines("a\nb\nc\nd")));
    assert!(!output_matches(&lines("a\n…\nd"), &lines("a\nb")));
    assert!(!output_matches(&lines("a"), &lines("a\nb")));
    assert!(sessions("```sh\n$ a\n> b\nc\n```\n```text\n$ d\n```\n").len() == 1);
}
