//! `isodb bundle verify`: check a bundle.

use std::path::PathBuf;

use anyhow::Result;
use isodb::SyncError;
use serde_json::json;

use crate::args::ListArgs;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::meeting::{Shown, file_limits};
use crate::output::{Output, number_of};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The bundle; `-` is stdin
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let bundle = super::open(context, &args.file)?;
    let header = bundle.header().clone();
    let lacking = bundle.lacking(&db)?;
    let report = match lacking.is_empty() {
        true => {
            Some(bundle.verify(&db, file_limits(&db)?.max_pack, &mut context.runner()?, &mut Shown::new(context))?)
        }
        false => None,
    };
    let problems = report.iter().flat_map(|report| &report.problems);
    let problems: Vec<String> = problems.map(|(name, reason)| format!("{name}: {reason}")).collect();
    let mut out = Output::records(context, args.list);
    if args.list.json {
        let is_here = |id| !lacking.iter().any(|(lacking, _)| lacking == id);
        out.json(&json!({
            "ok": lacking.is_empty() && problems.is_empty(),
            "from": header.from.as_ref().map(ToString::to_string),
            "refs": header.refs.iter().map(|(name, id)| json!({"ref": name.as_str(), "id": id.to_string()}))
                .collect::<Vec<_>>(),
            "has": header.has.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "prerequisites": header.prerequisites.iter()
                .map(|(id, text)| json!({"id": id.to_string(), "subject": text, "here": is_here(id)}))
                .collect::<Vec<_>>(),
            "objects": report.as_ref().map(|report| report.objects),
            "bytes": report.as_ref().map(|report| report.bytes), "problems": problems,
        }))?;
    } else {
        for (name, id) in &header.refs {
            out.record(&format!("{}\t{name}", out.id(*id)))?;
        }
    }
    out.finish()?;
    for problem in &problems {
        say(&format!("error: {problem}"));
    }
    if let Some((commit, text)) = lacking.into_iter().next() {
        return Err(SyncError::Lacking { commit, text }.into());
    }
    if !problems.is_empty() {
        return Err(Failure::damaged().into());
    }
    if !context.is_quiet() {
        let builds = match header.prerequisites.len() {
            0 => "all of history".to_owned(),
            count => format!("what comes after {}, all here", number_of(count as u64, "commit")),
        };
        say(&format!("the bundle is sound: {builds}"));
    }
    Ok(())
}
