//! `isodb rule`: the rules by which documents are merged that two sides changed differently.

mod script;
mod test;

use std::path::PathBuf;

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use isodb::{BlobId, Condition, Key, Kind, Objects, Rule, Rules, RulesError, Script, Value, write_json};
use serde_json::value::RawValue;

use crate::args::{ListArgs, OneCommitArgs};
use crate::complete;
use crate::context::Context;
use crate::edit::{self, DocumentEdit};
use crate::error::{Failure, say};
use crate::output::{Output, quoted};

/// List, add, remove and try merge rules
///
/// The rules are the document _isodb/merge/rules, which travels with the data. The first rule whose pattern matches a
/// document's key says how it is merged; without one, JSON objects are merged by member, and others are kept in
/// conflict.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb rule add 'stock/*' json --field /count=sum
  isodb rule add 'animals/*' script --script-file animals.rhai
  isodb rule list")]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// List the rules in order: number, pattern, kind, and what else they say
    ///
    /// With --json, a rule is {"number","keys","use"}, and "fields", "script" and "engine" where it has them.
    #[command(after_help = "Example:
  isodb rule list --at main~10")]
    List(ListRules),
    /// Add a rule as one commit, and print its id
    ///
    /// In PATTERN, `*` stands for any characters within a segment, and the segment `**` for any number of segments.
    ///
    /// A script that does not compile is refused, and the line is named.
    #[command(after_help = "Examples:
  isodb rule add '**/*.md' text --before 1
  isodb rule add 'stock/*' json --field /count=sum --field '/tags=union'
  isodb rule add 'animals/*' script --script-file animals.rhai")]
    Add(Box<AddArgs>),
    /// Remove a rule as one commit, and print its id
    #[command(after_help = "Examples:
  isodb rule remove 2
  isodb rule remove 'stock/*'")]
    Remove(Box<RemoveArgs>),
    /// Try rules on the conflicts that there are and on made-up ones
    ///
    /// Says of each rule how many cases were merged, and shows documents as counterexamples where its answer depends on
    /// which side is left (not-commutative), on the time or chance (not-steady), where a version merged with itself is
    /// another (not-idempotent), where a merge takes more than 100 ms (slow), and where a script leaves every conflict
    /// (fails): exit 1 then. That it depends on the order of three versions (not-associative) is allowed, but good to
    /// know. Scripts may print here, to stderr.
    ///
    /// With --json, a rule is {"rule","keys","documents","real","made","merged","conflicts"}, the last being
    /// {"reason","count"} for each reason, and a flaw {"flaw","wrong","rule","count","key","real","base","versions",
    /// "answers"}: a content is {"text"} or {"base64"}, null is a deletion, and a conflict is {"conflict"} with its
    /// reason.
    #[command(after_help = "Examples:
  isodb rule test
  isodb rule test 'animals/*' --script animals.rhai --count 1000")]
    Test(Box<test::Args>),
}

#[derive(clap::Args)]
struct ListRules {
    /// The rules at REV [default: HEAD]
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(clap::Args)]
struct AddArgs {
    /// The keys of the documents that it is for
    pattern: String,
    /// How they are merged
    #[arg(value_parser = PossibleValuesParser::new(["json", "text", "latest", "keep", "script"]))]
    kind: String,
    /// With json: what is done with the member at a JSON pointer that both sides changed: sum, max, min, union, list or
    /// latest. `*` stands for any one member, `**` for any number. May be given several times: the first that matches
    /// counts
    #[arg(long = "field", value_name = "POINTER=KIND")]
    fields: Vec<String>,
    /// With script: the script's key, which starts with _isodb/merge/. The document has to be there
    #[arg(long, value_name = "KEY", add = complete::keys())]
    script: Option<String>,
    /// With script: a file to store as the script in the same commit, under its name in _isodb/merge/ or under --script
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    script_file: Option<PathBuf>,
    /// With script: its language, rhai/1 or wasm/1 [default: by the key's ending, .rhai or .wasm]
    #[arg(long, value_name = "NAME")]
    engine: Option<String>,
    /// Put it before rule N [default: behind the last]
    #[arg(long, value_name = "N", value_parser = crate::args::number)]
    before: Option<usize>,
    #[command(flatten)]
    write: OneCommitArgs,
}

#[derive(clap::Args)]
struct RemoveArgs {
    /// The rule's number, or its pattern
    #[arg(value_name = "N|PATTERN")]
    rule: String,
    #[command(flatten)]
    write: OneCommitArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    match args.command {
        Command::List(args) => list(context, args),
        Command::Add(args) => add(context, *args),
        Command::Remove(args) => remove(context, *args),
        Command::Test(args) => test::run(context, *args),
    }
}

fn list(context: &Context, args: ListRules) -> Result<()> {
    let db = context.database()?;
    let found = edit::read(&db, super::tree_at(&db, args.at.as_deref())?, &Rules::key())?;
    let mut out = Output::records(context, args.list);
    if let Some((document, text)) = found {
        if document.conflict.is_some() && !context.is_quiet() {
            say(&format!("warning: {} is in conflict: merges use what it was before", Rules::key()));
        }
        for (at, rule) in Rules::parse(&text)?.iter().enumerate() {
            if args.list.json {
                out.json(&record(at + 1, rule)?)?;
            } else {
                out.record(&line(&out, at + 1, rule))?;
            }
        }
    }
    out.finish()
}

