//! The one chunk that a stream holds between two calls: being filled, or being given out.

use std::ops::Range;

use super::Pass;
use super::message::SEALED_CHUNK_LEN;
use crate::secret::wipe;

/// What an object of a few KiB makes do with.
const SMALL_LEN: usize = 4_096;

/// Memory for one chunk, allocated when first needed, wiped as far as it was used.
#[derive(Default)]
pub(crate) struct Stage {
    buffer: Box<[u8]>,
    /// How much of the buffer was ever written.
    used: usize,
    state: State,
}

#[derive(Clone)]
enum State {
    /// This many bytes were taken in.
    Filling(usize),
    /// These are to be given out.
    Draining(Range<usize>),
}

impl Default for State {
    fn default() -> Self {
        Self::Filling(0)
    }
}

impl Stage {
    /// How many bytes were taken in; none while it is given out.
    pub(crate) fn filled(&self) -> usize {
        match self.state {
            State::Filling(filled) => filled,
            State::Draining(_) => 0,
        }
    }

    /// How many bytes wait to be given out.
    pub(crate) fn pending(&self) -> usize {
        match &self.state {
            State::Filling(_) => 0,
            State::Draining(pending) => pending.len(),
        }
    }

    /// Takes from the input until `len` bytes are there; true once they are. `small` as long as they may be all there is.
    pub(crate) fn fill(&mut self, pass: &mut Pass<'_>, len: usize, small: bool) -> bool {
        let filled = self.filled();
        let taken = pass.take(len - filled);
        let end = filled + taken.len();
        if !taken.is_empty() {
            self.reserve(end, small);
            self.buffer[filled..end].copy_from_slice(taken);
            self.state = State::Filling(end);
        }
        end == len
    }

    /// The bytes that were taken in.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.filled()]
    }

    /// The bytes that were taken in and `extra` more behind them, to be worked on in place.
    pub(crate) fn bytes_and(&mut self, extra: usize) -> &mut [u8] {
        let len = self.filled() + extra;
        self.reserve(len, true);
        &mut self.buffer[..len]
    }

    /// Holds nothing any more.
    pub(crate) fn clear(&mut self) {
        self.state = State::Filling(0);
    }

    /// Has these bytes of the buffer to give out.
    pub(crate) fn give(&mut self, bytes: Range<usize>) {
        self.state = if bytes.is_empty() { State::Filling(0) } else { State::Draining(bytes) };
    }

    /// Gives out what it can; true once nothing waits any more.
    pub(crate) fn drain(&mut self, pass: &mut Pass<'_>) -> bool {
        let State::Draining(pending) = &mut self.state else { return true };
        let room = pass.room(pending.len());
        room.copy_from_slice(&self.buffer[pending.start..pending.start + room.len()]);
        pending.start += room.len();
        let drained = pending.start == pending.end;
        if drained {
            self.clear();
        }
        drained
    }

    /// Has room for `len` bytes, which are one sealed chunk at the most.
    fn reserve(&mut self, len: usize, small: bool) {
        if self.buffer.len() < len {
            // PERF: a small object pays for a small allocation; a whole chunk costs it a microsecond and more.
            let grown = if small && len <= SMALL_LEN { SMALL_LEN } else { SEALED_CHUNK_LEN };
            let mut grown = vec![0; grown].into_boxed_slice();
            grown[..self.used].copy_from_slice(&self.buffer[..self.used]);
            wipe(&mut self.buffer[..self.used]);
            self.buffer = grown;
        }
        self.used = self.used.max(len);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        wipe(&mut self.buffer[..self.used]);
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stage(..)")
    }
}
