//! Names in a tree that some file system would take for `.git`.
//!
//! git refuses them when it checks objects, because a checkout would write into the repository itself. The rules are
//! those of git's `is_hfs_dotgit` and `is_ntfs_dotgit`.

/// Whether git refuses this name: `.git` in any case, or a disguise of it on HFS+ or NTFS.
pub(super) fn is_dotgit(name: &[u8]) -> bool {
    is_hfs(name) || name.split(|&byte| byte == b'\\').any(is_ntfs)
}

/// HFS+ folds case and skips invisible characters. Like git, looks no further than the first byte that is no UTF-8.
fn is_hfs(name: &[u8]) -> bool {
    let text = match std::str::from_utf8(name) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&name[..error.valid_up_to()]).unwrap_or_default(),
    };
    text.chars().filter(|&c| !is_ignored(c)).map(|c| c.to_ascii_lowercase()).eq(".git".chars())
}

fn is_ignored(c: char) -> bool {
    matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
}

/// NTFS has short names, drops dots and spaces at the end, and keeps streams behind a colon.
fn is_ntfs(name: &[u8]) -> bool {
    [b".git".as_slice(), b"git~1"].into_iter().any(|disguise| {
        name.split_at_checked(disguise.len()).is_some_and(|(start, rest)| {
            let rest = rest.split(|&byte| byte == b':').next().unwrap_or_default();
            start.eq_ignore_ascii_case(disguise) && rest.iter().all(|byte| matches!(byte, b'.' | b' '))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::is_dotgit;

    #[test]
    fn disguises_are_seen() {
        for name in [
            ".git",
            ".GiT",
            ".git.",
            ".git ",
            ".git . .",
            ".git::$INDEX_ALLOCATION",
            ".git:x",
            "git~1",
            "GIT~1.",
            "x\\.git",
            ".git\\x",
            ".g\u{200c}it",
            "\u{feff}.git",
            ".git\u{202a}",
        ] {
            assert!(is_dotgit(name.as_bytes()), "{name}");
        }
        assert!(is_dotgit(b".git\xff"));
        for name in
            ["", "git", ".gitx", ".git x", "git~2", "git~10", "x.git", ".gi", "x:.git", ".g\u{200b}it", ".gitignore"]
        {
            assert!(!is_dotgit(name.as_bytes()), "{name}");
        }
        assert!(!is_dotgit(b"\xff.git"));
    }
}
