//! Pieces of a walk that several threads share, and what they find, given away in order.
//!
//! The pieces lie in a queue, in the order of keys. Each thread takes the first that nobody has, walks a stretch of it, and
//! puts back in its place what it found and what is left. The caller's thread gives away what stands at the front.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ScopedJoinHandle;

/// So many stretches are short at first, for all cores to have something to do where there is little.
const SHORT: u64 = 16;
/// No thread goes further ahead than so many items, or bytes of them.
const AHEAD: usize = 1 << 14;
const AHEAD_BYTES: usize = 32 << 20;

/// Walks pieces, which are in the order of keys, on so many threads (0: as many as the machine runs at once), and calls
/// `give` with what is found, in that order, until it breaks off. `walk` is told whether the stretch is to be a short one.
///
/// # Errors
/// The first one in the order of keys. What comes before it has been given.
pub(super) fn walk_in_order<P: Send, T: Send, E: Send>(
    pieces: impl Iterator<Item = P>,
    threads: usize,
    walk: impl Fn(P, bool) -> Stretch<P, T, E> + Sync,
    mut give: impl FnMut(T) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let nodes: VecDeque<_> = pieces.map(|piece| Node::Piece(Box::new(piece))).collect();
    if nodes.is_empty() {
        return Ok(());
    }
    let queue = Queue::new(nodes);
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads_for(threads)).map(|_| scope.spawn(|| queue.work(&walk))).collect();
        let given = {
            // Whatever happens here, the threads end.
            let _end = End(&queue);
            queue.give(&walk, &mut give)
        };
        join(others);
        given
    })
}

/// Waits for threads. The panic of one goes on here as it is, where the scope would tell only that there was one.
pub(super) fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

pub(super) fn threads_for(wanted: usize) -> usize {
    static MACHINE: OnceLock<usize> = OnceLock::new();
    match wanted {
        0 => *MACHINE.get_or_init(|| std::thread::available_parallelism().map_or(1, NonZero::get)),
        wanted => wanted,
    }
}

/// What came of one stretch.
pub(super) struct Stretch<P, T, E> {
    pub(super) found: Vec<T>,
    /// How many bytes it holds.
    pub(super) bytes: usize,
    /// What is left, or why it ended.
    pub(super) left: Result<Vec<P>, E>,
}

enum Node<P, T, E> {
    /// Nobody has it.
    Piece(Box<P>),
    /// The thread with this ticket has it.
    Taken(u64),
    /// What a stretch found, with its bytes.
    Found(Vec<T>, usize),
    /// Nothing comes behind it.
    Failed(E),
}

struct State<P, T, E> {
    /// In the order of keys.
    nodes: VecDeque<Node<P, T, E>>,
    tickets: u64,
    /// How much is found and not given.
    found: usize,
    bytes: usize,
    ended: bool,
}

struct Queue<P, T, E> {
    state: Mutex<State<P, T, E>>,
    /// There may be a piece to take.
    to_take: Condvar,
    /// There may be something to give.
    to_give: Condvar,
}

/// Ends all work when it is dropped.
struct End<'q, P, T, E>(&'q Queue<P, T, E>);

impl<P, T, E> Drop for End<'_, P, T, E> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.to_take.notify_all();
        self.0.to_give.notify_all();
    }
}

impl<P, T, E> Queue<P, T, E> {
    fn new(nodes: VecDeque<Node<P, T, E>>) -> Self {
        let state = State { nodes, tickets: 0, found: 0, bytes: 0, ended: false };
        Queue { state: Mutex::new(state), to_take: Condvar::new(), to_give: Condvar::new() }
    }

    // A thread that panics ends all work, so nobody goes on with what it left.
    fn lock(&self) -> MutexGuard<'_, State<P, T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks pieces until all work ends.
    fn work(&self, walk: &impl Fn(P, bool) -> Stretch<P, T, E>) {
        let end = End(self);
        let mut state = self.lock();
        while !state.ended {
            state = match state.take() {
                Some((ticket, piece)) => self.walk(state, ticket, piece, walk),
                None => self.to_take.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        drop(state);
        // Only a panic is to end the work of the others.
        std::mem::forget(end);
    }

    fn walk<'q>(
        &'q self,
        state: MutexGuard<'q, State<P, T, E>>,
        ticket: u64,
        piece: P,
        walk: &impl Fn(P, bool) -> Stretch<P, T, E>,
    ) -> MutexGuard<'q, State<P, T, E>> {
        drop(state);
        let stretch = walk(piece, ticket <= SHORT);
        let mut state = self.lock();
        state.put(ticket, stretch);
        self.to_take.notify_all();
        self.to_give.notify_one();
        state
    }

    /// Gives what has been found, and walks pieces as long as there is nothing to give.
    fn give(
        &self,
        walk: &impl Fn(P, bool) -> Stretch<P, T, E>,
        give: &mut impl FnMut(T) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let mut state = self.lock();
        while !state.ended {
            match state.nodes.pop_front() {
                None => break,
                Some(Node::Failed(error)) => return Err(error),
                Some(Node::Found(items, bytes)) => {
                    state.found -= items.len();
                    state.bytes -= bytes;
                    drop(state);
                    self.to_take.notify_all();
                    for item in items {
                        if give(item)?.is_break() {
                            return Ok(());
                        }
                    }
                    state = self.lock();
                }
                // However far ahead the others are, what stands at the front is needed.
                Some(Node::Piece(piece)) => {
                    let ticket = state.ticket();
                    state.nodes.push_front(Node::Taken(ticket));
                    state = self.walk(state, ticket, *piece, walk);
                }
                Some(taken @ Node::Taken(_)) => {
                    state.nodes.push_front(taken);
                    state = match state.take() {
                        Some((ticket, piece)) => self.walk(state, ticket, piece, walk),
                        None => self.to_give.wait(state).unwrap_or_else(PoisonError::into_inner),
                    };
                }
            }
        }
        Ok(())
    }
}

impl<P, T, E> State<P, T, E> {
    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Takes the first piece that nobody has, unless that is too far ahead.
    fn take(&mut self) -> Option<(u64, P)> {
        if self.found > AHEAD || self.bytes > AHEAD_BYTES {
            return None;
        }
        let at = self.nodes.iter().position(|node| matches!(node, Node::Piece(_)))?;
        let ticket = self.ticket();
        match std::mem::replace(&mut self.nodes[at], Node::Taken(ticket)) {
            Node::Piece(piece) => Some((ticket, *piece)),
            _ => None,
        }
    }

    /// Puts what came of a piece in its place.
    fn put(&mut self, ticket: u64, stretch: Stretch<P, T, E>) {
        let is_mine = |node: &Node<P, T, E>| matches!(node, Node::Taken(other) if *other == ticket);
        let Some(at) = self.nodes.iter().position(is_mine) else { return };
        let behind = self.nodes.split_off(at + 1);
        self.nodes.pop_back();
        self.found += stretch.found.len();
        self.bytes += stretch.bytes;
        self.nodes.push_back(Node::Found(stretch.found, stretch.bytes));
        match stretch.left {
            Ok(pieces) => {
                self.nodes.extend(pieces.into_iter().map(|piece| Node::Piece(Box::new(piece))));
                self.nodes.extend(behind);
            }
            Err(error) => self.nodes.push_back(Node::Failed(error)),
        }
    }
}
