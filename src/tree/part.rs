//! Where a large folder is cut into parts (FORMAT: "Large folders").
//!
//! The cut depends on the names alone. [`regroup`] makes it for a list of which only some stretches have been read:
//! it reads more only where a cut next to a change has gone, and then just the neighbour.

use sha2::{Digest, Sha256};

use super::folder::{self, Span};
use super::{Error, Result};
use crate::object::{Objects, TreeId};

/// A folder's own tree is grouped into parts while it would hold more edges than this.
pub(super) const NODE_LIMIT: usize = 64;
/// Leading zero bits of a name's SHA-256 for each level: a part holds 2^5 edges on average.
const LEVEL_BITS: u32 = 5;

/// More levels of parts than this are not read: no set of names that can be found makes as many.
pub(super) const MAX_HEIGHT: u32 = 16;

/// How many levels of parts a child of this name opens.
pub(super) fn level(name: &[u8]) -> u32 {
    let mut zeros = 0;
    for byte in Sha256::digest(name) {
        zeros += byte.leading_zeros();
        if byte != 0 {
            break;
        }
    }
    zeros / LEVEL_BITS
}

/// A group of edges that becomes one part.
enum Group {
    /// Parts that stand as they are: everything below is unchanged.
    Whole(Span),
    /// The edges of a part to write.
    Edges(Vec<Span>),
}

/// The edges that a folder's own tree holds for its children.
///
/// `spans` are the children in order, where an unchanged stretch may be given as the part that holds it. All parts
/// at one height must come from one canonical folder.
pub(super) fn regroup<O: Objects + ?Sized>(objects: &O, mut spans: Vec<Span>) -> Result<Vec<Span>> {
    let mut height = 0;
    while more_than_limit(objects, &mut spans, height)? {
        height += 1;
        let mut groups = group(objects, spans, height)?;
        if let [Group::Edges(edges)] = &mut groups[..] {
            return Ok(std::mem::take(edges));
        }
        spans = write(objects, groups, height)?;
    }
    Ok(spans)
}

/// Whether the list at this height has more edges than a tree may hold. Reads parts only as long as that is open;
/// when the answer is no, every span is at this height.
fn more_than_limit<O: Objects + ?Sized>(objects: &O, spans: &mut Vec<Span>, height: u32) -> Result<bool> {
    while spans.len() <= NODE_LIMIT {
        match spans.iter().position(|span| span.height > height) {
            Some(at) => {
                let inside = folder::expand(objects, &spans[at])?;
                spans.splice(at..=at, inside);
            }
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// Cuts the list below `height` into the groups at `height`.
fn group<O: Objects + ?Sized>(objects: &O, spans: Vec<Span>, height: u32) -> Result<Vec<Group>> {
    let mut done: Vec<Group> = Vec::new();
    for span in spans {
        if span.height >= height {
            done.push(Group::Whole(span));
        } else if done.is_empty() || level(span.name()) >= height {
            done.push(Group::Edges(vec![span]));
        } else {
            match done.pop().expect("not empty") {
                Group::Edges(mut edges) => {
                    edges.push(span);
                    done.push(Group::Edges(edges));
                }
                Group::Whole(mut tail) => {
                    // The cut before this span has gone: it joins the last group of the part to its left.
                    while tail.height > height {
                        let mut inside = folder::expand(objects, &tail)?;
                        tail = inside.pop().ok_or_else(|| empty_part(tail.id))?;
                        done.extend(inside.into_iter().map(Group::Whole));
                    }
                    let mut edges = folder::expand(objects, &tail)?;
                    edges.push(span);
                    done.push(Group::Edges(edges));
                }
            }
        }
    }
    Ok(done)
}

fn write<O: Objects + ?Sized>(objects: &O, groups: Vec<Group>, height: u32) -> Result<Vec<Span>> {
    let mut spans = Vec::with_capacity(groups.len());
    for group in groups {
        spans.push(match group {
            Group::Whole(span) => span,
            Group::Edges(edges) => {
                let id = folder::write(objects, &edges, None)?;
                Span::part(&edges, id, height)
            }
        });
    }
    Ok(spans)
}

fn empty_part(id: TreeId) -> Error {
    Error::Format { id, reason: "a part is empty".into() }
}
