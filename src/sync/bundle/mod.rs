//! Bundles: refs, and a pack of what they lead to, in one file that can be carried on anything.
//!
//! The form is git's, so that git reads what is written here, and the other way round (`docs/protocol/bundles.md`). What a
//! bundle builds on its reader must have; who wrote it may tell what else it has, so that the way back needs no guessing.

mod file;
mod header;
mod name;
mod plan;
mod read;
mod take;
#[cfg(test)]
mod tests;

pub(super) use file::PART;
pub use file::write_file;
pub use header::BundleHeader;
pub use name::{NodeName, NodeNameError};
pub use plan::{BundlePlan, BundleRequest};
pub use read::{Bundle, BundleFile, BundleReport};
pub use take::take;
