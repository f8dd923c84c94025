//! Commits: a tree, its parents, who and when, further headers, a message.
//!
//! Reading is as strict as `git fsck --strict`, and stricter where a value could not be written back byte for byte.
//! Whoever checks a signature does so on stored bytes, not on what [`Commit::encode`] returns.

use std::borrow::Cow;

use super::lines::{self, Lines};
use super::{CommitId, Error, Ident, Kind, TreeId, hash};

/// A commit as a value. One that was parsed encodes to the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The content.
    pub tree: TreeId,
    /// The commits before it, in the order stored; none in a first commit.
    pub parents: Vec<CommitId>,
    /// Who made the change, and when.
    pub author: Ident,
    /// Who made this commit of it, and when.
    pub committer: Ident,
    /// Further headers in the order stored, such as `gpgsig-sha256`. A name is not empty and holds no space, line feed
    /// or NUL; a value holds no NUL, and its lines are joined by a line feed, without the spaces that mark them.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The message: no NUL, UTF-8 unless the header `encoding` says otherwise; git ends it with a line feed.
    pub message: Vec<u8>,
}

impl Commit {
    /// Reads a commit's body. Beyond what git refuses: names that are not UTF-8, a body without the empty line, and
    /// headers of a fixed place in another. Else [`Error::Malformed`].
    pub fn parse(body: &[u8]) -> Result<Commit, Error> {
        let mut lines = Lines::new(Kind::Commit, body);
        if body.contains(&0) {
            return Err(lines.wrong("it holds NUL"));
        }
        let value = lines.need("tree")?;
        let tree = TreeId(lines.id("tree", value)?);
        let mut parents = Vec::new();
        while let Some(value) = lines.value("parent")? {
            parents.push(CommitId(lines.id("parent", value)?));
        }
        let value = lines.need("author")?;
        let author = lines.ident("author", value)?;
        let value = lines.need("committer")?;
        let committer = lines.ident("committer", value)?;
        let (headers, message) = lines.finish()?;
        Ok(Commit { tree, parents, author, committer, headers, message })
    }

