//! What stands against letting objects from outside in: commits that are not trusted, what is missing or damaged, and refs
//! that would lose what they know.

use std::collections::HashSet;
use std::fmt;

use super::seal::{Seal, bad, seal};
use super::standing::{Require, Standing};
use super::walk::PIECE;
use crate::database::Database;
use crate::database::conflicts::{Bound, Gathered};
use crate::database::error::{Error, Result};
use crate::database::merge::{WrongMerge, is_merge_commit};
use crate::object::{self, Commit, CommitId, Id, Kind, Objects, Overlay, TagId};
use crate::refs::RefName;
use crate::script::Runner;
use crate::store::Store;
use crate::tree::{self, Document, Edit, Edits, Tree, on_all_cores};

/// So many refusals are told of at most: more would help nobody.
const MANY: usize = 100;

/// The move of a ref that goes with objects from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefMove {
    /// The ref.
    pub name: RefName,
    /// Where it is; `None` for one that does not exist.
    pub old: Option<Id>,
    /// Where it is to be.
    pub new: Id,
}

/// What stands against the move of a ref.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The ref.
    pub name: RefName,
    /// What it is.
    pub refused: Refused,
}

/// Why a ref may not be moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refused {
    /// A commit that came with it does not pass.
    Commit {
        /// The commit.
        commit: CommitId,
        /// How it stands.
        standing: Standing,
    },
    /// An annotated tag does not pass.
    Tag {
        /// The tag.
        tag: TagId,
        /// How it stands.
        standing: Standing,
    },
    /// It would go back to an ancestor.
    Backwards,
    /// It would lose commits that it leads to.
    Sideways {
        /// One of those that somebody wrote, which none of the others descends from.
        lost: CommitId,
        /// How many there are.
        count: u64,
    },
    /// It would lead to something that is no commit.
    NoCommit {
        /// What that is.
        kind: Kind,
    },
    /// What it would lead to is missing or damaged.
    Damaged {
        /// What is wrong.
        reason: String,
    },
}

impl Refused {
    /// The word for it, which stays the same in all versions; for a commit or a tag, that of how it stands.
    pub fn word(&self) -> &'static str {
        match self {
            Refused::Commit { standing, .. } | Refused::Tag { standing, .. } => standing.word(),
            Refused::Backwards => "backwards",
            Refused::Sideways { .. } => "sideways",
            Refused::NoCommit { .. } => "no-commit",
            Refused::Damaged { .. } => "damaged",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        match &self.refused {
            Refused::Commit { commit, standing } => write!(f, "{name}: commit {commit}: {standing}"),
            Refused::Tag { tag, standing } => write!(f, "{name}: tag {}: {standing}", tag.0),
            Refused::Backwards => write!(f, "{name} would go backwards, to an ancestor of what it is at"),
            Refused::Sideways { lost, count } => {
                let others = count.saturating_sub(1);
                let others = if others > 0 { format!(" and {others} others") } else { String::new() };
                write!(f, "{name} would go sideways and lose commit {lost}{others}")
            }
            Refused::NoCommit { kind } => write!(f, "{name} would lead to a {kind}"),
            Refused::Damaged { reason } => write!(f, "{name}: {reason}"),
        }
    }
}

/// Tells what stands against some moves. `view` is the database `db` with what came in, of which the commits `made` are
/// known to be what they should if their parents are. What is in conflict in the others is added to `bounds`.
pub(super) fn check(
    db: &Database,
    view: &Database,
    (made, bounds): (&HashSet<CommitId>, &mut Gathered),
    moves: &[RefMove],
    runner: &mut dyn Runner,
) -> Result<Vec<Refusal>> {
    let known = db.heads()?;
    let mut check =
        Check { db, view, made, bounds, require: db.require()?, known, sound: HashSet::new(), refusals: Vec::new() };
    let mut sound = Vec::new();
    for one in moves {
        match check.commits(one) {
            Ok(Some(target)) => sound.push((one, target)),
            Ok(None) => {}
            Err(error) => check.refuse(&one.name, Refused::Damaged { reason: damage(error)? }),
        }
    }
    check.judge(&sound, runner)?;
    // Who passes over what a ref loses must still see all else that counts.
    check.refusals.sort_by_key(|refusal| matches!(refusal.refused, Refused::Backwards | Refused::Sideways { .. }));
    check.refusals.truncate(MANY);
    Ok(check.refusals)
}

