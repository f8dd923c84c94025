//! Making a database out of a remote: all of it beside where it is to be, and then one rename. A failure leaves nothing, but
//! for what a broken link leaves to go on from.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::admit::refuse;
use super::error::{Error, Result};
use super::fetch::{FetchLimits, FetchRequest, Source};
use super::here::{Here, Listener, Traffic};
use super::peers::PeerNote;
use super::protocol::RemoteRef;
use super::remote::Remote;
use crate::database::{Anchors, Database, GcRequest, Quarantine, Refusal, init};
use crate::disk::{Disk, FileKind, Lock};
use crate::object::{CommitId, Ident};
use crate::refs::{Expect, RefEdit, RefName, RefValue};
use crate::script::Runner;
use crate::store::{io_error, remove_tree};

/// What is asked of a remote.
const PREFIXES: [&str; 3] = ["HEAD", "refs/heads/", "refs/tags/"];

/// A clone that is being made. Dropping it removes what there is of it.
#[derive(Debug)]
pub struct Clone {
    disk: Arc<dyn Disk>,
    root: PathBuf,
    /// Where it is until it is whole.
    aside: PathBuf,
    /// The directories above that were made for it.
    made: Vec<PathBuf>,
    lock: Option<Box<dyn Lock>>,
    db: Option<Database>,
    remote: Remote,
    is_kept: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloned {
    /// The ref that HEAD leads to.
    pub head: RefName,
    /// Its commit, if it has one.
    pub commit: Option<CommitId>,
    /// The key that was pinned, as its fingerprint: it has signed all first commits, and nothing else was said to trust.
    pub pinned: Option<String>,
    /// What went over the connection.
    pub traffic: Traffic,
    /// What stands against refs that were not let in.
    pub refused: Vec<Refusal>,
}

impl Clone {
    /// Begins a clone that is to be the directory `root`, with these settings. `branch` is its first branch if the remote
    /// does not say.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is something already; when the disk fails, or a setting is none.
    pub fn begin(
        disk: Arc<dyn Disk>,
        root: &Path,
        remote: Remote,
        branch: &RefName,
        settings: &[(String, String)],
    ) -> Result<Clone> {
        is_free(&*disk, root)?;
        let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Always the same, so that a clone that was cut is found again.
        let aside = parent.join(format!(".{}.clone", name.trim_start_matches('.')));
        let is_missing = |dir: &&Path| !dir.as_os_str().is_empty() && disk.stat(dir).is_err();
        let mut made: Vec<PathBuf> = parent.ancestors().take_while(is_missing).map(Path::to_owned).collect();
        made.reverse();
        disk.create_dir_all(parent).map_err(io_error(parent))?;
        let clone = Clone { disk, root: root.to_owned(), aside, made, lock: None, db: None, remote, is_kept: false };
        clone.start(branch, settings)
    }

    fn start(mut self, branch: &RefName, settings: &[(String, String)]) -> Result<Clone> {
        let dir = self.aside.join("isodb");
        self.disk.create_dir_all(&dir).map_err(io_error(&dir))?;
        let path = dir.join("clone.lock");
        match self.disk.lock(&path, Duration::ZERO) {
            Ok(lock) => self.lock = Some(lock),
            Err(error) => {
                // Another one is at it, whose it is.
                self.is_kept = true;
                return Err(io_error(&path)(error).into());
            }
        }
        init(&*self.disk, &self.aside, branch)?;
        let mut db = Database::open(self.disk.clone(), &self.aside)?;
        db.configure(|config| {
            let mut config = self.remote.write_to(config)?;
            for (name, value) in settings {
                config = config.with(name, value)?;
            }
            Ok(Some(config))
        })?;
        // Opened with the settings.
        self.db = Some(Database::open(self.disk.clone(), &self.aside)?);
        Ok(self)
    }

    /// The database, which nobody sees yet.
    pub fn database(&self) -> &Database {
        self.db.as_ref().expect("it is open until it is whole")
    }

