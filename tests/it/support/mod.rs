//! A hermetic environment for spawned commands: a directory of its own, a fixed clock, no configuration of the user's.

pub mod farm;
pub mod keys;
pub mod link;
pub mod serving;
pub mod ssh;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The fixed clock: 2023-11-14T22:13:20Z.
pub const NOW: &str = "1700000000";

/// A directory to run commands in. It goes away with the value.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub struct Ran {
    command: String,
    output: Output,
}

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox { dir: tempfile::tempdir().unwrap() }
    }

    /// A sandbox on a file system in memory where there is one: flushing costs nothing there.
    pub fn in_memory() -> Sandbox {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Sandbox { dir: dir.unwrap() }
    }

    /// A sandbox with an empty database in `.isodb`.
    pub fn with_database() -> Sandbox {
        let sandbox = Sandbox::new();
        sandbox.isodb(["init"]).ok();
        sandbox
    }

    /// Another sandbox, in memory, with a database that is like this one's, file for file.
    pub fn copy(&self) -> Sandbox {
        let copy = Sandbox::in_memory();
        for entry in walkdir::WalkDir::new(self.db()) {
            let entry = entry.unwrap();
            let to = copy.path().join(entry.path().strip_prefix(self.path()).unwrap());
            if entry.file_type().is_dir() {
                std::fs::create_dir(to).unwrap();
            } else {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
        copy
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The database's directory.
    pub fn db(&self) -> PathBuf {
        self.path().join(".isodb")
    }

    /// Writes a file below the directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// A command in this environment, not yet run. PATH finds `isodb` first.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let bin = Path::new(env!("CARGO_BIN_EXE_isodb")).parent().unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(bin.to_owned()).chain(std::env::split_paths(&path));
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::join_paths(paths).unwrap())
            .env("HOME", self.path())
            .env("LC_ALL", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", NOW)
            .env("ISODB_GC_AUTO", "0")
            .env("ISODB_AUTHOR_NAME", "Ann")
            .env("ISODB_AUTHOR_EMAIL", "ann@farm")
            .env("ISODB_COMMITTER_NAME", "Ann")
            .env("ISODB_COMMITTER_EMAIL", "ann@farm")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", format!("{NOW} +0000"))
            .env("GIT_COMMITTER_DATE", format!("{NOW} +0000"))
            .stdin(Stdio::null());
        command
    }

    /// `isodb` with these arguments, not yet run.
    pub fn isodb_command<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_isodb"));
        command.args(args);
        command
    }

    /// Runs `isodb` with nothing on stdin.
    pub fn isodb<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        run(self.isodb_command(args), None)
    }

    /// Runs `isodb` with this on stdin.
    pub fn isodb_with_input<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: impl AsRef<[u8]>) -> Ran {
        run(self.isodb_command(args), Some(input.as_ref()))
    }

    /// Runs a line of bash, in which `isodb` is the program under test.
    pub fn bash(&self, script: &str) -> Ran {
        let mut command = self.command("bash");
        command.args(["-c", script]);
        run(command, None)
    }

    /// Runs git on the database.
    pub fn git<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Ran {
        let mut command = self.command("git");
        command.arg(format!("--git-dir={}", self.db().display())).args(args);
        run(command, None)
    }

    /// git's own check, which has nothing to say about a database of ours; and ours.
    pub fn check_with_git(&self) {
        let checked = self.git(["fsck", "--strict", "--full", "--no-dangling"]).ok();
        assert_eq!(checked.text() + &checked.stderr(), "", "git fsck has something to say");
        self.isodb(["-q", "fsck"]).ok();
    }
}

/// Whether a program that a test needs is there. If not, the test says that it is skipped; with
/// `ISODB_TEST_REQUIRE_TOOLS=1` it fails.
pub fn has_tool(name: &str) -> bool {
    let found = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    // OpenSSH's programs have no such option: that they could be started at all is the answer.
    let is_there = found.is_ok_and(|status| status.success() || name.starts_with("ssh-"));
    if !is_there {
        println!("SKIPPED: {name} is not installed");
        let required = std::env::var_os("ISODB_TEST_REQUIRE_TOOLS").is_some_and(|value| value == "1");
        assert!(!required, "{name} is not installed, and ISODB_TEST_REQUIRE_TOOLS is set");
    }
    is_there
}

/// Runs a command to its end.
pub fn run(command: Command, input: Option<&[u8]>) -> Ran {
    let shown = format!("{command:?}");
    Ran { command: shown, output: output(command, input) }
}

/// What a command answered, however it ended.
pub fn output(mut command: Command, input: Option<&[u8]>) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    if input.is_some() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let writer = input.map(|input| {
        let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
        // A command may end without reading all of its input.
        std::thread::spawn(move || drop(stdin.write_all(&input)))
    });
    let output = child.wait_with_output().unwrap();
    if let Some(writer) = writer {
        writer.join().unwrap();
    }
    output
}

impl Ran {
    /// Asserts that the command succeeded.
    #[track_caller]
    pub fn ok(self) -> Ran {
        self.status(0)
    }

    /// Asserts how the command ended.
    #[track_caller]
    pub fn status(self, status: i32) -> Ran {
        assert_eq!(
            self.output.status.code(),
            Some(status),
            "{}\nstdout: {}\nstderr: {}",
            self.command,
            self.text_lossy(),
            self.stderr()
        );
        self
    }

    /// Asserts that the command ended in one of these ways.
    #[track_caller]
    pub fn status_in(self, statuses: &[i32]) -> Ran {
        let is_one = self.code().is_some_and(|code| statuses.contains(&code));
        assert!(is_one, "{}\n{:?}: {}", self.command, self.code(), self.stderr());
        self
    }

    /// How the command ended; nothing where a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.output.status.code()
    }

    /// stdout's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.output.stdout
    }

    fn text_lossy(&self) -> String {
        String::from_utf8_lossy(&self.output.stdout).into_owned()
    }

    /// stdout as text.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).expect("stdout is UTF-8")
    }

    /// stdout's single line.
    #[track_caller]
    pub fn line(&self) -> String {
        let text = self.text();
        let line = text.strip_suffix('\n').unwrap_or_else(|| panic!("{}: no line: {text:?}", self.command));
        assert!(!line.contains('\n'), "{}: more than one line: {text:?}", self.command);
        line.to_owned()
    }

    /// stdout's lines.
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// stderr as text.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }
}
