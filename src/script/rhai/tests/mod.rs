//! What the dialect answers, script by script.

mod hostile;

use super::super::{Dialect, InProcess, Job, Runner, Script, Verdict};

/// A job of the first script.
fn job(base: Option<&str>, left: Option<&str>, right: Option<&str>) -> Job {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Job { script: 0, key: "a/b".to_owned(), base: bytes(base), left: bytes(left), right: bytes(right), sides: None }
}

/// What a script makes of a job.
fn run(source: &str, job: &Job) -> Verdict {
    let mut runner = InProcess::new().unwrap();
    let script = Script { dialect: Dialect::Rhai1, source: source.as_bytes().to_vec() };
    let loaded = runner.load(&script).unwrap();
    let job = Job { script: loaded.script, ..job.clone() };
    runner.run(std::slice::from_ref(&job)).unwrap().remove(0)
}

/// What the body of a `merge` makes of two small documents.
fn body(body: &str) -> Verdict {
    run(
        &format!("fn merge(key, base, left, right) {{ {body} }}"),
        &job(Some("{\"n\":1}"), Some("{\"n\":2}"), Some("{\"n\":3}")),
    )
}

/// The reason of the conflict that a body leaves.
fn conflict(source: &str) -> String {
    match body(source) {
        Verdict::Conflict(reason) => reason,
        other => panic!("{source} is no conflict but {other:?}"),
    }
}
