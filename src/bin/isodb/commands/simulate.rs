//! `isodb simulate`: the merge rules tried out by nodes that write and meet at random.

use anyhow::Result;
use isodb::{
    CommitId, Place, SimulateOptions, Simulation, SimulationEvent as Event, SimulationFailure, SimulationStage,
};
use serde_json::{Value, json};

use crate::complete;
use crate::context::Context;
use crate::error::Failure;
use crate::output::Output;
use crate::progress::Progress;

/// How much of a content is shown, in characters.
const SHOWN: usize = 80;

/// Try the merge rules out: nodes in memory write and meet at random
///
/// The nodes have some of the database's documents, those that rules name first, and all of its rules and scripts. They
/// change, delete and resolve documents, are parted, meet in pairs, and in the end all meet in several orders. Nodes that
/// know the same commits must have the same head all along, a merge that is made again must be the same, and no version
/// may be gone that nobody took away. The database is not touched.
///
/// When something does not hold, the shortest run is printed in which it does not, and the exit status is 1. The same seed
/// gives the same run.
///
/// With --json, it prints {"nodes","rounds","seed","documents","commits","merges","conflicts","failure"}: how many commits
/// and merges were made, how many documents were in conflict in the end, and null or {"what","steps","events"}: what does
/// not hold, after how many steps that was found, and the shortest run. An event is {"at","wrote","old","new","resolves"},
/// {"at","took","head"} or {"at","began"}.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  isodb simulate
  isodb simulate --nodes 5 --rounds 200 --seed 7")]
pub(crate) struct Args {
    /// How many nodes
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=64))]
    nodes: u16,
    /// How many rounds of writing and meeting
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// What decides about all that is random [default: the clock]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// With how many documents at most
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    documents: u32,
    /// The documents and rules of this commit in place of the head's
    #[arg(long, value_name = "REV", add = complete::revisions())]
    at: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(context: &Context, args: Args) -> Result<()> {
    let db = context.database()?;
    let tree = super::tree_at(&db, args.at.as_deref())?;
    let options = SimulateOptions {
        nodes: usize::from(args.nodes),
        rounds: args.rounds as usize,
        seed: args.seed.unwrap_or_else(|| context.seed()),
        documents: args.documents as usize,
    };
    let mut runner = context.runner()?;
    let mut bar: Option<(SimulationStage, Progress)> = None;
    let simulation = db.simulate(tree, &options, &mut runner, &mut |stage, done, total| {
        if bar.as_ref().is_none_or(|(of, _)| *of != stage) {
            // The bar of the stage before goes first.
            bar = None;
            let noun = match stage {
                SimulationStage::Playing => "steps",
                SimulationStage::Shortening => "shorter runs",
            };
            bar = Some((stage, Progress::new(context, noun)));
        }
        if let Some((_, bar)) = &mut bar {
            bar.set(done, Some(total));
        }
    })?;
    drop(bar);
    let mut out = Output::new(context);
    if args.json {
        out.json(&as_json(&options, &simulation))?;
    } else {
        let style = out.style();
        let key = |key: &str| style.key(key).into_owned();
        for line in told(&options, &simulation, &|commit| style.id(commit), &key) {
            out.record(&line)?;
        }
    }
    out.finish()?;
    if simulation.failure.is_some() { Err(Failure::no().into()) } else { Ok(()) }
}

/// What a person reads, line by line.
fn told(
    options: &SimulateOptions,
    simulation: &Simulation,
    id: &dyn Fn(CommitId) -> String,
    key: &dyn Fn(&str) -> String,
) -> Vec<String> {
    let SimulateOptions { nodes, rounds, seed, .. } = options;
    let Simulation { documents, writes, merges, conflicts, failure } = simulation;
    let run = format!("{nodes} nodes, {rounds} rounds, seed {seed}");
    let Some(SimulationFailure { finding, events, steps }) = failure else {
        let are = if *conflicts == 1 { "is" } else { "are" };
        return vec![format!(
            "{run}: after {writes} commits and {merges} merges all agree; {conflicts} of {documents} documents {are} in conflict"
        )];
    };
    let mut lines = vec![format!("{run}: it fails after {steps} steps; the shortest run found that does:")];
    for (at, event) in events.iter().enumerate() {
        let text = match event {
            Event::Wrote { place, key: of, old, new, is_resolution } => {
                let what = if *is_resolution { "resolves" } else { "writes" };
                let of = key(&of.text());
                format!("{place} {what} {of}: {} -> {}", shown(old.as_deref()), shown(new.as_deref()))
            }
            Event::Merged { place, with, head } => format!("{place} takes in {with}, and is at {}", id(*head)),
            Event::Began { place, with } => format!("{place} begins with the head of {with}"),
        };
        lines.push(format!("{:3}. {text}", at + 1));
    }
    lines.push(finding.to_string());
    lines
}

