//! `isodb completions`: scripts for shells, and the reference pages.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap_complete::env::Shells;

use crate::context::Context;
use crate::error::Failure;
use crate::help;
use crate::output::Output;

/// Print a completion script, manual pages or the reference
///
/// The script teaches a shell to complete isodb's commands and options, and the refs and keys of the database at hand.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb completions bash >> ~/.bash_completion
  isodb completions zsh > ~/.zfunc/_isodb
  isodb completions fish > ~/.config/fish/completions/isodb.fish
  isodb completions --man /usr/local/share/man/man1")]
pub(crate) struct Args {
    /// bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL", required_unless_present_any = ["man", "markdown"])]
    shell: Option<String>,
    /// Write manual pages into DIR
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath, conflicts_with = "shell")]
    man: Option<PathBuf>,
    /// Print the reference of all commands as Markdown
    #[arg(long, conflicts_with_all = ["shell", "man"])]
    markdown: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let mut out = Output::new(context);
    if let Some(dir) = &args.man {
        return man(&context.path(dir));
    }
    if args.markdown {
        out.bytes(markdown().as_bytes())?;
        return out.finish();
    }
    let name = args.shell.unwrap_or_default();
    let shells = Shells::builtins();
    let shell = shells.completer(&name).ok_or_else(|| {
        Failure::usage(format!("{name:?} is no shell that is known here"))
            .hint("bash, zsh, fish, powershell and elvish are")
    })?;
    shell.write_registration("COMPLETE", "isodb", "isodb", "isodb", out.writer())?;
    out.finish()
}

fn man(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|error| Failure::system(format!("cannot make {}: {error}", dir.display())))?;
    let mut command = <crate::args::Cli as clap::CommandFactory>::command();
    command.build();
    pages(dir, &command, "isodb")
}

/// The manual page of a command, and those of the commands below it.
fn pages(dir: &Path, command: &clap::Command, name: &str) -> Result<()> {
    for sub in commands_below(command) {
        pages(dir, sub, &format!("{name}-{}", sub.get_name()))?;
    }
    let path = dir.join(format!("{name}.1"));
    let write = || {
        // The parser's library wants names that live as long as the program.
        let command = command.clone().name(String::leak(name.to_owned()).to_owned());
        clap_mangen::Man::new(command).render(&mut std::fs::File::create(&path)?)
    };
    Ok(write().map_err(|error| Failure::system(format!("cannot write {}: {error}", path.display())))?)
}

fn commands_below(command: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    command.get_subcommands().filter(|sub| sub.get_name() != "help")
}

/// The reference page: every command's help, in the order of the groups.
fn markdown() -> String {
    let mut command = help::command();
    command.build();
    let mut text = String::from(
        "# Commands\n\nMade by `isodb completions --markdown`; every text here is what `isodb help COMMAND` shows.\n\n",
    );
    text += &format!("```text\n{}```\n", command.render_long_help().to_string().trim_start());
    for (group, names) in help::GROUPS {
        text += &format!("\n## {group}\n");
        for name in names {
            if let Some(sub) = command.find_subcommand(name) {
                section(&mut text, sub, &format!("isodb {name}"));
            }
        }
    }
    text
}

fn section(text: &mut String, command: &clap::Command, title: &str) {
    let help = command.clone().term_width(100).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n### {title}\n\n```text\n{}\n```\n", lines.join("\n"));
    for sub in commands_below(command) {
        section(text, sub, &format!("{title} {}", sub.get_name()));
    }
}
