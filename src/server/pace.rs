//! Who is too slow to be waited for: told by the bytes that went in the time in which a client was waited for, so that
//! neither a server that works nor a connection that rests counts against him.

use std::time::Duration;

use super::HttpLimits;

/// How fast a client has been of late.
#[derive(Debug)]
pub(super) struct Pace {
    least: u64,
    over: Duration,
    moved: u64,
    waited: Duration,
}

impl Pace {
    pub(super) fn new(limits: &HttpLimits) -> Pace {
        Pace { least: limits.least, over: limits.least_over, moved: 0, waited: Duration::ZERO }
    }

    /// So many bytes have come or gone.
    pub(super) fn moved(&mut self, len: usize) {
        self.moved = self.moved.saturating_add(len as u64);
    }

    /// How long may be waited before it is to be looked at again.
    pub(super) fn left(&self) -> Duration {
        self.over.saturating_sub(self.waited)
    }

    /// The client was waited for. Answers whether he is too slow: too little moved in all the time in which he was.
    pub(super) fn waited(&mut self, time: Duration) -> bool {
        self.waited += time;
        if self.waited < self.over {
            return false;
        }
        let is_slow = self.moved < self.least;
        (self.moved, self.waited) = (0, Duration::ZERO);
        is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace() -> Pace {
        let least_over = Duration::from_secs(600);
        Pace::new(&HttpLimits { least: 30_000, least_over, ..HttpLimits::default() })
    }

    #[test]
    fn who_moves_enough_may_take_for_ever() {
        let mut pace = pace();
        for _ in 0..1000 {
            pace.moved(2950);
            assert!(!pace.waited(Duration::from_secs(59)));
        }
    }

    #[test]
    fn who_does_not_is_cut_when_he_was_waited_for_so_long_and_not_before() {
        let mut pace = pace();
        for minute in 1..=10 {
            assert_eq!(pace.left(), Duration::from_secs(60 * (11 - minute)));
            pace.moved(2999);
            assert_eq!(pace.waited(Duration::from_secs(60)), minute == 10);
        }
        // It counts anew from there.
        assert_eq!(pace.left(), Duration::from_secs(600));
    }

    #[test]
    fn nobody_is_cut_where_nothing_is_asked() {
        let mut pace = Pace { least: 0, ..pace() };
        assert!(!pace.waited(Duration::from_secs(6000)));
    }
}
