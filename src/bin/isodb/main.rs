//! The program: parse, run, exit status.

mod args;
mod bulk;
mod commands;
mod complete;
mod context;
mod document;
mod edit;
mod error;
mod feed;
mod graph;
mod help;
mod http;
mod input;
mod meeting;
mod output;
mod parsing;
mod people;
mod progress;
mod receiver;
mod remote;
mod scripts;
mod settings;
mod signing;
mod time;
mod upkeep;
mod versions;
mod via;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::Cli;
use context::Context;

fn main() -> ExitCode {
    if std::env::var_os("COMPLETE").is_some() {
        clap_complete::CompleteEnv::with_factory(help::command).complete();
    }
    if std::env::args_os().nth(1).is_some_and(|argument| argument == scripts::WORKER) {
        // Nobody reads a message of it: how it ends says enough.
        return scripts::work().map_or(ExitCode::from(error::Status::System as u8), |()| ExitCode::SUCCESS);
    }
    if let Some(answered) = signing::answer() {
        return answered.map_or(ExitCode::from(error::Status::System as u8), |()| ExitCode::SUCCESS);
    }
    let cli = match parse() {
        Ok(cli) => cli,
        Err(error) => return parsing::report(&error),
    };
    let context = Context::new(cli.global);
    let ended = commands::run(&context, cli.command);
    ExitCode::from(match ended {
        Ok(()) => error::Status::Done as u8,
        Err(error) => error::report(&context, &error),
    })
}

fn parse() -> Result<Cli, clap::Error> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(cli) = args::parse_quickly(&arguments) {
        return Ok(cli);
    }
    // Taking the parser apart again costs as much as parsing does, so it is left to the end of the process.
    let mut command = std::mem::ManuallyDrop::new(help::command());
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))
}
