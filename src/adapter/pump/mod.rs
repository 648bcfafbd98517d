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
use crate::secret::wipe;
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
struct Buffer {
    bytes: Vec<u8>,
    ready: Range<usize>,
}

impl Buffer {
    fn ready(&self) -> &[u8] {
        &self.bytes[self.ready.clone()]
    }

    /// Room for `len` bytes behind those that wait.
    fn room(&mut self, len: usize) -> &mut [u8] {
        if self.ready.is_empty() {
            self.ready = 0..0;
        }
        let end = self.ready.end + len;
        if self.bytes.len() < end {
            let mut grown = vec![0; end.max(len)];
            grown[..self.ready.end].copy_from_slice(&self.bytes[..self.ready.end]);
            wipe(&mut self.bytes);
            self.bytes = grown;
        }
        &mut self.bytes[self.ready.end..end]
    }

    /// Moves what it can to the front of `output`, and says how many bytes.
    fn give(&mut self, output: &mut [u8]) -> usize {
        let given = self.ready.len().min(output.len());
        output[..given].copy_from_slice(&self.ready()[..given]);
        self.ready.start += given;
        given
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Buffer({} bytes)", self.ready.len())
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
        self.sealed.ready = 0..self.failure.remember(sealed)?;
        Ok(len)
    }

    /// Stored bytes to write on.
    pub(crate) fn pending(&self) -> &[u8] {
        self.sealed.ready()
    }

    /// Says that so many of the pending bytes were written.
    pub(crate) fn written(&mut self, len: usize) {
        self.sealed.ready.start += len;
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
    /// It reads into [`room`](DecryptPump::room) from this offset of the stored body, says how many bytes it
    /// [read](DecryptPump::filled), and asks again.
    Fetch(u64),
}

/// Decrypts a body that the adapter reads: at a position, in steps of any size.
#[derive(Debug)]
pub(crate) struct DecryptPump {
    decryptor: Decryptor,
    body_len: u64,
    /// The plaintext offset of the next byte.
    position: u64,
    state: State,
    /// Stored bytes that were fetched, and where those lie that are still to be; none once the body has ended.
    stored: Buffer,
    left: Range<u64>,
    /// Plaintext for which the output had no room.
    plain: Buffer,
    pub(crate) failure: Failure,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each adapter, and it hardly moves")]
enum State {
    /// Nothing is being read.
    Idle,
    /// The chunks from the position on are being read.
    Reading(PlaintextReader),
    /// They were read to a verified end.
    Finished,
    /// The last chunk is being fetched, to verify where the object ends.
    Ending,
}

impl DecryptPump {
    /// Reads a body from its beginning; its [length](Self::set_body_len) follows.
    pub(crate) fn new(decryptor: Decryptor) -> Self {
        Self {
            decryptor,
            body_len: 0,
            position: 0,
            state: State::Idle,
            stored: Buffer::default(),
            left: 0..0,
            plain: Buffer::default(),
            failure: Failure::default(),
        }
    }

    /// Says how many stored bytes the body has, before the first read or seek.
    pub(crate) fn set_body_len(&mut self, len: u64) {
        self.body_len = len;
    }

