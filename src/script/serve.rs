//! The child's side: takes requests from one stream and answers on another, until there are no more.

use std::io::{self, BufReader, Read, Write};

use super::engine::Engines;
use super::frame::{self, Answer, Request};
use super::limits::STACK;

/// Runs scripts for whoever is at the other end: a [`Remote`](super::Remote). Returns when the input ends.
///
/// # Errors
/// When a stream fails, when what comes in is no request, or when there can be no thread with a large enough stack.
pub fn serve_scripts(input: impl Read + Send, output: impl Write + Send) -> io::Result<()> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("scripts".to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, move || answer_all(BufReader::new(input), output))?;
        thread.join().unwrap_or_else(|_| Err(io::Error::other("the thread that runs scripts has failed")))
    })
}

fn answer_all(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut engines = Engines::default();
    while let Some(body) = frame::read(&mut input)? {
        // All lines and the verdict of a job go out at once.
        let mut answers = Vec::new();
        let answer = match Request::decode(&body)? {
            Request::Load(script) => Answer::Loaded(engines.load(&script)),
            Request::Run(job) => {
                let mut lines = Vec::new();
                let verdict = engines.run(&job, &mut |line| lines.push(line.to_owned()));
                for line in lines {
                    frame::write(&mut answers, &Answer::Printed(line).encode())?;
                }
                Answer::Verdict(verdict.ok_or_else(|| io::Error::other("a script that was never loaded"))?)
            }
        };
        frame::write(&mut answers, &answer.encode())?;
        output.write_all(&answers)?;
        output.flush()?;
    }
    Ok(())
}
