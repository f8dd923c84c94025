//! The real program: its system calls are traced and made again on an in-memory disk, and the power goes after each.

use std::path::{Path, PathBuf};

use isodb::Survivors;

use super::examine::{Allowed, Examiner, State};
use super::replay::{self, Effect};
use super::strace::trace;
use crate::support::{Sandbox, has_tool};

/// A command that was traced from a start.
struct Traced {
    sandbox: Sandbox,
    start: isodb::FaultDisk,
    effects: Vec<Effect>,
    printed: Vec<u8>,
}

impl Traced {
    fn run(sandbox: Sandbox, args: &[&str], input: Option<&[u8]>) -> Traced {
        let top = sandbox.path().canonicalize().unwrap();
        let start = replay::import(&top);
        let (calls, printed) = trace(&sandbox, args, input);
        let effects = calls.iter().filter_map(|call| Effect::of(call, &top)).collect();
        Traced { sandbox, start, effects, printed }
    }

    fn top(&self) -> PathBuf {
        self.sandbox.path().canonicalize().unwrap()
    }

    /// Cuts after every call. Answers how many different disks were examined.
    fn cut_everywhere(&self, name: &str) -> usize {
        let root = self.top().join(".isodb");
        let old = State::read(&self.start, &root);
        let end = self.start.fork();
        self.effects.iter().for_each(|effect| effect.apply(&end));
        replay::assert_same(&end, &self.top());
        let new = State::read(&end, &root);
        assert!(old != new, "{name}: the command changes something");

        let disk = self.start.fork();
        let mut examiner = Examiner::default();
        let mut said = Vec::new();
        for done in 0..=self.effects.len() {
            if let Some(effect) = done.checked_sub(1).map(|last| &self.effects[last]) {
                effect.apply(&disk);
                if let Effect::Print(bytes) = effect {
                    said.extend_from_slice(bytes);
                }
            }
            // What prints nothing promises by its end.
            let is_acked = done == self.effects.len() || (!said.is_empty() && said == self.printed);
            let allowed = Allowed { old: old.clone(), new: new.clone(), is_acked, promised: None };
            for survivors in Survivors::all() {
                let what =
                    format!("{name}, cut after {done} calls: {:?}, {survivors}", self.effects.get(done.max(1) - 1));
                examiner.examine(&disk.after_power_cut(survivors), &root, &allowed, &what);
            }
        }
        println!("{name}: {} calls, {} states", self.effects.len(), examiner.count());
        examiner.count()
    }

    /// How often the command waited for the disk: flushes with nothing else between them are one wait, since they run
    /// side by side.
    fn waits(&self) -> usize {
        let starts = |pair: &[Effect]| !pair[0].is_flush() && pair[1].is_flush();
        self.effects.windows(2).filter(|pair| starts(pair)).count()
    }

    /// Asserts that files which others read are only ever made under another name, and never written again.
    fn assert_written_once(&self) {
        let root = self.top().join(".isodb");
        for effect in &self.effects {
            let (Effect::Open { path, .. } | Effect::Write { path, .. } | Effect::Truncate { path, .. }) = effect
            else {
                continue;
            };
            let below = path.strip_prefix(&root).unwrap_or_else(|_| panic!("it writes elsewhere: {effect:?}"));
            let name = below.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let is_pack = below.starts_with("objects/pack") && name.starts_with("tmp_pack_");
            let is_object = below.starts_with("objects") && name.starts_with("tmp_");
            let is_temporary = below.starts_with("isodb/tmp") || is_object;
            // Lines that are added; one that is torn is known by its form or its hash, and passed over.
            let has_lines = below.starts_with("logs") || below == Path::new("isodb/conflicts");
            let is_log = has_lines && !matches!(effect, Effect::Truncate { .. });
            let is_lock = below.starts_with("isodb") && name.ends_with("lock") && matches!(effect, Effect::Open { .. });
            assert!(is_temporary || is_log || is_lock, "it writes in place: {effect:?}");
            if is_lock {
                continue;
            }
            if let Effect::Open { is_new, .. } = effect {
                // How many objects a pack has is written into it at the end.
                assert!(*is_new || is_pack || !is_temporary, "a temporary file is always new: {effect:?}");
            }
        }
        let named = self.effects.iter().filter(|effect| matches!(effect, Effect::Rename(..))).count();
        assert!(named > 0, "what it writes gets its name by renaming");
    }
}

fn with_documents() -> Sandbox {
    let sandbox = Sandbox::with_database();
    for (key, content) in [("animals/bella", "cow"), ("animals/clara", "hen"), ("animals", "all")] {
        sandbox.isodb_with_input(["put", key], content).ok();
    }
    sandbox
}

fn lines(count: usize) -> Vec<u8> {
    let line = |n: usize| format!("{{\"key\":\"fields/{}/{n}\",\"value\":{n}}}\n", n % 3);
    (0..count).map(line).collect::<String>().into_bytes()
}

#[test]
fn the_program_survives_a_power_cut_after_every_call() {
    if !has_tool("strace") {
        return;
    }
    let put = Traced::run(with_documents(), &["put", "animals/dora"], Some(b"goat"));
    assert!(put.waits() <= 4, "a put waits {} times for the disk", put.waits());
    let commands = [
        ("init", Traced::run(Sandbox::new(), &["init"], None)),
        ("the first put", Traced::run(Sandbox::with_database(), &["put", "a"], Some(b"1"))),
        ("put", put),
        ("apply of 20", Traced::run(with_documents(), &["apply"], Some(&lines(20)))),
        ("apply of 60", Traced::run(with_documents(), &["apply"], Some(&lines(60)))),
        ("rm", Traced::run(with_documents(), &["rm", "animals/bella"], None)),
        ("ref set", Traced::run(with_documents(), &["ref", "set", "team/x", "HEAD~1"], None)),
    ];
    for (name, traced) in &commands {
        traced.assert_written_once();
        assert!(traced.cut_everywhere(name) > 4, "{name}: a write can be cut in several places");
    }
}

/// The tests above are worth something: they find a program that does not flush.
#[test]
fn a_program_that_does_not_flush_is_found_out() {
    if !has_tool("strace") {
        return;
    }
    let traced = Traced::run(with_documents(), &["put", "animals/dora", "--no-sync"], Some(b"goat"));
    assert_eq!(traced.waits(), 0);
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| traced.cut_everywhere("without flushes")));
    assert!(found.is_err(), "what was never flushed may be lost");
}
