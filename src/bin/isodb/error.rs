//! Errors into exit statuses, one sentence, and a hint that helps.

use std::io;

use isodb::{Error, Key, ObjectError, RefError, ServeError, SignError, SyncError, TreeError};

use crate::context::Context;
use crate::output::quoted;

/// What a command's end tells the shell (`isodb --help` lists them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Done = 0,
    No = 1,
    Usage = 2,
    Expectation = 3,
    Damaged = 4,
    System = 5,
}

/// A failure of the program's own, with its status.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    status: Status,
    message: String,
    hint: Option<String>,
}

impl Failure {
    fn new(status: Status, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into(), hint: None }
    }

    /// A wrong command line or input.
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::new(Status::Usage, message)
    }

    /// The system said no.
    pub(crate) fn system(message: impl Into<String>) -> Failure {
        Failure::new(Status::System, message)
    }

    /// The answer is no, and there is nothing more to say.
    pub(crate) fn no() -> Failure {
        Failure::new(Status::No, "")
    }

    /// The answer is no, and what about.
    pub(crate) fn no_such(message: impl Into<String>) -> Failure {
        Failure::new(Status::No, message)
    }

    /// Somebody else was first.
    pub(crate) fn expectation(message: impl Into<String>) -> Failure {
        Failure::new(Status::Expectation, message)
    }

    /// Damage was found and has been told of.
    pub(crate) fn damaged() -> Failure {
        Failure::new(Status::Damaged, "")
    }

    /// Something that came is damaged or untrusted.
    pub(crate) fn not_let_in(message: impl Into<String>) -> Failure {
        Failure::new(Status::Damaged, message)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

/// The change of one line of many could not be made.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {source}")]
pub(crate) struct LineError {
    pub(crate) line: u64,
    pub(crate) source: Error,
}

/// Tells of an error on stderr and answers the exit status.
pub(crate) fn report(context: &Context, error: &anyhow::Error) -> u8 {
    if is_closed_pipe(error) {
        return Status::Done as u8;
    }
    let (status, hint) = explain(context, error);
    tell(&error.to_string(), hint.as_deref());
    status as u8
}

/// Says what is wrong, unless that is nothing, and what helps.
pub(crate) fn tell(text: &str, hint: Option<&str>) {
    if !text.is_empty() {
        say(&format!("error: {}", without_code(text)));
    }
    if let Some(hint) = hint {
        say(&format!("hint: {hint}"));
    }
}

/// A text without the number that the system's errors end in.
fn without_code(text: &str) -> String {
    match text.split_once(" (os error ").and_then(|(before, after)| Some((before, after.split_once(')')?.1))) {
        Some((before, after)) => before.to_owned() + after,
        None => text.to_owned(),
    }
}

/// Writes a line to stderr, and it stays one line whatever a name in it holds. That stderr may be closed is no reason
/// to end otherwise.
pub(crate) fn say(line: &str) {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).chain(['\n']).collect();
    let _ = io::Write::write_all(&mut io::stderr().lock(), line.as_bytes());
}

/// Whether the reader of stdout went away, which ends a command as it should.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<OutputError>().is_some_and(|error| error.0.kind() == io::ErrorKind::BrokenPipe)
}

/// stdout failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the answer: {0}")]
pub(crate) struct OutputError(#[from] pub(crate) io::Error);

fn explain(context: &Context, error: &anyhow::Error) -> (Status, Option<String>) {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return (failure.status, failure.hint.clone());
    }
    if let Some(error) = error.downcast_ref::<Error>() {
        return of_database(context, error);
    }
    if let Some(error) = error.downcast_ref::<LineError>() {
        return of_database(context, &error.source);
    }
    if let Some(error) = error.downcast_ref::<ObjectError>() {
        return of_object(error);
    }
    if let Some(error) = error.downcast_ref::<RefError>() {
        return of_ref(error);
    }
    if let Some(error) = error.downcast_ref::<TreeError>() {
        return of_tree(error);
    }
    if let Some(error) = error.downcast_ref::<SignError>() {
        return of_signing(error);
    }
    if let Some(error) = error.downcast_ref::<SyncError>() {
        return of_sync(context, error);
    }
    if let Some(error) = error.downcast_ref::<ServeError>() {
        return of_serving(error);
    }
    if error.is::<isodb::KeyError>() || error.is::<isodb::ConfigError>() || error.is::<isodb::RulesError>() {
        return (Status::Usage, None);
    }
    (Status::System, None)
}

