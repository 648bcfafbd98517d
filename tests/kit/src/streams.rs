//! Streams in steps, every way of reading an object, and the boundary table.

use std::ops::Range;

use atrest::error::Misuse;
use atrest::{Backend, Decryptor, Encryptor, Error, Finished, PlaintextReader, Result};

/// The length of a chunk.
pub const C: usize = 16_384;

/// The lengths at which something changes.
pub const LENS: [usize; 9] = [0, 1, C - 1, C, C + 1, 2 * C - 1, 2 * C, 2 * C + 1, 3 * C + 500];
/// The lengths of the pieces that a stream is given.
pub const STEPS: [usize; 5] = [1, 512, C - 1, C, C + 1];

/// The backends of this build that this processor supports.
pub fn backends() -> Vec<Backend> {
    Backend::available().collect()
}

/// Plaintext in which no two chunks are the same, and that of the vectors: byte i is (7 i + 13 floor(i / 256) + 1) mod
/// 256.
pub fn plain(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((7 * i + 13 * (i / 256) + 1) % 256) as u8).collect()
}

/// The name that the format gives to the class of an error.
pub fn class(error: &Error) -> String {
    let inner = match error {
        Error::Envelope(envelope) => format!("{envelope:?}"),
        Error::SealedFile(file) => format!("{file:?}"),
        Error::CustomerKey(key) => format!("CustomerKey{key:?}"),
        other => format!("{other:?}"),
    };
    inner.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

/// The bytes that a stream returned, and how it ended.
#[derive(Debug)]
pub struct Read {
    pub released: Vec<u8>,
    pub end: Result<()>,
}

impl Read {
    /// The result of a call that reads all at once.
    pub fn of(read: Result<Vec<u8>>) -> Self {
        match read {
            Ok(released) => Self { released, end: Ok(()) },
            Err(error) => Self { released: Vec::new(), end: Err(error) },
        }
    }

    /// The plaintext, or the error.
    pub fn into_result(self) -> Result<Vec<u8>> {
        self.end.map(|()| self.released)
    }
}

/// An encryptor or a reader.
pub trait Stream: Sized {
    /// The greatest number of bytes that `finish` can write.
    const MOST_LEFT: usize;
    /// What the end of the stream states.
    type End;

    fn update_len(&self, input_len: usize) -> usize;
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize>;
    fn finish_len(&self) -> usize;
    fn finish(self, output: &mut [u8]) -> Result<(usize, Self::End)>;
}

macro_rules! stream {
    ($($name:ident at most $most:literal, $end:ty: $stream:ident => $written:expr;)*) => {$(
        impl Stream for $name {
            const MOST_LEFT: usize = $most;
            type End = $end;

            fn update_len(&self, input_len: usize) -> usize {
                self.update_len(input_len)
            }
            fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
                self.update(input, output)
            }
            fn finish_len(&self) -> usize {
                self.finish_len()
            }
            fn finish(self, output: &mut [u8]) -> Result<(usize, $end)> {
                self.finish(output).map(|$stream| $written)
            }
        }
    )*};
}

stream! {
    Encryptor at most 33_000, Finished: finished => (finished.written, finished);
    PlaintextReader at most 32_767, (): written => (written, ());
}

/// Lengths of the pieces of an input, repeated until its end.
#[derive(Clone, Debug)]
pub struct Steps(pub Vec<usize>);

impl Steps {
    pub fn of(input: usize) -> Self {
        Self(vec![input])
    }

    /// The lengths, for ever.
    pub fn lens(&self) -> impl Iterator<Item = usize> {
        self.0.iter().copied().cycle()
    }

    /// The pieces of an input.
    pub fn cut<'a>(&self, input: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = input;
        self.lens().map_while(move |len| {
            let (piece, behind) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            let more = !rest.is_empty();
            rest = behind;
            more.then_some(piece)
        })
    }
}

