//! Proofs of histories that are made by hand: commits with signatures, merges, lists of who may sign.

mod chains;
mod damage;
mod descent;
mod forged;
mod round;

use super::format::{Claim, Parser, Writer};
use super::{Proof, check_proof};
use crate::database::Database;
use crate::database::error::Result;
use crate::database::tests::database;
use crate::object::{BlobId, Commit, CommitId, Ident, Kind, Objects, TreeId};
use crate::sign::{AllowedSigners, HEADER, NAMESPACE, PrivateKey, Signer};
use crate::tree::{Edit, Edits, Key, Tree};

/// The key of the document that says who may sign.
const LIST: &str = "_isodb/trust/allowed_signers";

/// Somebody with a key.
struct Who {
    email: &'static str,
    key: PrivateKey,
}

impl Who {
    fn new(email: &'static str) -> Who {
        let mut seed = [7; 32];
        seed[..email.len()].copy_from_slice(email.as_bytes());
        Who { email, key: PrivateKey::generate(seed, "") }
    }

    /// A line that lets them sign, with something behind the key.
    fn line(&self, rest: &str) -> String {
        format!("{} namespaces=\"git\" {} {rest}\n", self.email, self.key.public_key())
    }
}

fn ann() -> Who {
    Who::new("ann@farm")
}

fn bo() -> Who {
    Who::new("bo@farm")
}

fn signers(text: &str) -> AllowedSigners {
    AllowedSigners::parse(text.as_bytes())
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

/// A database, and a clock for its commits.
struct Farm {
    db: Database,
    time: std::cell::Cell<i64>,
}

/// What one commit writes: keys with contents.
type Documents<'a> = &'a [(&'a str, &'a str)];

impl Farm {
    fn new() -> Farm {
        Farm { db: database().1, time: 1_700_000_000.into() }
    }

    fn blob(&self, content: &[u8]) -> BlobId {
        BlobId(self.db.store().put(Kind::Blob, content).unwrap())
    }

    /// The tree of the first parent with these documents; an empty content removes one.
    fn tree(&self, parents: &[CommitId], documents: Documents<'_>) -> TreeId {
        let tree = parents.first().map_or(TreeId::EMPTY, |id| self.db.store().commit(*id).unwrap().tree);
        let edit = |content: &str| match content {
            "" => Edit::Remove,
            content => Edit::Put(self.blob(content.as_bytes()).into()),
        };
        let edits: Edits = documents.iter().map(|(name, content)| (key(name), edit(content))).collect();
        Tree::new(self.db.store(), tree).edit(&edits).unwrap().id()
    }

    fn commit(&self, who: Option<&Who>, parents: &[CommitId], documents: Documents<'_>) -> CommitId {
        self.commit_tree(who, parents, self.tree(parents, documents), Vec::new())
    }

    /// A merge commit by its header.
    fn merge(&self, parents: &[CommitId], documents: Documents<'_>) -> CommitId {
        let header = ("isodb-merge".to_owned(), format!("1 {}", "0".repeat(64)).into_bytes());
        self.commit_tree(None, parents, self.tree(parents, documents), vec![header])
    }

    fn commit_tree(
        &self,
        who: Option<&Who>,
        parents: &[CommitId],
        tree: TreeId,
        headers: Vec<(String, Vec<u8>)>,
    ) -> CommitId {
        self.time.set(self.time.get() + 1);
        let person = Ident::new("N", who.map_or("nobody@farm", |who| who.email), self.time.get()).unwrap();
        let (author, committer) = (person.clone(), person);
        let mut commit =
            Commit { tree, parents: parents.to_vec(), author, committer, headers, message: b"m\n".to_vec() };
        if let Some(who) = who {
            let signature = who.key.sign(NAMESPACE, &commit.encode()).unwrap();
            commit.headers.push((HEADER.into(), signature.armor().into_bytes()));
        }
        CommitId(self.db.store().put(Kind::Commit, &commit.encode()).unwrap())
    }

    /// The proof of a commit, which may be of another one.
    fn prove(&self, key: &str, at: CommitId, since: Option<CommitId>) -> Result<(CommitId, Vec<u8>)> {
        let mut proof = Vec::new();
        let of = self.db.prove(&key.parse().unwrap(), at, since, &mut proof)?;
        Ok((of, proof))
    }

    /// Why there is no proof.
    #[track_caller]
    fn cannot_prove(&self, key: &str, at: CommitId, since: Option<CommitId>) -> String {
        self.prove(key, at, since).map(drop).unwrap_err().to_string()
    }
}

/// Checks a proof, and answers its content as well.
fn check(proof: &[u8], signers: Option<&AllowedSigners>, trusted: Option<CommitId>) -> Result<(Proof, Vec<u8>)> {
    let mut content = Vec::new();
    let checked = check_proof(&mut &proof[..], signers, trusted, &mut content)?;
    Ok((checked, content))
}

/// Why a proof does not hold.
#[track_caller]
fn refused(proof: &[u8], signers: Option<&AllowedSigners>, trusted: Option<CommitId>) -> String {
    match check(proof, signers, trusted) {
        Ok((proof, _)) => panic!("accepted: {proof:?}"),
        Err(error) => error.to_string(),
    }
}

/// A proof taken apart, to be put together again with another checksum.
#[derive(Clone)]
struct Parts {
    claim: Claim,
    objects: Vec<(Kind, Vec<u8>)>,
    content: Option<Vec<u8>>,
}

impl Parts {
    fn of(mut proof: &[u8]) -> Parts {
        let (claim, count, mut parser) = Parser::open(&mut proof).unwrap();
        let objects = (0..count).map(|_| parser.object().unwrap()).collect();
        let mut body = Vec::new();
        let content = claim.content.map(|id| parser.content(id, &mut body).map(|_| body).unwrap());
        parser.finish().unwrap();
        Parts { claim, objects, content }
    }

    fn write(&self) -> Vec<u8> {
        let mut proof = Vec::new();
        let mut writer = Writer::new(&mut proof, &self.claim, self.objects.len()).unwrap();
        let content = self.content.iter().map(|content| (Kind::Blob, content.clone()));
        for (kind, body) in self.objects.iter().cloned().chain(content) {
            writer.object(kind, &body).unwrap();
        }
        writer.finish().unwrap();
        proof
    }

    /// The proof with a change.
    fn with(&self, change: impl FnOnce(&mut Parts)) -> Vec<u8> {
        let mut parts = self.clone();
        change(&mut parts);
        parts.write()
    }
}
