//! `DecryptReader`: a reader that decrypts and seeks.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::uninterrupted;
use crate::adapter::pump::{DecryptPump, Step};
use crate::error::Result;
use crate::stream::Decryptor;

/// Decrypts the body that begins where `inner` stands and ends where `inner` ends.
///
/// A clean end is reported only where the end is known: the last chunk has verified, or the envelope authenticates the
/// length. Seeking relative to the end verifies the last chunk first where it does not. After an error it gives the
/// same error for ever, by read and by seek; `Interrupted` is tried again, and `WouldBlock` is passed on and may be.
///
/// # Performance
///
/// Holds 64 KiB and what a decryptor holds, and for reads of less than 16 KiB one chunk more. Needs no `BufReader`
/// around it for large reads, nor underneath. After a seek the next read fetches up to 64 KiB.
#[derive(Debug)]
pub struct DecryptReader<R> {
    pump: DecryptPump,
    inner: R,
    /// Where the body begins in `inner`; found at the first use.
    start: Option<u64>,
    /// The offset of the body at which `inner` stands, where that is known.
    at: Option<u64>,
}

impl<R: Read + Seek> DecryptReader<R> {
    /// Decrypts the body that begins where `inner` stands now.
    pub fn new(decryptor: Decryptor, inner: R) -> Self {
        Self { pump: DecryptPump::new(decryptor), inner, start: None, at: None }
    }

    /// Gives back what it reads from, standing anywhere.
    pub fn into_inner(self) -> R {
        self.inner
    }

    /// Asks the pump, and does what it says until it has the answer.
    fn run<T>(&mut self, mut ask: impl FnMut(&mut DecryptPump) -> Result<Step<T>>) -> io::Result<T> {
        loop {
            // An error that is remembered comes before any I/O.
            self.pump.failure.check()?;
            let start = self.find_body()?;
            match ask(&mut self.pump)? {
                Step::Done(answer) => return Ok(answer),
                Step::Fetch(offset) => self.fetch(start, offset).map_err(|error| self.pump.underneath(error))?,
            }
        }
    }

    fn fetch(&mut self, start: u64, offset: u64) -> io::Result<()> {
        if self.at != Some(offset) {
            self.at = None;
            uninterrupted(|| self.inner.seek(SeekFrom::Start(start.saturating_add(offset))))?;
            self.at = Some(offset);
        }
        // A read that would block has moved nothing; after any other error none follows.
        let read = uninterrupted(|| self.inner.read(self.pump.room()))?;
        self.pump.filled(read);
        self.at = Some(offset + read as u64);
        Ok(())
    }

    /// Finds where the body begins, and tells the pump how long it is.
    fn find_body(&mut self) -> Result<u64> {
        if let Some(start) = self.start {
            return Ok(start);
        }
        let place = uninterrupted(|| self.inner.stream_position())
            .and_then(|start| Ok((start, uninterrupted(|| self.inner.seek(SeekFrom::End(0)))?)));
        let (start, end) = place.map_err(|error| self.pump.underneath(error))?;
        self.pump.set_body_len(end.saturating_sub(start));
        self.start = Some(start);
        Ok(start)
    }
}

impl<R: Read + Seek> Read for DecryptReader<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        self.run(|pump| pump.read(output))
    }
}

impl<R: Read + Seek> Seek for DecryptReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = self.run(|pump| pump.seek(to))?;
        position.ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "a seek before the beginning"))
    }
}
