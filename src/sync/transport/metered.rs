//! A transport that counts what goes over it, and notices when it ends.

use std::cell::Cell;
use std::io::{self, Read, Write};

use super::Transport;
use crate::sync::error::Result;
use crate::sync::protocol::Service;

/// Another transport, how many bytes went over it so far, and whether it has ended.
pub(crate) struct Metered<'t> {
    transport: &'t mut dyn Transport,
    meters: Meters,
}

#[derive(Default)]
struct Meters {
    received: Cell<u64>,
    sent: Cell<u64>,
    has_ended: Cell<bool>,
    /// Whether an answer ends where the next one begins, and not with the connection.
    is_framed: bool,
}

impl<'t> Metered<'t> {
    pub(crate) fn new(transport: &'t mut dyn Transport) -> Metered<'t> {
        let is_framed = !transport.needs_advertisement();
        Metered { transport, meters: Meters { is_framed, ..Meters::default() } }
    }

    /// Bytes that came.
    pub(crate) fn received(&self) -> u64 {
        self.meters.received.get()
    }

    /// Bytes that went.
    pub(crate) fn sent(&self) -> u64 {
        self.meters.sent.get()
    }

    /// Whether the connection has ended since the last beginning.
    pub(crate) fn has_ended(&self) -> bool {
        self.meters.has_ended.get()
    }

    /// Begins something.
    pub(crate) fn begin(&mut self) {
        self.meters.has_ended.set(false);
    }
}

impl Transport for Metered<'_> {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>> {
        let inner = self.transport.advertisement(service)?;
        Ok(Box::new(Received { inner, meters: &self.meters }))
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let meters = &self.meters;
        let inner = self.transport.call(service, &mut |out| body(&mut Sent { inner: out, meters }))?;
        Ok(Box::new(Received { inner, meters }))
    }

    fn needs_advertisement(&self) -> bool {
        self.transport.needs_advertisement()
    }

    fn stream(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let meters = &self.meters;
        let inner = self.transport.stream(service, &mut |out| body(&mut Sent { inner: out, meters }))?;
        Ok(Box::new(Received { inner, meters }))
    }
}

struct Received<'m> {
    inner: Box<dyn Read + 'm>,
    meters: &'m Meters,
}

impl Read for Received<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Meters { received, has_ended, is_framed, .. } = self.meters;
        let read = self.inner.read(out);
        match &read {
            Ok(0) if *is_framed || out.is_empty() => {}
            Ok(0) | Err(_) => has_ended.set(true),
            Ok(len) => received.set(received.get() + *len as u64),
        }
        read
    }
}

struct Sent<'m> {
    inner: &'m mut dyn Write,
    meters: &'m Meters,
}

impl Write for Sent<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.inner.write(bytes)?;
        self.meters.sent.set(self.meters.sent.get() + len as u64);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
