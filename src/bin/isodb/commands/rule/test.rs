//! `isodb rule test`: try rules, and show the documents by which they fail.

use std::path::PathBuf;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use isodb::{Answer, Counterexample, Pattern, RuleReport, RuleTest, Script};
use serde_json::json;

use crate::complete;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::Output;

/// So much of a content is shown to people, in characters.
const SHOWN: usize = 300;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only documents whose keys match [default: all but those under _isodb/]
    #[arg(value_name = "PATTERN|KEY", add = complete::keys())]
    keys: Option<String>,
    /// Try this file as a script on all of them, in place of their rules
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    script: Option<PathBuf>,
    /// The language of --script, rhai/1 or wasm/1 [default: by its name's ending, .rhai or .wasm]
    #[arg(long, value_name = "NAME", requires = "script")]
    engine: Option<String>,
    /// How many cases are tried of each rule
    #[arg(long, value_name = "N", default_value = "100", value_parser = crate::args::number)]
    count: usize,
    /// A number that the made-up versions depend on: the same makes the same ones
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,
    /// The rules and documents at REV [default: HEAD]
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(context: &Context, args: Args) -> Result<()> {
    let keys = args.keys.as_deref().map(str::parse::<Pattern>).transpose();
    let keys = keys.map_err(|error| Failure::usage(error.to_string()))?;
    let script = script(context, &args)?;
    let db = context.database()?;
    let head = match &args.at {
        Some(revision) => Some(db.resolve_commit(revision)?),
        None => db.head()?.1,
    };
    let test = RuleTest { keys, script, count: args.count, seed: args.seed };
    // What a script prints goes where whoever writes it can see it.
    let mut runner = context.runner()?.printing(Box::new(|line| say(&format!("script: {line}"))));
    let reports = db.test_rules(head, &test, &mut runner)?;
    let mut out = Output::new(context);
    for report in &reports {
        if args.json {
            out.json(&record(report))?
        } else {
            print(&mut out, report)?
        }
        for example in &report.flaws {
            if args.json { out.json(&flaw_record(report, example))? } else { print_flaw(&mut out, report, example)? }
        }
    }
    out.finish()?;
    if reports.iter().flat_map(|report| &report.flaws).any(|example| example.flaw.is_wrong()) {
        return Err(Failure::no().into());
    }
    Ok(())
}

/// The script that is not stored yet. Its language is found as it would be for a rule.
fn script(context: &Context, args: &Args) -> Result<Option<Script>> {
    let Some(file) = &args.script else { return Ok(None) };
    let (key, source) = super::script::read(context, file)?;
    let dialect = super::script::dialect(&key, args.engine.as_deref())?;
    Ok(Some(Script { dialect, source }))
}

/// What a report is about, for people.
fn name(report: &RuleReport) -> String {
    match &report.rule {
        Some((number, rule)) => format!("rule {number} {}", crate::output::quoted(rule.keys.text())),
        None => "without a rule".to_owned(),
    }
}

fn print(out: &mut Output, report: &RuleReport) -> Result<()> {
    let (cases, name) = (report.real + report.made, name(report));
    if cases == 0 {
        let what = if report.documents == 0 { "no document" } else { "nothing to try" };
        return out.record(&format!("{name}: {what}"));
    }
    let kept = cases - report.merged;
    out.record(&format!(
        "{name}: {cases} cases, {} real: {} merged, {kept} left in conflict",
        report.real, report.merged
    ))?;
    for (why, count) in &report.conflicts {
        out.record(&format!("  {count} times: {}", shown(why)))?;
    }
    Ok(())
}

fn print_flaw(out: &mut Output, report: &RuleReport, example: &Counterexample) -> Result<()> {
    let title = out.paint(if example.flaw.is_wrong() { 31 } else { 33 }, example.flaw.name());
    let key = crate::output::quoted(&example.key.text()).into_owned();
    out.record(&format!("{title}: {}, {} times; for one, {key}", name(report), example.count))?;
    if let Some(base) = &example.base {
        out.record(&format!("  base:    {}", content_text(base)))?;
    }
    for version in &example.versions {
        out.record(&format!("  version: {}", version.as_deref().map_or("deleted".to_owned(), content_text)))?;
    }
    for answer in &example.answers {
        out.record(&format!("  answer:  {}", answer_text(answer)))?;
    }
    Ok(())
}

fn answer_text(answer: &Answer) -> String {
    match answer {
        Answer::Merged(content) => content_text(content),
        Answer::Deleted => "deleted".to_owned(),
        Answer::Conflict(why) => format!("conflict: {}", shown(why)),
    }
}

/// A content on one line.
fn content_text(content: &[u8]) -> String {
    match std::str::from_utf8(content) {
        Ok(text) => shown(&format!("{text:?}")),
        Err(_) => format!("{} bytes that are no text", content.len()),
    }
}

fn shown(text: &str) -> String {
    let line: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() < text.len() { line + "…" } else { line }
}

fn record(report: &RuleReport) -> serde_json::Value {
    let reasons: Vec<_> = report.conflicts.iter().map(|(why, count)| json!({"reason": why, "count": count})).collect();
    json!({
        "rule": report.rule.as_ref().map(|(number, _)| number),
        "keys": report.rule.as_ref().map(|(_, rule)| rule.keys.text()),
        "documents": report.documents, "real": report.real, "made": report.made, "merged": report.merged,
        "conflicts": reasons,
    })
}

fn flaw_record(report: &RuleReport, example: &Counterexample) -> serde_json::Value {
    let versions: Vec<_> = example.versions.iter().map(|version| content(version.as_deref())).collect();
    let answers: Vec<_> = example.answers.iter().map(answer).collect();
    json!({
        "flaw": example.flaw.name(), "wrong": example.flaw.is_wrong(),
        "rule": report.rule.as_ref().map(|(number, _)| number), "count": example.count,
        "key": example.key.text(), "real": example.is_real,
        "base": content(example.base.as_deref()), "versions": versions, "answers": answers,
    })
}

fn answer(answer: &Answer) -> serde_json::Value {
    match answer {
        Answer::Merged(merged) => content(Some(merged)),
        Answer::Deleted => content(None),
        Answer::Conflict(why) => json!({"conflict": why}),
    }
}

/// A content as it is; nothing is the deletion.
fn content(content: Option<&[u8]>) -> serde_json::Value {
    match content.map(|content| (content, std::str::from_utf8(content))) {
        None => serde_json::Value::Null,
        Some((_, Ok(text))) => json!({"text": text}),
        Some((bytes, Err(_))) => json!({"base64": BASE64.encode(bytes)}),
    }
}
