//! Rules that are scripts: what each is given, and what becomes of its answers. Documents go to the runner many at a time.

use std::collections::HashMap;
use std::panic::resume_unwind;

use super::contents::{Contents, Reader};
use super::decide::{Decided, Version};
use super::made::Origins;
use crate::database::error::Result;
use crate::database::origins::Origin;
use crate::merge::Dispute;
use crate::object::{BlobId, Kind, Objects, TreeId, hash};
use crate::script::{Dialect, Failure, Job, Loaded, Runner, Script, Side, Verdict};
use crate::tree::{Key, Tree};

/// So many documents, or so many bytes of them, go to the runner at once.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 16 << 20;

/// The scripts of one merge, each loaded once.
pub(super) struct Scripts<'a> {
    runner: &'a mut dyn Runner,
    loaded: HashMap<(Dialect, BlobId), Loaded>,
}

/// A document on its way through a script: what two versions at a time have come to.
struct Run<'d> {
    at: usize,
    dispute: &'d Dispute,
    base: Option<Vec<u8>>,
    /// What has been merged so far.
    merged: One,
    /// What is still to come, the next one last.
    left: Vec<One>,
    decided: Option<Decided>,
}

/// A version or what a script made of some.
#[derive(Clone)]
struct One {
    id: Version,
    content: Option<Vec<u8>>,
    origin: Option<Origin>,
}

impl<'a> Scripts<'a> {
    pub(super) fn new(runner: &'a mut dyn Runner) -> Scripts<'a> {
        Scripts { runner, loaded: HashMap::new() }
    }

    /// Loads the script at a key of the folder in force; or tells why there is none.
    pub(super) fn load<O: Objects>(
        &mut self,
        reader: &Reader<'_, O>,
        root: TreeId,
        key: &Key,
        dialect: &str,
    ) -> Result<Result<Loaded, String>> {
        let dialect = Dialect::from_name(dialect).expect("rules name no other dialects");
        let Some(document) = Tree::new(reader.objects, root).get(key)? else {
            return Ok(Err(format!("there is no document {:?}", key.text())));
        };
        if let Some(loaded) = self.loaded.get(&(dialect, document.blob)) {
            return Ok(Ok(loaded.clone()));
        }
        let source = match reader.read(document.blob)? {
            Ok(source) => source,
            Err(size) => return Ok(Err(format!("the script {:?} has {size} bytes", key.text()))),
        };
        let loaded = self.runner.load(&Script { dialect, source })?;
        self.loaded.insert((dialect, document.blob), loaded.clone());
        Ok(Ok(loaded))
    }

    /// Runs a script over documents in dispute.
    pub(super) fn run<O: Objects + Sync>(
        &mut self,
        reader: &Reader<'_, O>,
        loaded: &Loaded,
        mut disputes: &[(usize, &Dispute)],
        origins: &Origins,
    ) -> Result<Vec<(usize, Decided)>> {
        let mut decided = Vec::with_capacity(disputes.len());
        let mut batch = read_batch(reader, &mut disputes, origins)?;
        while !batch.is_empty() {
            // The next ones are read while the scripts run.
            let next = std::thread::scope(|scope| -> Result<_> {
                let left = &mut disputes;
                let next = (!left.is_empty()).then(|| scope.spawn(|| read_batch(reader, left, origins)));
                self.finish(reader, loaded, &mut batch)?;
                next.map_or(Ok(Vec::new()), |next| next.join().unwrap_or_else(|panic| resume_unwind(panic)))
            })?;
            let done = std::mem::replace(&mut batch, next);
            decided.extend(done.into_iter().filter_map(|run| Some((run.at, run.decided?))));
        }
        Ok(decided)
    }

    /// Takes a batch to its end, a pair of versions of each document at a time.
    fn finish<O: Objects>(&mut self, reader: &Reader<'_, O>, loaded: &Loaded, batch: &mut [Run<'_>]) -> Result<()> {
        loop {
            let mut jobs = Vec::new();
            let mut waiting = Vec::new();
            for run in batch.iter_mut().filter(|run| run.decided.is_none()) {
                match run.next() {
                    Some(next) => {
                        jobs.push(run.job(&next, loaded));
                        waiting.push((run, next));
                    }
                    None => {
                        let merged = run.merged.content.as_ref();
                        let blob = merged.map(|content| reader.objects.put(Kind::Blob, content)).transpose()?;
                        run.decided = Some(Decided::version(blob.map(BlobId)));
                    }
                }
            }
            if jobs.is_empty() {
                return Ok(());
            }
            let verdicts = self.runner.run(&jobs)?;
            if verdicts.len() != jobs.len() {
                return Err(Failure("answered another number of documents than it was given".to_owned()).into());
            }
            for ((run, next), verdict) in waiting.into_iter().zip(verdicts) {
                run.take(next, verdict);
            }
        }
    }
}

