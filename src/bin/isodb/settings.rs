//! Settings: the database's own, and the user's, which count where the database has none.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::Result;
use isodb::{Config, ConfigError, Database};

use crate::context::{Context, raw_variable};
use crate::error::Failure;

impl Context {
    /// The directory of the user's own configuration.
    pub(crate) fn user_dir(&self) -> Result<PathBuf> {
        let base = raw_variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let base = base.or_else(|| raw_variable("HOME").map(|home| Path::new(&home).join(".config")));
        let base = base.ok_or_else(|| Failure::system("neither XDG_CONFIG_HOME nor HOME is set"))?;
        Ok(base.join("isodb"))
    }

    /// The user's own configuration; empty where there is none.
    pub(crate) fn user_config(&self) -> Result<Config> {
        let Ok(dir) = self.user_dir() else { return Ok(Config::default()) };
        let path = dir.join("config");
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                Config::parse(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())).into())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Config::default()),
            Err(error) => Err(Failure::system(format!("cannot read {}: {error}", path.display())).into()),
        }
    }

    /// Changes the user's own configuration; whether there was something to change.
    pub(crate) fn change_user_config(
        &self,
        change: impl FnOnce(&Config) -> Result<Option<Config>, ConfigError>,
    ) -> Result<bool> {
        let Some(config) = change(&self.user_config()?)? else { return Ok(false) };
        let dir = self.user_dir()?;
        let path = dir.join("config");
        let written = (|| -> io::Result<()> {
            std::fs::create_dir_all(&dir)?;
            let temporary = path.with_extension("new");
            std::fs::write(&temporary, config.text())?;
            std::fs::rename(&temporary, &path)
        })();
        written.map_err(|error| Failure::system(format!("cannot write {}: {error}", path.display())))?;
        Ok(true)
    }

    /// The setting that is in force: the database's, else the user's.
    pub(crate) fn setting(&self, db: &Database, name: &str) -> Result<Option<String>> {
        if let Some(value) = db.config().get(name) {
            return Ok(Some(value.to_owned()));
        }
        Ok(self.user_settings()?.get(name).map(str::to_owned))
    }

    /// The setting that is in force, as a truth value.
    pub(crate) fn flag(&self, db: &Database, name: &str) -> Result<Option<bool>> {
        match db.config().get_bool(name)? {
            Some(value) => Ok(Some(value)),
            None => Ok(self.user_settings()?.get_bool(name)?),
        }
    }

    /// The user's own configuration, read once.
    fn user_settings(&self) -> Result<&Config> {
        if let Some(user) = self.user.get() {
            return Ok(user);
        }
        let user = self.user_config()?;
        Ok(self.user.get_or_init(|| user))
    }
}
