//! The documents that a simulation starts from: some of the database's, those that rules name first, and all of the rules.

use super::random::Random;
use crate::database::Database;
use crate::database::error::{Error, Result};
use crate::merge::{Method, Rules};
use crate::object::{Objects, TreeId};
use crate::tree::{Document, Key, Range};

/// Documents that are larger, in bytes, are left out: a run writes each many times.
const LARGEST: u64 = 64 << 10;

/// Nothing larger, in bytes, is read as rules or run as a script, so it is left out as well.
const LARGEST_SETTING: u64 = 16 << 20;

/// Where documents about the database lie.
const OWN: &str = "_isodb";

/// What a run starts with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) samples: Vec<Sample>,
    /// The rules and scripts.
    pub(super) settings: Vec<(Key, Vec<u8>)>,
}

/// A document that nodes write to.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) key: Key,
    pub(super) content: Vec<u8>,
    pub(super) kept: Kept,
}

/// Whether merging keeps all versions of a document that nobody took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// Its rule is `keep`.
    Always,
    /// There is no rule, so it is merged where its versions are JSON objects.
    UnlessObject,
    /// A rule may make one version of several.
    No,
}

/// Up to so many documents of a root tree, chosen by the seed.
///
/// # Errors
/// [`Error::Invalid`] when there is no document, and the errors of rules that cannot be read.
pub(super) fn start(db: &Database, tree: TreeId, count: usize, seed: u64) -> Result<Start> {
    let tree = db.tree(tree);
    let (own, below): (Key, Key) = (fixed(OWN), Rules::folder());
    let rules = match tree.get(&Rules::key())? {
        Some(document) => Rules::parse(&db.store.blob(document.blob)?)?,
        None => Rules::none(),
    };
    let mut settings = Vec::new();
    let mut random = Random::new(seed);
    let (mut named, mut others) = (Chosen::new(count), Chosen::new(count));
    for found in tree.documents(Range::default())? {
        let (key, document) = found?;
        if key.is_below(&below) {
            if is_at_most(db, document, LARGEST_SETTING)? {
                settings.push((key, db.store.blob(document.blob)?.to_vec()));
            }
        } else if !key.is_below(&own) {
            let method = rules.find(&key).map(|rule| &rule.method);
            let kept = match method {
                None => Kept::UnlessObject,
                Some(Method::Keep) => Kept::Always,
                Some(_) => Kept::No,
            };
            let chosen = if method.is_some() { &mut named } else { &mut others };
            chosen.offer(&mut random, || (key, document, kept));
        }
    }
    let mut samples = Vec::new();
    for (key, document, kept) in named.items.into_iter().chain(others.items) {
        if samples.len() < count && is_at_most(db, document, LARGEST)? {
            samples.push(Sample { key, content: db.store.blob(document.blob)?.to_vec(), kept });
        }
    }
    if samples.is_empty() {
        return Err(Error::Invalid("there is no document to simulate with".into()));
    }
    random.shuffle(&mut samples);
    Ok(Start { samples, settings })
}

fn is_at_most(db: &Database, document: Document, most: u64) -> Result<bool> {
    Ok(db.store.header(document.blob.0)?.is_some_and(|(_, size)| size <= most))
}

fn fixed(key: &str) -> Key {
    key.parse().expect("a key")
}

/// A choice of some that are met one by one, each as likely as the others.
struct Chosen {
    count: usize,
    met: usize,
    items: Vec<(Key, Document, Kept)>,
}

impl Chosen {
    fn new(count: usize) -> Chosen {
        Chosen { count, met: 0, items: Vec::new() }
    }

    fn offer(&mut self, random: &mut Random, item: impl FnOnce() -> (Key, Document, Kept)) {
        self.met += 1;
        if self.items.len() < self.count {
            self.items.push(item());
        } else {
            let at = random.below(self.met);
            if at < self.count {
                self.items[at] = item();
            }
        }
    }
}
