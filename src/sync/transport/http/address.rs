//! An address of HTTP without what shows who asks, which is kept apart from it and shown nowhere.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Credentials;
use crate::sync::error::{Error, Result, excerpt};
use crate::sync::location::{decoded, without_password};

/// The address of a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    is_secure: bool,
    /// The machine and the port, where that is given.
    place: String,
    /// Empty, or it begins with a slash and does not end with one.
    path: String,
    /// What stood in front of the machine.
    pub(super) credentials: Option<Credentials>,
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Address> {
        let wrong = |reason: &str| Error::Location { text: without_password(text), reason: reason.to_owned() };
        let (scheme, rest) = text.split_once("://").ok_or_else(|| wrong("it has no scheme"))?;
        let is_secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return Err(wrong("its scheme is neither http nor https")),
        };
        if rest.contains(['?', '#']) {
            return Err(wrong("it has a question or a part of a page behind it"));
        }
        let (place, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (shown, place) = place.rsplit_once('@').map_or((None, place), |(shown, place)| (Some(shown), place));
        let is_sound = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
        if place.is_empty() || place.starts_with(':') || !place.chars().all(is_sound) {
            return Err(wrong("its machine has no name that can be used"));
        }
        if !path.chars().all(|c| c.is_ascii_graphic() && !"\"<>\\^`{|}".contains(c)) {
            return Err(wrong("some characters of its path must be written as %XX"));
        }
        let credentials = match shown.map(|shown| shown.split_once(':').unwrap_or((shown, ""))) {
            None => None,
            Some((user, password)) => {
                let read = |text| decoded(text).ok_or_else(|| wrong("its name or password is no text"));
                let (user, password) = (read(user)?, read(password)?);
                // A name alone shows nothing: what else is known goes with the address.
                (!password.is_empty()).then_some(Credentials::Password { user, password })
            }
        };
        let path = path.trim_end_matches('/').to_owned();
        Ok(Address { is_secure, place: place.to_owned(), path, credentials })
    }
}

impl Address {
    /// Whether it is one of https.
    pub(super) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The address with something behind it.
    pub(super) fn with(&self, path: &str) -> String {
        format!("{self}{path}")
    }

    /// The address that a server leads to who asked it for `path` behind this one.
    ///
    /// # Errors
    /// When that is on another machine, or less secure: what shows who asks does not follow, and who serves the data is
    /// no longer who was asked for it.
    pub(super) fn redirected(&self, path: &str, to: Option<&str>) -> Result<Address> {
        let refuse = |why: &str| {
            let to = to.map_or_else(|| "nowhere".to_owned(), |to| without_password(&excerpt(to.as_bytes())));
            let reason = format!("it leads to {to}, {why}");
            Err(Error::Http { address: self.to_string(), status: 302, reason })
        };
        let Some(text) = to.and_then(|to| to.strip_suffix(path)) else {
            return refuse("which is no address of a database");
        };
        let text = if text.starts_with('/') && !text.starts_with("//") || text.is_empty() {
            format!("{}://{}{text}", self.scheme(), self.place)
        } else {
            text.to_owned()
        };
        let Ok(found) = text.parse::<Address>() else { return refuse("which is no address of a database") };
        let name = |address: &Address| address.place.split(':').next().map(str::to_ascii_lowercase);
        let is_same = found.place == self.place || (found.is_secure && !self.is_secure && name(&found) == name(self));
        if !is_same || (self.is_secure && !found.is_secure) {
            return refuse("which is elsewhere: use that address, if you trust it");
        }
        Ok(Address { credentials: None, ..found })
    }

    fn scheme(&self) -> &'static str {
        if self.is_secure { "https" } else { "http" }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme(), self.place, self.path)
    }
}

/// What shows who asks, as a header has it.
pub(super) fn authorization(shown: &Credentials, is_bearer: bool) -> String {
    match shown {
        Credentials::Token(token) if is_bearer => format!("Bearer {token}"),
        Credentials::Token(token) => format!("Basic {}", STANDARD.encode(format!("token:{token}"))),
        Credentials::Password { user, password } => {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn what_shows_who_asks_is_kept_apart() {
        let address = parsed("https://ann:p%40ss@barn:8417/farm.isodb/");
        assert_eq!(address.to_string(), "https://barn:8417/farm.isodb");
        let password = Credentials::Password { user: "ann".into(), password: "p@ss".into() };
        assert_eq!(address.credentials, Some(password.clone()));
        assert_eq!(format!("{password:?}"), "Credentials");
        assert_eq!(parsed("http://ann@barn").credentials, None);
        assert_eq!(without_password("https://ann:secret@barn/x@y"), "https://ann@barn/x@y");
        assert_eq!(without_password("https://barn/x:y@z"), "https://barn/x:y@z");
        assert_eq!(authorization(&Credentials::Token("t".into()), false), "Basic dG9rZW46dA==");
        assert_eq!(authorization(&Credentials::Token("t".into()), true), "Bearer t");
    }

    #[test]
    fn what_is_no_address() {
        for bad in
            ["http://", "http://:80/x", "ftp://x", "http://a b/", "http://a/b c", "http://a/\u{e4}", "http://a/?x"]
        {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
        let error = "http://ann:secret@a/?x".parse::<Address>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn where_a_server_may_lead_to() {
        let path = "/info/refs?service=git-upload-pack";
        let led = |from: &str, to: &str| parsed(from).redirected(path, Some(&format!("{to}{path}")));
        for (from, to, found) in [
            ("http://barn/a", "/b", "http://barn/b"),
            ("http://barn/a", "http://barn/b/c", "http://barn/b/c"),
            ("http://barn/a", "https://barn/a", "https://barn/a"),
            ("http://barn:80/a", "https://BARN:443/a", "https://BARN:443/a"),
        ] {
            assert_eq!(led(from, to).expect("the same machine").to_string(), found);
        }
        for (from, to) in [
            ("http://barn/a", "http://mill/a"),
            ("http://barn/a", "//mill/a"),
            ("http://barn/a", "http://barn@mill/a"),
            ("http://barn/a", "http://barn:99/a"),
            ("https://barn/a", "http://barn/a"),
        ] {
            assert!(led(from, to).is_err(), "{from} {to}");
        }
        assert!(parsed("http://barn/a").redirected(path, Some("http://barn/login")).is_err());
        assert!(parsed("http://barn/a").redirected(path, None).is_err());
    }
}