    /// Fetches all that the remote has, checks it, and gives the database its name.
    ///
    /// # Errors
    /// Those of the [`Source`]; [`Error::NotLetIn`] when the branch of HEAD may not come in; [`Error::Unfinished`] when no more was to be
    /// taken.
    pub fn finish(
        mut self,
        from: &mut dyn Source,
        limits: FetchLimits,
        who: &Ident,
        runner: &mut dyn Runner,
        listener: &mut dyn Listener,
    ) -> Result<Cloned> {
        let cloned = self.fill(from, limits, who, runner, listener);
        if let Err(Error::Connection(_) | Error::Unfinished { .. }) = &cloned {
            // What came whole is there for the next attempt.
            let partial = self.aside.join("isodb").join("partial");
            self.is_kept = self.disk.list(&partial).is_ok_and(|entries| !entries.is_empty());
        }
        let cloned = cloned?;
        self.db = None;
        self.lock = None;
        let lock = self.aside.join("isodb").join("clone.lock");
        self.disk.remove(&lock).map_err(io_error(&lock))?;
        is_free(&*self.disk, &self.root)?;
        // An empty directory would be in the way on some systems.
        let _ = self.disk.remove_dir(&self.root);
        self.disk.rename(&self.aside, &self.root).map_err(io_error(&self.root))?;
        self.is_kept = true;
        let parent = self.aside.parent().unwrap_or(Path::new("."));
        self.disk.sync(&[parent.to_owned()]).map_err(io_error(parent))?;
        Ok(cloned)
    }

    fn fill(
        &mut self,
        from: &mut dyn Source,
        limits: FetchLimits,
        who: &Ident,
        runner: &mut dyn Runner,
        listener: &mut dyn Listener,
    ) -> Result<Cloned> {
        let mut db = self.db.take().expect("it is open until it is whole");
        let prefixes = PREFIXES.map(str::to_owned);
        let request = FetchRequest { prefixes: &prefixes, known: &[], haves: &[], speaks_stream: false, limits };
        let (refs, made, traffic, speaks_stream) = {
            let fetched = from.fetch(&mut Here { db: &db, who, runner, listener }, &request)?;
            if let Some(left) = fetched.left {
                return Err(Error::Unfinished { left });
            }
            // Nobody sees it: what cannot be trusted goes with all the rest.
            let let_in = |mut quarantine: Quarantine<'_>| {
                let made = quarantine.take_made();
                quarantine.accept().map(|_| made)
            };
            let made = fetched.quarantine.map(let_in).transpose()?.unwrap_or_default();
            (fetched.refs, made, fetched.traffic, fetched.speaks_stream)
        };
        let pinned = pin(&mut db, &refs)?;
        let db = match &pinned {
            Some(_) => Database::open(self.disk.clone(), &self.aside)?,
            None => db,
        };
        let (refs, refused) = sound(&db, made, refs, runner)?;
        let (head, edits) = self.edits(&db, &refs)?;
        let commit = refs.iter().find(|found| found.name == head).and_then(|found| found.id).map(CommitId);
        db.move_refs(edits, who)?;
        db.set_head(&head, who, "clone")?;
        if !refused.is_empty() {
            // Nobody else has seen it: what no ref leads to can go at once.
            let all_time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX));
            db.gc(&GcRequest { prune_before: Some(all_time), is_auto: false }, &mut |_, _, _| ())?;
        }
        let heads_and_tags =
            |found: &RemoteRef| Some((found.name.clone(), found.id?)).filter(|(name, _)| *name != RefName::head());
        let mut note = PeerNote {
            seen: who.seconds(),
            speaks_stream,
            refs: refs.iter().filter_map(heads_and_tags).collect(),
            went_back: Vec::new(),
        };
        note.write(&db, &self.remote)?;
        let mut db = db;
        let (branch, name) = (head.short().to_owned(), self.remote.name().to_owned());
        db.configure(|config| {
            let config = config.with(&format!("branch.{branch}.remote"), &name)?;
            config.with(&format!("branch.{branch}.merge"), head.as_str()).map(Some)
        })?;
        Ok(Cloned { head, commit, pinned, traffic, refused })
    }

    /// The branch of HEAD, and the refs that are made.
    fn edits(&self, db: &Database, refs: &[RemoteRef]) -> Result<(RefName, Vec<RefEdit>)> {
        let (default, _) = db.head()?;
        let head = head_of(refs).unwrap_or(default);
        let mut edits = Vec::new();
        let mut edit = |name: RefName, new: RefValue| {
            edits.push(RefEdit { name, expect: Expect::Any, new: Some(new), message: "clone".into() });
        };
        for found in refs {
            let Some(id) = found.id else { continue };
            if found.name == head {
                edit(head.clone(), RefValue::Id(id));
                if let (Some(tracking), Some(symbolic)) = (self.remote.tracking(&head), self.remote_head()) {
                    edit(symbolic, RefValue::Symbolic(tracking));
                }
            }
            match self.remote.tracking(&found.name) {
                Some(tracking) => edit(tracking, RefValue::Id(id)),
                None if found.name.as_str().starts_with("refs/tags/") => edit(found.name.clone(), RefValue::Id(id)),
                None => {}
            }
        }
        Ok((head, edits))
    }

    /// git's name for the branch that the remote's HEAD leads to.
    fn remote_head(&self) -> Option<RefName> {
        RefName::full(&format!("refs/remotes/{}/HEAD", self.remote.name())).ok()
    }
}