    /// The body to store. Its form is right when the headers and the message keep to what their fields say.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512 + self.message.len());
        lines::push(&mut out, "tree", self.tree.to_string().as_bytes());
        for parent in &self.parents {
            lines::push(&mut out, "parent", parent.to_string().as_bytes());
        }
        lines::push(&mut out, "author", self.author.to_string().as_bytes());
        lines::push(&mut out, "committer", self.committer.to_string().as_bytes());
        for (name, value) in &self.headers {
            lines::push(&mut out, name, value);
        }
        out.push(b'\n');
        out.extend_from_slice(&self.message);
        out
    }

    /// The id, computed from the encoded bytes each time.
    pub fn id(&self) -> CommitId {
        CommitId(hash(Kind::Commit, &self.encode()))
    }

    /// The value of the first further header of this name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        lines::find(&self.headers, name)
    }

    /// The first line of the message, for people: bytes that are no UTF-8 are replaced.
    pub fn subject(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.message.split(|&byte| byte == b'\n').next().unwrap_or_default())
    }

    /// The message, for people: bytes that are no UTF-8 are replaced.
    pub fn message_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Id, Memory, Objects};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn golden(tree: &str, parents: &[&str], who: &str, headers: &[(&str, &[u8])], message: &str) -> Commit {
        let ident = Ident::parse(who.as_bytes()).unwrap();
        Commit {
            tree: tree.parse().unwrap(),
            parents: parents.iter().map(|parent| parent.parse().unwrap()).collect(),
            author: ident.clone(),
            committer: ident,
            headers: headers.iter().map(|&(name, value)| (name.to_owned(), value.to_vec())).collect(),
            message: message.as_bytes().to_vec(),
        }
    }

    #[test]
    fn golden_ids() {
        let first = "c7542d3a30a4946fb3ecde59b72a5e169de548f5e3b1fe7cd48557c6b34ee091";
        let second = "70ce83f8ff578df3ad26db26c18ab61b254319e65d946cce1be9f4fc6e94067d";
        let put = golden(ROOT, &[], "Ann <ann@farm> 1700000000 +0000", &[], "put hello\n");
        let note: (&str, &[u8]) = ("isodb-note", b"two\nlines");
        let empty = TreeId::EMPTY.to_string();
        let rm = golden(&empty, &[first], "Bo <bo@farm> 1700000060 +0000", &[note], "rm hello\n");
        assert_eq!((put.id().to_string(), rm.id().to_string()), (first.to_owned(), second.to_owned()));
        for commit in [put, rm] {
            assert_eq!(Commit::parse(&commit.encode()).unwrap(), commit);
        }
    }

    const ROOT: &str = "776f71eb3f6ea8c4c414ecbb9d979d69b82b3bb58f22d6d1c0cfe2df01fad269";

    const TREE: &str = "tree 6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321\n";
    const PARENT: &str = "parent c7542d3a30a4946fb3ecde59b72a5e169de548f5e3b1fe7cd48557c6b34ee091\n";
    const AUTHOR: &str = "author Ann <ann@farm> 1700000000 +0000\n";
    const COMMITTER: &str = "committer Bo <bo@farm> 1700000060 +0100\n";

    #[test]
    fn parts_are_read() {
        let rest = "gpgsig-sha256 -----BEGIN\n \n  x\n -----END\nempty \nempty 2\n\nSubject\n\nBody\n";
        let text = [TREE, PARENT, PARENT, AUTHOR, COMMITTER, rest].concat();
        let commit = Commit::parse(text.as_bytes()).unwrap();
        assert_eq!((commit.parents.len(), commit.parents[0]), (2, commit.parents[1]));
        assert_eq!(commit.header("gpgsig-sha256"), Some(b"-----BEGIN\n\n x\n-----END".as_slice()));
        assert_eq!((commit.header("empty"), commit.header("none")), (Some(b"".as_slice()), None));
        assert_eq!((commit.subject(), commit.message_text()), ("Subject".into(), "Subject\n\nBody\n".into()));
        assert_eq!(commit.encode(), text.as_bytes());
    }

    #[test]
    fn malformed_commits_are_refused() {
        let upper = TREE.to_uppercase().replace("TREE", "tree");
        let zero = format!("tree {}\n", Id::ZERO);
        let good: [&str; 5] = [TREE, PARENT, AUTHOR, COMMITTER, "\n"];
        assert!(Commit::parse(good.concat().as_bytes()).is_ok());
        let bad: [&[&str]; 20] = [
            &[],
            &["\n"],
            &[PARENT, AUTHOR, COMMITTER, "\n"],
            &[&upper, AUTHOR, COMMITTER, "\n"],
            &[&zero, AUTHOR, COMMITTER, "\n"],
            &[TREE, TREE, AUTHOR, COMMITTER, "\n"],
            &[&TREE[..60], "\n", AUTHOR, COMMITTER, "\n"],
            &[TREE, AUTHOR, PARENT, COMMITTER, "\n"],
            &[TREE, AUTHOR, AUTHOR, COMMITTER, "\n"],
            &[TREE, COMMITTER, AUTHOR, "\n"],
            &[TREE, COMMITTER, "\n"],
            &[TREE, AUTHOR, "\n"],
            &[TREE, AUTHOR, COMMITTER],
            &[TREE, AUTHOR, COMMITTER, "x y"],
            &[TREE, AUTHOR, COMMITTER, COMMITTER, "\n"],
            &[TREE, AUTHOR, COMMITTER, PARENT, "\n"],
            &[TREE, AUTHOR, COMMITTER, " x\n\n"],
            &[TREE, AUTHOR, COMMITTER, "x\n\n"],
            &[TREE, AUTHOR, COMMITTER, "x y\0\n\n"],
            &[TREE, AUTHOR, COMMITTER, "\nmess\0age"],
        ];
        for parts in bad {
            let error = Commit::parse(parts.concat().as_bytes()).unwrap_err();
            assert!(matches!(error, Error::Malformed { kind: Kind::Commit, .. }), "{parts:?}");
        }
    }

    #[test]
    fn a_damaged_commit_is_named() {
        let memory = Memory::new();
        let id = memory.put(Kind::Commit, [TREE, COMMITTER, "\n"].concat().as_bytes()).unwrap();
        let text = memory.commit(CommitId(id)).unwrap_err().to_string();
        assert_eq!(text, format!("object {id} is damaged: not a commit: it has no author where one must stand"));
    }

    prop_compose! {
        fn commits()(
            ids in vec(1u8.., 1..5),
            names in ("[^<>\n\0]{0,8}", "[^<>\n\0]{0,8}"),
            headers in vec(("[a-z]{1,3}-[0-9]", vec(1u8.., 0..12)), 0..4),
            message in vec(1u8.., 0..40),
        ) -> Commit {
            let id = |byte: &u8| Id::from_bytes([*byte; 32]);
            Commit {
                tree: TreeId(id(&ids[0])),
                parents: ids[1..].iter().map(id).map(CommitId).collect(),
                author: Ident::parse(format!("{} <{}> 5 -0000", names.0, names.1).as_bytes()).unwrap(),
                committer: Ident::parse(format!("{} <{}> 6 +1400", names.1, names.0).as_bytes()).unwrap(),
                headers,
                message,
            }
        }
    }

    proptest! {
        #[test]
        fn encoded_commits_are_read_back(commit in commits()) {
            prop_assert_eq!(Commit::parse(&commit.encode()).unwrap(), commit);
        }

        #[test]
        fn accepted_bytes_are_written_back(
            commit in commits(),
            at: prop::sample::Index,
            bytes in vec(any::<u8>(), 0..3),
        ) {
            let mut body = commit.encode();
            let from = at.index(body.len() + 1);
            body.splice(from..(from + 1).min(body.len()), bytes);
            if let Ok(commit) = Commit::parse(&body) {
                prop_assert_eq!(commit.encode(), body);
            }
        }
    }
}
