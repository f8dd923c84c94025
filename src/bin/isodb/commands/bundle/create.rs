//! `isodb bundle create`: write a bundle.

use std::path::{Path, PathBuf};

use anyhow::Result;
use isodb::{BundlePlan, BundleRequest, Database, Id, NodeName, OsDisk, RefName, SyncError, write_file};
use serde_json::json;

use crate::complete;
use crate::context::Context;
use crate::error::{Failure, OutputError, say};
use crate::output::{Output, number_of};
use crate::progress::Progress;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file to write
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
    /// The refs that go in [default: all branches and tags]
    #[arg(value_name = "REV", add = complete::revisions())]
    revisions: Vec<String>,
    /// Without what REMOTE has, as far as is known here; or what the one has who wrote the bundle REMOTE
    #[arg(long = "for", value_name = "REMOTE")]
    remote: Option<String>,
    /// Without what REV has
    #[arg(long, value_name = "REV", add = complete::revisions())]
    since: Vec<String>,
    /// All refs, those of remotes among them
    #[arg(long, conflicts_with = "revisions")]
    all: bool,
    /// In the form of isodb's own stream, which is smaller and which git does not read
    #[arg(long)]
    stream: bool,
    /// Tell that this node, called so, wrote it [default: the setting isodb.name]
    #[arg(long = "as", value_name = "NAME")]
    name: Option<NodeName>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let to_stdout = args.file.as_os_str() == "-";
    if to_stdout && (context.for_people() || args.json) {
        return Err(Failure::usage("stdout takes the bundle, so it can be no terminal and takes no JSON").into());
    }
    let db = context.database()?;
    let Asked { refs, without, are_named } = asked(context, &db, &args)?;
    let from = match &args.name {
        Some(name) => Some(name.clone()),
        None => context.node_name(&db)?,
    };
    let readers = if without.is_empty() && args.remote.is_none() { Vec::new() } else { vec![without] };
    let plan = BundlePlan::new(
        &db,
        &BundleRequest { refs: &refs, readers: &readers, with_old_tags: are_named, from, is_stream: args.stream },
    )?;
    if plan.is_empty() {
        let text = match &args.remote {
            Some(remote) => format!("{remote} lacks nothing, as far as is known here"),
            None => "there is nothing that goes into the bundle".to_owned(),
        };
        return Err(Failure::no_such(text).into());
    }
    let mut progress = Progress::new(context, if plan.header().is_stream { "documents" } else { "objects" });
    let mut told = |done| progress.set(done, Some(plan.count()));
    if to_stdout {
        let mut out = Output::new(context);
        plan.write(out.writer(), &mut told).map_err(|error| match error {
            SyncError::Connection(error) => anyhow::Error::from(OutputError(error)),
            error => error.into(),
        })?;
        return out.finish();
    }
    let path = context.path(&args.file);
    let bytes = write_file(&OsDisk::new(), &path, |out| plan.write(out, &mut told))?;
    drop(progress);
    let prerequisites: Vec<String> = plan.header().prerequisites.iter().map(|(id, _)| id.to_string()).collect();
    if args.json {
        let mut out = Output::new(context);
        let refs = plan.header().refs.iter().map(|(name, id)| json!({"ref": name.as_str(), "id": id.to_string()}));
        out.json(&json!({
            "refs": refs.collect::<Vec<_>>(), "commits": plan.commits(), "stream": plan.header().is_stream, "count": plan.count(), "bytes": bytes,
            "prerequisites": prerequisites,
        }))?;
        out.finish()?;
    }
    if !context.is_quiet() {
        let commits = number_of(plan.commits() as u64, "commit");
        let builds = match prerequisites.len() {
            0 => String::new(),
            count => format!("; it builds on {}", number_of(count as u64, "commit")),
        };
        say(&format!("wrote {commits} in {bytes} bytes to {}{builds}", args.file.display()));
    }
    Ok(())
}

/// What is asked for.
struct Asked {
    refs: Vec<(RefName, Id)>,
    without: Vec<Id>,
    /// Whether the refs were named, one by one.
    are_named: bool,
}

fn asked(context: &Context, db: &Database, args: &Args) -> Result<Asked> {
    let (mut refs, mut without) = (Vec::new(), Vec::new());
    for revision in &args.since {
        without.push(db.resolve_commit(revision)?.0);
    }
    if let Some(remote) = &args.remote {
        without.extend(known_of(context, db, remote)?);
    }
    for revision in &args.revisions {
        let revision = match (revision.strip_prefix('^'), revision.split_once("..")) {
            (Some(revision), _) => {
                without.push(db.resolve_commit(revision)?.0);
                continue;
            }
            (None, Some((old, new))) => {
                without.push(db.resolve_commit(if old.is_empty() { "HEAD" } else { old })?.0);
                if new.is_empty() { "HEAD" } else { new }
            }
            (None, None) => revision,
        };
        refs.push(named(db, if revision == "@" { "HEAD" } else { revision })?);
    }
    let are_named = !refs.is_empty();
    if !are_named {
        let prefixes = if args.all { &["refs/"][..] } else { &["refs/heads/", "refs/tags/"] };
        for prefix in prefixes {
            refs.extend(db.refs().list(prefix)?);
        }
    }
    // Who clones a bundle looks for HEAD.
    let (name, head) = db.head()?;
    if let Some(head) = head.filter(|_| refs.iter().any(|(found, _)| *found == name)) {
        refs.insert(0, (RefName::head(), head.0));
    }
    let mut seen = std::collections::HashSet::new();
    refs.retain(|(name, _)| seen.insert(name.clone()));
    Ok(Asked { refs, without, are_named })
}

/// What a remote has, or the one who wrote a bundle.
fn known_of(context: &Context, db: &Database, remote: &str) -> Result<Vec<Id>> {
    let tracking = db.refs().list(&format!("refs/remotes/{remote}/"))?;
    if !tracking.is_empty() {
        return Ok(tracking.into_iter().map(|(_, id)| id).collect());
    }
    let path = Path::new(remote);
    if context.path(path).is_file() {
        return Ok(super::open(context, path)?.header().known().collect());
    }
    Err(Failure::no_such(format!("nothing is known of a remote {remote:?}"))
        .hint("without --for, all goes into the bundle")
        .into())
}

/// The ref of a short or full name.
fn named(db: &Database, text: &str) -> Result<(RefName, Id)> {
    for name in RefName::candidates(text) {
        if let Some(id) = db.refs().get(&name)? {
            return Ok((name, id));
        }
    }
    // One that names nothing at all is told of as everywhere.
    let id = db.resolve(text)?;
    Err(Failure::usage(format!("{text} is no ref, and a bundle carries refs"))
        .hint(format!("`isodb ref set NAME {id}` makes one"))
        .into())
}
