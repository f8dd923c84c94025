//! Completion of what only the database knows: its refs and its keys.

use std::ffi::OsStr;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use isodb::{Database, Key};

/// As many as a shell can usefully show.
const LIMIT: usize = 500;

/// The database that a completion is about: only what the environment says is known then.
fn database() -> Option<Database> {
    let global = crate::args::Global {
        db: database_argument().map(Into::into),
        directory: None,
        color: crate::args::ColorChoice::Never,
        quiet: true,
    };
    crate::context::Context::new(global).database().ok()
}

/// The value of `--db` on the line that is being completed.
fn database_argument() -> Option<String> {
    let mut words = std::env::args().skip_while(|word| word != "--").skip(1);
    while let Some(word) = words.next() {
        if word == "--db" {
            return words.next();
        }
        if let Some(value) = word.strip_prefix("--db=") {
            return Some(value.to_owned());
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
    let mut children = tree.children(above.as_ref()).ok()?;
    if let Ok(start) = start.parse::<Key>() {
        children.seek(&start).ok()?;
    }
    let mut found = Vec::new();
    for child in children.map_while(Result::ok).take(20 * LIMIT) {
        if child.segment.starts_with(start) {
            let key = above.as_ref().map_or(child.segment.clone(), |above| format!("{above}/{}", child.segment));
            if child.document.is_some() {
                found.push(key.clone());
            }
            if child.is_folder {
                found.push(key + "/");
            }
        } else if !found.is_empty() {
            break;
        }
        if found.len() >= LIMIT {
            break;
        }
    }
    Some(found)
}
