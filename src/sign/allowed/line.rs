//! One line of the list: reading it as OpenSSH does, and writing it.
//!
//! `PRINCIPALS [OPTIONS] TYPE BASE64 [COMMENT]`. Of our own are clauses `keys=PATTERN` at the start of the comment, and
//! the line `# isodb:revoked TYPE BASE64 [COMMENT]`.

use std::fmt;

use super::super::{PublicKey, SignError, key};
use super::time;

/// The longest line, in bytes.
const MAX_LINE: usize = 64 * 1024;

const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];
const BLANK: [char; 2] = [' ', '\t'];

/// Somebody who may sign: one line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedSigner {
    /// Patterns of identities, separated by commas: `*` and `?` stand for others, `!` excludes.
    pub principals: String,
    /// Whether the key is an authority, which signs certificates and nothing else.
    pub cert_authority: bool,
    /// Patterns of the namespaces that it may sign for; `None`: all.
    pub namespaces: Option<String>,
    /// From when on it may sign, in seconds since 1970.
    pub valid_after: Option<i64>,
    /// The last second in which it may sign.
    pub valid_before: Option<i64>,
    /// The key.
    pub key: PublicKey,
    /// Patterns of the keys whose documents it may change; none: every document. That they are patterns is not checked
    /// here.
    pub keys: Vec<String>,
    /// What people say of it.
    pub comment: String,
}

/// What a line is.
#[derive(Clone, Debug)]
pub(super) enum Line {
    /// A comment, or empty.
    Nothing,
    Signer(Box<AllowedSigner>),
    Revoked(PublicKey, String),
    /// It cannot be used, for this reason.
    Problem(String),
}

impl Line {
    pub(super) fn parse(line: &[u8]) -> Line {
        if line.len() > MAX_LINE {
            return Line::Problem(format!("the line has more than {MAX_LINE} bytes"));
        }
        let text = match std::str::from_utf8(line) {
            Ok(text) if !text.contains('\0') => text.trim_end_matches(WHITE).trim_start_matches(BLANK),
            _ if line.trim_ascii_start().starts_with(b"#") => return Line::Nothing,
            _ => return Line::Problem("the line is not text".into()),
        };
        if text.contains('\n') {
            return Line::Problem("it is not one line".into());
        }
        match text.strip_prefix('#') {
            Some(comment) => Line::comment(comment.trim_start_matches(BLANK)),
            None if text.is_empty() => Line::Nothing,
            None => match AllowedSigner::parse(text) {
                Ok(signer) => Line::Signer(Box::new(signer)),
                Err(reason) => Line::Problem(reason),
            },
        }
    }

    /// A comment, which may be one of ours. One that is nearly so is a problem: a revocation must not get lost by a slip.
    fn comment(text: &str) -> Line {
        let (word, rest) = text.split_once(BLANK).unwrap_or((text, ""));
        if !word.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("isodb:")) {
            return Line::Nothing;
        }
        if !word[6..].eq_ignore_ascii_case("revoked") {
            return Line::Problem(format!("{word} is not known"));
        }
        match PublicKey::parse_start(rest.trim_start_matches(BLANK)) {
            Ok((key, comment)) => Line::Revoked(key, comment.to_owned()),
            Err(error) => Line::Problem(error.to_string()),
        }
    }
}

/// The line that revokes a key.
pub(super) fn revocation(key: &PublicKey, comment: &str) -> String {
    format!("# isodb:revoked {key} {comment}").trim_end().to_owned()
}

impl AllowedSigner {
    /// One who may sign everything of git's, and change every document.
    pub fn new(principals: impl Into<String>, key: PublicKey) -> AllowedSigner {
        AllowedSigner {
            principals: principals.into(),
            cert_authority: false,
            namespaces: Some(super::super::NAMESPACE.into()),
            valid_after: None,
            valid_before: None,
            key,
            keys: Vec::new(),
            comment: String::new(),
        }
    }

    fn parse(text: &str) -> Result<AllowedSigner, String> {
        let (principals, rest) = principals(text)?;
        let first = rest.split(BLANK).next().unwrap_or_default();
        let (options, rest) = match key::is_kind(first) {
            true => (Options::default(), rest),
            false => {
                let end = end_of_options(rest)?;
                (Options::parse(&rest[..end])?, rest[end..].trim_start_matches(BLANK))
            }
        };
        if rest.is_empty() {
            return Err("it has no key".into());
        }
        let (key, comment) = PublicKey::parse_start(rest).map_err(|error: SignError| error.to_string())?;
        let (keys, comment) = clauses(comment)?;
        let Options { cert_authority, namespaces, valid_after, valid_before } = options;
        let (comment, key) = (comment.to_owned(), key);
        Ok(AllowedSigner { principals, cert_authority, namespaces, valid_after, valid_before, key, keys, comment })
    }
}

/// The first word, which may be in quotes, and what follows it.
fn principals(text: &str) -> Result<(String, &str), String> {
    let end = text.find([' ', '\t', '\r', '\n', '"']).ok_or("it has no key")?;
    let (start, rest) = text.split_at(end);
    let (principals, rest) = match rest.strip_prefix('"') {
        // As in OpenSSH, where a quote opens also inside of the word; there is no escape.
        Some(rest) => {
            let (quoted, rest) = rest.split_once('"').ok_or("a quote is not closed")?;
            (format!("{start}{quoted}"), rest)
        }
        None => (start.to_owned(), rest),
    };
    match principals.is_empty() {
        true => Err("it names nobody".into()),
        false => Ok((principals, rest.trim_start_matches(WHITE))),
    }
}

