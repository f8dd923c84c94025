//! How the engine is set up, and what a running script is granted.

use wasmi::errors::{MemoryError, TableError};
use wasmi::{CompilationMode, Config, EnforcedLimits, OperatorCost, ResourceLimiter};
use wasmi_core::LimiterError;

use super::reason::out_of_memory;
use crate::script::limits::wasm as limits;

/// How the engine is set up. Everything that counts is set here, whatever the defaults are.
pub(super) fn config() -> Config {
    let mut config = Config::default();
    // Code that is translated when it is first called would be charged to the job that happens to be the first.
    config.compilation_mode(CompilationMode::Eager);
    config.consume_fuel(true);
    config.operator_cost(OperatorCost {
        call: limits::CALL_COST,
        call_indirect: limits::CALL_COST,
        ..OperatorCost::default()
    });
    config.enforced_limits(EnforcedLimits::strict());
    config.set_max_recursion_depth(limits::CALLS);
    config.set_max_stack_height(limits::STACK);
    // All of it at once: a stack that could not grow for want of memory would be no answer of the script's.
    config.set_min_stack_height(limits::STACK);
    config.set_max_cached_stacks(1);
    config.ignore_custom_sections(true);
    config.allow_start_fn(true);
    config.wasm_mutable_global(true);
    config.wasm_sign_extension(true);
    config.wasm_saturating_float_to_int(true);
    config.wasm_multi_value(true);
    config.wasm_bulk_memory(true);
    config.wasm_reference_types(true);
    config.wasm_extended_const(true);
    config.wasm_multi_memory(false);
    config.wasm_tail_call(false);
    config.wasm_custom_page_sizes(false);
    config.wasm_wide_arithmetic(false);
    config.floats(true);
    config
}

/// Bounds what a running script asks for, and keeps a want of memory on this machine from being answered to it.
pub(super) struct Limiter;

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        Ok(desired <= limits::MEMORY)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> Result<bool, LimiterError> {
        Ok(desired <= limits::TABLE)
    }

    fn memory_grow_failed(&mut self, error: &MemoryError) -> Result<(), LimiterError> {
        if matches!(error, MemoryError::OutOfSystemMemory) { out_of_memory() } else { Ok(()) }
    }

    fn table_grow_failed(&mut self, error: &TableError) -> Result<(), LimiterError> {
        if matches!(error, TableError::OutOfSystemMemory) { out_of_memory() } else { Ok(()) }
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        1
    }

    fn memories(&self) -> usize {
        1
    }
}
