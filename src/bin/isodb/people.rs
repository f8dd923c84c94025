//! Commits, trees and differences as people read them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use anyhow::Result;
use isodb::{
    BlobId, Change, Commit, CommitId, Database, Ident, Key, Objects, PublicKey, ReadOnce, Standing, Tree, TreeId,
    is_merge_commit,
};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use crate::output::Output;
use crate::time;

/// Contents above this size are not compared line by line.
const COMPARE_LIMIT: u64 = 16 << 20;

/// A commit's header and message, as `log` and `show` print them; with how it stands, if that is asked for.
pub(crate) fn commit_text(out: &Output, id: CommitId, commit: &Commit, standing: Option<&Standing>) -> String {
    let mut text = out.paint(33, &format!("commit {id}"));
    if is_merge_commit(commit) {
        text += &format!(" (merge of {})", commit.parents.len());
    }
    text.push('\n');
    if commit.parents.len() > 1 {
        let parents: Vec<String> = commit.parents.iter().map(|parent| parent.0.short()).collect();
        text += &format!("Merge:     {}\n", parents.join(" "));
    }
    text += &format!("Author:    {} <{}>\n", commit.author.name(), commit.author.email());
    text += &format!("Date:      {}\n", time::show(commit.author.seconds()));
    if commit.committer != commit.author {
        text += &format!("Committer: {} <{}>\n", commit.committer.name(), commit.committer.email());
        text += &format!("Committed: {}\n", time::show(commit.committer.seconds()));
    }
    if let Some(standing) = standing {
        text += &format!("Signature: {}\n", signature(out, standing));
    }
    text.push('\n');
    for line in commit.message_text().lines() {
        text += &format!("    {}\n", printable(line));
    }
    text
}

/// What there is to say of a signature, in a line.
pub(crate) fn signature(out: &Output, standing: &Standing) -> String {
    let key = match standing {
        Standing::Signed { principal, key } if key.fingerprint() != *principal => format!(" ({})", key.fingerprint()),
        _ => String::new(),
    };
    out.paint(if standing.is_trusted() { 32 } else { 31 }, &printable(&format!("{standing}{key}")))
}

/// How a commit or a tag stands, as a JSON object.
pub(crate) fn standing_json(standing: &Standing) -> Value {
    let key = standing.key().map(PublicKey::fingerprint);
    let (principal, reason) = (standing.principal(), standing.reason());
    json!({"standing": standing.word(), "principal": principal, "key": key, "reason": reason})
}

/// The same, as `log` has it: null for what has no signature and needs one.
pub(crate) fn signature_json(standing: &Standing) -> Value {
    if *standing == Standing::Unsigned { Value::Null } else { standing_json(standing) }
}

/// Text from a commit, without what could steer a terminal.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Who and when as a JSON object.
pub(crate) fn person_json(ident: &Ident) -> Value {
    json!({"name": ident.name(), "email": ident.email(), "time": ident.seconds()})
}

/// A commit as a JSON object.
pub(crate) fn commit_json(id: CommitId, commit: &Commit) -> Value {
    let parents: Vec<String> = commit.parents.iter().map(ToString::to_string).collect();
    let mut object = json!({
        "commit": id.to_string(), "tree": commit.tree.to_string(), "parents": parents,
        "author": person_json(&commit.author), "committer": person_json(&commit.committer), "message": commit.message_text(),
    });
    if is_merge_commit(commit) {
        object["merge"] = true.into();
    }
    object
}

/// The letter for a change: added, changed or removed.
pub(crate) fn letter(change: &Change) -> char {
    match (&change.old, &change.new) {
        (None, _) => 'A',
        (Some(_), None) => 'D',
        (Some(_), Some(_)) => 'M',
    }
}

/// The colour of a change.
pub(crate) fn color(change: &Change) -> u8 {
    match letter(change) {
        'A' => 32,
        'D' => 31,
        _ => 33,
    }
}

/// How changes are printed below their line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Not at all.
    Names,
    /// Sizes before and after.
    Stat,
    /// What differs inside.
    Patch,
}

impl Detail {
    /// What the options -p and --stat ask for.
    pub(crate) fn of(patch: bool, stat: bool) -> Detail {
        match (patch, stat) {
            (true, _) => Detail::Patch,
            (_, true) => Detail::Stat,
            _ => Detail::Names,
        }
    }
}

/// Does something with each document that differs between two trees, in the order of keys. They are compared on all cores.
pub(crate) fn each_change(
    db: &Database,
    [old, new]: [TreeId; 2],
    prefix: Option<&Key>,
    mut act: impl FnMut(Change) -> Result<()>,
) -> Result<()> {
    let objects = ReadOnce(db.store());
    let old = Tree::new(&objects, old);
    let work = |_: &_, change| Ok((change, 0));
    old.compare(&old.with_root(new), prefix, 0, work, |change| act(change).map(ControlFlow::Continue))
}

