//! [`SseBuilder`], and `SseConfig`, the configuration that all handles of one `Sse` share.

use std::fmt;
use std::sync::Arc;

use super::Sse;
use crate::clock::{Clock, SystemClock};
use crate::crypto::random::TryCryptoRng;
use crate::crypto::{Backend, Crypto, Generator};
use crate::envelope::ModeId;
use crate::error::{Misuse, Result};
use crate::geometry::{Container, EachLayer, in_memory};
use crate::keys::unwinding::PanicCatching;
use crate::keys::{BucketKeyCache, BucketKeys, KeyProvider, Keyring};
use crate::mode::KmsKeys;
use crate::object::Requester;
use crate::trail::AuditTrail;
use crate::workers::Workers;

/// The configuration that all handles of one `Sse` share.
pub(super) struct SseConfig {
    pub(super) keyring: Option<Keyring>,
    pub(super) kms: Option<Arc<dyn KeyProvider>>,
    pub(super) kms_keys: KmsKeys,
    pub(super) bucket_keys: BucketKeyCache,
    pub(super) audit: Option<AuditTrail>,
    pub(super) backend: Backend,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) generator: Generator,
    pub(super) workers: Option<Arc<dyn Workers>>,
    pub(super) envelope_len: Option<usize>,
    pub(super) container: Option<Container>,
    pub(super) completion_records: bool,
}

impl SseConfig {
    /// Returns whether the builder got the key sources of a mode, and its container holds the mode. SSE-C needs no key
    /// source.
    pub(super) fn accepts_mode(&self, mode: ModeId) -> bool {
        if self.container.is_some_and(|container| container.layers() != mode.layers()) {
            return false;
        }
        match mode {
            ModeId::SseS3 => self.keyring.is_some(),
            ModeId::SseKms => self.kms.is_some(),
            ModeId::DsseKms => self.keyring.is_some() && self.kms.is_some(),
            ModeId::SseC => true,
        }
    }

    /// Returns the implementations that each layer runs on.
    pub(super) fn cryptos(&self, mode: ModeId) -> Result<EachLayer<Crypto>> {
        match mode {
            ModeId::DsseKms => Crypto::layers(self.backend),
            ModeId::SseS3 | ModeId::SseKms | ModeId::SseC => Crypto::single(self.backend).map(EachLayer::one),
        }
    }
}

/// Builds an [`Sse`]. Every setter is optional; a mode whose key source is missing is not accepted.
///
/// | set | modes |
/// |---|---|
/// | nothing | SSE-C |
/// | [`keyring`](Self::keyring) | SSE-S3 |
/// | [`kms`](Self::kms) | SSE-KMS |
/// | both | DSSE-KMS |
#[derive(Default)]
pub struct SseBuilder {
    keyring: Option<Keyring>,
    kms: Option<(Arc<dyn KeyProvider>, KmsKeys)>,
    bucket_keys: BucketKeys,
    audit: Option<AuditTrail>,
    backend: Option<Backend>,
    clock: Option<Arc<dyn Clock>>,
    generator: Generator,
    workers: Option<Arc<dyn Workers>>,
    envelope_len: Option<usize>,
    container: Option<Container>,
    completion_records: bool,
}

impl SseBuilder {
    /// Sets the keyring of SSE-S3 and of the outer layer of DSSE-KMS. The `Sse` follows its changes.
    #[must_use]
    pub fn keyring(self, keyring: Keyring) -> Self {
        Self { keyring: Some(keyring), ..self }
    }

    /// Sets the KMS of SSE-KMS and of the inner layer of DSSE-KMS, and the KMS keys that are accepted for reading and
    /// writing.
    ///
    /// # Security
    ///
    /// Name the keys by their resolved ids. With [`KmsKeys::all`], an attacker who may use any KMS key that this
    /// service can decrypt with can replace an object with another one.
    #[must_use]
    pub fn kms(self, provider: Arc<dyn KeyProvider>, keys: KmsKeys) -> Self {
        Self { kms: Some((provider, keys)), ..self }
    }

