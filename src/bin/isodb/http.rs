//! How servers of HTTP are spoken to, from the environment and the settings: git's names where it has them.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use isodb::{Authorities, Credentials, Database, HttpOptions};

use crate::context::{Context, variable};
use crate::error::Failure;

impl Context {
    /// What holds for an address: the token, who vouches for servers, the proxy, the patience.
    pub(crate) fn http(&self, address: &str) -> Result<HttpOptions> {
        let db = self.database().ok();
        let setting = |name: &str| self.setting_of(db.as_ref(), name);
        let token = match variable("ISODB_TOKEN")? {
            Some(token) => Some(token),
            None => match setting("http.tokenFile")? {
                Some(file) => self.tokens(Path::new(&file))?.into_iter().next(),
                None => None,
            },
        };
        let authorities = match variable("GIT_SSL_CAINFO")? {
            Some(file) => Some(file),
            None => setting("http.sslCAInfo")?,
        };
        let authorities = authorities.map(|file| {
            let path = self.path(Path::new(&file));
            Authorities::new(move || read_file(&path))
        });
        let (proxy, no_proxy) = match setting("http.proxy")? {
            // Set to nothing it means none.
            Some(proxy) => (Some(proxy).filter(|proxy| !proxy.is_empty()), Vec::new()),
            None => proxy_of_environment(address)?,
        };
        let (credentials, idle) = (token.map(Credentials::Token), self.timeout_of(db.as_ref())?);
        Ok(HttpOptions { credentials, authorities, proxy, no_proxy, idle })
    }

    /// How long nothing may come or go over a link, where a setting says that.
    pub(crate) fn link_timeout(&self) -> Result<Option<Duration>> {
        self.timeout_of(self.database().ok().as_ref())
    }

    fn timeout_of(&self, db: Option<&Database>) -> Result<Option<Duration>> {
        let Some(text) = self.setting_of(db, "sync.timeout")? else { return Ok(None) };
        let seconds = text.parse().ok().filter(|seconds| *seconds > 0).ok_or_else(|| {
            Failure::usage(format!("the setting sync.timeout is {text:?}, which is no number of seconds"))
        })?;
        Ok(Some(Duration::from_secs(seconds)))
    }

    /// A setting of the database, or of the user's where there is none: a clone starts without.
    fn setting_of(&self, db: Option<&Database>, name: &str) -> Result<Option<String>> {
        match db {
            Some(db) => self.setting(db, name),
            None => Ok(self.user_config()?.get(name).map(str::to_owned)),
        }
    }

    /// The tokens in a file: one a line, but for empty lines and those that begin with #.
    pub(crate) fn tokens(&self, path: &Path) -> Result<Vec<String>> {
        let text = String::from_utf8_lossy(&self.read_file(path)?).into_owned();
        let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let token = |(number, line): (usize, &str)| match line.chars().all(|c| c.is_ascii_graphic()) {
            true => Ok(line.to_owned()),
            // What it is instead is not shown: it may be a secret all the same.
            false => Err(Failure::usage(format!(
                "{}: line {number} is no token: it has characters that are not printable ASCII, or a space",
                path.display()
            ))),
        };
        let found = lines.map(token).collect::<Result<Vec<String>, Failure>>()?;
        if found.is_empty() {
            return Err(Failure::usage(format!("{}: there is no token in it", path.display())).into());
        }
        Ok(found)
    }

    /// A file that a setting or an argument names.
    pub(crate) fn read_file(&self, path: &Path) -> Result<Vec<u8>> {
        Ok(read_file(&self.path(path)).map_err(|error| Failure::system(error.to_string()))?)
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display())))
}

/// The proxy that the variables name, and what is reached without it. They are read as curl reads them.
fn proxy_of_environment(address: &str) -> Result<(Option<String>, Vec<String>)> {
    let first = |names: &[&str]| names.iter().find_map(|name| variable(name).transpose()).transpose();
    // In capitals, the one for http could come from the head of a request to a CGI script.
    let names: &[&str] = match address.starts_with("https:") {
        true => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        false => &["http_proxy", "all_proxy", "ALL_PROXY"],
    };
    let Some(proxy) = first(names)? else { return Ok((None, Vec::new())) };
    let except = first(&["no_proxy", "NO_PROXY"])?.unwrap_or_default();
    let mut names = Vec::new();
    for name in except.split(',').map(|name| name.trim().trim_start_matches('.')).filter(|name| !name.is_empty()) {
        names.push(name.to_owned());
        // A domain stands for all in it.
        if name != "*" {
            names.push(format!(".{name}"));
        }
    }
    Ok((Some(proxy), names))
}