struct Check<'a> {
    db: &'a Database,
    view: &'a Database,
    made: &'a HashSet<CommitId>,
    bounds: &'a mut Gathered,
    require: Require,
    /// Where the refs are.
    known: Vec<CommitId>,
    /// The commits that are whole.
    sound: HashSet<CommitId>,
    refusals: Vec<Refusal>,
}

/// What a ref is to lead to, whole.
struct Target {
    /// The annotated tags on the way.
    tags: Vec<TagId>,
    commit: CommitId,
    /// The commits that come with it.
    new: Vec<CommitId>,
}

impl Check<'_> {
    fn refuse(&mut self, name: &RefName, refused: Refused) {
        self.refusals.push(Refusal { name: name.clone(), refused });
    }

    /// What a ref is to lead to, if that is whole; nothing where it is no commit.
    fn commits(&mut self, one: &RefMove) -> Result<Option<Target>> {
        let (mut id, mut tags) = (one.new, Vec::new());
        let kind = loop {
            let (kind, _) = self.view.store.header(id)?.ok_or(object::Error::Missing { id, kind: None })?;
            if kind != Kind::Tag {
                break kind;
            }
            tags.push(TagId(id));
            id = self.view.store.tag(TagId(id))?.target;
        };
        let is_branch = one.name.is_branch() || one.name == RefName::head();
        if kind != Kind::Commit || (is_branch && !tags.is_empty()) {
            if is_branch || self.require == Require::Signed {
                let kind = if tags.is_empty() { kind } else { Kind::Tag };
                self.refuse(&one.name, Refused::NoCommit { kind });
            }
            return Ok(None);
        }
        let commit = CommitId(id);
        // Parents first, so that what a commit is compared with is whole.
        let new = self.view.commits_since(&[commit], &self.known)?;
        for id in &new {
            if !self.sound.contains(id) {
                if !self.made.contains(id) {
                    whole(self.view, *id, self.bounds)?;
                }
                self.sound.insert(*id);
            }
        }
        if let Some(old) = one.old {
            self.compare(one, old, commit)?;
        }
        Ok(Some(Target { tags, commit, new }))
    }

    /// Whether a ref would lose what it leads to.
    fn compare(&mut self, one: &RefMove, old: Id, new: CommitId) -> Result<()> {
        let old = CommitId(self.db.peel(old)?);
        if old == new || !self.db.is_commit(old.0)? {
            return Ok(());
        }
        if self.view.is_ancestor(new, old)? {
            self.refuse(&one.name, Refused::Backwards);
        } else if !self.view.is_safe_move(old, new)? {
            let mut lost = Vec::new();
            for id in self.view.commits_since(&[old], &[new])? {
                if !is_merge_commit(&self.view.store.commit(id)?) {
                    lost.push(id);
                }
            }
            let last = lost.last().copied().unwrap_or(old);
            self.refuse(&one.name, Refused::Sideways { lost: last, count: lost.len() as u64 });
        }
        Ok(())
    }

    /// Judges the commits and tags of moves whose objects are whole.
    fn judge(&mut self, moves: &[(&RefMove, Target)], runner: &mut dyn Runner) -> Result<()> {
        if self.require == Require::None {
            return self.look(moves, runner);
        }
        let heads: Vec<CommitId> = moves.iter().map(|(_, target)| target.commit).collect();
        let mut judge = self.view.judge(&heads, runner)?;
        for (one, target) in moves {
            for judged in judge.judge(&target.new, runner)? {
                if !self.require.accepts(&judged.standing) {
                    let commit = CommitId(judged.id);
                    self.refuse(&one.name, Refused::Commit { commit, standing: judged.standing });
                }
            }
            for tag in &target.tags {
                let standing = judge.tag(*tag)?;
                if !self.require.accepts(&standing) {
                    self.refuse(&one.name, Refused::Tag { tag: *tag, standing });
                }
            }
        }
        Ok(())
    }
}

