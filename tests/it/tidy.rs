//! The house rules that a compiler does not check: which room may use which, where files and the environment may be
//! touched, headers, lengths, words that must not stay, and links in the documents. `docs/architecture.md` says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The longest a source file may be, in lines.
const LONGEST: usize = 500;

/// A file of the project: its path from the top, with slashes, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    /// Whether all of it is tests: it is named so, or its parent declares it under `#[cfg(test)]`.
    fn is_test(&self, sources: &[File]) -> bool {
        let module = Path::new(&self.path).file_stem().unwrap().to_str().unwrap();
        let dir = self.path.rsplit_once('/').map_or("", |(dir, _)| dir);
        let declares = format!("#[cfg(test)]\nmod {module};");
        let parents = [format!("{dir}/mod.rs"), format!("{dir}.rs"), format!("{dir}/lib.rs")];
        self.path.split('/').any(|part| part == "tests" || part == "tests.rs")
            || sources.iter().any(|file| parents.contains(&file.path) && file.text.contains(&declares))
    }

    /// The lines that are code of the program itself, with their numbers: no comments, no tests at the end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = self.text.find("\nmod tests {").unwrap_or(self.text.len());
        let lines = self.text[..end].lines().enumerate();
        lines.map(|(number, line)| (number + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below some directories whose names end in `ending`.
fn files(dirs: &[&str], ending: &str) -> Vec<File> {
    let mut todo: Vec<PathBuf> = dirs.iter().map(|dir| top().join(dir)).collect();
    let mut found = Vec::new();
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.strip_prefix(top()).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(File { path: name, text });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty());
    found
}

/// The library's own code.
fn library() -> Vec<File> {
    let sources = files(&["src"], ".rs");
    let is_code = |file: &File| !file.path.starts_with("src/bin/") && !file.is_test(&sources);
    let keep: BTreeSet<String> = sources.iter().filter(|file| is_code(file)).map(|file| file.path.clone()).collect();
    sources.into_iter().filter(|file| keep.contains(&file.path)).collect()
}

/// The lines of code in which one of some words stands, as `path:line: text`.
fn lines_with(files: &[File], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in file.code().filter(|(_, line)| words.iter().any(|word| line.contains(word))) {
            found.push(format!("{}:{number}: {}", file.path, line.trim()));
        }
    }
    found
}

/// The names in backquotes in a text.
fn quoted(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The architecture's table: each room and those that it may use.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let page = std::fs::read_to_string(top().join("docs/architecture.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    rows.map(|(room, rest)| (room.to_owned(), quoted(rest.split(" | ").next().unwrap()))).collect()
}

/// The rooms that a line of code names from the top of the library.
fn named_rooms<'a>(line: &'a str, rooms: &'a BTreeMap<String, BTreeSet<String>>) -> impl Iterator<Item = &'a String> {
    let after: Vec<&str> = line.split("crate::").skip(1).collect();
    rooms.keys().filter(move |room| {
        after.iter().any(|after| {
            let list = after.strip_prefix('{').map_or(*after, |list| list.split('}').next().unwrap_or(list));
            let names: Vec<&str> = if after.starts_with('{') { list.split(',').collect() } else { vec![list] };
            names.iter().any(|name| {
                let name = name.trim();
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                &name[..end] == room.as_str()
            })
        })
    })
}

