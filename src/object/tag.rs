//! Annotated tags: a name, a message and perhaps a signature for another object.
//!
//! In a SHA-256 repository git appends a tag's signature to the message; here it is a part of the message.

use std::borrow::Cow;

use super::lines::{self, Lines};
use super::{Error, Id, Ident, Kind, TagId, hash};

/// An annotated tag as a value. One that was parsed encodes to the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The object it names.
    pub target: Id,
    /// What that object is.
    pub kind: Kind,
    /// The tag's name: not empty, no line feed or NUL. Whether it is a good name for a ref is not checked.
    pub name: String,
    /// Who made it, and when; some very old tags do not say.
    pub tagger: Option<Ident>,
    /// Further headers, as in [`Commit::headers`](super::Commit::headers).
    pub headers: Vec<(String, Vec<u8>)>,
    /// The message, with the signature where there is one.
    pub message: Vec<u8>,
}

impl Tag {
    /// Reads a tag's body. Beyond what git refuses: names that are not UTF-8, and a body without the empty line. Else
    /// [`Error::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Tag, Error> {
        let mut lines = Lines::new(Kind::Tag, body);
        let value = lines.need("object")?;
        let target = lines.id("object", value)?;
        let value = lines.need("type")?;
        let kind = std::str::from_utf8(value).ok().and_then(|word| word.parse().ok());
        let kind = kind.ok_or_else(|| lines.wrong("its type is no kind of object"))?;
        let value = lines.need("tag")?;
        let name = std::str::from_utf8(value).ok().filter(|name| !name.is_empty() && !name.contains('\0'));
        let name = name.ok_or_else(|| lines.wrong("its name is not text"))?.to_owned();
        let tagger = match lines.value("tagger")? {
            Some(value) => Some(lines.ident("tagger", value)?),
            None => None,
        };
        let (headers, message) = lines.finish()?;
        Ok(Tag { target, kind, name, tagger, headers, message })
    }

    /// The body to store. Its form is right when the fields keep to what they say.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256 + self.message.len());
        lines::push(&mut out, "object", self.target.to_string().as_bytes());
        lines::push(&mut out, "type", self.kind.name().as_bytes());
        lines::push(&mut out, "tag", self.name.as_bytes());
        if let Some(tagger) = &self.tagger {
            lines::push(&mut out, "tagger", tagger.to_string().as_bytes());
        }
        for (name, value) in &self.headers {
            lines::push(&mut out, name, value);
        }
        out.push(b'\n');
        out.extend_from_slice(&self.message);
        out
    }

    /// The id, computed from the encoded bytes each time.
    pub fn id(&self) -> TagId {
        TagId(hash(Kind::Tag, &self.encode()))
    }

    /// The value of the first further header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        lines::find(&self.headers, name)
    }

    /// The message, for people: bytes that are no UTF-8 are replaced.
    pub fn message_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const HEAD: &str = "object 6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321\ntype tree\ntag v1\n";
    const TAGGER: &str = "tagger Ann <ann@farm> 1700000000 +0000\n";

    #[test]
    fn parts_are_read() {
        for text in [
            [HEAD, TAGGER, "\nNote\n-----BEGIN SSH SIGNATURE-----\n"].concat(),
            [HEAD, "\n"].concat(),
            [HEAD, TAGGER, "more x\n y\n\n\0"].concat(),
        ] {
            let tag = Tag::parse(text.as_bytes()).unwrap();
            assert_eq!((tag.kind, tag.name.as_str()), (Kind::Tree, "v1"));
            assert_eq!(tag.tagger.is_some(), text.contains("tagger"));
            assert_eq!(tag.header("more"), text.contains("more").then_some(b"x\ny".as_slice()));
            assert_eq!(tag.encode(), text.as_bytes());
            assert_eq!(tag.id().0, hash(Kind::Tag, text.as_bytes()));
        }
    }

    #[test]
    fn malformed_tags_are_refused() {
        for text in [
            String::new(),
            HEAD.to_owned(),
            [HEAD, TAGGER].concat(),
            [HEAD, TAGGER, TAGGER, "\n"].concat(),
            [&HEAD.replace("type tree", "type trees"), "\n"].concat(),
            [&HEAD.replace("type tree\n", ""), "\n"].concat(),
            [&HEAD.replace("tag v1\n", ""), "\n"].concat(),
            [&HEAD.replace("v1", ""), "\n"].concat(),
            [&HEAD.replace("v1", "v\0"), "\n"].concat(),
            [HEAD, "tagger Ann\n\n"].concat(),
            [HEAD, "a b\0\n\n"].concat(),
            [TAGGER, HEAD, "\n"].concat(),
        ] {
            let error = Tag::parse(text.as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Malformed { kind: Kind::Tag, .. }), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn accepted_bytes_are_written_back(
            message in vec(any::<u8>(), 0..20),
            at: prop::sample::Index,
            bytes in vec(any::<u8>(), 0..3),
        ) {
            let mut body = [HEAD.as_bytes(), TAGGER.as_bytes(), b"\n", &message].concat();
            prop_assert_eq!(Tag::parse(&body).unwrap().encode(), body.clone());
            let from = at.index(body.len() + 1);
            body.splice(from..(from + 1).min(body.len()), bytes);
            if let Ok(tag) = Tag::parse(&body) {
                prop_assert_eq!(tag.encode(), body);
            }
        }
    }
}
