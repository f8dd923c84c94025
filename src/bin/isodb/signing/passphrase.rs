//! Passphrases of keys: from the file that `ISODB_PASSPHRASE_FILE` names, else asked on the terminal, without echo.
//!
//! What is read is wiped from memory when it is no longer needed, and never shown.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Result;
use zeroize::Zeroizing;

use crate::context::raw_variable;
use crate::error::Failure;

/// The variable that names a file whose first line is the passphrase.
const FILE: &str = "ISODB_PASSPHRASE_FILE";

/// The longest passphrase, in bytes.
const LONGEST: usize = 4096;

pub(crate) type Passphrase = Zeroizing<Vec<u8>>;

/// Whether the passphrase comes from a file, so that nobody is asked.
pub(crate) fn is_in_file() -> bool {
    raw_variable(FILE).is_some()
}

/// The passphrase of a key that there is.
pub(crate) fn of_key(key: &Path) -> Result<Passphrase> {
    match from_file()? {
        Some(passphrase) => Ok(passphrase),
        None => ask(&format!("Passphrase of {}: ", key.display())),
    }
}

/// A passphrase for a new key, asked twice.
pub(crate) fn of_new_key() -> Result<Passphrase> {
    let passphrase = match from_file()? {
        Some(passphrase) => passphrase,
        None => {
            let passphrase = ask("Passphrase of the new key: ")?;
            if ask("The same again: ")? != passphrase {
                return Err(Failure::usage("the two passphrases differ").into());
            }
            passphrase
        }
    };
    if passphrase.is_empty() {
        return Err(Failure::usage("the passphrase is empty")
            .hint("leave out --passphrase for a key without one")
            .into());
    }
    Ok(passphrase)
}

pub(super) fn from_file() -> Result<Option<Passphrase>> {
    let Some(path) = raw_variable(FILE) else { return Ok(None) };
    let path = Path::new(&path);
    // A pipe of the shell's, `<(pass show farm)`, is as good as a file.
    let read = std::fs::File::open(path).and_then(|file| {
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
        file.take(LONGEST as u64 + 1).read_to_end(&mut text)?;
        Ok(text)
    });
    let mut text = read.map_err(|error| {
        Failure::usage(format!("cannot read {}: {error}", path.display())).hint(format!("{FILE} names it"))
    })?;
    let end = text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len());
    if end > LONGEST {
        return Err(Failure::usage(format!("the first line of {} is too long for a passphrase", path.display())).into());
    }
    text.truncate(end);
    if text.last() == Some(&b'\r') {
        text.pop();
    }
    Ok(Some(text))
}

/// Asks on the terminal.
fn ask(prompt: &str) -> Result<Passphrase> {
    let asked = terminal::open().and_then(|mut terminal| {
        terminal.write_all(prompt.as_bytes())?;
        let answer = read_line(&mut terminal);
        terminal.write_all(b"\n")?;
        answer
    });
    asked.map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => Failure::usage("no passphrase was given").into(),
        _ => Failure::usage("there is no terminal to ask for the passphrase")
            .hint(format!(
                "{FILE} can name a file whose first line it is, or give the key to ssh-agent: `ssh-add FILE`"
            ))
            .into(),
    })
}

/// Reads what is typed up to the end of the line. The terminal gives every byte as it comes, that of Ctrl-C too: it must
/// not end the program while nothing is echoed.
fn read_line(terminal: &mut impl Read) -> io::Result<Passphrase> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = [0];
    loop {
        if terminal.read(&mut byte)? == 0 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        match byte[0] {
            b'\n' | b'\r' => return Ok(line),
            // Ctrl-C; and Ctrl-D where nothing is typed.
            3 => return Err(io::ErrorKind::Interrupted.into()),
            4 if line.is_empty() => return Err(io::ErrorKind::Interrupted.into()),
            // Backspace takes a character, which may be several bytes; Ctrl-U takes all.
            8 | 127 => while line.pop().is_some_and(|last| last & 0xc0 == 0x80) {},
            21 => line.clear(),
            // A vector that grew would leave its bytes behind.
            _ if line.len() < LONGEST => line.push(byte[0]),
            _ => {}
        }
    }
}

#[cfg(unix)]
mod terminal {
    //! The terminal of the process, whatever stdin and stdout are, with nothing echoed until the value goes.

    use std::fs::{File, OpenOptions};
    use std::io::{self, Read, Write};

    use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

    pub(super) struct Terminal {
        file: File,
        before: Termios,
    }

    pub(super) fn open() -> io::Result<Terminal> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let before = tcgetattr(&file)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        // What was typed before the question is no answer to it.
        tcsetattr(&file, OptionalActions::Flush, &quiet)?;
        Ok(Terminal { file, before })
    }

    impl Read for Terminal {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            loop {
                match self.file.read(bytes) {
                    // A signal that is handled is no answer.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => return read,
                }
            }
        }
    }

    impl Write for Terminal {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.file.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.file.flush()
        }
    }

    impl Drop for Terminal {
        fn drop(&mut self) {
            // There is nothing left to do about a terminal that has gone.
            let _ = tcsetattr(&self.file, OptionalActions::Flush, &self.before);
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    //! Terminals of this system are not asked.

    use std::fs::File;
    use std::io;

    pub(super) fn open() -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed() {
        for (typed, line) in
            [("secret\n", "secret"), ("secrex\u{7f}t\r", "secret"), ("n\u{15}ö\u{8}secret\n", "secret")]
        {
            assert_eq!(**read_line(&mut typed.as_bytes()).unwrap(), *line.as_bytes(), "{typed:?}");
        }
        for typed in ["", "secret", "sec\u{3}ret\n", "\u{4}"] {
            assert_eq!(read_line(&mut typed.as_bytes()).unwrap_err().kind(), io::ErrorKind::Interrupted, "{typed:?}");
        }
        let long = [vec![b'x'; LONGEST + 9], b"\n".to_vec()].concat();
        assert_eq!(read_line(&mut &long[..]).unwrap().len(), LONGEST);
    }
}
