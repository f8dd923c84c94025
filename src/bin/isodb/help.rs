//! The program's own help: examples first, then the commands by what they are for.

use clap::CommandFactory;

use crate::args::Cli;

/// The commands as `isodb --help` groups them, porcelain before plumbing.
pub(crate) const GROUPS: [(&str, &[&str]); 9] = [
    ("Start", &["init", "clone", "config"]),
    ("Documents", &["put", "get", "rm", "ls", "apply", "import", "export"]),
    ("History", &["log", "show", "diff", "head", "restore", "status"]),
    ("Names", &["ref"]),
    ("Merging", &["merge", "conflicts", "resolve", "rule", "simulate"]),
    ("Trust", &["verify", "trust", "tag", "prove"]),
    (
        "Sharing",
        &[
            "remote",
            "fetch",
            "push",
            "pull",
            "sync",
            "peers",
            "ls-remote",
            "upload-pack",
            "receive-pack",
            "serve",
            "bundle",
            "changes",
            "watch",
        ],
    ),
    ("Objects", &["cat-object", "hash-object", "ls-tree", "rev-parse", "count-objects"]),
    ("Upkeep", &["gc", "fsck", "completions"]),
];

const EXAMPLES: &str = "  isodb init                                      make a database here, in .isodb
  echo '{\"born\":2021}' | isodb put animals/bella  store a document
  isodb get animals/bella                         read it back
  isodb ls -r animals                             list all documents below a key
  isodb log animals/bella                         see who changed it and when
";

/// The parser, with the grouped help.
pub(crate) fn command() -> clap::Command {
    let command = Cli::command();
    let text = text(&command);
    command.override_help(text)
}

fn text(command: &clap::Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{about}\n\nUsage: isodb [OPTIONS] COMMAND\n\nExamples:\n{EXAMPLES}");
    for (group, names) in GROUPS {
        text += &format!("\n{group}:\n");
        for name in names {
            let about = command.find_subcommand(name).and_then(|c| c.get_about());
            text += &format!("  {name:14} {}\n", about.map(ToString::to_string).unwrap_or_default());
        }
    }
    text += "\nOptions:\n";
    for (option, about) in [
        ("--db DIR", "the database [default: $ISODB_DIR, else the nearest .isodb here or above]"),
        ("-C DIR", "run as if started in this directory"),
        ("--color WHEN", "when to use colours: auto, always, never"),
        ("-q, --quiet", "say nothing on stderr but errors"),
        ("-h, --help", "this text; after a command, that command's"),
        ("-V, --version", "the version"),
    ] {
        text += &format!("  {option:14} {about}\n");
    }
    text += "
Exit status: 0 done; 1 the answer is no; 2 wrong command line or input; 3 an expectation failed;
             4 damaged data; 5 the system said no. `isodb help COMMAND` tells more.
";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_a_group_and_has_an_example() {
        let command = Cli::command();
        command.clone().debug_assert();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            assert!(grouped.contains(&sub.get_name()), "{} is in no group", sub.get_name());
            let after = sub.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("isodb "), "{} has no example", sub.get_name());
        }
        assert_eq!(grouped.len(), command.get_subcommands().filter(|sub| sub.get_name() != "help").count());
    }
}
