//! Where a run of changed lines stands that could stand elsewhere: beside what the other text changed, else last.
//!
//! In `a b a b`, of which two lines are new, it may be the first two, the middle or the last: a diff alone does not
//! tell. Both sides of a merge have to answer alike, and as git does.

use super::diff::Work;

/// A run of changed lines, maybe empty: there is one before, between and behind all lines that are not changed.
#[derive(Clone, Copy)]
struct Run {
    start: usize,
    end: usize,
}

impl Run {
    fn first(marks: &[bool]) -> Run {
        Run { start: 0, end: end_from(marks, 0) }
    }

    fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Goes to the next run; false when there is none.
    fn next(&mut self, marks: &[bool]) -> bool {
        if self.end == marks.len() {
            return false;
        }
        self.start = self.end + 1;
        self.end = end_from(marks, self.start);
        true
    }

    /// Goes to the run before; false when there is none.
    fn previous(&mut self, marks: &[bool]) -> bool {
        if self.start == 0 {
            return false;
        }
        self.end = self.start - 1;
        self.start = start_from(marks, self.end);
        true
    }

    /// Moves up by a line where that changes nothing but the place, and takes in a run that it meets.
    fn up(&mut self, lines: &[u32], marks: &mut [bool]) -> bool {
        if self.start == 0 || lines[self.start - 1] != lines[self.end - 1] {
            return false;
        }
        (marks[self.start - 1], marks[self.end - 1]) = (true, false);
        self.end -= 1;
        self.start = start_from(marks, self.start - 1);
        true
    }

    /// Moves down by a line.
    fn down(&mut self, lines: &[u32], marks: &mut [bool]) -> bool {
        if self.end == lines.len() || lines[self.start] != lines[self.end] {
            return false;
        }
        (marks[self.start], marks[self.end]) = (false, true);
        self.start += 1;
        self.end = end_from(marks, self.end + 1);
        true
    }
}

fn end_from(marks: &[bool], from: usize) -> usize {
    from + marks[from..].iter().take_while(|mark| **mark).count()
}

fn start_from(marks: &[bool], from: usize) -> usize {
    from - marks[..from].iter().rev().take_while(|mark| **mark).count()
}

/// Puts each run of a text's changed lines in its place. `other` marks the changed lines of the other text. `None` when
/// it takes too much work.
pub(super) fn slide(lines: &[u32], marks: &mut [bool], other: &[bool], work: &mut Work) -> Option<()> {
    // Both go through their runs in step: as many unchanged lines stand before the one as before the other.
    let (mut run, mut beside) = (Run::first(marks), Run::first(other));
    loop {
        work.spend(1)?;
        if !run.is_empty() {
            place(&mut run, &mut beside, lines, marks, other, work)?;
        }
        if !run.next(marks) || !beside.next(other) {
            return Some(());
        }
    }
}

fn place(
    run: &mut Run,
    beside: &mut Run,
    lines: &[u32],
    marks: &mut [bool],
    other: &[bool],
    work: &mut Work,
) -> Option<()> {
    let (mut highest, mut has_match);
    loop {
        let len = run.end - run.start;
        while run.up(lines, marks) {
            beside.previous(other);
            work.spend(1)?;
        }
        highest = run.end;
        has_match = !beside.is_empty();
        while run.down(lines, marks) {
            beside.next(other);
            work.spend(1)?;
            has_match |= !beside.is_empty();
        }
        // Taking in another run may have opened the way further up.
        if run.end - run.start == len {
            break;
        }
    }
    if run.end != highest && has_match {
        while beside.is_empty() && run.up(lines, marks) {
            beside.previous(other);
            work.spend(1)?;
        }
    }
    Some(())
}
