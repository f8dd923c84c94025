//! The names and passwords that git keeps for its user: `git credential`, with whatever helpers git is set up with. Where
//! there is no git, there are none.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use isodb::{Credentials, Keeper};

/// `git credential`.
#[derive(Debug)]
pub(crate) struct GitKeeper {
    /// The name that stands in the address.
    user: Option<String>,
}

impl GitKeeper {
    /// For an address as the user wrote it.
    pub(crate) fn new(address: &str) -> GitKeeper {
        let place = address.split_once("://").map_or(address, |(_, rest)| rest).split('/').next().unwrap_or_default();
        let user = place.rsplit_once('@').map(|(shown, _)| shown.split(':').next().unwrap_or_default());
        let is_plain = |user: &&str| !user.is_empty() && user.chars().all(|c| c.is_ascii_graphic() && c != '%');
        GitKeeper { user: user.filter(is_plain).map(str::to_owned) }
    }
}

impl Keeper for GitKeeper {
    fn find(&self, address: &str) -> Option<Credentials> {
        let mut about = about(address)?;
        if let Some(user) = &self.user {
            about += &format!("username={user}\n");
        }
        let said = git("fill", &about)?;
        let value = |name: &str| said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        Some(Credentials::Password { user: value("username")?.to_owned(), password: value("password")?.to_owned() })
    }

    fn tell(&self, address: &str, found: &Credentials, is_taken: bool) {
        let (Some(about), Credentials::Password { user, password }) = (about(address), found) else { return };
        // What git makes of that is no matter of this command's.
        let _ =
            git(if is_taken { "approve" } else { "reject" }, &format!("{about}username={user}\npassword={password}\n"));
    }
}

/// What git is told of an address: it finds out by itself whether the path matters.
fn about(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_sound = address.chars().all(|c| c.is_ascii_graphic());
    is_sound.then(|| format!("protocol={scheme}\nhost={host}\npath={path}\n"))
}

/// What git answers, if it is there and knows something. At a terminal it may ask; nobody is asked elsewhere.
fn git(action: &str, input: &str) -> Option<String> {
    let mut command = Command::new("git");
    command.args(["credential", action]).stdin(Stdio::piped()).stdout(Stdio::piped());
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        command.env("GIT_TERMINAL_PROMPT", "0").stderr(Stdio::null());
    }
    let mut child = command.spawn().ok()?;
    // One that does not listen says nothing either.
    let _ = child.stdin.take()?.write_all(format!("{input}\n").as_bytes());
    let output = child.wait_with_output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_is_told() {
        assert_eq!(about("https://barn:1/a/b").as_deref(), Some("protocol=https\nhost=barn:1\npath=a/b\n"));
        assert_eq!(about("https://barn\nhost=mill/"), None);
        for (address, user) in [
            ("https://ann@barn/x", Some("ann")),
            ("https://ann:@barn/x@y", Some("ann")),
            ("https://barn/x@y", None),
            ("https://a%0ab@barn/x", None),
        ] {
            assert_eq!(GitKeeper::new(address).user.as_deref(), user, "{address}");
        }
    }
}