fn of_database(context: &Context, error: &Error) -> (Status, Option<String>) {
    let hint = |text: &str| Some(text.to_owned());
    match error {
        Error::Object(error) => of_object(error),
        Error::Ref(error) => of_ref(error),
        Error::Tree(error) => of_tree(error),
        Error::Key(_) | Error::Invalid(_) | Error::Config(_) | Error::Line { .. } => (Status::Usage, None),
        Error::NotFound(_) => (Status::Usage, hint("`isodb init` makes one here; --db DIR names one elsewhere")),
        Error::NotADatabase { reason, .. } if reason.contains("isodb.format") => (
            Status::Usage,
            hint("if it is a copy of a database that git made, run `git --git-dir=DIR config isodb.format 1`"),
        ),
        Error::NotADatabase { .. } => (Status::Usage, hint("`isodb init DIR` makes one")),
        Error::UnknownFormat { .. } => (Status::Usage, hint("a newer version of isodb may know it")),
        Error::NoCommit(_) => (Status::No, hint("`isodb put KEY` makes the first commit")),
        Error::NoRevision { text, .. } => (
            Status::No,
            similar_ref(context, text)
                .or_else(|| hint("`isodb ref list` shows the refs, `isodb log --oneline` the commits")),
        ),
        Error::BadRevision { .. } | Error::WrongKind { .. } | Error::Ambiguous { .. } => (Status::Usage, None),
        Error::NoDocument(key) | Error::NothingBelow(key) => (Status::No, similar_key(context, key)),
        Error::NoConflict(_) => (Status::No, hint("`isodb conflicts` lists the documents that are")),
        Error::Unexpected { .. } | Error::OtherVersions(_) => {
            (Status::Expectation, hint("read it again with `isodb get`, and decide anew"))
        }
        Error::DamagedMerge { .. } => (Status::Damaged, hint("`isodb fsck` tells what else is damaged")),
        Error::Proof(_) => (Status::Damaged, None),
        Error::NoProof { .. } => (
            Status::No,
            hint("what is at a key can be proved by a signed commit: one that is made on top now has the same there"),
        ),
        Error::Rules(_) => (Status::Usage, hint("they are the document _isodb/merge/rules: `isodb get` shows it")),
        Error::Sign(error) => of_signing(error),
        Error::Signers { .. } => (Status::Usage, hint("`isodb trust add` writes lines that can be")),
        Error::Script(_) => (Status::System, hint("nothing has changed: try again, or on a machine with more memory")),
        Error::NotDurable { .. } => {
            (Status::System, hint("everybody sees the change all the same; look after the disk before you rely on it"))
        }
        Error::Io { source, .. } => (Status::System, of_io(source)),
        _ => (Status::System, None),
    }
}

fn of_sync(context: &Context, error: &SyncError) -> (Status, Option<String>) {
    match error {
        SyncError::Database(error) => of_database(context, error),
        SyncError::Location { .. } => {
            (Status::Usage, Some("write a path, ssh://HOST/PATH, HOST:PATH or https://HOST/PATH".into()))
        }
        SyncError::RemoteName { .. } | SyncError::Refspec { .. } => (Status::Usage, None),
        SyncError::RemoteExists { name } => {
            (Status::Usage, Some(format!("`isodb remote set-url {name} URL` makes it lead elsewhere")))
        }
        SyncError::NoRemote { .. } => (
            Status::Usage,
            Some("`isodb remote list` lists those that there are, `isodb remote add NAME URL` adds one".into()),
        ),
        SyncError::Detached => {
            (Status::Usage, Some("`git --git-dir=DIR symbolic-ref HEAD refs/heads/NAME` puts it on one".into()))
        }
        SyncError::Unfinished { .. } => (Status::No, Some("the same command goes on from there".into())),
        SyncError::Exists(_) => (Status::Usage, Some("name another directory".into())),
        SyncError::NoRef { .. } => (Status::No, Some("`isodb ls-remote URL` lists the refs that it has".into())),
        SyncError::NotLetIn { .. } => (Status::Damaged, None),
        SyncError::Http { status: 401, .. } => {
            (Status::System, Some("set ISODB_TOKEN or http.tokenFile, or write https://USER:PASSWORD@HOST/PATH".into()))
        }
        SyncError::Bundle(_) => (Status::Damaged, None),
        SyncError::Lacking { .. } => (
            Status::No,
            Some("ask for one that is made --since a commit that is here, or without --for and --since".into()),
        ),
        SyncError::NotReplaced { .. } => (
            Status::No,
            Some("go on under another name, by --as NAME; others that have the commit read the file".into()),
        ),
        SyncError::File { source, .. } => (Status::System, of_io(source)),
        SyncError::Protocol(_) | SyncError::TooMuch { .. } => (Status::Damaged, None),
        _ => (Status::System, None),
    }
}

