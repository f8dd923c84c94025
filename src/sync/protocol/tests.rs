//! Messages there and back, as git writes them, and bent in every way: an error then, and never a panic.

use super::*;
use crate::object::hash;
use crate::refs::RefName;
use crate::sync::pktline::{Packets, write_data};
use std::io::Read;

fn some(n: u8) -> Id {
    hash(crate::object::Kind::Blob, &[n])
}

fn name(text: &str) -> RefName {
    RefName::full(text).unwrap()
}

fn refs() -> Vec<RemoteRef> {
    let found =
        |text, id, target: Option<&str>, peeled| RemoteRef { name: name(text), id, target: target.map(name), peeled };
    vec![
        found("HEAD", Some(some(1)), Some("refs/heads/main"), None),
        found("refs/heads/main", Some(some(1)), None, None),
        found("refs/tags/v1", Some(some(2)), None, Some(some(1))),
        found("HEAD", None, Some("refs/heads/none"), None),
    ]
}

fn asked() -> FetchAsked {
    FetchAsked {
        wants: vec![some(1), some(2)],
        haves: vec![some(3)],
        done: true,
        thin_pack: true,
        ofs_delta: true,
        include_tag: true,
        no_progress: true,
        wait_for_done: true,
    }
}

fn commands() -> Vec<Command> {
    let command = |name: &str, old, new| Command { name: name.into(), old, new };
    vec![
        command("refs/heads/main", Some(some(1)), Some(some(2))),
        command("refs/heads/new", None, Some(some(2))),
        command("refs/heads/old", Some(some(1)), None),
    ]
}

fn report() -> Report {
    let refused = ("refs/heads/new".to_owned(), Some("it is no name".to_owned()));
    Report { unpack: None, refs: vec![("refs/heads/main".into(), None), refused] }
}

/// A reader of a message; it panics where what it read is not what was written.
type Reader = fn(&mut Packets<'_>) -> Result<()>;

/// Each message as it is written, and its reader.
fn messages() -> Vec<(Vec<u8>, Reader)> {
    fn written(write: impl Fn(&mut Vec<u8>) -> std::io::Result<()>) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        out
    }
    let pushable = [(name("refs/heads/main"), some(1)), (name("refs/tags/v1"), some(2))];
    let said = |is_ready| Acknowledged { common: vec![some(1), some(2)], is_ready };
    let ready = [written(|out| write_acknowledged(out, &said(true))), b"000dpackfile\n".to_vec()].concat();
    vec![
        (written(|out| write_capabilities(out)), |packets| read_capabilities(packets).map(drop)),
        (written(|out| write_list(out, &["refs/heads/".into()], true)), |packets| read_request(packets).map(drop)),
        (written(|out| write_fetch(out, &asked())), |packets| read_request(packets).map(drop)),
        (written(|out| write_refs(out, &refs())), |packets| read_refs(packets).map(drop)),
        (written(|out| write_acknowledged(out, &said(false))), |packets| read_acknowledged(packets).map(drop)),
        (ready, |packets| read_acknowledged(packets).map(drop)),
        (written(|out| write_pushable(out, &pushable)), |packets| read_pushable(packets).map(drop)),
        (written(|out| write_pushable(out, &[])), |packets| read_pushable(packets).map(drop)),
        (written(|out| write_commands(out, &commands(), "atomic object-format=sha256")), |packets| {
            read_commands(packets).map(drop)
        }),
        (written(|out| write_report(out, &report())), |packets| read_report(packets).map(drop)),
    ]
}

fn read<T>(mut bytes: &[u8], read: impl Fn(&mut Packets<'_>) -> Result<T>) -> T {
    let found = read(&mut Packets::new(&mut bytes)).unwrap();
    assert!(bytes.is_empty(), "all of it is read, and nothing beyond");
    found
}

#[test]
fn there_and_back() {
    let write = |write: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        out
    };
    let bytes = write(&|out| write_refs(out, &refs()));
    assert_eq!(read(&bytes, read_refs), refs());
    let bytes = write(&|out| write_fetch(out, &asked()));
    assert_eq!(read(&bytes, read_request), Some(Request::Fetch(asked())));
    let bytes = write(&|out| write_list(out, &["a".into(), "b".into()], true));
    let Some(Request::List(list)) = read(&bytes, read_request) else { panic!("another request") };
    assert!(list.peel && list.symrefs && list.unborn && list.wants("bc") && !list.wants("c"));
    let bytes = write(&|out| write_commands(out, &commands(), "x=1 object-format=sha256 y"));
    let Some(Begun::Commands(found)) = read(&bytes, read_commands) else { panic!("no commands") };
    assert_eq!(found.commands, commands());
    assert_eq!((found.capabilities.get("x"), found.capabilities.has("y")), (Some("1"), true));
    let bytes = write(&|out| write_report(out, &report()));
    assert_eq!(read(&bytes, read_report), report());
    let bytes = write(&|out| write_pushable(out, &[]));
    assert_eq!(read(&bytes, read_pushable).refs, []);
    for (bytes, reader) in messages() {
        read(&bytes, reader);
    }
}