/// A rule as a record of JSON: itself, with its number.
fn record(number: usize, rule: &Rule) -> Result<Box<RawValue>> {
    let text = write_json(&rule.to_value());
    Ok(RawValue::from_string(format!("{{\"number\":{number},{}", &text[1..]))?)
}

fn line(out: &Output, number: usize, rule: &Rule) -> String {
    let mut line = format!("{number} {} {}", out.key(rule.keys.text()), rule.method.name());
    match &rule.method {
        isodb::Method::Json(fields) => {
            for (pointer, field) in fields.iter() {
                line += &format!(" {}={}", out.key(pointer), field.name());
            }
        }
        isodb::Method::Script { script, dialect } => line += &format!(" {} {dialect}", out.key(&script.text())),
        _ => {}
    }
    line
}

fn add(context: &Context, args: AddArgs) -> Result<()> {
    let script = script(context, &args)?;
    let rule = rule(&args, script.as_ref().map(|(key, _)| key))?;
    let message = format!("rule add {} {}", quoted(&args.pattern), args.kind);
    let edit = DocumentEdit { write: &args.write, key: Rules::key(), message };
    edit.run(context, |db, tree, found, changes| {
        let rules = Rules::document_with(found.map(|(_, text)| text), rule.clone(), args.before)?;
        if let Some((key, given)) = &script {
            let source = match given {
                Some(source) => source.clone(),
                // A rule without its script would leave every document in conflict.
                None => match db.tree(tree).get(key)? {
                    Some(document) => db.store().blob(document.blob)?,
                    None => {
                        return Err(Failure::no_such(format!("there is no document {:?}", key.text()))
                            .hint("`isodb put` stores it first, or --script-file with the rule")
                            .into());
                    }
                },
            };
            let dialect = script::dialect(key, args.engine.as_deref())?;
            script::check(context, key, &Script { dialect, source: source.clone() })?;
            match given {
                Some(_) => changes.put(key.clone(), BlobId(db.store().put(Kind::Blob, &source)?)),
                None => changes.require(key.clone(), Condition::Exists),
            }
        }
        Ok(rules)
    })
}

/// The key of the script that the arguments name, and what to store there.
fn script(context: &Context, args: &AddArgs) -> Result<Option<(Key, Option<Vec<u8>>)>> {
    let given = args.script.as_deref().map(super::key).transpose()?;
    let Some(file) = &args.script_file else { return Ok(given.map(|key| (key, None))) };
    let (key, source) = script::read(context, file)?;
    Ok(Some((given.unwrap_or(key), Some(source))))
}

/// The rule that the arguments state. Whether it is one is checked where it is added.
fn rule(args: &AddArgs, script: Option<&Key>) -> Result<Value> {
    let text = |text: &str| Value::String(text.to_owned());
    let mut members = vec![("keys".to_owned(), text(&args.pattern)), ("use".to_owned(), text(&args.kind))];
    if !args.fields.is_empty() {
        let mut fields: Vec<(String, Value)> = Vec::new();
        for field in &args.fields {
            let (pointer, kind) = field
                .rsplit_once('=')
                .ok_or_else(|| Failure::usage(format!("{field:?} is no field")).hint("write --field /count=sum"))?;
            if fields.iter().any(|(other, _)| other == pointer) {
                return Err(Failure::usage(format!("the field {pointer:?} is given twice")).into());
            }
            fields.push((pointer.to_owned(), text(kind)));
        }
        members.push(("fields".to_owned(), Value::Object(fields)));
    }
    members.extend(script.map(|key| ("script".to_owned(), text(&key.text()))));
    members.extend(args.engine.as_ref().map(|engine| ("engine".to_owned(), text(engine))));
    Ok(Value::Object(members))
}

fn remove(context: &Context, args: RemoveArgs) -> Result<()> {
    let message = format!("rule remove {}", quoted(&args.rule));
    let edit = DocumentEdit { write: &args.write, key: Rules::key(), message };
    edit.run(context, |_, _, found, _| {
        let (_, found) = found.ok_or_else(|| Failure::no_such("there are no merge rules"))?;
        Rules::document_without(found, number(&Rules::parse(found)?, &args.rule)?).map_err(|error| match error {
            RulesError::NoRule { .. } => {
                Failure::no_such(error.to_string()).hint("`isodb rule list` shows them").into()
            }
            error => error.into(),
        })
    })
}

/// The number of the rule that is meant.
fn number(rules: &Rules, text: &str) -> Result<usize> {
    if let Ok(number) = text.parse() {
        return Ok(number);
    }
    let numbers: Vec<usize> =
        (1..).zip(rules.iter()).filter(|(_, rule)| rule.keys.text() == text).map(|(n, _)| n).collect();
    match numbers[..] {
        [number] => Ok(number),
        [] => Err(Failure::no_such(format!("there is no merge rule with the pattern {text:?}"))
            .hint("`isodb rule list` shows them")
            .into()),
        _ => Err(Failure::usage(format!("several merge rules have the pattern {text:?}"))
            .hint(format!("name one by its number: {numbers:?}"))
            .into()),
    }
}
