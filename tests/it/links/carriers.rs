//! What carries bytes between two databases, each with a bad link in it: a barn that others write to, and a field that comes
//! to it from outside.

use std::any::Any;

use crate::support::link::Link;
use crate::support::serving::{Backend, Daemon, Serving};
use crate::support::{Ran, Sandbox, run, ssh};

/// What leads to the barn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// The isodb stream.
    OursByHttp,
    OursBySsh,
    /// git's own protocol.
    GitsByHttp,
    GitsBySsh,
    GitsByDaemon,
}

use Carrier::{GitsByDaemon, GitsByHttp, GitsBySsh, OursByHttp, OursBySsh};

impl Carrier {
    pub(super) fn is_http(self) -> bool {
        matches!(self, OursByHttp | GitsByHttp)
    }
}

/// The barn, and the repository of git's own that others reach in its place.
const OURS: &str = "barn.isodb";
const GITS: &str = "barn.git";

pub(super) struct Farm {
    pub(super) carrier: Carrier,
    pub(super) sandbox: Sandbox,
    pub(super) link: Link,
    /// Where the barn was when the field came first, and is.
    pub(super) heads: [String; 2],
    _server: Option<Box<dyn Any>>,
}

impl Farm {
    pub(super) fn new(carrier: Carrier) -> Farm {
        let sandbox = Sandbox::in_memory();
        sandbox.isodb(["init", OURS]).ok();
        sandbox.isodb(["init", "-q", "field.isodb"]).ok();
        sandbox.isodb(["--db", "field.isodb", "remote", "add", "origin", OURS]).ok();
        let old = write(&sandbox, 1, 20);
        sandbox.isodb(["--db", "field.isodb", "pull", "-q"]).ok();
        let new = write(&sandbox, 10, 60);
        let repository = if matches!(carrier, OursByHttp | OursBySsh) { OURS } else { GITS };
        if repository == GITS {
            sandbox
                .bash(&format!("git clone -q --bare {OURS} {GITS}; git -C {GITS} config http.receivepack true"))
                .ok();
        }
        let port_of = |url: &str| url.rsplit_once(':').unwrap().1.parse::<u16>().unwrap();
        let mut server: Option<Box<dyn Any>> = None;
        let link = match carrier {
            OursByHttp => {
                let serving = Serving::start(&sandbox, &[OURS, "-q"]);
                let link = Link::to(port_of(&serving.url));
                server = Some(Box::new(serving));
                link
            }
            GitsByHttp => Link::to(port_of(&Backend::start(&sandbox).url)),
            GitsByDaemon => {
                let daemon = Daemon::start(&sandbox);
                let link = Link::to(daemon.port);
                server = Some(Box::new(daemon));
                link
            }
            OursBySsh | GitsBySsh => Link::over_ssh(&sandbox),
        };
        let url = match carrier {
            OursByHttp | GitsByHttp => format!("http://127.0.0.1:{}/{repository}", link.port),
            GitsByDaemon => format!("git://127.0.0.1:{}/{repository}", link.port),
            OursBySsh | GitsBySsh => ssh::url(&sandbox, repository),
        };
        let farm = Farm { carrier, sandbox, link, heads: [old, new], _server: server };
        farm.field(&["remote", "set-url", "origin", &url]).ok();
        if carrier == GitsBySsh {
            farm.field(&["config", "remote.origin.uploadpack", "git-upload-pack"]).ok();
            farm.field(&["config", "remote.origin.receivepack", "git-receive-pack"]).ok();
        }
        // So long it waits for what does not come.
        farm.field(&["config", "sync.timeout", "1"]).ok();
        farm.sandbox.bash("cp -r field.isodb first.isodb").ok();
        farm
    }

    /// Whether git's own protocol is spoken, of which the lists of refs have no sum that would tell of a change.
    pub(super) fn is_gits(&self) -> bool {
        !matches!(self.carrier, OursByHttp | OursBySsh)
    }

    fn repository(&self) -> &'static str {
        if self.is_gits() { GITS } else { OURS }
    }

    pub(super) fn field(&self, args: &[&str]) -> Ran {
        let mut command = self.sandbox.isodb_command(["--db", "field.isodb"].iter().chain(args));
        ssh::show(&self.sandbox, &mut command);
        run(command, None)
    }

    pub(super) fn put(&self, key: &str, content: impl AsRef<[u8]>) -> String {
        self.sandbox.isodb_with_input(["--db", "field.isodb", "put", key], content).ok().line()
    }

    /// Where the barn is that others reach.
    pub(super) fn barn(&self) -> String {
        self.sandbox.bash(&format!("git -C {} rev-parse main", self.repository())).ok().line()
    }

    /// The field as it was at first.
    pub(super) fn begin_again(&self) {
        self.sandbox.bash("rm -rf field.isodb && cp -r first.isodb field.isodb").ok();
    }

    /// Makes sure that nothing is half there in the field, and answers where the barn is for it.
    #[track_caller]
    pub(super) fn whole(&self, what: &str) -> String {
        let checked = self.field(&["fsck", "-q"]);
        assert_eq!(checked.code(), Some(0), "{what}: {}{}", checked.text(), checked.stderr());
        let left = self.sandbox.bash("find field.isodb/isodb/tmp -type f 2>/dev/null || true").ok().text();
        assert_eq!(left, "", "{what}");
        self.field(&["rev-parse", "origin/main"]).ok().line()
    }

    /// Makes sure that nothing is half there in the barn.
    #[track_caller]
    pub(super) fn whole_barn(&self, what: &str) {
        let checked = self.sandbox.bash(&format!("git -C {} fsck --strict --no-dangling", self.repository())).ok();
        assert_eq!(checked.text() + &checked.stderr(), "", "{what}");
        if !self.is_gits() {
            self.sandbox.isodb(["--db", OURS, "fsck", "-q"]).ok();
        }
    }
}

/// Writes documents into the barn, each in a commit.
fn write(sandbox: &Sandbox, from: u32, to: u32) -> String {
    let lines = format!("seq {from} {to} | sed 's/.*/{{\"key\":\"cows\\/&\",\"value\":{{\"kg\":&}}}}/'");
    sandbox.bash(&format!("{lines} | isodb --db {OURS} apply --each -q --no-sync > out")).ok();
    sandbox.isodb(["--db", OURS, "rev-parse", "main"]).ok().line()
}
