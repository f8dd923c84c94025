//! The program: parse, run, exit status.

mod args;
mod commands;
mod complete;
mod context;
mod error;
mod graph;
mod help;
mod output;
mod people;
mod progress;
mod time;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::Cli;
use context::Context;

fn main() -> ExitCode {
    if std::env::var_os("COMPLETE").is_some() {
        clap_complete::CompleteEnv::with_factory(help::command).complete();
    }
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return finish_parsing(&error),
    };
    let context = Context::new(cli.global);
    let ended = commands::run(&context, cli.command);
    ExitCode::from(match ended {
        Ok(()) => error::Status::Done as u8,
        Err(error) => error::report(&context, &error),
    })
}

fn parse() -> Result<Cli, clap::Error> {
    let mut command = help::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))
}

/// Help and version are answers; anything else is a wrong command line. A closed pipe is nobody's error.
fn finish_parsing(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    ExitCode::from(if error.use_stderr() { error::Status::Usage as u8 } else { error::Status::Done as u8 })
}
