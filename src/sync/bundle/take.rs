//! Taking in what a bundle has: its refs are kept as those of the node that wrote it.

use super::name::NodeName;
use super::read::Bundle;
use crate::database::Database;
use crate::object::CommitId;
use crate::refs::RefName;
use crate::sync::error::Result;
use crate::sync::fetch::FetchLimits;
use crate::sync::here::Here;
use crate::sync::meet::{FetchWish, Meeting, meet};
use crate::sync::remote::Remote;

/// Takes in what a bundle has that is not here, checked as whatever comes; its branches are kept as those of the remote
/// `name`, which need not be set up. Nothing where all of it is known.
///
/// # Errors
/// [`Error::Lacking`](crate::SyncError::Lacking) when it builds on what is not here, and those of [`meet`].
pub fn take(
    here: &mut Here<'_, '_>,
    mut bundle: Bundle,
    name: &NodeName,
    limits: FetchLimits,
) -> Result<Option<Meeting>> {
    let db = here.db;
    // Where it is does not matter: it is here.
    let remote = Remote::find(db.config(), name.as_str()).or_else(|_| Remote::new(name.as_str(), "."))?;
    let names = news(db, &bundle, &remote)?;
    if names.is_empty() {
        return Ok(None);
    }
    let wish = FetchWish { names: &names, prunes: false, is_atomic: true, limits };
    meet(here, &mut bundle, Some(&remote), &wish).map(Some)
}

/// The refs of a bundle that tell more than is known: an older one must not take a node back.
fn news(db: &Database, bundle: &Bundle, remote: &Remote) -> Result<Vec<RefName>> {
    let mut names = Vec::new();
    for (name, id) in &bundle.header().refs {
        let Some(tracking) = remote.tracking(name) else {
            let is_new_tag = name.as_str().starts_with("refs/tags/") && db.refs().get(name)?.is_none();
            names.extend(is_new_tag.then(|| name.clone()));
            continue;
        };
        let is_known = match db.refs().get(&tracking)? {
            Some(known) if known == *id => true,
            // Of what is here in part alone it is not known what it leads to.
            Some(known) => {
                db.store().contains(*id)? && matches!(db.is_safe_move(CommitId(*id), CommitId(known)), Ok(true))
            }
            None => false,
        };
        names.extend((!is_known).then(|| name.clone()));
    }
    Ok(names)
}
