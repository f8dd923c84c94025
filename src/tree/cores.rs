//! Work that all cores share.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// How many threads the machine runs at once; asked once, for it takes several files of the system to answer.
pub(crate) fn cores() -> usize {
    static MACHINE: OnceLock<usize> = OnceLock::new();
    *MACHINE.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get))
}

/// Does some work for each of many items, in no order, on all cores, each of which takes so many items at once; answers the
/// results in the items' order.
pub(crate) fn on_all_cores<T: Sync, R: Send>(items: &[T], each: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = cores().min(items.len().div_ceil(each));
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Vec<R>)>> = Mutex::default();
    let take = || {
        loop {
            let at = next.fetch_add(each, Ordering::Relaxed);
            if at >= items.len() {
                break;
            }
            let results = items[at..items.len().min(at + each)].iter().map(&work).collect();
            done.lock().unwrap_or_else(PoisonError::into_inner).push((at, results));
        }
    };
    with_others(threads, take, take);
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

/// Does some work on so many threads: `own` on the caller's, whose answer it is, and `work` on each of the others. It ends
/// when all have ended.
pub(super) fn with_others<T>(threads: usize, work: impl Fn() + Sync, own: impl FnOnce() -> T) -> T {
    if threads < 2 {
        return own();
    }
    let others = Others::than_here();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (1..threads)
            .map(|_| {
                scope.spawn(|| {
                    others.take_one();
                    work();
                })
            })
            .collect();
        let answer = own();
        for thread in threads {
            // The panic of one goes on here as it is, where the scope would tell only that there was one.
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
        answer
    })
}

/// The cores beside that of the thread that made this. A system may start a thread on the core of the one that asks for it
/// while another is idle, and leave it there for some milliseconds, in which short work is done.
struct Others {
    #[cfg(target_os = "linux")]
    sets: Option<[CpuSet; 2]>,
}

#[cfg(target_os = "linux")]
impl Others {
    fn than_here() -> Others {
        let sets = || {
            let allowed = sched_getaffinity(None).ok()?;
            let mut others = allowed;
            let here = sched_getcpu();
            if here < CpuSet::MAX_CPU {
                others.unset(here);
            }
            (others.count() > 0).then_some([others, allowed])
        };
        Others { sets: sets() }
    }

    /// Goes on one of them. The system may move the thread from there as it likes.
    fn take_one(&self) {
        for set in self.sets.iter().flatten() {
            // Where this is not allowed, the thread is where it is.
            let _ = sched_setaffinity(None, set);
        }
    }
}

/// Elsewhere all is left to the system.
#[cfg(not(target_os = "linux"))]
impl Others {
    fn than_here() -> Others {
        Others {}
    }

    fn take_one(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    #[test]
    fn answers_stand_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..1000).collect();
        for each in [1, 7, 999, 1000, 5000] {
            let doubled = on_all_cores(&items, each, |item| item * 2);
            assert!(doubled.into_iter().eq(items.iter().map(|item| item * 2)), "{each}");
        }
        assert_eq!(on_all_cores(&[], 1, |item: &u64| *item), Vec::<u64>::new());
    }

    #[test]
    fn the_first_error_is_told() {
        let items: Vec<u64> = (0..1000).collect();
        let odd = |item: &u64| if item % 7 == 5 { Err(*item) } else { Ok(()) };
        assert_eq!(on_all_cores(&items, 3, odd).into_iter().collect::<Result<Vec<_>, _>>(), Err(5));
    }

    #[test]
    fn a_panic_goes_on_as_it_is() {
        let all = |is_own: bool| {
            let fail = |is_here| {
                if is_here {
                    panic!("a plain text")
                }
            };
            let done = catch_unwind(AssertUnwindSafe(|| with_others(3, || fail(!is_own), || fail(is_own))));
            *done.unwrap_err().downcast::<&str>().unwrap()
        };
        assert_eq!([all(true), all(false)], ["a plain text"; 2]);
    }

    #[test]
    fn threads_may_go_where_they_could_go_before() {
        let cores = std::thread::available_parallelism().unwrap();
        with_others(4, || assert_eq!(std::thread::available_parallelism().unwrap(), cores), || ());
    }
}
