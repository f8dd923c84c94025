//! Meeting through a folder on a stick: each node reads what the others left there, merges it, and leaves what they lack.
//!
//! A node's file is a bundle called `NAME.bundle`, which it alone replaces. It tells what the node has, and so what the others
//! may leave out. **Invariant:** whatever is torn, pulled out or read twice, nothing is lost: a file is replaced only by one
//! whose writer has all that was in it, and gets its name when it is whole.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::bundle::{BundleFile, BundleHeader, BundlePlan, BundleRequest, NodeName, PART, take, write_file};
use super::error::{Error, Result};
use super::fetch::{FetchLimits, lacking};
use super::here::Here;
use super::meet::Meeting;
use super::stream::look_through;
use crate::database::{self, Database, MergeOutcome};
use crate::disk::{Disk, FileKind};
use crate::object::{self, CommitId, Id};
use crate::refs::{Expect, RefName};
use crate::store::new_stem;

/// How the names of bundles end.
const BUNDLE: &str = ".bundle";
/// How the name of a file ends that stood where a node's bundle is to be, and was none that can be read.
const BAD: &str = ".bad";
/// How much is read at once.
const PIECE: usize = 1 << 16;

/// A folder to meet in.
#[derive(Clone, Copy, Debug)]
pub struct ViaRequest<'a> {
    /// The disk that it is on.
    pub disk: &'a Arc<dyn Disk>,
    /// The folder, which is there.
    pub dir: &'a Path,
    /// How this node is called.
    pub name: &'a NodeName,
    /// What is taken of each file at most.
    pub limits: FetchLimits,
}

/// What came of it.
#[derive(Debug)]
pub struct Via {
    /// The bundles that were there, by name.
    pub files: Vec<ViaFile>,
    /// What came of merging what they had of the current branch; nothing where nobody has a commit of it, nor is one here.
    pub merged: Option<MergeOutcome>,
    /// The file that was left there; or why none was, though all else is done.
    pub left: Result<ViaLeft, Error>,
}

/// A bundle that was there.
#[derive(Debug)]
pub struct ViaFile {
    /// Its file's name.
    pub file: String,
    /// Who wrote it, where it tells.
    pub node: Option<NodeName>,
    /// What became of it.
    pub state: ViaState,
}

/// What became of a bundle.
#[derive(Debug)]
pub enum ViaState {
    /// It was taken in.
    Taken(Meeting),
    /// There was nothing in it that is not here.
    Known,
    /// It builds on commits that are not here, and that no other file brought.
    Lacking {
        /// One of them.
        commit: CommitId,
        /// What the bundle says of it.
        text: String,
    },
    /// It is damaged, or may not come in.
    Refused(Error),
}

/// The file that a node left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ViaLeft {
    /// Where it is.
    pub path: PathBuf,
    /// Whether it was written; else the one that was there has the same.
    pub is_new: bool,
    /// How many commits it has that at least one of the others lacks.
    pub commits: usize,
    /// Its size in bytes.
    pub bytes: u64,
}

/// Reads all bundles of a folder, merges what they have of the current branch, and leaves one there with what the others
/// lack.
///
/// # Errors
/// When the folder cannot be listed, and when this machine fails. A file that cannot be taken in is in the answer.
pub fn via(here: &mut Here<'_, '_>, request: &ViaRequest<'_>) -> Result<Via> {
    let mut found = list(request)?;
    read_all(here, request, &mut found)?;
    let merged = merge(here, &found)?;
    let left = leave(here, request, &found);
    let files = found.into_iter().map(|found| {
        let node = found.header.and_then(|header| header.from);
        ViaFile { file: found.file, node, state: found.state.unwrap_or(ViaState::Known) }
    });
    Ok(Via { files: files.collect(), merged, left })
}

/// A file, as far as it is known.
struct Found {
    file: String,
    path: PathBuf,
    /// Once it could be read.
    header: Option<BundleHeader>,
    /// Once it is known what becomes of it.
    state: Option<ViaState>,
}