/// The branch that the HEAD of a remote leads to, or that is at the same commit.
fn head_of(refs: &[RemoteRef]) -> Option<RefName> {
    let head = refs.iter().find(|found| found.name == RefName::head());
    if let Some(target) = head.and_then(|head| head.target.clone()).filter(RefName::is_branch) {
        return Some(target);
    }
    let branches = || refs.iter().filter(|found| found.name.is_branch() && found.id.is_some());
    let at = |id| branches().find(|found| found.id == id && id.is_some());
    let usual = || branches().find(|found| found.name.short() == "main");
    let found = head.and_then(|head| at(head.id)).or_else(usual).or_else(|| branches().next());
    found.map(|found| found.name.clone())
}

/// The refs that may come in, and what stands against the others.
fn sound(
    db: &Database,
    made: HashSet<CommitId>,
    refs: Vec<RemoteRef>,
    runner: &mut dyn Runner,
) -> Result<(Vec<RemoteRef>, Vec<Refusal>)> {
    let head = head_of(&refs);
    let mut all = db.quarantine()?;
    made.into_iter().for_each(|commit| all.vouch(commit));
    let (mut left, mut refused): (Vec<&RemoteRef>, _) = (refs.iter().collect(), Vec::new());
    loop {
        let found = refuse(&all, &mut left, runner)?;
        if found.is_empty() {
            break;
        }
        refused.extend(found);
    }
    let is_refused = |name: &RefName| refused.iter().any(|refusal: &Refusal| refusal.name == *name);
    if is_refused(&RefName::head()) || head.is_some_and(|head| is_refused(&head)) {
        return Err(Error::NotLetIn { refusals: refused });
    }
    // What was seen on the way is noted.
    drop(all.accept()?);
    let left = left.into_iter().cloned().collect();
    Ok((left, refused))
}

/// Pins the key that has signed all first commits, if nothing was said of whom to trust.
fn pin(db: &mut Database, refs: &[RemoteRef]) -> Result<Option<String>> {
    let anchors = db.anchors().map_err(crate::database::Error::from)?;
    if !anchors.is_empty() {
        return Ok(None);
    }
    let mut heads = Vec::new();
    for found in refs.iter().filter(|found| found.name.is_branch()) {
        if let Some(id) = found.id {
            heads.extend(super::select::commit_of(db, id)?);
        }
    }
    let Some(key) = db.key_of_roots(&heads)? else { return Ok(None) };
    let mut anchors = Anchors::default();
    anchors.add_key(&key);
    db.configure(|config| anchors.write_to(config).map(Some))?;
    Ok(Some(key.fingerprint()))
}

/// Makes sure that there is nothing but an empty directory.
fn is_free(disk: &dyn Disk, root: &Path) -> Result<()> {
    match disk.list(root) {
        Ok(entries) if entries.is_empty() => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() != ErrorKind::NotADirectory => Err(io_error(root)(error).into()),
        _ => Err(Error::Exists(root.to_owned())),
    }
}

impl Drop for Clone {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        self.db = None;
        remove_tree(&*self.disk, &self.aside, FileKind::Dir);
        self.lock = None;
        for dir in self.made.iter().rev() {
            // One in which somebody has put something meanwhile stays.
            let _ = self.disk.remove_dir(dir);
        }
    }
}
