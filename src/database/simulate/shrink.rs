//! Making a failing run shorter: what can be left out, and it still fails, is left out.

use super::plan::Step;

/// The most runs that are tried.
pub(super) const TRIES: usize = 400;

/// The shortest run that is found. `fails` plays one; it is asked at most [`TRIES`] times.
///
/// # Errors
/// Those of `fails`.
pub(super) fn shrink<E>(
    mut steps: Vec<Step>,
    fails: &mut dyn FnMut(&[Step]) -> Result<bool, E>,
) -> Result<Vec<Step>, E> {
    let mut tries = TRIES;
    let mut holds_less = |steps: &[Step]| {
        if tries == 0 {
            return Ok(false);
        }
        tries -= 1;
        fails(steps)
    };
    let mut size = steps.len().div_ceil(2);
    loop {
        // From the end: what comes late depends on most and is needed least.
        let before = steps.len();
        let mut end = steps.len();
        while end > 0 {
            let start = end.saturating_sub(size);
            let mut shorter = steps.clone();
            shorter.drain(start..end);
            if holds_less(&shorter)? {
                steps = shorter;
            }
            end = start;
        }
        if size <= 1 && steps.len() == before {
            break;
        }
        size = (size / 2).max(1);
    }
    for at in 0..steps.len() {
        let mut document = 0;
        while let Some(shorter) = without_document(&steps, at, document) {
            if holds_less(&shorter)? {
                steps = shorter;
            } else {
                document += 1;
            }
        }
    }
    Ok(steps)
}

/// The steps where one write has a document less, if it has that one and another.
fn without_document(steps: &[Step], at: usize, document: usize) -> Option<Vec<Step>> {
    let mut steps = steps.to_vec();
    match &mut steps[at] {
        Step::Write { documents, .. } if documents.len() > 1 && document < documents.len() => {
            documents.remove(document);
            Some(steps)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Back, plan};
    use super::*;

    fn writes(steps: &[Step], node: usize, document: usize) -> bool {
        steps.iter().any(|step| {
            matches!(step, Step::Write { node: of, documents, .. } if *of == node && documents.contains(&document))
        })
    }

    #[test]
    fn what_is_not_needed_is_left_out() {
        let steps = plan(4, 60, 12, 5);
        // It fails where two nodes write one document and one of them meets anybody at once.
        let mut fails = |steps: &[Step]| -> Result<bool, ()> {
            let meets = steps.iter().any(|step| matches!(step, Step::Meet { node: 1, back: Back::Old, .. }));
            Ok(meets && writes(steps, 1, 2) && writes(steps, 3, 2))
        };
        assert_eq!(fails(&steps), Ok(true));
        let found = shrink(steps, &mut fails).unwrap();
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|step| !matches!(step, Step::Write { documents, .. } if documents.len() > 1)));
    }

    #[test]
    fn a_run_that_needs_all_stays_and_the_tries_are_bounded() {
        let steps = plan(5, 400, 50, 6);
        let (whole, mut asked) = (steps.len(), 0);
        let found = shrink(steps, &mut |steps| -> Result<bool, ()> {
            asked += 1;
            Ok(steps.len() == whole)
        });
        assert_eq!(found.map(|found| found.len()), Ok(whole));
        assert_eq!(asked, TRIES);
        assert_eq!(shrink(plan(2, 9, 2, 1), &mut |_| Err("no")), Err("no"));
    }
}
