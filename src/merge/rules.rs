//! The document of rules: which documents are merged how.
//!
//! It is read strictly. Whatever is not known is an error that names it: a rule that one version of isodb skipped and
//! another followed would make two different merges of the same commits.

use crate::json::{self, Value};
use crate::tree::Key;

use super::fields::Fields;
use super::pattern::Pattern;

/// The longest document of rules, in bytes: 1 MiB.
const MAX_LEN: usize = 1 << 20;

/// Where scripts are: the start of their keys.
const SCRIPTS: &str = "_isodb/merge/";

/// The dialects of scripts, and how the keys of those end that do not state it.
const ENGINES: [(&str, &str); 2] = [("rhai/1", ".rhai"), ("wasm/1", ".wasm")];

/// The rules of a database, in order: the first that matches a document's key is the document's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    list: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The keys of the documents that it is for.
    pub keys: Pattern,
    /// How they are merged.
    pub method: Method,
}

/// How a document is merged that two sides changed differently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// By its members, with these fields.
    Json(Fields),
    /// Line by line.
    Text,
    /// The later version is taken.
    Latest,
    /// It stays in conflict.
    Keep,
    /// A script decides.
    Script {
        /// The script's document.
        script: Key,
        /// The name of its language, which is one that this version knows.
        dialect: String,
    },
}

/// Why a document holds no rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RulesError {
    /// It is too long to be read.
    #[error("the merge rules have {0} bytes, and 1048576 is the limit")]
    TooLong(usize),
    /// It is no JSON.
    #[error("the merge rules are no JSON: {0}")]
    NotJson(json::ParseError),
    /// It is no array.
    #[error("the merge rules are no JSON array of rules")]
    NotAnArray,
    /// One of the rules is wrong.
    #[error("merge rule {number} is wrong: {problem}")]
    Rule {
        /// Which, from 1.
        number: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// There are fewer rules.
    #[error("there is no merge rule {number}: there are {count}")]
    NoRule {
        /// Which was meant, from 1.
        number: usize,
        /// How many there are.
        count: usize,
    },
}

impl Rules {
    /// The key of the folder that holds the rules and the scripts that they name.
    pub fn folder() -> Key {
        SCRIPTS.trim_end_matches('/').parse().expect("it is a key")
    }

    /// The key of the document of rules.
    pub fn key() -> Key {
        format!("{SCRIPTS}rules").parse().expect("it is a key")
    }

    /// No rules at all: what holds where there is no document of rules.
    pub fn none() -> Rules {
        Rules::default()
    }

    /// Reads a document of rules.
    ///
    /// # Errors
    /// [`RulesError`], also for members, kinds and engines that are not known.
    pub fn parse(text: &[u8]) -> Result<Rules, RulesError> {
        if text.len() > MAX_LEN {
            return Err(RulesError::TooLong(text.len()));
        }
        let Value::Array(list) = json::parse(text).map_err(RulesError::NotJson)? else {
            return Err(RulesError::NotAnArray);
        };
        let rules = list
            .iter()
            .enumerate()
            .map(|(at, value)| Rule::from_value(value).map_err(|problem| RulesError::Rule { number: at + 1, problem }));
        Ok(Rules { list: rules.collect::<Result<_, _>>()? })
    }

    /// The rule for a key.
    pub fn find(&self, key: &Key) -> Option<&Rule> {
        self.list.iter().find(|rule| rule.keys.matches(key))
    }

    /// All rules, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.list.iter()
    }
}

impl Rule {
    /// Reads one rule.
    ///
    /// # Errors
    /// What is wrong, for people.
    fn from_value(value: &Value) -> Result<Rule, String> {
        let Value::Object(members) = value else { return Err("it is no JSON object".to_owned()) };
        let text = |name: &str| match value.get(name) {
            None => Err(format!("it has no {name:?}")),
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(other) => Err(format!("{name:?} is {}, and no text", json::write(other))),
        };
        let keys: Pattern = text("keys")?.parse().map_err(|error: super::PatternError| error.to_string())?;
        let kind = text("use")?;
        let known: &[&str] = match kind {
            "json" => &["fields"],
            "script" => &["script", "engine"],
            "text" | "latest" | "keep" => &[],
            _ => return Err(format!("\"use\" is the unknown {kind:?}: it can be json, text, latest, keep or script")),
        };
        if let Some((name, _)) =
            members.iter().find(|(name, _)| !["keys", "use"].iter().chain(known).any(|k| k == name))
        {
            return Err(format!("it has the member {name:?}, which a rule of the kind {kind:?} does not have"));
        }
        let method = match kind {
            "json" => Method::Json(value.get("fields").map_or_else(|| Ok(Fields::none()), Fields::from_value)?),
            "text" => Method::Text,
            "latest" => Method::Latest,
            "keep" => Method::Keep,
            _ => {
                let engine = value.get("engine").map(|_| text("engine")).transpose()?;
                script(text("script")?, engine)?
            }
        };
        Ok(Rule { keys, method })
    }
}

