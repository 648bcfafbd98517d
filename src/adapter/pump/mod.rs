//! `EncryptPump`, `DecryptPump`, `SequentialPump` and `PiecePump`: the common part of adapters, without I/O.
//!
//! An adapter asks a pump for a step, does the one read, seek or write of that step, and asks again. The pump decides
//! what to read next and where, and fills outputs of any size; it stores the first error, including errors of the
//! adapter's I/O. A `PiecePump` takes and gives owned pieces instead.

#[cfg(any(feature = "http-body", feature = "stream"))]
mod pieces;
#[cfg(feature = "tokio")]
mod sequential;

#[cfg(any(feature = "http-body", feature = "stream"))]
pub(crate) use pieces::{Engine, MAX_TURNS, Next, PiecePump};
#[cfg(feature = "tokio")]
pub(crate) use sequential::SequentialPump;

use std::io::{Error as StdError, ErrorKind, SeekFrom};
use std::ops::Range;

use crate::error::{Error, IoError, Misuse, Result};
use crate::geometry::in_object;
use crate::secret::{redacted, wipe};
use crate::stream::message::{CHUNK_LEN, HEADER_LEN, SEALED_CHUNK_LEN};
use crate::stream::{Decryptor, Encryptor, Failure, Finished, PlaintextReader};

/// Four sealed chunks: enough that an adapter's overhead is negligible, and small enough for a thousand streams.
const BUFFER_CHUNKS: usize = 4;
const BUFFER_LEN: usize = HEADER_LEN + BUFFER_CHUNKS * SEALED_CHUNK_LEN;

/// Wraps an error of the underlying stream.
pub(crate) fn underneath(error: StdError) -> Error {
    IoError::new("the stream underneath failed", error).into()
}

/// A buffer of waiting bytes, wiped when dropped.
#[derive(Default)]
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    ready: Range<usize>,
}

redacted!(Buffer);

impl Buffer {
    /// Returns the waiting bytes.
    pub(crate) fn ready(&self) -> &[u8] {
        &self.bytes[self.ready.clone()]
    }

    /// Discards the waiting bytes and returns room for `len` new ones; call [`filled`](Self::filled) next.
    pub(crate) fn room(&mut self, len: usize) -> &mut [u8] {
        self.ready = 0..0;
        if self.bytes.len() < len {
            wipe(&mut self.bytes);
            self.bytes = vec![0; len];
        }
        &mut self.bytes[..len]
    }

    /// Sets the number of bytes that were written to the room.
    pub(crate) fn filled(&mut self, len: usize) {
        self.ready = 0..len;
    }

    /// Discards the first `len` waiting bytes.
    pub(crate) fn consume(&mut self, len: usize) {
        self.ready.start += len;
    }

    /// Moves as many bytes as fit to the front of `output`, and returns their number.
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

/// Encrypts written plaintext, and holds the sealed bytes until the adapter has written them.
#[derive(Debug)]
pub(crate) struct EncryptPump {
    /// `None` once the plaintext has ended.
    encryptor: Option<Encryptor>,
    sealed: Buffer,
    finished: Option<Finished>,
    pub(crate) failure: Failure,
}

impl EncryptPump {
    pub(crate) fn new(encryptor: Encryptor) -> Self {
        let (sealed, failure) = (Buffer::default(), Failure::default());
        Self { encryptor: Some(encryptor), sealed, finished: None, failure }
    }

    /// Takes bytes from the front of `input` and returns their number; call only while nothing is
    /// [pending](Self::pending).
    pub(crate) fn write(&mut self, input: &[u8]) -> Result<usize> {
        self.failure.check()?;
        let Some(encryptor) = &mut self.encryptor else { return Err(Misuse::Finished.into()) };
        let len = encryptor.piece_len(input.len(), BUFFER_CHUNKS).min(input.len());
        let room = self.sealed.room(encryptor.update_len(len).max(BUFFER_LEN));
        let sealed = encryptor.update(&input[..len], room);
        self.sealed.filled(self.failure.remember(sealed)?);
        Ok(len)
    }

