//! Nodes that meet through a folder: in any order, with anything going wrong, they come to the same, and nothing is lost.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::database::tests::reopen;
use crate::disk::{Disk, FaultDisk, Survivors};
use crate::sync::via::{Via, ViaRequest, ViaState, via};

const DIR: &str = "/stick";

fn stick() -> FaultDisk {
    let disk = FaultDisk::new();
    disk.create_dir(Path::new(DIR)).unwrap();
    disk.sync(&["/".into(), DIR.into()]).unwrap();
    disk
}

/// A node with its own disk.
struct Node {
    name: NodeName,
    disk: FaultDisk,
    /// How many documents it has written.
    written: u32,
}

impl Node {
    fn new(name: &str) -> Node {
        Node { name: name.parse().unwrap(), disk: database().0, written: 0 }
    }

    /// Writes a document of its own on what it has.
    fn write(&mut self) {
        let db = reopen(&self.disk);
        let head = db.head().unwrap().1;
        self.written += 1;
        let start = 1000 * u32::from(self.name.as_str().as_bytes()[0]) + self.written;
        let head = with(&db, head, start..start + 1, self.name.as_str(), i64::from(self.written));
        set(&db, "main", head);
    }

    fn visit(&self, stick: &FaultDisk) -> Result<Via, Error> {
        let db = reopen(&self.disk);
        let disk: Arc<dyn Disk> = Arc::new(stick.clone());
        let request = ViaRequest { disk: &disk, dir: Path::new(DIR), name: &self.name, limits: FetchLimits::default() };
        let mut here = Here { db: &db, who: &ident(9), runner: &mut runner().unwrap(), listener: &mut () };
        via(&mut here, &request)
    }

    fn head(&self) -> Option<CommitId> {
        reopen(&self.disk).head().unwrap().1
    }

    /// How many documents it has.
    fn count(&self) -> usize {
        let db = reopen(&self.disk);
        let tree = db.tree_of(db.head().unwrap().1).unwrap();
        tree.documents(Default::default()).unwrap().map(Result::unwrap).count()
    }
}

fn nodes(count: usize) -> Vec<Node> {
    ["ann", "bo", "cy", "di"][..count].iter().map(|name| Node::new(name)).collect()
}