    /// Puts some plaintext into `output` and says how many bytes; 0 only at a verified end.
    pub(crate) fn read(&mut self, output: &mut [u8]) -> Result<Step<usize>> {
        self.failure.check()?;
        let step = if output.is_empty() { Ok(Step::Done(0)) } else { self.read_some(output) };
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
                    Step::Done(len) => len.checked_add_signed(distance),
                    Step::Fetch(offset) => return Ok(Step::Fetch(offset)),
                }
            }
        };
        if let Some(position) = position.filter(|position| *position != self.position) {
            (self.position, self.state) = (position, State::Idle);
        }
        Ok(Step::Done(position))
    }

    /// Where the stored bytes go that the last step asked for.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let most = match &self.state {
            // PERF: what ends with a chunk is opened without a copy.
            State::Reading(reader) => reader.chunk_left() + (BUFFER_CHUNKS - 1) * SEALED_CHUNK_LEN,
            State::Idle | State::Finished | State::Ending => BUFFER_LEN,
        };
        let left = usize::try_from(self.left.end.saturating_sub(self.left.start)).unwrap_or(usize::MAX);
        self.stored.room(left.min(most))
    }

    /// Says how many stored bytes were read; none means that the body ends there.
    pub(crate) fn filled(&mut self, len: usize) {
        self.stored.ready.end += len;
        self.left.start = if len == 0 { self.left.end } else { self.left.start + in_object(len) };
    }

    /// Remembers an error of the stream underneath, unless that stream may be asked again.
    pub(crate) fn underneath(&mut self, error: StdError) -> Error {
        let again = error.kind() == ErrorKind::WouldBlock;
        if again { underneath(error) } else { self.failure.set(underneath(error)) }
    }

    fn read_some(&mut self, output: &mut [u8]) -> Result<Step<usize>> {
        if matches!(self.state, State::Idle | State::Ending) && !self.begin()? {
            return Ok(Step::Done(0));
        }
        loop {
            if !self.plain.ready.is_empty() {
                return Ok(Step::Done(self.plain.give(output)));
            }
            let State::Reading(reader) = &mut self.state else { return Ok(Step::Done(0)) };
            let stored = self.stored.ready();
            if stored.is_empty() && !self.left.is_empty() {
                return Ok(Step::Fetch(self.left.start));
            }
            if stored.is_empty() {
                self.finish()?;
                continue;
            }
            // As many whole chunks as `output` holds go straight into it; a chunk for which it is too small is kept.
            let one = reader.chunk_left().min(stored.len());
            let more = (output.len() / CHUNK_LEN).max(1) - 1;
            let all = one.saturating_add(more.saturating_mul(SEALED_CHUNK_LEN)).min(stored.len());
            let straight = reader.update_len(all) <= output.len();
            let (taken, given) = if straight {
                (all, reader.update(&stored[..all], output)?)
            } else {
                let room = self.plain.room(reader.update_len(one));
                (one, reader.update(&stored[..one], room)?)
            };
            self.stored.ready.start += taken;
            match given {
                0 => {}
                given if straight => return Ok(Step::Done(given)),
                given => self.plain.ready = 0..given,
            }
        }
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
        self.fetch(State::Reading(reader), stored);
        Ok(true)
    }

    /// Forgets what was fetched, to fetch something else.
    fn fetch(&mut self, state: State, stored: Range<u64>) {
        (self.state, self.left, self.stored.ready, self.plain.ready) = (state, stored, 0..0, 0..0);
    }

    /// Verifies the end and keeps the last bytes.
    fn finish(&mut self) -> Result<()> {
        let State::Reading(reader) = std::mem::replace(&mut self.state, State::Finished) else { return Ok(()) };
        let room = self.plain.room(reader.finish_len());
        match reader.finish(room) {
            Ok(len) => self.plain.ready = 0..len,
            // Behind the end, and now it is known to be the end.
            Err(Error::RangeNotSatisfiable { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The plaintext length, verified.
    fn verified_len(&mut self) -> Result<Step<u64>> {
        if let Some(len) = self.decryptor.plaintext_len() {
            return Ok(Step::Done(len));
        }
        if !matches!(self.state, State::Ending) {
            let end = self.decryptor.end_fetch(self.body_len)?;
            self.fetch(State::Ending, end);
        }
        if !self.left.is_empty() {
            return Ok(Step::Fetch(self.left.start));
        }
        self.decryptor = self.decryptor.verify_end(self.body_len, self.stored.ready())?;
        self.state = State::Idle;
        // `verify_end` gives a decryptor that knows.
        self.decryptor.plaintext_len().map(Step::Done).ok_or(Error::Inauthentic)
    }
}
