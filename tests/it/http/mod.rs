//! Databases over HTTP: git and isodb as clients of `isodb serve`, isodb as a client of git's servers, and what a server
//! does not put up with.

mod clients;
mod git;
mod limits;
mod many;
mod nodes;
mod secure;

use crate::support::serving::Serving;
use crate::support::{Ran, Sandbox, run};

/// A sandbox with a database `farm.isodb`.
struct Farm {
    sandbox: Sandbox,
}

impl Farm {
    fn new() -> Farm {
        let sandbox = Sandbox::in_memory();
        sandbox.isodb(["init", "-q", "farm.isodb"]).ok();
        Farm { sandbox }
    }

    fn serve(&self, args: &[&str]) -> Serving {
        Serving::start(&self.sandbox, &[&["farm.isodb"], args].concat())
    }

    fn put(&self, key: &str, content: &str) -> String {
        self.sandbox.isodb_with_input(["--db", "farm.isodb", "put", key], content).ok().line()
    }

    fn isodb(&self, args: &[&str]) -> Ran {
        self.sandbox.isodb([&["--db", "farm.isodb"], args].concat())
    }

    /// Runs a line of bash as somebody who can commit with git.
    fn bash(&self, script: &str) -> Ran {
        let mut command = self.sandbox.command("bash");
        command.args(["-c", script]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "Bo").env(format!("GIT_{role}_EMAIL"), "bo@barn");
        }
        // git must not ask anybody for a password.
        command.env("GIT_TERMINAL_PROMPT", "0").env("GIT_ASKPASS", "true");
        run(command, None)
    }

    /// What git finds wrong with these repositories of the sandbox: nothing.
    fn check(&self, names: &[&str]) {
        for name in names {
            let checked = self.bash(&format!("git -C {name} fsck --strict --full --no-dangling")).ok();
            assert_eq!(checked.text() + &checked.stderr(), "");
        }
    }
}
