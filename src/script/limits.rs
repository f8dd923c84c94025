//! The limits of scripts: constants of merge algorithm 1. A change of any would change what some script answers, and so be
//! another dialect.

/// The stack of a thread that runs scripts, in bytes. It is address space, not memory; so much that no script within the
/// limits comes near its end, in a debug build either.
pub(super) const STACK: usize = 256 << 20;
