//! Changing a document by what is in it: read, changed, stored as one commit, and anew when somebody else was first.

use anyhow::Result;
use isodb::{BlobId, Changeset, CommitId, Condition, Database, Document, Error, Key, Kind, Objects, TreeId};

use crate::args::OneCommitArgs;
use crate::commands;
use crate::context::Context;

/// So often a document is changed anew that somebody else has changed meanwhile.
const ATTEMPTS: usize = 20;

/// The document of a key in a tree, and its content.
pub(crate) fn read(db: &Database, tree: TreeId, key: &Key) -> Result<Option<(Document, Vec<u8>)>> {
    let document = db.tree(tree).get(key)?;
    Ok(document.map(|document| db.store().blob(document.blob).map(|text| (document, text))).transpose()?)
}

/// A change of one document, as one commit.
pub(crate) struct DocumentEdit<'a> {
    pub(crate) write: &'a OneCommitArgs,
    pub(crate) key: Key,
    pub(crate) message: String,
}

impl DocumentEdit<'_> {
    /// Makes the change of what is there by then, and prints where the ref is. `change` gets the tree
    /// that the commit will be built on, the document and its content, and answers the new content.
    pub(crate) fn run(
        self,
        context: &Context,
        change: impl Fn(&Database, TreeId, Option<(Document, &[u8])>, &mut Changeset) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let db = context.database_to_commit(&self.write.commit)?;
        for attempt in 1.. {
            let tree = self.tree(context, &db)?;
            let found = read(&db, tree, &self.key)?;
            let mut changes = Changeset::new();
            let content = found.as_ref().map(|(document, text)| (*document, text.as_slice()));
            let text = change(&db, tree, content, &mut changes)?;
            let holds = found.map_or(Condition::Absent, |(document, _)| Condition::Holds(document.blob));
            changes.require(self.key.clone(), holds);
            changes.put(self.key.clone(), BlobId(db.store().put(Kind::Blob, &text)?));
            let (commit, on) = (&self.write.commit, Some(&self.write.on));
            match commands::commit(context, &db, commit, on, &changes, self.message.clone()) {
                // Somebody else changed the document: theirs is changed then.
                Err(error) if self.is_unexpected(&error) && attempt < ATTEMPTS => {}
                outcome => return commands::print_outcome(context, outcome?, self.write.json),
            }
        }
        unreachable!("the attempts end with an answer")
    }

    /// The tree that the commit will be built on.
    fn tree(&self, context: &Context, db: &Database) -> Result<TreeId> {
        let head = match &self.write.on.on[..] {
            [] => db.refs().resolve(&context.target(&self.write.commit)?)?.1.map(CommitId),
            on => match context.parents(db, on)?[..] {
                [] => None,
                [one] => Some(one),
                ref several => Some(db.merge_of(several, &mut context.runner()?)?.head),
            },
        };
        Ok(db.tree_of(head)?.id())
    }

    fn is_unexpected(&self, error: &anyhow::Error) -> bool {
        matches!(error.downcast_ref(), Some(Error::Unexpected { key, .. }) if *key == self.key)
    }
}
