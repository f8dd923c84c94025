//! Any bytes as what a peer says in git's protocol: as requests to both services of a database, and as a server's answers to
//! a client. The first byte tells which.

use std::io::{self, Read, Write};
use std::sync::LazyLock;

use isodb::{
    CommitId, Database, FaultDisk, FetchOptions, Fetching, Id, Ident, PushEdit, PushOptions, Pushing, RefName,
    ServeLimits, Server, Service, SyncError, Transport,
};

use super::farm::{self, NoScripts, open};

/// A pack above this size is refused.
const MAX_PACK: u64 = 1 << 16;

/// A database with one commit, on a disk in memory that each run has a copy of.
static DISK: LazyLock<(FaultDisk, CommitId)> = LazyLock::new(farm::farm);

/// A server that says this, whatever it is asked.
struct Canned<'a>(&'a [u8], &'a [u8]);

impl Transport for Canned<'_> {
    fn advertisement(&mut self, _: Service) -> Result<Box<dyn Read + '_>, SyncError> {
        Ok(Box::new(self.0))
    }

    fn call(
        &mut self,
        _: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>, SyncError> {
        body(&mut io::sink()).map_err(SyncError::Connection)?;
        Ok(Box::new(self.1))
    }
}

/// Says it, and tells whether nothing was wrong with it.
fn say(data: &[u8]) -> Result<(), SyncError> {
    let Some((which, said)) = data.split_first() else { return Ok(()) };
    let disk = DISK.0.fork();
    let db = open(&disk);
    // A server says two things; the second begins behind the first empty packet.
    let end = said.windows(4).position(|four| four == b"\n000").map_or(said.len(), |at| (at + 5).min(said.len()));
    let mut canned = Canned(&said[..end], &said[end..]);
    match which {
        b'u' | b'r' => {
            let service = if *which == b'u' { Service::UploadPack } else { Service::ReceivePack };
            let who = Ident::new("Ann", "ann@farm", 1).unwrap();
            let mut input = said;
            let limits = ServeLimits { max_pack: MAX_PACK, ..ServeLimits::default() };
            let answered = Server::new(&db, who, &mut NoScripts, limits).answer(service, &mut input, &mut io::sink());
            whole(&db);
            answered.map(drop)
        }
        b'f' => {
            let wants = [DISK.1.0];
            let options = FetchOptions { wants: &wants, haves: &[], with_tags: false, max_pack: MAX_PACK };
            let mut fetching = Fetching::open(&mut canned)?;
            fetching.fetch(&db, db.store(), &options, &mut ())?.keep()?;
            Ok(())
        }
        b'l' => Fetching::open(&mut canned)?.refs(&[]).map(drop),
        _ => {
            let name = RefName::from_user("main").unwrap();
            let edit = PushEdit { name, old: None, new: Some(DISK.1.0) };
            let mut pushing = Pushing::open(&mut canned)?;
            pushing.push(&db, &[edit], PushOptions::default(), &mut ()).map(drop)
        }
    }
}

/// All refs lead to what is there.
fn whole(db: &Database) {
    let ids: Vec<Id> = db.refs().list("refs/").unwrap().into_iter().map(|(_, id)| id).collect();
    let heads: Vec<CommitId> = ids.iter().filter_map(|id| db.resolve_commit(&id.to_string()).ok()).collect();
    let commits = db.commits_since(&heads, &[]).unwrap();
    db.store().check_connected(&commits, &[]).unwrap();
}

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    let _ = say(data);
}

/// Whether nothing is wrong with what is said: so it is with seeds.
#[allow(dead_code)]
pub fn is_sound(data: &[u8]) -> bool {
    say(data).is_ok()
}
