//! Where a database is: a path, a machine that ssh leads to, a git daemon, an address of HTTP. And the commands that lead
//! there.
//!
//! **Invariant:** no part of a location that somebody else wrote becomes an option of a program.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::{Error, Result};

/// The longest location, in bytes.
const LONGEST: usize = 8192;

/// A place of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory on this machine: a bare database, or one that holds a database as `.isodb`.
    Path(PathBuf),
    /// A directory on a machine that ssh leads to.
    Ssh {
        /// The machine's name, with `USER@` in front where that was given.
        host: String,
        /// The port, where it is not the usual one.
        port: Option<u16>,
        /// The directory; one that does not start with a slash is below the user's own.
        path: String,
    },
    /// A directory that a `git daemon` serves.
    Git {
        /// The machine's name.
        host: String,
        /// The port, where it is not the usual one.
        port: Option<u16>,
        /// The directory as the server knows it, from a slash on.
        path: String,
    },
    /// An address of HTTP, without the name of a service behind it.
    Http(String),
}

/// How ssh is called, and what is called at its other end.
#[derive(Clone, Debug)]
pub struct SshOptions {
    /// The program, with arguments that stand before those made here.
    pub ssh: Vec<OsString>,
    /// The program at the other end: words for a shell there, behind which the path is put.
    pub program: String,
}

impl FromStr for Location {
    type Err = Error;

    /// Reads a path, `file://PATH`, `ssh://[USER@]HOST[:PORT]/PATH`, `[USER@]HOST:PATH`, `git://HOST[:PORT]/PATH`, or an
    /// address of HTTP.
    fn from_str(text: &str) -> Result<Location> {
        let wrong = |reason: &str| Err(Error::Location { text: without_password(text), reason: reason.to_owned() });
        if text.is_empty() || text.len() > LONGEST || text.contains(['\0', '\n', '\r']) {
            return wrong("it is empty, too long, or has a line break or a NUL");
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            return match scheme {
                "http" | "https" if !rest.is_empty() && !rest.starts_with('/') => Ok(Location::Http(text.to_owned())),
                "file" => match decoded(rest) {
                    Some(path) if path.starts_with('/') => Ok(Location::Path(path.into())),
                    _ => wrong("file:// is followed by an absolute path"),
                },
                "git" => match decoded(rest) {
                    Some(rest) => of_daemon(&rest).or_else(|reason| wrong(&reason)),
                    None => wrong("a % in it is not followed by two hex digits, or it is no text"),
                },
                "ssh" | "git+ssh" | "ssh+git" => match decoded(rest) {
                    Some(rest) => of_address(&rest).or_else(|reason| wrong(&reason)),
                    None => wrong("a % in it is not followed by two hex digits, or it is no text"),
                },
                _ => wrong("its scheme is none of file, ssh, git, http and https"),
            };
        }
        // Up to the first slash a colon parts a machine from a path, as in git and scp; brackets hold colons together.
        let host_end = match text.strip_prefix('[') {
            Some(rest) => rest.find("]:").map(|at| at + 2),
            None => text.find(':').filter(|colon| text.find('/').is_none_or(|slash| colon < &slash)),
        };
        match host_end {
            None => Ok(Location::Path(text.into())),
            Some(end) => {
                let (host, port) = split_brackets(&text[..end]).unwrap_or((&text[..end], None));
                ssh(host, port, &text[end + 1..]).or_else(|reason| wrong(&reason))
            }
        }
    }
}

/// `[HOST]` or `[HOST:PORT]`.
fn split_brackets(text: &str) -> Option<(&str, Option<&str>)> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    match inner.split_once(':') {
        Some((host, port)) if !port.contains(':') => Some((host, Some(port))),
        _ => Some((inner, None)),
    }
}

/// What stands behind `ssh://`.
fn of_address(rest: &str) -> Result<Location, String> {
    let (place, path) = rest.split_once('/').ok_or("a path is missing behind the host")?;
    let (user, host) = place.rsplit_once('@').map_or((None, place), |(user, host)| (Some(user), host));
    let (host, port) = host_and_port(host)?;
    let host = user.map_or(host.to_owned(), |user| format!("{user}@{host}"));
    // What starts in a home directory is told from what starts at the root.
    let path = match path.strip_prefix("~/") {
        Some(below) => below.to_owned(),
        None if path.starts_with('~') => path.to_owned(),
        None => format!("/{path}"),
    };
    ssh(&host, port, &path)
}

