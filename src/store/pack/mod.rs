//! Packs: many objects in one file, with an index beside it, as git lays them out.
//! Source: git's `Documentation/gitformat-pack.adoc`; ids and checksums have 32 bytes here.

pub(crate) mod delta;
pub(crate) mod entry;
pub(crate) mod index;
mod queue;
mod table;
#[cfg(test)]
mod tests;
pub(crate) mod write;

/// What is wrong with bytes of a pack or of its index. Who knows the file adds its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flaw(pub(crate) &'static str);
