//! Running scripts on a thread of this process: for tests, and for users of the library who trust their scripts.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::engine::{Engines, Scripts};
use super::limits::STACK;
use super::{Failure, Job, Loaded, Print, Runner, Script, Verdict};

/// A [`Runner`] on a thread with a large stack. The limits of scripts hold, but an abort of an engine, which no limit
/// should let come about, ends the whole process: where scripts come from strangers, run them in a process of their own.
#[derive(Debug)]
pub struct InProcess {
    /// Nothing once the thread has failed.
    line: Option<Line>,
}

#[derive(Debug)]
struct Line {
    requests: Sender<Request>,
    answers: Receiver<Answer>,
    thread: JoinHandle<()>,
}

enum Request {
    Load(Script),
    Run(Vec<Job>),
}

enum Answer {
    Loaded(Loaded),
    Verdicts(Vec<Verdict>),
    UnknownScript,
}

impl InProcess {
    /// Starts the thread. What scripts print is dropped.
    ///
    /// # Errors
    /// [`Failure`] when there can be no such thread.
    pub fn new() -> Result<InProcess, Failure> {
        InProcess::printing(Box::new(|_| ()))
    }

    /// The same, with a place for what scripts print.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn printing(print: Print) -> Result<InProcess, Failure> {
        let (requests, inbox) = channel();
        let (outbox, answers) = channel();
        let thread = std::thread::Builder::new()
            .name("scripts".to_owned())
            .stack_size(STACK)
            .spawn(move || serve(&inbox, &outbox, print))
            .map_err(|error| Failure(format!("cannot start a thread: {error}")))?;
        Ok(InProcess { line: Some(Line { requests, answers, thread }) })
    }

    fn ask(&mut self, request: Request) -> Result<Answer, Failure> {
        let ended = || Failure("has ended too early".to_owned());
        let line = self.line.as_ref().ok_or_else(ended)?;
        let answer = line.requests.send(request).ok().and_then(|()| line.answers.recv().ok());
        if answer.is_none() {
            self.line = None;
        }
        answer.ok_or_else(ended)
    }
}

/// The thread: answers until nobody asks any more.
fn serve(inbox: &Receiver<Request>, outbox: &Sender<Answer>, mut print: Print) {
    let (mut scripts, mut engines) = (Scripts::default(), Engines::default());
    while let Ok(request) = inbox.recv() {
        let answer = match request {
            Request::Load(script) => {
                let (number, script) = scripts.add(script);
                Answer::Loaded(engines.load(number, &script))
            }
            Request::Run(jobs) => {
                let run = |job: &Job| Some(engines.run(scripts.get(job.script)?, job, &mut print));
                jobs.iter().map(run).collect::<Option<_>>().map_or(Answer::UnknownScript, Answer::Verdicts)
            }
        };
        if outbox.send(answer).is_err() {
            return;
        }
    }
}

impl Runner for InProcess {
    fn load(&mut self, script: &Script) -> Result<Loaded, Failure> {
        match self.ask(Request::Load(script.clone()))? {
            Answer::Loaded(loaded) => Ok(loaded),
            _ => Err(Failure("gave no answer".to_owned())),
        }
    }

    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, Failure> {
        match self.ask(Request::Run(jobs.to_vec()))? {
            Answer::Verdicts(verdicts) => Ok(verdicts),
            _ => Err(Failure("does not know the script".to_owned())),
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        if let Some(Line { requests, thread, .. }) = self.line.take() {
            drop(requests);
            // A thread that panicked has already been reported by the failure that followed.
            let _ = thread.join();
        }
    }
}
