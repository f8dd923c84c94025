//! Changing the document of rules. Rules that are not changed stay as they were written, whatever stands around them.

use super::fields::Fields;
use super::rules::{Method, Rule, Rules, RulesError};
use crate::json::{self, Value};

impl Rules {
    /// The document with one rule more: as number `before`, or as the last one. `None` is a document that is not there.
    ///
    /// # Errors
    /// [`RulesError`] where the document or the rule is wrong, and where there is no rule of that number.
    pub fn document_with(document: Option<&[u8]>, rule: Value, before: Option<usize>) -> Result<Vec<u8>, RulesError> {
        let mut list = document.map_or_else(|| Ok(Vec::new()), read)?;
        let at = before.map_or(Ok(list.len()), |number| index(number, list.len()))?;
        list.insert(at, rule);
        write(&list)
    }

    /// The document without the rule of a number, counted from 1.
    ///
    /// # Errors
    /// [`RulesError`] where the document is wrong, and where there is no rule of that number.
    pub fn document_without(document: &[u8], number: usize) -> Result<Vec<u8>, RulesError> {
        let mut list = read(document)?;
        list.remove(index(number, list.len())?);
        write(&list)
    }
}

fn read(document: &[u8]) -> Result<Vec<Value>, RulesError> {
    Rules::parse(document)?;
    match json::parse(document) {
        Ok(Value::Array(list)) => Ok(list),
        _ => Err(RulesError::NotAnArray),
    }
}

fn index(number: usize, count: usize) -> Result<usize, RulesError> {
    number.checked_sub(1).filter(|at| *at < count).ok_or(RulesError::NoRule { number, count })
}

/// The document: a rule a line, so that a difference shows the rules that changed.
fn write(list: &[Value]) -> Result<Vec<u8>, RulesError> {
    let rules: Vec<String> = list.iter().map(json::write).collect();
    let text = if rules.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", rules.join(",\n")) };
    Rules::parse(text.as_bytes())?;
    Ok(text.into_bytes())
}

impl Rule {
    /// The rule as JSON, with the language of a script stated.
    pub fn to_value(&self) -> Value {
        let text = |text: &str| Value::String(text.to_owned());
        let mut members = vec![("keys", text(self.keys.text())), ("use", text(self.method.name()))];
        match &self.method {
            Method::Json(fields) if *fields != Fields::none() => {
                let fields = fields.iter().map(|(pointer, field)| (pointer.to_owned(), text(field.name())));
                members.push(("fields", Value::Object(fields.collect())));
            }
            Method::Script { script, dialect } => {
                members.extend([("script", text(&script.text())), ("engine", text(dialect))]);
            }
            Method::Json(_) | Method::Text | Method::Latest | Method::Keep => {}
        }
        Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Value {
        json::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn other_rules_stay_as_they_are() {
        let one = Rules::document_with(None, rule(r#"{"use":"keep","keys":"a"}"#), None).unwrap();
        assert_eq!(one, b"[\n{\"use\":\"keep\",\"keys\":\"a\"}\n]\n");
        let two = Rules::document_with(Some(&one), rule(r#"{"keys":"b","use":"text"}"#), Some(1)).unwrap();
        assert_eq!(two, b"[\n{\"keys\":\"b\",\"use\":\"text\"},\n{\"use\":\"keep\",\"keys\":\"a\"}\n]\n");
        assert_eq!(Rules::document_without(&two, 1).unwrap(), one);
        assert_eq!(Rules::document_without(&one, 1).unwrap(), b"[]\n");
    }

    #[test]
    fn nothing_wrong_is_written() {
        let keep = || rule(r#"{"keys":"a","use":"keep"}"#);
        let no = |number, count| Err(RulesError::NoRule { number, count });
        assert_eq!(Rules::document_with(Some(b"[]"), keep(), Some(1)), no(1, 0));
        assert_eq!(Rules::document_without(b"[]", 0), no(0, 0));
        assert!(Rules::document_with(Some(b"{}"), keep(), None).is_err());
        assert!(Rules::document_without(br#"[{"keys":"a","use":"x"}]"#, 1).is_err());
        let error = Rules::document_with(Some(br#"[{"keys":"a","use":"keep"}]"#), rule(r#"{"keys":"b"}"#), None);
        assert_eq!(error.unwrap_err().to_string(), "merge rule 2 is wrong: it has no \"use\"");
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        let text = r#"[{"keys":"a","use":"json","fields":{"/b":"sum","/a":"max"}},{"keys":"**","use":"script","script":"_isodb/merge/x.wasm","engine":"wasm/1"},{"keys":"c","use":"json"}]"#;
        let rules = Rules::parse(text.as_bytes()).unwrap();
        assert_eq!(json::write(&Value::Array(rules.iter().map(Rule::to_value).collect())), text);
    }
}
