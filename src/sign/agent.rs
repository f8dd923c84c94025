//! ssh-agent: asking the program that holds private keys to sign with one.
//!
//! What it answers is read within bounds of length and time, and a signature that it gives is verified before it is used.

use std::fmt;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::wire::{Reader, put_string};
use super::{PublicKey, SignError, Signature, Signer};

const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES: u8 = 12;
const REQUEST_SIGNATURE: u8 = 13;
const SIGNATURE: u8 = 14;

/// Of RSA keys: sign with SHA-512. What they do without being asked is not good enough.
const RSA_SHA2_512: u32 = 4;

/// The longest answer, in bytes, as in OpenSSH.
const MAX_ANSWER: u32 = 256 * 1024;

/// How long an answer may take: somebody may have to confirm, or to type a passphrase.
#[cfg(unix)]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(120);

/// What bytes go to an agent and come back through.
trait Channel: Read + Write + Send {}

impl<C: Read + Write + Send> Channel for C {}

/// A connection to an ssh-agent.
pub struct Agent {
    channel: Mutex<Box<dyn Channel>>,
}

impl Agent {
    /// Connects to the agent whose socket has this path, as `SSH_AUTH_SOCK` tells it.
    pub fn connect(socket: &Path) -> Result<Agent, SignError> {
        Ok(Agent { channel: Mutex::new(open(socket)?) })
    }

    /// An agent at the other end of something else than a socket.
    #[cfg(test)]
    pub(super) fn scripted(channel: impl Read + Write + Send + 'static) -> Agent {
        Agent { channel: Mutex::new(Box::new(channel)) }
    }

    /// The keys that it holds and their comments; without those of kinds that are not known here.
    pub fn identities(&self) -> Result<Vec<(PublicKey, String)>, SignError> {
        let answer = self.ask(&[REQUEST_IDENTITIES])?;
        let damaged = || wrong("its list of keys is damaged");
        let mut reader = Reader::new(&answer);
        if reader.byte() != Some(IDENTITIES) {
            return Err(wrong("it does not list its keys"));
        }
        let count = reader.u32().ok_or_else(damaged)?;
        let mut keys = Vec::new();
        for _ in 0..count {
            let blob = reader.string().ok_or_else(damaged)?;
            let comment = reader.string().ok_or_else(damaged)?;
            if let Ok(key) = PublicKey::from_blob(blob) {
                keys.push((key, String::from_utf8_lossy(comment).into_owned()));
            }
        }
        reader.end().ok_or_else(damaged)?;
        Ok(keys)
    }

    /// A signer with a key that the agent holds.
    pub fn into_signer(self, key: PublicKey) -> Result<AgentKey, SignError> {
        if !self.identities()?.iter().any(|(held, _)| *held == key) {
            return Err(wrong("it does not hold the key; ssh-add FILE gives it one"));
        }
        Ok(AgentKey { agent: self, key })
    }

    /// Sends a request and gives the answer's bytes.
    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let mut message = Vec::with_capacity(4 + request.len());
        put_string(&mut message, request);
        let mut ask = || {
            channel.write_all(&message)?;
            let mut len = [0; 4];
            channel.read_exact(&mut len)?;
            let len = u32::from_be_bytes(len);
            if len == 0 || len > MAX_ANSWER {
                return Err(std::io::Error::other("its answer is too long"));
            }
            let mut answer = Vec::new();
            (&mut *channel).take(u64::from(len)).read_to_end(&mut answer)?;
            match answer.len() == len as usize {
                true => Ok(answer),
                false => Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        };
        ask().map_err(|error: std::io::Error| match error.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => wrong("it did not answer in time"),
            std::io::ErrorKind::UnexpectedEof => wrong("it hung up"),
            _ => wrong(&error.to_string()),
        })
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Agent")
    }
}

/// A key that an agent holds.
#[derive(Debug)]
pub struct AgentKey {
    agent: Agent,
    key: PublicKey,
}

impl Signer for AgentKey {
    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn sign(&self, namespace: &str, message: &[u8]) -> Result<Signature, SignError> {
        let signature = Signature::make(&self.key, namespace, message, |data| {
            let mut request = vec![REQUEST_SIGNATURE];
            put_string(&mut request, self.key.blob());
            put_string(&mut request, data);
            request.extend_from_slice(&RSA_SHA2_512.to_be_bytes());
            let answer = self.agent.ask(&request)?;
            let mut reader = Reader::new(&answer);
            match (reader.byte(), reader.string(), reader.end()) {
                (Some(SIGNATURE), Some(signature), Some(())) => Ok(signature.to_vec()),
                (Some(FAILURE), ..) => Err(wrong("it refuses to sign with the key")),
                _ => Err(wrong("its answer is damaged")),
            }
        })?;
        signature.verify(namespace, message).map_err(|error| wrong(&format!("it gave a bad signature: {error}")))?;
        Ok(signature)
    }
}

#[cfg(unix)]
fn open(socket: &Path) -> Result<Box<dyn Channel>, SignError> {
    let open = || {
        let stream = std::os::unix::net::UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    match open() {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let error: std::io::Error = error;
            Err(wrong(&format!("nothing answers at {}: {error}", socket.display())))
        }
    }
}

#[cfg(not(unix))]
fn open(_socket: &Path) -> Result<Box<dyn Channel>, SignError> {
    Err(wrong("agents are not reached on this system"))
}

fn wrong(reason: &str) -> SignError {
    SignError::Agent(reason.into())
}
