//! The child's side: takes requests from one stream and answers on another, in their order, until there are no more.
//!
//! Several threads share the work, each with engines of its own, so no job can tell that there are others. The thread that
//! has the input takes the next request; an answer waits until those before it have gone out.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Write};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use super::engine::{Engines, Scripts};
use super::frame::{self, Answer, Request};
use super::limits::STACK;
use super::{Job, Script};

/// After so many requests there is enough to do for several threads: each has to compile a script for itself.
const ALONE: u64 = 16;
/// No more requests are taken while so many bytes of answers wait for an earlier one.
const WAITING: usize = 16 << 20;

/// Runs scripts for whoever is at the other end, a [`Remote`](super::Remote), on so many threads at most. Returns when the
/// input ends. What is answered does not depend on the number of threads.
///
/// # Errors
/// When a stream fails, when what comes in is no request, or when there can be no thread with a large enough stack.
pub fn serve_scripts(threads: NonZero<usize>, input: impl Read + Send, output: impl Write + Send) -> io::Result<()> {
    let desk = Desk {
        inbox: Mutex::new(Inbox { input: BufReader::new(input), scripts: Scripts::default(), next: 0 }),
        outbox: Mutex::new(Outbox { output: Some(output), next: 0, waiting: BTreeMap::new(), bytes: 0, failed: None }),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| desk.thread(scope, threads.get() - 1).map(drop))?;
    desk.outbox.into_inner().unwrap_or_else(PoisonError::into_inner).failed.map_or(Ok(()), Err)
}

/// What the threads share.
struct Desk<R, W> {
    inbox: Mutex<Inbox<R>>,
    outbox: Mutex<Outbox<W>>,
    /// An answer has gone out, or there was a failure.
    changed: Condvar,
}

struct Inbox<R> {
    input: BufReader<R>,
    scripts: Scripts,
    /// The number of the next request.
    next: u64,
}

struct Outbox<W> {
    /// Nothing after a failure: whoever waits at the other end sees the end.
    output: Option<W>,
    /// The number of the next answer that can go out.
    next: u64,
    /// Answers that wait for others.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// How many bytes they have.
    bytes: usize,
    failed: Option<io::Error>,
}

/// A request that a thread has taken, with its number.
struct Taken {
    number: u64,
    script: Arc<Script>,
    /// The script's own number.
    its: usize,
    /// Nothing where it is only loaded.
    job: Option<Job>,
}

impl<R: Read + Send, W: Write + Send> Desk<R, W> {
    /// Starts a thread that works, and is helped by so many others once there is enough to do.
    fn thread<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        helpers: usize,
    ) -> io::Result<ScopedJoinHandle<'scope, ()>> {
        let work = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| self.work(scope, helpers)));
            let failed = || Err(io::Error::other("a thread that runs scripts has failed"));
            ended.unwrap_or_else(|_| failed()).unwrap_or_else(|error| self.outbox().fail(error, &self.changed));
        };
        Builder::new().name("scripts".to_owned()).stack_size(STACK).spawn_scoped(scope, work)
    }

    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, mut helpers: usize) -> io::Result<()> {
        let mut engines = Engines::default();
        while let Some(Taken { number, script, its, job }) = self.take() {
            if number >= ALONE {
                // Where there can be no more threads, this one does it all.
                (0..std::mem::take(&mut helpers)).for_each(|_| drop(self.thread(scope, 0)));
            }
            // All lines and the verdict of a job go out at once.
            let mut answers = Vec::new();
            let answer = match job {
                None => Answer::Loaded(engines.load(its, &script)),
                Some(job) => {
                    let mut lines = Vec::new();
                    let verdict = engines.run(&script, &job, &mut |line| lines.push(line.to_owned()));
                    for line in lines {
                        frame::write(&mut answers, &Answer::Printed(line).encode())?;
                    }
                    Answer::Verdict(verdict)
                }
            };
            frame::write(&mut answers, &answer.encode())?;
            self.outbox().give(number, answers, &self.changed);
        }
        Ok(())
    }

    /// The next request; nothing when the input has ended, or after a failure. What can be wrong with a request is found
    /// here, so that no other thread goes on to wait for the one behind it.
    fn take(&self) -> Option<Taken> {
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outbox = self.outbox();
        while outbox.bytes > WAITING && outbox.output.is_some() {
            // What these wait for is with another thread.
            outbox = self.changed.wait(outbox).unwrap_or_else(PoisonError::into_inner);
        }
        let is_over = outbox.output.is_none();
        drop(outbox);
        if is_over {
            return None;
        }
        inbox.take().unwrap_or_else(|error| {
            self.outbox().fail(error, &self.changed);
            None
        })
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox<W>> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Read> Inbox<R> {
    fn take(&mut self) -> io::Result<Option<Taken>> {
        let Some(body) = frame::read(&mut self.input)? else { return Ok(None) };
        let number = self.next;
        self.next += 1;
        Ok(Some(match Request::decode(&body)? {
            Request::Load(script) => {
                let (its, script) = self.scripts.add(script);
                Taken { number, script, its, job: None }
            }
            Request::Run(job) => {
                let script = self.scripts.get(job.script).cloned();
                let script = script.ok_or_else(|| io::Error::other("a script that was never loaded"))?;
                Taken { number, script, its: job.script, job: Some(job) }
            }
        }))
    }
}

impl<W: Write> Outbox<W> {
    /// Sends an answer, with those that waited for it; or keeps it until those before it are there.
    fn give(&mut self, number: u64, answer: Vec<u8>, changed: &Condvar) {
        self.bytes += size(&answer);
        self.waiting.insert(number, answer);
        while let Some(answer) = self.waiting.remove(&self.next) {
            self.next += 1;
            self.bytes -= size(&answer);
            let Some(output) = &mut self.output else { return };
            if let Err(error) = output.write_all(&answer).and_then(|()| output.flush()) {
                return self.fail(error, changed);
            }
            changed.notify_all();
        }
    }

    /// Ends it all: whoever waits at the other end sees the end of the answers. The first failure is the one that is told.
    fn fail(&mut self, error: io::Error, changed: &Condvar) {
        self.output = None;
        self.failed.get_or_insert(error);
        changed.notify_all();
    }
}

/// What an answer takes while it waits, in bytes.
fn size(answer: &[u8]) -> usize {
    answer.len() + 64
}
