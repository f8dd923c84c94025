//! `isodb export`: many documents into one stream, or a directory.

use std::io::{IsTerminal as _, Write as _};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::ValueEnum;
use isodb::{BlobId, Database, Document, Error, Key, Objects as _, Range, TreeId};

use crate::bulk::exporter::{Form, Sink};
use crate::bulk::files;
use crate::complete;
use crate::context::Context;
use crate::document::{self, Content, READ_AHEAD};
use crate::error::{Failure, OutputError, say};
use crate::progress::Progress;

/// A longer line of NDJSON is not taken back.
const LONGEST_LINE: u64 = 256 << 20;

/// Write many documents, as NDJSON, into a directory or as tar
///
/// All documents, or those below PREFIX, in the order of keys and always the same. What it writes, `isodb import` stores
/// again, byte for byte: the database that it is imported to has the same root tree.
///
/// NDJSON has a line a document, as `isodb apply` takes them. A tar archive has a file a document, with the commit's time;
/// a segment . or .. of a key is written as %2E or %2E%2E, and stands with the file as it is. A directory cannot hold a
/// document and others below it, nor segments . .. .git and .isodb: such a key is an error, and what was written before it
/// stays. Of a document in conflict the version that `isodb get` shows is written, with a warning.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb export | gzip >herd.ndjson.gz
  isodb export --format dir --output notes --strip notes
  isodb export --at HEAD~10 farms/17 --output farm17.tar")]
pub(crate) struct Args {
    /// Only the document at this key and those below it
    #[arg(value_name = "PREFIX", add = complete::keys())]
    prefix: Option<String>,
    /// What to write [default: ndjson, and tar where the output's name says so]
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Where to write: a file, packed if it is named .gz or .tgz, or the directory [default: stdout]
    #[arg(short, long, value_name = "PATH", value_hint = clap::ValueHint::AnyPath)]
    output: Option<PathBuf>,
    /// Write into a directory that is not empty, and replace its files
    #[arg(long)]
    force: bool,
    /// As it was at REV
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    /// Only documents from this key on
    #[arg(long, value_name = "KEY", add = complete::keys())]
    from: Option<String>,
    /// Only documents before this key
    #[arg(long, value_name = "KEY", add = complete::keys())]
    to: Option<String>,
    /// Leave PREFIX and the slash behind it out of the keys
    #[arg(long, requires = "prefix")]
    strip: bool,
}

/// What an output can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A JSON object a line, as `isodb apply` takes them
    Ndjson,
    /// A directory: a file a document
    Dir,
    /// A tar archive: a file a document
    Tar,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let (root, time) = at(&db, args.at.as_deref())?;
    let prefix = super::prefix(args.prefix.as_deref())?;
    if let Some(key) = &prefix {
        db.tree(root).folder(Some(key))?.ok_or_else(|| Error::NothingBelow(key.clone()))?;
    }
    let range = Range {
        from: args.from.as_deref().map(super::key).transpose()?,
        to: args.to.as_deref().map(super::key).transpose()?,
        prefix,
    };
    let output = args.output.as_deref().filter(|path| path.as_os_str() != "-").map(|path| context.path(path));
    let format = args.format.unwrap_or_else(|| by_name(output.as_deref()));
    let mut export = Export {
        db: &db,
        root,
        stripped: range.prefix.clone().filter(|_| args.strip),
        range,
        progress: Progress::new(context, "documents"),
        conflicts: 0,
    };
    let mut too_long = 0;
    match (format, output) {
        (Format::Dir, None) => {
            return Err(Failure::usage("a directory cannot be written to stdout")
                .hint("name one with --output")
                .into());
        }
        (Format::Dir, Some(dir)) => {
            let mut writer = files::Writer::new(&dir, args.force)?;
            export.each(|key, document| writer.write(&db, key, document.blob))?;
        }
        (format, output) => {
            if format == Format::Tar && output.is_none() && std::io::stdout().is_terminal() {
                return Err(Failure::usage("an archive is nothing for a terminal")
                    .hint("name a file with --output, or give it to another program")
                    .into());
            }
            let form = if format == Format::Tar { Form::Tar(time) } else { Form::Ndjson };
            let written = Sink::open(output.as_deref()).and_then(|mut sink| {
                export.records(form, |record| {
                    let before = sink.bytes;
                    match record {
                        Record::Ready(bytes) => sink.write_all(&bytes).map_err(OutputError)?,
                        Record::Later(key, blob) => {
                            form.write(&db, &mut sink, &key, (blob, Content::read(&db, blob)?))?;
                        }
                    }
                    too_long += u64::from(format == Format::Ndjson && sink.bytes - before > LONGEST_LINE);
                    Ok(sink.bytes)
                })?;
                form.write_end(&mut sink)?;
                sink.finish()
            });
            written.map_err(|error| Sink::named(error, output.as_deref()))?;
        }
    }
    let conflicts = export.conflicts;
    drop(export);
    if context.is_quiet() {
        return Ok(());
    }
    if conflicts > 0 {
        say(&format!("warning: {conflicts} documents are in conflict, and one version of each was written"));
    }
    if too_long > 0 {
        say(&format!(
            "warning: {too_long} lines are too long to be imported again (256 MiB): --format tar has no limit"
        ));
    }
    Ok(())
}

