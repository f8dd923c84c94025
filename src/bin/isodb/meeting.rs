//! Meeting another database from the command line: which one is meant, the way to it, and what is told of it meanwhile.

use std::collections::BTreeSet;
use std::io::IsTerminal;

use anyhow::Result;
use isodb::{
    Arrival, Database, Direction, FetchLimits, Here, Listener, Location, Meeting, Progress, RefName, Refusal, Remote,
    Source, SyncError, Transport, Unit,
};

use crate::commands::serve_limits;
use crate::context::Context;
use crate::error::{Failure, say};
use crate::output::quoted;
use crate::progress::Progress as Bar;
use crate::remote::{self, Programs};

/// What is met: a remote, or a place without a name.
pub(crate) struct Target {
    pub(crate) remote: Option<Remote>,
    url: String,
    push_url: String,
}

/// Does something with another database: with who moves refs here and what runs merge scripts, while what goes on is shown.
pub(crate) fn with_here<'d, T>(
    context: &Context,
    db: &'d Database,
    work: impl FnOnce(&mut Here<'d, '_>) -> Result<T, SyncError>,
) -> Result<T> {
    let (who, mut runner) = (context.mover(db)?, context.runner()?);
    let mut shown = Shown::new(context);
    Ok(work(&mut Here { db, who: &who, runner: &mut runner, listener: &mut shown })?)
}

/// What is taken at most of what others left in files: as of those who push.
pub(crate) fn file_limits(db: &Database) -> Result<FetchLimits> {
    Ok(FetchLimits { max_pack: serve_limits(db)?.max_pack, max_bytes: None })
}

/// Which programs answer at the other end.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct ProgramArgs {
    /// The program that sends at the other end, as words for a shell [default: isodb upload-pack]
    #[arg(long, value_name = "COMMAND")]
    pub(crate) upload_pack: Option<String>,
    /// The program that receives at the other end, as words for a shell [default: isodb receive-pack]
    #[arg(long, value_name = "COMMAND")]
    pub(crate) receive_pack: Option<String>,
}

/// How much may come.
#[derive(clap::Args, Debug, Clone, Copy)]
pub(crate) struct LimitArgs {
    /// Take N bytes at most this time, and exit 1 when more is to come: what came is kept, and the same command goes on from
    /// there. Needs isodb at the other end; what git sends comes as a whole
    #[arg(long, value_name = "N", value_parser = crate::args::number)]
    max_bytes: Option<usize>,
}

impl LimitArgs {
    pub(crate) fn limits(self) -> FetchLimits {
        FetchLimits { max_bytes: self.max_bytes.map(|bytes| bytes as u64), ..FetchLimits::default() }
    }
}

impl Target {
    /// The remote of a name, else the place that a text is; without one, the usual remote.
    pub(crate) fn find(db: &Database, text: Option<&str>) -> Result<Target> {
        let Some(text) = text else { return Ok(Target::of(Remote::usual(db)?)) };
        match Remote::find(db.config(), text) {
            Ok(remote) => Ok(Target::of(remote)),
            // A mere word is the name of a remote that there is not, rather than a directory here.
            Err(error) if !text.contains(['/', ':', '.']) => Err(error.into()),
            Err(_) => {
                text.parse::<Location>()?;
                Ok(Target { remote: None, url: text.to_owned(), push_url: text.to_owned() })
            }
        }
    }

    fn of(remote: Remote) -> Target {
        Target { url: remote.url().to_owned(), push_url: remote.push_url().to_owned(), remote: Some(remote) }
    }

    /// The remote, where only one will do.
    pub(crate) fn named(&self) -> Result<&Remote> {
        self.remote.as_ref().ok_or_else(|| {
            Failure::usage(format!("{} has no name here", self.url))
                .hint("`isodb remote add NAME URL` gives it one")
                .into()
        })
    }

    /// What people call it.
    pub(crate) fn name(&self) -> &str {
        self.remote.as_ref().map_or(&self.url, Remote::name)
    }

    /// What it is fetched from.
    pub(crate) fn source(&self, context: &Context, db: &Database, programs: &ProgramArgs) -> Result<Box<dyn Source>> {
        remote::source(context, &self.url.parse()?, &self.programs(db, programs))
    }

