//! Twenty nodes write without knowing of each other and meet at random, over paths, ssh and HTTP: all come to one commit.

use crate::support::serving::Serving;
use crate::support::{Ran, Sandbox, ssh};

/// How many nodes there are, and how often two of them meet by chance.
const NODES: usize = 20;
const MEETINGS: usize = 24;

struct Farm {
    sandbox: Sandbox,
    serving: Serving,
}

fn name(node: usize) -> String {
    format!("n{node}.isodb")
}

impl Farm {
    fn new() -> Farm {
        let sandbox = Sandbox::in_memory();
        ssh::install(&sandbox);
        let names: Vec<String> = (0..NODES).map(name).collect();
        for name in &names {
            sandbox.isodb(["init", name]).ok();
        }
        let mut args: Vec<&str> = names.iter().map(String::as_str).collect();
        args.push("-q");
        let serving = Serving::start(&sandbox, &args);
        Farm { sandbox, serving }
    }

    fn at(&self, node: usize, args: &[&str], input: &str) -> Ran {
        let mut command = self.sandbox.isodb_command(["--db", &name(node)].iter().chain(args));
        command.env("ISODB_AUTHOR_NAME", format!("Node {node}"));
        ssh::show(&self.sandbox, &mut command);
        crate::support::run(command, Some(input.as_bytes()))
    }

    /// One node comes to agree with another over a link of some kind.
    fn meet(&self, one: usize, other: usize, kind: usize) {
        let other = name(other);
        let url = match kind % 3 {
            0 => other,
            1 => ssh::url(&self.sandbox, &other),
            _ => format!("{}/{other}", self.serving.url),
        };
        let has_remote = self.at(one, &["remote", "set-url", "other", &url], "").code() == Some(0);
        if !has_remote {
            self.at(one, &["remote", "add", "other", &url], "").ok();
        }
        let ran = self.at(one, &["sync", "-q", "other"], "");
        // Conflicts may be left.
        assert!(matches!(ran.code(), Some(0 | 1)), "{url}: {}", ran.stderr());
    }

    fn head(&self, node: usize) -> String {
        self.at(node, &["rev-parse", "main"], "").ok().line()
    }
}

#[test]
fn twenty_nodes_come_to_one_commit() {
    let farm = Farm::new();
    let mut state = 7usize;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let write = |node: usize, round: usize| {
        let own = format!("{{\"key\":\"own/{node}/{round}\",\"value\":{round}}}\n");
        let shared = format!("{{\"key\":\"shared/{}\",\"value\":{{\"by\":{node}}}}}\n", node % 4);
        farm.at(node, &["apply", "-q", "--no-sync"], &(own + &shared)).ok();
    };
    (0..NODES).for_each(|node| write(node, 0));
    for meeting in 0..MEETINGS {
        let (one, by) = (random(NODES), random(NODES - 1));
        farm.meet(one, (one + 1 + by) % NODES, meeting);
        if meeting % 6 == 0 {
            write(random(NODES), 1 + meeting);
        }
    }
    // There and back: then everybody knows all.
    let way = (0..NODES - 1).chain((0..NODES - 2).rev());
    way.enumerate().for_each(|(at, node)| farm.meet(node, node + 1, at));
    let head = farm.head(0);
    for node in 1..NODES {
        assert_eq!(farm.head(node), head, "node {node}");
    }
    let own = farm.at(0, &["ls", "-r", "own"], "").ok().lines().len();
    assert_eq!(own, NODES + MEETINGS.div_ceil(6));
    assert_eq!(farm.at(0, &["conflicts", "--count"], "").status(1).line(), "4");
    farm.at(0, &["verify", "--merges", "-q"], "").ok();
    let checked = farm.sandbox.bash("git --git-dir=n0.isodb fsck --strict --full").ok();
    assert_eq!(checked.text() + &checked.stderr(), "");
}
