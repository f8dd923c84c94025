//! Many documents at once, on all cores, their answers in order.
//!
//! A scan walks alone at first, so that a short one costs no thread. What is then left lies as pieces in a queue, in
//! the order of keys. Each thread takes the first piece that nobody has, walks a stretch of it, and puts back in its
//! place what it found and what is left. The caller's thread gives away what stands at the front.

use std::collections::VecDeque;
use std::num::NonZero;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ScopedJoinHandle;

use super::walk::{Documents, Piece, Range};
use super::{Document, Error, Key, Result, Tree};
use crate::object::Objects;

/// So many documents are walked before other threads are started.
const ALONE: usize = 64;
/// A stretch has about so many documents, unless they hold more bytes than this.
const STRETCH: usize = 256;
/// So many stretches are short at first, each of so many documents, for all cores to have something to do in a scan of a
/// few hundred.
const SHORT: u64 = 16;
const SHORT_STRETCH: usize = 64;
const STRETCH_BYTES: usize = 256 << 10;
/// No thread goes further ahead than so many documents, or bytes of them.
const AHEAD: usize = 1 << 14;
const AHEAD_BYTES: usize = 32 << 20;

impl<'a, O: Objects + Sync + ?Sized> Tree<'a, O> {
    /// Does `work` for each document of a range, on so many threads (0: as many as the machine runs at once), and
    /// calls `give` with what comes of it, in the order of keys, until `give` breaks off.
    ///
    /// `work` also answers how many bytes its result holds: so much is held of what could not be given yet.
    ///
    /// # Errors
    /// The first one in the order of keys. What comes before it has been given.
    pub fn scan<T: Send, E: From<Error> + Send>(
        &self,
        range: Range,
        threads: usize,
        work: impl Fn(&'a O, Key, Document) -> Result<(T, usize), E> + Sync,
        mut give: impl FnMut(T) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let objects = self.objects;
        let mut documents = self.documents(range)?;
        let mut walked = 0;
        for item in documents.by_ref() {
            let (key, document) = item?;
            if give(work(objects, key, document)?.0)?.is_break() {
                return Ok(());
            }
            walked += 1;
            if walked == ALONE && threads_for(threads) > 1 {
                break;
            }
        }
        let range = documents.range();
        let nodes: VecDeque<_> = documents.into_pieces().map(|piece| Node::Piece(Box::new(piece))).collect();
        if nodes.is_empty() {
            return Ok(());
        }
        let queue = Queue::new(nodes);
        let walk = |piece, len| stretch(Documents::of_piece(objects, Arc::clone(&range), piece), len, objects, &work);
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
struct Stretch<T, E> {
    found: Vec<T>,
    bytes: usize,
    /// What is left, or why it ended.
    left: Result<Vec<Piece>, E>,
}

/// Walks about so many documents as this stretch is to have.
fn stretch<'a, O: Objects + ?Sized, T, E: From<Error>>(
    mut documents: Documents<'a, O>,
    len: usize,
    objects: &'a O,
    work: impl Fn(&'a O, Key, Document) -> Result<(T, usize), E>,
) -> Stretch<T, E> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(item) = documents.next() {
        match item.map_err(E::from).and_then(|(key, document)| work(objects, key, document)) {
            Ok((item, held)) => {
                found.push(item);
                bytes += held;
            }
            Err(error) => return Stretch { found, bytes, left: Err(error) },
        }
        // The last few edges of a tree are no piece worth its while.
        let is_long = |times| found.len() >= times * len || bytes >= times * STRETCH_BYTES;
        if is_long(2) || is_long(1) && documents.is_between_trees() {
            break;
        }
    }
    Stretch { found, bytes, left: Ok(documents.into_pieces().collect()) }
}

enum Node<T, E> {
    /// Nobody has it.
    Piece(Box<Piece>),
    /// The thread with this ticket has it.
    Taken(u64),
    /// What a stretch found, with its bytes.
    Found(Vec<T>, usize),
    /// Nothing comes behind it.
    Failed(E),
}

struct State<T, E> {
    /// In the order of keys.
    nodes: VecDeque<Node<T, E>>,
    tickets: u64,
    /// How much is found and not given.
    found: usize,
    bytes: usize,
    ended: bool,
}

struct Queue<T, E> {
    state: Mutex<State<T, E>>,
    /// There may be a piece to take.
    to_take: Condvar,
    /// There may be something to give.
    to_give: Condvar,
}

/// Ends all work when it is dropped.
struct End<'q, T, E>(&'q Queue<T, E>);

impl<T, E> Drop for End<'_, T, E> {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.to_take.notify_all();
        self.0.to_give.notify_all();
    }
}

impl<T, E> Queue<T, E> {
    fn new(nodes: VecDeque<Node<T, E>>) -> Self {
        let state = State { nodes, tickets: 0, found: 0, bytes: 0, ended: false };
        Queue { state: Mutex::new(state), to_take: Condvar::new(), to_give: Condvar::new() }
    }

    // A thread that panics ends all work, so nobody goes on with what it left.
    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Walks pieces until all work ends.
    fn work(&self, walk: &impl Fn(Piece, usize) -> Stretch<T, E>) {
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
        state: MutexGuard<'q, State<T, E>>,
        ticket: u64,
        piece: Piece,
        walk: &impl Fn(Piece, usize) -> Stretch<T, E>,
    ) -> MutexGuard<'q, State<T, E>> {
        drop(state);
        let stretch = walk(piece, if ticket <= SHORT { SHORT_STRETCH } else { STRETCH });
        let mut state = self.lock();
        state.put(ticket, stretch);
        self.to_take.notify_all();
        self.to_give.notify_one();
        state
    }

    /// Gives what has been found, and walks pieces as long as there is nothing to give.
    fn give(
        &self,
        walk: &impl Fn(Piece, usize) -> Stretch<T, E>,
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

impl<T, E> State<T, E> {
    fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    /// Takes the first piece that nobody has, unless that is too far ahead.
    fn take(&mut self) -> Option<(u64, Piece)> {
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
    fn put(&mut self, ticket: u64, stretch: Stretch<T, E>) {
        let is_mine = |node: &Node<T, E>| matches!(node, Node::Taken(other) if *other == ticket);
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
