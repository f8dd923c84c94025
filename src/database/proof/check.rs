//! Checking a proof, with no database.

use std::io::{Read, Write};

use super::bag::Bag;
use super::chain::Chain;
use super::examine::{Examined, examine};
use super::format::{Claim, Parser};
use super::signer::Right;
use super::{Proof, ProofChain, ProofSigner, broken};
use crate::database::error::{Error, Result};
use crate::database::trust::by_list;
use crate::object::{self, CommitId};
use crate::sign::AllowedSigners;
use crate::tree;

/// Checks a proof, and gives the content to `content` as it comes: it is to be believed only when this has returned.
///
/// The proof must be signed, by somebody who may sign by `signers` if they are given; and with `trusted`, a commit that the
/// caller trusts, it must begin there or pass there. Of the commit that is trusted itself no signature is asked. Without
/// either it is only known that the signature is good, not whose key that is.
///
/// At most 2 GiB of content, and 64 MiB of other objects, of which none has more than 8 MiB; the content is not kept in
/// memory.
///
/// # Errors
/// [`Error::Proof`] for anything that does not hold; [`Error::Io`] where the input or `content` fails.
pub fn check_proof(
    input: &mut dyn Read,
    signers: Option<&AllowedSigners>,
    trusted: Option<CommitId>,
    content: &mut dyn Write,
) -> Result<Proof> {
    let (claim, count, mut parser) = Parser::open(input)?;
    let mut bag = Bag::default();
    for _ in 0..count {
        let (kind, body) = parser.object()?;
        bag.add(kind, &body)?;
    }
    let examined = examine(&bag, &claim, &mut |commits| bag.next_of(commits)).map_err(of_proof)?;
    if !bag.is_used_up() {
        return Err(broken("it holds objects that it does not need, or not in their order"));
    }
    let proof = judged(&claim, examined, signers, trusted)?;
    let size = claim.content.map(|id| parser.content(id, content)).transpose()?;
    parser.finish()?;
    Ok(Proof { content: claim.content.zip(size), ..proof })
}

/// What a claim that holds says, to somebody who trusts these; the content is still to come.
fn judged(
    claim: &Claim,
    examined: Examined,
    signers: Option<&AllowedSigners>,
    trusted: Option<CommitId>,
) -> Result<Proof> {
    let Examined { commit, conflict, chain } = examined;
    if let Some(trusted) = trusted
        && trusted != claim.commit
        && !chain.as_ref().is_some_and(|chain| chain.commits.contains(&trusted))
    {
        return Err(broken(&format!("it does not begin with commit {trusted}, which is trusted")));
    }
    let key = commit.signer()?;
    let right = match (&key, signers) {
        (Some(key), Some(signers)) => Some(Right::of(by_list(signers, commit.claim(key)), key, &commit)?),
        _ => None,
    };
    if let Some(right) = &right {
        right.expect(&claim.key, &commit)?;
    }
    if key.is_none() && (signers.is_some() || trusted != Some(claim.commit)) {
        return Err(broken(&format!("commit {} is not signed", commit.id)));
    }
    // A chain that nobody trusts says nothing of who somebody is.
    let by_chain = chain.as_ref().filter(|_| trusted.is_some()).and_then(|chain| chain.right.as_ref());
    let principal = right.as_ref().or(by_chain).map(|right: &Right| right.principal.clone());
    Ok(Proof {
        key: claim.key.clone(),
        commit: claim.commit,
        content: None,
        conflict,
        author: commit.commit.author,
        committer: commit.commit.committer,
        signer: key.map(|key| ProofSigner { key, principal }),
        chain: chain.zip(claim.since).map(|(chain, since)| counted(&chain, since)),
    })
}

fn counted(chain: &Chain, since: CommitId) -> ProofChain {
    let links = chain.commits.len() as u64 - 1;
    ProofChain { since, signed: links - chain.merges, merges: chain.merges }
}

/// An error of reading the objects of a proof: there is nothing else that could be wrong.
fn of_proof(error: Error) -> Error {
    match error {
        Error::Object(object::Error::Missing { id, .. })
        | Error::Tree(tree::Error::Object(object::Error::Missing { id, .. })) => {
            broken(&format!("object {id} is missing, or does not stand where it is needed"))
        }
        Error::Object(error) => broken(&error.to_string()),
        Error::Tree(error) => broken(&error.to_string()),
        error => error,
    }
}
