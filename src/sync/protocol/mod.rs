//! The messages of git's smart protocol, each with a client's and a server's side, over any `Read` and `Write`.
//!
//! Spoken are version 2 for what is fetched (`ls-refs`, `fetch`) and receive-pack for what is pushed; object names are
//! SHA-256 only. `docs/protocol/git.md` tells what is left out. Source: git's `Documentation/gitprotocol-v2.adoc` and
//! `gitprotocol-pack.adoc`.

mod capabilities;
mod fetch;
mod list;
mod push;
mod sideband;
#[cfg(test)]
mod tests;
mod version;

pub(crate) use capabilities::Capabilities;
pub(crate) use fetch::{Acknowledged, FetchAsked, read_acknowledged, write_acknowledged, write_fetch};
pub use list::RemoteRef;
pub(crate) use list::{ListAsked, read_refs, write_list, write_refs};
pub(crate) use push::{
    Asked, Begun, Command, Pushable, Report, read_commands, read_pushable, read_report, write_commands, write_pushable,
    write_report,
};
pub(crate) use sideband::{Band, Demultiplexer, Multiplexer};
pub(crate) use version::{Request, read_capabilities, read_request, write_capabilities};

use super::error::{Error, Result, strange};
use crate::object::Id;

/// A service that a database offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Tells its refs and sends objects.
    UploadPack,
    /// Takes objects and moves its refs.
    ReceivePack,
}

impl Service {
    /// git's word for it, as programs and addresses have it.
    pub fn name(self) -> &'static str {
        match self {
            Service::UploadPack => "upload-pack",
            Service::ReceivePack => "receive-pack",
        }
    }
}

/// The most refs that are listened to, and moved at once.
pub(crate) const MAX_REFS: usize = 1 << 20;
/// The most commits that one request may say are had.
pub(crate) const MAX_HAVES: usize = 1 << 17;
/// The most lines that a list of capabilities may have.
const MAX_CAPABILITIES: usize = 256;

/// What this program calls itself.
pub(crate) fn agent() -> &'static str {
    concat!("isodb/", env!("CARGO_PKG_VERSION"))
}

/// The one format of ids that is spoken here.
const FORMAT: &str = "sha256";

fn id(text: &str) -> Result<Id> {
    text.parse().map_err(|_| strange("this is no SHA-256 id", text.as_bytes()))
}

/// Refuses more than a limit of something.
fn within(count: usize, limit: usize, what: &'static str) -> Result<()> {
    if count > limit { Err(Error::TooMuch { what, limit: limit as u64 }) } else { Ok(()) }
}

/// Refuses a side that says it has ids of another format, or none, which means SHA-1.
fn check_format(found: Option<&str>) -> Result<()> {
    match found {
        Some(FORMAT) => Ok(()),
        found => Err(Error::Unsupported(format!(
            "has a repository of the object format {}, and only {FORMAT} is spoken here",
            super::error::excerpt(found.unwrap_or("sha1").as_bytes())
        ))),
    }
}