    /// Returns the stored bytes to write.
    pub(crate) fn pending(&self) -> &[u8] {
        self.sealed.ready()
    }

    /// Discards the first `len` pending bytes, which were written.
    pub(crate) fn written(&mut self, len: usize) {
        self.sealed.consume(len);
    }

    /// Ends the plaintext: the last stored bytes are [pending](Self::pending). Call only while nothing is pending; a
    /// second call changes nothing.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.failure.check()?;
        if let Some(encryptor) = self.encryptor.take() {
            let len = encryptor.finish_len();
            let finished = encryptor.finish(self.sealed.room(len));
            self.finished = Some(self.failure.remember(finished)?);
            self.sealed.filled(len);
        }
        Ok(())
    }

    /// Returns how the plaintext ended; `None` before its end.
    pub(crate) fn finished(&self) -> Option<&Finished> {
        self.finished.as_ref()
    }

    /// Returns whether the plaintext length was given when encryption began.
    #[cfg(feature = "tokio")]
    pub(crate) fn knows_len(&self) -> bool {
        self.encryptor.as_ref().is_some_and(|encryptor| encryptor.plaintext_len().is_some())
    }
}

/// The next step of an adapter.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// The adapter answers its caller.
    Done(T),
    /// The adapter [feeds](DecryptPump::feed) stored bytes from this offset of the body, of which at most `most` are
    /// used at once, and asks again.
    Fetch { offset: u64, most: usize },
}

/// Decrypts a body that the adapter reads, from any position, in steps of any size.
#[derive(Debug)]
pub(crate) struct DecryptPump {
    decryptor: Decryptor,
    body_len: u64,
    /// The plaintext offset of the next byte.
    position: u64,
    state: State,
    /// The stored bytes that are still to be read; empty once the body has ended.
    left: Range<u64>,
    /// Plaintext that did not fit the output.
    plain: Buffer,
    pub(crate) failure: Failure,
}

#[derive(Debug)]
enum State {
    /// Nothing is being read.
    Idle,
    /// The chunks from the position on are being read.
    Reading(PlaintextReader),
    /// The chunks were read to a verified end.
    Finished,
    /// The last chunk is being read, to verify the object's end.
    Ending(PlaintextReader),
}

impl DecryptPump {
    /// Creates a pump at the body's beginning; call [`set_body_len`](Self::set_body_len) next.
    pub(crate) fn new(decryptor: Decryptor) -> Self {
        let (state, plain, failure) = (State::Idle, Buffer::default(), Failure::default());
        Self { decryptor, body_len: 0, position: 0, state, left: 0..0, plain, failure }
    }

    /// Sets the number of stored bytes of the body, before the first read or seek.
    pub(crate) fn set_body_len(&mut self, len: u64) {
        self.body_len = len;
    }

    /// Writes some plaintext to `output` and returns the number of bytes; 0 only at a verified end.
    pub(crate) fn read(&mut self, output: &mut [u8]) -> Result<Step<usize>> {
        self.failure.check()?;
        let step = self.read_some(output);
        let step = self.failure.remember(step)?;
        if let Step::Done(read) = step {
            self.position += in_object(read);
        }
        Ok(step)
    }

