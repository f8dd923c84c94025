//! The commands, spawned.

mod first;
