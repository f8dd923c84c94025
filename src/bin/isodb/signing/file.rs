//! Files of keys: a private half, and beside it the public one in a file of the same name and `.pub`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use isodb::PublicKey;
use zeroize::Zeroizing;

use crate::error::Failure;
use crate::input::unreadable;

/// The longest file of a key, in bytes.
const LONGEST: u64 = 1 << 16;

/// Reads a key's file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut content = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut content));
    read.map_err(|error| unreadable(&format!("the key {}", path.display()), error).hint(super::NO_KEY))?;
    if content.len() as u64 > LONGEST {
        return Err(Failure::usage(format!("{} is too long for a key", path.display())).into());
    }
    Ok(content)
}

/// The public key that a file holds, if it is of that kind.
pub(super) fn public_key(content: &[u8]) -> Option<PublicKey> {
    let text = std::str::from_utf8(content).ok()?;
    PublicKey::parse(text.lines().next()?).ok()
}

/// The public key in a file.
pub(super) fn public_key_in(path: &Path) -> Result<PublicKey> {
    let line = public_line(path)?;
    Ok(PublicKey::parse(&line).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?)
}

/// The first line of a file with a public key.
pub(crate) fn public_line(path: &Path) -> Result<String> {
    let content = read(path)?;
    let line = std::str::from_utf8(&content).ok().and_then(|text| text.lines().next());
    let line = line.filter(|line| !line.starts_with("-----BEGIN"));
    let none = || Failure::usage(format!("{} holds no public key", path.display()));
    Ok(line.ok_or_else(none)?.to_owned())
}

/// Where the public half of a private key's file is.
pub(super) fn public_path(private: &Path) -> PathBuf {
    let mut path = private.as_os_str().to_owned();
    path.push(".pub");
    path.into()
}

/// Where `ssh-keygen` finds the private half when it is given this file: itself, or the one beside it.
pub(super) fn private_path(file: &Path) -> Option<PathBuf> {
    let name = file.to_str()?;
    let stripped = name.strip_suffix("-cert.pub").or_else(|| name.strip_suffix(".pub"));
    let path = PathBuf::from(stripped.unwrap_or(name));
    path.is_file().then_some(path)
}

/// Whether anybody but its owner may read or change a file.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Makes sure that the files of a new key are not there yet.
pub(crate) fn check_new(path: &Path) -> Result<()> {
    for path in [path, &public_path(path)] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::usage(format!("{} exists, and a key is never overwritten", path.display()))
                .hint("name another FILE, or use the key that there is")
                .into());
        }
    }
    Ok(())
}

/// Writes the files of a new key. Nobody else can read the private half at any moment.
///
/// # Errors
/// Nothing is overwritten, and nothing is left where only one of them could be written.
pub(crate) fn write_new(path: &Path, private: &str, public: &str) -> Result<()> {
    let public_path = public_path(path);
    let failed = |path: &Path, error: io::Error| Failure::system(format!("cannot write {}: {error}", path.display()));
    write(path, private, 0o600).map_err(|error| failed(path, error))?;
    let written = write(&public_path, public, 0o644);
    let written = written.inspect_err(|_| drop(std::fs::remove_file(path)));
    Ok(written.map_err(|error| failed(&public_path, error))?)
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(path)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.inspect_err(|_| drop(std::fs::remove_file(path)))
}
