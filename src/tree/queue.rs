//! Pieces of a walk that several threads share, and what they find, given away in order.
//!
//! The pieces lie in a queue, in the order of keys. Each thread takes the first that nobody has, walks a stretch of it, and
//! puts back in its place what it found and what is left. The caller's thread gives away what stands at the front.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::cores::{cores, with_others};

/// So many stretches are short at first, for all cores to have something to do where there is little.
const SHORT: u64 = 16;
/// So often a thread that has nothing to do looks again before it sleeps. Where all work takes some milliseconds, being
/// woken takes too long: a system may wake a thread on the core of the one that wakes it, which goes on.
const LOOKS: usize = 400;
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
    with_others(
        threads_for(threads),
        || queue.work(&walk),
        || {
            // Whatever happens here, the threads end.
            let _end = End(&queue);
            queue.give(&walk, &mut give)
        },
    )
}

pub(super) fn threads_for(wanted: usize) -> usize {
    match wanted {
        0 => cores(),
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
    /// How often something changed for those who wait: whether it is worth to look is told without the lock.
    changes: AtomicUsize,
    /// There may be a piece to take.
    to_take: Condvar,
    /// There may be something to give.
    to_give: Condvar,
}

/// Ends all work when it is dropped.
struct End<'q, P, T, E>(&'q Queue<P, T, E>);

impl<P, T, E> Drop for End<'_, P, T, E> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.ended = true;
        self.0.tell();
    }
}

impl<P, T, E> Queue<P, T, E> {
    fn new(nodes: VecDeque<Node<P, T, E>>) -> Self {
        let state = State { nodes, tickets: 0, found: 0, bytes: 0, ended: false };
        Queue {
            state: Mutex::new(state),
            changes: AtomicUsize::new(0),
            to_take: Condvar::new(),
            to_give: Condvar::new(),
        }
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
                None => self.wait(state, &self.to_take),
            };
        }
        drop(state);
        // Only a panic is to end the work of the others.
        std::mem::forget(end);
    }

    /// Has those who wait look again. What they are to see stands in the state already, which the caller holds: whoever is
    /// about to sleep would miss it otherwise.
    fn tell(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        self.to_take.notify_all();
        self.to_give.notify_all();
    }

    /// Waits until somebody tells of a change that was not there yet when the state was taken.
    fn wait<'q>(&'q self, state: MutexGuard<'q, State<P, T, E>>, told: &Condvar) -> MutexGuard<'q, State<P, T, E>> {
        let before = self.changes.load(Ordering::Acquire);
        drop(state);
        for _ in 0..LOOKS {
            if self.changes.load(Ordering::Acquire) != before {
                return self.lock();
            }
            std::thread::yield_now();
        }
        let state = self.lock();
        match state.ended || self.changes.load(Ordering::Acquire) != before {
            true => state,
            false => told.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
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
        self.tell();
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
                    self.tell();
                    drop(state);
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
                        None => self.wait(state, &self.to_give),
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