    /// The way there, to push.
    pub(crate) fn push_transport(
        &self,
        context: &Context,
        db: &Database,
        programs: &ProgramArgs,
    ) -> Result<Box<dyn Transport>> {
        remote::transport(context, &self.push_url.parse()?, &self.programs(db, programs))
    }

    fn programs(&self, db: &Database, programs: &ProgramArgs) -> Programs {
        let setting = |key: &str| {
            let remote = self.remote.as_ref()?;
            db.config().get(&format!("remote.{}.{key}", remote.name())).map(str::to_owned)
        };
        Programs {
            upload: programs.upload_pack.clone().or_else(|| setting("uploadpack")),
            receive: programs.receive_pack.clone().or_else(|| setting("receivepack")),
        }
    }
}

/// Shows how it goes, to who waits at a terminal.
pub(crate) struct Shown<'c> {
    context: &'c Context,
    bar: Option<(Direction, Bar)>,
    is_terminal: bool,
}

impl<'c> Shown<'c> {
    pub(crate) fn new(context: &'c Context) -> Shown<'c> {
        let is_terminal = !context.is_quiet() && std::io::stderr().is_terminal();
        Shown { context, bar: None, is_terminal }
    }
}

impl Listener for Shown<'_> {
    fn said(&mut self, text: &str) {
        // A bar tells better how far it is.
        for line in text.split(['\n', '\r']).filter(|line| self.is_terminal && !line.trim().is_empty()) {
            say(&format!("remote: {}", line.trim_end()));
        }
    }

    fn progress(&mut self, progress: &Progress) {
        let noun = match progress.unit {
            Unit::Documents => "documents",
            Unit::Objects => "objects",
        };
        if self.bar.as_ref().is_none_or(|(direction, _)| *direction != progress.direction) {
            self.bar = Some((progress.direction, Bar::new(self.context, noun)));
        }
        let Some((_, bar)) = &mut self.bar else { return };
        match progress.bytes {
            0 => bar.set(progress.done, progress.total),
            bytes => bar.set_bytes(progress.done, bytes, progress.total_bytes),
        }
    }
}

/// Why a ref of a remote was refused, if it was.
pub(crate) fn reason(refusals: &[Refusal], there: &RefName) -> Option<String> {
    let mut all = refusals.iter().filter(|refusal| refusal.name == *there);
    let first = all.next()?.to_string();
    Some(match all.count() {
        0 => first,
        more => format!("{first}; and {more} more"),
    })
}

/// Says on stderr which refs of a remote were refused, and why; the last of them is the answer.
pub(crate) fn refused(remote: &str, refusals: &[Refusal]) -> Option<Failure> {
    let names: BTreeSet<&RefName> = refusals.iter().map(|refusal| &refusal.name).collect();
    let failure = |reason: String| Failure::not_let_in(format!("{remote}: not let in: {reason}"));
    let mut failures: Vec<Failure> = names.into_iter().filter_map(|name| reason(refusals, name)).map(failure).collect();
    let last = failures.pop();
    failures.iter().for_each(|failure| say(&format!("error: {failure}")));
    last
}

/// Says on stderr what ought to be known of refs that were fetched; of those that were refused where they are aside from what
/// was asked for, and so no error.
pub(crate) fn tell(context: &Context, target: &Target, meeting: &Meeting, is_aside: bool) {
    for found in meeting.refs.iter().filter(|_| !context.is_quiet()) {
        let (there, name) = (found.there.short(), target.name());
        match (found.arrival, &found.here) {
            (Arrival::Backward | Arrival::Aside, Some(here)) => {
                say(&format!("warning: {there} of {name} has lost commits that it had"));
                say(&format!("hint: they are still here: `isodb log {}`", quoted(&format!("{here}@{{1}}"))));
            }
            (Arrival::Kept, _) => {
                say(&format!("note: the tag {there} is another at {name}; the one here is left as it is"));
            }
            (Arrival::Refused, _) if is_aside => {
                let reason = reason(&meeting.refused, &found.there).unwrap_or_default();
                say(&format!("warning: {name}: not let in: {reason}"));
            }
            _ => {}
        }
    }
}
