//! Exchange between databases: what the other lacks, in git's protocol, over whatever carries bytes.
//!
//! The protocol does no I/O of its own: it reads from `Read` and writes to `Write`. A transport leads to a remote's services;
//! a service answers for one database. **Invariant:** nothing that came in is led to by a ref before it was checked.

mod admit;
mod again;
mod agree;
mod bundle;
mod clone;
mod error;
mod exchange;
mod fetch;
mod here;
mod intake;
mod location;
mod meet;
mod negotiate;
mod offer;
mod peers;
mod pktline;
mod protocol;
mod push;
mod receive;
mod remote;
mod select;
mod serve;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod transport;
mod via;

pub use agree::{AgreeOptions, Agreed, Agreement, agree, pause_before, pull, upstream};
pub use bundle::{
    Bundle, BundleFile, BundleHeader, BundlePlan, BundleReport, BundleRequest, NodeName, NodeNameError,
    take as take_bundle, write_file,
};
pub use clone::{Clone, Cloned};
pub use error::Error;
pub use exchange::{FetchOptions, Fetching, PushEdit, PushOptions, PushReport, Pushing};
pub use fetch::{FetchLimits, FetchRequest, Fetched, Source};
pub use here::{Direction, Here, Listener, Progress, Traffic, Unit};
pub use location::{Location, SshOptions};
pub use meet::{Arrival, Arrived, FetchWish, Meeting, meet};
pub use offer::{Offer, Offered, PushWish, offer};
pub use peers::{Difference, Peer, PeerNote, WentBack};
pub use protocol::{RemoteRef, Service};
pub use push::{NotMoved, PushRequest, Pushed, push};
pub use remote::Remote;
pub use serve::{ServeLimits, Server};
pub use stream::Totals;
pub use transport::{Authorities, Credentials, HttpOptions, Transport, by_command, by_daemon, by_http, to_database};
pub use via::{Via, ViaFile, ViaLeft, ViaRequest, ViaState, via};