    /// Sets the limits of the [bucket keys](crate::SseKms::with_bucket_key) in memory. The default is
    /// [`BucketKeys::new`]. Each `Sse` has a cache of its own, which its clones share.
    #[must_use]
    pub fn bucket_keys(self, limits: BucketKeys) -> Self {
        Self { bucket_keys: limits, ..self }
    }

    /// Sets the audit trail. Each call that encrypts, decrypts or rewraps an object, or begins, resumes or completes an
    /// upload, emits one event, whether it succeeds or fails.
    ///
    /// A stream emits its event when it begins, and none when it ends. A call that is dropped before its outcome is
    /// known emits no event and has returned nothing. Once the outcome is known, the sink has the event, even if the
    /// caller no longer waits.
    ///
    /// # Errors
    ///
    /// Each such call then fails with [`Error::Audit`](crate::Error::Audit) if the event cannot be recorded, and
    /// returns nothing else, unless the trail is [`best_effort`](AuditTrail::best_effort).
    #[must_use]
    pub fn audit(self, trail: AuditTrail) -> Self {
        Self { audit: Some(trail), ..self }
    }

    /// Sets the implementation of AES-256-GCM. The default is [`Backend::fastest`]. DSSE-KMS runs its outer layer on
    /// this backend and its inner layer on the fastest other one.
    #[must_use]
    pub fn backend(self, backend: Backend) -> Self {
        Self { backend: Some(backend), ..self }
    }

