//! Any bytes as the records of a stream that a server sends: the first 32 are the id of the commit that it says it has, the
//! rest is put into a block whose sum is right.

use std::io::{self, Read, Write};

use flate2::Crc;
use isodb::{FetchLimits, FetchRequest, Here, Ident, RefMove, Service, Source, SyncError, Transport};

use super::farm::{self, NoScripts, open};

/// The most bytes that one block takes.
const MAX: usize = 1 << 16;
/// What a server says that speaks the stream, and nothing else that is of use here.
const SAID: &[u8] = b"000eversion 2\n000cls-refs\n000afetch\n0019object-format=sha256\n0013isodb-stream=1\n0000";

/// A server that gives this answer once, and then hangs up.
struct Canned(Option<Vec<u8>>);

impl Transport for Canned {
    fn advertisement(&mut self, _: Service) -> Result<Box<dyn Read + '_>, SyncError> {
        match self.0 {
            Some(_) => Ok(Box::new(SAID)),
            None => Err(SyncError::Protocol("it has hung up".into())),
        }
    }

    fn call(
        &mut self,
        _: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>, SyncError> {
        body(&mut io::sink()).map_err(SyncError::Connection)?;
        Ok(Box::new(io::Cursor::new(self.0.take().unwrap_or_default())))
    }
}

fn number(out: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn sum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// An answer with these records in one block, which zstd has not made smaller.
fn answer(id: &[u8], records: &[u8]) -> Vec<u8> {
    let name = b"refs/heads/main";
    let head = [&[1, 1 | 4, name.len() as u8], &name[..], id, &[0, 2, 2, 9]].concat();
    let mut packed = b"\x28\xb5\x2f\xfd\x00\x40".to_vec();
    packed.extend_from_slice(&((records.len() as u32) << 3 | 1).to_le_bytes()[..3]);
    packed.extend_from_slice(records);
    let mut all = vec![1];
    number(&mut all, head.len());
    all.extend_from_slice(&head);
    let sum = sum(&all);
    all.extend_from_slice(&sum);
    number(&mut all, records.len());
    number(&mut all, packed.len());
    all.extend_from_slice(&self::sum(&packed));
    all.extend_from_slice(&packed);
    let mut out = Vec::new();
    for part in all.chunks(60_000) {
        out.extend_from_slice(format!("{:04x}\x01", part.len() + 5).as_bytes());
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"0000");
    out
}

/// Fetches what is said, and tells whether all of it may come in.
fn say(data: &[u8]) -> bool {
    let Some((id, records)) = data.split_at_checked(32) else { return false };
    if records.is_empty() || records.len() > MAX {
        return false;
    }
    let disk = farm::empty();
    let db = open(&disk);
    let before = disk.files().len();
    let (who, prefixes) = (Ident::new("Ann", "ann@farm", 1).unwrap(), ["refs/heads/".to_owned()]);
    let limits = FetchLimits::default();
    let request = FetchRequest { prefixes: &prefixes, known: &[], haves: &[], speaks_stream: false, limits };
    let mut here = Here { db: &db, who: &who, runner: &mut NoScripts, listener: &mut () };
    let fetched = Canned(Some(answer(id, records))).fetch(&mut here, &request);
    let mut is_sound = false;
    if let Ok(fetched) = fetched {
        let moves: Vec<RefMove> = fetched
            .refs
            .iter()
            .filter_map(|found| Some(RefMove { name: found.name.clone(), old: None, new: found.id? }))
            .collect();
        if let Some(quarantine) = fetched.quarantine {
            is_sound = quarantine.check(&moves, &mut NoScripts).unwrap().is_empty();
        }
    }
    assert!(is_sound || disk.files().len() <= before + 3, "something is left");
    is_sound
}

/// What must hold whatever the bytes are.
pub fn run(data: &[u8]) {
    say(data);
}

/// Whether all of it may come in: so it is with seeds.
#[allow(dead_code)]
pub fn is_sound(data: &[u8]) -> bool {
    say(data)
}
