//! `isodb hash-object`: the id that a content has, and storing it by itself.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::Result;
use isodb::{IN_MEMORY_LIMIT, Id, Kind, MAX_DOCUMENT, Objects};

use crate::args::SyncArgs;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;

/// Print the id that FILE, or stdin, has as an object; with -w, store it
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
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let kind: Kind = args.kind.parse().map_err(|_| {
        Failure::usage(format!("{:?} is no kind of object", args.kind)).hint("blob, tree, commit and tag are")
    })?;
    let path = args.file.filter(|path| path.as_os_str() != "-").map(|path| context.path(&path));
    let cannot = |error: io::Error| match &path {
        Some(path) => Failure::usage(format!("cannot read {}: {error}", path.display())),
        None => Failure::usage(format!("cannot read stdin: {error}")),
    };
    let mut size = None;
    let mut source: Box<dyn Read> = match &path {
        Some(path) => {
            let file = File::open(path).map_err(cannot)?;
            size = file.metadata().ok().filter(|m| m.is_file()).map(|m| m.len());
            Box::new(file)
        }
        None => Box::new(io::stdin().lock()),
    };
    let id: Id = if kind == Kind::Blob && args.write {
        let db = context.database_to_write(args.sync)?;
        let id = db.store().put_unsized(kind, &mut source, MAX_DOCUMENT)?;
        db.store().flush(&[])?;
        id
    } else if let (Kind::Blob, Some(size)) = (kind, size) {
        isodb::hash_stream(kind, size, &mut source)?
    } else if kind == Kind::Blob {
        hash_unsized(&mut source).map_err(cannot)?
    } else {
        let mut body = Vec::new();
        source.take(IN_MEMORY_LIMIT).read_to_end(&mut body).map_err(cannot)?;
        isodb::check(kind, &body)?;
        if args.write {
            let db = context.database_to_write(args.sync)?;
            let id = db.store().put(kind, &body)?;
            db.store().flush(&[])?;
            id
        } else {
            isodb::hash(kind, &body)
        }
    };
    let mut out = Output::new(context);
    out.record(&id.to_string())?;
    out.finish()
}

/// The id of a blob whose size is known only at its end: the header comes first, so a long one is kept in a file.
fn hash_unsized(source: &mut dyn Read) -> io::Result<Id> {
    let mut head = Vec::new();
    source.take(isodb::STREAM_FROM).read_to_end(&mut head)?;
    if (head.len() as u64) < isodb::STREAM_FROM {
        return Ok(isodb::hash(Kind::Blob, &head));
    }
    let mut spool = spool_file()?;
    io::Write::write_all(&mut spool, &head)?;
    let size = head.len() as u64 + io::copy(source, &mut spool)?;
    io::Seek::rewind(&mut spool)?;
    isodb::hash_stream(Kind::Blob, size, &mut spool).map_err(io::Error::other)
}

/// A file without a name: nothing is left of it, however the program ends.
fn spool_file() -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("isodb-hash-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
