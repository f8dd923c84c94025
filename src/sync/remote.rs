//! Remotes: names for other databases, in the configuration as git has them, so that git in the same directory knows them too.

use std::collections::BTreeMap;

use super::error::{Error, Result};
use super::location::Location;
use crate::database::{Config, ConfigError, Database};
use crate::object::Ident;
use crate::refs::{Expect, RefEdit, RefName};

/// Below this the refs of remotes are kept here.
const TRACKING: &str = "refs/remotes/";
/// The longest name.
const LONGEST: usize = 64;

/// Another database by its name here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    name: String,
    url: String,
    push_url: Option<String>,
    maps: Vec<Map>,
}

/// Which refs there are kept under which names here. With a star, what both begin with, and what is behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Map {
    there: String,
    here: String,
    /// What follows the star; `None` where there is none, and the names are whole.
    ends: Option<(String, String)>,
}

impl Map {
    /// Reads one of the configuration: `+refs/heads/*:refs/remotes/NAME/*`.
    fn parse(text: &str) -> Result<Map> {
        let wrong = |reason| Err(Error::Refspec { text: text.chars().take(300).collect(), reason });
        let Some((there, here)) = text.strip_prefix('+').unwrap_or(text).split_once(':') else {
            return wrong("it does not say which names refs are to have here");
        };
        if !there.starts_with("refs/") {
            return wrong("it does not begin with the full name of a ref");
        }
        if !here.starts_with(TRACKING) {
            return wrong("refs of another database are kept below refs/remotes/ only");
        }
        match (there.split_once('*'), here.split_once('*')) {
            (None, None) => Ok(Map { there: there.to_owned(), here: here.to_owned(), ends: None }),
            (Some((there, after)), Some((here, behind))) if !after.contains('*') && !behind.contains('*') => {
                let ends = Some((after.to_owned(), behind.to_owned()));
                Ok(Map { there: there.to_owned(), here: here.to_owned(), ends })
            }
            _ => wrong("both sides have one star, or neither"),
        }
    }

    /// The name that a name of one side has on the other.
    fn other(&self, name: &RefName, is_there: bool) -> Option<RefName> {
        let (from, to) = if is_there { (&self.there, &self.here) } else { (&self.here, &self.there) };
        let rest = name.as_str().strip_prefix(from.as_str())?;
        let Some((there, here)) = &self.ends else {
            return RefName::full(to).ok().filter(|_| rest.is_empty());
        };
        let (after, behind) = if is_there { (there, here) } else { (here, there) };
        let middle = rest.strip_suffix(after.as_str()).filter(|middle| !middle.is_empty())?;
        RefName::full(&format!("{to}{middle}{behind}")).ok()
    }
}

/// Why a text cannot be the name of a remote.
fn bad_name(name: &str) -> Option<&'static str> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > LONGEST {
        Some("it is empty or longer than 64 bytes")
    } else if !name.chars().all(is_plain) {
        Some("it has something else than letters, digits, -, _ and .")
    } else if name.starts_with(['-', '.']) || name.ends_with('.') {
        Some("it starts with a dash or a dot, or ends with a dot")
    } else {
        RefName::full(&format!("{TRACKING}{name}/x")).err().map(|_| "it cannot be a part of the name of a ref")
    }
}

impl Remote {
    /// A remote that keeps all branches of a database under its own name.
    ///
    /// # Errors
    /// [`Error::RemoteName`] for a name that cannot be one, [`Error::Location`] for a URL that leads nowhere.
    pub fn new(name: &str, url: &str) -> Result<Remote> {
        if let Some(reason) = bad_name(name) {
            return Err(Error::RemoteName { name: name.chars().take(300).collect(), reason });
        }
        url.parse::<Location>()?;
        let map = Map {
            there: "refs/heads/".to_owned(),
            here: format!("{TRACKING}{name}/"),
            ends: Some((String::new(), String::new())),
        };
        Ok(Remote { name: name.to_owned(), url: url.to_owned(), push_url: None, maps: vec![map] })
    }

    /// All remotes of a configuration, by name.
    ///
    /// # Errors
    /// [`Error::Refspec`] where one is told to keep refs in a way that is not known.
    pub fn all(config: &Config) -> Result<Vec<Remote>> {
        let mut found: BTreeMap<&str, Remote> = BTreeMap::new();
        for (setting, value) in config.all() {
            let named = setting.strip_prefix("remote.").and_then(|rest| rest.rsplit_once('.'));
            let Some((name, key)) = named else { continue };
            let blank = || Remote { name: name.to_owned(), url: String::new(), push_url: None, maps: Vec::new() };
            match key {
                "url" => {
                    let remote = found.entry(name).or_insert_with(blank);
                    // Of several git fetches from the first.
                    if remote.url.is_empty() {
                        remote.url = value.to_owned();
                    }
                }
                "pushurl" => found.entry(name).or_insert_with(blank).push_url = Some(value.to_owned()),
                "fetch" => found.entry(name).or_insert_with(blank).maps.push(Map::parse(value)?),
                _ => {}
            }
        }
        Ok(found.into_values().filter(|remote| !remote.url.is_empty()).collect())
    }

