//! What is on a [`FaultDisk`](super::FaultDisk), and what of it would survive a power cut.
//!
//! The model of durability: a directory's entries are durable after a sync of the directory, a file's content after a
//! sync of the file. Renaming, removing and marking are atomic. Of what was not synced, entries are lost or kept, and
//! content is whole, absent, half written or zeros. Nothing here fails by choice; see the parent for that.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::{DirEntry, FileKind, MARK_CONTENT, Stat};

/// What a power cut leaves of that which was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivors {
    /// Of the directories' entries.
    pub entries: UnsyncedEntries,
    /// Of the files' contents.
    pub data: UnsyncedData,
}

/// What becomes of names that were made, moved or removed without a sync of their directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsyncedEntries {
    /// All are as they were at the cut.
    Kept,
    /// All are as they were when their directory was synced.
    Lost,
}

/// What becomes of content that was written without a sync of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnsyncedData {
    /// All of it is there.
    All,
    /// None of it is there.
    None,
    /// The first half of it is there.
    Half,
    /// The file has its new length, and zeros for the content.
    Zeros,
}

impl Survivors {
    /// Everything survives: what a killed process leaves, while the machine goes on.
    pub const EVERYTHING: Survivors = Survivors { entries: UnsyncedEntries::Kept, data: UnsyncedData::All };

    /// Only what was synced survives.
    pub const SYNCED: Survivors = Survivors { entries: UnsyncedEntries::Lost, data: UnsyncedData::None };

    /// Every way in which a cut can turn out.
    pub fn all() -> impl Iterator<Item = Survivors> {
        use UnsyncedData::{All, Half, None, Zeros};
        [UnsyncedEntries::Kept, UnsyncedEntries::Lost]
            .into_iter()
            .flat_map(|entries| [All, None, Half, Zeros].map(|data| Survivors { entries, data }))
    }
}

impl fmt::Display for Survivors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = match self.entries {
            UnsyncedEntries::Kept => "kept",
            UnsyncedEntries::Lost => "lost",
        };
        let data = match self.data {
            UnsyncedData::All => "all",
            UnsyncedData::None => "none",
            UnsyncedData::Half => "half",
            UnsyncedData::Zeros => "zeros",
        };
        write!(f, "entries {entries}, data {data}")
    }
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Dir,
    Mark { made: SystemTime },
    File(usize),
}

/// A file's bytes. They are shared while they are equal, so that copying a disk is cheap.
#[derive(Clone)]
struct File {
    content: Arc<Vec<u8>>,
    synced: Arc<Vec<u8>>,
    modified: SystemTime,
}

/// Files by number; the names that are there, and those that would survive. The root has no entry and is always there.
#[derive(Clone)]
pub(super) struct Model {
    files: Vec<File>,
    live: BTreeMap<PathBuf, Node>,
    durable: BTreeMap<PathBuf, Node>,
    pub(super) clock: SystemTime,
}

impl Default for Model {
    fn default() -> Model {
        Model { files: Vec::new(), live: BTreeMap::new(), durable: BTreeMap::new(), clock: SystemTime::UNIX_EPOCH }
    }
}

/// The path from the root, without `.` and `..`.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => out.push(name),
            Component::ParentDir => {
                out.pop();
            }
            Component::Prefix(_) | Component::RootDir | Component::CurDir => {}
        }
    }
    out
}

