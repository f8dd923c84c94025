//! OpenSSH's programs and git as they sign and verify: keys that ssh-keygen makes, an agent, git with a list of signers.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::{Ran, Sandbox, has_tool, run};

/// Whether all that these tests need is there; see [`has_tool`].
pub fn has_openssh() -> bool {
    has_tool("git") && ["ssh-keygen", "ssh-agent", "ssh-add"].into_iter().all(has_tool)
}

/// Makes a key of OpenSSH's: `kind` is what `-t` and further options say.
pub fn ssh_keygen(sandbox: &Sandbox, kind: &str, passphrase: &str, name: &str) -> PathBuf {
    let mut command = sandbox.command("ssh-keygen");
    command.args(["-q", "-t"]).args(kind.split(' ')).args(["-N", passphrase, "-C", "ann@farm", "-f", name]);
    // Few rounds of hashing: what is tested here is not how hard a passphrase is to guess.
    command.args(["-a", "1"]);
    run(command, None).ok();
    sandbox.path().join(name)
}

/// What a file holds, without the line feed.
pub fn line_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap().trim_end().to_owned()
}

/// git on the database, with the list of signers that is stored there.
pub fn git_with_list(sandbox: &Sandbox, args: &[&str]) -> Ran {
    let list = sandbox.isodb(["get", "_isodb/trust/allowed_signers"]).ok();
    let list = sandbox.write("allowed_signers", list.bytes());
    let file = format!("gpg.ssh.allowedSignersFile={}", list.display());
    sandbox.git([&["-c", "gpg.format=ssh", "-c", &file], args].concat())
}

/// Asserts that git finds the signature of a commit or a tag good.
#[track_caller]
pub fn verified_by_git(sandbox: &Sandbox, verify: &str, name: &str) {
    let ran = git_with_list(sandbox, &[verify, name]).ok();
    assert!(ran.stderr().starts_with("Good \"git\" signature for ann@farm with "), "{}", ran.stderr());
}

/// An ssh-agent, which ends with the value.
pub struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    pub fn start(sandbox: &Sandbox) -> Agent {
        let socket = sandbox.path().join("agent");
        let mut command = sandbox.command("ssh-agent");
        command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap();
        let start = Instant::now();
        while !socket.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "the agent does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        Agent { child, socket }
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Gives it a key.
    pub fn add(&self, sandbox: &Sandbox, key: &Path) {
        let mut command = sandbox.command("ssh-add");
        command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket);
        run(command, None).ok();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
