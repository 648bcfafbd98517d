// Floor 7. May use floors 0 to 6, and no other module of floor 7.
//! The one door: encrypts, decrypts and rewraps.

mod access;
mod audited;
mod blocking;
mod builder;
mod completion;
mod expected;
#[cfg(feature = "s3")]
mod listing;
mod multipart;
mod object;
mod rewrap;
mod wrapping;

pub use access::{Access, Unlock};
pub use blocking::Blocking;
pub use builder::SseBuilder;
pub use expected::Expected;
#[cfg(feature = "s3")]
pub(crate) use listing::ListedValue;
pub use object::Encrypted;
pub use rewrap::Rewrap;

use std::fmt;
use std::mem;
use std::sync::Arc;

use zeroize::Zeroizing;

use audited::PendingEvent;
use builder::SseConfig;

use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::error::{CustomerKeyError, Error, Result, Unexpected};
use crate::keys::Keyring;
use crate::mode::{AnyMode, KeySources, Mode, Target, any};
use crate::object::{ObjectName, Requester};
use crate::stream::object_keys::ObjectKeys;
use crate::stream::{Decryptor, Encryptor};
use crate::trail::AuditOperation;

/// Encrypts and decrypts objects as Amazon S3 does on its side of the wire.
///
/// An `Sse` is a cheap handle: clones share one state, and an `Sse` on a keyring follows the keyring's rotations.
///
/// | a call may wait for | when |
/// |---|---|
/// | the key provider | SSE-KMS and DSSE-KMS: once for each object |
/// | the stored keyring | a version is unknown or disabled, or the keyring was read too long ago |
/// | the sink of the audit trail | before anything is given out |
///
/// No async call blocks its thread. Under [`blocking`](Self::blocking) every call is synchronous. The data path, from
/// the [`Encryptor`] and the [`Decryptor`] on, does no I/O.
///
/// # Security
///
/// The handle decides what a reader accepts, never the stored bytes: the modes whose keys the builder was given, the KMS
/// keys that the builder allows, narrowed by [`expecting`](Self::expecting).
#[derive(Clone)]
pub struct Sse {
    shared: Arc<SseConfig>,
    requester: Requester,
    /// All of them have to be met.
    expected: Vec<Expected>,
}

impl Sse {
    /// Returns a builder.
    pub fn builder() -> SseBuilder {
        SseBuilder::default()
    }

    /// Returns a handle that makes every request as this requester: key providers and the audit trail see it. The default
    /// is [`Requester::anonymous`].
    #[must_use]
    pub fn requested_by(&self, requester: Requester) -> Self {
        Self { requester, ..self.clone() }
    }

    /// Returns a handle that accepts less: for services that keep the mode and the key of an object themselves, where an
    /// attacker who writes the store cannot write.
    #[must_use]
    pub fn expecting(&self, expected: Expected) -> Self {
        let mut narrowed = self.clone();
        narrowed.expected.push(expected);
        narrowed
    }

    /// Every call of this handle, synchronous, with no runtime.
    pub fn blocking(&self) -> Blocking {
        Blocking::new(self.clone())
    }

    /// Begins to encrypt an object: its envelope, to be stored when the body is, and what encrypts the body.
    ///
    /// # Errors
    ///
    /// [`Error::KeyProvider`]; [`Error::Unexpected`]: this handle would not read it again; [`Error::Random`];
    /// [`Error::LimitExceeded`]; [`Error::NotCompiled`]: DSSE-KMS without both implementations;
    /// [`Misuse::NameNotAnArn`](crate::error::Misuse::NameNotAnArn): with KMS keys, a name that has no ARN.
    /// [`Error::Audit`]: it could not be put on record.
    pub async fn encryptor(&self, object: &ObjectName, mode: impl Mode) -> Result<(Envelope, Encryptor)> {
        self.begin_encryption(object, any(mode), None).await
    }

    /// [`encryptor`](Self::encryptor) for a plaintext whose length in bytes is known: readers know it then before they
    /// fetch anything, and another length fails.
    ///
    /// # Errors
    ///
    /// As [`encryptor`](Self::encryptor).
    pub async fn encryptor_of_len(
        &self,
        object: &ObjectName,
        mode: impl Mode,
        plaintext_len: u64,
    ) -> Result<(Envelope, Encryptor)> {
        self.begin_encryption(object, any(mode), Some(plaintext_len)).await
    }