/// The format that an output's name tells.
fn by_name(output: Option<&Path>) -> Format {
    let name = output.and_then(Path::file_name).map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let is_tar = [".tar", ".tar.gz", ".tgz"].iter().any(|end| name.ends_with(end));
    if is_tar { Format::Tar } else { Format::Ndjson }
}

/// The root tree at a revision, and when its commit was made; 1970 for a tree that is no commit's.
fn at(db: &Database, revision: Option<&str>) -> Result<(TreeId, u64)> {
    let (commit, tree) = super::place_at(db, revision)?;
    let time =
        commit.map(|commit| Ok::<_, anyhow::Error>(db.store().commit(commit)?.committer.seconds())).transpose()?;
    Ok((tree, time.and_then(|time| u64::try_from(time).ok()).unwrap_or_default()))
}

/// The documents to write.
struct Export<'a> {
    db: &'a Database,
    root: TreeId,
    range: Range,
    stripped: Option<Key>,
    progress: Progress,
    conflicts: u64,
}

/// A document's record, as it is made on any thread.
enum Record {
    /// These bytes.
    Ready(Vec<u8>),
    /// That of a document which is too large to be read before its turn has come.
    Later(String, BlobId),
}

impl Export<'_> {
    /// Gives each document with the key that it is written under.
    fn each(&mut self, mut write: impl FnMut(&str, Document) -> Result<()>) -> Result<()> {
        let strip = self.strip();
        for (count, item) in (1..).zip(self.db.tree(self.root).documents(self.range.clone())?) {
            let (key, document) = item?;
            self.conflicts += u64::from(document.conflict.is_some());
            write(stripped(&key, &key.text(), strip)?, document)?;
            self.progress.set(count, None);
        }
        Ok(())
    }

    /// Gives the record of each document, made by all cores; `write` answers how many bytes there are so far.
    fn records(&mut self, form: Form, mut write: impl FnMut(Record) -> Result<u64>) -> Result<()> {
        let (db, strip) = (self.db, self.strip());
        let make = |_: &_, key: Key, document: Document| -> Result<_> {
            let text = key.text();
            let text = stripped(&key, &text, strip)?;
            let reader = document::open(db, document.blob)?;
            let is_conflict = document.conflict.is_some();
            if reader.size() > READ_AHEAD {
                return Ok(((Record::Later(text.to_owned(), document.blob), is_conflict), text.len()));
            }
            let mut bytes = Vec::with_capacity(text.len() + reader.size() as usize + 24);
            form.write(db, &mut bytes, text, (document.blob, Content::of(reader)?))?;
            let held = bytes.len();
            Ok(((Record::Ready(bytes), is_conflict), held))
        };
        let mut count = 0;
        self.db.tree(self.root).scan(self.range.clone(), 0, make, |(record, is_conflict)| {
            count += 1;
            self.conflicts += u64::from(is_conflict);
            let bytes = write(record)?;
            self.progress.set_bytes(count, bytes, None);
            Ok(ControlFlow::Continue(()))
        })
    }

    /// How many bytes of each key are left out.
    fn strip(&self) -> usize {
        self.stripped.as_ref().map_or(0, |prefix| prefix.text().len() + 1)
    }
}

fn stripped<'k>(key: &Key, text: &'k str, strip: usize) -> Result<&'k str> {
    text.get(strip..).ok_or_else(|| {
        Failure::usage(format!("without the prefix the document {key:?} itself has no key"))
            .hint("export it without --strip")
            .into()
    })
}
