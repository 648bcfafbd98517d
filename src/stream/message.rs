//! `MessageKey` and `MessageHeader`: the derived key of one message, and the message's first 56 bytes.

use std::sync::Arc;

use crate::crypto::{AeadKey, NONCE_LEN, Prk, constant_time_eq, label};
use crate::error::{Error, Result};
use crate::geometry::{self, EachLayer, in_object};
use crate::secret::redacted;
use crate::workers::{Workers, divide};

pub(crate) const CHUNK_LEN: usize = 16_384;
pub(crate) const TAG_LEN: usize = 16;
pub(crate) const SEALED_CHUNK_LEN: usize = CHUNK_LEN + TAG_LEN;
pub(crate) const HEADER_LEN: usize = 56;
pub(crate) const SALT_LEN: usize = 24;
/// Chunks that a worker takes at once: few, so that all workers end together; enough to keep contention low.
const GROUP_CHUNKS: usize = 4;
const COMMITMENT_LEN: usize = HEADER_LEN - SALT_LEN;

/// The header of a message: `salt(24) || commitment(32)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageHeader([u8; HEADER_LEN]);

impl MessageHeader {
    pub(crate) const fn from_bytes(bytes: [u8; HEADER_LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; HEADER_LEN] {
        &self.0
    }

    pub(crate) fn salt(&self) -> [u8; SALT_LEN] {
        *self.0.first_chunk().expect("a header begins with its salt")
    }

    fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        self.0.last_chunk().expect("a header ends with its commitment")
    }
}

/// The keys of one message; in DSSE-KMS of the outer and the inner message.
pub(crate) type MessageKeys = EachLayer<MessageKey>;

impl MessageKeys {
    pub(crate) fn headers(&self) -> EachLayer<MessageHeader> {
        self.as_ref().map(|key| *key.header())
    }
}

/// Seals or opens the chunks of one message.
///
/// Spec: C2SP chunked-encryption, Cobblestone-256.
pub(crate) struct MessageKey {
    aead: AeadKey,
    base_nonce: [u8; NONCE_LEN],
    header: MessageHeader,
    workers: Option<Arc<dyn Workers>>,
}

impl MessageKey {
    /// Derives the key of a new message from the data key and a fresh salt. The workers divide its large batches.
    pub(super) fn new(prk: &Prk, salt: &[u8; SALT_LEN], context: &[u8], workers: Option<Arc<dyn Workers>>) -> Self {
        let (aead, base_nonce, commitment) = AeadKey::derive::<COMMITMENT_LEN>(prk, label::MESSAGE, &[salt, context]);
        let mut header = [0; HEADER_LEN];
        header[..SALT_LEN].copy_from_slice(salt);
        header[SALT_LEN..].copy_from_slice(&commitment);
        Self { aead, base_nonce, header: MessageHeader(header), workers }
    }

    /// Derives the key of a message that begins with this header.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the commitment does not match the data key. No chunk is opened before this
    /// check.
    pub(super) fn open(
        prk: &Prk,
        header: &MessageHeader,
        context: &[u8],
        workers: Option<Arc<dyn Workers>>,
    ) -> Result<Self> {
        let key = Self::new(prk, &header.salt(), context, workers);
        // Both headers have the same salt.
        let is_committed = constant_time_eq(key.header.commitment(), header.commitment());
        if is_committed { Ok(key) } else { Err(Error::Inauthentic) }
    }

    pub(crate) fn header(&self) -> &MessageHeader {
        &self.header
    }

    /// Seals one chunk; `sealed` is 16 bytes longer than `plaintext`.
    pub(super) fn seal_chunk(&self, index: u64, plaintext: &[u8], sealed: &mut [u8]) {
        self.aead.seal(&self.nonce(index), plaintext, sealed);
    }

    /// Seals full chunks, of which the first has index `first`; `sealed` is 16 bytes longer for each chunk.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::WorkersPanicked`](crate::error::Misuse::WorkersPanicked) if the workers panicked.
    pub(super) fn seal_chunks(&self, first: u64, plaintext: &[u8], sealed: &mut [u8]) -> Result<()> {
        let groups = plaintext.chunks(GROUP_CHUNKS * CHUNK_LEN).zip(sealed.chunks_mut(GROUP_CHUNKS * SEALED_CHUNK_LEN));
        self.each_group(first, plaintext.len(), groups, |first, (plaintext, sealed)| {
            let chunks = plaintext.chunks_exact(CHUNK_LEN).zip(sealed.chunks_exact_mut(SEALED_CHUNK_LEN));
            (first..).zip(chunks).for_each(|(index, (plaintext, sealed))| self.seal_chunk(index, plaintext, sealed));
            Ok(())
        })
    }

