//! The scripts that rules name: read from files, their language found, and seen to compile before a rule is made.

use std::io::Read as _;
use std::path::Path;

use anyhow::Result;
use isodb::{Dialect, Error, Key, MAX_CONTENT, Method, Rules, Runner, Script, Value};

use crate::context::Context;
use crate::error::Failure;
use crate::input::{Input, unreadable};

/// A script in a file, and the key that it has by the file's name.
pub(super) fn read(context: &Context, file: &Path) -> Result<(Key, Vec<u8>)> {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let key = crate::commands::key(&format!("{}/{name}", Rules::folder()))?;
    let input = Input::open(context, Some(file))?;
    let mut source = Vec::new();
    input
        .source
        .take(MAX_CONTENT as u64 + 1)
        .read_to_end(&mut source)
        .map_err(|error| unreadable(&input.name, error))?;
    if source.len() > MAX_CONTENT {
        return Err(Failure::usage(format!("{} is too long for a script", input.name)).into());
    }
    Ok((key, source))
}

/// The language that a rule would have the script of a key run in.
pub(super) fn dialect(key: &Key, engine: Option<&str>) -> Result<Dialect> {
    let text = |text: &str| Value::String(text.to_owned());
    let mut members = vec![("keys", text("**")), ("use", text("script")), ("script", text(&key.text()))];
    members.extend(engine.map(|engine| ("engine", text(engine))));
    let rule = Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    let rules = Rules::parse(&Rules::document_with(None, rule, None)?)?;
    let dialect = rules.iter().find_map(|rule| match &rule.method {
        Method::Script { dialect, .. } => Dialect::from_name(dialect),
        _ => None,
    });
    dialect.ok_or_else(|| Failure::usage("the script's language is not known").into())
}

/// Sees that a script can be run: one that cannot would leave every document in conflict.
pub(super) fn check(context: &Context, key: &Key, script: &Script) -> Result<()> {
    match context.runner()?.load(script).map_err(Error::from)?.broken {
        None => Ok(()),
        Some(reason) => Err(Failure::usage(format!("{key} cannot be run: {reason}")).into()),
    }
}
