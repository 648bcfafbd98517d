//! `SequentialPump`: decrypts stored bytes in order, into outputs of any size.

use super::{Buffer, Step, most_used, open_some, underneath};
use crate::error::{Error, Result};
use crate::geometry::in_object;
use crate::stream::{Failure, PlaintextReader};

/// Decrypts the stored bytes that an adapter reads in order: those of a whole object, or those that a plan fetches.
#[derive(Debug)]
pub(crate) struct SequentialPump {
    /// `None` once the end is verified.
    reader: Option<PlaintextReader>,
    ended: bool,
    /// Plaintext that did not fit the output.
    plain: Buffer,
    failure: Failure,
}

impl SequentialPump {
    pub(crate) fn new(reader: PlaintextReader) -> Self {
        let (plain, failure) = (Buffer::default(), Failure::default());
        Self { reader: Some(reader), ended: false, plain, failure }
    }

    /// Writes some plaintext to `output` and returns the number of bytes; 0 only at a verified end. The offset of the
    /// step has no meaning.
    pub(crate) fn read(&mut self, output: &mut [u8]) -> Result<Step<usize>> {
        self.failure.check()?;
        if output.is_empty() || !self.plain.ready().is_empty() {
            return Ok(Step::Done(self.plain.give(output)));
        }
        match self.reader.take_if(|_| self.ended) {
            Some(reader) => {
                let room = self.plain.room(reader.finish_len());
                let finished = reader.finish(room);
                self.plain.filled(self.failure.remember(finished)?);
                Ok(Step::Done(self.plain.give(output)))
            }
            None => Ok(match &self.reader {
                Some(reader) => Step::Fetch { offset: 0, most: most_used(reader, output.len()) },
                None => Step::Done(0),
            }),
        }
    }

    /// Takes the next stored bytes (none if they end here) and writes plaintext to `output`; returns the number of
    /// bytes taken and the number written.
    pub(crate) fn feed(&mut self, stored: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        self.failure.check()?;
        self.ended |= stored.is_empty();
        let Some(reader) = &mut self.reader else { return Ok((0, 0)) };
        let fed = open_some(reader, &mut self.plain, stored, output);
        self.failure.remember(fed)
    }

    /// Stores an error of the underlying reader.
    pub(crate) fn underneath(&mut self, error: std::io::Error) -> Error {
        self.failure.set(underneath(error))
    }

    /// Returns the number of plaintext bytes that are still to be read, if it is authenticated.
    pub(crate) fn remaining_len(&self) -> Option<u64> {
        self.failure.check().ok()?;
        let left = self.reader.as_ref().map_or(Some(0), PlaintextReader::remaining_len)?;
        Some(left.saturating_add(in_object(self.plain.ready().len())))
    }
}
