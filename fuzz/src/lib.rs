//! What the fuzz targets share: keys that are always the same, and reading a case from bytes.

pub mod key_store;

use std::sync::Arc;

use atrest::{
    Backend, GeneratedKey, KeyEncryptionKey, KeyFuture, KeyProvider, KeyRequest, Keyring, KmsKeys, MasterKey, Sse,
    UnwrappedKey, VersionState, WrappedKey,
};

/// A key provider that answers every request with one key-encryption key.
#[derive(Debug)]
pub struct OneKey(pub [u8; 32]);

impl KeyProvider for OneKey {
    fn generate_key(self: Arc<Self>, request: KeyRequest) -> KeyFuture<GeneratedKey> {
        let kek = KeyEncryptionKey::from_bytes(&mut self.0.clone()).unwrap();
        Box::pin(async move { Ok(GeneratedKey::new(request.key_id(), b"wrapped".to_vec(), kek)) })
    }

    fn unwrap_key(self: Arc<Self>, _: WrappedKey, request: KeyRequest) -> KeyFuture<UnwrappedKey> {
        let kek = KeyEncryptionKey::from_bytes(&mut self.0.clone()).unwrap();
        Box::pin(async move { Ok(UnwrappedKey::new(request.key_id(), kek)) })
    }
}

/// Accepts every mode: one master key under any key id and version, one key for every KMS key. `None` if a key is zero
/// or the keyring is refused.
pub fn sse(backend: Backend, key_id: &str, version: u32, master_key: [u8; 32], kms_key: [u8; 32]) -> Option<Sse> {
    let master_key = MasterKey::from_bytes(&mut master_key.clone()).ok()?;
    KeyEncryptionKey::from_bytes(&mut kms_key.clone()).ok()?;
    let keyring = Keyring::from_versions(key_id, version, [(version, VersionState::Enabled, master_key)]).ok()?;
    let sse = Sse::builder().keyring(keyring).kms(Arc::new(OneKey(kms_key)), KmsKeys::all()).backend(backend).build();
    Some(sse.expect("nothing is missing"))
}

/// Returns one of the available backends, chosen by a number.
pub fn backend(number: u8) -> Backend {
    let available: Vec<_> = Backend::available().collect();
    available[usize::from(number) % available.len()]
}

/// One of S3's encryption headers, by a number; others mean that there are no more.
pub fn encryption_header(number: u8) -> Option<&'static str> {
    use atrest::s3::names;
    let all = [
        names::SERVER_SIDE_ENCRYPTION,
        names::KMS_KEY_ID,
        names::CONTEXT,
        names::BUCKET_KEY_ENABLED,
        names::CUSTOMER_ALGORITHM,
        names::CUSTOMER_KEY,
        names::CUSTOMER_KEY_MD5,
        names::SOURCE_CUSTOMER_ALGORITHM,
        names::SOURCE_CUSTOMER_KEY,
        names::SOURCE_CUSTOMER_KEY_MD5,
    ];
    all.get(usize::from(number)).copied()
}

/// Reads a case from the front of the fuzzer's bytes.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    /// `u16` length, then as many bytes.
    pub fn prefixed(&mut self) -> Option<&'a [u8]> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }
}

/// Piece lengths that hit and miss every boundary, a different series for each seed.
pub struct Pieces(u32);

impl Pieces {
    pub fn new(seed: u8) -> Self {
        Self(u32::from(seed).wrapping_mul(0x9E37_79B9) | 1)
    }

    pub fn next_len(&mut self) -> usize {
        const LENGTHS: [usize; 12] = [0, 1, 15, 16, 17, 55, 56, 512, 16_383, 16_384, 16_400, 40_000];
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        LENGTHS[self.0 as usize % LENGTHS.len()]
    }
}

pub const CHUNK: u64 = 16_384;
pub const SEALED_CHUNK: u64 = 16_400;
pub const HEADER: u64 = 56;

/// Which bytes of a message of `plaintext_len` hold the chunks of the plaintext from `first` to `last`, both included.
pub fn sealed_chunks(plaintext_len: u64, first: u64, last: u64) -> (u64, u64) {
    let end = HEADER + plaintext_len + 16 * (plaintext_len / CHUNK + 1);
    let start_of = |chunk: u64| HEADER + chunk * SEALED_CHUNK;
    (start_of(first / CHUNK), start_of(last / CHUNK + 1).min(end))
}
