//! Tags: names that stay, for any object, some of them with an object of their own that says who, when and why.

use std::sync::Arc;

use super::Database;
use super::error::{Error, Result};
use crate::object::{Id, Ident, Kind, Objects, Person, Tag};
use crate::refs::{Expect, RefEdit, RefName, RefValue};
use crate::sign::{self, Signer};

/// Where tags are among the refs.
const TAGS: &str = "refs/tags/";

/// What an annotated tag says of its object.
#[derive(Clone, Debug)]
pub struct TagInfo {
    /// Who makes it.
    pub tagger: Person,
    /// When, in seconds since 1970.
    pub time: i64,
    /// The message. A final newline is added where there is none.
    pub message: String,
    /// Who signs it, if anybody: as git does, over all of it but the signature.
    pub signer: Option<Arc<dyn Signer>>,
}

impl Database {
    /// Makes a tag for an object if its name is where `expect` says, and answers what the name leads to then: the object
    /// itself, or with `info` the object of an annotated tag. It is durable when this returns.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that is not below `refs/tags/` and for a message with NUL;
    /// [`crate::RefError::Mismatch`] when the name is elsewhere.
    pub fn set_tag(
        &self,
        name: &RefName,
        target: Id,
        info: Option<&TagInfo>,
        expect: Expect,
        who: &Ident,
    ) -> Result<Id> {
        let result = self.try_set_tag(name, target, info, expect, who);
        self.store.discard();
        result
    }

    fn try_set_tag(
        &self,
        name: &RefName,
        target: Id,
        info: Option<&TagInfo>,
        expect: Expect,
        who: &Ident,
    ) -> Result<Id> {
        let short = name.as_str().strip_prefix(TAGS);
        let short =
            short.ok_or_else(|| Error::Invalid(format!("{name} is no name for a tag: it is not below {TAGS}")))?;
        // What was found must still be there when the name leads to it.
        self.store.hold()?;
        let kind = self.kind_of(target)?;
        // Nobody is asked to sign what would not be stored. Whether it holds is decided under the lock.
        expect.check(name, self.refs.get(name)?)?;
        let id = match info {
            None => target,
            Some(info) => self.store.put(Kind::Tag, &info.object(short, target, kind)?)?,
        };
        let edit = RefEdit { name: name.clone(), expect, new: Some(RefValue::Id(id)), message: "tag".to_owned() };
        self.publish(self.refs.lock(self.patience)?, edit, who)?;
        Ok(id)
    }
}

impl TagInfo {
    /// The body of the tag's object.
    fn object(&self, name: &str, target: Id, kind: Kind) -> Result<Vec<u8>> {
        let tagger = Some(self.tagger.at(self.time)?);
        let message = super::commit::message(&self.message)?;
        let mut tag = Tag { target, kind, name: name.to_owned(), tagger, headers: Vec::new(), message }.encode();
        if let Some(signer) = &self.signer {
            let signature = signer.sign(sign::NAMESPACE, &tag)?;
            tag.extend_from_slice(signature.armor().as_bytes());
            tag.push(b'\n');
        }
        Ok(tag)
    }
}
