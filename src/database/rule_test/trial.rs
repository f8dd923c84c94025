//! One rule tried on the versions of one document: what it answers, and what that says of the rule.

use std::time::{Duration, Instant};

use crate::json;
use crate::merge::{Field, Later, Method, is_json_object, merge_json, merge_text};
use crate::object::{BlobId, Kind, hash};
use crate::script::{Failure, Job, Runner, Side, Verdict};

/// A merge of two versions that takes longer is too slow: a thousand such documents hold up a sync for minutes.
const SLOW: Duration = Duration::from_millis(100);

/// What can be said against a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flaw {
    /// It answers otherwise when it is run again: no two nodes can rely on it.
    NotSteady,
    /// Swapping the sides changes the answer.
    NotCommutative,
    /// A version merged with itself becomes another one.
    NotIdempotent,
    /// The order in which three versions are merged changes the answer. Allowed: isodb always takes the same order.
    NotAssociative,
    /// One merge of two versions took longer than 100 ms.
    Slow,
    /// A script that left a conflict whatever it was given.
    Fails,
}

impl Flaw {
    /// Its name in records.
    pub fn name(self) -> &'static str {
        match self {
            Flaw::NotSteady => "not-steady",
            Flaw::NotCommutative => "not-commutative",
            Flaw::NotIdempotent => "not-idempotent",
            Flaw::NotAssociative => "not-associative",
            Flaw::Slow => "slow",
            Flaw::Fails => "fails",
        }
    }

    /// Whether merges may go wrong with it, or it is only good to know.
    pub fn is_wrong(self) -> bool {
        self != Flaw::NotAssociative
    }
}

/// What a rule made of two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The merged document.
    Merged(Vec<u8>),
    /// There is no document any more.
    Deleted,
    /// The conflict stays, and why.
    Conflict(String),
}

/// A version, and which of the versions is the later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) content: Option<Vec<u8>>,
    pub(super) time: i64,
}

/// A document's versions, of which at least two differ, in the order in which isodb merges them.
pub(super) struct Case {
    pub(super) key: String,
    pub(super) base: Option<Vec<u8>>,
    pub(super) versions: Vec<Version>,
}

impl Version {
    fn id(&self) -> Option<BlobId> {
        self.content.as_deref().map(|content| BlobId(hash(Kind::Blob, content)))
    }
}

/// The rule's method, with what runs its script.
pub(super) enum Tried<'m> {
    /// One of the library's own; none is what holds where no rule does.
    Method(Option<&'m Method>),
    /// A script that was loaded, by its number.
    Script(usize),
}

/// Puts versions into the order in which isodb merges them.
pub(super) fn in_order(versions: &mut Vec<Version>) {
    versions.sort_by_key(Version::id);
    versions.dedup_by(|one, two| one.content == two.content);
}

/// What came of a case.
pub(super) struct Found {
    /// The answer of the first two versions.
    pub(super) answer: Answer,
    /// What is wrong, with the answers that show it.
    pub(super) flaws: Vec<(Flaw, Vec<Answer>)>,
}

/// Tries a rule on a case.
pub(super) fn run(tried: &Tried<'_>, case: &Case, runner: &mut dyn Runner) -> Result<Found, Failure> {
    let mut trial = Trial { tried, case, runner };
    let [one, two, rest @ ..] = case.versions.as_slice() else {
        unreachable!("a case has two versions at least");
    };
    let mut flaws = Vec::new();
    let start = Instant::now();
    let answer = trial.merge(one, two)?;
    let first = start.elapsed();
    let again = trial.merge(one, two)?;
    // Once may be the machine's fault.
    if first.min(start.elapsed().saturating_sub(first)) > SLOW {
        flaws.push((Flaw::Slow, vec![answer.clone()]));
    }
    if again != answer {
        flaws.push((Flaw::NotSteady, vec![answer.clone(), again]));
    }
    let swapped = trial.merge(two, one)?;
    if !is_alike(&swapped, &answer) {
        flaws.push((Flaw::NotCommutative, vec![answer.clone(), swapped]));
    }
    for version in [one, two] {
        if let Some(content) = version.content.as_ref().filter(|_| !trial.counts_equal_changes())
            && let Answer::Merged(merged) = trial.merge(version, version)?
            && !is_same_document(&merged, content)
        {
            flaws.push((Flaw::NotIdempotent, vec![Answer::Merged(content.clone()), Answer::Merged(merged)]));
            break;
        }
    }
    if let [three, ..] = rest {
        let orders = [[one, two, three], [one, three, two], [two, three, one]];
        let answers = orders.map(|order| trial.fold(order));
        let [first, second, third] = answers;
        let answers = vec![first?, second?, third?];
        if answers.iter().any(|answer| !is_same_answer(answer, &answers[0])) {
            flaws.push((Flaw::NotAssociative, answers));
        }
    }
    Ok(Found { answer, flaws })
}

