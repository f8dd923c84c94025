//! isodb's own way of carrying history: documents travel, and not the trees that are a function of them
//! (`docs/protocol/stream.md`).
//!
//! One side makes a [`Plan`] and [`write`]s it; the other side's [`Taker`] builds the commits again and believes only what
//! comes out as it was said. A stream is the same whenever it is made, so that one that was cut goes on where it was.

mod ahead;
mod answer;
mod block;
mod content;
mod fetch;
mod journal;
mod kept;
mod link;
mod message;
mod partial;
mod plan;
mod push;
mod receive;
mod record;
mod send;
mod submit;
mod take;
#[cfg(test)]
mod tests;
mod wire;

pub(super) use answer::answer;
pub(super) use fetch::{Carried, fetch};
pub(super) use kept::Kept;
pub(super) use message::{Asked, COMMAND};
pub(super) use plan::Plan;
pub use plan::Totals;
pub(super) use push::{Submission, planned, submit};
pub(super) use receive::{look_through, take, take_on};
pub(super) use send::{Position, write};
pub(super) use submit::{Outcome, Submitted};
