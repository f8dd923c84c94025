//! What becomes of a merge when the process of the scripts fails it: never a verdict.

use super::*;

fn worker(shell: &str) -> Worker {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", shell]);
    Worker::of(command, Duration::from_millis(200))
}

fn load(worker: &mut Worker) -> String {
    let script = Script { dialect: isodb::Dialect::Rhai1, source: Vec::new() };
    worker.load(&script).unwrap_err().to_string()
}

#[test]
fn how_the_process_ended_is_told() {
    for (shell, told) in [
        ("kill -9 $$", "was ended by signal 9, perhaps for want of memory"),
        ("exit 7", "ended with status 7"),
        ("exec >&-; kill -6 $$", "was ended by signal 6, perhaps for want of memory"),
        ("exec sleep 100", "gives no answer, and was ended"),
        ("printf '\\001\\000\\000\\000X'; exec sleep 100", "has answered an answer that is not known"),
        ("printf '\\377\\377\\377\\377'; exec sleep 100", "has answered a frame that is too long"),
        ("printf '\\001\\000\\000\\000D'; exec sleep 100", "has answered an answer to another question"),
    ] {
        assert_eq!(load(&mut worker(shell)), format!("the process that runs merge scripts {told}"), "{shell}");
    }
    let mut missing = Worker::of(Command::new("/no/such/program"), PATIENCE);
    assert!(load(&mut missing).starts_with("the process that runs merge scripts cannot be started"));
}

#[test]
fn a_process_that_nobody_asked_is_never_started() {
    drop(Worker::of(Command::new("/no/such/program"), PATIENCE));
}

#[test]
fn jobs_that_are_not_taken_do_not_block() {
    // Loads a script, takes nothing any more, and ends later: more jobs than fit into a pipe are under way.
    let mut stuck = worker("printf '\\007\\000\\000\\000L\\000\\000\\000\\000\\000\\000'; exec sleep 100");
    let script = Script { dialect: isodb::Dialect::Rhai1, source: Vec::new() };
    let loaded = stuck.load(&script).unwrap();
    let content = Some(vec![b'x'; 1 << 20]);
    let job = Job {
        script: loaded.script,
        key: "k".to_owned(),
        base: None,
        left: content.clone(),
        right: content,
        sides: None,
    };
    assert_eq!(stuck.run(&[job]).unwrap_err().0, "gives no answer, and was ended");
}
