//! `EncryptPump` and `DecryptPump`: what adapters for writers and readers have in common, without their I/O.
//!
//! An adapter asks a pump, does the one read, seek or write that the pump names, and asks again. The pump decides what
//! to read next and where, and serves outputs of any size; it remembers the first error, the adapter's I/O included.

#[cfg(test)]
mod tests;

use std::io::{Error as StdError, ErrorKind, SeekFrom};
use std::ops::Range;

use crate::error::{Error, IoError, Result};
use crate::geometry::in_object;
use crate::secret::{redacted, wipe};
use crate::stream::message::{CHUNK_LEN, HEADER_LEN, SEALED_CHUNK_LEN};
use crate::stream::{Decryptor, Encryptor, Failure, Finished, PlaintextReader};

/// Four sealed chunks: enough that an adapter costs nothing, and little enough for a thousand streams.
const BUFFER_CHUNKS: usize = 4;
const BUFFER_LEN: usize = HEADER_LEN + BUFFER_CHUNKS * SEALED_CHUNK_LEN;

/// An error of the stream underneath.
pub(crate) fn underneath(error: StdError) -> Error {
    IoError::new("the stream underneath failed", error).into()
}

/// Bytes that wait, wiped when dropped.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    ready: Range<usize>,
}

redacted!(Buffer);

impl Buffer {
    /// The bytes that wait.
    pub(crate) fn ready(&self) -> &[u8] {
        &self.bytes[self.ready.clone()]
    }

    /// Forgets the bytes that wait, and makes room for `len` others; [`filled`](Self::filled) follows.
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        self.ready = 0..0;
        if self.bytes.len() < len {
            wipe(&mut self.bytes);
            self.bytes = vec![0; len];
        }
        &mut self.bytes[..len]
    }

    /// Says how many bytes were put into the room.
    pub(crate) fn filled(&mut self, len: usize) {
        self.ready = 0..len;
    }

    /// Forgets as many of the bytes that wait, from their front.
    pub(crate) fn consume(&mut self, len: usize) {
        self.ready.start += len;
    }

    /// Moves what it can to the front of `output`, and says how many bytes.
    fn give(&mut self, output: &mut [u8]) -> usize {
        let given = self.ready.len().min(output.len());
        output[..given].copy_from_slice(&self.ready()[..given]);
        self.consume(given);
        given
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

/// Encrypts what is written, and holds what is sealed until the adapter has written it on.
#[derive(Debug)]
pub(crate) struct EncryptPump {
    encryptor: Encryptor,
    sealed: Buffer,
    pub(crate) failure: Failure,
}

impl EncryptPump {
    pub(crate) fn new(encryptor: Encryptor) -> Self {
        Self { encryptor, sealed: Buffer::default(), failure: Failure::default() }
    }

    /// Takes bytes from the front of `input` and says how many; only while nothing is [pending](Self::pending).
    pub(crate) fn write(&mut self, input: &[u8]) -> Result<usize> {
        self.failure.check()?;
        let mut len = input.len().min(BUFFER_CHUNKS * CHUNK_LEN);
        while self.encryptor.update_len(len) > BUFFER_LEN {
            len -= CHUNK_LEN;
        }
        let sealed = self.encryptor.update(&input[..len], self.sealed.room(BUFFER_LEN));
        self.sealed.filled(self.failure.remember(sealed)?);
        Ok(len)
    }

    /// Stored bytes to write on.
    pub(crate) fn pending(&self) -> &[u8] {
        self.sealed.ready()
    }

    /// Says that so many of the pending bytes were written.
    pub(crate) fn written(&mut self, len: usize) {
        self.sealed.consume(len);
    }

    /// Ends the plaintext: gives the last stored bytes to write.
    pub(crate) fn finish(self) -> Result<(Vec<u8>, Finished)> {
        self.failure.check()?;
        let mut last = vec![0; self.encryptor.finish_len()];
        let finished = self.encryptor.finish(&mut last)?;
        Ok((last, finished))
    }
}

/// What an adapter does next.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// It answers its caller.
    Done(T),
    /// It [feeds](DecryptPump::feed) stored bytes from this offset of the body on, `most` are of use at once, and asks
    /// again.
    Fetch { offset: u64, most: usize },
}

/// Decrypts a body that the adapter reads: at a position, in steps of any size.
#[derive(Debug)]
pub(crate) struct DecryptPump {
    decryptor: Decryptor,
    body_len: u64,
    /// The plaintext offset of the next byte.
    position: u64,
    state: State,
    /// Where the stored bytes lie that are still to come; nowhere once the body has ended.
    left: Range<u64>,
    /// Plaintext for which the output had no room.
    plain: Buffer,
    pub(crate) failure: Failure,
}

#[derive(Debug)]
enum State {
    /// Nothing is being read.
    Idle,
    /// The chunks from the position on are being read.
    Reading(PlaintextReader),
    /// They were read to a verified end.
    Finished,
    /// The last chunk is being read, to verify where the object ends.
    Ending(PlaintextReader),
}

impl DecryptPump {
    /// Reads a body from its beginning; its [length](Self::set_body_len) follows.
    pub(crate) fn new(decryptor: Decryptor) -> Self {
        let (state, plain, failure) = (State::Idle, Buffer::default(), Failure::default());
        Self { decryptor, body_len: 0, position: 0, state, left: 0..0, plain, failure }
    }

    /// Says how many stored bytes the body has, before the first read or seek.
    pub(crate) fn set_body_len(&mut self, len: u64) {
        self.body_len = len;
    }

    /// Puts some plaintext into `output` and says how many bytes; 0 only at a verified end.
    pub(crate) fn read(&mut self, output: &mut [u8]) -> Result<Step<usize>> {
        self.failure.check()?;
        let step = self.read_some(output);
        let step = self.failure.remember(step)?;
        if let Step::Done(read) = step {
            self.position += in_object(read);
        }
        Ok(step)
    }

