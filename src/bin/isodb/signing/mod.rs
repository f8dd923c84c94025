//! Who signs: from the setting `user.signingKey` to somebody who can.
//!
//! A key file of Ed25519 or P-256 signs in this process. For all else there is ssh-agent, and `ssh-keygen` after that.

mod file;
mod passphrase;
mod program;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use isodb::{Agent, Database, PrivateKey, PublicKey, Require, Signer};

use crate::args::SignArgs;
use crate::context::{Context, raw_variable};
use crate::error::{Failure, say};
use program::Program;

pub(crate) use file::{check_new, public_line, write_new};
pub(crate) use passphrase::of_new_key as new_passphrase;
pub(crate) use program::answer;

/// What makes a key where there is none.
const NO_KEY: &str = "`isodb trust keygen` makes a key; `isodb config user.signingKey FILE` names one that there is";

/// The kinds of keys whose files sign in this process.
const OWN_KINDS: [&str; 2] = ["ssh-ed25519", "ecdsa-sha2-nistp256"];

impl Context {
    /// Who signs what a command makes, if anybody: as its arguments say, else as the setting of this name. Whoever it is
    /// is found once, and asked for a passphrase once.
    pub(crate) fn signer(&self, db: &Database, args: SignArgs, setting: &str) -> Result<Option<Arc<dyn Signer>>> {
        if let Some(signer) = self.signer.get() {
            return Ok(signer.clone());
        }
        let is_wanted = args.sign || !args.no_sign && self.flag(db, setting)?.unwrap_or(false);
        let signer = match is_wanted {
            false => {
                if !self.is_quiet() && db.require()? == Require::Signed {
                    say("warning: this is not signed: others with trust.require = signed, as here, do not take it");
                }
                None
            }
            true => {
                let key = self.setting(db, "user.signingKey")?.filter(|key| !key.trim().is_empty());
                let none = || Failure::usage("there is no key to sign with").hint(NO_KEY);
                Some(self.find_signer(key.ok_or_else(none)?.trim())?)
            }
        };
        Ok(self.signer.get_or_init(|| signer).clone())
    }

    /// Whoever can sign with the key that a text names: a file, or as git has it the public key itself.
    fn find_signer(&self, text: &str) -> Result<Arc<dyn Signer>> {
        let literal = text.strip_prefix("key::");
        match PublicKey::parse(literal.unwrap_or(text)) {
            Ok(key) => Ok(from_agent(&key)?.ok_or_else(|| not_in_agent(&key))?),
            Err(error) if literal.is_some() || text.starts_with("ssh-") && text.contains(' ') => {
                Err(Failure::usage(format!("user.signingKey is {text:?}: {error}")).hint(NO_KEY).into())
            }
            Err(_) => self.signer_of_file(self.path(&expanded(text)?)),
        }
    }

    fn signer_of_file(&self, path: PathBuf) -> Result<Arc<dyn Signer>> {
        let content = file::read(&path)?;
        if let Some(public) = file::public_key(&content) {
            // The private half may lie beside it; that of a certificate would sign without the certificate.
            let private = path.with_extension("");
            return match public.certificate().is_none()
                && path.extension().is_some_and(|e| e == "pub")
                && private.exists()
            {
                true => self.signer_of_file(private),
                false => from_others(public, path),
            };
        }
        let key = match PrivateKey::parse(&content) {
            Ok(key) => key,
            // Programs of OpenSSH's read more than we do; what they need to be told of is the public half.
            Err(error) => match file::public_key_in(&file::public_path(&path)) {
                Ok(public) => return from_others(public, path),
                Err(_) => {
                    let text = format!("cannot sign with {}: {error}", path.display());
                    return Err(Failure::usage(text).hint(NO_KEY).into());
                }
            },
        };
        if file::is_open_to_others(&path) && !self.is_quiet() {
            let name = path.display();
            say(&format!("warning: others can read the private key {name}: `chmod 600 {name}` keeps them out"));
        }
        if !OWN_KINDS.contains(&key.public_key().kind()) {
            return from_others(key.public_key().clone(), path);
        }
        if !key.is_encrypted() {
            return Ok(Arc::new(key));
        }
        // Whoever has given it to an agent is not asked again.
        if !passphrase::is_in_file()
            && let Ok(Some(signer)) = from_agent(key.public_key())
        {
            return Ok(signer);
        }
        let opened = key.decrypt(&passphrase::of_key(&path)?);
        Ok(Arc::new(opened.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?))
    }
}

/// The agent's signer with a key; none where there is no agent, or it does not hold the key.
fn from_agent(key: &PublicKey) -> Result<Option<Arc<dyn Signer>>> {
    let Some(socket) = raw_variable("SSH_AUTH_SOCK") else { return Ok(None) };
    let agent = Agent::connect(Path::new(&socket))?;
    let holds = agent.identities()?.iter().any(|(held, _)| held == key);
    Ok(if holds { Some(Arc::new(agent.into_signer(key.clone())?)) } else { None })
}

fn not_in_agent(key: &PublicKey) -> Failure {
    let text = match raw_variable("SSH_AUTH_SOCK") {
        Some(_) => format!("ssh-agent does not hold the key {}", key.fingerprint()),
        None => format!("there is no ssh-agent to sign with the key {}", key.fingerprint()),
    };
    Failure::system(text).hint("`ssh-add FILE` gives a key to the agent; `eval $(ssh-agent)` starts one")
}

/// Whoever signs with a key that this process cannot use: the agent, or a program if the private half is in a file.
fn from_others(key: PublicKey, file: PathBuf) -> Result<Arc<dyn Signer>> {
    // An agent that is gone is no reason not to try the program.
    if let Ok(Some(signer)) = from_agent(&key) {
        return Ok(signer);
    }
    match file::private_path(&file) {
        Some(_) => Ok(Arc::new(Program::new(key, file))),
        None => Err(not_in_agent(&key).into()),
    }
}

/// A path with the home directory in place of `~/`.
fn expanded(text: &str) -> Result<PathBuf> {
    match text.strip_prefix("~/") {
        None => Ok(PathBuf::from(text)),
        Some(rest) => match raw_variable("HOME") {
            Some(home) => Ok(Path::new(&home).join(rest)),
            None => Err(Failure::usage(format!("HOME is not set, so {text} is nowhere")).into()),
        },
    }
}
