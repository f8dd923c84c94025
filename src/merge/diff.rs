//! What a side changed, line by line: the shortest script by Myers, with the shortcuts that git takes, so that a merge
//! by text is git's merge.
//!
//! All work is counted. Two texts that take too much of it have no diff, on every machine alike.

use std::ops::Range;

use super::slide;

/// A run as long as this is a good place to cut a search that has become expensive.
const SNAKE: isize = 20;

/// From this cost on, a search looks for such a place.
const HEURISTIC_COST: isize = 256;

/// A search gives up being minimal at a cost of about the root of the number of lines, but never below this.
const LEAST_MAX_COST: isize = 256;

/// A line that the other text has so often, or about as often as the root of its number of lines, counts as common.
const COMMON: usize = 1024;

/// How far around a common line its neighbours are looked at.
const WINDOW: usize = 100;

/// How many steps one diff may take: a fraction of a second.
pub(super) const MAX_WORK: u64 = 1 << 26;

/// Lines of base, and the lines of the side that stand there instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) base: Range<usize>,
    pub(super) side: Range<usize>,
}

/// What is left of the steps that a diff may take.
pub(super) struct Work(u64);

impl Work {
    pub(super) fn new() -> Work {
        Work(MAX_WORK)
    }

    /// Counts steps; `None` when there are no more.
    pub(super) fn spend(&mut self, steps: usize) -> Option<()> {
        self.0 = self.0.checked_sub(steps as u64)?;
        Some(())
    }
}

/// The hunks that make `side` of `base`, each line given by its number in a list of `count` different ones; between two
/// hunks is a line at least. `None` when that takes too much work.
pub(super) fn hunks(base: &[u32], side: &[u32], count: usize, work: &mut Work) -> Option<Vec<Hunk>> {
    let (mut removed, mut added) = (vec![false; base.len()], vec![false; side.len()]);
    let (one, two) = relevant(base, side, count, [&mut removed, &mut added], work)?;
    let mut search = Search::new(&one.lines, &two.lines);
    let mut todo = vec![(Area { one: 0..one.lines.len(), two: 0..two.lines.len() }, false)];
    while let Some((area, is_minimal)) = todo.pop() {
        let area = search.strip(area);
        work.spend(area.one.len().min(area.two.len()) + 1)?;
        if area.one.is_empty() || area.two.is_empty() {
            one.places[area.one].iter().for_each(|&place| removed[place] = true);
            two.places[area.two].iter().for_each(|&place| added[place] = true);
            continue;
        }
        let cut = search.cut(&area, is_minimal, work)?;
        let Area { one, two } = area;
        todo.push((Area { one: one.start..cut.one, two: two.start..cut.two }, cut.is_start_minimal));
        todo.push((Area { one: cut.one..one.end, two: cut.two..two.end }, cut.is_end_minimal));
    }
    slide::slide(base, &mut removed, &added, work)?;
    slide::slide(side, &mut added, &removed, work)?;
    Some(in_order(&removed, &added))
}

/// The lines of a text that a search looks at, and where they stand.
struct Relevant {
    lines: Vec<u32>,
    places: Vec<usize>,
}

/// Leaves out the common start and end, the lines that the other text does not have, and those common lines that stand
/// among such: they would only mislead the search. All but the ends are marked as changed.
fn relevant(
    base: &[u32],
    side: &[u32],
    count: usize,
    changed: [&mut [bool]; 2],
    work: &mut Work,
) -> Option<(Relevant, Relevant)> {
    let start = base.iter().zip(side).take_while(|(one, two)| one == two).count();
    let ends = base[start..].iter().rev().zip(side[start..].iter().rev());
    let end = ends.take_while(|(one, two)| one == two).count();
    let mut counts = [vec![0_u32; count], vec![0_u32; count]];
    for (counts, text) in counts.iter_mut().zip([base, side]) {
        text.iter().for_each(|&line| counts[line as usize] += 1);
    }
    let [in_base, in_side] = counts;
    let [removed, added] = changed;
    let one = relevant_lines(base, start..base.len() - end, &in_side, removed, work)?;
    let two = relevant_lines(side, start..side.len() - end, &in_base, added, work)?;
    Some((one, two))
}

