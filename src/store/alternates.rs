//! `objects/info/alternates`: other objects directories that are read, and never written, as git does it.
//! Source: git's `Documentation/gitrepository-layout.adoc`.

use std::io;
use std::path::{Path, PathBuf};

use super::{Result, io_error};
use crate::disk::Disk;

/// So deep may alternates have alternates of their own.
const DEPTH: usize = 5;

/// The objects directories that `objects` borrows from, directly or by way of others, each once.
pub(super) fn list(disk: &dyn Disk, objects: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut level = vec![objects.to_owned()];
    for _ in 0..DEPTH {
        let mut next = Vec::new();
        for dir in &level {
            for path in read(disk, dir)? {
                if path != objects && !found.contains(&path) {
                    found.push(path.clone());
                    next.push(path);
                }
            }
        }
        level = next;
    }
    Ok(found)
}

/// The paths in the file of one directory: one a line, relative to the directory; `#` starts a comment.
fn read(disk: &dyn Disk, objects: &Path) -> Result<Vec<PathBuf>> {
    let path = objects.join("info/alternates");
    let bytes = match disk.read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(io_error(&path)(error)),
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(|line| objects.join(line.trim_end_matches('/'))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultDisk;

    fn disk(files: &[(&str, &str)]) -> FaultDisk {
        let disk = FaultDisk::new();
        for (dir, text) in files {
            disk.import(&Path::new(dir).join("info/alternates"), Some(text.as_bytes().to_vec()));
        }
        disk
    }

    #[test]
    fn paths_are_read_by_gits_rules() {
        let disk = disk(&[("/a", "# a comment\n\n/b/\n../c\n/b\n/a\n/gone")]);
        let found = list(&disk, Path::new("/a")).unwrap();
        assert_eq!(found, ["/b", "/a/../c", "/gone"].map(PathBuf::from));
        assert_eq!(list(&disk, Path::new("/b")).unwrap(), [PathBuf::new(); 0]);
    }

    #[test]
    fn alternates_have_alternates_down_to_a_depth() {
        let names: Vec<String> = (0..9).map(|n| format!("/{n}")).collect();
        let files: Vec<(&str, &str)> = names.windows(2).map(|pair| (pair[0].as_str(), pair[1].as_str())).collect();
        assert_eq!(list(&disk(&files), Path::new("/0")).unwrap().len(), DEPTH);
        let circle = disk(&[("/a", "/b"), ("/b", "/a\n/b")]);
        assert_eq!(list(&circle, Path::new("/a")).unwrap(), [PathBuf::from("/b")]);
    }
}