/// The bundles of a folder, by name.
fn list(request: &ViaRequest<'_>) -> Result<Vec<Found>> {
    let failed = |source| Error::File { path: request.dir.to_owned(), source };
    let mut names: Vec<String> = Vec::new();
    for entry in request.disk.list(request.dir).map_err(failed)? {
        // What begins with a dot is of the system's own making.
        let is_bundle = entry.name.to_ascii_lowercase().ends_with(BUNDLE) && !entry.name.starts_with('.');
        if is_bundle && entry.kind == FileKind::File {
            names.push(entry.name);
        }
    }
    names.sort_unstable();
    let one = |file: String| Found { path: request.dir.join(&file), file, header: None, state: None };
    Ok(names.into_iter().map(one).collect())
}

/// Takes in what can be taken in: what one brings may be what another builds on.
fn read_all(here: &mut Here<'_, '_>, request: &ViaRequest<'_>, found: &mut [Found]) -> Result<()> {
    let mut is_news = true;
    while is_news {
        is_news = false;
        for one in found.iter_mut() {
            if !matches!(one.state, None | Some(ViaState::Lacking { .. })) {
                continue;
            }
            let source = &BundleFile::new(request.disk.clone(), &one.path);
            let state = match read(here, request, one, source) {
                Err(error) if !is_of_file(&error) => return Err(error),
                Err(error) => ViaState::Refused(error),
                Ok(state) => state,
            };
            is_news |= matches!(state, ViaState::Taken(_));
            one.state = Some(state);
        }
    }
    Ok(())
}

/// Whether an error is one of what a file holds.
fn is_of_file(error: &Error) -> bool {
    match error {
        Error::Bundle(_) | Error::TooMuch { .. } | Error::NotLetIn { .. } | Error::File { .. } => true,
        Error::Database(database::Error::Object(error)) => !matches!(error, object::Error::Io { .. }),
        Error::Database(database::Error::DamagedMerge { .. }) => true,
        _ => false,
    }
}

fn read(here: &mut Here<'_, '_>, request: &ViaRequest<'_>, one: &mut Found, source: &BundleFile) -> Result<ViaState> {
    let bundle = source.open()?;
    let header = one.header.insert(bundle.header().clone());
    let stem = || NodeName::like(&one.file[..one.file.len() - BUNDLE.len()]);
    let Some(name) = header.from.clone().or_else(stem) else { return Ok(ViaState::Known) };
    // What this node wrote itself is mostly here, and needs no ref of its own.
    if name == *request.name && lacking(here.db, &bundle.refs(), &here.db.heads()?)?.is_empty() {
        return Ok(ViaState::Known);
    }
    match take(here, bundle, &name, request.limits) {
        Ok(Some(meeting)) => Ok(ViaState::Taken(meeting)),
        Ok(None) => Ok(ViaState::Known),
        Err(Error::Lacking { commit, text }) => Ok(ViaState::Lacking { commit, text }),
        Err(error) => Err(error),
    }
}

/// Merges what the files have of the current branch.
fn merge(here: &mut Here<'_, '_>, found: &[Found]) -> Result<Option<MergeOutcome>> {
    let (current, head) = here.db.head()?;
    let mut heads = Vec::new();
    for one in found.iter().filter(|one| matches!(one.state, Some(ViaState::Taken(_) | ViaState::Known))) {
        let refs = one.header.iter().flat_map(|header| &header.refs);
        heads.extend(refs.filter(|(name, _)| *name == current).map(|(_, id)| CommitId(*id)));
    }
    heads.retain(|head| matches!(here.db.store().contains(head.0), Ok(true)));
    heads.sort_unstable();
    heads.dedup();
    if heads.is_empty() && head.is_none() {
        return Ok(None);
    }
    // With nothing new it tells all the same what is left in conflict.
    Ok(Some(here.db.merge(&RefName::head(), Expect::Any, &heads, false, here.runner, here.who)?))
}

