//! A wrong command line: the parser's paragraphs into one sentence and a hint.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::{Status, tell};

/// Tells of what the parser found. Help and version are answers; anything else is a wrong command line.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    // A closed pipe is nobody's error.
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::from(Status::Done as u8);
    }
    match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
        }
        ErrorKind::InvalidUtf8 => tell("an argument is not valid UTF-8", Some("keys, names and revisions are text")),
        _ => tell(&sentence(error), hint(error).as_deref()),
    }
    ExitCode::from(Status::Usage as u8)
}

/// The parser's first paragraph, on one line.
fn sentence(error: &clap::Error) -> String {
    let text = error.to_string();
    let ends = ["\n\n  tip:", "\n\nUsage:", "\n\nFor more"].iter().filter_map(|end| text.find(end));
    let first = &text[..ends.min().unwrap_or(text.len())];
    let words: Vec<&str> = first.strip_prefix("error: ").unwrap_or(first).split_whitespace().collect();
    words.join(" ")
}

/// What was most likely meant, else where to read on.
fn hint(error: &clap::Error) -> Option<String> {
    let suggested = [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    for kind in suggested {
        match error.get(kind) {
            Some(ContextValue::String(best)) => return Some(format!("did you mean {best}?")),
            Some(ContextValue::Strings(all)) if !all.is_empty() => {
                return Some(format!("did you mean {}?", all.join(" or ")));
            }
            _ => {}
        }
    }
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested)
        && let Some(tip) = tips.first()
    {
        return Some(tip.to_string());
    }
    let usage = error.get(ContextKind::Usage)?.to_string();
    let usage = usage.lines().next()?.trim_start_matches("Usage: ").trim();
    let command: Vec<&str> = usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-'])).collect();
    Some(format!("the form is {usage}; `{} --help` tells more", command.join(" ")))
}
