//! Writing a pack by its plan: several threads make entries, one appends them in their order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use super::cruft;
use super::encode::{Encoded, Encoder, Entries};
use super::mark::Order;
use super::plan::{Chunk, Plan};
use super::stock::Stock;
use super::{GcProgress, GcStage};
use crate::disk::Access;
use crate::object::{Error, Id};
use crate::store::pack::files::Finished;
use crate::store::pack::write::PackWriter;
use crate::store::{Result, Store, io_error};

/// So many runs are under way for each thread.
const AHEAD: usize = 3;

impl Store {
    /// Writes these objects into a pack that is durable when this returns. With `times` it is one of unreachable objects.
    /// Answers the pack's path without its ending; `None` where there is nothing to write.
    pub(super) fn write_pack(
        &self,
        stock: &Stock,
        order: Order,
        versions: Vec<u32>,
        times: Option<Vec<(Id, Option<SystemTime>)>>,
        progress: GcProgress<'_>,
    ) -> Result<Option<PathBuf>> {
        if order.len() == 0 {
            return Ok(None);
        }
        let plan = Plan::new(self, stock, order, versions, None)?;
        let finished = self.write_entries(stock, &plan, progress)?;
        drop(plan);
        let pack = finished.path();
        let sync = |paths: &[PathBuf]| self.disk.sync(paths).map_err(io_error(&pack));
        let mut names = Vec::new();
        let mut contents = finished.files().to_vec();
        if let Some(mut times) = times {
            times.sort_unstable_by_key(|(id, _)| *id);
            let times = times.into_iter().map(|(_, time)| seconds(time));
            let file = cruft::encode(times, finished.checksum().as_bytes());
            let path = pack.with_extension("mtimes");
            // Without an index beside it nobody reads it; with one it must be there already.
            if self.disk.stat(&path).is_err() {
                self.disk.write_new(&path, &file, Access::ReadOnly).map_err(io_error(&path))?;
            }
            contents.push(path);
        }
        sync(&contents)?;
        names.extend(finished.install()?);
        sync(&names)?;
        Ok(Some(pack.with_extension("")))
    }

    fn write_entries(&self, stock: &Stock, plan: &Plan, progress: GcProgress<'_>) -> Result<Finished> {
        self.disk.create_dir_all(&self.temporary).map_err(io_error(&self.temporary))?;
        let mut writer = PackWriter::create(self.disk.clone(), &self.objects.join("pack"), &self.temporary, None)?;
        let total = Some(plan.len() as u64);
        let mut done = 0;
        self.encode(stock, plan, &mut |entries| {
            let mut start = 0;
            done += entries.list.len() as u64;
            for entry in entries.list {
                match entry {
                    Encoded::Ready { id, form, size, end } => {
                        writer.add_copied(id, form, size, &entries.bytes[start..end])?;
                        start = end;
                    }
                    Encoded::Large { id, kind } => {
                        let mut reader = self.open(id)?.ok_or(Error::Missing { id, kind: Some(kind) })?;
                        writer.add_stored(id, &mut reader)?;
                    }
                }
            }
            progress(GcStage::Packing, done, total);
            Ok(())
        })?;
        writer.finish()
    }

    /// Makes the entries of a plan's objects, on all cores, and gives them to `append` in their order.
    pub(super) fn encode(
        &self,
        stock: &Stock,
        plan: &Plan,
        append: &mut dyn FnMut(Entries) -> Result<()>,
    ) -> Result<()> {
        let (give, jobs) = mpsc::channel::<(usize, Chunk<'_>)>();
        let (answer, answers) = mpsc::channel();
        let jobs = Mutex::new(jobs);
        let work = |answer: mpsc::Sender<(usize, Result<Entries>)>| {
            let mut encoder = Encoder::new(self, stock, plan);
            loop {
                let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok((turn, chunk)) = job else { return };
                if answer.send((turn, encoder.encode(chunk))).is_err() {
                    return;
                }
            }
        };
        thread::scope(|scope| {
            let work = &work;
            let wanted = thread::available_parallelism().map_or(1, usize::from).min(16);
            let start = |_| {
                let answer = answer.clone();
                thread::Builder::new().name("isodb-gc".into()).spawn_scoped(scope, move || work(answer)).ok()
            };
            let threads = (0..wanted).map_while(start).count();
            drop(answer);
            // Moved here, so that the threads end however this ends.
            let (give, answers) = (give, answers);
            let mut chunks = plan.chunks().enumerate();
            if threads == 0 {
                let mut encoder = Encoder::new(self, stock, plan);
                return chunks.try_for_each(|(_, chunk)| append(encoder.encode(chunk)?));
            }
            let (mut given, mut next) = (0, 0);
            let mut early = BTreeMap::new();
            loop {
                while given - next < threads * AHEAD
                    && let Some(job) = chunks.next()
                {
                    given += 1;
                    // Where all threads have ended, the answers tell why.
                    let _ = give.send(job);
                }
                if next == given {
                    return Ok(());
                }
                let Ok((turn, entries)) = answers.recv() else {
                    return Err(io_error(&self.objects)(std::io::Error::other("the threads have ended")));
                };
                early.insert(turn, entries?);
                while let Some(entries) = early.remove(&next) {
                    append(entries)?;
                    next += 1;
                }
            }
        })
    }
}

/// A time as `.mtimes` files have it.
fn seconds(time: Option<SystemTime>) -> u32 {
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
}
