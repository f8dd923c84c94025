//! What the nodes of a simulation do, decided before any of it is done: who writes what and who meets whom. Steps do not
//! depend on each other, so any of them can be left out when a failing run is made shorter.

use super::random::Random;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A node makes a commit.
    Write {
        /// Which node.
        node: usize,
        /// Which documents change, by their numbers.
        documents: Vec<usize>,
        /// Decides how they change.
        seed: u64,
        /// What the node's clock says, in seconds since 1970.
        time: i64,
    },
    /// A node takes in another's head.
    Meet {
        /// Which node.
        node: usize,
        /// The other one.
        with: usize,
        /// What the other one takes in of the first.
        back: Back,
    },
}

/// What the other node takes in when two meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Back {
    Nothing,
    /// The head that the first node had before: both merged at once.
    Old,
    /// The head that it has now.
    New,
}

/// When a simulation starts, in seconds since 1970.
pub(super) const START: i64 = 1_600_000_000;

/// How far the clocks of nodes are apart, in seconds: three days.
const SKEW: usize = 3 * 24 * 60 * 60;

/// How many documents at a time most writes go to, so that nodes meet with different changes of the same ones.
const HOT: usize = 6;

/// The steps of so many rounds.
pub(super) fn plan(nodes: usize, rounds: usize, documents: usize, seed: u64) -> Vec<Step> {
    let mut random = Random::new(seed);
    let skews: Vec<i64> = (0..nodes).map(|_| random.below(SKEW) as i64).collect();
    // Nodes of different groups cannot meet.
    let mut groups = vec![0; nodes];
    let mut steps = Vec::new();
    for round in 0..rounds {
        if random.percent(40) {
            let count = 1 + random.below(nodes.min(3));
            groups.iter_mut().for_each(|group| *group = random.below(count));
        }
        let hot = round / 4 * (HOT / 2);
        for (node, skew) in skews.iter().enumerate() {
            if !random.percent(60) {
                continue;
            }
            let mut chosen: Vec<usize> = (0..=random.below(3))
                .map(|_| if random.percent(75) { hot + random.below(HOT) } else { random.below(documents) })
                .map(|document| document % documents)
                .collect();
            chosen.sort_unstable();
            chosen.dedup();
            let time = START + round as i64 * 60 + skew;
            steps.push(Step::Write { node, documents: chosen, seed: random.next(), time });
        }
        for _ in 0..=random.below(nodes / 2 + 1) {
            let node = random.below(nodes);
            let others: Vec<usize> = (0..nodes).filter(|&with| with != node && groups[with] == groups[node]).collect();
            if !others.is_empty() {
                let back = *random.one(&[Back::Nothing, Back::Old, Back::New]);
                steps.push(Step::Meet { node, with: *random.one(&others), back });
            }
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_a_function_of_its_seed_and_stays_in_range() {
        let steps = plan(3, 40, 5, 9);
        assert_eq!(steps, plan(3, 40, 5, 9));
        assert_ne!(steps, plan(3, 40, 5, 10));
        let mut seen = [false; 5];
        for step in &steps {
            match step {
                Step::Write { node, documents, time, .. } => {
                    assert!(*node < 3 && !documents.is_empty() && *time >= START);
                    documents.iter().for_each(|&document| seen[document] = true);
                }
                Step::Meet { node, with, .. } => assert!(*node < 3 && *with < 3 && node != with),
            }
        }
        assert_eq!(seen, [true; 5]);
        assert!(steps.iter().any(|step| matches!(step, Step::Meet { back: Back::Old, .. })));
    }

    #[test]
    fn one_node_meets_nobody() {
        assert!(plan(1, 20, 1, 1).iter().all(|step| matches!(step, Step::Write { .. })));
    }
}
