//! Completion of what only the database knows: its refs and its keys.

use std::ffi::{OsStr, OsString};

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use isodb::{Database, Key, Remote};

/// As many as a shell can usefully show.
const LIMIT: usize = 500;

/// The database that the line which is being completed is about.
fn database() -> Option<Database> {
    let global = crate::args::Global {
        db: option("--db").map(Into::into),
        directory: option("-C").map(Into::into),
        color: crate::args::ColorChoice::Never,
        quiet: true,
    };
    crate::context::Context::new(global).database().ok()
}

/// The value of an option on that line.
fn option(name: &str) -> Option<OsString> {
    let mut words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    while let Some(word) = words.next() {
        if word == name {
            return words.next();
        }
        let value = word.to_str().and_then(|word| word.strip_prefix(name)?.strip_prefix('='));
        if let Some(value) = value {
            return Some(value.into());
        }
    }
    None
}

/// Names of refs.
pub(crate) fn refs() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| matching_refs(current).unwrap_or_default())
}

/// Revisions: names of refs, and documents behind `REV:`.
pub(crate) fn revisions() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let text = current.to_str().unwrap_or_default();
        match text.split_once(':') {
            None => matching_refs(current).unwrap_or_default(),
            Some((revision, key)) => {
                let keys = matching_keys(revision, key).unwrap_or_default();
                keys.into_iter().map(|key| CompletionCandidate::new(format!("{revision}:{key}"))).collect()
            }
        }
    })
}

/// Names of remotes.
pub(crate) fn remotes() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let remotes = database().and_then(|db| Remote::all(db.config()).ok()).unwrap_or_default();
        let text = current.to_str().unwrap_or_default();
        let names = remotes.iter().map(Remote::name).filter(|name| name.starts_with(text));
        names.take(LIMIT).map(|name| CompletionCandidate::new(name.to_owned())).collect()
    })
}

/// Keys of documents and folders.
pub(crate) fn keys() -> ArgValueCompleter {
    ArgValueCompleter::new(|current: &OsStr| {
        let keys = matching_keys("HEAD", current.to_str().unwrap_or_default()).unwrap_or_default();
        keys.into_iter().map(CompletionCandidate::new).collect()
    })
}

fn matching_refs(current: &OsStr) -> Option<Vec<CompletionCandidate>> {
    let text = current.to_str()?;
    let refs = database()?.refs().list("refs/").ok()?;
    let names = refs.iter().flat_map(|(name, _)| [name.short(), name.as_str()]).chain(["HEAD"]);
    let full = text.starts_with("refs/");
    let wanted = names.filter(|name| name.starts_with(text) && (full || !name.starts_with("refs/")));
    Some(wanted.take(LIMIT).map(|name| CompletionCandidate::new(name.to_owned())).collect())
}

/// The children of the folder that a key's beginning lies in.
fn matching_keys(revision: &str, current: &str) -> Option<Vec<String>> {
    let database = database()?;
    let tree = database.tree(database.resolve_tree(revision).ok()?);
    let (above, start) = current.rsplit_once('/').map_or((None, current), |(above, start)| (Some(above), start));
    let above: Option<Key> = above.map(str::parse).transpose().ok()?;
    let children = tree.children_starting(above.as_ref(), start).ok()?;
    let mut found = Vec::new();
    for child in children.map_while(Result::ok).take(LIMIT) {
        let key = above.as_ref().map_or(child.segment.clone(), |above| format!("{above}/{}", child.segment));
        found.extend(child.document.map(|_| key.clone()));
        found.extend(child.is_folder.then(|| key + "/"));
    }
    Some(found)
}
