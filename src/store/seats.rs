//! Values of which each thread has one to itself, so that threads which work side by side neither wait for each other
//! nor take each other's cache lines.

use std::sync::atomic::{AtomicU32, Ordering};

/// So many threads have values of their own; those beyond share with them.
const SEATS: usize = 8;

/// A value for each thread that is at work.
#[derive(Debug, Default)]
pub(super) struct Seats<T>([Apart<T>; SEATS]);

/// Processors fetch two cache lines at a time.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T> Seats<T> {
    /// This thread's. Another thread may have it too.
    pub(super) fn mine(&self) -> &T {
        thread_local! {
            static SEAT: Seat = Seat::take();
        }
        // At the very end of a thread it has no seat any more.
        let number = SEAT.try_with(|seat| seat.0).unwrap_or(0);
        &self.0[number % SEATS].0
    }

    /// All threads'.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|apart| &apart.0)
    }
}

/// Which seats are taken, a bit each.
static TAKEN: AtomicU32 = AtomicU32::new(0);

/// A seat, free again when its thread ends: threads that come and go would else sit down on those that stay.
struct Seat(usize);

impl Seat {
    fn take() -> Seat {
        let sit = |taken: u32| Some(taken | taken.wrapping_add(1));
        let before = TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, sit).unwrap_or(u32::MAX);
        Seat(before.trailing_ones() as usize)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // One beyond the last bit was never taken.
        let bit = 1u32.checked_shl(self.0 as u32).unwrap_or(0);
        TAKEN.fetch_and(!bit, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Barrier, Mutex};

    #[test]
    fn threads_at_work_at_once_have_seats_of_their_own() {
        // Other tests' threads have seats as well: what can be told is that no two of these have one bit.
        for _ in 0..20 {
            let (start, seats) = (Barrier::new(4), Mutex::new(Vec::new()));
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let seat = Seat::take();
                        start.wait();
                        seats.lock().unwrap().push(seat.0);
                        start.wait();
                    });
                }
            });
            let mut seats = seats.into_inner().unwrap();
            seats.sort_unstable();
            seats.dedup_by(|a, b| a == b && *a < 32);
            assert_eq!(seats.len(), 4);
        }
    }

    #[test]
    fn a_thread_keeps_its_value() {
        let seats: Seats<Mutex<Vec<u32>>> = Seats::default();
        (0..10).for_each(|n| seats.mine().lock().unwrap().push(n));
        let filled: Vec<usize> = seats.all().map(|seat| seat.lock().unwrap().len()).filter(|len| *len > 0).collect();
        assert_eq!(filled, [10]);
    }
}
