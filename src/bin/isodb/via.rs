//! `isodb sync --via`: meeting others through a folder on a stick.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use isodb::{Disk, NodeName, OsDisk, Outcome, SyncError, Via, ViaFile, ViaRequest, ViaState, via};
use serde_json::{Value, json};

use crate::args::SyncArgs;
use crate::commands::merge;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::meeting::{file_limits, with_here};
use crate::output::{Output, number_of};

/// Reads what others left in a folder, merges it, and leaves what they lack.
pub(crate) fn run(context: &Context, dir: &Path, name: Option<NodeName>, sync: SyncArgs, as_json: bool) -> Result<()> {
    let mut db = context.database_to_write(sync)?;
    let name = context.named(&mut db, name)?;
    let (disk, dir): (Arc<dyn Disk>, _) = (Arc::new(OsDisk::new()), context.path(dir));
    let request = ViaRequest { disk: &disk, dir: &dir, name: &name, limits: file_limits(&db)? };
    let old = db.head()?.1;
    let met = with_here(context, &db, |here| via(here, &request))?;
    let head = db.head()?.1;
    context.start_upkeep(&db, Outcome { head, is_new: head != old });
    let mut out = Output::new(context);
    if as_json {
        out.json(&record(&met, [old, head].map(|id| id.map(|id| id.to_string()))))?;
    } else if let Some(head) = head {
        out.record(&out.id(head))?;
    }
    out.finish()?;
    if !context.is_quiet() {
        tell(&met);
    }
    if let Some(merged) = &met.merged {
        merge::tell(context, [merged.merged, merged.conflicts, merged.new_conflicts], false);
    }
    ending(met)
}

fn record(met: &Via, [old, head]: [Option<String>; 2]) -> Value {
    let files = met.files.iter().map(|file| {
        let (state, reason) = state(file);
        json!({"file": file.file, "node": file.node.as_ref().map(NodeName::as_str), "state": state, "reason": reason})
    });
    let merged = met.merged.as_ref();
    json!({
        "commit": head, "old": old, "merged": merged.map_or(0, |merged| merged.merged),
        "conflicts": merged.map_or(0, |merged| merged.conflicts),
        "new_conflicts": merged.map_or(0, |merged| merged.new_conflicts),
        "files": files.collect::<Vec<_>>(),
        "left": met.left.as_ref().ok().map(|left| json!({
            "file": left.path.display().to_string(), "new": left.is_new, "commits": left.commits, "bytes": left.bytes,
        })),
    })
}

/// The word for what became of a file, and why.
fn state(file: &ViaFile) -> (&'static str, Option<String>) {
    match &file.state {
        ViaState::Taken(_) => ("taken", None),
        ViaState::Known => ("known", None),
        ViaState::Lacking { commit, .. } => {
            ("lacking", Some(format!("it builds on commit {commit}, which is not here")))
        }
        ViaState::Refused(error) => ("refused", Some(error.to_string())),
    }
}

/// Says on stderr what came of it.
fn tell(met: &Via) {
    for file in &met.files {
        if let (_, Some(reason)) = state(file) {
            say(&format!("warning: {}: {reason}", file.file));
        }
    }
    if let Ok(left) = &met.left {
        let commits = number_of(left.commits as u64, "commit");
        match left.is_new {
            true => say(&format!("left {commits} in {} bytes for the others", left.bytes)),
            false => say("what is left for the others is as it was"),
        }
    }
}

/// How the command ends.
fn ending(met: Via) -> Result<()> {
    met.left?;
    // What is no bundle at all is somebody's own.
    let is_bad = |file: &ViaFile| matches!(&file.state, ViaState::Refused(error) if file.node.is_some() || !matches!(error, SyncError::Bundle(_)));
    if met.files.iter().any(is_bad) {
        return Err(Failure::damaged().into());
    }
    if met.merged.is_some_and(|merged| merged.conflicts > 0) { Err(Failure::no().into()) } else { Ok(()) }
}
