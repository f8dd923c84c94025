//! Trying merge rules before they are relied on: on the conflicts that there are, and on made-up ones.
//!
//! Nodes come to the same answer whatever a rule does, for isodb always asks it in the same order. But a rule that
//! answers otherwise when its sides are swapped favours one of them by chance, and that is rarely what its author
//! meant.

mod trial;
mod variation;

use std::collections::BTreeMap;

use super::Database;
use super::error::{Error, Result};
use super::history::HistoryOptions;
use super::merge::is_merge_commit;
use crate::merge::{Method, Pattern, Rule, Rules};
use crate::object::{CommitId, Kind, Objects, TreeId};
use crate::script::{Dialect, Failure, Job, Loaded, Runner, Script, Verdict};
use crate::tree::{Conflict, Document, Key, Range};

pub use trial::{Answer, Flaw};

use trial::{Case, Found, Tried, Version};
use variation::Random;

/// So many documents of a rule are the models of made-up versions.
const MODELS: usize = 64;

/// So many of the latest merge commits are made again to see what was in dispute in them, among so many commits.
const MERGES: usize = 32;
const COMMITS: usize = 10_000;

/// Contents above this size are no models, so that a test of many cases ends soon.
const MAX_MODEL: u64 = 1 << 20;

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// Only documents whose keys match; those under `_isodb/` are left out unless this names them.
    pub keys: Option<Pattern>,
    /// A script to try on all of them, in place of their rules.
    pub script: Option<Script>,
    /// How many cases are tried of each rule; real conflicts come first.
    pub count: usize,
    /// What the made-up versions depend on.
    pub seed: u64,
}

/// What came of trying one rule.
#[derive(Clone, Debug)]
pub struct RuleReport {
    /// The rule and its number, from 1; `None` for what holds where no rule does, and for a script that is not stored.
    pub rule: Option<(usize, Rule)>,
    /// How many documents it is for.
    pub documents: u64,
    /// How many real conflicts were tried.
    pub real: u64,
    /// How many made-up ones.
    pub made: u64,
    /// In how many of them the first two versions were merged.
    pub merged: u64,
    /// Why the others were left in conflict, and how often.
    pub conflicts: BTreeMap<String, u64>,
    /// What is wrong with it, each with the smallest example.
    pub flaws: Vec<Counterexample>,
}

/// Documents that show what is wrong with a rule.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What is wrong.
    pub flaw: Flaw,
    /// How many of the cases show it.
    pub count: u64,
    /// The document's key.
    pub key: Key,
    /// Whether the versions are of a real conflict.
    pub is_real: bool,
    /// What the versions come from.
    pub base: Option<Vec<u8>>,
    /// The versions, in ascending order of id; `None` is the deletion.
    pub versions: Vec<Option<Vec<u8>>>,
    /// The answers that show it: of the sides as they are and swapped, of the version and itself, of the three orders.
    pub answers: Vec<Answer>,
}

/// The documents of one rule.
#[derive(Default)]
struct Group {
    documents: u64,
    models: Vec<(Key, Document)>,
    conflicts: Vec<(Key, Conflict)>,
}

/// Runs no script: what a merge's scripts made of a document is not asked, only what they were given.
struct Silent;

impl Runner for Silent {
    fn load(&mut self, _: &Script) -> Result<Loaded, Failure> {
        Ok(Loaded { script: 0, takes_sides: false, broken: None })
    }

    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, Failure> {
        Ok(vec![Verdict::Conflict(String::new()); jobs.len()])
    }
}