#[test]
fn what_git_writes() {
    let (a, b) = (some(1), some(2));
    let mut bytes = Vec::new();
    for line in ["# service=git-receive-pack\n", "", "1\0", ".have", "shallow"] {
        match line {
            "" => bytes.extend(b"0000"),
            "1\0" => write_data(
                &mut bytes,
                format!("{a} refs/heads/main\0report-status object-format=sha256 agent=git/2.47.3\n").as_bytes(),
            )
            .unwrap(),
            ".have" => write_data(&mut bytes, format!("{b} .have\n").as_bytes()).unwrap(),
            "shallow" => write_data(&mut bytes, format!("shallow {b}\n").as_bytes()).unwrap(),
            line => write_data(&mut bytes, line.as_bytes()).unwrap(),
        }
    }
    bytes.extend(b"0000");
    let found = read(&bytes, read_pushable);
    assert_eq!((found.refs, found.others), (vec![(name("refs/heads/main"), a)], vec![b]));
    let mut bytes =
        b"000eversion 2\n0015agent=git/2.47.3\n0013ls-refs=unborn\n0020fetch=shallow wait-for-done\n".to_vec();
    bytes.extend(b"0012server-option\n0019object-format=sha256\n0000");
    let found = read(&bytes, read_capabilities);
    assert!(found.has_word("fetch", "wait-for-done") && !found.has_word("fetch", "wait"));
    // No request, and no commands.
    assert_eq!(read(b"0000", read_request), None);
    assert_eq!(read(b"", read_request), None);
    assert_eq!(read(b"0000", read_commands), None);
}

#[test]
fn what_is_refused() {
    let error = |bytes: &[u8], reader: Reader| {
        let mut bytes = bytes;
        reader(&mut Packets::new(&mut bytes)).unwrap_err().to_string()
    };
    let capabilities: Reader = |packets| read_capabilities(packets).map(drop);
    let old = [&b"008b"[..], some(1).to_string().as_bytes(), b" HEAD\0multi_ack thin-pack", &[b' '; 47]].concat();
    assert!(error(&old, capabilities).contains("only an old version"));
    assert!(error(b"000eversion 2\n0017object-format=sha1\n0000", capabilities).contains("object format sha1"));
    assert!(error(b"000eversion 2\n0000", capabilities).contains("object format sha1"));
    assert!(error(b"000eversion 3\n0000", capabilities).contains("no version"));
    assert!(error(b"0011ERR no\x07thing\n", capabilities).ends_with("says: no thing"));
    let request: Reader = |packets| read_request(packets).map(drop);
    assert!(error(b"0014command=ls-refs\n0000", request).contains("object format sha1"));
    let start = b"0012command=fetch\n0019object-format=sha256\n0001".to_vec();
    for bad in ["deepen 1", "filter blob:none", "want x", "wants", "have 12", "shallow x"] {
        let mut bytes = start.clone();
        write_data(&mut bytes, bad.as_bytes()).unwrap();
        bytes.extend(b"0000");
        assert!(matches!(read_request(&mut Packets::new(&mut &bytes[..])), Err(Error::Protocol(_))), "{bad}");
    }
    let mut many = start;
    for _ in 0..=MAX_HAVES {
        write_data(&mut many, format!("have {}", some(1)).as_bytes()).unwrap();
    }
    assert!(error(&many, request).contains("more than the limit of 131072"));
}

/// Every byte in several ways, every cut, and every packet left out or said twice.
#[test]
fn bent_messages_do_no_harm() {
    for (bytes, reader) in messages() {
        let bent = |bytes: &[u8]| {
            let mut bytes = bytes;
            let _ = reader(&mut Packets::new(&mut bytes));
        };
        for at in 0..bytes.len() {
            for bit in [1, 4, 0x20, 0x80, 0xff] {
                let mut other = bytes.clone();
                other[at] ^= bit;
                bent(&other);
            }
            bent(&bytes[..at]);
            assert!(
                reader(&mut Packets::new(&mut &bytes[..at])).is_err() || at == 0,
                "a message that is cut off at {at} is no message"
            );
            bent(&bytes[at..]);
            bent(&[&bytes[..at], &bytes[at / 2..]].concat());
        }
    }
}

#[test]
fn bands() {
    let mut out = Vec::new();
    let mut bands = Multiplexer::new(&mut out);
    let data: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
    std::io::Write::write_all(&mut bands, &data[..100]).unwrap();
    bands.say(Band::Progress, "half\r\x1b[2J").unwrap();
    std::io::Write::write_all(&mut bands, &data[100..]).unwrap();
    bands.finish().unwrap();
    let (mut heard, mut found) = (String::new(), Vec::new());
    let mut bytes = &out[..];
    let mut packets = Packets::new(&mut bytes);
    let mut hear = |text: &str| heard += text;
    let mut split = Demultiplexer::new(&mut packets, &mut hear);
    split.read_to_end(&mut found).unwrap();
    split.finish().unwrap();
    assert_eq!((heard.as_str(), found == data), ("half\r [2J", true));

    let fails = |bytes: &[u8]| {
        let (mut bytes, mut found) = (bytes, Vec::new());
        let mut packets = Packets::new(&mut bytes);
        let mut hear = |_: &str| ();
        let mut split = Demultiplexer::new(&mut packets, &mut hear);
        assert!(split.read_to_end(&mut found).is_err());
        split.take_failure().unwrap().to_string()
    };
    assert_eq!(fails(b"0009\x01data0008\x03no\n"), "the other side says: no");
    assert!(fails(b"0006\x04x0000").contains("no band"));
    assert!(fails(b"0006\x01x").contains("hung up"));
    assert!(fails(b"0001").contains("no band"));
    let mut bytes = &b"0006\x01x0000"[..];
    let mut packets = Packets::new(&mut bytes);
    assert!(Demultiplexer::new(&mut packets, &mut |_| ()).finish().is_err(), "there is more");
}
