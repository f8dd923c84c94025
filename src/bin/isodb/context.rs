//! Environment, home, clock and terminal, turned into plain values: the one place that asks for them.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use isodb::{CommitId, CommitInfo, Config, Database, Disk, Expect, Ident, OsDisk, Person, RefName};

use crate::args::{ColorChoice, CommitArgs, Global, SyncArgs};
use crate::error::Failure;
use crate::time;

/// What a command knows of the world around it.
pub(crate) struct Context {
    global: Global,
    /// Seconds since 1970; `SOURCE_DATE_EPOCH` where it is set.
    now: i64,
}

/// A variable of the environment that is set and not empty.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

impl Context {
    pub(crate) fn new(global: Global) -> Context {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let now = variable("SOURCE_DATE_EPOCH").and_then(|text| text.parse().ok()).unwrap_or(clock as i64);
        Context { global, now }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.global.quiet
    }

    /// Whether stdout is read by a person.
    pub(crate) fn for_people(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Whether stdout takes colours.
    pub(crate) fn with_color(&self) -> bool {
        match self.global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                self.for_people() && variable("NO_COLOR").is_none() && variable("TERM").is_none_or(|t| t != "dumb")
            }
        }
    }

    /// A path as the user gave it, seen from the directory of `-C`.
    pub(crate) fn path(&self, path: &Path) -> PathBuf {
        match &self.global.directory {
            Some(directory) => directory.join(path),
            None => path.to_owned(),
        }
    }

    fn directory(&self) -> Result<PathBuf> {
        let directory = self.path(Path::new("."));
        std::path::absolute(&directory)
            .map(|path| path.components().collect())
            .map_err(|error| Failure::system(format!("{}: {error}", directory.display())).into())
    }

    /// Opens the database that the command is about.
    pub(crate) fn database(&self) -> Result<Database> {
        self.open(Arc::new(OsDisk::new()))
    }

    /// Opens it to write.
    pub(crate) fn database_to_write(&self, sync: SyncArgs) -> Result<Database> {
        let db = self.database()?;
        let without = sync.no_sync || db.config().get("core.fsync").is_some_and(|value| value == "none");
        if without { self.open(Arc::new(OsDisk::without_sync())) } else { Ok(db) }
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Result<Database> {
        let given = self.global.db.clone().map(|path| self.path(&path)).or(variable("ISODB_DIR").map(PathBuf::from));
        let root = match given {
            Some(dir) => {
                let inside = dir.join(".isodb");
                if disk.stat(&inside).is_ok() { inside } else { dir }
            }
            None => {
                let start = self.directory()?;
                isodb::discover(&*disk, &start)?
            }
        };
        Ok(Database::open(disk, &root)?)
    }

    /// Where `init` makes a database: in `.isodb` of the directory, unless its own name says that it is one.
    pub(crate) fn new_database_path(&self, dir: Option<&Path>) -> Result<PathBuf> {
        let chosen = match (dir, &self.global.db) {
            (Some(dir), _) => self.path(dir),
            (None, Some(db)) => return Ok(self.path(db)),
            (None, None) => self.directory()?,
        };
        Ok(if chosen.extension().is_some_and(|e| e == "isodb") || chosen.ends_with(".isodb") {
            chosen
        } else {
            chosen.join(".isodb")
        })
    }

    /// The file of the user's own configuration.
    pub(crate) fn user_config_path(&self) -> Option<PathBuf> {
        let base = variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let base = base.or_else(|| variable("HOME").map(|home| Path::new(&home).join(".config")))?;
        Some(base.join("isodb").join("config"))
    }

    /// The user's own configuration; empty where there is none.
    pub(crate) fn user_config(&self) -> Result<Config> {
        let text = self.user_config_path().and_then(|path| std::fs::read_to_string(path).ok());
        Ok(Config::parse(&text.unwrap_or_default())?)
    }

    /// A person and a time from the environment: isodb's variables, then git's, then the configuration.
    fn person(&self, db: &Database, role: &str) -> Result<(Person, i64)> {
        let from_environment =
            |what: &str| variable(&format!("ISODB_{role}_{what}")).or_else(|| variable(&format!("GIT_{role}_{what}")));
        let mut user = None;
        let mut setting = |name: &str| -> Result<Option<String>> {
            if let Some(value) = db.config().get(name) {
                return Ok(Some(value.to_owned()));
            }
            if user.is_none() {
                user = Some(self.user_config()?);
            }
            Ok(user.as_ref().and_then(|user| user.get(name)).map(str::to_owned))
        };
        let name = match from_environment("NAME") {
            Some(name) => name,
            None => setting("user.name")?.filter(|name| !name.is_empty()).unwrap_or_else(login_name),
        };
        let email = match from_environment("EMAIL") {
            Some(email) => email,
            None => match setting("user.email")?.or_else(|| variable("EMAIL")) {
                Some(email) => email,
                None => format!("{}@{}", login_name(), host_name()),
            },
        };
        let time = match from_environment("DATE") {
            Some(text) => self.time(&text)?,
            None => self.now,
        };
        Ok((Person::new(&name, &email).map_err(|error| Failure::usage(error.to_string()))?, time))
    }

    /// A time as a user writes it.
    pub(crate) fn time(&self, text: &str) -> Result<i64> {
        time::parse(text, self.now).ok_or_else(|| {
            Failure::usage(format!("{text:?} is not a time"))
                .hint("write 2026-11-22T10:00:00Z, 2026-11-22, @1700000000 or \"2 hours ago\"")
                .into()
        })
    }

    /// Who makes a commit, when and why.
    pub(crate) fn commit_info(&self, db: &Database, args: &CommitArgs, default_message: String) -> Result<CommitInfo> {
        let (mut author, mut author_time) = self.person(db, "AUTHOR")?;
        let (committer, committer_time) = self.person(db, "COMMITTER")?;
        if let Some(text) = &args.author {
            author = text
                .parse()
                .map_err(|_| Failure::usage(format!("{text:?} is not an author")).hint("write \"Name <email>\""))?;
        }
        if let Some(text) = &args.date {
            author_time = self.time(text)?;
        }
        if author_time < 0 || committer_time < 0 {
            return Err(Failure::usage("a commit cannot be made before 1970").into());
        }
        let message = args.message.clone().unwrap_or(default_message);
        Ok(CommitInfo { author, author_time, committer, committer_time, message })
    }

    /// Who moves a ref.
    pub(crate) fn mover(&self, db: &Database) -> Result<Ident> {
        let (person, time) = self.person(db, "COMMITTER")?;
        Ok(person.at(time).map_err(|error| Failure::usage(error.to_string()))?)
    }

    /// The ref that a command commits on.
    pub(crate) fn target(&self, args: &CommitArgs) -> Result<RefName> {
        match &args.reference {
            None => Ok(RefName::head()),
            Some(name) => Ok(RefName::from_user(name).map_err(isodb::RefError::from).map_err(isodb::Error::from)?),
        }
    }

    /// What `--expect` asks for.
    pub(crate) fn expect(&self, db: &Database, text: Option<&str>) -> Result<Expect> {
        Ok(match text {
            None => Expect::Any,
            Some("none") => Expect::Absent,
            Some(revision) => Expect::At(db.resolve(revision)?),
        })
    }

    /// The commits that `--on` names.
    pub(crate) fn parents(&self, db: &Database, on: &[String]) -> Result<Vec<CommitId>> {
        match on {
            [none] if none == "none" => Ok(Vec::new()),
            _ => on.iter().map(|revision| Ok(db.resolve_commit(revision)?)).collect(),
        }
    }
}

fn login_name() -> String {
    variable("USER")
        .or_else(|| variable("LOGNAME"))
        .or_else(|| whoami::username().ok().filter(|name| !name.is_empty()))
        .unwrap_or_else(|| "unknown".into())
}

fn host_name() -> String {
    whoami::hostname().ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into())
}