/// A content in one line.
fn shown(content: Option<&[u8]>) -> String {
    let Some(content) = content else { return "nothing".into() };
    let text = String::from_utf8_lossy(content);
    let line: String = text.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if line.chars().count() < text.trim_end().chars().count() { format!("{line}…") } else { line }
}

fn as_json(options: &SimulateOptions, simulation: &Simulation) -> Value {
    let SimulateOptions { nodes, rounds, seed, .. } = options;
    let Simulation { documents, writes, merges, conflicts, failure } = simulation;
    let failure = failure.as_ref().map(|SimulationFailure { finding, events, steps }| {
        let events: Vec<Value> = events.iter().map(event_json).collect();
        json!({"what": finding.to_string(), "steps": steps, "events": events})
    });
    json!({
        "nodes": nodes, "rounds": rounds, "seed": seed, "documents": documents, "commits": writes, "merges": merges,
        "conflicts": conflicts, "failure": failure,
    })
}

fn event_json(event: &Event) -> Value {
    let text =
        |content: &Option<Vec<u8>>| content.as_ref().map(|content| String::from_utf8_lossy(content).into_owned());
    let name = |place: &Place| place.to_string();
    match event {
        Event::Wrote { place, key, old, new, is_resolution } => json!({
            "at": name(place), "wrote": key.text(), "old": text(old), "new": text(new), "resolves": is_resolution,
        }),
        Event::Merged { place, with, head } => {
            json!({"at": name(place), "took": name(with), "head": head.to_string()})
        }
        Event::Began { place, with } => json!({"at": name(place), "began": name(with)}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodb::{Id, SimulationFinding};

    fn failed() -> (SimulateOptions, Simulation) {
        let options = SimulateOptions { nodes: 2, rounds: 9, seed: 4, documents: 5 };
        let commit = |byte: u8| CommitId(Id::from_bytes([byte; 32]));
        let (one, two, meeting) = (Place::Node(1), Place::Node(2), Place::Meeting(1));
        let key: isodb::Key = "a".parse().unwrap();
        let wrote = |old: Option<&str>, new: Option<&str>, is_resolution| Event::Wrote {
            place: one,
            key: key.clone(),
            old: old.map(|text| text.as_bytes().to_vec()),
            new: new.map(|text| text.as_bytes().to_vec()),
            is_resolution,
        };
        let events = vec![
            wrote(Some("x\ny\n"), Some(&"z".repeat(81)), false),
            wrote(Some("1"), None, true),
            Event::Merged { place: two, with: one, head: commit(0x12) },
            Event::Began { place: meeting, with: two },
        ];
        let finding = SimulationFinding::Lost { key: key.clone(), version: None };
        let failure = Some(SimulationFailure { finding, events, steps: 17 });
        (options, Simulation { documents: 5, writes: 8, merges: 7, conflicts: 0, failure })
    }

    #[test]
    fn a_failing_run_is_told_step_by_step() {
        let (options, simulation) = failed();
        let lines = told(&options, &simulation, &|id| id.to_string()[..4].to_owned(), &str::to_owned);
        let long = format!("  1. node 1 writes a: x y -> {}…", "z".repeat(80));
        let expected = [
            "2 nodes, 9 rounds, seed 4: it fails after 17 steps; the shortest run found that does:",
            &long,
            "  2. node 1 resolves a: 1 -> nothing",
            "  3. node 2 takes in node 1, and is at 1212",
            "  4. meeting 1 begins with the head of node 2",
            "the deletion of \"a\" is gone, and nobody took it back",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_failing_run_is_json_too() {
        let (options, simulation) = failed();
        let json = as_json(&options, &simulation);
        let events = json["failure"]["events"].as_array().unwrap();
        assert_eq!(events[1], json!({"at": "node 1", "wrote": "a", "old": "1", "new": null, "resolves": true}));
        assert_eq!(events[3], json!({"at": "meeting 1", "began": "node 2"}));
        assert_eq!((&json["failure"]["steps"], &json["seed"]), (&json!(17), &json!(4)));
    }
}
