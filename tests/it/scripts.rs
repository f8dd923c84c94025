//! What scripts of the dialect `rhai/1` answer, bit by bit, from a table: on a thread of this process, and in the process
//! that the program starts for them. A change in any answer would be another dialect.
//!
//! `ISODB_UPDATE_SCRIPTS=1` writes the answers into the table; it is for cases that are new.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use isodb::{Dialect, InProcess, Job, Print, RemoteRunner, Runner, Script, Side, Verdict};
use serde::{Deserialize, Serialize};

/// One line of the table.
#[derive(Serialize, Deserialize)]
struct Case {
    name: String,
    /// A file beside the table, or the script itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Content>,
    base: Option<Content>,
    left: Option<Content>,
    right: Option<Content>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sides: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    printed: Vec<String>,
    #[serde(default)]
    answer: Answer,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Hex { hex: String },
    Parts(Vec<Part>),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Text(String),
    Repeated(usize, String),
}

#[derive(Serialize, Deserialize, Default, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Answer {
    #[default]
    Unknown,
    Merged(String),
    Bytes(String),
    Deleted,
    Conflict(String),
}

impl Content {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Content::Text(text) => text.clone().into_bytes(),
            Content::Hex { hex } => hex::decode(hex).unwrap(),
            Content::Parts(parts) => {
                let text = |part: &Part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Repeated(count, text) => text.repeat(*count),
                };
                parts.iter().map(text).collect::<String>().into_bytes()
            }
        }
    }
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/scripts")
}

fn table() -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(directory().join("rhai-1.json")).unwrap()).unwrap()
}

/// Lines that were printed, to look at while the runner that prints them lives.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    fn print(&self) -> Print {
        let lines = Arc::clone(&self.0);
        Box::new(move |line| lines.lock().unwrap().push(line.to_owned()))
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Case {
    fn script(&self) -> Script {
        let source = match (&self.file, &self.source) {
            (Some(file), _) => std::fs::read(directory().join(file)).unwrap(),
            (None, Some(source)) => source.bytes(),
            (None, None) => panic!("{} has no script", self.name),
        };
        Script { dialect: Dialect::Rhai1, source }
    }

    fn job(&self, script: usize) -> Job {
        let bytes = |content: &Option<Content>| content.as_ref().map(Content::bytes);
        let side = |name: &str, time| Side { author: format!("{name} <{name}@farm>"), time, commit: "0".repeat(64) };
        Job {
            script,
            key: "animals/bella".to_owned(),
            base: bytes(&self.base),
            left: bytes(&self.left),
            right: bytes(&self.right),
            sides: self.sides.then(|| [side("ann", 1_700_000_000), side("bob", 1_700_000_001)]),
        }
    }

    /// What a runner makes of it.
    fn run(&self, runner: &mut dyn Runner, printed: &Printed) -> (Answer, Vec<String>) {
        let loaded = runner.load(&self.script()).unwrap();
        let verdicts = runner.run(&[self.job(loaded.script)]).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let [verdict] = verdicts.try_into().unwrap();
        let answer = match verdict {
            Verdict::Merged(content) => match String::from_utf8(content) {
                Ok(text) => Answer::Merged(text),
                Err(error) => Answer::Bytes(hex::encode(error.into_bytes())),
            },
            Verdict::Deleted => Answer::Deleted,
            Verdict::Conflict(reason) => Answer::Conflict(reason),
        };
        (answer, printed.take())
    }

    fn check(&self, runner: &mut dyn Runner, printed: &Printed) {
        let (answer, lines) = self.run(runner, printed);
        // The hostile ones print more than anybody wants to read.
        let lines = lines.get(..3).unwrap_or(&lines);
        assert_eq!((answer, lines), (clone(&self.answer), self.printed.as_slice()), "{}", self.name);
    }
}

fn clone(answer: &Answer) -> Answer {
    match answer {
        Answer::Unknown => Answer::Unknown,
        Answer::Merged(text) => Answer::Merged(text.clone()),
        Answer::Bytes(hex) => Answer::Bytes(hex.clone()),
        Answer::Deleted => Answer::Deleted,
        Answer::Conflict(reason) => Answer::Conflict(reason.clone()),
    }
}

#[test]
fn every_script_answers_what_it_always_did() {
    let printed = Printed::default();
    let mut runner = InProcess::printing(printed.print()).unwrap();
    let mut table = table();
    if std::env::var_os("ISODB_UPDATE_SCRIPTS").is_some() {
        for case in &mut table {
            let (answer, mut lines) = case.run(&mut runner, &printed);

            lines.truncate(3);
            (case.answer, case.printed) = (answer, lines);
        }
        let lines: Vec<String> = table.iter().map(|case| serde_json::to_string(case).unwrap()).collect();
        std::fs::write(directory().join("rhai-1.json"), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    }
    for case in table {
        case.check(&mut runner, &printed);
    }
}

#[test]
fn the_page_shows_a_script_of_the_table() {
    let page = include_str!("../../docs/format/scripts.md");
    let script = include_str!("../fixtures/scripts/stock.rhai");
    assert!(page.contains(&format!("```rhai\n{script}```\n")));
}

/// The program as the process of scripts.
struct Process(Child);

impl Process {
    fn new() -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isodb"));
        command.arg("script-worker").env_clear().stdin(Stdio::piped()).stdout(Stdio::piped());
        Process(command.spawn().unwrap())
    }

    fn runner(&mut self) -> RemoteRunner<ChildStdin, ChildStdout> {
        RemoteRunner::new(self.0.stdin.take().unwrap(), self.0.stdout.take().unwrap())
    }

    /// A line of what the system says of it.
    fn status(&self, name: &str) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

#[test]
fn the_process_of_scripts_answers_the_same_and_stays_small() {
    let mut process = Process::new();
    let printed = Printed::default();
    let mut runner = process.runner().printing(printed.print());
    for case in table() {
        case.check(&mut runner, &printed);
    }
    let peak = process.status("VmHWM");
    assert!(peak < 100_000, "the process took {peak} kB");
}

#[test]
fn the_process_of_scripts_ends_with_its_input() {
    let mut process = Process::new();
    drop(process.runner());
    assert!(process.0.wait().unwrap().success());
    // What is no request ends it too, with a status that says so.
    let mut process = Process::new();
    process.0.stdin.take().unwrap().write_all(b"\xff\xff\xff\xffhello").unwrap();
    assert_eq!(process.0.wait().unwrap().code(), Some(5));
    let mut rest = Vec::new();
    process.0.stdout.take().unwrap().read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty());
}

#[test]
fn the_process_of_scripts_has_limits_of_the_systems() {
    let mut process = Process::new();
    let mut runner = process.runner();
    let script = Script { dialect: Dialect::Rhai1, source: b"fn merge(key, base, left, right) { 1 }".to_vec() };
    runner.load(&script).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.0.id())).unwrap();
    // A half of a GiB for the program, and another for each thread.
    let threads = std::thread::available_parallelism().unwrap().get().min(4);
    let space = ((1 + threads) << 29).to_string();
    for (name, most) in [("Max address space", &*space), ("Max core file size", "0"), ("Max file size", "0")] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line[name.len()..].split_whitespace().next(), Some(most), "{line}");
    }
}