impl Database {
    /// Tries the rules at a commit on the documents there, and on what was in dispute in the merges before it. The
    /// reports are in the order of the rules, that of no rule last; rules without documents are among them.
    ///
    /// # Errors
    /// [`Error::Rules`] where the rules are wrong, [`Error::Script`] when this machine failed to run a script.
    pub fn test_rules(
        &self,
        head: Option<CommitId>,
        test: &RuleTest,
        runner: &mut dyn Runner,
    ) -> Result<Vec<RuleReport>> {
        let tree = self.tree_of(head)?;
        let rules = match tree.get(&Rules::key())? {
            Some(document) if test.script.is_none() => Rules::parse(&self.store().blob(document.blob)?)?,
            _ => Rules::none(),
        };
        let rules: Vec<&Rule> = rules.iter().collect();
        // The number of the rule of a key, if that is to be tried.
        let group = |key: &Key| {
            let is_wanted = match &test.keys {
                Some(keys) => keys.matches(key),
                None => !key.text().starts_with("_isodb/"),
            };
            is_wanted.then(|| rules.iter().position(|rule| rule.keys.matches(key)).unwrap_or(rules.len()))
        };
        let mut groups: Vec<Group> = (0..=rules.len()).map(|_| Group::default()).collect();
        let mut random = Random::new(test.seed);
        for entry in tree.documents(Range::default())? {
            let (key, document) = entry?;
            let Some(group) = group(&key).map(|at| &mut groups[at]) else { continue };
            if let Some(conflict) = document.conflict.filter(|_| group.conflicts.len() < test.count) {
                group.conflicts.push((key.clone(), tree.conflict(conflict)?));
            }
            group.take(key, document, &mut random);
        }
        for (key, conflict) in self.past_conflicts(head)? {
            let Some(group) = group(&key).map(|at| &mut groups[at]) else { continue };
            let one = (key, conflict);
            if group.conflicts.len() < test.count && !group.conflicts.contains(&one) {
                group.conflicts.push(one);
            }
        }
        let mut reports = Vec::new();
        for (at, group) in groups.into_iter().enumerate() {
            let rule = rules.get(at).map(|rule| (at + 1, (*rule).clone()));
            if rule.is_some() || group.documents > 0 || !group.conflicts.is_empty() {
                reports.push(self.test_rule(tree.id(), rule, group, test, runner)?);
            }
        }
        Ok(reports)
    }

    /// What was in dispute in the latest merge commits.
    fn past_conflicts(&self, head: Option<CommitId>) -> Result<Vec<(Key, Conflict)>> {
        let mut found = Vec::new();
        let mut merges = 0;
        for entry in self.history(head.as_slice(), HistoryOptions::default())?.take(COMMITS) {
            let entry = entry?;
            if !is_merge_commit(&entry.commit) {
                continue;
            }
            merges += 1;
            match self.disputes(entry.id, &mut Silent) {
                Ok(disputes) => found.extend(disputes.into_iter().map(|(dispute, _)| (dispute.key, dispute.set))),
                // What was wrong then is no fault of the rules of today.
                Err(Error::Rules(_) | Error::DamagedMerge { .. }) => {}
                Err(error) => return Err(error),
            }
            if merges == MERGES {
                break;
            }
        }
        Ok(found)
    }

    fn test_rule(
        &self,
        root: TreeId,
        rule: Option<(usize, Rule)>,
        group: Group,
        test: &RuleTest,
        runner: &mut dyn Runner,
    ) -> Result<RuleReport> {
        let method = rule.as_ref().map(|(_, rule)| rule.method.clone());
        let (real, made, merged) = (0, 0, 0);
        let (conflicts, flaws) = (BTreeMap::new(), Vec::new());
        let mut report = RuleReport { rule, documents: group.documents, real, made, merged, conflicts, flaws };
        let tried = match (&test.script, &method) {
            // Whoever keeps conflicts has nothing to try.
            (None, Some(Method::Keep)) => return Ok(report),
            (None, Some(Method::Script { script, dialect })) => match self.script(root, script, dialect)? {
                Some(script) => Tried::Script(runner.load(&script)?.script),
                None => {
                    report.flaws.push(without_script(script, group.documents));
                    return Ok(report);
                }
            },
            (Some(script), _) => Tried::Script(runner.load(script)?.script),
            (None, method) => Tried::Method(method.as_ref()),
        };
        let mut failed = None;
        let mut try_case = |key: &Key, case: &Case, is_real: bool| -> Result<()> {
            let found = trial::run(&tried, case, runner)?;
            if let (Answer::Conflict(_), None) = (&found.answer, &failed) {
                failed = Some(example(Flaw::Fails, key, case, is_real, vec![found.answer.clone()]));
            }
            report.take(key, case, is_real, found);
            Ok(())
        };
        let mut random = Random::new(test.seed);
        let mut cases = 0..test.count;
        for (key, conflict) in &group.conflicts {
            if let Some(case) = self.real_case(key, conflict)? {
                cases.next();
                try_case(key, &case, true)?;
            }
        }
        let models = self.models(group.models)?;
        for number in cases.take_while(|_| !models.is_empty()) {
            let (key, content) = &models[number % models.len()];
            // Small documents have few versions, and some come out alike.
            if let Some(case) = (0..8).find_map(|_| made_up(&mut random, key, content)) {
                try_case(key, &case, false)?;
            }
        }
        if let (Tried::Script(_), 0, Some(failed)) = (&tried, report.merged, failed) {
            report.flaws.push(Counterexample { count: report.real + report.made, ..failed });
        }
        report.flaws.sort_by_key(|known| known.flaw);
        Ok(report)
    }

