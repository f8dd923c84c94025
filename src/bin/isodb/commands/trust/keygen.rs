//! `isodb trust keygen`: a key for a device that has none.

use std::path::PathBuf;

use anyhow::Result;
use isodb::PrivateKey;
use serde_json::json;
use zeroize::Zeroizing;

use crate::context::{Context, account};
use crate::error::{Failure, say};
use crate::output::Output;
use crate::signing;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The file for the private key; the public one goes to FILE.pub [default: id_ed25519 beside your configuration]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Lock it with a passphrase, asked on the terminal or taken from the first line of $ISODB_PASSPHRASE_FILE
    #[arg(long)]
    passphrase: bool,
    /// What the key is called [default: you@this machine]
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Print a JSON object: {"path","key","fingerprint"}
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<()> {
    let path = match &args.file {
        Some(file) => context.path(file),
        None => {
            let dir = context.user_dir()?;
            let made = std::fs::create_dir_all(&dir);
            made.map_err(|error| Failure::system(format!("cannot make {}: {error}", dir.display())))?;
            dir.join("id_ed25519")
        }
    };
    signing::check_new(&path)?;
    let mut key = PrivateKey::generate(*random::<32>()?, &args.comment.unwrap_or_else(account));
    let public = format!("{} {}", key.public_key(), key.comment());
    let fingerprint = key.public_key().fingerprint();
    if args.passphrase {
        key = key.encrypt(&signing::new_passphrase()?, *random::<16>()?)?;
    }
    signing::write_new(&path, &key.to_openssh(), &format!("{public}\n"))?;
    if args.file.is_none() {
        use_it(context, &path.display().to_string())?;
    }
    let mut out = Output::new(context);
    if args.json {
        out.json(&json!({"path": path.display().to_string(), "key": public, "fingerprint": fingerprint}))?;
    } else {
        out.record(&public)?;
    }
    out.finish()
}

/// Bytes that nobody can guess.
fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    getrandom::fill(&mut *bytes)
        .map_err(|error| Failure::system(format!("the system has no random bytes: {error}")))?;
    Ok(bytes)
}

/// Makes it the key that the user signs with, unless there is one.
fn use_it(context: &Context, path: &str) -> Result<()> {
    let changed = context.change_user_config(|config| match config.get("user.signingKey") {
        Some(_) => Ok(None),
        None => config.with("user.signingKey", path).map(Some),
    })?;
    if !context.is_quiet() {
        match changed {
            true => say(&format!("note: user.signingKey is {path} now, in your own settings")),
            false => say("note: user.signingKey is set to another key, and stays so"),
        }
    }
    Ok(())
}