#[test]
fn rooms_use_only_what_they_may() {
    let rooms = rooms();
    let dirs: BTreeSet<String> = std::fs::read_dir(top().join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "lib.rs" && name != "bin")
        .collect();
    let listed: BTreeSet<String> = rooms.keys().filter(|room| *room != "bin/isodb").cloned().collect();
    assert_eq!(dirs, listed, "the table of rooms in docs/architecture.md");
    let mut wrong = Vec::new();
    let mut uses = 0;
    for file in library() {
        let Some(room) = file.path.strip_prefix("src/").and_then(|path| Some(path.split_once('/')?.0)) else {
            continue;
        };
        for (number, line) in file.code() {
            for used in named_rooms(line, &rooms) {
                uses += 1;
                if used != room && !rooms[room].contains(used) {
                    wrong.push(format!("{}:{number}: {room} may not use {used}", file.path));
                }
            }
        }
    }
    assert!(uses > 30, "{uses} uses: the search finds nothing any more");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_code_map_names_every_file() {
    let page = std::fs::read_to_string(top().join("docs/architecture.md")).unwrap();
    let (_, map) = page.split_once("## Code map").unwrap();
    let named: BTreeSet<&str> = map.split_whitespace().collect();
    let missing: Vec<String> = library()
        .into_iter()
        .map(|file| file.path)
        // A room's own parts have a directory beside the file that tells of them.
        .filter(|path| path.split('/').count() <= 3 && !named.contains(path.rsplit('/').next().unwrap()))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn names_of_rooms_are_found() {
    let rooms = rooms();
    let named = |line: &str| named_rooms(line, &rooms).cloned().collect::<Vec<_>>();
    assert_eq!(named("use crate::refs::{self, Expect};"), ["refs"]);
    assert_eq!(named("use crate::{object, refs, tree};"), ["object", "refs", "tree"]);
    assert_eq!(named("fn f() -> crate::store::Store {"), ["store"]);
    assert_eq!(named("use crate::refstore; pub(crate) fn tree()"), [""; 0]);
}

#[test]
fn only_the_disk_touches_files() {
    let mut library = library();
    library.retain(|file| !file.path.starts_with("src/disk/"));
    assert_eq!(lines_with(&library, &["std::fs", "File::open", "File::create", "OpenOptions"]), [""; 0]);
}

#[test]
fn the_library_has_no_environment_and_prints_nothing() {
    let library = library();
    let words = ["std::env", "SystemTime::now", "println!", "print!(", "dbg!", "io::stdout", "io::stderr", "io::stdin"];
    assert_eq!(lines_with(&library, &words), [""; 0]);
    assert_eq!(lines_with(&library, &["process::exit", "Command::new"]), [""; 0]);
}

#[test]
fn unsafe_code_is_in_one_place() {
    let mut sources = files(&["src"], ".rs");
    sources.retain(|file| file.path != "src/disk/os.rs");
    assert_eq!(lines_with(&sources, &["unsafe ", "allow(unsafe_code)"]), [""; 0]);
}

#[test]
fn no_loose_ends() {
    // Put together here, so that this file does not find itself.
    let words = ["TO", "FIX", "XX"].map(|start| start.to_owned() + if start == "TO" { "DO" } else { "ME" });
    let words = [words[0].as_str(), words[1].as_str(), "XXX", "HACK"];
    let mut found = Vec::new();
    for file in files(&["src", "tests"], ".rs").iter().filter(|file| file.path != "tests/it/tidy.rs") {
        for (number, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.split(|c: char| !c.is_alphanumeric()).any(|part| part == *word)) {
                found.push(format!("{}:{}: {}", file.path, number + 1, line.trim()));
            }
        }
    }
    assert_eq!(found, [""; 0]);
    let sources = files(&["src"], ".rs");
    let tests: BTreeSet<String> =
        sources.iter().filter(|file| file.is_test(&sources)).map(|file| file.path.clone()).collect();
    let code: Vec<File> = sources.into_iter().filter(|file| !tests.contains(&file.path)).collect();
    assert_eq!(lines_with(&code, &[".unwrap()", "unimplemented!", "todo!"]), [""; 0]);
}

#[test]
fn every_file_says_what_it_is_and_is_short() {
    let mut wrong = Vec::new();
    for file in files(&["src", "tests"], ".rs") {
        let lines = file.text.lines().count();
        if !file.text.starts_with("//! ") {
            wrong.push(format!("{}: does not open with what it is", file.path));
        }
        if lines > LONGEST {
            wrong.push(format!("{}: {lines} lines", file.path));
        }
    }
    assert_eq!(wrong, [""; 0]);
}

/// A heading as the part of a link after `#`, the way that git hosts make it.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().trim().to_lowercase().replace(' ', "-")
}

/// A page's lines without its blocks of code.
fn prose(page: &str) -> Vec<&str> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if !inside {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn links_in_documents_lead_somewhere() {
    let mut pages = files(&["docs"], ".md");
    let readme = std::fs::read_to_string(top().join("README.md")).unwrap();
    pages.push(File { path: "README.md".into(), text: readme });
    let mut links = 0;
    let mut broken = Vec::new();
    for page in &pages {
        let text = prose(&page.text).join("\n");
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if link.contains("://") {
                continue;
            }
            links += 1;
            let (path, part) = link.split_once('#').unwrap_or((link, ""));
            let from = top().join(&page.path);
            let target = if path.is_empty() { from.clone() } else { from.parent().unwrap().join(path) };
            let is_there = target.exists()
                && (part.is_empty() || {
                    let text = std::fs::read_to_string(&target).unwrap_or_default();
                    prose(&text)
                        .iter()
                        .any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#')) == part)
                });
            if !is_there {
                broken.push(format!("{}: {link}", page.path));
            }
        }
    }
    assert!(links > 20, "{links} links: the search finds nothing any more");
    assert_eq!(broken, [""; 0]);
}