    /// The remote of a name.
    ///
    /// # Errors
    /// [`Error::NoRemote`] where there is none, and as [`Remote::all`].
    pub fn find(config: &Config, name: &str) -> Result<Remote> {
        let found = Remote::all(config)?.into_iter().find(|remote| remote.name == name);
        found.ok_or_else(|| Error::NoRemote { name: Some(name.chars().take(300).collect()) })
    }

    /// The remote that is meant where none is named: that of the current branch, else `origin`, else the only one.
    ///
    /// # Errors
    /// [`Error::NoRemote`] where that is none, and as [`Remote::all`].
    pub fn usual(db: &Database) -> Result<Remote> {
        let config = db.config();
        let (head, _) = db.head()?;
        if let Some(name) = config.get(&format!("branch.{}.remote", head.short())) {
            return Remote::find(config, name);
        }
        let mut all = Remote::all(config)?;
        match all.iter().position(|remote| remote.name == "origin") {
            Some(place) => Ok(all.swap_remove(place)),
            None if all.len() == 1 => Ok(all.remove(0)),
            None => Err(Error::NoRemote { name: None }),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it is pushed to.
    pub fn push_url(&self) -> &str {
        self.push_url.as_deref().unwrap_or(&self.url)
    }

    /// The configuration with this remote.
    ///
    /// # Errors
    /// As [`Config::with`].
    pub fn write_to(&self, config: &Config) -> Result<Config, ConfigError> {
        let mut config = config.with(&format!("remote.{}.url", self.name), &self.url)?;
        for map in &self.maps {
            let (star, (after, behind)) = match &map.ends {
                Some((after, behind)) => ("*", (after.as_str(), behind.as_str())),
                None => ("", ("", "")),
            };
            let text = format!("+{}{star}{after}:{}{star}{behind}", map.there, map.here);
            config = config.with(&format!("remote.{}.fetch", self.name), &text)?;
        }
        Ok(config)
    }

    /// The ref here that keeps one of the remote's.
    pub fn tracking(&self, there: &RefName) -> Option<RefName> {
        // Its place is that of git's note of where the remote's HEAD leads.
        if there.as_str() == "refs/heads/HEAD" {
            return None;
        }
        self.maps.iter().find_map(|map| map.other(there, true))
    }

    /// The ref of the remote that one here keeps.
    pub fn tracked(&self, here: &RefName) -> Option<RefName> {
        self.maps.iter().find_map(|map| map.other(here, false))
    }

    /// How the names of those refs of the remote begin that are kept here.
    pub fn prefixes(&self) -> Vec<String> {
        self.maps.iter().map(|map| map.there.clone()).collect()
    }

    /// The name of the file that holds what is noted of it: any name in letters that every file system takes.
    pub(super) fn file_name(&self) -> String {
        let is_plain = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
        // Never a name that some system has for something else, such as `con` or `.`.
        let mut name = String::from("r-");
        for c in self.name.chars() {
            if is_plain(&c) {
                name.push(c);
            } else {
                name.push_str(&format!("%{:X}%", u32::from(c)));
            }
        }
        name
    }
}

impl Database {
    /// Adds a remote to the configuration.
    ///
    /// # Errors
    /// [`Error::RemoteExists`] where there is one of this name, or one that differs only in capitals.
    pub fn add_remote(&mut self, remote: &Remote) -> Result<()> {
        let mut taken = None;
        self.configure(|config| {
            let alike = |setting: &str| {
                let name = setting.strip_prefix("remote.")?.rsplit_once('.')?.0;
                (name.to_lowercase() == remote.name.to_lowercase()).then(|| name.to_owned())
            };
            taken = config.all().find_map(|(setting, _)| alike(setting));
            if taken.is_some() { Ok(None) } else { remote.write_to(config).map(Some) }
        })?;
        taken.map_or(Ok(()), |name| Err(Error::RemoteExists { name }))
    }

    /// Makes a remote lead elsewhere. What is known of it stays: it may have moved.
    ///
    /// # Errors
    /// [`Error::NoRemote`], [`Error::Location`].
    pub fn set_remote_url(&mut self, name: &str, url: &str) -> Result<()> {
        Remote::find(self.config(), name)?;
        url.parse::<Location>()?;
        self.configure(|config| config.with(&format!("remote.{name}.url"), url).map(Some))?;
        Ok(())
    }

    /// Removes a remote, the refs that keep its own, and what is noted of it.
    ///
    /// # Errors
    /// [`Error::NoRemote`], and those of moving refs.
    pub fn remove_remote(&mut self, name: &str, who: &Ident) -> Result<()> {
        let mut others = Remote::all(self.config())?;
        let remote = Remote::find(self.config(), name)?;
        others.retain(|other| other.name != name);
        let is_gone =
            |name: &RefName| remote.tracked(name).is_some() && others.iter().all(|other| other.tracked(name).is_none());
        let kept = self.refs().list(TRACKING)?.into_iter().map(|(name, _)| name).filter(is_gone);
        let message = "remote: removed".to_owned();
        let edit = |name| RefEdit { name, expect: Expect::Any, new: None, message: message.clone() };
        self.move_refs(kept.map(edit).collect(), who)?;
        self.remove_peer_note(&remote.file_name())?;
        self.configure(|config| {
            let mut changed = config.without_section(&format!("remote.{name}"))?.unwrap_or_else(|| config.clone());
            let branches = config.all().filter(|(_, value)| *value == name);
            for (setting, _) in branches {
                // What a branch goes by if nothing is said of the remote.
                let Some(branch) = setting.strip_prefix("branch.").and_then(|rest| rest.strip_suffix(".remote")) else {
                    continue;
                };
                for key in ["remote", "merge"] {
                    changed = changed.without(&format!("branch.{branch}.{key}"))?.unwrap_or(changed);
                }
            }
            Ok(Some(changed))
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RefName {
        RefName::full(text).unwrap()
    }

    #[test]
    fn refs_have_names_on_both_sides() {
        let remote = Remote::new("barn", "/srv/barn").unwrap();
        let pair = (name("refs/heads/a/b"), name("refs/remotes/barn/a/b"));
        assert_eq!(remote.tracking(&pair.0), Some(pair.1.clone()));
        assert_eq!(remote.tracked(&pair.1), Some(pair.0));
        assert_eq!(remote.tracking(&name("refs/tags/v1")), None);
        assert_eq!(remote.tracking(&name("refs/heads/HEAD")), None);
        assert_eq!(remote.tracked(&name("refs/remotes/barns/a")), None);
        let config = "[remote \"x\"]\nurl = a:b\nfetch = refs/heads/m*n:refs/remotes/y/*/z\nfetch = +refs/heads/q:refs/remotes/q\n";
        let remote = Remote::find(&Config::parse(config).unwrap(), "x").unwrap();
        for (there, here) in [("refs/heads/main", "refs/remotes/y/ai/z"), ("refs/heads/q", "refs/remotes/q")] {
            assert_eq!(remote.tracking(&name(there)), Some(name(here)));
            assert_eq!(remote.tracked(&name(here)), Some(name(there)));
        }
        assert_eq!(remote.tracking(&name("refs/heads/mn")), None);
        assert_eq!(remote.tracking(&name("refs/heads/qq")), None);
        assert_eq!(remote.prefixes(), ["refs/heads/m", "refs/heads/q"]);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let config = Config::parse("[core]\n\tbare = true\n").unwrap();
        let remote = Remote::new("barn", "ann@barn:farm # 1").unwrap();
        let config = remote.write_to(&config).unwrap();
        assert_eq!(Remote::all(&config).unwrap(), [remote]);
        assert_eq!(config.get("remote.barn.fetch"), Some("+refs/heads/*:refs/remotes/barn/*"));
    }

    #[test]
    fn bad_names_and_settings() {
        for bad in ["", "-a", ".a", "a.", "a/b", "a b", "a:b", "a..b", "x.lock", "é\u{301}?", &"x".repeat(65)] {
            assert!(matches!(Remote::new(bad, "/x"), Err(Error::RemoteName { .. })), "{bad:?}");
        }
        assert!(matches!(Remote::new("a", "ftp://x"), Err(Error::Location { .. })));
        for bad in
            ["refs/heads/*", "x:refs/remotes/x", "refs/*:refs/*", "refs/heads/*:refs/remotes/x", "^refs/heads/x", ""]
        {
            let config = Config::default().with("remote.x.url", "/x").unwrap().with("remote.x.fetch", bad).unwrap();
            assert!(matches!(Remote::all(&config), Err(Error::Refspec { .. })), "{bad:?}");
        }
    }

    #[test]
    fn files_of_any_name_differ() {
        let names = ["a", "A", "Ä", "a.b", "a-b", "con", "a%41%"];
        let files: std::collections::BTreeSet<String> = names
            .iter()
            .map(|name| Remote { name: name.to_string(), url: String::new(), push_url: None, maps: Vec::new() })
            .map(|remote| remote.file_name().to_lowercase())
            .collect();
        assert_eq!(files.len(), names.len());
        assert!(
            files.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_%".contains(&byte)))
        );
    }
}