/// Prints one change.
pub(crate) fn print_change(db: &Database, out: &mut Output, change: &Change, detail: Detail) -> Result<()> {
    let key = change.key.text();
    let letter = out.paint(color(change), &letter(change).to_string());
    let key = out.key(&key).into_owned();
    match detail {
        Detail::Names => out.record(&format!("{letter}\t{key}")),
        Detail::Stat => {
            let size = |blob: Option<BlobId>| -> Result<String> {
                let header = blob.map(|blob| db.store().header(blob.0)).transpose()?.flatten();
                Ok(header.map_or("-".into(), |(_, size)| size.to_string()))
            };
            let old = size(change.old.map(|document| document.blob))?;
            let new = size(change.new.map(|document| document.blob))?;
            out.record(&format!("{letter}\t{old}\t{new}\t{key}"))
        }
        Detail::Patch => {
            out.record(&format!("{letter}\t{key}"))?;
            let patch = patch(db, out, change)?;
            out.bytes(patch.as_bytes())
        }
    }
}

/// What differs between the two contents: by field where both are JSON, else by line where both are text.
pub(crate) fn patch(db: &Database, out: &Output, change: &Change) -> Result<String> {
    let load = |document: Option<isodb::Document>| -> Result<Option<Vec<u8>>> {
        let Some(document) = document else { return Ok(Some(Vec::new())) };
        match db.store().header(document.blob.0)? {
            Some((_, size)) if size > COMPARE_LIMIT => Ok(None),
            _ => Ok(Some(db.store().blob(document.blob)?)),
        }
    };
    if change.old.map(|d| d.blob) == change.new.map(|d| d.blob) {
        return Ok("  the content is the same; the versions in conflict differ\n".into());
    }
    let (Some(old), Some(new)) = (load(change.old)?, load(change.new)?) else {
        return Ok("  too large to compare here\n".into());
    };
    let (Ok(old), Ok(new)) = (std::str::from_utf8(&old), std::str::from_utf8(&new)) else {
        return Ok(format!("  bytes differ: {} before, {} now\n", old.len(), new.len()));
    };
    if let (Some(a), Some(b)) = (structure(old), structure(new)) {
        let mut text = String::new();
        compare_fields(out, "", Some(a), Some(b), &mut text);
        if !text.is_empty() {
            return Ok(text);
        }
    }
    Ok(compare_lines(out, old, new))
}

fn compare_lines(out: &Output, old: &str, new: &str) -> String {
    let diff = TextDiff::from_lines(old, new);
    let mut text = String::new();
    for hunk in diff.unified_diff().context_radius(3).iter_hunks() {
        text += &out.paint(36, &hunk.header().to_string());
        text.push('\n');
        for change in hunk.iter_changes() {
            let line = change.value().trim_end_matches('\n');
            let (sign, color) = match change.tag() {
                ChangeTag::Delete => ('-', Some(31)),
                ChangeTag::Insert => ('+', Some(32)),
                ChangeTag::Equal => (' ', None),
            };
            let line = format!("{sign}{}", printable(line));
            text += &color.map_or(line.clone(), |color| out.paint(color, &line));
            text.push('\n');
            if !change.value().ends_with('\n') {
                text += "\\ no newline at the end\n";
            }
        }
    }
    text
}

/// A JSON object or array; other JSON is compared as text.
fn structure(text: &str) -> Option<&RawValue> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    value.get().starts_with(['{', '[']).then_some(value)
}

/// Lists the fields that differ, by JSON pointer, each with its own text.
fn compare_fields(out: &Output, path: &str, old: Option<&RawValue>, new: Option<&RawValue>, text: &mut String) {
    if old.map(RawValue::get) == new.map(RawValue::get) {
        return;
    }
    let of_one_kind = old.map(|old| old.get().as_bytes()[0]) == new.map(|new| new.get().as_bytes()[0]);
    if let (true, Some(a), Some(b)) = (of_one_kind, old.and_then(fields), new.and_then(fields)) {
        // In the order of the old document, then what is new in the order of the new one.
        let mut seen = BTreeSet::new();
        let ordered: Vec<&String> =
            a.iter().chain(&b).map(|(name, _)| name).filter(|name| seen.insert(*name)).collect();
        // Of several members of one name the last counts, as in most readers.
        let (old, new): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (a.iter().map(|(n, v)| (n, *v)).collect(), b.iter().map(|(n, v)| (n, *v)).collect());
        for name in ordered {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            compare_fields(out, &path, old.get(name).copied(), new.get(name).copied(), text);
        }
        return;
    }
    let path = if path.is_empty() { "(all)" } else { path };
    for (sign, color, value) in [('-', 31, old), ('+', 32, new)] {
        if let Some(value) = value {
            let line = format!("{sign} {}: {}", printable(path), printable(value.get()));
            *text += &out.paint(color, &line);
            text.push('\n');
        }
    }
}

/// The members of an object, or the elements of an array by their number.
fn fields(value: &RawValue) -> Option<Vec<(String, &RawValue)>> {
    if value.get().starts_with('[') {
        let elements: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
        return Some(elements.into_iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect());
    }
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, &'de RawValue)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                members.push(member);
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(value.get()).deserialize_map(Members).ok()
}
