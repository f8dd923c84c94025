//! System calls made again on an in-memory disk, which knows what would survive a power cut.
//!
//! A call that could change a file and is not known here ends the test: nothing is passed over in silence.

use std::path::{Path, PathBuf};

use isodb::{Access, Disk as _, FaultDisk, FileKind};

use super::strace::Call;

/// What a call does to the files below a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// A file is opened to be written, and made if it is not there.
    Open {
        path: PathBuf,
        is_new: bool,
    },
    Write {
        path: PathBuf,
        offset: Option<u64>,
        bytes: Vec<u8>,
    },
    Truncate {
        path: PathBuf,
        len: u64,
    },
    Sync(PathBuf),
    SyncAll,
    Rename(PathBuf, PathBuf),
    Link(PathBuf, PathBuf),
    Mark(PathBuf),
    Remove(PathBuf),
    RemoveDir(PathBuf),
    MakeDir(PathBuf),
    /// Something was printed.
    Print(Vec<u8>),
}

impl Effect {
    /// What a call did below `top`; `None` if it did nothing there.
    pub(super) fn of(call: &Call, top: &Path) -> Option<Effect> {
        let handle = || call.handles().into_iter().next().filter(|path| path.starts_with(top));
        let path = |n| Some(call.path(n, top)).filter(|path: &PathBuf| path.starts_with(top));
        let number = || call.arguments.rsplit(", ").next().and_then(|last| last.parse().ok()).expect("a number");
        match call.name.as_str() {
            "open" | "openat" => {
                let path = path(0)?;
                let is_written = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.arguments.contains(flag));
                assert!(!call.arguments.contains("O_TRUNC"), "no file is ever cut: {call:?}");
                is_written.then_some(Effect::Open { path, is_new: call.arguments.contains("O_EXCL") })
            }
            "write" if call.arguments.starts_with("1<") => Some(Effect::Print(call.strings().remove(0))),
            "write" | "pwrite64" => {
                let mut bytes = call.strings().remove(0);
                bytes.truncate(call.result as usize);
                let offset = (call.name == "pwrite64").then(number);
                Some(Effect::Write { path: handle()?, offset, bytes })
            }
            "ftruncate" => Some(Effect::Truncate { path: handle()?, len: number() }),
            "fsync" | "fdatasync" => Some(Effect::Sync(handle()?)),
            "sync" | "syncfs" => Some(Effect::SyncAll),
            "rename" | "renameat" | "renameat2" => Some(Effect::Rename(path(0)?, path(1)?)),
            "link" | "linkat" => Some(Effect::Link(path(0)?, path(1)?)),
            "symlink" | "symlinkat" => {
                // Its first string is what the link holds. Only the second has a directory that it is taken from.
                let base = call.handles().pop().unwrap_or_else(|| top.to_owned());
                let name = base.join(String::from_utf8(call.strings().remove(1)).unwrap());
                name.starts_with(top).then_some(Effect::Mark(name))
            }
            "unlink" => Some(Effect::Remove(path(0)?)),
            "unlinkat" if call.arguments.contains("AT_REMOVEDIR") => Some(Effect::RemoveDir(path(0)?)),
            "unlinkat" => Some(Effect::Remove(path(0)?)),
            "rmdir" => Some(Effect::RemoveDir(path(0)?)),
            "mkdir" | "mkdirat" => Some(Effect::MakeDir(path(0)?)),
            _ => {
                let touches = call.handles().iter().any(|handle| handle.starts_with(top));
                assert!(!touches, "the replay does not know this call: {call:?}");
                None
            }
        }
    }

    pub(super) fn is_flush(&self) -> bool {
        matches!(self, Effect::Sync(_) | Effect::SyncAll)
    }

    pub(super) fn apply(&self, disk: &FaultDisk) {
        let done = match self {
            Effect::Open { path, .. } if disk.stat(path).is_ok() => Ok(()),
            Effect::Open { path, .. } => disk.create(path, Access::ReadWrite).map(drop),
            Effect::Write { path, offset, bytes } => disk.overwrite(path, *offset, bytes),
            Effect::Truncate { path, len } => disk.truncate(path, *len),
            Effect::Sync(path) => disk.sync(std::slice::from_ref(path)),
            Effect::SyncAll => {
                disk.sync_everything();
                Ok(())
            }
            Effect::Rename(from, to) => disk.rename(from, to),
            Effect::Link(from, to) => disk.link(from, to),
            Effect::Mark(path) => disk.mark(path),
            Effect::Remove(path) => disk.remove(path),
            Effect::RemoveDir(path) => disk.remove_dir(path),
            Effect::MakeDir(path) => disk.create_dir(path),
            Effect::Print(_) => Ok(()),
        };
        done.unwrap_or_else(|error| panic!("{self:?}: {error}"));
    }
}

/// A disk that holds, durably, what lies below a directory of the machine.
pub(super) fn import(top: &Path) -> FaultDisk {
    let disk = FaultDisk::new();
    disk.import(top, None);
    for entry in walkdir::WalkDir::new(top).min_depth(1) {
        let entry = entry.unwrap();
        let kind = entry.file_type();
        assert!(kind.is_dir() || kind.is_file(), "no mark stays behind: {entry:?}");
        disk.import(entry.path(), kind.is_file().then(|| std::fs::read(entry.path()).unwrap()));
    }
    disk
}

/// Asserts that a disk holds the same files as a directory of the machine.
pub(super) fn assert_same(disk: &FaultDisk, top: &Path) {
    let real = import(top).files();
    let below = |files: Vec<(PathBuf, Option<Vec<u8>>)>| -> Vec<_> {
        files.into_iter().filter(|(path, _)| path.starts_with(top)).collect()
    };
    assert!(below(disk.files()) == below(real), "the replay made other files than the program");
    assert!(disk.stat(top).is_ok_and(|stat| stat.kind == FileKind::Dir));
}