/// How often the other text has a line.
#[derive(Clone, Copy, PartialEq)]
enum Often {
    Never,
    Sometimes,
    Commonly,
}

fn relevant_lines(
    text: &[u32],
    range: Range<usize>,
    in_other: &[u32],
    changed: &mut [bool],
    work: &mut Work,
) -> Option<Relevant> {
    let limit = rough_root(text.len()).min(COMMON);
    let often: Vec<Often> = text[range.clone()]
        .iter()
        .map(|&line| match in_other[line as usize] as usize {
            0 => Often::Never,
            count if count >= limit => Often::Commonly,
            _ => Often::Sometimes,
        })
        .collect();
    let mut relevant = Relevant { lines: Vec::new(), places: Vec::new() };
    for (at, &frequency) in often.iter().enumerate() {
        let place = range.start + at;
        if frequency == Often::Sometimes || (frequency == Often::Commonly && !misleads(&often, at, work)?) {
            relevant.lines.push(text[place]);
            relevant.places.push(place);
        } else {
            changed[place] = true;
        }
    }
    Some(relevant)
}

/// Whether a common line stands between lines that the other text does not have, with few common ones among them.
fn misleads(often: &[Often], at: usize, work: &mut Work) -> Option<bool> {
    let before = often[at.saturating_sub(WINDOW)..at].iter().rev();
    let after = often[at + 1..].iter().take(WINDOW);
    let (never, common) = run(before, work)?;
    if never == 0 {
        return Some(false);
    }
    let (never_after, common_after) = run(after, work)?;
    // The line itself counts on both sides.
    let common = common + common_after + 2;
    Some(never_after > 0 && common * 4 < common + never + never_after)
}

/// How many lines the other text never or commonly has, until one that it has sometimes.
fn run<'o>(often: impl Iterator<Item = &'o Often>, work: &mut Work) -> Option<(usize, usize)> {
    let (mut never, mut common) = (0, 0);
    for frequency in often {
        match frequency {
            Often::Never => never += 1,
            Often::Commonly => common += 1,
            Often::Sometimes => break,
        }
    }
    work.spend(never + common)?;
    Some((never, common))
}

/// A power of two near the root.
fn rough_root(number: usize) -> usize {
    1 << (usize::BITS - number.leading_zeros()).div_ceil(2)
}

/// A part of the one text beside a part of the other.
#[derive(Clone, Debug)]
struct Area {
    one: Range<usize>,
    two: Range<usize>,
}

/// Where a box is cut in two, each to be searched on its own, and whether that still leads to the shortest script.
struct Cut {
    one: usize,
    two: usize,
    is_start_minimal: bool,
    is_end_minimal: bool,
}

/// The search for a middle of the shortest script, from both ends.
struct Search<'t> {
    one: &'t [u32],
    two: &'t [u32],
    forward: Reach,
    backward: Reach,
    max_cost: isize,
}

/// How far one of both directions has come, for each diagonal: the place in the first text. A diagonal is the
/// difference of the places in both.
struct Reach {
    places: Vec<isize>,
    zero: isize,
    first: isize,
    last: isize,
}

impl Reach {
    fn new(one: usize, two: usize) -> Reach {
        Reach { places: vec![0; one + two + 3], zero: two as isize + 1, first: 0, last: 0 }
    }

    fn start(&mut self, diagonal: isize, place: isize) {
        (self.first, self.last) = (diagonal, diagonal);
        self.set(diagonal, place);
    }

    fn at(&self, diagonal: isize) -> isize {
        self.places[(self.zero + diagonal) as usize]
    }

    fn set(&mut self, diagonal: isize, place: isize) {
        self.places[(self.zero + diagonal) as usize] = place;
    }

    /// One diagonal more at both ends, or one less where the box ends; `outside` is where no place is better.
    fn widen(&mut self, min: isize, max: isize, outside: isize) {
        if self.first > min {
            self.first -= 1;
            self.set(self.first - 1, outside);
        } else {
            self.first += 1;
        }
        if self.last < max {
            self.last += 1;
            self.set(self.last + 1, outside);
        } else {
            self.last -= 1;
        }
    }

    fn has(&self, diagonal: isize) -> bool {
        (self.first..=self.last).contains(&diagonal)
    }