    /// Moves the position, and says where it is; `None` before the beginning.
    pub(crate) fn seek(&mut self, to: SeekFrom) -> Result<Step<Option<u64>>> {
        self.failure.check()?;
        // Computed first, committed last.
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => {
                let len = self.verified_len();
                match self.failure.remember(len)? {
                    Some(len) => len.checked_add_signed(distance),
                    None => return Ok(self.fetch()),
                }
            }
        };
        if let Some(position) = position.filter(|position| *position != self.position) {
            (self.position, self.state) = (position, State::Idle);
        }
        Ok(Step::Done(position))
    }

    /// Takes stored bytes that lie where the last step said, none if the body ends there, and puts plaintext into
    /// `output`; says how many bytes it took, and how many it gave.
    pub(crate) fn feed(&mut self, stored: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        let fed = self.feed_some(stored, output);
        let (taken, given) = self.failure.remember(fed)?;
        self.left.start = if stored.is_empty() { self.left.end } else { self.left.start + in_object(taken) };
        self.position += in_object(given);
        Ok((taken, given))
    }

    /// Remembers an error of the stream underneath, unless that stream may be asked again.
    pub(crate) fn underneath(&mut self, error: StdError) -> Error {
        let again = error.kind() == ErrorKind::WouldBlock;
        if again { underneath(error) } else { self.failure.set(underneath(error)) }
    }

    fn read_some(&mut self, output: &mut [u8]) -> Result<Step<usize>> {
        if output.is_empty() {
            return Ok(Step::Done(0));
        }
        if matches!(self.state, State::Idle | State::Ending(_)) && !self.begin()? {
            return Ok(Step::Done(0));
        }
        if self.plain.ready.is_empty() && matches!(self.state, State::Reading(_)) {
            if !self.left.is_empty() {
                return Ok(self.fetch());
            }
            self.finish()?;
        }
        Ok(Step::Done(self.plain.give(output)))
    }

    fn feed_some(&mut self, stored: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        let stored = &stored[..stored.len().min(self.left_len())];
        let reader = match &mut self.state {
            State::Reading(reader) => reader,
            // Nothing of the last chunk is given out.
            State::Ending(reader) => return Ok((stored.len(), reader.update(stored, &mut [])?)),
            State::Idle | State::Finished => return Ok((0, 0)),
        };
        // As many whole chunks as `output` holds go straight into it; a chunk for which it is too small is kept.
        let one = reader.chunk_left().min(stored.len());
        let more = (output.len() / CHUNK_LEN).max(1) - 1;
        let all = one.saturating_add(more.saturating_mul(SEALED_CHUNK_LEN)).min(stored.len());
        if reader.update_len(all) <= output.len() {
            return Ok((all, reader.update(&stored[..all], output)?));
        }
        let room = self.plain.room(reader.update_len(one));
        let given = reader.update(&stored[..one], room)?;
        self.plain.filled(given);
        Ok((one, self.plain.give(output)))
    }

    /// Begins to read at the position; false where that is at or behind an end that is known.
    fn begin(&mut self) -> Result<bool> {
        let (reader, stored) = if self.position == 0 {
            (self.decryptor.sequential(), 0..self.body_len)
        } else {
            match self.decryptor.range(self.position.., self.body_len) {
                Ok(plan) => (plan.reader(), plan.fetch_span()),
                Err(Error::RangeNotSatisfiable { .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        };
        self.start(State::Reading(reader), stored);
        Ok(true)
    }

    /// Begins to read these stored bytes.
    fn start(&mut self, state: State, stored: Range<u64>) {
        self.plain.filled(0);
        (self.state, self.left) = (state, stored);
    }

    /// Asks for the stored bytes that come next.
    fn fetch<T>(&self) -> Step<T> {
        let (State::Reading(reader) | State::Ending(reader)) = &self.state else {
            return Step::Fetch { offset: self.left.start, most: 0 };
        };
        // PERF: what ends with a chunk is opened without a copy.
        let most = reader.chunk_left() + (BUFFER_CHUNKS - 1) * SEALED_CHUNK_LEN;
        Step::Fetch { offset: self.left.start, most: most.min(self.left_len()) }
    }

    fn left_len(&self) -> usize {
        usize::try_from(self.left.end.saturating_sub(self.left.start)).unwrap_or(usize::MAX)
    }

    /// Verifies the end and keeps the last bytes.
    fn finish(&mut self) -> Result<()> {
        let State::Reading(reader) = std::mem::replace(&mut self.state, State::Finished) else { return Ok(()) };
        let room = self.plain.room(reader.finish_len());
        match reader.finish(room) {
            Ok(len) => self.plain.filled(len),
            // Behind the end, and now it is known to be the end.
            Err(Error::RangeNotSatisfiable { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The plaintext length, once it is verified.
    fn verified_len(&mut self) -> Result<Option<u64>> {
        if let Some(len) = self.decryptor.plaintext_len() {
            return Ok(Some(len));
        }
        if !matches!(self.state, State::Ending(_)) {
            let plan = self.decryptor.end_plan(self.body_len)?;
            self.start(State::Ending(plan.reader()), plan.fetch_span());
        }
        if !self.left.is_empty() {
            return Ok(None);
        }
        if let State::Ending(reader) = std::mem::replace(&mut self.state, State::Idle) {
            reader.finish(&mut [])?;
            self.decryptor = self.decryptor.ending_at(self.body_len)?;
        }
        // A decryptor knows the length once the end has verified.
        self.decryptor.plaintext_len().map(Some).ok_or(Error::Inauthentic)
    }
}
