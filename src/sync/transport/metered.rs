//! A transport that counts what goes over it.

use std::cell::Cell;
use std::io::{self, Read, Write};

use super::Transport;
use crate::sync::error::Result;
use crate::sync::protocol::Service;

/// Another transport, and how many bytes went over it so far.
pub(crate) struct Metered<'t> {
    transport: &'t mut dyn Transport,
    received: Cell<u64>,
    sent: Cell<u64>,
}

impl<'t> Metered<'t> {
    pub(crate) fn new(transport: &'t mut dyn Transport) -> Metered<'t> {
        Metered { transport, received: Cell::new(0), sent: Cell::new(0) }
    }

    /// Bytes that came.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// Bytes that went.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }
}

impl Transport for Metered<'_> {
    fn advertisement(&mut self, service: Service) -> Result<Box<dyn Read + '_>> {
        let source = self.transport.advertisement(service)?;
        Ok(Box::new(Counted { inner: source, count: &self.received }))
    }

    fn call(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let sent = &self.sent;
        let source = self.transport.call(service, &mut |out| body(&mut Counted { inner: out, count: sent }))?;
        Ok(Box::new(Counted { inner: source, count: &self.received }))
    }

    fn needs_advertisement(&self) -> bool {
        self.transport.needs_advertisement()
    }

    fn stream(
        &mut self,
        service: Service,
        body: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Box<dyn Read + '_>> {
        let sent = &self.sent;
        let source = self.transport.stream(service, &mut |out| body(&mut Counted { inner: out, count: sent }))?;
        Ok(Box::new(Counted { inner: source, count: &self.received }))
    }
}

struct Counted<'c, T> {
    inner: T,
    count: &'c Cell<u64>,
}

impl<T> Counted<'_, T> {
    fn add(&self, len: usize) {
        self.count.set(self.count.get() + len as u64);
    }
}

impl<T: Read> Read for Counted<'_, T> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(out)?;
        self.add(len);
        Ok(len)
    }
}

impl<T: Write> Write for Counted<'_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.inner.write(bytes)?;
        self.add(len);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
