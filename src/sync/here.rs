//! What this side brings along when it meets another database: its own, what runs merge scripts, and who is told how it goes.

use std::fmt;

use crate::database::Database;
use crate::object::Ident;
use crate::script::Runner;

/// This side of an exchange.
pub struct Here<'d, 'r> {
    /// The database.
    pub db: &'d Database,
    /// Who and when, for the reflogs.
    pub who: &'r Ident,
    /// Makes merge commits that come in again.
    pub runner: &'r mut dyn Runner,
    /// Is told how it goes.
    pub listener: &'r mut dyn Listener,
}

impl fmt::Debug for Here<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Here").field("db", &self.db.root()).finish_non_exhaustive()
    }
}

/// Is told how an exchange goes, while it does. `()` listens to nothing.
pub trait Listener {
    /// What the other side says for people: text as it comes, which may end in the middle of a line. It has no characters
    /// that a terminal would obey but the newline and the carriage return.
    fn said(&mut self, text: &str) {
        let _ = text;
    }

    /// How far it is; told again and again.
    fn progress(&mut self, progress: &Progress) {
        let _ = progress;
    }
}

impl Listener for () {}

/// How far an exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which way it goes.
    pub direction: Direction,
    /// What is counted.
    pub unit: Unit,
    /// How many there were so far.
    pub done: u64,
    /// How many there will have been, where that is known.
    pub total: Option<u64>,
    /// How many bytes went over the connection for them.
    pub bytes: u64,
    /// How many will have gone, where that is known.
    pub total_bytes: Option<u64>,
}

/// Which way things go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// They come in.
    In,
    /// They go out.
    Out,
}

/// What is counted on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Objects of git.
    Objects,
    /// Documents.
    Documents,
}

/// What went over a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes that came in, without those of what is below (HTTP's headers, ssh).
    pub received: u64,
    /// Bytes that went out, counted in the same way.
    pub sent: u64,
    /// Objects that came or went; none where documents are counted.
    pub objects: u64,
    /// Documents that came or went; none where objects are counted.
    pub documents: u64,
}

impl std::ops::AddAssign for Traffic {
    fn add_assign(&mut self, other: Traffic) {
        self.received += other.received;
        self.sent += other.sent;
        self.objects += other.objects;
        self.documents += other.documents;
    }
}
