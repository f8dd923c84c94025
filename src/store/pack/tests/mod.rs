//! Tests of the packs' codecs and of reading packs, many of them against the real git.

mod delta;
mod index;
mod write;