/// Leaves this node's file.
fn leave(here: &Here<'_, '_>, request: &ViaRequest<'_>, found: &[Found]) -> Result<ViaLeft> {
    let db = here.db;
    let path = request.dir.join(format!("{}{BUNDLE}", request.name));
    // Of which one of this node's own are there: names on a stick may differ in capitals alone.
    let own = found.iter().find(|one| one.file.eq_ignore_ascii_case(&format!("{}{BUNDLE}", request.name)));
    let mut had: BTreeMap<&NodeName, Vec<Id>> = BTreeMap::new();
    for header in found.iter().filter_map(|one| one.header.as_ref()) {
        let Some(node) = header.from.as_ref().filter(|node| *node != request.name) else { continue };
        had.entry(node).or_default().extend(header.known());
    }
    let readers: Vec<Vec<Id>> = had.into_values().collect();
    let refs = refs(db)?;
    let from = Some(request.name.clone());
    // A stream is smaller, and read by isodb alone. Bundles that do not tell who wrote them are git's.
    let is_stream = found.iter().filter_map(|one| one.header.as_ref()).all(|header| header.from.is_some());
    let plan =
        BundlePlan::new(db, &BundleRequest { refs: &refs, readers: &readers, with_old_tags: true, from, is_stream })?;
    let commits = plan.commits();
    if let Some(own) = own {
        match (&own.header, &own.state) {
            (Some(_), Some(ViaState::Lacking { commit, .. })) => {
                return Err(Error::NotReplaced { path: own.path.clone(), commit: *commit });
            }
            (Some(header), _) if header == plan.header() && is_sound(request.disk, &own.path)? => {
                let bytes = request.disk.stat(&own.path).map_err(of(&own.path))?.len;
                return Ok(ViaLeft { path: own.path.clone(), is_new: false, commits, bytes });
            }
            (Some(_), Some(ViaState::Taken(_) | ViaState::Known)) => {}
            _ => set_aside(request.disk, &own.path)?,
        }
    }
    sweep(request)?;
    let bytes = write_file(&**request.disk, &path, |out| plan.write(out, &mut |_| ()))?;
    Ok(ViaLeft { path, is_new: true, commits, bytes })
}

/// The branches and tags, and HEAD where it has a commit.
fn refs(db: &Database) -> Result<Vec<(RefName, Id)>> {
    let mut refs = Vec::new();
    refs.extend(db.head()?.1.map(|head| (RefName::head(), head.0)));
    for prefix in ["refs/heads/", "refs/tags/"] {
        refs.extend(db.refs().list(prefix)?);
    }
    Ok(refs)
}

/// Whether the pack of a bundle, or its stream, is what it was when it was written.
fn is_sound(disk: &Arc<dyn Disk>, path: &Path) -> Result<bool> {
    let bundle = BundleFile::new(disk.clone(), path).open()?;
    let is_stream = bundle.header().is_stream;
    let mut pack = bundle.into_pack();
    if is_stream {
        let looked = look_through(&mut pack);
        return Ok(looked.is_ok() && matches!(pack.read(&mut [0]), Ok(0)));
    }
    let (mut hash, mut piece) = (Sha256::new(), Vec::with_capacity(PIECE + 32));
    loop {
        let len = (&mut pack).take(PIECE as u64).read_to_end(&mut piece).map_err(of(path))?;
        let all_but_checksum = piece.len().saturating_sub(32);
        if len == 0 {
            return Ok(piece.len() == 32 && hash.finalize()[..] == piece[..]);
        }
        hash.update(&piece[..all_but_checksum]);
        piece.drain(..all_but_checksum);
    }
}

/// Puts a file aside that stands in the way and cannot be read: perhaps it is somebody's, and no bundle at all.
fn set_aside(disk: &Arc<dyn Disk>, path: &Path) -> Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".{}{BAD}", new_stem()));
    disk.rename(path, Path::new(&aside)).map_err(of(path))
}

/// Removes what this node began to write and did not end: room on a stick is scarce.
fn sweep(request: &ViaRequest<'_>) -> Result<()> {
    let start = format!("{}{BUNDLE}.", request.name);
    for entry in request.disk.list(request.dir).map_err(of(request.dir))? {
        if entry.name.starts_with(&start) && entry.name.ends_with(PART) {
            let path = request.dir.join(&entry.name);
            match request.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(of(&path)(error)),
                _ => {}
            }
        }
    }
    Ok(())
}

fn of(path: &Path) -> impl FnOnce(io::Error) -> Error + use<> {
    let path = path.to_owned();
    move |source| Error::File { path, source }
}
