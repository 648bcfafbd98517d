//! What an `Sse` is built from.

use std::fmt;
use std::sync::Arc;

use super::Sse;
use crate::clock::{Clock, SystemClock};
use crate::crypto::random::TryCryptoRng;
use crate::crypto::{Backend, Crypto, Generator};
use crate::envelope::ModeId;
use crate::error::Result;
use crate::geometry::EachLayer;
use crate::keys::unwinding::PanicCatching;
use crate::keys::{KeyProvider, Keyring};
use crate::mode::KmsKeys;
use crate::object::Requester;
use crate::trail::AuditTrail;

/// What every handle of one `Sse` shares.
pub(super) struct SseConfig {
    pub(super) keyring: Option<Keyring>,
    pub(super) kms: Option<Arc<dyn KeyProvider>>,
    pub(super) kms_keys: KmsKeys,
    pub(super) audit: Option<AuditTrail>,
    pub(super) backend: Backend,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) generator: Generator,
    pub(super) envelope_len: Option<usize>,
    pub(super) completion_records: bool,
}

impl SseConfig {
    /// A mode is accepted where there is everything that it takes; SSE-C takes nothing from here.
    pub(super) fn accepts_mode(&self, mode: ModeId) -> bool {
        match mode {
            ModeId::SseS3 => self.keyring.is_some(),
            ModeId::SseKms => self.kms.is_some(),
            ModeId::DsseKms => self.keyring.is_some() && self.kms.is_some(),
            ModeId::SseC => true,
        }
    }

    /// The implementations that each layer runs on.
    pub(super) fn cryptos(&self, mode: ModeId) -> Result<EachLayer<Crypto>> {
        match mode {
            ModeId::DsseKms => Crypto::layers(self.backend),
            ModeId::SseS3 | ModeId::SseKms | ModeId::SseC => Crypto::single(self.backend).map(EachLayer::one),
        }
    }
}

/// Builds an [`Sse`]; everything is optional, and what is not given is not accepted.
///
/// | given | modes |
/// |---|---|
/// | nothing | SSE-C |
/// | [`keyring`](Self::keyring) | SSE-S3 |
/// | [`kms`](Self::kms) | SSE-KMS |
/// | both | DSSE-KMS |
#[derive(Default)]
pub struct SseBuilder {
    keyring: Option<Keyring>,
    kms: Option<(Arc<dyn KeyProvider>, KmsKeys)>,
    audit: Option<AuditTrail>,
    backend: Option<Backend>,
    clock: Option<Arc<dyn Clock>>,
    generator: Generator,
    envelope_len: Option<usize>,
    completion_records: bool,
}

impl SseBuilder {
    /// The keyring of SSE-S3 and of the outer layer of DSSE-KMS; the `Sse` follows its changes.
    #[must_use]
    pub fn keyring(self, keyring: Keyring) -> Self {
        Self { keyring: Some(keyring), ..self }
    }

    /// The KMS of SSE-KMS and of the inner layer of DSSE-KMS, and those of its keys that are accepted, for reading as
    /// for writing.
    ///
    /// # Security
    ///
    /// Name the keys, by their resolved ids. With [`KmsKeys::all`], an attacker who may use any KMS key that this
    /// service can decrypt with can write an object in place of another's.
    #[must_use]
    pub fn kms(self, provider: Arc<dyn KeyProvider>, keys: KmsKeys) -> Self {
        Self { kms: Some((provider, keys)), ..self }
    }

    /// The audit trail. Each call that encrypts, opens or rewraps an object, or begins, resumes or completes an upload,
    /// gives one event, whether it succeeds or fails.
    ///
    /// A stream is on record when it begins; how it ends is not. A call that is dropped before its outcome is known has
    /// no event and has given out nothing. Once the outcome is known, the sink has the event, whether the caller still
    /// waits or not.
    ///
    /// # Errors
    ///
    /// From then on every such call can fail with [`Error::Audit`](crate::Error::Audit), unless the trail is
    /// [`best_effort`](AuditTrail::best_effort); it gives out nothing then.
    #[must_use]
    pub fn audit(self, trail: AuditTrail) -> Self {
        Self { audit: Some(trail), ..self }
    }

    /// The implementation of AES-256-GCM; [`Backend::fastest`] if not given. DSSE-KMS runs its outer layer on this one
    /// and its inner layer on the other.
    #[must_use]
    pub fn backend(self, backend: Backend) -> Self {
        Self { backend: Some(backend), ..self }
    }

    /// Sets the clock, for tests: the times of audit events come from it. The default is the clock of this machine.
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

    /// Has every envelope be exactly this many bytes long, so that a listing knows a body's length from the stored
    /// length alone. 1,024 does for most.
    #[must_use]
    pub fn envelope_len(self, len: usize) -> Self {
        Self { envelope_len: Some(len), ..self }
    }

    /// Has completion records be made and accepted: SSE-C uploads are completed without their key, and a record stands
    /// in place of the envelope until a request brings the key. Needs a [`keyring`](Self::keyring).
    ///
    /// Give it to every node that reads the store, or to none: without it a record is refused as
    /// [`Unexpected::Record`](crate::error::Unexpected::Record).
    #[must_use]
    pub fn completion_records(self) -> Self {
        Self { completion_records: true, ..self }
    }

    /// The `Sse`.
    ///
    /// # Errors
    ///
    /// [`Error::NotCompiled`](crate::Error::NotCompiled): this build lacks the backend.
    pub fn build(self) -> Result<Sse> {
        let (kms, kms_keys) = self.kms.unzip();
        let backend = self.backend.unwrap_or_else(Backend::fastest);
        Crypto::single(backend)?;
        let shared = SseConfig {
            keyring: self.keyring,
            kms: kms.map(|provider| Arc::new(PanicCatching(provider)) as Arc<dyn KeyProvider>),
            kms_keys: kms_keys.unwrap_or_else(|| KmsKeys::only::<&str>([])),
            audit: self.audit,
            backend,
            clock: self.clock.unwrap_or_else(|| Arc::new(SystemClock)),
            generator: self.generator,
            envelope_len: self.envelope_len,
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
            .field("completion_records", &self.completion_records)
            .finish_non_exhaustive()
    }
}
