//! A wrong command line: the parser's paragraphs into one sentence and a hint.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::error::{Status, most_similar, tell};

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
        ErrorKind::InvalidSubcommand => {
            let wrong = error.get(ContextKind::InvalidSubcommand).map(ToString::to_string).unwrap_or_default();
            let best = similar_command(error, &wrong).map(|best| format!("did you mean `{best}`?"));
            tell(&format!("there is no command {wrong:?}"), best.or_else(|| form(error)).as_deref());
        }
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
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedValue] {
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
    form(error)
}

/// How the command is written, as far as the parser knows which was meant.
fn form(error: &clap::Error) -> Option<String> {
    let usage = error.get(ContextKind::Usage)?.to_string();
    let usage = usage.lines().next()?.trim_start_matches("Usage: ").trim();
    Some(format!("the form is {usage}; `{} --help` tells more", command(usage).join(" ")))
}

/// The words of a usage line before its options.
fn command(usage: &str) -> Vec<&str> {
    usage.split(' ').take_while(|word| !word.starts_with(['[', '<', '-'])).collect()
}

fn similar_command(error: &clap::Error, wrong: &str) -> Option<String> {
    let usage = error.get(ContextKind::Usage)?.to_string();
    let path = command(usage.trim_start_matches("Usage: "));
    let all = crate::help::command();
    let parent = path.iter().skip(1).try_fold(&all, |parent, name| parent.find_subcommand(name))?;
    let best = most_similar(wrong, parent.get_subcommands().map(|sub| sub.get_name().to_owned()))?;
    Some(format!("{} {best}", path.join(" ")))
}