struct Trial<'t> {
    tried: &'t Tried<'t>,
    case: &'t Case,
    runner: &'t mut dyn Runner,
}

impl Trial<'_> {
    fn merge(&mut self, left: &Version, right: &Version) -> Result<Answer, Failure> {
        match *self.tried {
            Tried::Method(method) => Ok(self.by_method(method, left, right)),
            Tried::Script(script) => self.by_script(script, left, right),
        }
    }

    fn by_method(&self, method: Option<&Method>, left: &Version, right: &Version) -> Answer {
        let later = || if (left.time, left.id()) > (right.time, right.id()) { Later::Left } else { Later::Right };
        if let Some(Method::Latest) = method {
            let later = if later() == Later::Left { left } else { right };
            return later.content.clone().map_or(Answer::Deleted, Answer::Merged);
        }
        let (Some(one), Some(two)) = (&left.content, &right.content) else {
            return Answer::Conflict("one version is the deletion".to_owned());
        };
        let base = self.case.base.as_deref();
        let merged = match method {
            Some(Method::Json(fields)) => merge_json(base, one, two, fields, &later),
            Some(Method::Text) => merge_text(base, one, two),
            None if is_json_object(one) && is_json_object(two) => {
                merge_json(base, one, two, &crate::merge::Fields::none(), &later)
            }
            _ => Err("no rule decides".to_owned()),
        };
        merged.map_or_else(Answer::Conflict, Answer::Merged)
    }

    fn by_script(&mut self, script: usize, left: &Version, right: &Version) -> Result<Answer, Failure> {
        let side = |version: &Version| Side {
            author: "Ann <ann@farm>".to_owned(),
            time: version.time,
            commit: version.id().unwrap_or(BlobId::EMPTY).to_string(),
        };
        let job = Job {
            script,
            key: self.case.key.clone(),
            base: self.case.base.clone(),
            left: left.content.clone(),
            right: right.content.clone(),
            sides: Some([side(left), side(right)]),
        };
        let verdict = self.runner.run(&[job])?.pop();
        Ok(match verdict.ok_or_else(|| Failure("gave no answer".to_owned()))? {
            Verdict::Merged(content) => Answer::Merged(content),
            Verdict::Deleted => Answer::Deleted,
            Verdict::Conflict(why) => Answer::Conflict(why),
        })
    }

    /// Merges the first two, and what they come to with the third, each time in the order of ids.
    fn fold(&mut self, [one, two, three]: [&Version; 3]) -> Result<Answer, Failure> {
        let time = one.time.max(two.time);
        let merged = match self.merge(one, two)? {
            Answer::Merged(content) => Version { content: Some(content), time },
            Answer::Deleted => Version { content: None, time },
            conflict @ Answer::Conflict(_) => return Ok(conflict),
        };
        if merged.id() <= three.id() { self.merge(&merged, three) } else { self.merge(three, &merged) }
    }

    /// Whether the rule's very purpose makes more of a version that is merged with itself.
    fn counts_equal_changes(&self) -> bool {
        match self.tried {
            Tried::Method(Some(Method::Json(fields))) => fields.iter().any(|(_, field)| field == Field::Sum),
            _ => false,
        }
    }
}

/// Whether two answers are the same, but for the words of a conflict.
fn is_alike(one: &Answer, two: &Answer) -> bool {
    matches!((one, two), (Answer::Conflict(_), Answer::Conflict(_))) || one == two
}

/// Whether two answers say the same, however JSON is written.
fn is_same_answer(one: &Answer, two: &Answer) -> bool {
    match (one, two) {
        (Answer::Merged(one), Answer::Merged(two)) => is_same_document(one, two),
        _ => is_alike(one, two),
    }
}

fn is_same_document(one: &[u8], two: &[u8]) -> bool {
    one == two || matches!((json::parse(one), json::parse(two)), (Ok(one), Ok(two)) if one == two)
}
