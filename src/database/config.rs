//! The configuration file, in git's INI format (git's `Documentation/config.adoc`, "Syntax").
//!
//! Reading keeps every value; writing changes one line and leaves the rest of the file, comments included, as it is.

use std::fmt::Write as _;

/// Why a configuration cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A line of the file is not understood.
    #[error("line {line} of the configuration is not understood: {text:?}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A name is none that a configuration can hold.
    #[error("{0:?} is not the name of a setting: it must be like section.name")]
    Name(String),
    /// A value is not of the type that its setting has.
    #[error("the setting {name} is {value:?}, which is not {expected}")]
    Value {
        /// The setting.
        name: String,
        /// Its value.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
}

/// One setting, and the lines of the file that hold it.
#[derive(Clone, Debug)]
struct Setting {
    /// `section.name` or `section.subsection.name`; section and name in lower case.
    name: String,
    value: String,
    /// The first line and the one after the last, from 0.
    lines: std::ops::Range<usize>,
}

/// A configuration file's settings.
#[derive(Clone, Debug, Default)]
pub struct Config {
    lines: Vec<String>,
    settings: Vec<Setting>,
    /// The sections' headers: the name (with a dot behind it) and the line.
    sections: Vec<(String, usize)>,
}

impl Config {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`ConfigError::Line`] for a line that git would not understand either.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        let mut config = Config { lines: text.lines().map(str::to_owned).collect(), ..Config::default() };
        let mut section = String::new();
        let mut at = 0;
        while at < config.lines.len() {
            let wrong = || ConfigError::Line { line: at + 1, text: config.lines[at].clone() };
            let mut rest = config.lines[at].trim_start_matches('\u{feff}').trim();
            if let Some(header) = rest.strip_prefix('[') {
                let end = header_end(header).ok_or_else(wrong)?;
                section = section_name(&header[..end]).ok_or_else(wrong)?;
                config.sections.push((section.clone(), at));
                rest = header[end + 1..].trim();
            }
            if rest.is_empty() || rest.starts_with(['#', ';']) {
                at += 1;
                continue;
            }
            let name_end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len());
            let (name, after) = rest.split_at(name_end);
            if section.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
                return Err(wrong());
            }
            let name = format!("{section}{}", name.to_ascii_lowercase());
            let start = at;
            let value = match after.trim_start() {
                after if after.is_empty() || after.starts_with(['#', ';']) => {
                    // A name alone means true.
                    "true".to_owned()
                }
                after => {
                    let mut text = after.strip_prefix('=').ok_or_else(wrong)?.to_owned();
                    while is_continued(&text) && at + 1 < config.lines.len() {
                        text.pop();
                        at += 1;
                        text.push_str(&config.lines[at]);
                    }
                    parse_value(&text)
                        .ok_or_else(|| ConfigError::Line { line: start + 1, text: config.lines[start].clone() })?
                }
            };
            at += 1;
            config.settings.push(Setting { name, value, lines: start..at });
        }
        Ok(config)
    }

    /// The last value of a setting.
    pub fn get(&self, name: &str) -> Option<&str> {
        let name = canonical(name)?;
        self.settings.iter().rev().find(|setting| setting.name == name).map(|setting| setting.value.as_str())
    }

    /// All values of a setting, in the order of the file.
    pub fn get_all(&self, name: &str) -> Vec<&str> {
        let Some(name) = canonical(name) else { return Vec::new() };
        self.settings.iter().filter(|setting| setting.name == name).map(|setting| setting.value.as_str()).collect()
    }

    /// A setting as a truth value.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is neither true nor false in git's spelling.
    pub fn get_bool(&self, name: &str) -> Result<Option<bool>, ConfigError> {
        let wrong = |value: &str| ConfigError::Value {
            name: name.to_owned(),
            value: value.to_owned(),
            expected: "true or false",
        };
        self.get(name)
            .map(|value| match value.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Ok(true),
                "false" | "no" | "off" | "0" | "" => Ok(false),
                _ => Err(wrong(value)),
            })
            .transpose()
    }

    /// A setting as a number, with git's suffixes `k`, `m` and `g`.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is none.
    pub fn get_number(&self, name: &str) -> Result<Option<u64>, ConfigError> {
        let parse = |value: &str| -> Option<u64> {
            let lower = value.to_ascii_lowercase();
            let (digits, factor) = match lower.strip_suffix(['k', 'm', 'g']) {
                Some(digits) if lower.ends_with('k') => (digits, 1 << 10),
                Some(digits) if lower.ends_with('m') => (digits, 1 << 20),
                Some(digits) => (digits, 1 << 30),
                None => (lower.as_str(), 1),
            };
            digits.parse::<u64>().ok()?.checked_mul(factor)
        };
        self.get(name)
            .map(|value| {
                parse(value).ok_or_else(|| ConfigError::Value {
                    name: name.to_owned(),
                    value: value.to_owned(),
                    expected: "a number",
                })
            })
            .transpose()
    }

    /// All settings in the order of the file, names in their one spelling.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.settings.iter().map(|setting| (setting.name.as_str(), setting.value.as_str()))
    }

    /// The file's text.
    pub fn text(&self) -> String {
        self.lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    /// The same configuration with a setting changed, or added at the end of its section. Of several values of one
    /// name the last is changed.
    ///
    /// # Errors
    /// [`ConfigError::Name`] for a name that no file can hold.
    pub fn with(&self, name: &str, value: &str) -> Result<Config, ConfigError> {
        let canonical = canonical(name).ok_or_else(|| ConfigError::Name(name.to_owned()))?;
        if canonical.contains(['\n', '\0']) || value.contains('\0') {
            return Err(ConfigError::Name(name.to_owned()));
        }
        let dot = canonical.rfind('.').expect("a canonical name has a dot");
        let (section, key) = canonical.split_at(dot + 1);
        let line = format!("\t{key} = {}", quote(value));
        let mut lines = self.lines.clone();
        if let Some(setting) = self.settings.iter().rev().find(|setting| setting.name == canonical) {
            let header = header_on(&lines[setting.lines.start]).map(str::to_owned);
            lines.splice(setting.lines.clone(), header.into_iter().chain([line]));
        } else if let Some((_, at)) = self.sections.iter().rev().find(|(name, _)| name == section) {
            let end = self.sections.iter().map(|s| s.1).filter(|next| next > at).min().unwrap_or(lines.len());
            let last = (*at..end).rev().find(|&l| !lines[l].trim().is_empty()).unwrap_or(*at);
            lines.insert(last + 1, line);
        } else {
            lines.push(section_header(section));
            lines.push(line);
        }
        Config::parse(&lines.join("\n"))
    }

    /// The same configuration without a setting, or `None` when it has none of that name.
    ///
    /// # Errors
    /// [`ConfigError::Line`] never for a configuration that was read.
    pub fn without(&self, name: &str) -> Result<Option<Config>, ConfigError> {
        let Some(name) = canonical(name) else { return Ok(None) };
        let mut lines = self.lines.clone();
        let mut found = false;
        for setting in self.settings.iter().rev().filter(|setting| setting.name == name) {
            let header = header_on(&lines[setting.lines.start]).map(str::to_owned);
            lines.splice(setting.lines.clone(), header);
            found = true;
        }
        found.then(|| Config::parse(&lines.join("\n"))).transpose()
    }

    /// The same configuration without a section (`section` or `section.subsection`), or `None` when it has none of that
    /// name. What stands behind its headers up to the next one goes with it, comments too.
    ///
    /// # Errors
    /// [`ConfigError::Line`] never for a configuration that was read.
    pub fn without_section(&self, name: &str) -> Result<Option<Config>, ConfigError> {
        let name = match name.split_once('.') {
            Some((section, subsection)) => format!("{}.{subsection}.", section.to_ascii_lowercase()),
            None => format!("{}.", name.to_ascii_lowercase()),
        };
        let mut lines = self.lines.clone();
        let mut end = lines.len();
        let mut found = false;
        for (section, start) in self.sections.iter().rev() {
            if *section == name {
                lines.drain(start..&end);
                found = true;
            }
            end = *start;
        }
        found.then(|| Config::parse(&lines.join("\n"))).transpose()
    }
}

