//! What is looked at in a module before it is compiled: its size, that it asks for nothing, and that no function has
//! locals by the thousand, which cost time at each call and are not charged for.

use wasmparser::{Parser, Payload};

use crate::script::limits::wasm as limits;

/// Checks a module's bytes.
///
/// # Errors
/// Why it is no script, for people.
pub(super) fn check(source: &[u8]) -> Result<(), String> {
    if source.len() > limits::SOURCE {
        return Err(format!("the module has {} bytes, more than {}", source.len(), limits::SOURCE));
    }
    for payload in Parser::new(0).parse_all(source) {
        match payload.map_err(invalid)? {
            Payload::ImportSection(imports) => {
                // Even an empty section is read to its end, so that it is one.
                if let Some(import) = imports.into_iter().next() {
                    let import = import.map_err(invalid)?;
                    return Err(format!("the module imports {:?}, and there is nothing to import", import.name));
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut locals = 0_u32;
                for group in body.get_locals_reader().map_err(invalid)? {
                    locals = locals.saturating_add(group.map_err(invalid)?.0);
                }
                if locals > limits::LOCALS {
                    return Err(format!("a function has {locals} locals, more than {}", limits::LOCALS));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// That bytes are no module.
fn invalid(error: wasmparser::BinaryReaderError) -> String {
    format!("the module is not valid: {} at byte {}", error.message(), error.offset())
}