/// `HOST`, `HOST:PORT` or `[HOST]:PORT`.
fn host_and_port(text: &str) -> Result<(&str, Option<&str>), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':').ok_or("a bracket is not followed by a port")?)),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    Ok((host, port.filter(|port| !port.is_empty())))
}

/// What stands behind `git://`.
fn of_daemon(rest: &str) -> Result<Location, String> {
    let at = rest.find('/').ok_or("a path is missing behind the host")?;
    let (host, port) = host_and_port(&rest[..at])?;
    let is_sound = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
    if host.is_empty() || !host.chars().all(is_sound) {
        return Err("its machine has no name that can be used".into());
    }
    let port = port.map(|port| port.parse().map_err(|_| format!("{port:?} is no port"))).transpose()?;
    Ok(Location::Git { host: host.to_owned(), port, path: rest[at..].to_owned() })
}

fn ssh(host: &str, port: Option<&str>, path: &str) -> Result<Location, String> {
    let name = host.rsplit_once('@').map_or(host, |(_, name)| name);
    // Two colons stand behind the name of a program that git would run.
    if name.is_empty() || path.is_empty() || path.starts_with(':') {
        return Err("a host or a path is missing".into());
    }
    // To ssh, or to the program at the other end, these would be options.
    if host.starts_with('-') || name.starts_with('-') || path.starts_with('-') {
        return Err("a host or a path in it starts with a dash".into());
    }
    if host.contains(char::is_whitespace) || host.contains(char::is_control) {
        return Err("its host has a space in it".into());
    }
    let port = port.map(|port| port.parse().map_err(|_| format!("{port:?} is no port"))).transpose()?;
    Ok(Location::Ssh { host: host.to_owned(), port, path: path.to_owned() })
}

/// Text with its `%XX` as the bytes that they stand for; `None` where that is no text, or would end a line.
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        bytes.push((high * 16 + low) as u8);
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains(['\0', '\n', '\r']))
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Path(path) => path.display().fmt(f),
            Location::Ssh { host, port: None, path } => write!(f, "{host}:{path}"),
            Location::Ssh { host, port: Some(port), path } if path.starts_with('/') => {
                write!(f, "ssh://{host}:{port}{path}")
            }
            Location::Ssh { host, port: Some(port), path } => write!(f, "ssh://{host}:{port}/~/{path}"),
            Location::Git { host, port, path } => {
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                match port {
                    Some(port) => write!(f, "git://{host}:{port}{path}"),
                    None => write!(f, "git://{host}{path}"),
                }
            }
            // Who asks is nobody else's business.
            Location::Http(address) => f.write_str(&without_password(address)),
        }
    }
}

/// An address as it may be shown: without the password in it.
pub(super) fn without_password(text: &str) -> String {
    let shown = || {
        let (scheme, rest) = text.split_once("://")?;
        let end = rest.find('/').unwrap_or(rest.len());
        let (user, _) = rest[..end].rsplit_once('@')?.0.split_once(':')?;
        let place = &rest[rest[..end].rfind('@')?..];
        Some(format!("{scheme}://{user}{place}"))
    };
    shown().unwrap_or_else(|| text.to_owned()).chars().take(300).collect()
}

/// A text as one word of a POSIX shell, quoted as git quotes it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''").replace('!', r"'\!'"))
}

