//! Merge scripts: a document's versions in, the merged document out (`docs/format/scripts.md`).
//!
//! A leaf room: no clock, no disk, no network, and nothing of isodb but its JSON. A script is foreign code that comes with
//! the data. What it answers must be the same on every machine, so everything that could differ is taken from it, and
//! everything that it could use too much of has a limit that is counted, never timed.

mod engine;
mod frame;
mod in_process;
mod limits;
mod remote;
mod rhai;
mod serve;
mod wasm;

pub use in_process::InProcess;
pub use remote::Remote;
pub use serve::serve_scripts;

use crate::json;

/// The languages of scripts. A name fixes an engine down to its version: what a script answers never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// `rhai/1`: Rhai 1.27.0 without whatever is not deterministic.
    Rhai1,
    /// `wasm/1`: WebAssembly by wasmi's deterministic profile.
    Wasm1,
}

impl Dialect {
    /// All there are.
    pub const ALL: [Dialect; 2] = [Dialect::Rhai1, Dialect::Wasm1];

    /// The name that a rule states.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Rhai1 => "rhai/1",
            Dialect::Wasm1 => "wasm/1",
        }
    }

    /// The dialect of this name.
    pub fn from_name(name: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.name() == name)
    }
}

/// A script, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Its language.
    pub dialect: Dialect,
    /// Its text or module.
    pub source: Vec<u8>,
}

/// Who changed a document on one side, for scripts that ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The change's author, as `Name <mail>`.
    pub author: String,
    /// The committer's time of the change, in seconds since 1970.
    pub time: i64,
    /// The id of the commit that made the change, in hex.
    pub commit: String,
}

/// One document to merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which of the scripts that were loaded, from 0.
    pub script: usize,
    /// The document's key, as text.
    pub key: String,
    /// The content that both sides came from, where there was one.
    pub base: Option<Vec<u8>>,
    /// The version with the lower id; `None` where it is the deletion.
    pub left: Option<Vec<u8>>,
    /// The version with the greater id; `None` where it is the deletion.
    pub right: Option<Vec<u8>>,
    /// Who made the two versions; needed only for scripts that take it.
    pub sides: Option<[Side; 2]>,
}

impl Job {
    /// The versions that are there: those that are not the deletion.
    fn versions(&self) -> impl Iterator<Item = &[u8]> {
        [&self.left, &self.right].into_iter().flatten().map(Vec::as_slice)
    }

    /// Whether the merged document has to be JSON: the versions that are there all are.
    pub fn makes_json(&self) -> bool {
        let mut versions = self.versions().peekable();
        versions.peek().is_some() && versions.all(|version| json::parse(version).is_ok())
    }
}

/// What a script made of a document. The same on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The merged document.
    Merged(Vec<u8>),
    /// There is no document any more.
    Deleted,
    /// The conflict stays: the script says so or throws, it met a limit, or what it returned is no document. Why, for
    /// people.
    Conflict(String),
}

/// What is known of a script that was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// Its number, for [`Job::script`].
    pub script: usize,
    /// Whether it takes [`Job::sides`].
    pub takes_sides: bool,
    /// Why it cannot be run, where it does not compile: the reason of every conflict that it leaves. The same on every
    /// machine.
    pub broken: Option<String>,
}

/// A failure of this machine, not of the script: another machine may have an answer, so none may be made up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the process that runs merge scripts {0}")]
pub struct Failure(pub String);

/// Takes what scripts print, line by line. It has no influence on what they answer.
pub type Print = Box<dyn FnMut(&str) + Send>;

/// Something that runs scripts.
pub trait Runner {
    /// Takes in a script. One that does not compile is loaded too: each of its jobs is a [`Verdict::Conflict`] then.
    ///
    /// # Errors
    /// [`Failure`].
    fn load(&mut self, script: &Script) -> Result<Loaded, Failure>;

    /// Runs jobs, and answers a verdict for each, in their order.
    ///
    /// # Errors
    /// [`Failure`]; then there is no verdict at all.
    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, Failure>;
}
