//! Any bytes as a bundle that somebody brings: its header, and its pack into the quarantine of a database.

use std::sync::LazyLock;

use isodb::{Bundle, BundleReport, FaultDisk, SyncError};

use super::farm::{self, NoScripts, open};

/// A pack above this size is refused.
const MAX_PACK: u64 = 1 << 16;

/// A database with one commit, on a disk in memory that each run has a copy of.
static DISK: LazyLock<FaultDisk> = LazyLock::new(|| farm::farm().0);

fn take(data: &[u8]) -> Result<BundleReport, SyncError> {
    let disk = DISK.fork();
    let db = open(&disk);
    let files = disk.files().len();
    let bundle = Bundle::read(std::io::Cursor::new(data.to_vec()))?;
    let report = bundle.verify(&db, MAX_PACK, &mut NoScripts, &mut ());
    assert_eq!(disk.files().len(), files, "something of it stayed");
    report
}

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    let _ = take(data);
}

/// Whether nothing is wrong with a bundle: so it is with seeds.
#[allow(dead_code)]
pub fn is_sound(data: &[u8]) -> bool {
    take(data).is_ok_and(|report| report.problems.is_empty())
}
