//! The real git, for tests: a bare SHA-256 repository in a temporary directory, and git without anybody's settings.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A new bare repository of git's.
pub(crate) struct Git {
    folder: TempDir,
}

impl Git {
    /// `None`, said on stderr, where there is no git.
    #[allow(clippy::print_stderr, reason = "a test that did not run must be seen")]
    pub(crate) fn new() -> Option<Git> {
        if Command::new("git").arg("--version").output().is_err() {
            eprintln!("SKIPPED: git is not installed");
            return None;
        }
        let git = Git { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(git.root()).unwrap();
        git.run(["init", "-q", "--bare", "--object-format=sha256", "-b", "main", "."]);
        git.run(["config", "core.logAllRefUpdates", "true"]);
        Some(git)
    }

    /// The repository's directory.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("db.git")
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new("git");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
            command.env_remove(name);
        }
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("HOME", self.folder.path()).env("LC_ALL", "C");
        command.env_remove("XDG_CONFIG_HOME");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Bo").env(format!("GIT_{role}_EMAIL"), "bo@farm");
            command.env(format!("GIT_{role}_DATE"), "1700000000 +0000");
        }
        command.current_dir(self.root());
        command
    }

    /// What a git command says and how it ends.
    pub(crate) fn output<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.command().args(arguments).output().unwrap()
    }

    /// What a git command that succeeds says on stdout, without the last line feed.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        told(&self.output(arguments))
    }

    /// The same, with something on its stdin.
    pub(crate) fn run_with<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>, input: &[u8]) -> String {
        let mut command = self.command();
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        told(&output)
    }

    /// A commit of the empty tree with these parents.
    pub(crate) fn commit(&self, message: &str) -> String {
        let tree = self.run_with(["hash-object", "-w", "-t", "tree", "--stdin"], b"");
        self.run(["commit-tree", "-m", message, &tree])
    }

    /// `git fsck` has nothing to say.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        let output = self.output(["fsck", "--strict", "--full", "--no-dangling", "--no-progress"]);
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // Where HEAD's branch is not born yet, git says so, which is no fault.
        let said: Vec<&str> = said.lines().filter(|line| !line.starts_with("notice: ")).collect();
        assert!(output.status.success() && said.is_empty(), "{said:?}");
    }

    /// A path in the repository.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(Path::new(path))
    }
}

#[track_caller]
fn told(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}
