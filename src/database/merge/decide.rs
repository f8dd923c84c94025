//! What becomes of the documents in dispute, by the rules in force.
//!
//! A rule's method is for two versions. Of more, the first two in the order of their ids are merged, then what came of that
//! and the next one, and so on; where one of these leaves a conflict, all versions stay. Whichever of two versions has the
//! lower id is the left one, so the result does not depend on who merges.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::contents::{self, Reader};
use super::in_force;
use super::made::Made;
use super::scripts::Scripts;
use crate::database::Database;
use crate::database::error::Result;
use crate::merge::{Decision, Dispute, Fields, Method, Rules};
use crate::object::{BlobId, CommitId, Objects, TreeId};
use crate::script::Runner;
use crate::tree::{Conflict, Key, Tree};

/// What became of a document in dispute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The decision.
    pub decision: Decision,
    /// Why a conflict is left, for people; nothing where a rule has merged it.
    pub reason: Option<String>,
}

impl Decided {
    pub(super) fn kept(reason: impl Into<String>) -> Decided {
        Decided { decision: Decision::Keep, reason: Some(reason.into()) }
    }

    /// That there is this version; `None` is the deletion.
    pub(super) fn version(version: Version) -> Decided {
        Decided { decision: version.map_or(Decision::Deleted, Decision::Merged), reason: None }
    }
}

/// A version of a document: a content, or `None` for the deletion.
pub(super) type Version = Option<BlobId>;

/// The versions in dispute, the deletion first if it is one, then in ascending order of id.
pub(super) fn versions(set: &Conflict) -> impl Iterator<Item = Version> + '_ {
    set.deleted.then_some(None).into_iter().chain(set.versions.iter().copied().map(Some))
}

/// The rules in force in one merge, and the tree of the folder that they are in.
#[derive(Debug)]
pub(super) struct InForceRules {
    rules: Rules,
    root: TreeId,
}

/// Decides by rules, with what it needs for that.
pub(super) struct Decider<'a> {
    db: &'a Database,
    scripts: Scripts<'a>,
    /// The rules of each folder that was in force so far.
    rules: HashMap<Option<TreeId>, Rc<InForceRules>>,
}

