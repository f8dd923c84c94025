//! Which authored commits a merge is of, in which order they are merged, and over which base each.

use std::rc::Rc;

use crate::database::Database;
use crate::database::ancestry;
use crate::database::error::{Error, Result};
use crate::database::lineage::Lineage;
use crate::object::{Commit, CommitId, Objects, TreeId};

/// The header that a merge commit has, and no other.
pub(super) const HEADER: &str = "isodb-merge";

/// The version of the merge algorithm, which the header begins with.
const VERSION: &str = "1";

/// Whether a commit is a merge commit by its header: made by the rules of the format, not written by anybody.
pub fn is_merge_commit(commit: &Commit) -> bool {
    commit.header(HEADER).is_some()
}

/// The header's value, for the folder of rules in force.
pub(super) fn header_value(in_force: Option<TreeId>) -> Vec<u8> {
    let id = in_force.map_or(crate::object::Id::ZERO, |folder| folder.0);
    format!("{VERSION} {id}").into_bytes()
}

/// The folder of rules in force by a merge commit's header; nothing where the header is not as it must be.
pub(super) fn in_force(commit: &Commit) -> Option<Option<TreeId>> {
    let value = std::str::from_utf8(commit.header(HEADER)?).ok()?;
    let id: crate::object::Id = value.strip_prefix(VERSION)?.strip_prefix(' ')?.parse().ok()?;
    Some(Some(TreeId(id)).filter(|folder| !folder.0.is_zero()))
}

/// Authored commits none of which is an ancestor of another, in ascending order of id.
pub(super) type Frontier = Rc<[CommitId]>;

/// One step of a merge: the next commit, and what it and those merged so far come from.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) head: CommitId,
    pub(super) base: Base,
}

/// What a step is merged over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// No common ancestor: the empty tree.
    Nothing,
    /// This commit's own tree.
    Commit(CommitId),
    /// The merge of several commits.
    Merge(Frontier),
}

/// The frontier of some commits: each merge commit replaced by its parents, then without ancestors of others.
///
/// # Errors
/// [`Error::DamagedMerge`] for a merge commit that cannot be one.
pub(super) fn frontier(db: &Database, lineage: &mut Lineage<'_>, heads: &[CommitId]) -> Result<Frontier> {
    let mut authored: Vec<CommitId> = Vec::new();
    let mut is_expanded = false;
    for &head in heads {
        let commit = db.store().commit(head)?;
        if !is_merge_commit(&commit) {
            authored.push(head);
            continue;
        }
        check(db, head, &commit)?;
        is_expanded = true;
        authored.extend(commit.parents);
    }
    authored.sort_unstable();
    authored.dedup();
    if authored.len() > 1 && (is_expanded || heads.len() > 1) {
        let places = authored.iter().map(|id| lineage.place(*id)).collect();
        authored = ancestry::independent(lineage, places)?.into_iter().map(|place| lineage.id(place)).collect();
    }
    Ok(authored.into())
}

/// Checks what can be seen of a merge commit without making it again.
fn check(db: &Database, id: CommitId, commit: &Commit) -> Result<()> {
    let wrong = |reason: String| Err(Error::DamagedMerge { commit: id, reason });
    let value = String::from_utf8_lossy(commit.header(HEADER).unwrap_or_default()).into_owned();
    let version = value.split(' ').next().unwrap_or_default();
    if version != VERSION {
        return wrong(format!("version {version:?} of the merge algorithm is not known here"));
    }
    if commit.parents.len() < 2 {
        return wrong(format!("it has {} parents", commit.parents.len()));
    }
    for &parent in &commit.parents {
        if is_merge_commit(&db.store().commit(parent)?) {
            return wrong(format!("its parent {parent} is one as well"));
        }
    }
    Ok(())
}

/// The steps that merge a frontier after its first commit.
pub(super) fn steps(db: &Database, lineage: &mut Lineage<'_>, frontier: &Frontier) -> Result<Vec<Step>> {
    let groups: Vec<Vec<u32>> = frontier.iter().map(|id| vec![lineage.place(*id)]).collect();
    let bases = ancestry::bases(lineage, &groups)?;
    let mut steps = Vec::with_capacity(bases.len());
    for (&head, bases) in frontier[1..].iter().zip(bases) {
        let base = match bases[..] {
            [] => Base::Nothing,
            [base] => Base::Commit(lineage.id(base)),
            _ => {
                let bases: Vec<CommitId> = bases.iter().map(|place| lineage.id(*place)).collect();
                let bases = self::frontier(db, lineage, &bases)?;
                if let [base] = bases[..] { Base::Commit(base) } else { Base::Merge(bases) }
            }
        };
        steps.push(Step { head, base });
    }
    Ok(steps)
}
