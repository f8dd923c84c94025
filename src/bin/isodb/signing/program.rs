//! Signing by `ssh-keygen`, for keys that this process cannot use: RSA, security keys, certificates, other files.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;
use isodb::{PublicKey, SignError, Signature, Signer};

use super::passphrase;
use crate::context::raw_variable;

/// The variable by which this program knows that `ssh-keygen` asks it for a passphrase.
const ANSWER: &str = "ISODB_ANSWER_PASSPHRASE";

/// `ssh-keygen` with a key's file: the private half, or the public one beside it.
#[derive(Debug)]
pub(super) struct Program {
    key: PublicKey,
    file: PathBuf,
}

impl Program {
    pub(super) fn new(key: PublicKey, file: PathBuf) -> Program {
        Program { key, file }
    }

    fn command(&self, namespace: &str) -> Command {
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace, "-f"]).arg(&self.file);
        // What it says, such as to touch a key, is for whoever runs the command.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        if passphrase::is_in_file()
            && let Ok(program) = std::env::current_exe()
        {
            command.env("SSH_ASKPASS", program).env("SSH_ASKPASS_REQUIRE", "force").env(ANSWER, "1");
        }
        command
    }
}

impl Signer for Program {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, namespace: &str, message: &[u8]) -> Result<Signature, SignError> {
        let failed = |error: io::Error| SignError::Program(format!("cannot run ssh-keygen: {error}"));
        let mut child = self.command(namespace).spawn().map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // How it ends says whether it has read all.
            let _ = stdin.write_all(message);
        }
        let ended = child.wait_with_output().map_err(failed)?;
        if !ended.status.success() {
            return Err(SignError::Program(format!("ssh-keygen did not sign with {}", self.file.display())));
        }
        let signature = Signature::parse(&ended.stdout)?;
        signature.verify(namespace, message)?;
        if *signature.public_key() != self.key {
            return Err(SignError::Program(format!("ssh-keygen signed with another key than {}", self.file.display())));
        }
        Ok(signature)
    }
}

/// Answers the passphrase that `ssh-keygen` asks for, if this process was started for that.
pub(crate) fn answer() -> Option<Result<()>> {
    raw_variable(ANSWER)?;
    Some(passphrase::from_file().and_then(|passphrase| {
        let passphrase = passphrase.unwrap_or_default();
        let mut out = io::stdout().lock();
        out.write_all(&passphrase)?;
        Ok(out.write_all(b"\n")?)
    }))
}
