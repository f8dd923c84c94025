//! One module at work on one document: bytes into its memory, a call, bytes out.

use wasmi::{Func, Memory, Module, Store, Val};

use super::setup::Limiter;
use super::{ALLOC, MEMORY, REASON, reason};
use crate::script::limits::wasm as limits;

/// What a script answered.
pub(super) enum Answer {
    /// The merged document.
    Document(Vec<u8>),
    /// There is no document any more.
    Deleted,
    /// The conflict stays.
    Conflict,
}

/// An instance of a module, with the fuel of one job.
pub(super) struct Instance {
    store: Store<Limiter>,
    instance: wasmi::Instance,
    memory: Memory,
}

impl Instance {
    /// Makes one, and runs its start function.
    pub(super) fn new(module: &Module) -> Result<Instance, String> {
        let mut store = Store::new(module.engine(), Limiter);
        store.limiter(|limiter| limiter);
        store.set_fuel(limits::FUEL).map_err(|error| reason::of(&error))?;
        let instance = wasmi::Instance::new(&mut store, module, &[]).map_err(|error| reason::of(&error))?;
        let memory = instance.get_memory(&store, MEMORY).ok_or("the module's memory is gone")?;
        Ok(Instance { store, instance, memory })
    }

    /// Calls the function with these documents, each as where it is and how long: 0 and -1 for one that is absent.
    pub(super) fn merge(&mut self, function: &str, documents: &[Option<&[u8]>]) -> Result<Answer, String> {
        let mut params = Vec::with_capacity(2 * documents.len());
        for document in documents {
            let (at, len) = match document {
                Some(document) => (self.put(document)?, document.len() as i32),
                None => (0, -1),
            };
            params.extend([Val::I32(at), Val::I32(len)]);
        }
        match self.call(function, &params)? {
            0 => Ok(Answer::Deleted),
            -1 => Ok(Answer::Conflict),
            at => Ok(Answer::Document(self.take(at, limits::CONTENT, "result")?.to_vec())),
        }
    }

    /// The script's reason for the conflict that it left.
    pub(super) fn reason(&mut self) -> Result<String, String> {
        let at = self.call(REASON, &[])?;
        let text = self.take(at, limits::REASON, "reason")?;
        match std::str::from_utf8(text) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => Err("the script's reason is no text".into()),
        }
    }

    /// What is left of the job's fuel.
    #[cfg(test)]
    pub(super) fn fuel_left(&self) -> u64 {
        self.store.get_fuel().expect("the engine counts fuel")
    }

    /// Puts bytes where the script's `alloc` says.
    fn put(&mut self, bytes: &[u8]) -> Result<i32, String> {
        let Val::I32(at) = self.value(ALLOC, &[Val::I32(bytes.len() as i32)], Val::I32(0))? else {
            return Err(mistyped(ALLOC));
        };
        let memory = self.memory.data_mut(&mut self.store);
        let place = memory.get_mut(at as u32 as usize..).and_then(|rest| rest.get_mut(..bytes.len()));
        place.ok_or_else(|| format!("the script's {ALLOC:?} pointed beyond its memory"))?.copy_from_slice(bytes);
        Ok(at)
    }

    /// The bytes that a result points to: where in its upper half, how many in its lower.
    fn take(&self, result: i64, most: usize, what: &str) -> Result<&[u8], String> {
        let (at, len) = ((result as u64 >> 32) as usize, result as u32 as usize);
        if len > most {
            return Err(format!("the script's {what} has more than {most} bytes"));
        }
        let bytes = self.memory.data(&self.store).get(at..).and_then(|rest| rest.get(..len));
        bytes.ok_or_else(|| format!("the script's {what} lies beyond its memory"))
    }

    /// Calls a function that answers with an `i64`.
    fn call(&mut self, function: &str, params: &[Val]) -> Result<i64, String> {
        match self.value(function, params, Val::I64(0))? {
            Val::I64(result) => Ok(result),
            _ => Err(mistyped(function)),
        }
    }

    fn value(&mut self, function: &str, params: &[Val], result: Val) -> Result<Val, String> {
        let function: Func = self.instance.get_func(&self.store, function).ok_or_else(|| mistyped(function))?;
        let mut results = [result];
        function.call(&mut self.store, params, &mut results).map_err(|error| reason::of(&error))?;
        let [result] = results;
        Ok(result)
    }
}

/// An export that was checked when the module was compiled is something else now, which cannot be.
fn mistyped(export: &str) -> String {
    format!("the export {export:?} is not what it should be")
}
