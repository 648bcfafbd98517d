//! Test kit of the tests of stored bytes: a key provider with one key, known randomness, and every way of reading an
//! object, each with the plaintext that it returned before it failed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use atrest::error::Misuse;
use atrest::{
    Backend, Decryptor, Encryptor, Error, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, Keyring,
    MasterKey, PlaintextReader, Result, UnwrappedKey, VersionState, WrappedKey,
};
use rand_core::{TryCryptoRng, TryRng};

/// Chunk sizes of the boundary table.
pub const C: usize = 16_384;

/// The backends of this build that this processor supports.
pub fn backends() -> Vec<Backend> {
    Backend::available().collect()
}

/// Byte i is (7 i + 13 floor(i / 256) + 1) mod 256, as in the vectors.
pub fn plaintext(len: usize) -> Vec<u8> {
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

/// A keyring of one version.
pub fn keyring(key_id: &str, version: u32, key: [u8; 32]) -> Result<Keyring> {
    keyring_of(key_id, version, &[(version, key)])
}

/// A keyring of several versions, all enabled.
pub fn keyring_of(key_id: &str, primary: u32, keys: &[(u32, [u8; 32])]) -> Result<Keyring> {
    let version =
        |(number, mut key): (u32, [u8; 32])| (number, VersionState::Enabled, MasterKey::from_bytes(&mut key).unwrap());
    Keyring::from_versions(key_id, primary, keys.iter().copied().map(version))
}

/// A KMS with one key, which it gives and unwraps whatever it is asked for.
#[derive(Debug)]
pub struct OneKey {
    pub key_id: String,
    pub wrapped: Vec<u8>,
    pub kek: [u8; 32],
    /// What it was asked, in order.
    pub asked: Mutex<Vec<KeyRequest>>,
}

impl OneKey {
    pub fn new(key_id: &str, wrapped: &[u8], kek: [u8; 32]) -> Arc<Self> {
        let asked = Mutex::default();
        Arc::new(Self { key_id: key_id.to_owned(), wrapped: wrapped.to_vec(), kek, asked })
    }

    fn kek(&self, request: KeyRequest) -> KeyEncryptionKey {
        self.asked.lock().unwrap().push(request);
        KeyEncryptionKey::from_bytes(&mut self.kek.clone()).unwrap()
    }
}

impl KeyProvider for OneKey {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let kek = self.kek(request);
        Box::pin(async move { Ok(GeneratedKey::new(self.key_id.clone(), self.wrapped.clone(), kek)) })
    }

    fn unwrap_key(self: Arc<Self>, _: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let key_id = request.key_id().to_owned();
        let kek = self.kek(request);
        Box::pin(async move { Ok(UnwrappedKey::new(key_id, kek)) })
    }
}

/// Randomness that is known beforehand. Asked for more than is left, it panics: a draw that the test does
/// not know of would be one that it does not check.
#[derive(Clone, Debug, Default)]
pub struct Playback(Arc<Mutex<VecDeque<u8>>>);

impl Playback {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(bytes.iter().copied().collect())))
    }

    pub fn is_used_up(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

impl TryRng for Playback {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), Infallible> {
        let mut left = self.0.lock().unwrap();
        buffer.fill_with(|| left.pop_front().expect("no more randomness than was prepared"));
        Ok(())
    }
}

impl TryCryptoRng for Playback {}

/// What a reader gave out, and how it ended.
#[derive(Debug)]
pub struct Read {
    pub released: Vec<u8>,
    pub end: Result<()>,
}

impl Read {
    fn failed(error: Error) -> Self {
        Self { released: Vec::new(), end: Err(error) }
    }

    /// All of it, or the error's class.
    pub fn into_result(self) -> Result<Vec<u8>> {
        self.end.map(|()| self.released)
    }
}

/// What the two directions have in common.
pub trait Stream: Sized {
    fn update_len(&self, input_len: usize) -> usize;
    fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize>;
    fn finish_len(&self) -> usize;
    fn finish(self, output: &mut [u8]) -> Result<usize>;
}