    /// Sets the clock, for tests: the times of audit events and the age of bucket keys come from it. The default is the
    /// clock of this machine.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Sets the random generator. The default is the operating system.
    ///
    /// `factory` makes a generator for each operation. Data keys and all salts of envelopes, messages, sealed values
    /// and completion records come from it. A master key comes from the generator of its keyring, and a key-encryption
    /// key of SSE-KMS from the key provider.
    ///
    /// # Security
    ///
    /// A generator that repeats itself repeats keys and nonces.
    #[must_use]
    pub fn generator<R>(self, factory: impl Fn() -> R + Send + Sync + 'static) -> Self
    where
        R: TryCryptoRng,
        R::Error: Send + Sync + 'static,
    {
        Self { generator: Generator::new(factory), ..self }
    }

    /// Sets the threads among which a large call divides its chunks. The default is the caller's thread alone.
    ///
    /// One-shot calls, large updates, ranges and parts use them, in one layer and in two, for batches of
    /// [`Workers::min_len`] bytes and more. They give the same bytes as one thread.
    ///
    /// # Performance
    ///
    /// The calling thread waits for the batch. In DSSE-KMS each thread passes its share through both layers while it is
    /// in the thread's cache; a divided batch then holds some 150 KiB for each thread. In one layer it allocates
    /// nothing.
    #[must_use]
    pub fn workers(self, workers: Arc<dyn Workers>) -> Self {
        Self { workers: Some(workers), ..self }
    }

    /// Pads every envelope to exactly this many bytes, so that a listing can compute the length of a body from the
    /// stored length alone. 1,024 is enough for most services.
    #[must_use]
    pub fn envelope_len(self, len: usize) -> Self {
        Self { envelope_len: Some(len), ..self }
    }

    /// Sets the container of the store: every stored object holds its envelope too, in front of the body or behind it.
    /// Without a container the service keeps the envelope apart from the body.
    ///
    /// The container states the length of every envelope, and whether the store holds DSSE-KMS: alone or not at all.
    /// Of the modes, the `Sse` accepts only those that the container holds. It has no multipart uploads. 512 bytes are
    /// enough for SSE-S3 and SSE-C, and for SSE-KMS under a key of AWS KMS without a context; 1,024 for DSSE-KMS.
    ///
    /// Give every reader and writer of the store the same container. A reader with the other one finds no envelope, and
    /// refuses every object with [`NotAnEnvelope`](crate::error::EnvelopeError::NotAnEnvelope).
    ///
    /// ```
    /// # fn main() -> atrest::Result<()> {
    /// use atrest::{Container, Encrypted, Keyring, ObjectName, Sse, SseS3, Unlock};
    ///
    /// let container = Container::trailer(512);
    /// let sse = Sse::builder().keyring(Keyring::generate()?).container(container).build()?.blocking();
    /// let object = ObjectName::new("lake", "t/part-0.parquet")?;
    ///
    /// let stored = sse.encrypt(&object, SseS3, b"meow")?.to_container(container)?;
    /// assert_eq!(container.plaintext_len(stored.len() as u64), Some(4));
    /// let encrypted = Encrypted::from_container(&stored, container)?;
    /// assert_eq!(sse.decrypt(&object, &encrypted, Unlock::Server)?, b"meow");
    /// # Ok(()) }
    /// ```
    ///
    /// Spec: manual, format, "Inline container" and "Trailer container".
    #[must_use]
    pub fn container(self, container: Container) -> Self {
        Self { container: Some(container), ..self }
    }

    /// Makes and accepts completion records: an SSE-C upload can be completed without its key, and a record replaces
    /// the envelope until a request brings the key. This needs a [`keyring`](Self::keyring).
    ///
    /// Set it on every node that reads the store, or on none. A node without it refuses a record with
    /// [`Unexpected::Record`](crate::error::Unexpected::Record).
    #[must_use]
    pub fn completion_records(self) -> Self {
        Self { completion_records: true, ..self }
    }

    /// Builds the `Sse`.
    ///
    /// # Errors
    ///
    /// - [`Error::NotCompiled`](crate::Error::NotCompiled): this build lacks the backend.
    /// - [`Error::UnsupportedCpu`](crate::Error::UnsupportedCpu): this processor does not support the backend.
    /// - [`Misuse::ContainerLen`](crate::error::Misuse::ContainerLen): the [container](Self::container) states another
    ///   length than [`envelope_len`](Self::envelope_len).
    pub fn build(self) -> Result<Sse> {
        let container_len = self.container.map(|container| in_memory(container.envelope_len())).transpose()?;
        if let (Some(container_len), Some(envelope_len)) = (container_len, self.envelope_len)
            && container_len != envelope_len
        {
            return Err(Misuse::ContainerLen.into());
        }
        let (kms, kms_keys) = self.kms.unzip();
        #[cfg(feature = "tracing")]
        for alias in kms_keys.iter().flat_map(KmsKeys::aliases) {
            tracing::warn!(alias, "KmsKeys::only names an alias, which accepts no object: name the key's resolved id");
        }
        let backend = self.backend.unwrap_or_else(Backend::fastest);
        Crypto::single(backend)?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        let shared = SseConfig {
            keyring: self.keyring,
            kms: kms.map(|provider| Arc::new(PanicCatching(provider)) as Arc<dyn KeyProvider>),
            kms_keys: kms_keys.unwrap_or_else(|| KmsKeys::only::<&str>([])),
            bucket_keys: BucketKeyCache::new(self.bucket_keys, clock.clone()),
            audit: self.audit,
            backend,
            clock,
            generator: self.generator,
            workers: self.workers,
            envelope_len: container_len.or(self.envelope_len),
            container: self.container,
            completion_records: self.completion_records,
        };
        Ok(Sse { shared: Arc::new(shared), requester: Requester::anonymous(), expected: Vec::new() })
    }
}

impl fmt::Debug for SseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SseBuilder")
            .field("keyring", &self.keyring)
            .field("kms", &self.kms.as_ref().map(|(_, keys)| keys))
            .field("audit", &self.audit)
            .field("backend", &self.backend)
            .field("envelope_len", &self.envelope_len)
            .field("container", &self.container)
            .field("completion_records", &self.completion_records)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_dsse_differ_in_cipher_and_hash_for_every_backend_that_is_named() {
        for backend in Backend::available() {
            let sse = Sse::builder().backend(backend).build().expect("the backend is available");
            let Ok(layers) = sse.shared.cryptos(ModeId::DsseKms) else {
                assert_eq!(Backend::available().count(), 1, "two backends make two layers");
                continue;
            };
            let (outer, inner) = (layers.outer.implementations(), layers.inner.expect("the inner").implementations());
            assert!(outer.0.iter().all(|cipher| !inner.0.contains(cipher)), "{backend:?}: {outer:?} {inner:?}");
            assert_ne!(outer.1, inner.1, "{backend:?}");
            assert!(outer.0.contains(&backend), "{backend:?}: {outer:?}");
        }
    }
}
