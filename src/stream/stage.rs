//! `Stage`: buffers the one incomplete chunk between two calls.

use super::message::SEALED_CHUNK_LEN;
use crate::secret::{redacted, wipe};

/// Length of the initial buffer; a small object needs no larger one.
const SMALL_LEN: usize = 4_096;

/// A buffer for one chunk: allocated on first use; its used part is wiped on drop and when it grows.
#[derive(Default)]
pub(super) struct Stage {
    buffer: Box<[u8]>,
    filled: usize,
    /// The length of the part of `buffer` that was ever written.
    used: usize,
}

impl Stage {
    /// Returns the number of staged bytes.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Stages bytes from the front of `input` up to `len` staged bytes; returns whether `len` is reached. `small` says
    /// that this may be the only chunk.
    pub(super) fn fill(&mut self, input: &mut &[u8], len: usize, small: bool) -> bool {
        let (taken, rest) = input.split_at(input.len().min(len - self.filled));
        if !taken.is_empty() {
            let end = self.filled + taken.len();
            self.reserve(end, small);
            self.buffer[self.filled..end].copy_from_slice(taken);
            (self.filled, *input) = (end, rest);
        }
        self.filled == len
    }

    /// Takes the staged bytes; the slice is valid until more bytes are staged.
    pub(super) fn take(&mut self) -> &mut [u8] {
        &mut self.buffer[..std::mem::take(&mut self.filled)]
    }

    /// Makes room for `len` bytes, at most one sealed chunk.
    fn reserve(&mut self, len: usize, small: bool) {
        if self.buffer.len() < len {
            // PERF: a small object needs only a small allocation; that of a full chunk takes a microsecond or more.
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

redacted!(Stage);
