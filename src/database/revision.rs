//! Revisions: how users name commits and objects.
//!
//! `ID`, a unique prefix of one, a ref's name, `HEAD`, `@`; behind it any of `~N`, `^N`, `@{N}`, `^{KIND}`; behind that
//! `:KEY` for a document.

use super::Database;
use super::error::{Error, Result};
use crate::object::{CommitId, Id, Kind, Objects, Prefix, TagId, TreeId};
use crate::refs::RefName;
use crate::tree::{Document, Key};

impl Database {
    /// The object that a revision names.
    ///
    /// # Errors
    /// [`Error::NoRevision`] when it names nothing, [`Error::BadRevision`] when it is none, [`Error::Ambiguous`] when
    /// it is the start of several ids, [`Error::NoDocument`] when `:KEY` names no document.
    pub fn resolve(&self, text: &str) -> Result<Id> {
        match text.split_once(':') {
            Some((revision, key)) => Ok(self.document(revision, &key.parse()?)?.blob.0),
            None => self.resolve_plain(text),
        }
    }

    /// The document at a key, at a revision.
    pub fn document(&self, revision: &str, key: &Key) -> Result<Document> {
        let revision = if revision.is_empty() { "HEAD" } else { revision };
        let tree = self.tree(self.resolve_tree(revision)?);
        tree.get(key)?.ok_or_else(|| Error::NoDocument(key.clone()))
    }

    /// The commit that a revision names, through annotated tags.
    pub fn resolve_commit(&self, text: &str) -> Result<CommitId> {
        let id = self.resolve(text)?;
        self.peel_to(id, Kind::Commit, text).map(CommitId)
    }

    /// The root tree of the commit that a revision names; a tree may be named itself.
    pub fn resolve_tree(&self, text: &str) -> Result<TreeId> {
        let id = self.resolve(text)?;
        self.peel_to(id, Kind::Tree, text).map(TreeId)
    }

    /// What an object leads to through annotated tags; itself when it is none.
    pub fn peel(&self, mut id: Id) -> Result<Id> {
        while self.store.header(id)?.is_some_and(|(kind, _)| kind == Kind::Tag) {
            id = self.store.tag(TagId(id))?.target;
        }
        Ok(id)
    }

    /// What an object that `text` names leads to: itself or, for a commit, its tree.
    fn peel_to(&self, id: Id, kind: Kind, text: &str) -> Result<Id> {
        let id = self.peel(id)?;
        if kind == Kind::Tree && self.store.header(id)?.is_some_and(|(found, _)| found == Kind::Commit) {
            return Ok(self.store.commit(CommitId(id))?.tree.0);
        }
        match self.store.header(id)? {
            Some((found, _)) if found == kind => Ok(id),
            Some((found, _)) => Err(Error::WrongKind { text: text.to_owned(), expected: kind, found }),
            None => Err(crate::object::Error::Missing { id, kind: Some(kind) }.into()),
        }
    }

