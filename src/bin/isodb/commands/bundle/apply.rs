//! `isodb bundle apply`: take in what a bundle has.

use std::path::{Path, PathBuf};

use anyhow::Result;
use isodb::{Arrival, Database, Meeting, NodeName, take_bundle};

use super::super::fetch;
use crate::args::{ListArgs, SyncArgs};
use crate::context::Context;
use crate::error::{Failure, say};
use crate::meeting::{file_limits, with_here};
use crate::output::{Output, quoted};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle; `-` is stdin
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// Keep its branches as those of NAME [default: whoever wrote it, else the file's name]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<NodeName>,
    #[command(flatten)]
    sync: SyncArgs,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let bundle = super::open(context, &args.file)?;
    let told = args.name.clone().or_else(|| bundle.header().from.clone()).or_else(|| name_of(&args.file));
    let name = told.ok_or_else(|| {
        Failure::usage("neither the bundle nor its file's name tells who wrote it").hint("say it: --as NAME")
    })?;
    let limits = file_limits(&db)?;
    let meeting = with_here(context, &db, |here| take_bundle(here, bundle, &name, limits))?.unwrap_or_default();
    let mut out = Output::records(context, args.list);
    fetch::records(&mut out, &meeting, args.list.json)?;
    out.finish()?;
    if context.is_quiet() { Ok(()) } else { tell(&db, &meeting) }
}

/// Who wrote a file, by its name.
fn name_of(file: &Path) -> Option<NodeName> {
    NodeName::like(file.file_stem()?.to_str()?)
}

/// Says what may be done next.
fn tell(db: &Database, meeting: &Meeting) -> Result<()> {
    if meeting.refs.iter().all(|found| found.arrival == Arrival::Same) {
        say("there is nothing new in it");
    }
    let (current, _) = db.head()?;
    if let Some(here) = meeting.refs.iter().find(|found| found.there == current).and_then(|found| found.here.as_ref()) {
        say(&format!("hint: `isodb merge {}` brings it into {}", quoted(here.short()), quoted(current.short())));
    }
    Ok(())
}
