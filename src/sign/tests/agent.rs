//! A real ssh-agent signs with keys of every kind; and agents that answer nonsense.

use std::io::{self, Cursor, Read, Write};
use std::process::Child;

use super::*;

/// An agent of the real ssh-agent. It ends with the value.
struct RealAgent {
    child: Child,
    socket: PathBuf,
}

impl RealAgent {
    fn new(keygen: &Keygen) -> Option<RealAgent> {
        let socket = keygen.path("agent");
        let mut command = Command::new("ssh-agent");
        let Ok(child) = command.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        else {
            skipped("ssh-agent");
            return None;
        };
        let agent = RealAgent { child, socket };
        while !agent.socket.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Some(agent)
    }

    fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        let output = command.arg("-q").arg(key).env("SSH_AUTH_SOCK", &self.socket).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn connect(&self) -> Agent {
        Agent::connect(&self.socket).unwrap()
    }
}

impl Drop for RealAgent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_agent_signs_with_every_kind_of_key() {
    let Some(keygen) = Keygen::new() else { return };
    let Some(agent) = RealAgent::new(&keygen) else { return };
    let authority = keygen.key("ecdsa-256", "");
    for kind in ["ed25519", "ecdsa-384", "rsa-2048"] {
        let key = keygen.key(kind, "");
        let public_path = key.with_extension("pub");
        let certify = ["-q", "-s", authority.to_str().unwrap(), "-I", "id", "-n", "ann@farm"];
        keygen.ok(&[&certify[..], &[public_path.to_str().unwrap()]].concat(), b"");
        let missing = agent.connect().into_signer(public(&key)).unwrap_err();
        assert!(missing.to_string().contains("does not hold the key"), "{missing}");
        agent.add(&key);
        let certificate = std::fs::read_to_string(format!("{}-cert.pub", key.display())).unwrap();
        let held = agent.connect().identities().unwrap();
        for key in [public(&key), PublicKey::parse(&certificate).unwrap()] {
            assert!(held.contains(&(key.clone(), "a comment".into())));
            let signer = agent.connect().into_signer(key.clone()).unwrap();
            assert_eq!(signer.public_key(), &key);
            // One connection for several signatures.
            for message in [b"one", b"two"] {
                let signature = signer.sign("git", message).unwrap();
                assert_eq!(signature.public_key(), &key);
                signature.verify("git", message).unwrap();
                if key.certificate().is_none() {
                    assert!(keygen.accepts(&signature, message));
                }
            }
        }
    }
    assert!(agent.connect().identities().unwrap().len() == 6);
}

#[test]
fn an_agent_that_is_gone_is_said() {
    let error = Agent::connect(Path::new("/nowhere/agent")).unwrap_err().to_string();
    assert!(error.starts_with("ssh-agent: nothing answers at /nowhere/agent: "), "{error}");
}

/// An agent that always answers the same bytes.
struct Scripted(Cursor<Vec<u8>>);

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn answers_that_are_nonsense_are_errors() {
    let key = PrivateKey::generate([1; 32], "");
    let key = key.public_key();
    let mut list = vec![12, 0, 0, 0, 1];
    wire::put_string(&mut list, key.blob());
    wire::put_string(&mut list, b"x");
    let framed = |answers: &[&[u8]]| {
        let mut bytes = Vec::new();
        answers.iter().for_each(|answer| wire::put_string(&mut bytes, answer));
        Agent::scripted(Scripted(Cursor::new(bytes)))
    };
    assert_eq!(framed(&[&list]).identities().unwrap().len(), 1);
    let too_many = [&[12, 255, 255, 255, 255], &list[5..]].concat();
    for answer in [&b""[..], &[5], &[12], &[12, 0, 0, 0, 2], &list[..9], &too_many, &[&list[..], b"x"].concat()] {
        assert!(matches!(framed(&[answer]).identities(), Err(SignError::Agent(_))), "{answer:?}");
    }
    for bytes in [&[255, 255, 255, 255][..], &[0, 0], &[0, 0, 0, 9, 12]] {
        let agent = Agent::scripted(Scripted(Cursor::new(bytes.to_vec())));
        assert!(matches!(agent.identities(), Err(SignError::Agent(_))), "{bytes:?}");
    }
    let of_another = PrivateKey::generate([2; 32], "").sign("git", b"hello").unwrap().armor();
    for answer in [&[5][..], &[14], &[14, 0, 0, 0, 0], of_another.as_bytes()] {
        let signer = framed(&[&list, answer]).into_signer(key.clone()).unwrap();
        assert!(matches!(signer.sign("git", b"hello"), Err(SignError::Agent(_))), "{answer:?}");
    }
}
