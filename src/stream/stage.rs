//! `Stage`: buffers the one incomplete chunk between two calls.

use super::message::SEALED_CHUNK_LEN;
use crate::secret::{redacted, wipe};

/// The initial buffer; a small object never grows it.
const SMALL_LEN: usize = 4_096;

/// Memory for one chunk, allocated when first needed, wiped as far as it was used.
#[derive(Default)]
pub(super) struct Stage {
    buffer: Box<[u8]>,
    filled: usize,
    /// How much of the buffer was ever written.
    used: usize,
}

impl Stage {
    /// How many bytes are staged.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Stages bytes from the front of `input` until there are `len`; whether there are. `small`: this may be the only
    /// chunk.
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

    /// The staged bytes, which are taken out: they stand there until more are staged.
    pub(super) fn take(&mut self) -> &mut [u8] {
        &mut self.buffer[..std::mem::take(&mut self.filled)]
    }

    /// Makes room for `len` bytes, one sealed chunk at the most.
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

redacted!(Stage);