macro_rules! stream {
    ($($name:ident $stream:ident => $written:expr;)*) => {$(
        impl Stream for $name {
            fn update_len(&self, input_len: usize) -> usize {
                self.update_len(input_len)
            }
            fn update(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize> {
                self.update(input, output)
            }
            fn finish_len(&self) -> usize {
                self.finish_len()
            }
            fn finish(self, output: &mut [u8]) -> Result<usize> {
                self.finish(output).map(|$stream| $written)
            }
        }
    )*};
}

stream! {
    Encryptor finished => finished.written;
    PlaintextReader written => written;
}

/// Steps of input that come round again and again.
#[derive(Clone, Debug)]
pub struct Steps(pub Vec<usize>);

impl Steps {
    pub fn of(input: usize) -> Self {
        Self(vec![input])
    }
}

/// Passes all of `input` through in steps, each first into an output that is a byte too short, then finishes. After an
/// error the same is asked again: the error stays the same, and never becomes a clean end.
pub fn pass(mut stream: impl Stream, input: &[u8], steps: &Steps) -> Read {
    let mut released = Vec::new();
    let mut inputs = steps.0.iter().copied().cycle();
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(inputs.next().unwrap_or(1).min(rest.len()));
        let mut output = vec![0; stream.update_len(piece.len())];
        if let Some((_, short)) = output.split_last_mut() {
            let refused = stream.update(piece, short);
            assert!(matches!(refused, Err(Error::Misuse(Misuse::OutputTooSmall))), "{refused:?}");
        }
        match stream.update(piece, &mut output) {
            Ok(written) => assert_eq!(written, output.len(), "the length that was told"),
            Err(error) => {
                assert!(output.iter().all(|byte| *byte == 0), "what a failed call has put out is wiped");
                fails_again(stream, rest, &error);
                return Read { released, end: Err(error) };
            }
        }
        released.extend_from_slice(&output);
        rest = behind;
    }
    let mut last = vec![0; stream.finish_len()];
    let end = stream.finish(&mut last).map(|written| {
        assert_eq!(written, last.len(), "the length that was told");
        released.extend_from_slice(&last);
    });
    Read { released, end }
}

/// A stream that has failed goes on failing, with and without input, and at its end.
fn fails_again(mut stream: impl Stream, rest: &[u8], error: &Error) {
    let mut output = vec![0; 20_000];
    for input in [rest, &[], &rest[rest.len() / 2..], rest] {
        let again = stream.update(input, &mut output).expect_err("a failed stream must go on failing");
        assert_eq!(class(&again), class(error));
    }
    let again = stream.finish(&mut output).expect_err("a failed stream must not finish");
    assert_eq!(class(&again), class(error));
}

/// The whole body, in order.
pub fn read_streamed(decryptor: &Decryptor, body: &[u8], steps: &Steps) -> Read {
    pass(decryptor.sequential(), body, steps)
}

/// A range in one piece.
pub fn read_range(decryptor: &Decryptor, body: &[u8], range: impl Into<atrest::ByteRange>) -> Result<Vec<u8>> {
    let plan = decryptor.range(range, body.len() as u64)?;
    plan.decrypt(&fetch(body, plan.fetches()))
}

/// A range pushed through in constant memory.
pub fn read_range_streamed(
    decryptor: &Decryptor,
    body: &[u8],
    range: impl Into<atrest::ByteRange>,
    steps: &Steps,
) -> Read {
    match decryptor.range(range, body.len() as u64) {
        Ok(plan) => pass(plan.reader(), &fetch(body, plan.fetches()), steps),
        Err(error) => Read::failed(error),
    }
}

/// The stored bytes that a plan asks for.
pub fn fetch(body: &[u8], fetches: &[Range<u64>]) -> Vec<u8> {
    let mut fetched = Vec::new();
    for range in fetches {
        fetched.extend_from_slice(&body[range.start as usize..range.end as usize]);
    }
    fetched
}
