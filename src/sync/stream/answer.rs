//! The server's side of a stream that is fetched: what is new there, and the stream.

use std::collections::HashSet;
use std::io::Write;

use super::message::{Answer, Asked, Head, Wanted, digest};
use super::plan::{Plan, Unplanned};
use super::send::{Position, write};
use crate::database::Database;
use crate::object::{CommitId, Id, Kind};
use crate::sync::error::{Error, Result};
use crate::sync::protocol::{Band, Multiplexer, RemoteRef};
use crate::sync::select::{commit_of, peel};
use crate::sync::serve::is_enough;

/// Answers a request. `list` tells the refs whose names begin with one of some prefixes.
///
/// # Errors
/// As the refs and objects that are read, and of the connection. What fails behind the first byte of a stream is told the
/// other side in its place.
pub(in crate::sync) fn answer(
    db: &Database,
    asked: &Asked,
    list: &dyn Fn(&[String]) -> Result<Vec<RemoteRef>>,
    out: &mut dyn Write,
) -> Result<()> {
    let (answer, plan) = match &asked.wanted {
        Some(wanted) => resumed(db, wanted)?,
        None => fresh(db, asked, list(&asked.prefixes)?)?,
    };
    let mut bands = Multiplexer::new(out);
    answer.write(&mut bands).map_err(Error::Connection)?;
    if let Some((plan, from)) = plan {
        match write(db, &plan, from, &mut bands, &mut |_| ()) {
            Ok(()) => {}
            Err(error @ Error::Connection(_)) => return Err(error),
            Err(error) => {
                // Told on this band, or to nobody if the connection is what failed.
                let _ = bands.say(Band::Error, &error.to_string());
                return Err(Error::Refused(error.to_string()));
            }
        }
    }
    bands.finish().map_err(Error::Connection)
}

type Answered = (Answer, Option<(Plan, Position)>);

/// The answer to who wants what refs lead to.
fn fresh(db: &Database, asked: &Asked, refs: Vec<RemoteRef>) -> Result<Answered> {
    let has_head = refs.iter().any(|found| found.name.as_str() == "HEAD");
    if !has_head && digest(refs.iter().filter_map(|found| Some((&found.name, found.id?)))) == asked.digest {
        return Ok((Answer::NothingNew, None));
    }
    let (mut places, mut common) = (Vec::new(), Vec::new());
    for (place, have) in asked.haves.iter().enumerate() {
        if let Some(commit) = commit_of(db, have.0)? {
            places.push(place);
            common.push(commit);
        }
    }
    let ids: Vec<Id> = refs.iter().filter_map(|found| found.id).collect();
    if !asked.is_last && !asked.haves.is_empty() && !is_enough(db, &ids, &common)? {
        return Ok((Answer::More, None));
    }
    let mut heads = Vec::with_capacity(ids.len());
    for id in &ids {
        match peel(db, *id)?.filter(|peeled| peeled.kind == Kind::Commit) {
            Some(peeled) => heads.push(CommitId(peeled.id)),
            None => return Ok((Answer::NotCarried, None)),
        }
    }
    // Of tags, those come along whose commits do: who has a commit mostly has its tags, and asks for them otherwise.
    let lacked: HashSet<CommitId> = db.commits_since(&heads, &common)?.into_iter().collect();
    let mut heads = heads.into_iter();
    let told: Vec<(RemoteRef, bool)> = refs
        .into_iter()
        .map(|found| {
            let is_sent = found.id.is_some() && heads.next().is_some_and(|head| lacked.contains(&head));
            (found, is_sent)
        })
        .collect();
    let wants: Vec<Id> = told.iter().filter(|(_, is_sent)| *is_sent).filter_map(|(found, _)| found.id).collect();
    planned(db, &wants, &common, Position::default(), |totals| Head { refs: told, common: places, totals })
}

/// The answer to who knows by their ids what is wanted.
fn resumed(db: &Database, Wanted { wants, common, from }: &Wanted) -> Result<Answered> {
    for id in wants.iter().copied().chain(common.iter().map(|id| id.0)) {
        if commit_of(db, id)?.is_none() {
            return Ok((Answer::Gone, None));
        }
    }
    planned(db, wants, common, *from, |totals| Head { totals, ..Head::default() })
}

fn planned(
    db: &Database,
    wants: &[Id],
    common: &[CommitId],
    from: Position,
    head: impl FnOnce(super::Totals) -> Head,
) -> Result<Answered> {
    match Plan::new(db, wants, common) {
        Ok(plan) => Ok((Answer::Stream(head(plan.totals)), Some((plan, from)))),
        Err(Unplanned::NotCarried) => Ok((Answer::NotCarried, None)),
        Err(Unplanned::Failed(error)) => Err(error),
    }
}