/// The disputes of one step by how they are decided; each with its place among them.
#[derive(Default)]
struct Sorted<'d> {
    latest: Vec<(usize, &'d Dispute)>,
    contents: Vec<(usize, &'d Dispute, contents::How<'d>)>,
    scripts: BTreeMap<(&'d Key, &'d str), Vec<(usize, &'d Dispute)>>,
}

impl<'a> Decider<'a> {
    pub(super) fn new(db: &'a Database, runner: &'a mut dyn Runner) -> Decider<'a> {
        Decider { db, scripts: Scripts::new(runner), rules: HashMap::new() }
    }

    /// Reads the rules of a folder in force.
    pub(super) fn rules<O: Objects>(&mut self, objects: &O, folder: Option<TreeId>) -> Result<Rc<InForceRules>> {
        if let Some(rules) = self.rules.get(&folder) {
            return Ok(rules.clone());
        }
        let root = in_force::root(objects, folder)?;
        let rules = match Tree::new(objects, root).get(&Rules::key())? {
            // What is too long to be merged is too long for the reader of rules as well.
            Some(document) => match (Reader { db: self.db, objects }).read(document.blob)? {
                Ok(text) => Rules::parse(&text)?,
                Err(size) => return Err(crate::merge::RulesError::TooLong(size).into()),
            },
            None => Rules::none(),
        };
        let rules = Rc::new(InForceRules { rules, root });
        self.rules.insert(folder, rules.clone());
        Ok(rules)
    }

    /// Whether any of the rules needs to know who wrote a version.
    pub(super) fn ask_who_wrote<O: Objects>(&mut self, objects: &O, rules: &InForceRules) -> Result<bool> {
        for rule in rules.rules.iter() {
            let asks = match &rule.method {
                Method::Latest => true,
                Method::Json(fields) => fields.need_times(),
                Method::Script { script, dialect } => {
                    let loaded = self.scripts.load(&Reader { db: self.db, objects }, rules.root, script, dialect)?;
                    loaded.is_ok_and(|loaded| loaded.takes_sides)
                }
                Method::Text | Method::Keep => false,
            };
            if asks {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Decides on the disputes of one step, in their order. `heads` are the commits merged so far, and `made` knows what
    /// rules have made in earlier steps.
    pub(super) fn decide<O: Objects + Sync>(
        &mut self,
        objects: &O,
        InForceRules { rules, root }: &InForceRules,
        disputes: &[Dispute],
        heads: &[CommitId],
        made: &mut Made,
    ) -> Result<Vec<Decided>> {
        let mut decided: Vec<Decided> = Vec::with_capacity(disputes.len());
        let mut sorted = Sorted::default();
        let default = Fields::none();
        for (at, dispute) in disputes.iter().enumerate() {
            let rule = rules.find(&dispute.key);
            decided.push(Decided::kept("the rule for it is to keep all versions"));
            match rule.map(|rule| &rule.method) {
                None => sorted.contents.push((at, dispute, contents::How::Unless(&default))),
                Some(Method::Json(fields)) => sorted.contents.push((at, dispute, contents::How::Json(fields))),
                Some(Method::Text) => sorted.contents.push((at, dispute, contents::How::Text)),
                Some(Method::Latest) => sorted.latest.push((at, dispute)),
                Some(Method::Script { script, dialect }) => {
                    sorted.scripts.entry((script, dialect)).or_default().push((at, dispute));
                }
                Some(Method::Keep) => {}
            }
        }
        let reader = Reader { db: self.db, objects };
        let mut scripts = Vec::new();
        for ((key, dialect), disputes) in sorted.scripts {
            match self.scripts.load(&reader, *root, key, dialect)? {
                Ok(loaded) => scripts.push((loaded, disputes)),
                Err(reason) => disputes.iter().for_each(|(at, _)| decided[*at] = Decided::kept(&*reason)),
            }
        }
        let timed = sorted.contents.iter().filter(|(_, _, how)| how.needs_times()).map(|(_, dispute, _)| *dispute);
        let sided = scripts.iter().filter(|(loaded, _)| loaded.takes_sides).flat_map(|(_, disputes)| disputes);
        let asking = sorted.latest.iter().chain(sided).map(|(_, dispute)| *dispute).chain(timed);
        let origins = made.origins(self.db, heads, asking)?;

        for (at, dispute) in &sorted.latest {
            let latest = versions(&dispute.set).max_by_key(|version| (origins.time(&dispute.key, *version), *version));
            decided[*at] = Decided::version(latest.flatten());
        }
        for (at, one) in contents::merge(&reader, &sorted.contents, &origins)? {
            decided[at] = one;
        }
        for (loaded, disputes) in scripts {
            for (at, one) in self.scripts.run(&reader, &loaded, &disputes, &origins)? {
                decided[at] = one;
            }
        }
        for (dispute, one) in disputes.iter().zip(&decided) {
            match one.decision {
                Decision::Keep => {}
                Decision::Merged(blob) => made.add(dispute, Some(blob)),
                Decision::Deleted => made.add(dispute, None),
            }
        }
        Ok(decided)
    }
}

impl Database {
    /// Runs the rules of a tree over documents in dispute, whose versions are looked for in the history of `head`. What
    /// the rules make of them is put into the store, and flushed by whoever commits it.
    ///
    /// # Errors
    /// [`Error::Rules`](crate::database::Error::Rules) when the rules cannot be read,
    /// [`Error::Script`](crate::database::Error::Script) when this machine failed to run a script.
    pub fn redo(
        &self,
        rules_of: TreeId,
        head: CommitId,
        disputes: &[Dispute],
        runner: &mut dyn Runner,
    ) -> Result<Vec<Decided>> {
        let folder = in_force::of_tree(&self.store, rules_of)?;
        let mut decider = Decider::new(self, runner);
        let rules = decider.rules(&self.store, folder)?;
        decider.decide(&self.store, &rules, disputes, &[head], &mut Made::default())
    }
}