/// The method that a rule with a script states.
fn script(script: &str, engine: Option<&str>) -> Result<Method, String> {
    let key: Key = script.parse().map_err(|error| format!("\"script\": {error}"))?;
    if !script.starts_with(SCRIPTS) {
        return Err(format!("\"script\" is {script:?}: the keys of scripts start with {SCRIPTS}"));
    }
    let names = || ENGINES.map(|(name, _)| name).join(" or ");
    let dialect = match engine {
        Some(engine) => ENGINES
            .iter()
            .find(|(name, _)| *name == engine)
            .ok_or_else(|| format!("\"engine\" is the unknown {engine:?}: it can be {}", names()))?,
        None => ENGINES.iter().find(|(_, ending)| script.ends_with(ending)).ok_or_else(|| {
            format!("\"script\" is {script:?}: its ending tells no engine, so \"engine\" has to: {}", names())
        })?,
    };
    Ok(Method::Script { script: key, dialect: dialect.0.to_owned() })
}

impl Method {
    /// The name that a rule states.
    pub fn name(&self) -> &'static str {
        match self {
            Method::Json(_) => "json",
            Method::Text => "text",
            Method::Latest => "latest",
            Method::Keep => "keep",
            Method::Script { .. } => "script",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::Field;

    fn parse(text: &str) -> Result<Rules, String> {
        Rules::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_first_match_is_the_rule() {
        let rules = parse(
            r#"[
                {"keys":"stock/*","use":"json","fields":{"/count":"sum"}},
                {"keys":"**/*.md","use":"text"},
                {"keys":"notes/**","use":"latest"},
                {"keys":"a","use":"script","script":"_isodb/merge/a.rhai"},
                {"keys":"b","use":"script","script":"_isodb/merge/deep/b","engine":"wasm/1"},
                {"keys":"**","use":"keep"}
            ]"#,
        )
        .unwrap();
        let found = |key: &str| rules.find(&key.parse().unwrap()).unwrap().method.clone();
        let mut fields = Fields::none();
        fields.push("/count", Field::Sum).unwrap();
        assert_eq!(found("stock/hay"), Method::Json(fields));
        assert_eq!(found("notes/x.md"), Method::Text);
        assert_eq!(found("notes/x"), Method::Latest);
        let script =
            |key: &str, dialect: &str| Method::Script { script: key.parse().unwrap(), dialect: dialect.into() };
        assert_eq!(found("a"), script("_isodb/merge/a.rhai", "rhai/1"));
        assert_eq!(found("b"), script("_isodb/merge/deep/b", "wasm/1"));
        assert_eq!(found("stock/hay/x"), Method::Keep);
        assert_eq!(rules.iter().count(), 6);
        assert_eq!(parse("[]"), Ok(Rules::none()));
        assert_eq!(Rules::none().find(&"a".parse().unwrap()), None);
    }

    #[test]
    fn whatever_is_not_known_is_named() {
        for (text, problem) in [
            ("", "the merge rules are no JSON: no value at byte 0"),
            ("{}", "the merge rules are no JSON array of rules"),
            ("[1]", "merge rule 1 is wrong: it is no JSON object"),
            ("[{}]", "merge rule 1 is wrong: it has no \"keys\""),
            (r#"[{"keys":"a"}]"#, "merge rule 1 is wrong: it has no \"use\""),
            (
                r#"[{"keys":"a","use":"keep"},{"keys":1,"use":"keep"}]"#,
                "merge rule 2 is wrong: \"keys\" is 1, and no text",
            ),
            (r#"[{"keys":"","use":"keep"}]"#, "merge rule 1 is wrong: a pattern is empty"),
            (
                r#"[{"keys":"a","use":"keep","keys":"b"}]"#,
                "the merge rules are no JSON: an object with a name twice at byte 1",
            ),
            (
                r#"[{"keys":"a","use":"newest"}]"#,
                "merge rule 1 is wrong: \"use\" is the unknown \"newest\": it can be json, text, latest, keep or script",
            ),
            (
                r#"[{"keys":"a","use":"text","fields":{}}]"#,
                "merge rule 1 is wrong: it has the member \"fields\", which a rule of the kind \"text\" does not have",
            ),
            (
                r#"[{"keys":"a","use":"json","fields":{"/a":"plus"}}]"#,
                "merge rule 1 is wrong: the field \"/a\" has the unknown kind \"plus\": it can be sum, max, min, union, list, latest",
            ),
            (r#"[{"keys":"a","use":"script"}]"#, "merge rule 1 is wrong: it has no \"script\""),
            (
                r#"[{"keys":"a","use":"script","script":"x.rhai"}]"#,
                "merge rule 1 is wrong: \"script\" is \"x.rhai\": the keys of scripts start with _isodb/merge/",
            ),
            (
                r#"[{"keys":"a","use":"script","script":"_isodb/merge/x.lua"}]"#,
                "merge rule 1 is wrong: \"script\" is \"_isodb/merge/x.lua\": its ending tells no engine, so \"engine\" has to: rhai/1 or wasm/1",
            ),
            (
                r#"[{"keys":"a","use":"script","script":"_isodb/merge/x.rhai","engine":"rhai/2"}]"#,
                "merge rule 1 is wrong: \"engine\" is the unknown \"rhai/2\": it can be rhai/1 or wasm/1",
            ),
            (
                r#"[{"keys":"a","use":"script","script":"_isodb/merge/"}]"#,
                "merge rule 1 is wrong: \"script\": key \"_isodb/merge/\" has an empty segment (a slash at its start or end, or two in a row)",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), problem, "{text}");
        }
        assert_eq!(Rules::parse(&vec![b' '; MAX_LEN + 1]), Err(RulesError::TooLong(MAX_LEN + 1)));
    }
}
