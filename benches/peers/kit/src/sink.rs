//! Where the output of a subject goes.

use std::hint::black_box;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Takes each buffer of output.
///
/// While the clock runs, a sink reads one byte of each buffer. Before that, sinks keep the output, or compare it.
#[derive(Clone, Debug)]
pub struct Sink(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    taken: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Touch,
    Keep(Vec<u8>),
    Compare(&'static [u8]),
}

impl Sink {
    fn new(what: What) -> Self {
        Self(Arc::new(Mutex::new(State { taken: 0, what })))
    }

    /// A sink that reads the first byte of each buffer.
    pub(crate) fn touch() -> Self {
        Self::new(What::Touch)
    }

    /// A sink that keeps the output, some `len` bytes.
    pub(crate) fn keep(len: usize) -> Self {
        Self::new(What::Keep(Vec::with_capacity(len)))
    }

    /// A sink that panics where the output is not `expected`.
    pub(crate) fn compare(expected: &'static [u8]) -> Self {
        Self::new(What::Compare(expected))
    }

    /// Takes one buffer.
    pub fn take(&self, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let start = state.taken as usize;
        state.taken += bytes.len() as u64;
        match &mut state.what {
            What::Touch => _ = black_box(bytes.first()),
            What::Keep(kept) => kept.extend_from_slice(bytes),
            What::Compare(expected) => {
                assert!(expected.get(start..start + bytes.len()) == Some(bytes), "wrong plaintext after byte {start}");
            }
        }
    }

    /// Makes a sink for each of `count` threads that share an object; [`join`](Self::join) brings them together.
    #[must_use]
    pub fn split(&self, count: usize) -> Vec<Self> {
        let keeps = !matches!(self.0.lock().unwrap_or_else(PoisonError::into_inner).what, What::Touch);
        (0..count).map(|_| if keeps { Self::keep(0) } else { Self::touch() }).collect()
    }

    /// Takes what the sinks of [`split`](Self::split) took, in their order.
    pub fn join(&self, parts: Vec<Self>) {
        for part in parts {
            match part.taken() {
                (_, Some(kept)) => self.take(&kept),
                (taken, None) => self.0.lock().unwrap_or_else(PoisonError::into_inner).taken += taken,
            }
        }
    }

    /// How many bytes were taken, and the bytes if they were kept.
    pub(crate) fn taken(self) -> (u64, Option<Vec<u8>>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = if let What::Keep(kept) = &mut state.what { Some(std::mem::take(kept)) } else { None };
        (state.taken, kept)
    }
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
