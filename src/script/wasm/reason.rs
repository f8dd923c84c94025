//! Why a script left a conflict: one sentence for each kind of trap, the same on every machine.

use wasmi::{Error, TrapCode};

use crate::script::limits::wasm as limits;

/// The sentence for an error of the engine while a script ran.
pub(super) fn of(error: &Error) -> String {
    match error.as_trap_code() {
        Some(TrapCode::UnreachableCodeReached) => "the script stopped itself".into(),
        Some(TrapCode::MemoryOutOfBounds) => "the script reached beyond its memory".into(),
        Some(TrapCode::TableOutOfBounds) => "the script reached beyond its table".into(),
        Some(TrapCode::IndirectCallToNull) => "the script called a function that is not there".into(),
        Some(TrapCode::BadSignature) => "the script called a function as one of another type".into(),
        Some(TrapCode::IntegerDivisionByZero) => "the script divided by zero".into(),
        Some(TrapCode::IntegerOverflow) => "a result of the script is too large for an integer".into(),
        Some(TrapCode::BadConversionToInteger) => "the script turned a float into an integer that is none".into(),
        Some(TrapCode::StackOverflow) => format!("the script's calls went deeper than {}", stack()),
        Some(TrapCode::OutOfFuel) => format!("the script took more than {} steps", limits::FUEL),
        Some(TrapCode::OutOfSystemMemory) => out_of_memory(),
        Some(TrapCode::GrowthOperationLimited) | None => "the module could not be started".into(),
    }
}

fn stack() -> String {
    format!("{} calls or {} bytes", limits::CALLS, limits::STACK)
}

/// Ends the process as any allocation does that fails: that this machine has no memory left is no answer.
pub(super) fn out_of_memory() -> ! {
    std::alloc::handle_alloc_error(std::alloc::Layout::new::<[u8; limits::MEMORY]>())
}
