//! Where they meet: somebody who writes, the place that others reach, and the one who comes.

use std::any::Any;
use std::cell::Cell;
use std::process::Command;

use crate::support::serving::{Backend, Daemon, Serving};
use crate::support::{Ran, Sandbox, run, ssh};

/// Who comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Isodb,
    Git,
}

/// What is there, and what leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    OursByHttp,
    OursBySsh,
    OursByPath,
    OurBundle,
    OurStreamBundle,
    GitsByHttp,
    GitsByDaemon,
    GitsBySsh,
    GitsByPath,
    GitsBundle,
}

use Place::{
    GitsBundle, GitsByDaemon, GitsByHttp, GitsByPath, GitsBySsh, OurBundle, OurStreamBundle, OursByHttp, OursByPath,
    OursBySsh,
};

/// The database in which others write, and the repository of git's own that has the same.
const WRITER: &str = "there.isodb";
const GITS: &str = "there.git";
const BUNDLE: &str = "there.bundle";
/// What the client has.
const MINE: &str = "mine.isodb";

pub(super) struct Ground {
    sandbox: Sandbox,
    client: Client,
    place: Place,
    url: String,
    /// How often others have written.
    grown: Cell<u32>,
    _server: Option<Box<dyn Any>>,
}

impl Ground {
    /// Somebody has written, and can be met.
    pub(super) fn new(client: Client, place: Place) -> Ground {
        let sandbox = Sandbox::in_memory();
        ssh::install(&sandbox);
        sandbox.isodb(["init", "-q", WRITER]).ok();
        let git = format!("git init -q --bare -b main --object-format=sha256 {GITS} && cd {GITS}");
        let settings = "git config http.receivepack true && git config receive.denyNonFastForwards true";
        sandbox.bash(&format!("{git} && {settings}")).ok();
        let path = |name: &str| sandbox.path().join(name).display().to_string();
        let (url, server): (String, Option<Box<dyn Any>>) = match place {
            OursByHttp => {
                let serving = Serving::start(&sandbox, &[WRITER, "-q"]);
                (format!("{}/{WRITER}", serving.url), Some(Box::new(serving)))
            }
            GitsByHttp => (format!("{}/{GITS}", Backend::start(&sandbox).url), None),
            GitsByDaemon => {
                let daemon = Daemon::start(&sandbox);
                (format!("git://127.0.0.1:{}/{GITS}", daemon.port), Some(Box::new(daemon)))
            }
            OursBySsh => (ssh::url(&sandbox, WRITER), None),
            GitsBySsh => (ssh::url(&sandbox, GITS), None),
            // As a URL, so that git takes no short cut.
            OursByPath => (format!("file://{}", path(WRITER)), None),
            GitsByPath => (format!("file://{}", path(GITS)), None),
            OurBundle | OurStreamBundle | GitsBundle => (path(BUNDLE), None),
        };
        let ground = Ground { sandbox, client, place, url, grown: Cell::new(0), _server: server };
        ground.write("seq 300 | sed 's/.*/{\"key\":\"many\\/&\",\"value\":{\"number\":&}}/' | isodb apply -q >out");
        ground.write("isodb tag -m first v1; isodb gc -q; head -c 300000 /dev/urandom | isodb put -q large/1 >out");
        ground.arrive();
        ground
    }

    /// Runs a line of bash as somebody who can commit with git.
    fn bash(&self, script: &str) -> Ran {
        let mut command = self.sandbox.command("bash");
        command.args(["-c", script]);
        self.finish(command)
    }

    fn isodb(&self, args: &[&str]) -> Ran {
        self.finish(self.sandbox.isodb_command(args))
    }

