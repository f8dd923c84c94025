//! `isodb tag`: names that stay.

use anyhow::Result;
use isodb::{Database, Error, Expect, Id, Kind, ObjectError, Objects, RefError, RefName, Tag, TagInfo, split_signed};
use serde_json::{Value, json};

use crate::args::{ListArgs, SignArgs, SyncArgs};
use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;
use crate::people;

/// Make, list and delete tags
///
/// A tag is a name for an object, a commit mostly, that is meant to stay. With -m it is an object of its own that says
/// who made it, when and why; so it is with --sign, and it is signed then as git does it. The id that the name leads to is printed. A tag that exists is left where it is, and the
/// exit status is 3.
///
/// Without NAME, all tags are listed: the id that each leads to, and its name. With --json, a tag is
/// {"name","id","target","kind","tagger","message","signed"}: `id` is what the name leads to, and `target`, of the
/// kind `kind`, what is tagged; `tagger` is {"name","email","time"}, and null like `message` where the tag has no object
/// of its own; `signed` tells whether there is a signature, not whether it is good.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb tag spring-count
  isodb tag year-2026 main~10 -m 'as the accounts have it' --sign
  isodb tag")]
pub(crate) struct Args {
    /// The tag's name [default: list all]
    #[arg(add = complete::refs())]
    name: Option<String>,
    /// What is tagged [default: HEAD]
    #[arg(value_name = "REV", requires = "name", add = complete::revisions())]
    revision: Option<String>,
    /// The tag's message
    #[arg(short, long, value_name = "TEXT", requires = "name")]
    message: Option<String>,
    /// Put it in place of one that exists
    #[arg(short, long, requires = "name")]
    force: bool,
    /// Delete it
    #[arg(short, long, requires = "name", conflicts_with_all = ["revision", "message", "force"])]
    delete: bool,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    sync: SyncArgs,
    #[command(flatten)]
    list: ListArgs,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    match &args.name {
        None => list(context, args.list),
        Some(name) if args.delete => delete(context, &args, name),
        Some(name) => make(context, &args, name),
    }
}

/// The ref of a tag's name, which may be given in full.
fn tag_name(text: &str) -> Result<RefName> {
    let full = if text.starts_with("refs/tags/") { text.to_owned() } else { format!("refs/tags/{text}") };
    Ok(RefName::full(&full).map_err(|error| Error::from(RefError::from(error)))?)
}

fn make(context: &Context, args: &Args, name: &str) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let name = tag_name(name)?;
    let target = db.resolve(args.revision.as_deref().unwrap_or("HEAD"))?;
    let who = context.mover(&db)?;
    let signer = context.signer(&db, args.sign, "tag.sign")?;
    let info = (args.message.is_some() || signer.is_some()).then(|| TagInfo {
        tagger: who.person().clone(),
        time: who.seconds(),
        message: args.message.clone().unwrap_or_else(|| format!("tag {}", name.short())),
        signer,
    });
    let expect = if args.force { Expect::Any } else { Expect::Absent };
    let id = db.set_tag(&name, target, info.as_ref(), expect, &who).map_err(|error| match error {
        Error::Ref(RefError::Mismatch { name, found: Some(found), .. }) => {
            Failure::expectation(format!("the tag {} exists, and leads to {found}", name.short()))
                .hint("--force puts another in its place")
                .into()
        }
        error => anyhow::Error::from(error),
    })?;
    let mut out = Output::new(context);
    if args.list.json {
        out.json(&record(&db, &name, id)?)?;
    } else {
        out.record(&out.id(id))?;
    }
    out.finish()
}

fn delete(context: &Context, args: &Args, text: &str) -> Result<()> {
    let db = context.database_to_write(args.sync)?;
    let name = tag_name(text)?;
    let Some(id) = db.refs().get(&name)? else {
        return Err(Failure::no_such(format!("there is no tag {text:?}")).hint("`isodb tag` lists them").into());
    };
    db.set_ref(&name, None, Expect::At(id), &context.mover(&db)?, "tag: deleted")?;
    Ok(())
}

fn list(context: &Context, args: ListArgs) -> Result<()> {
    let db = context.database()?;
    let mut out = Output::records(context, args);
    for (name, id) in db.refs().list("refs/tags/")? {
        if args.json {
            out.json(&record(&db, &name, id)?)?;
        } else {
            out.record(&format!("{} {}", out.id(id), name.short()))?;
        }
    }
    out.finish()
}

/// A tag as a JSON object.
fn record(db: &Database, name: &RefName, id: Id) -> Result<Value> {
    let kind =
        |id: Id| -> Result<Kind> { Ok(db.store().header(id)?.ok_or(ObjectError::Missing { id, kind: None })?.0) };
    let target = db.peel(id)?;
    let body = if kind(id)? == Kind::Tag { Some(db.store().require(id, Kind::Tag)?) } else { None };
    let signed = body.as_ref().and_then(|body| split_signed(Kind::Tag, body));
    let is_signed = signed.is_some();
    // What is signed is a tag by itself, whose message ends where the signature starts.
    let body = signed.map(|signed| signed.payload).or(body);
    let tag = body.map(|body| Tag::parse(&body)).transpose()?;
    let tagger = tag.as_ref().and_then(|tag| tag.tagger.as_ref());
    Ok(json!({
        "name": name.short(), "id": id.to_string(), "target": target.to_string(), "kind": kind(target)?.name(),
        "tagger": tagger.map(people::person_json),
        "message": tag.as_ref().map(|tag| tag.message_text().into_owned()), "signed": is_signed,
    }))
}