    /// Moves the position and returns it; `None` if it would be before the beginning.
    pub(crate) fn seek(&mut self, to: SeekFrom) -> Result<Step<Option<u64>>> {
        self.failure.check()?;
        // The new position is computed first and committed last.
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(distance) => self.position.checked_add_signed(distance),
            SeekFrom::End(distance) => {
                let len = self.verified_len();
                match self.failure.remember(len)? {
                    Some(len) => len.checked_add_signed(distance),
                    None => return Ok(self.fetch(0)),
                }
            }
        };
        if let Some(position) = position.filter(|position| *position != self.position) {
            (self.position, self.state) = (position, State::Idle);
        }
        Ok(Step::Done(position))
    }

    /// Takes stored bytes at the offset of the last step (none if the body ends there) and writes plaintext to
    /// `output`; returns the number of bytes taken and the number written.
    pub(crate) fn feed(&mut self, stored: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        let fed = self.feed_some(stored, output);
        let (taken, given) = self.failure.remember(fed)?;
        self.left.start = if stored.is_empty() { self.left.end } else { self.left.start + in_object(taken) };
        self.position += in_object(given);
        Ok((taken, given))
    }

    /// Stores an error of the underlying stream, unless the operation may be repeated.
    pub(crate) fn underneath(&mut self, error: StdError) -> Error {
        let again = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
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
                return Ok(self.fetch(output.len()));
            }
            self.finish()?;
        }
        Ok(Step::Done(self.plain.give(output)))
    }

    fn feed_some(&mut self, stored: &[u8], output: &mut [u8]) -> Result<(usize, usize)> {
        let stored = &stored[..stored.len().min(self.left_len())];
        let reader = match &mut self.state {
            State::Reading(reader) => reader,
            // The last chunk's plaintext is not returned.
            State::Ending(reader) => return Ok((stored.len(), reader.update(stored, &mut [])?)),
            State::Idle | State::Finished => return Ok((0, 0)),
        };
        open_some(reader, &mut self.plain, stored, output)
    }

    /// Begins to read at the position; returns false if the position is at or behind a known end.
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

    /// Returns the step that fetches the next stored bytes, for `room` bytes of plaintext.
    fn fetch<T>(&self, room: usize) -> Step<T> {
        let most = match &self.state {
            State::Reading(reader) | State::Ending(reader) => most_used(reader, room),
            State::Idle | State::Finished => 0,
        };
        Step::Fetch { offset: self.left.start, most: most.min(self.left_len()) }
    }

    fn left_len(&self) -> usize {
        usize::try_from(self.left.end.saturating_sub(self.left.start)).unwrap_or(usize::MAX)
    }

    /// Verifies the end and buffers the last bytes.
    fn finish(&mut self) -> Result<()> {
        let State::Reading(reader) = std::mem::replace(&mut self.state, State::Finished) else { return Ok(()) };
        let room = self.plain.room(reader.finish_len());
        match reader.finish(room) {
            Ok(len) => self.plain.filled(len),
            // The position is behind the end, which is now verified.
            Err(Error::RangeNotSatisfiable { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns the plaintext length once it is verified.
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
        // The decryptor knows the length once the end is verified.
        self.decryptor.plaintext_len().map(Some).ok_or(Error::Inauthentic)
    }
}

/// Opens stored bytes into `output`; returns the number of bytes taken and the number written.
///
/// As many whole chunks as fit are opened into `output`; a chunk that does not fit is buffered in `plain`.
fn open_some(
    reader: &mut PlaintextReader,
    plain: &mut Buffer,
    stored: &[u8],
    output: &mut [u8],
) -> Result<(usize, usize)> {
    let one = reader.piece_len(0, 1).min(stored.len());
    let more = (output.len() / CHUNK_LEN).max(1) - 1;
    let all = one.saturating_add(more.saturating_mul(SEALED_CHUNK_LEN)).min(stored.len());
    if reader.update_len(all) <= output.len() {
        return Ok((all, reader.update(&stored[..all], output)?));
    }
    let room = plain.room(reader.update_len(one));
    let given = reader.update(&stored[..one], room)?;
    plain.filled(given);
    Ok((one, plain.give(output)))
}

/// Returns how many stored bytes a reader uses at once for `room` bytes of plaintext.
fn most_used(reader: &PlaintextReader, room: usize) -> usize {
    // PERF: input that ends with a chunk is opened without a copy.
    reader.piece_len(room, BUFFER_CHUNKS)
}
