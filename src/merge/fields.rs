//! What a rule says of single members of JSON documents, by JSON pointers with stars.

use crate::json::Value;

/// How a member is merged that both sides changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Base plus both differences, exact; also where both made the same change. For counters.
    Sum,
    /// The greater one of two numbers or strings.
    Max,
    /// The lesser one of two numbers or strings.
    Min,
    /// Every element that either array has, once.
    Union,
    /// Arrays merged three ways by their elements' `id`.
    List,
    /// What the later one of both versions has.
    Latest,
}

impl Field {
    /// All there are.
    pub const ALL: [Field; 6] = [Field::Sum, Field::Max, Field::Min, Field::Union, Field::List, Field::Latest];

    /// The name that a rule states.
    pub fn name(self) -> &'static str {
        match self {
            Field::Sum => "sum",
            Field::Max => "max",
            Field::Min => "min",
            Field::Union => "union",
            Field::List => "list",
            Field::Latest => "latest",
        }
    }

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// What a rule says of members: an ordered list, of which the first that matches counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    list: Vec<(Pointer, Field)>,
}

/// A JSON pointer (RFC 6901) in which a token may be a star.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pointer {
    text: String,
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// This member, or the element with this id.
    Name(String),
    /// `*`: any one member or element.
    One,
    /// `**`: any number of them, also none.
    Any,
}

impl Fields {
    /// None: whatever both sides change differently is a conflict.
    pub fn none() -> Fields {
        Fields::default()
    }

    /// Adds a member's merge behind the others.
    ///
    /// # Errors
    /// Where the pointer is none: why, for people.
    pub fn push(&mut self, pointer: &str, field: Field) -> Result<(), String> {
        let pointer = Pointer::parse(pointer)?;
        if self.list.iter().any(|(other, _)| other.text == pointer.text) {
            return Err(format!("the pointer {:?} stands twice", pointer.text));
        }
        self.list.push((pointer, field));
        Ok(())
    }

    /// Each pointer and what is done there, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Field)> {
        self.list.iter().map(|(pointer, field)| (pointer.text.as_str(), *field))
    }

    /// Whether one of them needs to know which version is the later one.
    pub fn need_times(&self) -> bool {
        self.list.iter().any(|(_, field)| *field == Field::Latest)
    }

    /// Reads the member `"fields"` of a rule.
    pub(super) fn from_value(value: &Value) -> Result<Fields, String> {
        let Value::Object(members) = value else {
            return Err("\"fields\" is no object of pointers and what to do there".to_owned());
        };
        let mut fields = Fields::none();
        for (pointer, kind) in members {
            let Value::String(kind) = kind else {
                return Err(format!("the field {pointer:?} is no text: it can be {}", kinds()));
            };
            let field = Field::from_name(kind);
            let field = field
                .ok_or_else(|| format!("the field {pointer:?} has the unknown kind {kind:?}: it can be {}", kinds()))?;
            fields.push(pointer, field)?;
        }
        Ok(fields)
    }

    /// What is done with the member that this path leads to.
    pub(super) fn find(&self, path: &[&str]) -> Option<Field> {
        self.list.iter().find(|(pointer, _)| pointer.matches(path)).map(|(_, field)| *field)
    }
}

/// The kinds of fields, for messages.
fn kinds() -> String {
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    names.join(", ")
}

impl Pointer {
    fn parse(text: &str) -> Result<Pointer, String> {
        let mut tokens = Vec::new();
        if !text.is_empty() {
            let Some(rest) = text.strip_prefix('/') else {
                return Err(format!("{text:?} is no JSON pointer: it starts with / or is empty"));
            };
            for token in rest.split('/') {
                tokens.push(match token {
                    "*" => Token::One,
                    "**" => Token::Any,
                    name => Token::Name(unescape(name).ok_or_else(|| {
                        format!("{text:?} is no JSON pointer: behind ~ stands 0 (for ~) or 1 (for /)")
                    })?),
                });
            }
        }
        Ok(Pointer { text: text.to_owned(), tokens })
    }