    /// The script of a rule, as it is stored.
    fn script(&self, root: TreeId, key: &Key, dialect: &str) -> Result<Option<Script>> {
        let document = self.tree(root).get(key)?;
        let (Some(document), Some(dialect)) = (document, Dialect::from_name(dialect)) else { return Ok(None) };
        Ok(Some(Script { dialect, source: self.store().blob(document.blob)? }))
    }

    /// A document that is or was in conflict. Who wrote what when is made up. `None` where a version is not stored:
    /// then an earlier step of a merge made it.
    fn real_case(&self, key: &Key, set: &Conflict) -> Result<Option<Case>> {
        let mut contents = Vec::new();
        for id in set.versions.iter().copied().chain(set.base) {
            match self.store().get(id.0)? {
                Some(object) if object.kind == Kind::Blob => contents.push(Some(object.body)),
                _ => return Ok(None),
            }
        }
        let base = set.base.and_then(|_| contents.pop().flatten());
        contents.extend(set.deleted.then_some(None));
        let mut versions: Vec<Version> = (0..).zip(contents).map(|(time, content)| Version { content, time }).collect();
        trial::in_order(&mut versions);
        Ok((versions.len() > 1).then(|| Case { key: key.text().into_owned(), base, versions }))
    }

    /// The contents of the models that are not too large.
    fn models(&self, models: Vec<(Key, Document)>) -> Result<Vec<(Key, Vec<u8>)>> {
        let mut contents = Vec::new();
        for (key, document) in models {
            let header = self.store().header(document.blob.0)?;
            if header.is_some_and(|(_, size)| size <= MAX_MODEL) {
                contents.push((key, self.store().blob(document.blob)?));
            }
        }
        Ok(contents)
    }
}

/// Three versions of a document, of which one may be its deletion; `None` when they came out alike.
fn made_up(random: &mut Random, key: &Key, content: &[u8]) -> Option<Case> {
    let mut versions = Vec::new();
    let deleted = random.below(24);
    for number in 0..3 {
        let content = (number != deleted).then(|| variation::varied(random, content));
        versions.push(Version { content, time: random.below(3) as i64 });
    }
    versions.retain(|version| version.content.as_deref() != Some(content));
    trial::in_order(&mut versions);
    (versions.len() > 1).then(|| Case { key: key.text().into_owned(), base: Some(content.to_vec()), versions })
}

impl Group {
    /// Takes in a document; of many, each is a model with the same chance.
    fn take(&mut self, key: Key, document: Document, random: &mut Random) {
        self.documents += 1;
        if self.models.len() < MODELS {
            self.models.push((key, document));
        } else if let Some(model) = self.models.get_mut(random.below(self.documents as usize)) {
            *model = (key, document);
        }
    }
}

impl RuleReport {
    /// Takes in what came of a case; of each flaw, the smallest example is kept.
    fn take(&mut self, key: &Key, case: &Case, is_real: bool, found: Found) {
        *if is_real { &mut self.real } else { &mut self.made } += 1;
        match found.answer {
            Answer::Conflict(why) => *self.conflicts.entry(why).or_default() += 1,
            Answer::Merged(_) | Answer::Deleted => self.merged += 1,
        }
        for (flaw, answers) in found.flaws {
            let example = example(flaw, key, case, is_real, answers);
            let Some(known) = self.flaws.iter_mut().find(|known| known.flaw == flaw) else {
                self.flaws.push(example);
                continue;
            };
            let count = known.count + 1;
            if example.size() < known.size() {
                *known = example;
            }
            known.count = count;
        }
    }
}

fn example(flaw: Flaw, key: &Key, case: &Case, is_real: bool, answers: Vec<Answer>) -> Counterexample {
    let versions = case.versions.iter().take(if flaw == Flaw::NotAssociative { 3 } else { 2 });
    let versions = versions.map(|version| version.content.clone()).collect();
    Counterexample { flaw, count: 1, key: key.clone(), is_real, base: case.base.clone(), versions, answers }
}

/// What is said of a rule whose script is not there.
fn without_script(key: &Key, documents: u64) -> Counterexample {
    let answers = vec![Answer::Conflict(format!("there is no document {key:?}"))];
    let (base, versions) = (None, Vec::new());
    Counterexample { flaw: Flaw::Fails, count: documents, key: key.clone(), is_real: false, base, versions, answers }
}

impl Counterexample {
    fn size(&self) -> usize {
        self.base.iter().chain(self.versions.iter().flatten()).map(Vec::len).sum()
    }
}
