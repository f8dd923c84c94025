//! Environment, home, clock and terminal, turned into plain values: the one place that asks for them.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use isodb::{
    CommitId, CommitInfo, Config, Database, Disk, Expect, Ident, NodeName, OsDisk, Outcome, Person, RefName, Signer,
};

use crate::args::{ColorChoice, CommitArgs, Global, SyncArgs};
use crate::error::Failure;
use crate::scripts::Worker;
use crate::time;
use crate::upkeep::Upkeep;

/// What a command knows of the world around it.
pub(crate) struct Context {
    global: Global,
    /// The user's own configuration, once somebody has asked for a person: `apply --each` does so for every line.
    pub(crate) user: OnceLock<Config>,
    /// Who signs, once it is known.
    pub(crate) signer: OnceLock<Option<Arc<dyn Signer>>>,
    upkeep: Upkeep,
}

/// A variable of the environment that is set and not empty.
pub(crate) fn variable(name: &str) -> Result<Option<String>> {
    let text = raw_variable(name).map(OsString::into_string).transpose();
    Ok(text.map_err(|_| Failure::usage(format!("the variable {name} is not valid UTF-8")))?)
}

pub(crate) fn raw_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Seconds since 1970; `SOURCE_DATE_EPOCH` where it is set.
pub(crate) fn clock() -> Result<i64> {
    let Some(text) = variable("SOURCE_DATE_EPOCH")? else {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        return Ok(i64::try_from(clock).unwrap_or(i64::MAX));
    };
    text.parse().ok().filter(|seconds| *seconds >= 0).ok_or_else(|| {
        Failure::usage(format!("SOURCE_DATE_EPOCH is {text:?}, which is no number of seconds since 1970")).into()
    })
}

impl Context {
    pub(crate) fn new(global: Global) -> Context {
        Context { global, upkeep: Upkeep::default(), user: OnceLock::new(), signer: OnceLock::new() }
    }

    /// A number for what is to be random, another each time.
    pub(crate) fn seed(&self) -> u64 {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Short enough to be typed again.
        u64::from(clock.subsec_nanos()) % 1_000_000
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
                self.for_people()
                    && raw_variable("NO_COLOR").is_none()
                    && raw_variable("TERM").is_none_or(|term| term != "dumb")
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
        self.seen_from_the_root(Path::new("."))
    }

    /// A path as the user gave it, as it is written from the root on.
    fn seen_from_the_root(&self, path: &Path) -> Result<PathBuf> {
        let path = self.path(path);
        std::path::absolute(&path)
            .map(|path| path.components().collect())
            .map_err(|error| Failure::system(format!("{}: {error}", path.display())).into())
    }

    /// The same as text.
    pub(crate) fn absolute(&self, path: &Path) -> Result<String> {
        let path = self.seen_from_the_root(path)?;
        path.into_os_string()
            .into_string()
            .map_err(|path| Failure::usage(format!("{} is not valid UTF-8", Path::new(&path).display())).into())
    }

    /// Opens the database that the command is about.
    pub(crate) fn database(&self) -> Result<Database> {
        self.open(Arc::new(OsDisk::new()))
    }

    /// Opens it to write.
    pub(crate) fn database_to_write(&self, sync: SyncArgs) -> Result<Database> {
        let without_sync = || self.open(Arc::new(OsDisk::without_sync()));
        if sync.no_sync {
            return without_sync();
        }
        let db = self.database()?;
        if db.config().get("core.fsync") == Some("none") { without_sync() } else { Ok(db) }
    }

    /// Opens it to commit. Who signs is found first: nothing is read or written yet if that fails.
    pub(crate) fn database_to_commit(&self, args: &CommitArgs) -> Result<Database> {
        let db = self.database_to_write(args.sync)?;
        self.signer(&db, args.sign, "commit.sign")?;
        Ok(db)
    }