    /// Opens one chunk; `plaintext` is 16 bytes shorter than `sealed`.
    pub(super) fn open_chunk(&self, index: u64, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        self.aead.open(&self.nonce(index), sealed, plaintext)
    }

    /// Opens full chunks, of which the first has index `first`; `plaintext` is 16 bytes shorter for each chunk. On
    /// failure part of `plaintext` is filled, and the caller wipes it.
    pub(super) fn open_chunks(&self, first: u64, sealed: &[u8], plaintext: &mut [u8]) -> Result<()> {
        let groups = sealed.chunks(GROUP_CHUNKS * SEALED_CHUNK_LEN).zip(plaintext.chunks_mut(GROUP_CHUNKS * CHUNK_LEN));
        self.each_group(first, sealed.len(), groups, |first, (sealed, plaintext)| {
            let chunks = sealed.chunks_exact(SEALED_CHUNK_LEN).zip(plaintext.chunks_exact_mut(CHUNK_LEN));
            (first..).zip(chunks).try_for_each(|(index, (sealed, plaintext))| self.open_chunk(index, sealed, plaintext))
        })
    }

    /// Opens one chunk in place and returns its plaintext.
    pub(super) fn open_in_place<'a>(&self, index: u64, sealed: &'a mut [u8]) -> Result<&'a mut [u8]> {
        self.aead.open_in_place(&self.nonce(index), sealed)
    }

    /// Opens full chunks in place, as [`open_chunks`](Self::open_chunks) does; each is followed by its tag.
    pub(super) fn open_chunks_in_place(&self, first: u64, sealed: &mut [u8]) -> Result<()> {
        let (len, groups) = (sealed.len(), sealed.chunks_mut(GROUP_CHUNKS * SEALED_CHUNK_LEN));
        self.each_group(first, len, groups, |first, sealed| {
            let chunks = sealed.chunks_exact_mut(SEALED_CHUNK_LEN);
            (first..).zip(chunks).try_for_each(|(index, sealed)| self.open_in_place(index, sealed).map(drop))
        })
    }

    /// Returns the number of chunks to take at once if `len` bytes are at hand.
    pub(super) fn batch(&self, len: usize) -> usize {
        batch(self.workers.as_deref(), len)
    }

    /// Returns the workers if a batch of `len` bytes is divided among them.
    pub(super) fn dividing(&self, len: usize) -> Option<&dyn Workers> {
        dividing(self.workers.as_deref(), len)
    }

    /// Calls `work` for each group of chunks, with the index of its first chunk; divides a large batch among the
    /// workers.
    fn each_group<T: Send>(
        &self,
        first: u64,
        len: usize,
        groups: impl ExactSizeIterator<Item = T> + Send,
        work: impl Fn(u64, T) -> Result<()> + Sync,
    ) -> Result<()> {
        let mut groups = groups.enumerate().map(|(at, group)| (first + in_object(at * GROUP_CHUNKS), group));
        match dividing(self.workers.as_deref(), len) {
            Some(workers) => divide(workers, groups, |(first, group)| work(first, group)),
            None => groups.try_for_each(|(first, group)| work(first, group)),
        }
    }

    /// Returns the nonce of a chunk, unique in the message: `base_nonce XOR index`, with a 96-bit index.
    fn nonce(&self, index: u64) -> [u8; NONCE_LEN] {
        let mut nonce = self.base_nonce;
        for (byte, counter) in nonce[4..].iter_mut().zip(index.to_be_bytes()) {
            *byte ^= counter;
        }
        nonce
    }
}

/// Returns the workers if a batch of `len` bytes is divided among them.
fn dividing(workers: Option<&dyn Workers>, len: usize) -> Option<&dyn Workers> {
    workers.filter(|workers| workers.threads() > 1 && len >= workers.min_len())
}

/// Returns the number of chunks to take at once if `len` bytes are at hand: one, unless workers divide them; then a
/// batch that is long enough for that, and short enough to be buffered.
pub(super) fn batch(workers: Option<&dyn Workers>, len: usize) -> usize {
    const MOST: usize = (16 << 20) / CHUNK_LEN;
    let divided = |workers: &dyn Workers| (workers.min_len() / CHUNK_LEN).saturating_mul(4).min(len / CHUNK_LEN);
    dividing(workers, len).map_or(1, |workers| divided(workers).clamp(1, MOST))
}

redacted!(MessageHeader, MessageKey);

const _: () = {
    assert!(CHUNK_LEN as u64 == geometry::CHUNK_LEN);
    assert!(SEALED_CHUNK_LEN as u64 == geometry::SEALED_CHUNK_LEN);
    assert!(HEADER_LEN as u64 == geometry::HEADER_LEN);
};