    fn finish(&self, mut command: Command) -> Ran {
        ssh::show(&self.sandbox, &mut command);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Bo").env(format!("GIT_{role}_EMAIL"), "bo@barn");
        }
        run(command, None)
    }

    fn write(&self, line: &str) {
        self.bash(&format!("export ISODB_DIR={WRITER}; set -o pipefail; {line}")).ok();
    }

    /// The repository that others reach.
    fn repository(&self) -> &'static str {
        if matches!(self.place, GitsByHttp | GitsByDaemon | GitsBySsh | GitsByPath) { GITS } else { WRITER }
    }

    /// Others write again, each document many times, and delete one.
    pub(super) fn grow(&self) {
        if self.repository() == GITS {
            self.bash(&format!("git -C {WRITER} fetch -q ../{GITS} main:main")).ok();
        }
        let round = self.grown.replace(self.grown.get() + 1);
        let change = format!(
            "isodb rm -q many/{0}{0} >out; seq 40 | sed 's/.*/{{\"key\":\"many\\/7\",\"value\":{{\"{0}\":&}}}}/' |
             isodb apply -q --each --no-sync >out",
            round + 1
        );
        self.write(&change);
        self.arrive();
    }

    /// Brings what was written to where others reach it.
    fn arrive(&self) {
        let since = |words: &str| if self.grown.get() == 0 { String::new() } else { words.to_owned() };
        let line = match self.place {
            OursByHttp | OursBySsh | OursByPath => return,
            OurBundle => format!("isodb bundle create -q {BUNDLE} {}", since("--since HEAD~41")),
            OurStreamBundle => format!("isodb bundle create -q --stream {BUNDLE} {}", since("--since HEAD~41")),
            GitsBundle => format!("git -C {WRITER} bundle create -q ../{BUNDLE} HEAD main v1 {}", since("^main~41")),
            GitsByHttp | GitsByDaemon | GitsBySsh | GitsByPath => {
                format!("git -C {WRITER} push -q ../{GITS} main v1")
            }
        };
        self.write(&line);
    }

    /// The programs that answer at the other end, to send and to receive, where they have to be named.
    fn programs(&self) -> Option<[&'static str; 2]> {
        match (self.client, self.place) {
            (Client::Git, OursBySsh | OursByPath) => Some(["isodb upload-pack", "isodb receive-pack"]),
            (Client::Isodb, GitsBySsh | GitsByPath) => Some(["git-upload-pack", "git-receive-pack"]),
            _ => None,
        }
    }

    pub(super) fn clone(&self) -> Ran {
        let settings = self.programs().map(|[upload, receive]| {
            [format!("remote.origin.uploadpack={upload}"), format!("remote.origin.receivepack={receive}")]
        });
        let mut args = vec!["clone", "-q"];
        for setting in settings.iter().flatten() {
            args.extend(["-c", setting]);
        }
        if let Some([upload, _]) = self.programs() {
            args.extend(["--upload-pack", upload]);
        }
        match self.client {
            Client::Isodb => {
                args.extend([self.url.as_str(), MINE]);
                self.isodb(&args)
            }
            Client::Git => {
                args.extend(["--no-checkout", &self.url, MINE]);
                let mut command = self.sandbox.command("git");
                command.args(args);
                self.finish(command)
            }
        }
    }

    pub(super) fn fetch(&self) -> Ran {
        match self.client {
            Client::Isodb => self.isodb(&["--db", MINE, "fetch"]),
            Client::Git => self.bash(&format!("git -C {MINE} fetch -q --no-auto-maintenance")),
        }
    }

    /// Makes a commit on another that sets a document to so many bytes.
    pub(super) fn commit(&self, on: &str, key: &str, size: u32) -> String {
        let content = format!("head -c {size} /dev/urandom");
        let line = match self.client {
            Client::Isodb => format!("{content} | isodb --db {MINE} put --on {on} {key}"),
            Client::Git => format!(
                "cd {MINE} && blob=$({content} | git hash-object -w --stdin) && git read-tree {on} &&
                 git update-index --add --cacheinfo 100644,$blob,{key}/blob &&
                 git commit-tree -p {on} -m {key} $(git write-tree)"
            ),
        };
        self.bash(&line).ok().line()
    }

    /// Pushes a commit, by force from where the ref is thought to be.
    pub(super) fn push(&self, commit: &str, force_from: Option<&str>) -> Ran {
        let spec = format!("{commit}:refs/heads/main");
        match (self.client, force_from) {
            (Client::Isodb, None) => self.isodb(&["--db", MINE, "push", "-q", "origin", &spec]),
            (Client::Isodb, Some(from)) => {
                self.isodb(&["--db", MINE, "push", "-q", "--force", "--expect", from, "origin", &spec])
            }
            (Client::Git, force) => {
                let sign = force.map_or("", |_| "+");
                self.bash(&format!("git -C {MINE} push -q origin {sign}{spec}"))
            }
        }
    }

    fn at(&self, repository: &str, name: &str) -> String {
        self.bash(&format!("git -C {repository} rev-parse {name}")).ok().line()
    }

    /// Where the branch is that others reach.
    pub(super) fn there(&self) -> String {
        self.at(self.repository(), "refs/heads/main")
    }

    /// Where those who write are.
    pub(super) fn writer(&self) -> String {
        self.at(WRITER, "refs/heads/main")
    }

    /// Makes sure that the client has what is there, and that all of it is sound.
    pub(super) fn same_here(&self) {
        assert_eq!(self.at(MINE, "refs/remotes/origin/main"), self.there());
        assert_eq!(self.at(MINE, "refs/tags/v1"), self.at(self.repository(), "refs/tags/v1"));
        self.check();
    }

    /// What git and isodb find wrong with either side: nothing.
    pub(super) fn check(&self) {
        for name in [MINE, self.repository()] {
            let checked = self.bash(&format!("git -C {name} fsck --strict --full --no-dangling")).ok();
            assert_eq!(checked.text() + &checked.stderr(), "", "{name}");
        }
        let ours: &[&str] = if self.client == Client::Isodb { &[MINE, WRITER] } else { &[WRITER] };
        for name in ours {
            self.isodb(&["--db", name, "fsck", "-q"]).ok();
        }
    }
}