    /// Encrypts an object that is in memory.
    ///
    /// # Errors
    ///
    /// As [`encryptor`](Self::encryptor).
    ///
    /// # Performance
    ///
    /// Allocates the ciphertext; for large objects use [`encryptor`](Self::encryptor).
    pub async fn encrypt(&self, object: &ObjectName, mode: impl Mode, plaintext: &[u8]) -> Result<Encrypted> {
        let mode = any(mode);
        let pending = PendingEvent::writing(AuditOperation::EncryptObject, object, &mode);
        let encrypting = async {
            let (envelope, encryptor) = self.encryptor_of(object, &mode, Some(plaintext.len() as u64)).await?;
            Ok(Encrypted::new(envelope, encryptor.all(plaintext)?.0))
        };
        self.audited(pending, encrypting, |encrypted| Some(&encrypted.envelope)).await
    }

    /// Unlocks an object: what decrypts its body, wholly or by ranges; of one that was uploaded in parts once it has
    /// been given the [manifest](Decryptor::with_manifest).
    ///
    /// # Errors
    ///
    /// [`Error::Unexpected`] and [`Error::CustomerKey`] before any key provider is asked; [`Error::KeyProvider`];
    /// [`Error::Inauthentic`]: envelope, key and name do not belong together; [`Error::UploadNotComplete`];
    /// [`Error::NotCompiled`]; [`Misuse::NameNotAnArn`](crate::error::Misuse::NameNotAnArn). A keyring file that has to
    /// be read again and cannot be is an [`Error::KeyProvider`] too, of kind `Unavailable`. [`Error::Audit`]: it could
    /// not be put on record.
    pub async fn decryptor(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Decryptor> {
        let pending = PendingEvent::reading(AuditOperation::DecryptObject, object, envelope);
        self.audited(pending, self.decryptor_of(object, envelope, unlock), |_| None).await
    }

    /// Decrypts an object that is in memory.
    ///
    /// # Errors
    ///
    /// As [`decryptor`](Self::decryptor); [`Error::Truncated`]; [`Error::ManifestRequired`].
    ///
    /// # Performance
    ///
    /// Allocates the plaintext; for large objects use [`decryptor`](Self::decryptor).
    pub async fn decrypt(&self, object: &ObjectName, encrypted: &Encrypted, unlock: Unlock<'_>) -> Result<Vec<u8>> {
        let pending = PendingEvent::reading(AuditOperation::DecryptObject, object, &encrypted.envelope);
        let decrypting = async {
            let mut decryptor = self.decryptor_of(object, &encrypted.envelope, unlock).await?;
            if let Some(manifest) = &encrypted.manifest {
                decryptor = decryptor.with_manifest(manifest)?;
            }
            decryptor.sequential().all(&encrypted.ciphertext).map(Zeroizing::new)
        };
        // What cannot be put on record is wiped.
        let mut plaintext = self.audited(pending, decrypting, |_| None).await?;
        Ok(mem::take(&mut *plaintext))
    }

    async fn begin_encryption(
        &self,
        object: &ObjectName,
        mode: AnyMode,
        plaintext_len: Option<u64>,
    ) -> Result<(Envelope, Encryptor)> {
        let pending = PendingEvent::writing(AuditOperation::EncryptObject, object, &mode);
        let beginning = self.encryptor_of(object, &mode, plaintext_len);
        self.audited(pending, beginning, |(envelope, _)| Some(envelope)).await
    }

    async fn decryptor_of(&self, object: &ObjectName, envelope: &Envelope, unlock: Unlock<'_>) -> Result<Decryptor> {
        let keys = self.unlock(Target::object(object), envelope, unlock, true).await?;
        object::decryptor(envelope, &keys)
    }

    /// Refuses an envelope that this handle, or the reader's expectations, do not accept. No key is requested.
    fn check(&self, target: Target<'_>, envelope: &Envelope, unlock: Option<Unlock<'_>>) -> Result<()> {
        match (target.object.is_bound(), envelope.is_bound()) {
            (true, false) => return Err(Unexpected::Unbound.into()),
            (false, true) => return Err(Unexpected::Bound.into()),
            _ => {}
        }
        let expected = unlock.and_then(Unlock::expected);
        self.check_mode(envelope.mode(), expected)?;
        if let (ModeId::SseS3 | ModeId::DsseKms, Some(keyring)) = (envelope.mode(), &self.shared.keyring)
            && !keyring.is(envelope.key_id())
        {
            return Err(Unexpected::KeyringId.into());
        }
        if let Some(key_id) = envelope.kms_key_id() {
            self.check_kms_key(key_id, expected)?;
        }
        match (envelope.mode() == ModeId::SseC, unlock.map(Unlock::customer_key)) {
            (true, Some(None)) => return Err(CustomerKeyError::Required.into()),
            (false, Some(Some(_))) => return Err(CustomerKeyError::NotExpected.into()),
            _ => {}
        }
        match (target.upload_id.is_some(), envelope.state()) {
            (true, EnvelopeState::Object | EnvelopeState::Multipart) => return Err(Unexpected::State.into()),
            (false, EnvelopeState::Upload) => return Err(Error::UploadNotComplete),
            _ => {}
        }
        self.key_sources(target).check_name(envelope.mode())
    }

    /// Refuses what would be refused to any reader of the envelope, before anyone is asked for a key.
    pub(crate) fn accepts(&self, object: &ObjectName, upload_id: Option<&[u8]>, envelope: &Envelope) -> Result<()> {
        self.check(Target { object, upload_id }, envelope, None)
    }

    /// Sees what other processes did to the keyring before something is written that is older than this call.
    async fn refresh_keyring(&self, mode: ModeId) -> Result<()> {
        match (mode, &self.shared.keyring) {
            (ModeId::SseS3 | ModeId::DsseKms, Some(keyring)) => keyring.refresh().await,
            _ => Ok(()),
        }
    }

    /// The keyring that the builder was given.
    pub(crate) fn keyring(&self) -> Option<&Keyring> {
        self.shared.keyring.as_ref()
    }

    /// `expected` is what the caller of one call adds to the expectations of the handle.
    fn check_mode(&self, mode: ModeId, expected: Option<&Expected>) -> Result<()> {
        let accepted = self.shared.accepts_mode(mode) && self.all_expected(expected).all(|all| all.accepts_mode(mode));
        if accepted { Ok(()) } else { Err(Unexpected::Mode.into()) }
    }

    fn check_kms_key(&self, key_id: &str, expected: Option<&Expected>) -> Result<()> {
        let accepted = self.shared.kms_keys.accept(key_id)
            && self.all_expected(expected).all(|expected| expected.accepts_kms_key(key_id));
        if accepted { Ok(()) } else { Err(Unexpected::KmsKey.into()) }
    }

    fn all_expected<'a>(&'a self, expected: Option<&'a Expected>) -> impl Iterator<Item = &'a Expected> {
        self.expected.iter().chain(expected)
    }

    fn key_sources<'a>(&'a self, target: Target<'a>) -> KeySources<'a> {
        KeySources {
            keyring: self.shared.keyring.as_ref(),
            kms: self.shared.kms.as_ref(),
            kms_keys: &self.shared.kms_keys,
            target,
            requester: &self.requester,
        }
    }

    /// Unwraps the data key of an object, or in DSSE-KMS that of its outer layer, and drops it.
    #[cfg(feature = "testing")]
    pub(crate) async fn unwrap_alone(&self, object: &ObjectName, envelope: &Envelope) -> Result<()> {
        self.unlock(Target::object(object), envelope, Unlock::Server, false).await.map(drop)
    }

    /// Unwraps the data keys of an object or upload: of both layers, or of the outer layer alone.
    async fn unlock(
        &self,
        target: Target<'_>,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        both_layers: bool,
    ) -> Result<ObjectKeys> {
        let binding = target.binding()?;
        self.check(target, envelope, Some(unlock))?;
        let layers = envelope.layers(both_layers).zip(self.shared.cryptos(envelope.mode())?);
        let keys = self.key_sources(target).unwrap(layers, unlock.customer_key(), &binding).await?;
        Ok(self.object_keys(keys))
    }
}

impl fmt::Debug for Sse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sse")
            .field("keyring", &self.shared.keyring.as_ref().map(Keyring::key_id))
            .field("kms", &self.shared.kms_keys)
            .field("requester", &self.requester)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

const fn assert_handle<T: Send + Sync + Clone + 'static>() {}
const _: () = {
    assert_handle::<Sse>();
    assert_handle::<Decryptor>();
    assert_handle::<Keyring>();
};
