//! Many documents at once, on all cores, their answers in order.
//!
//! A scan walks alone at first, so that a short one costs no thread. What is then left is shared with others.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::queue::{Stretch, threads_for, walk_in_order};
use super::walk::{Documents, Piece, Range};
use super::{Document, Error, Key, Result, Tree};
use crate::object::Objects;

/// So many documents are walked before other threads are started.
const ALONE: usize = 16;
/// A stretch has about so many documents, unless they hold more bytes than this.
const STRETCH: usize = 256;
/// And a short one so many.
const SHORT_STRETCH: usize = 32;
const STRETCH_BYTES: usize = 256 << 10;

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
        let walk = |piece, is_short| {
            let len = if is_short { SHORT_STRETCH } else { STRETCH };
            stretch(Documents::of_piece(objects, Arc::clone(&range), piece), len, objects, &work)
        };
        walk_in_order(documents.into_pieces(SHORT_STRETCH), threads, walk, give)
    }
}

/// Walks about so many documents as this stretch is to have.
fn stretch<'a, O: Objects + ?Sized, T, E: From<Error>>(
    mut documents: Documents<'a, O>,
    len: usize,
    objects: &'a O,
    work: impl Fn(&'a O, Key, Document) -> Result<(T, usize), E>,
) -> Stretch<Piece, T, E> {
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
    Stretch { found, bytes, left: Ok(documents.into_pieces(len).collect()) }
}
