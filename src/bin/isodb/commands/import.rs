//! `isodb import`: many documents from files, directories, tables and archives.

use std::path::PathBuf;

use anyhow::Result;

use crate::args::{CommitArgs, OnArgs};
use crate::bulk::importer::{Importer, Plan};
use crate::bulk::source::{self, Source};
use crate::bulk::table::{Rules, Template};
use crate::bulk::{Format, archive, files, lines, table};
use crate::complete;
use crate::context::Context;
use crate::error::Failure;

/// Store many documents, from NDJSON, CSV, a directory or tar
///
/// All inputs together are one commit, whose id is printed, unless --commit-every cuts them. What an input is, is told
/// by its name (.ndjson .jsonl .csv .tsv .tar .tgz, each also with .gz), else by its first bytes, or by --format.
///
/// NDJSON has the lines that `isodb apply` takes. CSV has a row of names first; each further row is a document, an object
/// of the row's values as strings, in the order of the columns. Of a directory or an archive each file is a document
/// under its path; symbolic links and special files are left out with a warning, and so are directories named .git and
/// .isodb.
///
/// A record that is wrong is named by its file and line, row or entry, and nothing is stored. Of several records for one
/// key the last counts. Importing the same again makes no commit: the head's id is printed then.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb import herd.ndjson
  isodb import --key 'farms/{farm}/{date}' --types readings.csv
  isodb import --prefix notes --delete ~/notes
  ssh barn isodb export | isodb import --commit-every 100000 -")]
pub(crate) struct Args {
    /// The inputs: files, directories, - for stdin [default: stdin]
    #[arg(value_name = "FILE|DIR|-", value_hint = clap::ValueHint::AnyPath)]
    inputs: Vec<PathBuf>,
    /// What the inputs are
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Store all below this key
    #[arg(long, value_name = "KEY", add = complete::keys())]
    prefix: Option<String>,
    /// Remove what is stored (with --prefix: at KEY and below) and is not in the inputs
    #[arg(long, conflicts_with = "commit_every")]
    delete: bool,
    /// Make a commit of every N records, and print an id for each
    #[arg(long, value_name = "N", value_parser = super::apply::at_least_one, conflicts_with = "on")]
    commit_every: Option<usize>,
    /// CSV: the documents' keys, as in 'farms/{farm}/{#}': {NAME} stands for a column, {#} for the row's number in its
    /// file, {{ and }} for braces
    #[arg(long, value_name = "TEMPLATE", value_parser = Template::parse)]
    key: Option<Template>,
    /// CSV: a value with slashes makes more than one segment of the key; it is refused otherwise
    #[arg(long, requires = "key")]
    key_slashes: bool,
    /// CSV: what reads as a JSON number, true, false or null is stored as that, its digits as they are
    #[arg(long, requires = "key")]
    types: bool,
    /// CSV: what separates fields: a character, or `tab` [default: a comma, and a tab in .tsv files]
    #[arg(long, value_name = "C", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// Directories: take those named .git and .isodb too, but never the database itself
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    on: OnArgs,
    /// Print a JSON object a commit: {"commit","new","documents","bytes"}, `new` telling whether there was a change, with
    /// the number of records and the bytes of their contents
    #[arg(long)]
    json: bool,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [b'\n' | b'\r' | b'"'] => Err("it cannot separate fields".into()),
        [byte] => Ok(*byte),
        _ => Err("it is not one ASCII character".into()),
    }
}

pub(crate) fn run(context: &Context, mut args: Args) -> Result<()> {
    let prefix = super::prefix(args.prefix.as_deref())?;
    let db = context.database_to_commit(&args.commit)?;
    let rules = args.key.take().map(|template| Rules {
        template,
        slashes: args.key_slashes,
        types: args.types,
        delimiter: args.delimiter,
    });
    let plan = Plan {
        prefix,
        mirror: args.delete,
        every: args.commit_every,
        commit: &args.commit,
        on: &args.on,
        json: args.json,
    };
    let mut importer = Importer::new(context, &db, plan)?;
    let named = args.inputs.iter().map(|path| Some(path.as_path()));
    let paths: Vec<_> = if args.inputs.is_empty() { vec![None] } else { named.collect() };
    // A name that is wrong is told before the first input is read.
    let sizes = paths.iter().map(|path| source::size(context, *path)).collect::<Result<Vec<_>>>()?;
    importer.total = sizes.into_iter().sum();
    for path in paths {
        take(&mut importer, source::open(context, path)?, &args, rules.as_ref())?;
    }
    importer.finish()
}

/// Takes all documents of one input.
fn take(importer: &mut Importer<'_>, source: Source, args: &Args, rules: Option<&Rules>) -> Result<()> {
    let (name, source) = match source {
        Source::Dir(dir) if matches!(args.format, None | Some(Format::Dir)) => {
            return files::import(importer, &dir, args.all);
        }
        Source::Dir(dir) => return Err(importer.wrong(&format!("{} is a directory", dir.display()))),
        Source::Stream { name, .. } if args.format == Some(Format::Dir) => {
            return Err(importer.wrong(&format!("{name} is not a directory")));
        }
        Source::Stream { name, source } => (name, source),
    };
    let stream = source::tell(name, source, args.format, &importer.position)?;
    let name = stream.name.as_str();
    match stream.format {
        Format::Ndjson => lines::import(importer, name, stream.source),
        Format::Tar => archive::import(importer, name, stream.source),
        Format::Csv => {
            let rules = rules.ok_or_else(|| {
                Failure::usage(format!("{name} is a table, and nothing says what the keys of its rows are"))
                    .hint("--key 'herd/{name}' makes them of its columns")
            })?;
            table::import(importer, rules, name, stream.delimiter, stream.source)
        }
        Format::Dir => unreachable!("a stream is no directory"),
    }
}
