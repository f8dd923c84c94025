//! `isodb completions`: scripts for shells, and the reference pages.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap_complete::env::Shells;

use crate::context::Context;
use crate::error::Failure;
use crate::help;
use crate::output::Output;

/// Print the script that teaches a shell to complete isodb's commands, options, refs and keys
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
    let write = |name: &str, command: clap::Command| -> Result<()> {
        let path = dir.join(format!("{name}.1"));
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let mut command = <crate::args::Cli as clap::CommandFactory>::command();
    command.build();
    for sub in command.get_subcommands() {
        let name = format!("isodb-{}", sub.get_name());
        // A page's name has no space, and clap wants names that live as long as the program.
        write(&name, sub.clone().name(String::leak(name.clone()).to_owned()))?;
    }
    write("isodb", command)
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
            if let Some(sub) = command.find_subcommand_mut(name) {
                section(&mut text, sub, &format!("isodb {name}"));
            }
        }
    }
    text
}

fn section(text: &mut String, command: &mut clap::Command, title: &str) {
    let help = command.clone().term_width(100).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    *text += &format!("\n### {title}\n\n```text\n{}\n```\n", lines.join("\n"));
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names.iter().filter(|name| *name != "help") {
        if let Some(sub) = command.find_subcommand_mut(name) {
            section(text, sub, &format!("{title} {name}"));
        }
    }
}
