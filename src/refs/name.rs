//! Names of refs, checked by git's rules once, when they are made.

use std::fmt;

/// A full name: `HEAD`, or `refs/…`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(String);

/// Why a text is no ref's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} cannot be the name of a ref: {reason}")]
pub struct NameError {
    name: String,
    reason: &'static str,
}

impl RefName {
    /// The name of HEAD.
    pub fn head() -> RefName {
        RefName("HEAD".into())
    }

    /// A full name, by the rules of `git check-ref-format`.
    ///
    /// # Errors
    /// When the text breaks a rule, or is neither `HEAD` nor starts with `refs/`.
    pub fn full(text: &str) -> Result<RefName, NameError> {
        let wrong = |reason| Err(NameError { name: text.chars().take(300).collect(), reason });
        if text == "HEAD" {
            return Ok(RefName::head());
        }
        let Some(rest) = text.strip_prefix("refs/") else { return wrong("it does not start with refs/") };
        if text.len() > 1024 {
            return wrong("it has more than 1024 bytes");
        }
        for part in rest.split('/') {
            let reason = match part {
                "" => "it has an empty part",
                _ if part.starts_with('.') => "a part of it starts with a dot",
                _ if part.ends_with(".lock") => "a part of it ends with .lock",
                // With `.lock` behind it, 255 bytes: what file systems can hold.
                _ if part.len() > 250 => "a part of it has more than 250 bytes",
                _ if part.bytes().any(|b| b < 0x20 || b == 0x7F) => "it has a control character",
                _ if part.contains([' ', '~', '^', ':', '?', '*', '[', '\\']) => {
                    "it has one of the characters  ~^:?*[\\"
                }
                _ if part.contains("..") => "it has two dots in a row",
                _ if part.contains("@{") => "it has @{ in it",
                _ => continue,
            };
            return wrong(reason);
        }
        if rest.ends_with('.') {
            return wrong("it ends with a dot");
        }
        Ok(RefName(text.to_owned()))
    }

    /// What a user writes for a ref: a full name, or a short one, which means `refs/heads/NAME`.
    ///
    /// # Errors
    /// As [`RefName::full`], and for names that could not be told from a revision's other forms.
    pub fn from_user(text: &str) -> Result<RefName, NameError> {
        if text == "HEAD" || text.starts_with("refs/") {
            return RefName::full(text);
        }
        let wrong = |reason| Err(NameError { name: text.chars().take(300).collect(), reason });
        if text.starts_with('-') {
            return wrong("it starts with a dash");
        }
        if text == "@" {
            return wrong("it is short for HEAD");
        }
        RefName::full(&format!("refs/heads/{text}")).map_err(|error| NameError { name: text.to_owned(), ..error })
    }

    /// The full names that a short one can mean, in git's order.
    pub fn candidates(short: &str) -> Vec<RefName> {
        let forms = [
            short.to_owned(),
            format!("refs/{short}"),
            format!("refs/tags/{short}"),
            format!("refs/heads/{short}"),
            format!("refs/remotes/{short}"),
            format!("refs/remotes/{short}/HEAD"),
        ];
        forms.iter().filter_map(|form| RefName::full(form).ok()).collect()
    }

    /// The full name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name for people: without `refs/heads/`, `refs/tags/` or `refs/`.
    pub fn short(&self) -> &str {
        ["refs/heads/", "refs/tags/", "refs/remotes/", "refs/"]
            .iter()
            .find_map(|prefix| self.0.strip_prefix(prefix))
            .unwrap_or(&self.0)
    }

    /// Whether the ref is one that takes commits only.
    pub fn is_branch(&self) -> bool {
        self.0.starts_with("refs/heads/")
    }

    /// Whether changes of this ref are logged even when it has no log yet: git's `core.logAllRefUpdates = true`.
    pub(super) fn is_logged(&self) -> bool {
        self.0 == "HEAD" || ["refs/heads/", "refs/remotes/", "refs/notes/"].iter().any(|p| self.0.starts_with(p))
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules() {
        for good in
            ["refs/heads/main", "refs/x", "HEAD", "refs/heads/é", "refs/heads/a@b", "refs/heads/-", "refs/a/b.c"]
        {
            assert!(RefName::full(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "main",
            "refs/",
            "refs//a",
            "refs/a/",
            "refs/a..b",
            "refs/.a",
            "refs/a/.b",
            "refs/a.lock",
            "refs/a.lock/b",
            "refs/a b",
            "refs/a~",
            "refs/a^",
            "refs/a:b",
            "refs/a?",
            "refs/a*",
            "refs/a[",
            "refs/a\\b",
            "refs/a@{b",
            "refs/a.",
            "refs/a\n",
            "refs/a\u{7f}",
            "../x",
            "refs/../x",
        ] {
            assert!(RefName::full(bad).is_err(), "{bad}");
        }
        assert_eq!(RefName::from_user("a/b").unwrap().as_str(), "refs/heads/a/b");
        assert!(RefName::from_user("-x").is_err());
        assert!(RefName::from_user("@").is_err());
    }
}