/// Takes as many documents as go to the runner at once, with their contents. Those that cannot be merged are decided.
fn read_batch<'d, O: Objects>(
    reader: &Reader<'_, O>,
    disputes: &mut &[(usize, &'d Dispute)],
    origins: &Origins,
) -> Result<Vec<Run<'d>>> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < BATCH && bytes < BATCH_BYTES {
        let Some((&(at, dispute), rest)) = disputes.split_first() else { break };
        *disputes = rest;
        let contents = reader.contents(dispute)?;
        bytes += contents.as_ref().map_or(0, Contents::len);
        batch.extend(Run::start(at, dispute, contents, origins));
    }
    Ok(batch)
}

impl Contents {
    /// How many bytes they have.
    fn len(&self) -> usize {
        let versions = self.versions.iter().filter_map(|(_, content)| content.as_ref());
        versions.chain(&self.base).map(Vec::len).sum()
    }
}

impl<'d> Run<'d> {
    /// Nothing where there is nothing to merge; decided where the contents cannot be merged, for this reason.
    fn start(
        at: usize,
        dispute: &'d Dispute,
        contents: std::result::Result<Contents, String>,
        origins: &Origins,
    ) -> Option<Run<'d>> {
        let (contents, decided) = match contents {
            Ok(contents) => (contents, None),
            Err(reason) => (Contents { base: None, versions: vec![(None, None)] }, Some(Decided::kept(reason))),
        };
        let versions = contents.versions.into_iter();
        let one = |(id, content)| One { id, content, origin: origins.get(&dispute.key, id).cloned() };
        let mut left: Vec<One> = versions.map(one).rev().collect();
        let merged = left.pop()?;
        Some(Run { at, dispute, base: contents.base, merged, left, decided })
    }

    /// The next version that what was merged so far is not the same as.
    fn next(&mut self) -> Option<One> {
        while let Some(next) = self.left.pop() {
            if next.id != self.merged.id {
                return Some(next);
            }
        }
        None
    }

    fn job(&self, next: &One, loaded: &Loaded) -> Job {
        let (left, right) = if self.merged.id < next.id { (&self.merged, next) } else { (next, &self.merged) };
        let sides = loaded.takes_sides.then(|| [left, right].map(|one| side(one.origin.as_ref())));
        Job {
            script: loaded.script,
            key: self.dispute.key.text().into_owned(),
            base: self.base.clone(),
            left: left.content.clone(),
            right: right.content.clone(),
            sides,
        }
    }

    fn take(&mut self, next: One, verdict: Verdict) {
        let content = match verdict {
            Verdict::Conflict(reason) => {
                self.decided = Some(Decided::kept(reason));
                return;
            }
            Verdict::Merged(content) => Some(content),
            Verdict::Deleted => None,
        };
        let id = content.as_ref().map(|content| BlobId(hash(Kind::Blob, content)));
        let origins = [self.merged.origin.take(), next.origin].into_iter().flatten();
        self.merged = One { id, content, origin: origins.max_by_key(Origin::rank) };
    }
}

/// What a script is told of a version. Where nothing is known of it, that is empty.
fn side(origin: Option<&Origin>) -> Side {
    match origin {
        Some(Origin { commit, author, committer }) => Side {
            author: format!("{} <{}>", author.name(), author.email()),
            time: committer.seconds(),
            commit: commit.to_string(),
        },
        None => Side { author: String::new(), time: 0, commit: String::new() },
    }
}
