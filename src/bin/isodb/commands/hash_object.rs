//! `isodb hash-object`: the id that a content has, and storing it by itself.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::PathBuf;

use anyhow::Result;
use isodb::{IN_MEMORY_LIMIT, Id, Kind, ObjectError, Objects, STREAM_FROM};
use serde_json::json;

use crate::args::SyncArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::input::Input;
use crate::output::Output;

/// Print the id that FILE or stdin has as an object; -w stores it
///
/// Anything but a blob must have the form of its kind.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb hash-object notes.txt
  isodb hash-object -w <photo.jpg
  isodb cat-object HEAD | isodb hash-object -t commit")]
pub(crate) struct Args {
    /// The content [default: stdin]
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: Option<PathBuf>,
    /// Store the object
    #[arg(short, long)]
    write: bool,
    /// What it is: blob, tree, commit or tag
    #[arg(short = 't', long, value_name = "KIND", default_value = "blob")]
    kind: String,
    #[command(flatten)]
    sync: SyncArgs,
    /// Print a JSON object: {"id","kind"}
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let kind: Kind = args.kind.parse().map_err(|_| {
        Failure::usage(format!("{:?} is no kind of object", args.kind)).hint("blob, tree, commit and tag are")
    })?;
    let mut input = Input::open(context, args.file.as_deref())?;
    let id = match (kind, args.write) {
        (Kind::Blob, true) => {
            let db = context.database_to_write(args.sync)?;
            let id = input.store(&db)?;
            db.store().flush(&[])?;
            id
        }
        (Kind::Blob, false) => hash_blob(&mut input).map_err(|error| input.failed(error))?,
        _ => {
            let body = read(&mut input).map_err(|error| input.failed(error))?;
            isodb::check(kind, &body)?;
            if args.write {
                let db = context.database_to_write(args.sync)?;
                db.store().put(kind, &body)?;
                db.store().flush(&[])?;
            }
            isodb::hash(kind, &body)
        }
    };
    let mut out = Output::new(context);
    if args.json {
        out.json(&json!({"id": id.to_string(), "kind": kind.name()}))?;
    } else {
        out.record(&id.to_string())?;
    }
    out.finish()
}

/// What is not a blob is read whole, to be checked.
fn read(input: &mut Input) -> Result<Vec<u8>, ObjectError> {
    let mut body = Vec::new();
    (&mut input.source).take(IN_MEMORY_LIMIT + 1).read_to_end(&mut body).map_err(of_input)?;
    match body.len() as u64 {
        size if size > IN_MEMORY_LIMIT => Err(ObjectError::TooLarge { id: None, size, limit: IN_MEMORY_LIMIT }),
        _ => Ok(body),
    }
}

/// The id of a blob. Its header says its size, so a long one whose size is known only at its end is kept in a file.
fn hash_blob(input: &mut Input) -> Result<Id, ObjectError> {
    if let Some(size) = input.size {
        return isodb::hash_stream(Kind::Blob, size, &mut input.source);
    }
    let mut head = Vec::new();
    (&mut input.source).take(STREAM_FROM).read_to_end(&mut head).map_err(of_input)?;
    if (head.len() as u64) < STREAM_FROM {
        return Ok(isodb::hash(Kind::Blob, &head));
    }
    let mut spool = || -> io::Result<(File, u64)> {
        let mut spool = spool_file()?;
        let size = io::copy(&mut head.as_slice().chain(&mut input.source), &mut spool)?;
        spool.rewind()?;
        Ok((spool, size))
    };
    let (mut spool, size) = spool().map_err(of_input)?;
    isodb::hash_stream(Kind::Blob, size, &mut spool)
}

fn of_input(source: io::Error) -> ObjectError {
    ObjectError::Io { path: "the input".into(), source }
}

/// A file without a name: nothing is left of it, however the program ends.
fn spool_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("isodb-hash-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
