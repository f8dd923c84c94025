//! The limits of scripts: constants of merge algorithm 1, listed in `docs/format/scripts.md`. A change of any would change
//! what some script answers, and so be another dialect.

/// The largest version that a script is given, in bytes. What is larger leaves the conflict before any script sees it.
pub(super) const CONTENT: usize = 4 << 20;

/// The most bytes of what one run prints that are kept; the rest is dropped.
pub(super) const PRINTED: usize = 64 << 10;

/// The most characters of a reason.
pub(super) const REASON: usize = 1_000;

/// The stack of a thread that runs scripts, in bytes. It is address space, not memory; so much that no script within the
/// limits comes near its end, in a debug build either.
pub(super) const STACK: usize = 256 << 20;

/// Those of `rhai/1`.
///
/// Everything that a script does is counted in steps, by its size where it has one: so neither time nor memory can get out
/// of hand, and most sizes need no limits of their own.
pub(super) mod rhai {
    /// The largest script, in bytes: the engine counts lines and positions in 16 bits.
    pub(in crate::script) const SOURCE: usize = u16::MAX as usize;
    /// The largest version, in bytes.
    pub(in crate::script) const CONTENT: usize = 256 << 10;
    /// The most steps of one run: expressions, statements, and the work inside of functions and copies by its size.
    pub(in crate::script) const STEPS: u64 = 100_000;
    /// The deepest calls of functions within each other.
    pub(in crate::script) const CALLS: usize = 32;
    /// The deepest nesting of an expression.
    pub(in crate::script) const EXPRESSION: usize = 64;
    /// The most bytes of a string: reaching into one is a step that takes longer the longer it is.
    pub(in crate::script) const STRING: usize = 32 << 10;
    /// The most variables of a function that exist at a time.
    pub(in crate::script) const VARIABLES: usize = 256;
    /// The most functions of a script, closures counted.
    pub(in crate::script) const FUNCTIONS: usize = 256;
    /// The most digits of a number, its point and exponent counted.
    pub(in crate::script) const DIGITS: usize = 1 << 10;
    /// The most arguments of a call: the engine tries the kinds of all of them in turn.
    pub(in crate::script) const ARGUMENTS: usize = 8;
    /// So many bytes of text that are looked at or made are a step.
    pub(in crate::script) const BYTES_A_STEP: usize = 256;
    /// So many values that are looked at or copied are a step.
    pub(in crate::script) const VALUES_A_STEP: usize = 8;
    /// What it costs to reach into a string by an index, in steps: the engine looks for it from an end.
    pub(in crate::script) const REACH: u64 = 64;
}

/// Those of `wasm/1`. They keep any job far below a second and 100 MB; all are counted, none is timed.
pub(super) mod wasm {
    /// The largest module, in bytes.
    pub(in crate::script) const SOURCE: usize = 256 << 10;
    /// The largest version, in bytes, read or returned.
    pub(in crate::script) const CONTENT: usize = 1 << 20;
    /// What one job may use, from the start function on. Most instructions cost one.
    pub(in crate::script) const FUEL: u64 = 10_000_000;
    /// What a call costs: the callee's locals are cleared at its start, which costs no fuel of its own.
    pub(in crate::script) const CALL_COST: u8 = 8;
    /// The most memory that a script has, in bytes.
    pub(in crate::script) const MEMORY: usize = 16 << 20;
    /// The most elements of its table.
    pub(in crate::script) const TABLE: usize = 10_000;
    /// The most calls within calls.
    pub(in crate::script) const CALLS: usize = 1_000;
    /// What the calls may hold together, in bytes: eight for each parameter, local and operand.
    pub(in crate::script) const STACK: usize = 1 << 20;
    /// The most locals of a function, parameters aside.
    pub(in crate::script) const LOCALS: u32 = 1_000;
    /// The longest reason for a conflict, in bytes.
    pub(in crate::script) const REASON: usize = 1_000;
}