impl Location {
    /// The command line that leads to a program on another machine; none for what is not reached by ssh.
    pub fn ssh_command(&self, options: &SshOptions) -> Option<Vec<OsString>> {
        let Location::Ssh { host, port, path } = self else { return None };
        let mut line = options.ssh.clone();
        // The service may speak an old version of the protocol to who cannot tell it which one is understood.
        line.extend(["-o", "SendEnv=GIT_PROTOCOL"].map(OsString::from));
        if let Some(port) = port {
            line.extend(["-p".into(), port.to_string().into()]);
        }
        line.push("--".into());
        line.push(host.into());
        line.push(format!("{} {}", options.program, quoted(path)).into());
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Location {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    fn far(host: &str, port: Option<u16>, path: &str) -> Location {
        Location::Ssh { host: host.into(), port, path: path.into() }
    }

    #[test]
    fn what_is_meant() {
        for path in ["a", "/a/b", "./a:b", "../x", "/a:b", "a b", "C/x:y", "-a"] {
            assert_eq!(parsed(path), Location::Path(path.into()));
        }
        assert_eq!(parsed("file:///a%20b"), Location::Path("/a b".into()));
        assert_eq!(parsed("barn:farm.isodb"), far("barn", None, "farm.isodb"));
        assert_eq!(parsed("ann@barn:/srv/a b"), far("ann@barn", None, "/srv/a b"));
        assert_eq!(parsed("[::1]:x"), far("::1", None, "x"));
        assert_eq!(parsed("[barn:22]:x"), far("barn", Some(22), "x"));
        assert_eq!(parsed("ssh://ann@barn:2222/srv/x"), far("ann@barn", Some(2222), "/srv/x"));
        assert_eq!(parsed("ssh://[::1]:22/x"), far("::1", Some(22), "/x"));
        assert_eq!(parsed("ssh://[::1]/x"), far("::1", None, "/x"));
        assert_eq!(parsed("ssh://barn/~/x"), far("barn", None, "x"));
        assert_eq!(parsed("ssh://barn/~ann/x"), far("barn", None, "~ann/x"));
        let daemon = |host: &str, port| Location::Git { host: host.into(), port, path: "/a b".into() };
        assert_eq!(parsed("git://barn/a%20b"), daemon("barn", None));
        assert_eq!(parsed("git://[::1]:99/a b"), daemon("::1", Some(99)));
        assert_eq!(parsed("https://barn:8000/x"), Location::Http("https://barn:8000/x".into()));
        assert_eq!(parsed("https://ann:secret@barn/x").to_string(), "https://ann@barn/x");
    }

    #[test]
    fn what_it_says_is_read_back() {
        for text in [
            "git://[::1]:99/x",
            "git://barn/x",
            "a/b",
            "barn:x",
            "ann@barn:/x",
            "ssh://barn:22/x",
            "ssh://ann@barn:22/~/x",
            "http://barn/x",
        ] {
            assert_eq!(parsed(text).to_string(), text);
        }
    }

    #[test]
    fn nothing_becomes_an_option() {
        for bad in [
            "",
            "a\nb:c",
            ":x",
            "barn:",
            "-oProxyCommand=x:y",
            "ssh://-oProxyCommand=x/y",
            "ssh://ann@-oProxyCommand=x/y",
            "ssh://%2doProxyCommand=x/y",
            "barn:-x",
            "ssh://barn/~/-x",
            "ssh://barn",
            "ssh://barn:x/y",
            "ssh://barn:99999/y",
            "ssh://barn/%0a",
            "ssh://barn/%zz",
            "ssh://a b/c",
            "ext::sh -c x",
            "ftp://x/y",
            "git://barn",
            "git://barn:x/y",
            "git:///y",
            "git://ann@barn/y",
            "file://barn/x",
            "http:///x",
            "https://",
        ] {
            let parsed = bad.parse::<Location>();
            assert!(matches!(parsed, Err(Error::Location { .. })), "{bad:?}: {parsed:?}");
        }
    }

    #[test]
    fn the_command_of_ssh() {
        let options = SshOptions { ssh: vec!["ssh".into(), "-4".into()], program: "isodb upload-pack".into() };
        let line = far("ann@barn", Some(22), "it's /!").ssh_command(&options).expect("by ssh");
        let expected = [
            "ssh",
            "-4",
            "-o",
            "SendEnv=GIT_PROTOCOL",
            "-p",
            "22",
            "--",
            "ann@barn",
            r"isodb upload-pack 'it'\''s /'\!''",
        ];
        assert_eq!(line, expected.map(OsString::from));
        assert_eq!(parsed("a").ssh_command(&options), None);
    }
}