    /// As for keys: the last `**` takes in one more when what follows it does not match.
    fn matches(&self, path: &[&str]) -> bool {
        let (mut token, mut at) = (0, 0);
        let mut retry = None;
        while at < path.len() {
            match self.tokens.get(token) {
                Some(Token::Any) => {
                    token += 1;
                    retry = Some((token, at));
                    continue;
                }
                Some(Token::Name(name)) if name == path[at] => {}
                Some(Token::One) => {}
                _ => {
                    let Some((after, from)) = retry else { return false };
                    retry = Some((after, from + 1));
                    (token, at) = (after, from + 1);
                    continue;
                }
            }
            (token, at) = (token + 1, at + 1);
        }
        self.tokens[token..].iter().all(|token| *token == Token::Any)
    }
}

fn unescape(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            c => c,
        });
    }
    Some(out)
}

/// A path as a pointer, for messages.
pub(super) fn pointer(path: &[&str]) -> String {
    path.iter().map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finds(pointer: &str, path: &[&str]) -> bool {
        let mut fields = Fields::none();
        fields.push(pointer, Field::Sum).unwrap();
        fields.find(path).is_some()
    }

    #[test]
    fn pointers_match_paths() {
        for (pointer, yes, no) in [
            ("", &[&[][..]][..], &[&["a"][..], &[""]][..]),
            ("/", &[&[""]], &[&[], &["a"]]),
            ("/a", &[&["a"]], &[&[], &["b"], &["a", "b"]]),
            ("/a/*", &[&["a", "b"], &["a", "0"]], &[&["a"], &["a", "b", "c"]]),
            ("/**", &[&[], &["a"], &["a", "b"]], &[]),
            ("/**/n", &[&["n"], &["a", "n"], &["n", "n"]], &[&["n", "a"]]),
            ("/a/**/b/*", &[&["a", "b", "c"], &["a", "b", "b", "c"]], &[&["a", "b"], &["b", "b", "c"]]),
            ("/a~1b/~0~01", &[&["a/b", "~~1"]], &[&["a~1b", "~0~01"]]),
            ("/a*", &[&["a*"]], &[&["ab"]]),
        ] {
            for path in yes {
                assert!(finds(pointer, path), "{pointer} {path:?}");
            }
            for path in no {
                assert!(!finds(pointer, path), "{pointer} {path:?}");
            }
        }
    }

    #[test]
    fn the_first_match_counts() {
        let fields = crate::json::parse(br#"{"/a/*":"max","/a/b":"min","/**":"latest"}"#).unwrap();
        let fields = Fields::from_value(&fields).unwrap();
        assert_eq!(fields.find(&["a", "b"]), Some(Field::Max));
        assert_eq!(fields.find(&["x"]), Some(Field::Latest));
        assert!(fields.need_times());
        let pairs: Vec<_> = fields.iter().collect();
        assert_eq!(pairs, [("/a/*", Field::Max), ("/a/b", Field::Min), ("/**", Field::Latest)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let error = |text: &str| Fields::from_value(&crate::json::parse(text.as_bytes()).unwrap()).unwrap_err();
        assert_eq!(error("[]"), "\"fields\" is no object of pointers and what to do there");
        assert_eq!(error(r#"{"a":"sum"}"#), "\"a\" is no JSON pointer: it starts with / or is empty");
        assert_eq!(error(r#"{"/~2":"sum"}"#), "\"/~2\" is no JSON pointer: behind ~ stands 0 (for ~) or 1 (for /)");
        assert_eq!(error(r#"{"/~":"sum"}"#), "\"/~\" is no JSON pointer: behind ~ stands 0 (for ~) or 1 (for /)");
        let kinds = "it can be sum, max, min, union, list, latest";
        assert_eq!(error(r#"{"/a":"add"}"#), format!("the field \"/a\" has the unknown kind \"add\": {kinds}"));
        assert_eq!(error(r#"{"/a":1}"#), format!("the field \"/a\" is no text: {kinds}"));
    }
}