/// Passes all of `input` through in steps, with empty ones in between, and finishes.
///
/// Each output first is a byte too short, which is refused and takes nothing, and then has exactly the length that the
/// stream states beforehand. After an error the stream is asked again: the error stays the same, and never becomes a
/// clean end.
pub fn pass<S: Stream>(stream: S, input: &[u8], steps: &Steps) -> Read {
    let (released, end) = pass_to_end(stream, input, steps);
    Read { released, end: end.map(drop) }
}

fn pass_to_end<S: Stream>(mut stream: S, input: &[u8], steps: &Steps) -> (Vec<u8>, Result<S::End>) {
    let mut released = Vec::new();
    let mut taken = 0;
    for piece in steps.cut(input) {
        let mut output = vec![0; stream.update_len(piece.len())];
        if let Some((_, short)) = output.split_last_mut() {
            let refused = stream.update(piece, short);
            assert!(matches!(refused, Err(Error::Misuse(Misuse::OutputTooSmall))), "{refused:?}");
        }
        match stream.update(piece, &mut output) {
            Ok(written) => assert_eq!(written, output.len(), "the length that was stated"),
            Err(error) => {
                assert!(output.iter().all(|byte| *byte == 0), "what a failed call has put out is wiped");
                fails_again(stream, &input[taken..], &error);
                return (released, Err(error));
            }
        }
        released.extend_from_slice(&output);
        taken += piece.len();
        assert_eq!((stream.update_len(0), stream.update(&[], &mut []).unwrap()), (0, 0), "no bytes give no bytes");
    }
    let mut last = vec![0; stream.finish_len()];
    assert!(last.len() <= S::MOST_LEFT, "at most two chunks are left");
    let end = stream.finish(&mut last).map(|(written, end)| {
        assert_eq!(written, last.len(), "the length that was stated");
        released.extend_from_slice(&last);
        end
    });
    (released, end)
}

/// Checks that a stream that has failed goes on failing, with and without input, and at its end.
fn fails_again(mut stream: impl Stream, rest: &[u8], error: &Error) {
    let mut output = vec![0; 20_000];
    for input in [rest, &[], &rest[rest.len() / 2..], rest] {
        let again = stream.update(input, &mut output).expect_err("a failed stream must go on failing");
        assert_eq!(class(&again), class(error));
    }
    let again = stream.finish(&mut output).err().expect("a failed stream must not finish");
    assert_eq!(class(&again), class(error));
}

/// Encrypts in steps of `step` bytes.
pub fn seal(encryptor: Encryptor, plaintext: &[u8], step: usize) -> Result<Vec<u8>> {
    pass(encryptor, plaintext, &Steps::of(step)).into_result()
}

/// Encrypts in steps of `step` bytes, and returns what the end of the stream states.
pub fn seal_finished(encryptor: Encryptor, plaintext: &[u8], step: usize) -> (Vec<u8>, Finished) {
    let (stored, finished) = pass_to_end(encryptor, plaintext, &Steps::of(step));
    (stored, finished.unwrap())
}

/// Reads the whole body, in order.
pub fn read_streamed(decryptor: &Decryptor, body: &[u8], steps: &Steps) -> Read {
    pass(decryptor.sequential(), body, steps)
}

/// Reads a range in one piece.
pub fn read_range(decryptor: &Decryptor, body: &[u8], range: impl Into<atrest::ByteRange>) -> Result<Vec<u8>> {
    let plan = decryptor.range(range, body.len() as u64)?;
    plan.decrypt(&fetch(body, plan.fetches()))
}

/// Reads a range as a stream.
pub fn read_range_streamed(
    decryptor: &Decryptor,
    body: &[u8],
    range: impl Into<atrest::ByteRange>,
    steps: &Steps,
) -> Read {
    match decryptor.range(range, body.len() as u64) {
        Ok(plan) => pass(plan.reader(), &fetch(body, plan.fetches()), steps),
        Err(error) => Read::of(Err(error)),
    }
}

/// Copies the stored bytes of these fetches.
pub fn fetch(body: &[u8], fetches: &[Range<u64>]) -> Vec<u8> {
    let mut fetched = Vec::new();
    for range in fetches {
        fetched.extend_from_slice(&body[range.start as usize..range.end as usize]);
    }
    fetched
}
