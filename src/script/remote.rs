//! The other side: a runner whose scripts run at the far end of two streams.

use std::io::{self, BufReader, BufWriter, Read, Write};

use super::frame::{self, Answer};
use super::{Failure, Job, Loaded, Print, Script, Verdict};

/// Scripts that [`serve_scripts`](super::serve_scripts) runs, reached by a stream of requests and one of answers.
///
/// It is for a program that starts a process for scripts: the process, its limits and how long to wait for it are the
/// program's. After an error the streams are of no use any more.
pub struct Remote<W, R> {
    requests: W,
    answers: BufReader<R>,
    loaded: usize,
    print: Print,
}

impl<W: Write + Send, R: Read> Remote<W, R> {
    /// A runner on these streams. What scripts print is dropped.
    pub fn new(requests: W, answers: R) -> Remote<W, R> {
        Remote { requests, answers: BufReader::new(answers), loaded: 0, print: Box::new(|_| ()) }
    }

    /// The same, with a place for what scripts print.
    pub fn printing(self, print: Print) -> Remote<W, R> {
        Remote { print, ..self }
    }

    fn load_script(&mut self, script: &Script) -> io::Result<Loaded> {
        frame::write(&mut self.requests, &frame::load(script))?;
        self.requests.flush()?;
        match answer(&mut self.answers)? {
            Answer::Loaded(loaded) if loaded.script == self.loaded => {
                self.loaded += 1;
                Ok(loaded)
            }
            _ => Err(unexpected()),
        }
    }

    fn run_jobs(&mut self, jobs: &[Job]) -> io::Result<Vec<Verdict>> {
        let Remote { requests, answers, print, .. } = self;
        std::thread::scope(|scope| {
            // Both pipes would be full at some time if one thread had to do both.
            let writer = scope.spawn(move || {
                let mut requests = BufWriter::new(requests);
                jobs.iter().try_for_each(|job| frame::write(&mut requests, &frame::run(job)))?;
                requests.flush()
            });
            let mut verdicts = Vec::new();
            let read = loop {
                if verdicts.len() == jobs.len() {
                    break Ok(());
                }
                match answer(answers) {
                    Ok(Answer::Verdict(verdict)) => verdicts.push(verdict),
                    Ok(Answer::Printed(line)) => print(&line),
                    Ok(Answer::Loaded(_)) => break Err(unexpected()),
                    Err(error) => break Err(error),
                }
            };
            // A writer that fails does so because the other side is gone, which the answers tell better.
            let written = writer.join().unwrap_or_else(|_| Err(unexpected()));
            read.and(written).map(|()| verdicts)
        })
    }
}

fn answer(answers: &mut impl Read) -> io::Result<Answer> {
    match frame::read(answers)? {
        Some(body) => Answer::decode(&body),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn unexpected() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an answer to another question")
}

fn failure(error: &io::Error) -> Failure {
    Failure(match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => "has ended too early".to_owned(),
        io::ErrorKind::InvalidData => format!("has answered {error}"),
        _ => format!("cannot be reached: {error}"),
    })
}

impl<W: Write + Send, R: Read> super::Runner for Remote<W, R> {
    fn load(&mut self, script: &Script) -> Result<Loaded, Failure> {
        self.load_script(script).map_err(|error| failure(&error))
    }

    fn run(&mut self, jobs: &[Job]) -> Result<Vec<Verdict>, Failure> {
        self.run_jobs(jobs).map_err(|error| failure(&error))
    }
}