impl Check<'_> {
    /// Where no signatures are asked for: finds bad ones and wrong merge commits, which needs no look at the history.
    fn look(&mut self, moves: &[(&RefMove, Target)], runner: &mut dyn Runner) -> Result<()> {
        let view = self.view;
        for (one, target) in moves {
            let commits = on_all_cores(&target.new, PIECE, |id| -> Result<_> {
                let body = view.store.require(id.0, Kind::Commit)?;
                let commit = Commit::parse(&body).map_err(|error| error.of_object(id.0))?;
                Ok((is_merge_commit(&commit), seal(Kind::Commit, &body)))
            });
            let commits = commits.into_iter().collect::<Result<Vec<_>>>()?;
            let mut merges = Vec::new();
            for (id, (is_merge, seal)) in target.new.iter().zip(commits) {
                match seal {
                    _ if is_merge => merges.extend(Some(*id).filter(|id| !self.made.contains(id))),
                    Seal::Bad(error) => {
                        self.refuse(&one.name, Refused::Commit { commit: *id, standing: bad(&error) });
                    }
                    _ => {}
                }
            }
            view.check_merges(&merges, runner, &mut |commit, checked| {
                if let Some(WrongMerge { expected, reason, .. }) = checked? {
                    let standing = Standing::WrongMerge { expected, reason };
                    self.refuse(&one.name, Refused::Commit { commit, standing });
                }
                Ok(())
            })?;
            for tag in &target.tags {
                if let Seal::Bad(error) = seal(Kind::Tag, &view.store.require(tag.0, Kind::Tag)?) {
                    self.refuse(&one.name, Refused::Tag { tag: *tag, standing: bad(&error) });
                }
            }
        }
        Ok(())
    }
}

/// Checks that all is there that a commit has and its first parent has not, and that it is in isodb's format. What it has in
/// conflict is seen on the way.
fn whole(view: &Database, id: CommitId, bounds: &mut Gathered) -> Result<()> {
    let commit = view.store.commit(id)?;
    let before = view.tree_of(commit.parents.first().copied())?.id();
    let overlay = Overlay::new(&view.store);
    let base = Tree::new(&overlay, before);
    let mut edits = Edits::new();
    let mut bound = Bound { tree: commit.tree, from: vec![before], keys: Vec::new() };
    for change in base.diff(&base.with_root(commit.tree), None)? {
        let change = change?;
        if let Some(document) = change.new {
            whole_document(view, &overlay, document)?;
            bound.keys.extend(document.conflict.map(|_| change.key.clone()));
        }
        edits.push(&change.key, change.new.map_or(Edit::Remove, Edit::Put));
    }
    // The same documents have one form: what is stored otherwise would be read in one way and not in another.
    let made = base.edit(&edits)?.id();
    if made != commit.tree {
        let reason = format!("the folders of commit {id} are not in the form that their documents have");
        return Err(tree::Error::Format { id: commit.tree, reason }.into());
    }
    if is_merge_commit(&commit) {
        // Who has others to merge with it merges the same commits again.
        bound.from = commit.parents.iter().map(|parent| Ok(view.store.commit(*parent)?.tree)).collect::<Result<_>>()?;
        bounds.merge(bound);
    } else {
        bounds.commit(bound);
    }
    Ok(())
}

fn whole_document(view: &Database, overlay: &Overlay<'_, Store>, document: Document) -> Result<()> {
    let is_there = |id: object::BlobId| match view.store.header(id.0)? {
        Some((Kind::Blob, _)) => Ok(()),
        Some((found, _)) => Err(object::Error::WrongKind { id: id.0, expected: Kind::Blob, found }),
        None => Err(object::Error::Missing { id: id.0, kind: Some(Kind::Blob) }),
    };
    is_there(document.blob)?;
    let Some(id) = document.conflict else { return Ok(()) };
    let conflict = Tree::new(overlay, object::TreeId::EMPTY).conflict(id)?;
    conflict.versions.iter().chain(&conflict.base).try_for_each(|version| is_there(*version))?;
    if conflict.write(overlay)? != Some(document) {
        let reason = "a conflict is not in the form that its versions have".into();
        return Err(tree::Error::Format { id, reason }.into());
    }
    Ok(())
}

/// The text of an error that tells of what came in; others are errors of this machine.
fn damage(error: Error) -> Result<String> {
    let of_objects = |error: &object::Error| !matches!(error, object::Error::Io { .. });
    let is_damage = match &error {
        Error::Object(error) | Error::Tree(tree::Error::Object(error)) => of_objects(error),
        Error::Tree(_) | Error::Key(_) | Error::DamagedMerge { .. } => true,
        _ => false,
    };
    if is_damage { Ok(error.to_string()) } else { Err(error) }
}