/// Where a section's header ends: the closing bracket that is not in quotes.
fn header_end(header: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in header.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ']' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The header that a line starts with, when a setting stands on the same line.
fn header_on(line: &str) -> Option<&str> {
    let start = line.find('[').filter(|&start| line[..start].trim().is_empty())?;
    let end = header_end(&line[start + 1..])?;
    Some(&line[..start + end + 2])
}

/// The name before a setting's own, with a dot behind it, of the text between a header's brackets.
fn section_name(header: &str) -> Option<String> {
    let (section, subsection) = match header.split_once('"') {
        None => (header.trim(), None),
        Some((section, quoted)) => {
            let mut subsection = String::new();
            let mut chars = quoted.trim_end().strip_suffix('"')?.chars();
            while let Some(c) = chars.next() {
                subsection.push(if c == '\\' { chars.next()? } else { c });
            }
            (section.trim(), Some(subsection))
        }
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if section.is_empty() || !section.chars().all(plain) {
        return None;
    }
    let mut name = section.to_ascii_lowercase() + ".";
    if let Some(subsection) = subsection {
        let _ = write!(name, "{subsection}.");
    }
    Some(name)
}

fn section_header(section: &str) -> String {
    let name = section.strip_suffix('.').unwrap_or(section);
    match name.split_once('.') {
        None => format!("[{name}]"),
        Some((section, subsection)) => {
            format!("[{section} \"{}\"]", subsection.replace('\\', "\\\\").replace('"', "\\\""))
        }
    }
}

/// A setting's name in its one spelling: section and name in lower case, the subsection as it is.
fn canonical(name: &str) -> Option<String> {
    let (section, rest) = name.split_once('.')?;
    let (subsection, key) = match rest.rsplit_once('.') {
        Some((subsection, key)) => (Some(subsection), key),
        None => (None, rest),
    };
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !plain(section) || !plain(key) || !key.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return None;
    }
    let middle = subsection.map(|s| format!("{s}.")).unwrap_or_default();
    Some(format!("{}.{middle}{}", section.to_ascii_lowercase(), key.to_ascii_lowercase()))
}

fn is_continued(text: &str) -> bool {
    text.chars().rev().take_while(|&c| c == '\\').count() % 2 == 1
}

/// A value without its quotes, escapes and comment.
fn parse_value(text: &str) -> Option<String> {
    let mut value = String::new();
    // Spaces are kept only when something of the value follows them.
    let mut spaces = String::new();
    let mut quoted = false;
    let mut chars = text.trim_start().chars();
    while let Some(c) = chars.next() {
        if !quoted && c.is_whitespace() {
            spaces.push(c);
            continue;
        }
        if !quoted && matches!(c, '#' | ';') {
            break;
        }
        value.push_str(&std::mem::take(&mut spaces));
        match c {
            '"' => quoted = !quoted,
            '\\' => value.push(match chars.next()? {
                'n' => '\n',
                't' => '\t',
                'b' => '\u{8}',
                c @ ('\\' | '"') => c,
                _ => return None,
            }),
            c => value.push(c),
        }
    }
    (!quoted).then_some(value)
}

fn quote(value: &str) -> String {
    let needs_quotes = value.starts_with(char::is_whitespace)
        || value.ends_with(char::is_whitespace)
        || value.contains(['#', ';', '"', '\\', '\n', '\t', '\u{8}'])
        || value.is_empty();
    if !needs_quotes {
        return value.to_owned();
    }
    let mut out = String::from("\"");
    for c in value.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '"' | '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SAMPLE: &str =
        "# top\n[core]\n\tbare = true ; yes\n  Name=\" a b \" # no\n[remote \"Or\\\"igin\"]\n\turl = a\\\n b\n[x] y\n";

    #[test]
    fn reads_what_git_writes() {
        let config = Config::parse(SAMPLE).unwrap();
        assert_eq!(config.get("core.bare"), Some("true"));
        assert_eq!(config.get("CORE.NAME"), Some(" a b "));
        assert_eq!(config.get("remote.Or\"igin.url"), Some("a b"));
        assert_eq!(config.get_bool("x.y"), Ok(Some(true)));
        assert_eq!(config.get("core.other"), None);
        assert!(config.get_number("core.bare").is_err());
    }

    #[test]
    fn writing_leaves_the_rest() {
        let config = Config::parse(SAMPLE).unwrap();
        let changed = config.with("core.bare", "false").unwrap();
        assert_eq!(changed.text(), SAMPLE.replace("bare = true ; yes", "bare = false"));
        let changed = config.with("x.y", "2").unwrap();
        assert_eq!(changed.get_number("x.y"), Ok(Some(2)));
        let changed = config.with("new.sub.Key", "v").unwrap();
        assert_eq!(changed.get("new.sub.key"), Some("v"));
        assert!(changed.text().starts_with(SAMPLE));
        let without = changed.without("new.sub.key").unwrap().unwrap();
        assert_eq!(without.get("new.sub.key"), None);
        assert!(config.without("no.such").unwrap().is_none());
    }

    #[test]
    fn whole_sections_and_all_values() {
        let config =
            Config::parse(&format!("{SAMPLE}[remote \"b\"]\n# of b\nurl = 1\nurl = 2\n[core]\nz = 1\n")).unwrap();
        assert_eq!(config.get_all("remote.b.URL"), ["1", "2"]);
        assert_eq!(config.get_all("remote.c.url"), [""; 0]);
        let without = config.without_section("Remote.b").unwrap().unwrap();
        assert_eq!(without.text(), format!("{SAMPLE}[core]\nz = 1\n"));
        let without = without.without_section("core").unwrap().unwrap();
        assert_eq!(without.text(), "# top\n[remote \"Or\\\"igin\"]\n\turl = a\\\n b\n[x] y\n");
        assert!(config.without_section("remote.B").unwrap().is_none());
    }

    #[test]
    fn bad_lines_are_errors() {
        for bad in ["x = 1", "[core", "[core]\n= 1", "[core]\nx = \"", "[core]\nx = \\q", "[co_re]", "[core]\nx 1"] {
            assert!(Config::parse(bad).is_err(), "{bad}");
        }
        for bad in ["core", "core.", ".x", "core.1x", "a b.c", "core.x\n"] {
            assert!(Config::default().with(bad, "1").is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in "[ -~\t\né]{0,20}", section in "[a-z]{1,5}", sub in "[ -~]{0,8}") {
            let name = if sub.is_empty() { format!("{section}.k") } else { format!("{section}.{sub}.k") };
            let config = Config::parse(SAMPLE).unwrap().with(&name, &value).unwrap();
            prop_assert_eq!(config.get(&name), Some(value.as_str()));
            let again = config.with(&name, "x").unwrap();
            prop_assert_eq!(again.get(&name), Some("x"));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[\\[\\]a-z\"\\\\=;# \n\t.]{0,60}") {
            let _ = Config::parse(&text);
        }
    }
}