    /// Opens the database in a directory: the directory itself, or `.isodb` in it.
    pub(crate) fn database_at(&self, dir: &Path) -> Result<Database> {
        let disk = Arc::new(OsDisk::new());
        let root = root_in(&*disk, self.path(dir));
        let db = Database::open(disk, &root)?;
        match db.config().get("core.fsync") {
            Some("none") => Ok(Database::open(Arc::new(OsDisk::without_sync()), &root)?),
            _ => Ok(db),
        }
    }

    /// The program that leads to other machines, with its arguments: git's variables and configuration say which.
    pub(crate) fn ssh(&self) -> Result<Vec<OsString>> {
        let words = match variable("GIT_SSH_COMMAND")? {
            Some(words) => Some(words),
            None => match self.database() {
                Ok(db) => self.setting(&db, "core.sshCommand")?,
                // A clone starts without a database.
                Err(_) => self.user_config()?.get("core.sshCommand").map(str::to_owned),
            },
        };
        if let Some(words) = words {
            // Words for a shell, with what is added behind them.
            return Ok(vec!["sh".into(), "-c".into(), format!("{words} \"$@\"").into(), "ssh".into()]);
        }
        Ok(vec![raw_variable("GIT_SSH").unwrap_or_else(|| "ssh".into())])
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Result<Database> {
        let root = match self.given_database() {
            Some(dir) => root_in(&*disk, dir),
            None => {
                let start = self.directory()?;
                isodb::discover(&*disk, &start)?
            }
        };
        Ok(Database::open(disk, &root)?)
    }

    /// Starts a gc in the background if it is time for one, after a command has made a commit. It is not waited for, and
    /// what keeps it from starting is no error of the command.
    pub(crate) fn start_upkeep(&self, db: &Database, outcome: Outcome) {
        if let Some(commit) = outcome.head.filter(|_| outcome.is_new) {
            self.upkeep.start(db.root(), || db.is_gc_due(commit).unwrap_or(false));
        }
    }

    /// The directory that `--db` or else `$ISODB_DIR` names.
    fn given_database(&self) -> Option<PathBuf> {
        let given = self.global.db.clone().or_else(|| raw_variable("ISODB_DIR").map(PathBuf::from));
        given.map(|path| self.path(&path))
    }

    /// Where `init` makes a database: in `.isodb` of the directory, unless its own name says that it is one.
    pub(crate) fn new_database_path(&self, dir: Option<&Path>) -> Result<PathBuf> {
        let chosen = match (dir, self.given_database()) {
            (Some(dir), _) => self.path(dir),
            (None, Some(db)) => return Ok(db),
            (None, None) => self.directory()?,
        };
        Ok(if chosen.extension().is_some_and(|e| e == "isodb") || chosen.ends_with(".isodb") {
            chosen
        } else {
            chosen.join(".isodb")
        })
    }

    /// A person and a time from the environment: isodb's variables, then git's, then the configuration.
    fn person(&self, db: &Database, role: &str) -> Result<(Person, i64)> {
        let from_environment = |what: &str| match variable(&format!("ISODB_{role}_{what}")) {
            Ok(None) => variable(&format!("GIT_{role}_{what}")),
            found => found,
        };
        let name = match from_environment("NAME")? {
            Some(name) => name,
            None => self.setting(db, "user.name")?.filter(|name| !name.is_empty()).unwrap_or_else(login_name),
        };
        let email = match from_environment("EMAIL")? {
            Some(email) => email,
            None => match self.setting(db, "user.email")?.or(variable("EMAIL")?) {
                Some(email) => email,
                None => account(),
            },
        };
        let time = match from_environment("DATE")? {
            Some(text) => self.time(&text)?,
            None => clock()?,
        };
        Ok((Person::new(&name, &email).map_err(|error| Failure::usage(error.to_string()))?, time))
    }

    /// A time as a user writes it.
    pub(crate) fn time(&self, text: &str) -> Result<i64> {
        time::parse(text, clock()?).ok_or_else(|| {
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
        let signer = self.signer(db, args.sign, "commit.sign")?;
        Ok(CommitInfo { author, author_time, committer, committer_time, message, signer })
    }

    /// Who moves a ref.
    pub(crate) fn mover(&self, db: &Database) -> Result<Ident> {
        let (person, time) = self.person(db, "COMMITTER")?;
        Ok(person.at(time).map_err(|error| Failure::usage(error.to_string()))?)
    }

    /// Who moves refs, whenever that is.
    pub(crate) fn committer(&self, db: &Database) -> Result<Person> {
        Ok(self.person(db, "COMMITTER")?.0)
    }

    /// The ref that a command commits on.
    pub(crate) fn target(&self, args: &CommitArgs) -> Result<RefName> {
        self.reference(args.reference.as_deref())
    }

    /// The ref of this name, by default the current one.
    pub(crate) fn reference(&self, name: Option<&str>) -> Result<RefName> {
        match name {
            None => Ok(RefName::head()),
            Some(name) => Ok(RefName::from_user(name).map_err(isodb::RefError::from).map_err(isodb::Error::from)?),
        }
    }

    /// What runs the merge scripts that rules name.
    pub(crate) fn runner(&self) -> Result<Worker> {
        Worker::new().map_err(|error| Failure::system(format!("cannot find this program itself: {error}")).into())
    }

    /// What `--expect` asks for.
    pub(crate) fn expect(&self, db: &Database, text: Option<&str>) -> Result<Expect> {
        Ok(match text {
            None => Expect::Any,
            Some("none") => Expect::Absent,
            Some(revision) => Expect::At(db.resolve(revision)?),
        })
    }

    /// What this node is called, if it has a name: the setting `isodb.name` of the database.
    pub(crate) fn node_name(&self, db: &Database) -> Result<Option<NodeName>> {
        let name = db.config().get("isodb.name").map(str::parse).transpose();
        Ok(name.map_err(|error: isodb::NodeNameError| Failure::usage(format!("isodb.name: {error}")))?)
    }

    /// What this node is called: as is said, else as it was before. One without a name keeps the one that is said, or gets one
    /// after the machine.
    pub(crate) fn named(&self, db: &mut Database, said: Option<NodeName>) -> Result<NodeName> {
        if let Some(name) = self.node_name(db)? {
            return Ok(said.unwrap_or(name));
        }
        // Another database of this machine must not be called so.
        let after_machine = || NodeName::like(&format!("{:.40}-{:06}", host_name(), self.seed()));
        let name = said.or_else(after_machine).or_else(|| NodeName::like(&format!("node-{}", self.seed())));
        let name = name.ok_or_else(|| Failure::usage("this node needs a name").hint("say it: --as NAME"))?;
        db.configure(|config| config.with("isodb.name", name.as_str()).map(Some))?;
        Ok(name)
    }

    /// The commits that `--on` names.
    pub(crate) fn parents(&self, db: &Database, on: &[String]) -> Result<Vec<CommitId>> {
        match on {
            [none] if none == "none" => Ok(Vec::new()),
            _ => on.iter().map(|revision| Ok(db.resolve_commit(revision)?)).collect(),
        }
    }
}

/// The user and the machine, as an e-mail address.
pub(crate) fn account() -> String {
    format!("{}@{}", login_name(), host_name())
}

/// The database of a directory: itself, or `.isodb` in it.
fn root_in(disk: &dyn Disk, dir: PathBuf) -> PathBuf {
    let inside = dir.join(".isodb");
    if disk.stat(&inside).is_ok() { inside } else { dir }
}

fn login_name() -> String {
    // The author and the committer both ask, and the system may have to look it up in a directory of users.
    static NAME: OnceLock<String> = OnceLock::new();
    let find = || {
        raw_variable("USER")
            .or_else(|| raw_variable("LOGNAME"))
            .and_then(|name| name.into_string().ok())
            .or_else(|| whoami::username().ok().filter(|name| !name.is_empty()))
            .unwrap_or_else(|| "unknown".into())
    };
    NAME.get_or_init(find).clone()
}

fn host_name() -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    let find = || whoami::hostname().ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".into());
    NAME.get_or_init(find).clone()
}