// Looking.
impl Model {
    /// What is at a path, or why nothing can be.
    pub(super) fn node(&self, path: &Path) -> io::Result<Node> {
        if let Some(node) = lookup(&self.live, path) {
            return Ok(node);
        }
        match path.ancestors().find_map(|above| lookup(&self.live, above)) {
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    /// The number of the file at a path. A mark is a dangling link: nothing is found behind it.
    pub(super) fn file(&self, path: &Path) -> io::Result<usize> {
        match self.node(path)? {
            Node::File(number) => Ok(number),
            Node::Dir => Err(ErrorKind::IsADirectory.into()),
            Node::Mark { .. } => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn content(&self, number: usize) -> &[u8] {
        &self.files[number].content
    }

    pub(super) fn stat(&self, node: Node) -> Stat {
        match node {
            Node::Dir => Stat { kind: FileKind::Dir, len: 0, modified: SystemTime::UNIX_EPOCH },
            Node::Mark { made } => Stat { kind: FileKind::Link, len: MARK_CONTENT.len() as u64, modified: made },
            Node::File(number) => {
                let file = &self.files[number];
                Stat { kind: FileKind::File, len: file.content.len() as u64, modified: file.modified }
            }
        }
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&PathBuf, &Node)> {
        self.live.iter()
    }

    pub(super) fn list(&self, dir: &Path) -> Vec<DirEntry> {
        let below = below(&self.live, dir).filter(|(path, _)| path.parent() == Some(dir));
        let entry = |(path, node): (&PathBuf, &Node)| {
            let name = path.file_name()?.to_str()?.to_owned();
            Some(DirEntry { name, kind: self.stat(*node).kind })
        };
        below.filter_map(entry).collect()
    }

    pub(super) fn check_dir(&self, path: &Path) -> io::Result<()> {
        match self.node(path)? {
            Node::Dir => Ok(()),
            Node::File(_) => Err(ErrorKind::NotADirectory.into()),
            Node::Mark { .. } => Err(ErrorKind::NotFound.into()),
        }
    }

    /// That a name is free, in a directory that is there.
    pub(super) fn check_new(&self, path: &Path) -> io::Result<()> {
        if lookup(&self.live, path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        path.parent().map_or(Ok(()), |above| self.check_dir(above))
    }

    pub(super) fn check_empty_dir(&self, dir: &Path) -> io::Result<()> {
        match self.node(dir)? {
            Node::Dir if below(&self.live, dir).next().is_some() => Err(ErrorKind::DirectoryNotEmpty.into()),
            Node::Dir if dir.parent().is_none() => Err(ErrorKind::ResourceBusy.into()),
            Node::Dir => Ok(()),
            Node::File(_) | Node::Mark { .. } => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn check_rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let moved = self.node(from)?;
        match self.check_new(to) {
            Ok(()) if to.starts_with(from) => return Err(ErrorKind::InvalidInput.into()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            done => return done,
        }
        match (moved, self.node(to)?) {
            (Node::Dir, Node::Dir) if from == to => Ok(()),
            (Node::Dir, Node::Dir) => self.check_empty_dir(to),
            (Node::Dir, _) => Err(ErrorKind::NotADirectory.into()),
            (_, Node::Dir) => Err(ErrorKind::IsADirectory.into()),
            _ => Ok(()),
        }
    }

    pub(super) fn check_sync(&self, path: &Path) -> io::Result<()> {
        match self.node(path)? {
            Node::Mark { .. } => Err(ErrorKind::NotFound.into()),
            Node::Dir | Node::File(_) => Ok(()),
        }
    }
}

// Changing. Whoever calls has checked that it can be done.
impl Model {
    pub(super) fn put(&mut self, path: PathBuf, node: Node) {
        self.live.insert(path, node);
    }

    /// An empty file, of which nothing is durable.
    pub(super) fn new_file(&mut self, path: PathBuf) -> usize {
        let empty = Arc::new(Vec::new());
        self.files.push(File { content: empty.clone(), synced: empty, modified: self.clock });
        self.put(path, Node::File(self.files.len() - 1));
        self.files.len() - 1
    }

    /// Writes over a file from `offset` on, or at its end. A gap is filled with zeros.
    pub(super) fn write(&mut self, number: usize, offset: Option<usize>, bytes: &[u8]) {
        let clock = self.clock;
        let file = &mut self.files[number];
        file.modified = clock;
        let content = Arc::make_mut(&mut file.content);
        let start = offset.unwrap_or(content.len());
        let end = start + bytes.len();
        if content.len() < end {
            content.resize(end, 0);
        }
        content[start..end].copy_from_slice(bytes);
    }

    /// The content counts as written now.
    pub(super) fn touch(&mut self, number: usize) {
        self.files[number].modified = self.clock;
    }

    pub(super) fn truncate(&mut self, number: usize, len: usize) {
        let clock = self.clock;
        let file = &mut self.files[number];
        file.modified = clock;
        Arc::make_mut(&mut file.content).resize(len, 0);
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) {
        let moved: Vec<PathBuf> =
            below(&self.live, from).map(|(path, _)| path.clone()).chain([from.to_path_buf()]).collect();
        for path in moved {
            let Some(node) = self.live.remove(&path) else { continue };
            // Joining an empty rest would leave a slash at the end of a name.
            let rest = path.strip_prefix(from).ok().filter(|rest| !rest.as_os_str().is_empty());
            self.put(rest.map_or_else(|| to.to_path_buf(), |rest| to.join(rest)), node);
        }
    }

    pub(super) fn remove(&mut self, path: &Path) {
        self.live.remove(path);
    }

    pub(super) fn sync(&mut self, path: &Path) {
        match lookup(&self.live, path) {
            Some(Node::File(number)) => {
                let file = &mut self.files[number];
                file.synced = file.content.clone();
            }
            Some(Node::Dir) => {
                let entries = |names: &BTreeMap<PathBuf, Node>| -> Vec<(PathBuf, Node)> {
                    let here = below(names, path).filter(|(name, _)| name.parent() == Some(path));
                    here.map(|(name, node)| (name.clone(), *node)).collect()
                };
                for (name, _) in entries(&self.durable) {
                    self.durable.remove(&name);
                }
                self.durable.extend(entries(&self.live));
            }
            Some(Node::Mark { .. }) | None => {}
        }
    }

    pub(super) fn sync_everything(&mut self) {
        self.durable.clone_from(&self.live);
        for file in &mut self.files {
            file.synced = file.content.clone();
        }
    }

    /// Lays a durable file or directory, and the directories above it.
    pub(super) fn import(&mut self, path: PathBuf, content: Option<Vec<u8>>) {
        for above in path.ancestors().skip(1).filter(|above| above.parent().is_some()) {
            self.live.insert(above.to_path_buf(), Node::Dir);
            self.durable.insert(above.to_path_buf(), Node::Dir);
        }
        let node = content.map_or(Node::Dir, |bytes| {
            let content = Arc::new(bytes);
            self.files.push(File { content: content.clone(), synced: content, modified: self.clock });
            Node::File(self.files.len() - 1)
        });
        if path.parent().is_some() {
            self.live.insert(path.clone(), node);
            self.durable.insert(path, node);
        }
    }
}

// Surviving.
impl Model {
    pub(super) fn after_power_cut(&self, survivors: Survivors) -> Model {
        let names = match survivors.entries {
            UnsyncedEntries::Kept => &self.live,
            UnsyncedEntries::Lost => &self.durable,
        };
        let live: BTreeMap<PathBuf, Node> =
            names.iter().filter(|(path, _)| reachable(path, names)).map(|(path, node)| (path.clone(), *node)).collect();
        let survived = |file: &File| {
            let content = survived(file, survivors.data);
            File { synced: content.clone(), content, modified: file.modified }
        };
        Model { files: self.files.iter().map(survived).collect(), durable: live.clone(), live, clock: self.clock }
    }
}

/// What is left of a file's content.
fn survived(file: &File, data: UnsyncedData) -> Arc<Vec<u8>> {
    let (now, safe) = (&file.content, &file.synced);
    if Arc::ptr_eq(now, safe) || now == safe {
        return now.clone();
    }
    match data {
        UnsyncedData::All => now.clone(),
        UnsyncedData::None => safe.clone(),
        // A file that only grew keeps what was safe; one that was written over may have lost that too.
        UnsyncedData::Half if now.starts_with(safe) => Arc::new(now[..usize::midpoint(safe.len(), now.len())].to_vec()),
        UnsyncedData::Half => Arc::new(now[..now.len() / 2].to_vec()),
        UnsyncedData::Zeros => {
            let mut zeros = safe.to_vec();
            zeros.resize(now.len().max(safe.len()), 0);
            Arc::new(zeros)
        }
    }
}

/// Whether every directory above a path is there.
fn reachable(path: &Path, names: &BTreeMap<PathBuf, Node>) -> bool {
    path.ancestors().skip(1).all(|above| lookup(names, above) == Some(Node::Dir))
}

fn lookup(names: &BTreeMap<PathBuf, Node>, path: &Path) -> Option<Node> {
    if path.parent().is_none() { Some(Node::Dir) } else { names.get(path).copied() }
}

/// All names below a directory. Paths are ordered by their components, so they follow it without a gap.
fn below<'a>(names: &'a BTreeMap<PathBuf, Node>, dir: &'a Path) -> impl Iterator<Item = (&'a PathBuf, &'a Node)> {
    let from_dir = names.range(dir.to_path_buf()..);
    from_dir.take_while(move |(path, _)| path.starts_with(dir)).filter(move |(path, _)| *path != dir)
}
