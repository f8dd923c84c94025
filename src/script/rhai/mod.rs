//! The dialect `rhai/1`.

use super::engine::Engine;

/// Makes a script ready to run; the error is the reason of every conflict that it leaves.
pub(super) fn compile(_source: &[u8]) -> Result<Box<dyn Engine>, String> {
    Err("this version of isodb has no engine for rhai/1".to_owned())
}
