//! `SameAs`: a writer that compares its input with a file.

use std::io::{self, Read, Write};

/// A writer that accepts only the bytes of a file, in constant memory.
pub(crate) struct SameAs<R> {
    expected: R,
    buffer: Vec<u8>,
    differs: bool,
}

impl<R: Read> SameAs<R> {
    pub(crate) fn new(expected: R) -> Self {
        Self { expected, buffer: vec![0; 64 * 1024], differs: false }
    }

    /// Whether the writer received other bytes, or more.
    pub(crate) fn differs(&self) -> bool {
        self.differs
    }
}

impl<R: Read> Write for SameAs<R> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.buffer.len());
        let expected = &mut self.buffer[..len];
        let outcome = self.expected.read_exact(expected);
        let ended = outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof);
        if ended || (outcome.is_ok() && *expected != bytes[..len]) {
            self.differs = true;
            return Err(io::Error::other("what was read is not what was put"));
        }
        outcome.map(|()| len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
