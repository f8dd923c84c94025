//! A database whose head merges what two people wrote without knowing of each other.

use std::sync::Arc;

use isodb::{BlobId, Changeset, CommitId, CommitInfo, Database, InProcess, Kind, Objects, OsDisk, Person};

use super::Sandbox;

/// When the first commit was made. Bo wrote 100 seconds later, Cy 200.
pub const START: i64 = 1_600_000_000;

/// The farm, and the commits of Ann (before the two), Bo, Cy, and the merge commit, which is the head.
pub struct Farm {
    pub sandbox: Sandbox,
    pub commits: [String; 4],
}

/// What each wrote: a content for a key, or nothing to remove it.
type Wrote<'a> = &'a [(&'a str, Option<&'a str>)];

impl Farm {
    /// In conflict are `animals/bella` (weights 431 and 434, from 430), `notes/old` (changed, and removed), `stock/hay` (two
    /// new ones) and `stock/a\nb`.
    pub fn new() -> Farm {
        let ann = [("animals/bella", "{\"kg\":430}"), ("notes/old", "one\n"), ("notes/today", "calm\n")];
        Farm::of(
            &ann.map(|(key, text)| (key, Some(text))),
            &[
                ("animals/bella", Some("{\"kg\":431}")),
                ("notes/old", None),
                ("stock/hay", Some("12")),
                ("stock/a\nb", Some("1")),
            ],
            &[
                ("animals/bella", Some("{\"kg\":434}")),
                ("notes/old", Some("two\n")),
                ("stock/hay", Some("15")),
                ("stock/a\nb", Some("2")),
                ("notes/new", Some("rain\n")),
            ],
        )
    }

    pub fn of(ann: Wrote<'_>, bo: Wrote<'_>, cy: Wrote<'_>) -> Farm {
        let sandbox = Sandbox::with_database();
        let db = Database::open(Arc::new(OsDisk::without_sync()), &sandbox.db()).unwrap();
        let ann = write(&db, "Ann", START, &[], ann);
        let bo = write(&db, "Bo", START + 100, &[ann], bo);
        let cy = write(&db, "Cy", START + 200, &[ann], cy);
        let [ann, bo, cy] = [ann, bo, cy].map(|id| id.to_string());
        let merge = sandbox.isodb(["merge", &bo, &cy]).status(1).line();
        Farm { sandbox, commits: [ann, bo, cy, merge] }
    }
}

fn write(db: &Database, name: &str, time: i64, parents: &[CommitId], wrote: Wrote<'_>) -> CommitId {
    let mut changes = Changeset::new();
    for (key, content) in wrote {
        let key = key.parse().unwrap();
        match content {
            Some(text) => changes.put(key, BlobId(db.store().put(Kind::Blob, text.as_bytes()).unwrap())),
            None => changes.remove(key),
        }
    }
    let who = Person::new(name, &format!("{}@farm", name.to_lowercase())).unwrap();
    let (author, committer, message) = (who.clone(), who, format!("{name} wrote"));
    let info = CommitInfo { author, author_time: time, committer, committer_time: time, message, signer: None };
    db.commit_on(parents, &changes, &info, &mut InProcess::new().unwrap()).unwrap().head.unwrap()
}
