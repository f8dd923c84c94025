//! The reflog: one line a move, HEAD's beside its branch's, and torn lines passed over.

use super::*;
use crate::disk::Survivors;
use crate::refs::LogEntry;

const MAIN: &str = "refs/heads/main";

fn moves(refs: &Refs, text: &str) -> Vec<(Id, Id)> {
    refs.log(&name(text)).unwrap().newest_first().map(|entry| (entry.old, entry.new)).collect()
}

#[test]
fn heads_log_follows_the_branch() {
    let refs = refs_on(&empty_disk());
    apply(&refs, vec![set(MAIN, id(1))]).unwrap();
    apply(&refs, vec![set("refs/heads/other", id(5))]).unwrap();
    apply(&refs, vec![set(MAIN, id(2))]).unwrap();
    let both = [(id(1), id(2)), (Id::ZERO, id(1))];
    assert_eq!((moves(&refs, "HEAD"), moves(&refs, MAIN)), (both.to_vec(), both.to_vec()));
    apply(&refs, vec![link("HEAD", "refs/heads/other")]).unwrap();
    apply(&refs, vec![set(MAIN, id(3)), set("refs/heads/other", id(6))]).unwrap();
    assert_eq!(moves(&refs, "HEAD")[..2], [(id(5), id(6)), (id(2), id(5))]);
    apply(&refs, vec![delete("refs/heads/other")]).unwrap();
    assert_eq!(moves(&refs, "HEAD")[0], (id(6), Id::ZERO));
    assert!(moves(&refs, "refs/heads/other").is_empty());
    // Detached.
    apply(&refs, vec![set("HEAD", id(7))]).unwrap();
    apply(&refs, vec![set(MAIN, id(8))]).unwrap();
    assert_eq!(moves(&refs, "HEAD")[0], (Id::ZERO, id(7)));
}

#[test]
fn a_flushed_move_is_in_the_logs_after_a_power_cut() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    for number in 1..3 {
        apply(&refs, vec![set(MAIN, id(number)), set("refs/heads/a/b", id(number))]).unwrap();
        for survivors in Survivors::all() {
            let after = refs_on(&disk.after_power_cut(survivors));
            for text in [MAIN, "refs/heads/a/b", "HEAD"] {
                assert_eq!(moves(&after, text), moves(&refs, text), "{text}, {survivors}");
            }
        }
    }
}

#[test]
fn tags_are_logged_only_where_they_have_a_log() {
    let disk = empty_disk();
    let refs = refs_on(&disk);
    disk.import(Path::new("/db/logs/refs/tags/logged"), Some(Vec::new()));
    disk.import(Path::new("/db/logs/refs/tags/folder"), None);
    for tag in ["logged", "folder", "not"] {
        apply(&refs, vec![set(&format!("refs/tags/{tag}"), id(1))]).unwrap();
    }
    assert_eq!(moves(&refs, "refs/tags/logged").len(), 1);
    assert!(moves(&refs, "refs/tags/folder").is_empty() && moves(&refs, "refs/tags/not").is_empty());
}

#[test]
fn a_message_is_one_line() {
    let refs = refs_on(&empty_disk());
    for (message, line) in [("a\nb\r\n\tc ", "a b c"), ("", ""), ("\n", ""), ("one", "one")] {
        apply(&refs, vec![RefEdit { message: message.into(), ..set(MAIN, id(1)) }]).unwrap();
        assert_eq!(refs.log(&name(MAIN)).unwrap().newest_first().next().unwrap().message, line);
    }
    assert_eq!(refs.log(&name(MAIN)).unwrap().damaged_lines(), 0);
}

#[test]
fn a_torn_last_line_is_passed_over_and_ended() {
    let whole = {
        let disk = empty_disk();
        let refs = refs_on(&disk);
        for number in 1..4 {
            apply(&refs, vec![set(MAIN, id(number))]).unwrap();
        }
        disk.read(Path::new("/db/logs/refs/heads/main")).unwrap()
    };
    let last = whole.len() / 3 * 2;
    for len in last..whole.len() {
        for is_zeros in [false, true] {
            let mut torn = whole[..len].to_vec();
            if is_zeros {
                torn.resize(whole.len(), 0);
            }
            let disk = empty_disk();
            disk.import(Path::new("/db/logs/refs/heads/main"), Some(torn));
            let refs = refs_on(&disk);
            // Only in the message a torn line may still be read.
            let read = moves(&refs, MAIN);
            assert!(read == [(id(1), id(2)), (Id::ZERO, id(1))] || (read.len() == 3 && read[0] == (id(2), id(3))));
            apply(&refs, vec![set(MAIN, id(4))]).unwrap();
            let log = refs.log(&name(MAIN)).unwrap();
            let LogEntry { new, message, .. } = log.newest_first().next().unwrap();
            assert_eq!((new, message.as_str()), (id(4), "change refs/heads/main"));
            assert_eq!(log.newest_first().count(), read.len() + 1);
            assert!(log.damaged_lines() <= 1);
        }
    }
}