/// All meet until nobody has anything that another lacks: then all are the same.
fn assert_agreement(nodes: &[Node], stick: &FaultDisk) {
    for _ in 0..3 {
        for node in nodes {
            let came = node.visit(stick).unwrap();
            assert!(came.left.is_ok(), "{:?}", came.left);
        }
    }
    let written: u32 = nodes.iter().map(|node| node.written).sum();
    for node in nodes {
        assert_eq!(node.head(), nodes[0].head(), "{}", node.name);
        assert_eq!(node.count(), written as usize, "{}", node.name);
        assert_whole(&reopen(&node.disk), node.head().as_slice());
        let came = node.visit(stick).unwrap();
        assert_eq!(came.left.unwrap().commits, 0, "nobody lacks anything");
    }
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Event {
    Write(usize),
    Visit(usize),
    /// A visit in which the stick is pulled out after so many operations.
    PullOut(usize, u64),
    /// A visit in which the node's own power goes.
    PowerCut(usize, u64),
    /// A byte of a file on the stick changes.
    Damage(prop::sample::Index, usize),
    /// A file on the stick is cut short.
    Tear(prop::sample::Index, usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let node = || 0usize..3;
    let one = prop_oneof![
        4 => node().prop_map(Event::Write),
        6 => node().prop_map(Event::Visit),
        2 => (node(), 0u64..12).prop_map(|(node, at)| Event::PullOut(node, at)),
        2 => (node(), 0u64..60).prop_map(|(node, at)| Event::PowerCut(node, at)),
        1 => (any::<prop::sample::Index>(), 0usize..2000).prop_map(|(file, at)| Event::Damage(file, at)),
        1 => (any::<prop::sample::Index>(), 0usize..2000).prop_map(|(file, at)| Event::Tear(file, at)),
    ];
    prop::collection::vec(one, 1..24)
}

/// Changes a file of the stick.
fn bend(stick: &FaultDisk, file: prop::sample::Index, change: impl FnOnce(&mut Vec<u8>)) {
    let files = stick.list(Path::new(DIR)).unwrap();
    if files.is_empty() {
        return;
    }
    let path = Path::new(DIR).join(&file.get(&files).name);
    let mut bytes = stick.read(&path).unwrap();
    change(&mut bytes);
    stick.remove(&path).unwrap();
    stick.write_new(&path, &bytes, crate::disk::Access::ReadWrite).unwrap();
    stick.sync(&[path, DIR.into()]).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_happens_they_agree(events in events(), survivors in prop::sample::select(Survivors::all().collect::<Vec<_>>())) {
        let mut stick = stick();
        let mut nodes = nodes(3);
        for event in events {
            match event {
                Event::Write(node) => nodes[node].write(),
                Event::Visit(node) => {
                    nodes[node].visit(&stick).unwrap();
                }
                Event::PullOut(node, at) => {
                    stick.cut_at(at);
                    let _ = nodes[node].visit(&stick);
                    stick = stick.after_power_cut(survivors);
                }
                Event::PowerCut(node, at) => {
                    let node = &mut nodes[node];
                    node.disk.cut_at(at);
                    let _ = node.visit(&stick);
                    node.disk = node.disk.after_power_cut(survivors);
                }
                Event::Damage(file, at) => bend(&stick, file, |bytes| {
                    let at = at % bytes.len().max(1);
                    bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 4);
                }),
                Event::Tear(file, at) => bend(&stick, file, |bytes| bytes.truncate(at)),
            }
        }
        assert_agreement(&nodes, &stick);
    }
}

#[test]
fn little_goes_to_and_fro() {
    let stick = stick();
    let mut nodes = nodes(2);
    (0..40).for_each(|_| nodes[0].write());
    let first = nodes[0].visit(&stick).unwrap().left.unwrap();
    assert!(first.is_new && first.commits == 40, "{first:?}");
    nodes[1].visit(&stick).unwrap();
    assert_eq!(nodes[1].head(), nodes[0].head());
    nodes[1].write();
    let back = nodes[1].visit(&stick).unwrap().left.unwrap();
    assert_eq!(back.commits, 1);
    assert!(back.bytes < 600 && back.bytes < first.bytes / 3, "{back:?} after {first:?}");
    let came = nodes[0].visit(&stick).unwrap();
    assert!(matches!(came.files[1].state, ViaState::Taken(_)), "{came:?}");
    assert_eq!((came.merged.unwrap().head, came.left.unwrap().commits), (nodes[1].head().unwrap(), 0));
    // Read again, and nothing changes, on the stick neither.
    let before = stick.operations();
    let again = nodes[0].visit(&stick).unwrap();
    assert!(again.files.iter().all(|file| matches!(file.state, ViaState::Known)), "{again:?}");
    assert_eq!((again.left.unwrap().is_new, stick.operations()), (false, before));
}

#[test]
fn who_comes_first_with_nothing_says_so() {
    let stick = stick();
    let mut nodes = nodes(3);
    let came = nodes[1].visit(&stick).unwrap();
    assert_eq!((came.merged, came.left.unwrap().commits), (None, 0));
    nodes[0].write();
    let merged = nodes[0].visit(&stick).unwrap().merged.unwrap();
    assert_eq!((Some(merged.head), merged.is_new()), (nodes[0].head(), false));
    nodes[1].visit(&stick).unwrap();
    assert_eq!(nodes[1].head(), nodes[0].head());
    // All that are known have all by now: who is new gets all of it once they know of it.
    nodes[0].visit(&stick).unwrap();
    nodes[1].visit(&stick).unwrap();
    let came = nodes[2].visit(&stick).unwrap();
    let states: Vec<bool> = came.files.iter().map(|file| matches!(file.state, ViaState::Lacking { .. })).collect();
    assert_eq!((states, nodes[2].head()), (vec![true, true], None));
    nodes[0].visit(&stick).unwrap();
    nodes[2].visit(&stick).unwrap();
    assert_eq!(nodes[2].head(), nodes[0].head());
    assert_agreement(&nodes, &stick);
}

#[test]
fn files_of_others_are_left_alone() {
    let stick = stick();
    let mut nodes = nodes(2);
    nodes[0].write();
    nodes[0].visit(&stick).unwrap();
    let path = |name: &str| Path::new(DIR).join(name);
    let put = |name: &str, bytes: &[u8]| {
        stick.write_new(&path(name), bytes, crate::disk::Access::ReadWrite).unwrap();
    };
    let sound = stick.read(&path("ann.bundle")).unwrap();
    put("notes.txt", b"hello");
    put("strange.bundle", b"hello");
    put("bo.bundle", b"a file of somebody's");
    put(".hidden.bundle", b"hello");
    put("ann (1).bundle", &sound);
    put("cy.bundle.1-ab.part", b"half");
    put("bo.bundle.1-ab.part", b"half");
    stick.create_dir(&path("dir.bundle")).unwrap();
    let came = nodes[1].visit(&stick).unwrap();
    let names: Vec<&str> = came.files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(names, ["ann (1).bundle", "ann.bundle", "bo.bundle", "strange.bundle"]);
    assert!(matches!(came.files[0].state, ViaState::Taken(_)) && matches!(came.files[1].state, ViaState::Known));
    assert!(came.files[2..].iter().all(|file| matches!(file.state, ViaState::Refused(Error::Bundle(_)))), "{came:?}");
    assert_eq!(nodes[1].head(), nodes[0].head());
    let left: Vec<String> = stick.list(Path::new(DIR)).unwrap().into_iter().map(|entry| entry.name).collect();
    for name in ["notes.txt", "strange.bundle", ".hidden.bundle", "cy.bundle.1-ab.part", "dir.bundle"] {
        assert!(left.iter().any(|left| left == name), "{name} is gone: {left:?}");
    }
    assert!(!left.iter().any(|left| left == "bo.bundle.1-ab.part"), "{left:?}");
    let aside = left.iter().find(|name| name.starts_with("bo.bundle.") && name.ends_with(".bad")).unwrap();
    assert_eq!(stick.read(&path(aside)).unwrap(), b"a file of somebody's");
}

#[test]
fn two_nodes_of_one_name_lose_nothing() {
    let stick = stick();
    let mut nodes = [Node::new("ann"), Node::new("ann"), Node::new("bo")];
    nodes[1].written = 100;
    for _ in 0..4 {
        for node in &mut nodes {
            node.write();
            node.visit(&stick).unwrap();
        }
    }
    nodes[1].written -= 100;
    assert_agreement(&nodes, &stick);
}

#[test]
fn an_older_bundle_takes_nobody_back() {
    let [old, new] = [stick(), stick()];
    let mut nodes = nodes(2);
    nodes[0].write();
    nodes[0].visit(&old).unwrap();
    nodes[0].write();
    nodes[0].visit(&new).unwrap();
    nodes[1].visit(&new).unwrap();
    let tracking = || reopen(&nodes[1].disk).refs().list("refs/remotes/").unwrap();
    let before = tracking();
    assert_eq!((before.len(), before[0].0.as_str()), (1, "refs/remotes/ann/main"));
    let came = nodes[1].visit(&old).unwrap();
    assert!(matches!(came.files[0].state, ViaState::Known), "{came:?}");
    assert_eq!(tracking(), before);
}

#[test]
fn who_lost_what_it_had_gets_it_back() {
    let stick = stick();
    let mut nodes = nodes(2);
    nodes[0].write();
    nodes[0].visit(&stick).unwrap();
    nodes[1].visit(&stick).unwrap();
    let backup = nodes[1].disk.fork();
    nodes[1].write();
    nodes[1].visit(&stick).unwrap();
    nodes[1].disk = backup;
    // What is on the stick is what it lost.
    nodes[1].visit(&stick).unwrap();
    assert_agreement(&nodes, &stick);
    // One that lost all, and whose own file builds on what it lost, does not take that away from the others.
    nodes[1].write();
    nodes[1].visit(&stick).unwrap();
    stick.remove(&Path::new(DIR).join("ann.bundle")).unwrap();
    nodes[1].disk = database().0;
    let came = nodes[1].visit(&stick).unwrap();
    assert!(matches!(came.left, Err(Error::NotReplaced { .. })), "{came:?}");
    // It goes on under another name.
    nodes[1].name = "bo-2".parse().unwrap();
    assert_agreement(&nodes, &stick);
}