/// Where the options end: at the first blank that is not in quotes.
fn end_of_options(text: &str) -> Result<usize, String> {
    let mut quoted = false;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b' ' | b'\t' if !quoted => return Ok(at),
            b'\\' if bytes.peek().is_some_and(|(_, next)| *next == b'"') => {
                bytes.next();
            }
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    if quoted { Err("a quote is not closed".into()) } else { Err("it has no key".into()) }
}

#[derive(Default)]
struct Options {
    cert_authority: bool,
    namespaces: Option<String>,
    valid_after: Option<i64>,
    valid_before: Option<i64>,
}

impl Options {
    fn parse(text: &str) -> Result<Options, String> {
        let mut options = Options::default();
        let mut rest = text;
        loop {
            if let Some(after) = without_prefix(rest, "cert-authority") {
                options.cert_authority = true;
                rest = after;
            } else if let Some(after) = without_prefix(rest, "namespaces=") {
                let value = quoted(after, &mut rest)?;
                set(&mut options.namespaces, value, "namespaces")?;
            } else if let Some(after) = without_prefix(rest, "valid-after=") {
                let value = date(&quoted(after, &mut rest)?, "valid-after")?;
                set(&mut options.valid_after, value, "valid-after")?;
            } else if let Some(after) = without_prefix(rest, "valid-before=") {
                let value = date(&quoted(after, &mut rest)?, "valid-before")?;
                set(&mut options.valid_before, value, "valid-before")?;
            }
            if rest.is_empty() {
                break;
            }
            rest = rest.strip_prefix(',').ok_or_else(|| {
                let word = rest.split([',', '=']).next().unwrap_or_default();
                format!("the option {word:?} is not known")
            })?;
            if rest.is_empty() {
                return Err("its options end with a comma".into());
            }
        }
        match (options.valid_after, options.valid_before) {
            (Some(after), Some(before)) if before <= after => Err("valid-before is not after valid-after".into()),
            _ => Ok(options),
        }
    }
}

/// What follows a word, which is compared without regard to upper and lower case.
fn without_prefix<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// A value in quotes, where `\"` is a quote and every other backslash is one; leaves what follows it in `rest`.
fn quoted<'a>(text: &'a str, rest: &mut &'a str) -> Result<String, String> {
    let inside = text.strip_prefix('"').ok_or("an option's value is not in quotes")?;
    let mut value = String::new();
    let mut chars = inside.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                *rest = &inside[at + 1..];
                return Ok(value);
            }
            '\\' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                chars.next();
                value.push('"');
            }
            _ => value.push(c),
        }
    }
    Err("a quote is not closed".into())
}

fn date(text: &str, option: &str) -> Result<i64, String> {
    time::parse(text).ok_or_else(|| format!("{option} is not a date such as 20261231 or 20261231235959Z"))
}

fn set<T>(place: &mut Option<T>, value: T, option: &str) -> Result<(), String> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(format!("{option} stands there twice")),
    }
}

/// The clauses at the start of a comment, and the rest of it.
fn clauses(comment: &str) -> Result<(Vec<String>, &str), String> {
    let mut clauses = Vec::new();
    let mut rest = comment;
    while let Some(after) = without_prefix(rest, "keys=") {
        let clause;
        (clause, rest) = match after.strip_prefix('"') {
            Some(inside) => quoted_clause(inside)?,
            None => {
                let (word, rest) = after.split_at(after.find(BLANK).unwrap_or(after.len()));
                if word.contains('"') {
                    return Err("a clause keys= has a quote in it that does not open it".into());
                }
                (word.to_owned(), rest)
            }
        };
        if clause.is_empty() || !(rest.is_empty() || rest.starts_with(BLANK)) {
            return Err("a clause keys= is not a pattern, in quotes if it has blanks".into());
        }
        clauses.push(clause);
        rest = rest.trim_start_matches(BLANK);
    }
    // What looks like a limit must not be without effect because of its place.
    match rest.split(BLANK).any(|word| without_prefix(word, "keys=").is_some()) {
        true => Err("a clause keys= must stand before the comment".into()),
        false => Ok((clauses, rest)),
    }
}

/// A clause from behind its opening quote, where `\"` and `\\` stand for quote and backslash.
fn quoted_clause(text: &str) -> Result<(String, &str), String> {
    let mut clause = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((clause, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => clause.push(c),
                _ => return Err("in a clause keys=, a backslash stands before a quote or a backslash only".into()),
            },
            _ => clause.push(c),
        }
    }
    Err("a quote is not closed".into())
}

impl fmt::Display for AllowedSigner {
    /// The line, without a line feed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.principals.contains(WHITE) || self.principals.starts_with('#') {
            write!(f, "\"{}\" ", self.principals)?;
        } else {
            write!(f, "{} ", self.principals)?;
        }
        let mut options = Vec::new();
        if self.cert_authority {
            options.push("cert-authority".to_owned());
        }
        if let Some(namespaces) = &self.namespaces {
            options.push(format!("namespaces=\"{}\"", namespaces.replace('"', "\\\"")));
        }
        let dates = [("valid-after", self.valid_after), ("valid-before", self.valid_before)];
        for (name, seconds) in dates {
            options.extend(seconds.map(|seconds| format!("{name}=\"{}\"", time::format(seconds))));
        }
        if !options.is_empty() {
            write!(f, "{} ", options.join(","))?;
        }
        write!(f, "{}", self.key)?;
        for clause in &self.keys {
            match clause.contains([' ', '\t', '\r', '"', '\\']) {
                true => write!(f, " keys=\"{}\"", clause.replace('\\', "\\\\").replace('"', "\\\""))?,
                false => write!(f, " keys={clause}")?,
            }
        }
        if self.comment.is_empty() { Ok(()) } else { write!(f, " {}", self.comment) }
    }
}
