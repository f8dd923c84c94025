//! Which objects another database lacks: all that is wanted leads to, without what the commits that both have lead to.

use crate::database::Database;
use crate::object::{CommitId, Id, Kind, Objects, TagId};
use crate::store::{Outgoing, Wanted};

use super::error::Result;

/// How deep tags of tags are followed.
const MAX_TAGS: usize = 64;

/// An object as a pack and a walk need it: the tags on the way, and what they lead to.
#[derive(Debug)]
pub(super) struct Peeled {
    pub(super) tags: Vec<TagId>,
    pub(super) id: Id,
    pub(super) kind: Kind,
}

/// Follows tags from an object; `None` where it is not here.
pub(super) fn peel(db: &Database, id: Id) -> Result<Option<Peeled>> {
    let store = db.store();
    let Some((mut kind, _)) = store.header(id)? else { return Ok(None) };
    let mut peeled = Peeled { tags: Vec::new(), id, kind };
    while kind == Kind::Tag {
        if peeled.tags.len() == MAX_TAGS {
            let reason = format!("more than {MAX_TAGS} tags lead to one another");
            return Err(crate::object::Error::Damaged { id, reason }.into());
        }
        let tag = TagId(peeled.id);
        peeled.tags.push(tag);
        let tag = store.tag(tag)?;
        (peeled.id, kind) = (tag.target, tag.kind);
    }
    peeled.kind = kind;
    Ok(Some(peeled))
}

/// The commit that an object is or leads to as a tag, if it is here.
pub(super) fn commit_of(db: &Database, id: Id) -> Result<Option<CommitId>> {
    let peeled = peel(db, id)?.filter(|peeled| peeled.kind == Kind::Commit);
    Ok(match peeled {
        Some(peeled) if db.store().contains(peeled.id)? => Some(CommitId(peeled.id)),
        _ => None,
    })
}

/// How the pack is to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    pub(super) is_thin: bool,
    pub(super) takes_offsets: bool,
    /// Whether annotated tags of what is sent come with it.
    pub(super) with_tags: bool,
}

/// Works out the pack of what somebody lacks who wants some objects and has some commits.
pub(super) fn outgoing<'d>(db: &'d Database, wants: &[Id], common: &[CommitId], form: Form) -> Result<Outgoing<'d>> {
    let mut wanted = Wanted { is_thin: form.is_thin, takes_offsets: form.takes_offsets, ..Wanted::default() };
    let mut heads = Vec::new();
    for &id in wants {
        let missing = || crate::object::Error::Missing { id, kind: None };
        let Peeled { tags, id, kind } = peel(db, id)?.ok_or_else(missing)?;
        wanted.tags.extend(tags);
        match kind {
            Kind::Commit => heads.push(CommitId(id)),
            _ => wanted.whole.push(id),
        }
    }
    if form.with_tags {
        add_tags(db, &heads, common, &mut wanted)?;
    }
    if common.is_empty() {
        // All of history goes: then what is stored can be sent as it is.
        wanted.whole.extend(heads.iter().map(|head| head.0));
    } else {
        wanted.commits = db.commits_since(&heads, common)?;
    }
    Ok(db.store().outgoing(&wanted)?)
}

/// Adds the annotated tags of commits that are sent.
fn add_tags(db: &Database, heads: &[CommitId], common: &[CommitId], wanted: &mut Wanted) -> Result<()> {
    let mut tagged = Vec::new();
    for (_, id) in db.refs().list("refs/tags/")? {
        let peeled = peel(db, id)?.filter(|peeled| peeled.kind == Kind::Commit && !peeled.tags.is_empty());
        tagged.extend(peeled);
    }
    if tagged.is_empty() {
        return Ok(());
    }
    let sent: std::collections::HashSet<CommitId> = db.commits_since(heads, common)?.into_iter().collect();
    for peeled in tagged.into_iter().filter(|peeled| sent.contains(&CommitId(peeled.id))) {
        wanted.tags.extend(peeled.tags);
    }
    Ok(())
}
