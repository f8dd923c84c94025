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
            Answer::Loaded(loaded) if loaded.script <= self.loaded => {
                self.loaded = self.loaded.max(loaded.script + 1);
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

#[cfg(test)]
mod tests {
    use std::num::NonZero;
    use std::sync::{Arc, Mutex};

    use super::super::{Dialect, Runner, serve_scripts};
    use super::*;

    fn job(script: usize, size: usize) -> Job {
        let content = Some(vec![b'x'; size]);
        Job { script, key: "k".to_owned(), base: None, left: content.clone(), right: content, sides: None }
    }

    fn script(source: &str) -> Script {
        Script { dialect: Dialect::Rhai1, source: source.as_bytes().to_vec() }
    }

    #[test]
    fn more_than_the_pipes_hold_goes_through_in_order() {
        [1, 2, 5].into_iter().for_each(through_pipes);
    }

    /// The same lines and verdicts, in the same order, whatever the number of threads.
    fn through_pipes(threads: usize) {
        let (asked, requests) = io::pipe().unwrap();
        let (answers, answered) = io::pipe().unwrap();
        std::thread::scope(|scope| {
            let served = scope.spawn(move || serve_scripts(NonZero::new(threads).unwrap(), asked, answered));
            let lines = Arc::new(Mutex::new(Vec::new()));
            let printed = Arc::clone(&lines);
            let mut remote = Remote::new(requests, answers)
                .printing(Box::new(move |line| printed.lock().unwrap().push(line.to_owned())));
            let twice = remote.load(&script("fn merge(a, b, c, d, e) { c + e }")).unwrap();
            let once = remote.load(&script("fn merge(a, b, c, d) { print(a + c.len()); c }")).unwrap();
            let broken = remote.load(&script("fn")).unwrap();
            assert_eq!((twice.script, once.script, broken.script), (0, 1, 2));
            assert!(twice.broken.is_none() && broken.broken.unwrap().contains("does not compile"));
            assert_eq!([twice.takes_sides, once.takes_sides, broken.takes_sides], [true, false, false]);
            let jobs: Vec<Job> = (0..200).map(|nth| job(nth % 3, 20_000 + nth)).collect();
            let verdicts = remote.run(&jobs).unwrap();
            for (nth, verdict) in verdicts.iter().enumerate() {
                match verdict {
                    Verdict::Merged(content) => assert_eq!((content.len(), nth % 3 < 2), (20_000 + nth, true)),
                    verdict => assert!(matches!(verdict, Verdict::Conflict(_)) && nth % 3 == 2, "{verdict:?}"),
                }
            }
            assert_eq!(verdicts.len(), 200);
            assert_eq!(lines.lock().unwrap()[0], "k20001");
            assert_eq!(lines.lock().unwrap().len(), 67);
            // One that takes all that it is granted changes nothing for those beside it.
            let greedy = remote.load(&script("fn merge(a, b, c, d) { if a == \"k\" { loop {} } d }")).unwrap();
            let jobs: Vec<Job> = (0..100)
                .map(|nth| Job {
                    key: if nth % 9 == 4 { "k" } else { "j" }.to_owned(),
                    ..job(greedy.script, 1_000 + nth)
                })
                .collect();
            for (nth, verdict) in remote.run(&jobs).unwrap().into_iter().enumerate() {
                match verdict {
                    Verdict::Merged(content) => assert_eq!((content.len(), nth % 9 == 4), (1_000 + nth, false)),
                    verdict => assert!(matches!(verdict, Verdict::Conflict(_)) && nth % 9 == 4, "{verdict:?}"),
                }
            }
            // What is too large for any script is an answer and no failure.
            assert!(matches!(remote.run(&[job(1, 5 << 20)]).unwrap().as_slice(), [Verdict::Conflict(_)]));
            assert_eq!(remote.run(&[]), Ok(Vec::new()));
            assert_eq!(remote.run(&[job(4, 1)]).unwrap_err().0, "has ended too early");
            drop(remote);
            assert_eq!(served.join().unwrap().unwrap_err().to_string(), "a script that was never loaded");
        });
    }
}