    fn resolve_plain(&self, text: &str) -> Result<Id> {
        let base_end = text.find(['~', '^']).unwrap_or(text.len()).min(text.find("@{").unwrap_or(text.len()));
        let (base, mut rest) = text.split_at(base_end);
        let wrong = |reason: &str| Error::BadRevision { text: text.to_owned(), reason: reason.to_owned() };
        let none = |reason: String| Error::NoRevision { text: text.to_owned(), reason };
        let mut id = match rest.strip_prefix("@{") {
            Some(after) => {
                let (number, after) = after.split_once('}').ok_or_else(|| wrong("a } is missing"))?;
                let number = number.parse().map_err(|_| wrong("between @{ and } a number is wanted"))?;
                rest = after;
                self.logged(base, number, text)?
            }
            None => self.resolve_base(base, text)?,
        };
        while let Some(operator) = rest.chars().next() {
            let after = &rest[1..];
            match (operator, after.strip_prefix('{')) {
                ('^', Some(inside)) => {
                    let (kind, after) = inside.split_once('}').ok_or_else(|| wrong("a } is missing"))?;
                    rest = after;
                    id = match kind {
                        "" => self.peel(id)?,
                        "commit" => self.peel_to(id, Kind::Commit, text)?,
                        "tree" => self.peel_to(id, Kind::Tree, text)?,
                        _ => return Err(wrong("between ^{ and } only commit and tree are known")),
                    };
                    continue;
                }
                ('~' | '^', None) => {}
                _ => return Err(wrong("after the name only ~N, ^N and ^{KIND} can follow")),
            }
            let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
            let number: u64 = match &after[..digits] {
                "" => 1,
                digits => digits.parse().map_err(|_| wrong("a number is too large"))?,
            };
            rest = &after[digits..];
            id = self.peel_to(id, Kind::Commit, text)?;
            let steps = if operator == '~' { number } else { u64::from(number > 0) };
            let parent = if operator == '^' { number.saturating_sub(1) } else { 0 };
            let mut lineage = self.lineage()?;
            let mut place = lineage.place(CommitId(id));
            for _ in 0..steps {
                let parents = lineage.parents(place)?;
                let found = usize::try_from(parent).ok().and_then(|n| parents.get(n));
                let lacks = || none(format!("commit {} has {} parents", lineage.id(place), parents.len()));
                place = *found.ok_or_else(lacks)?;
            }
            id = lineage.id(place).0;
        }
        Ok(id)
    }

    fn resolve_base(&self, base: &str, text: &str) -> Result<Id> {
        let none = |reason: &str| Error::NoRevision { text: text.to_owned(), reason: reason.to_owned() };
        if base.is_empty() {
            return Err(Error::BadRevision { text: text.to_owned(), reason: "it has no name".into() });
        }
        let base = if base == "@" { "HEAD" } else { base };
        if base.len() == 64
            && let Ok(id) = base.parse::<Id>()
        {
            let known = self.store.contains(id)? || id == TreeId::EMPTY.0;
            return if known { Ok(id) } else { Err(none("no object has this id")) };
        }
        if let Some(id) = self.find_ref(base)?.and_then(|(_, id)| id) {
            return Ok(id);
        }
        if base == "HEAD" {
            return Err(Error::NoCommit(self.head()?.0));
        }
        let Ok(prefix) = base.parse::<Prefix>() else { return Err(none("no ref has this name")) };
        let mut found = self.store.with_prefix(&prefix)?;
        match (found.pop(), found.is_empty()) {
            (None, _) => Err(none("no ref has this name, and no object an id that starts so")),
            (Some(id), true) => Ok(id),
            (Some(id), false) => {
                found.push(id);
                Err(Error::Ambiguous { text: base.to_owned(), found })
            }
        }
    }

    /// The first ref that a short or full name can mean and that exists, with its id. HEAD is there even before it
    /// has a commit.
    pub fn find_ref(&self, name: &str) -> Result<Option<(RefName, Option<Id>)>> {
        for candidate in RefName::candidates(name) {
            let value = self.refs.get(&candidate)?;
            if value.is_some() || candidate == RefName::head() {
                return Ok(Some((candidate, value)));
            }
        }
        Ok(None)
    }

    /// Where a ref was `back` moves ago.
    fn logged(&self, base: &str, back: usize, text: &str) -> Result<Id> {
        let none = |reason: String| Error::NoRevision { text: text.to_owned(), reason };
        let name = match base {
            // The log of the branch, as in git: a bare @{N} is not about moves of HEAD from one branch to another.
            "" => self.head()?.0,
            "@" => RefName::head(),
            _ => self.find_ref(base)?.ok_or_else(|| none("no ref has this name".into()))?.0,
        };
        let log = self.refs.log(&name)?;
        let mut entries = log.newest_first();
        if let Some(entry) = entries.nth(back)
            && !entry.new.is_zero()
        {
            return Ok(entry.new);
        }
        let count = log.newest_first().count();
        let oldest = log.newest_first().last().map(|entry| entry.old).filter(|id| !id.is_zero());
        match oldest {
            Some(id) if back == count => Ok(id),
            _ => Err(none(format!("the log of {name} has {count} entries"))),
        }
    }
}