    /// The diagonals of this round, from the last.
    fn diagonals(&self) -> impl Iterator<Item = isize> + use<> {
        (self.first..=self.last).rev().step_by(2)
    }
}

/// A box's edges as the search counts.
#[derive(Clone, Copy)]
struct Edges {
    one: (isize, isize),
    two: (isize, isize),
}

impl<'t> Search<'t> {
    fn new(one: &'t [u32], two: &'t [u32]) -> Search<'t> {
        let reach = || Reach::new(one.len(), two.len());
        let max_cost = (rough_root(one.len() + two.len() + 3) as isize).max(LEAST_MAX_COST);
        Search { one, two, forward: reach(), backward: reach(), max_cost }
    }

    /// The box without the lines that both parts have at their start and end.
    fn strip(&self, area: Area) -> Area {
        let (one, two) = (&self.one[area.one.clone()], &self.two[area.two.clone()]);
        let start = one.iter().zip(two).take_while(|(one, two)| one == two).count();
        let end = one[start..].iter().rev().zip(two[start..].iter().rev()).take_while(|(one, two)| one == two).count();
        Area { one: area.one.start + start..area.one.end - end, two: area.two.start + start..area.two.end - end }
    }

    /// Where to cut a box whose parts are not empty and differ at both ends.
    fn cut(&mut self, area: &Area, is_minimal: bool, work: &mut Work) -> Option<Cut> {
        let range = |range: &Range<usize>| (range.start as isize, range.end as isize);
        let edges = Edges { one: range(&area.one), two: range(&area.two) };
        let (min, max) = (edges.one.0 - edges.two.1, edges.one.1 - edges.two.0);
        let (start, end) = (edges.one.0 - edges.two.0, edges.one.1 - edges.two.1);
        let is_odd = (start - end) % 2 != 0;
        self.forward.start(start, edges.one.0);
        self.backward.start(end, edges.one.1);
        for cost in 1.. {
            let mut has_snake = false;
            self.forward.widen(min, max, -1);
            for diagonal in self.forward.diagonals() {
                let (place, run) = self.forward_step(diagonal, &edges);
                work.spend(run as usize + 1)?;
                has_snake |= run > SNAKE;
                self.forward.set(diagonal, place);
                if is_odd && self.backward.has(diagonal) && self.backward.at(diagonal) <= place {
                    return Some(Cut::at(place, diagonal, true, true));
                }
            }
            self.backward.widen(min, max, isize::MAX / 2);
            for diagonal in self.backward.diagonals() {
                let (place, run) = self.backward_step(diagonal, &edges);
                work.spend(run as usize + 1)?;
                has_snake |= run > SNAKE;
                self.backward.set(diagonal, place);
                if !is_odd && self.forward.has(diagonal) && place <= self.forward.at(diagonal) {
                    return Some(Cut::at(place, diagonal, true, true));
                }
            }
            if is_minimal {
                continue;
            }
            if has_snake && cost > HEURISTIC_COST {
                let cut = self.forward_snake(start, cost, &edges).or_else(|| self.backward_snake(end, cost, &edges));
                if cut.is_some() {
                    return cut;
                }
            }
            if cost >= self.max_cost {
                return Some(self.furthest(&edges));
            }
        }
        None
    }

    /// One step forward on a diagonal, and along it as long as the lines are the same: where that ends, how long it
    /// was.
    fn forward_step(&self, diagonal: isize, edges: &Edges) -> (isize, isize) {
        let (below, above) = (self.forward.at(diagonal - 1), self.forward.at(diagonal + 1));
        let place = if below >= above { below + 1 } else { above };
        let other = place - diagonal;
        if place >= edges.one.1 || other >= edges.two.1 {
            return (place, 0);
        }
        let one = &self.one[place as usize..edges.one.1 as usize];
        let two = &self.two[other as usize..edges.two.1 as usize];
        let run = one.iter().zip(two).take_while(|(one, two)| one == two).count() as isize;
        (place + run, run)
    }

    /// The same from the end.
    fn backward_step(&self, diagonal: isize, edges: &Edges) -> (isize, isize) {
        let (below, above) = (self.backward.at(diagonal - 1), self.backward.at(diagonal + 1));
        let place = if below < above { below } else { above - 1 };
        let other = place - diagonal;
        if place <= edges.one.0 || other <= edges.two.0 {
            return (place, 0);
        }
        let one = &self.one[edges.one.0 as usize..place as usize];
        let two = &self.two[edges.two.0 as usize..other as usize];
        let run = one.iter().rev().zip(two.iter().rev()).take_while(|(one, two)| one == two).count() as isize;
        (place - run, run)
    }

    /// The end of a long run that the search from the start has come to, far away from it and not far from its
    /// diagonal.
    fn forward_snake(&self, start: isize, cost: isize, edges: &Edges) -> Option<Cut> {
        let mut best = (4 * cost, None);
        for diagonal in self.forward.diagonals() {
            let place = self.forward.at(diagonal);
            let other = place - diagonal;
            let gain = (place - edges.one.0) + (other - edges.two.0) - (diagonal - start).abs();
            let is_inside = (edges.one.0 + SNAKE..edges.one.1).contains(&place)
                && (edges.two.0 + SNAKE..edges.two.1).contains(&other);
            if gain > best.0 && is_inside && self.is_run(place - SNAKE, other - SNAKE) {
                best = (gain, Some(Cut::at(place, diagonal, true, false)));
            }
        }
        best.1
    }

    /// The same for the search from the end.
    fn backward_snake(&self, end: isize, cost: isize, edges: &Edges) -> Option<Cut> {
        let mut best = (4 * cost, None);
        for diagonal in self.backward.diagonals() {
            let place = self.backward.at(diagonal);
            let other = place - diagonal;
            let gain = (edges.one.1 - place) + (edges.two.1 - other) - (diagonal - end).abs();
            let is_inside = (edges.one.0 + 1..=edges.one.1 - SNAKE).contains(&place)
                && (edges.two.0 + 1..=edges.two.1 - SNAKE).contains(&other);
            if gain > best.0 && is_inside && self.is_run(place, other) {
                best = (gain, Some(Cut::at(place, diagonal, false, true)));
            }
        }
        best.1
    }

    fn is_run(&self, one: isize, two: isize) -> bool {
        let (one, two, len) = (one as usize, two as usize, SNAKE as usize);
        self.one[one..one + len] == self.two[two..two + len]
    }

    /// The place that is furthest from where its search began: the search has become too expensive.
    fn furthest(&self, edges: &Edges) -> Cut {
        let (mut forward, mut backward) = ((-1, 0), (isize::MAX, 0));
        for diagonal in self.forward.diagonals() {
            let place = self.forward.at(diagonal).min(edges.one.1).min(edges.two.1 + diagonal);
            if 2 * place - diagonal > forward.0 {
                forward = (2 * place - diagonal, place);
            }
        }
        for diagonal in self.backward.diagonals() {
            let place = self.backward.at(diagonal).max(edges.one.0).max(edges.two.0 + diagonal);
            if 2 * place - diagonal < backward.0 {
                backward = (2 * place - diagonal, place);
            }
        }
        if edges.one.1 + edges.two.1 - backward.0 < forward.0 - (edges.one.0 + edges.two.0) {
            Cut::at(forward.1, 2 * forward.1 - forward.0, true, false)
        } else {
            Cut::at(backward.1, 2 * backward.1 - backward.0, false, true)
        }
    }
}

impl Cut {
    fn at(place: isize, diagonal: isize, is_start_minimal: bool, is_end_minimal: bool) -> Cut {
        Cut { one: place as usize, two: (place - diagonal) as usize, is_start_minimal, is_end_minimal }
    }
}

/// The hunks that the marks of changed lines make.
fn in_order(removed: &[bool], added: &[bool]) -> Vec<Hunk> {
    let run = |marks: &[bool]| marks.iter().take_while(|mark| **mark).count();
    let mut hunks = Vec::new();
    let (mut one, mut two) = (0, 0);
    while one < removed.len() || two < added.len() {
        let (out, new) = (run(&removed[one..]), run(&added[two..]));
        if out + new == 0 {
            (one, two) = (one + 1, two + 1);
        } else {
            hunks.push(Hunk { base: one..one + out, side: two..two + new });
            (one, two) = (one + out, two + new);
        }
    }
    hunks
}
