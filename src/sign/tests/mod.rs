//! Tests of the room, most of them against the real ssh-keygen and ssh-agent.

mod agent;
mod basics;
mod flips;
mod keygen;
mod lists;
mod security_keys;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

/// Says that a tool is missing and a test did not run; with `ISODB_TEST_REQUIRE_TOOLS=1` it fails.
#[allow(clippy::print_stderr, reason = "a test that did not run must be seen")]
pub(super) fn skipped(tool: &str) {
    eprintln!("SKIPPED: {tool} is not installed");
    let required = std::env::var_os("ISODB_TEST_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "{tool} is not installed, and ISODB_TEST_REQUIRE_TOOLS is set");
}

/// A directory with keys that ssh-keygen made. It goes away with the value.
pub(super) struct Keygen {
    dir: tempfile::TempDir,
}

impl Keygen {
    /// `None` where there is no ssh-keygen.
    pub(super) fn new() -> Option<Keygen> {
        // No option only tells the version; but without the program there is no process at all.
        let found = Command::new("ssh-keygen").arg("-?").stdout(Stdio::null()).stderr(Stdio::null()).status();
        if found.is_err() {
            skipped("ssh-keygen");
            return None;
        }
        Some(Keygen { dir: tempfile::tempdir().unwrap() })
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    pub(super) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    /// Runs ssh-keygen in the directory; what it answers, and whether it was content.
    pub(super) fn run(&self, args: &[&str], input: &[u8]) -> (bool, String) {
        self.write("stdin", input);
        let output = Command::new("ssh-keygen")
            .args(args)
            .current_dir(self.dir.path())
            .env("TZ", "UTC")
            .stdin(std::fs::File::open(self.path("stdin")).unwrap())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    #[track_caller]
    pub(super) fn ok(&self, args: &[&str], input: &[u8]) -> String {
        let (good, said) = self.run(args, input);
        assert!(good, "{args:?}: {said}");
        said
    }

    /// Whether ssh-keygen accepts a signature of this message by anybody's key.
    pub(super) fn accepts(&self, signature: &Signature, message: &[u8]) -> bool {
        self.write("sig", signature.armor());
        self.write("allowed", format!("ann@farm {}\n", signature.public_key()));
        self.run(&["-Y", "verify", "-n", "git", "-f", "allowed", "-I", "ann@farm", "-s", "sig"], message).0
    }

    /// Whether a list allows a signature of `hello`, by ssh-keygen's judgement.
    pub(super) fn allows(&self, signature: &Signature, list: impl AsRef<[u8]>, identity: &str, time: i64) -> bool {
        self.write("sig", signature.armor());
        self.write("allowed", list);
        let time = jiff::Timestamp::from_second(time).unwrap().strftime("%Y%m%d%H%M%SZ");
        let time = format!("-Overify-time={time}");
        self.run(&["-Y", "verify", "-n", "git", "-f", "allowed", "-I", identity, "-s", "sig", &time], b"hello").0
    }

    /// Makes a key of a kind such as `ed25519` or `ecdsa-256`, with a passphrase that may be empty.
    pub(super) fn key(&self, kind: &str, passphrase: &str) -> PathBuf {
        let (kind, bits) = kind.split_once('-').unwrap_or((kind, ""));
        let name = format!("{kind}{bits}");
        let _ = std::fs::remove_file(self.path(&name));
        let mut args = vec!["-q", "-a", "1", "-t", kind, "-N", passphrase, "-C", "a comment", "-f", &name];
        if !bits.is_empty() {
            args.extend(["-b", bits]);
        }
        self.ok(&args, b"");
        self.path(&name)
    }

    /// What ssh-keygen makes of a message.
    pub(super) fn sign(&self, key: &Path, message: &[u8]) -> Signature {
        self.write("message", message);
        let _ = std::fs::remove_file(self.path("message.sig"));
        self.ok(&["-q", "-Y", "sign", "-n", "git", "-f", key.to_str().unwrap(), "message"], b"");
        Signature::parse(&self.read("message.sig")).unwrap()
    }
}

/// The public key beside a private one.
pub(super) fn public(key: &Path) -> PublicKey {
    PublicKey::parse(&std::fs::read_to_string(key.with_extension("pub")).unwrap()).unwrap()
}