fn of_serving(error: &ServeError) -> (Status, Option<String>) {
    match error {
        ServeError::Exposed(_) => {
            (Status::Usage, Some("--token-file FILE lets in who has a token, --no-auth whoever can connect".into()))
        }
        ServeError::Twice(_) | ServeError::NoToken | ServeError::Tls(_) => (Status::Usage, None),
        _ => (Status::System, None),
    }
}

fn of_object(error: &ObjectError) -> (Status, Option<String>) {
    match error {
        ObjectError::Damaged { .. }
        | ObjectError::DamagedFile { .. }
        | ObjectError::Missing { .. }
        | ObjectError::WrongKind { .. } => (Status::Damaged, Some("`isodb fsck` tells what else is damaged".into())),
        ObjectError::Io { source, .. } => (Status::System, of_io(source)),
        _ => (Status::Usage, None),
    }
}

fn of_tree(error: &TreeError) -> (Status, Option<String>) {
    match error {
        TreeError::Object(error) => of_object(error),
        _ => (Status::Damaged, Some("`isodb fsck` tells what else is damaged".into())),
    }
}

fn of_signing(error: &SignError) -> (Status, Option<String>) {
    match error {
        SignError::Agent(_) => {
            (Status::System, Some("`ssh-add -l` lists what the agent holds; --no-sign does without a signature".into()))
        }
        SignError::Program(_) => (Status::System, Some("--no-sign does without a signature".into())),
        _ => (Status::Usage, None),
    }
}

fn of_ref(error: &RefError) -> (Status, Option<String>) {
    match error {
        RefError::Mismatch { .. } => {
            (Status::Expectation, Some("somebody else was first: read it again, and decide anew".into()))
        }
        RefError::Locked { of_git: true, path } => {
            (Status::System, Some(format!("if no git command is running, one was killed: remove {}", path.display())))
        }
        RefError::Locked { .. } => (Status::System, Some("another isodb is still writing: try again".into())),
        RefError::Damaged { .. } => (Status::Damaged, Some("`isodb fsck` tells what else is damaged".into())),
        RefError::Io { source, .. } => (Status::System, of_io(source)),
        _ => (Status::Usage, None),
    }
}

fn of_io(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("the disk is full: free some space, and try again".into())
        }
        io::ErrorKind::ReadOnlyFilesystem => Some("the disk is read-only: nothing can be stored there".into()),
        _ => None,
    }
}

/// The one of some names that a wrong one was most likely meant to be: much alike, or one slip of the fingers away.
pub(crate) fn most_similar(wrong: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let is_slip = |name: &str| name.len() > 2 && strsim::osa_distance(wrong, name) == 1;
    let alike = names.filter(|name| name != wrong).map(|name| (strsim::jaro_winkler(wrong, &name), name));
    let alike = alike.filter(|(likeness, name)| *likeness > 0.8 || is_slip(name));
    // Of several that are as much alike the first.
    alike.min_by(|a, b| b.0.total_cmp(&a.0)).map(|(_, name)| name)
}

/// The key beside one that is not there that is most like it.
fn similar_key(context: &Context, key: &Key) -> Option<String> {
    let database = context.database().ok()?;
    let tree = database.tree_of(database.head().ok()?.1).ok()?;
    let text = key.text();
    if tree.folder(Some(key)).ok()?.is_some() {
        return Some(format!("`isodb ls {}` lists what is below it", quoted(&text)));
    }
    let (above, segment) = text.rsplit_once('/').map_or((None, text.as_ref()), |(above, s)| (Some(above), s));
    let folder: Option<Key> = above.and_then(|above| above.parse().ok());
    let children = tree.children(folder.as_ref()).ok()?.take(2000);
    let best = most_similar(segment, children.map_while(Result::ok).map(|child| child.segment))?;
    let best = above.map_or(best.clone(), |above| format!("{above}/{best}"));
    Some(format!("did you mean {best:?}?"))
}

/// The ref that is most like the name that a revision starts with.
fn similar_ref(context: &Context, revision: &str) -> Option<String> {
    let name = revision.split(['~', '^', ':', '@']).next()?;
    let refs = context.database().ok()?.refs().list("refs/").ok()?;
    let full = name.starts_with("refs/");
    let names = refs.iter().map(|(known, _)| if full { known.as_str() } else { known.short() }.to_owned());
    most_similar(name, names.chain(["HEAD".to_owned()])).map(|best| format!("did you mean {best:?}?"))
}
