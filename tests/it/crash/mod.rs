//! What a crash, a full disk or a killed process leaves behind: always a whole database, with all that was promised.
//!
//! - `examine`: what must hold of a disk after anything
//! - `scenario`: the writes that are tried, on an in-memory disk
//! - `cuts`, `failures`: the power goes, or one operation fails, at each operation of each scenario
//! - `strace`, `replay`: the system calls of the real program, and the disk that they make
//! - `trace`: the power goes at each of these calls
//! - `order`: how often a write waits for the disk, and through which files it goes
//! - `kill`, `refusals`: the real program is killed at each of its calls, or the system refuses one
//! - `conditions`: real file systems that are full, read-only or somebody else's

#[cfg(target_os = "linux")]
mod conditions;
mod cuts;
mod examine;
mod failures;
#[cfg(target_os = "linux")]
mod kill;
mod order;
#[cfg(target_os = "linux")]
mod refusals;
#[cfg(target_os = "linux")]
mod replay;
mod scenario;
#[cfg(target_os = "linux")]
mod strace;
#[cfg(target_os = "linux")]
mod trace;
