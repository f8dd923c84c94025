//! `isodb verify --proof`: check a proof, with no database.

use std::path::{Path, PathBuf};

use anyhow::Result;
use isodb::{AllowedSigners, CommitId, Proof, check_proof, signer_problems};
use serde_json::{Value, json};

use crate::args::ListArgs;
use crate::bulk::exporter::Sink;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::input::Input;
use crate::output::Output;
use crate::{people, time};

#[derive(clap::Args)]
pub(crate) struct ProofArgs {
    /// Check a proof that `isodb prove` made: FILE, or - for stdin. Needs no database
    #[arg(long, value_name = "FILE", conflicts_with_all = ["range", "merges", "failed"], value_hint = clap::ValueHint::FilePath)]
    proof: Option<PathBuf>,
    /// With --proof: only somebody in FILE may have signed it; in OpenSSH's format allowed_signers
    #[arg(long, value_name = "FILE", requires = "proof", value_hint = clap::ValueHint::FilePath)]
    signers: Option<PathBuf>,
    /// With --proof: its commits must lead from this one, by its id
    #[arg(long, value_name = "ID", requires = "proof")]
    trusted: Option<CommitId>,
    /// With --proof: write the document's content to FILE once all of the proof holds; - is stdout, and is written to as the
    /// proof is read
    #[arg(long, value_name = "FILE", requires = "proof", value_hint = clap::ValueHint::FilePath)]
    content: Option<PathBuf>,
}

impl ProofArgs {
    /// Checks the proof, if that is what was asked for. `None`: it was not.
    pub(super) fn run(&self, context: &Context, list: ListArgs) -> Option<Result<()>> {
        self.proof.as_deref().map(|proof| self.check(context, list, proof))
    }

    fn check(&self, context: &Context, list: ListArgs, proof: &Path) -> Result<()> {
        let signers = self.signers.as_deref().map(|path| signers(context, path)).transpose()?;
        let to_stdout = self.content.as_deref().is_some_and(|path| path.as_os_str() == "-");
        let path = self.content.as_deref().filter(|_| !to_stdout).map(|path| context.path(path));
        let mut source = Input::open(context, Some(proof))?.source;
        let checked = match &self.content {
            None => check_proof(&mut source, signers.as_ref(), self.trusted, &mut std::io::sink())?,
            Some(_) => {
                let mut sink = Sink::plain(path.as_deref())?;
                let checked = check_proof(&mut source, signers.as_ref(), self.trusted, &mut sink)
                    .map_err(|error| Sink::failed(error, path.as_deref()))?;
                if checked.content.is_none() {
                    return Err(Failure::no_such(format!("the proof shows that there is no {:?}", checked.key)).into());
                }
                sink.finish().map_err(|error| Sink::named(error, path.as_deref()))?;
                checked
            }
        };
        if !context.is_quiet() {
            self.warn(&checked);
        }
        if to_stdout {
            return Ok(());
        }
        let mut out = Output::records(context, list);
        if list.json {
            out.json(&json(&checked))?
        } else {
            print(&mut out, &checked)?
        }
        out.finish()
    }

    /// Tells what the proof does not say to somebody who brings nothing to judge it by.
    fn warn(&self, proof: &Proof) {
        if self.signers.is_some() || self.trusted.is_some() {
            return;
        }
        say("warning: the signature is good, but nobody has said whose key it is");
        match &proof.chain {
            Some(chain) => {
                say(&format!("hint: --signers FILE says who may sign; --trusted {} where to begin", chain.since))
            }
            None => say("hint: --signers FILE says who may sign"),
        }
    }
}

/// Reads a list of who may sign.
fn signers(context: &Context, path: &Path) -> Result<AllowedSigners> {
    let path = context.path(path);
    let name = path.display();
    let text = std::fs::read(&path).map_err(|error| crate::input::unreadable(&name.to_string(), error))?;
    let signers = AllowedSigners::parse(&text);
    if !context.is_quiet() {
        for (line, reason) in signer_problems(&signers) {
            say(&format!("warning: line {line} of {name} cannot be used: {reason}"));
        }
    }
    Ok(signers)
}

/// One line a fact.
fn print(out: &mut Output, proof: &Proof) -> Result<()> {
    let text = proof.key.text();
    let key = out.key(&text).into_owned();
    out.record(&format!("key {key}"))?;
    out.record(&format!("commit {}", out.id(proof.commit)))?;
    match proof.content {
        Some((id, size)) => out.record(&format!("content {} {size}", out.id(id)))?,
        None => out.record("absent")?,
    }
    if let Some(conflict) = &proof.conflict {
        if conflict.deleted {
            out.record("version deleted")?;
        }
        for version in &conflict.versions {
            out.record(&format!("version {}", out.id(*version)))?;
        }
    }
    if let Some(signer) = &proof.signer {
        let who = signer.principal.as_deref().map(|who| format!(" {}", people::printable(who)));
        out.record(&format!("signer {}{}", signer.key.fingerprint(), who.unwrap_or_default()))?;
    }
    let committer = people::printable(&proof.committer.person().to_string());
    out.record(&format!("committer {committer}"))?;
    out.record(&format!("time {}", time::show(proof.committer.seconds())))?;
    if let Some(chain) = &proof.chain {
        out.record(&format!("since {} {} {}", out.id(chain.since), chain.signed, chain.merges))?;
    }
    Ok(())
}

fn json(proof: &Proof) -> Value {
    let signer = proof.signer.as_ref().map(|signer| {
        json!({"fingerprint": signer.key.fingerprint(), "key": signer.key.to_string(), "principal": signer.principal})
    });
    let chain = proof
        .chain
        .as_ref()
        .map(|chain| json!({"since": chain.since.to_string(), "signed": chain.signed, "merges": chain.merges}));
    let mut object = json!({
        "key": proof.key.text(), "commit": proof.commit.to_string(), "author": people::person_json(&proof.author),
        "committer": people::person_json(&proof.committer), "signer": signer, "chain": chain,
    });
    match proof.content {
        Some((id, size)) => {
            object["id"] = id.to_string().into();
            object["size"] = size.into();
        }
        None => object["missing"] = true.into(),
    }
    if let Some(conflict) = &proof.conflict {
        let deleted = conflict.deleted.then(|| json!({"id": null, "deleted": true}));
        let versions = conflict.versions.iter().map(|id| json!({"id": id.to_string()}));
        object["versions"] = deleted.into_iter().chain(versions).collect();
        object["base"] = conflict.base.map(|id| id.to_string()).into();
    }
    object
}
