// Floor 7. May use floors 0 to 6, and no other module of floor 7.
//! [`Sse`], the handle that encrypts, decrypts and rewraps objects.

// The modules with calls of `Sse`, in the order of its rendered documentation.
mod calls;

mod rewrap;

mod multipart;

mod completion;

mod health;

mod key_epoch;

#[cfg(feature = "s3")]
mod listing;

mod access;
mod audited;
mod blocking;
mod builder;
mod expected;
mod object;
mod wrapping;

pub use access::{Access, Unlock};
pub use blocking::Blocking;
pub use builder::SseBuilder;
pub use expected::Expected;
pub use key_epoch::KeyEpoch;
#[cfg(feature = "s3")]
pub(crate) use listing::ListedValue;
pub use object::Encrypted;
pub use rewrap::Rewrap;

use std::fmt;
use std::sync::Arc;

use builder::SseConfig;

use crate::envelope::{Envelope, EnvelopeState, ModeId};
use crate::error::{CustomerKeyError, Error, Misuse, Result, Unexpected};
use crate::geometry::EachLayer;
use crate::keys::{KeyAnswers, Keyring, UNRECORDED};
use crate::mode::{KeySources, Target};
use crate::object::{ObjectName, Requester};
use crate::stream::Decryptor;
use crate::stream::object_keys::LayerSecret;

/// Encrypts and decrypts objects as Amazon S3 does on its side of the wire.
///
/// An `Sse` is a cheap handle. Its clones share one state, and it follows the rotations of its keyring.
///
/// | a call may wait for | when |
/// |---|---|
/// | the key provider | SSE-KMS and DSSE-KMS: once for each object, or less often with bucket keys |
/// | the stored keyring | a version is unknown or disabled, or the keyring was read too long ago |
/// | the sink of the audit trail | each call, before it returns |
///
/// No async call blocks its thread; the calls of [`blocking`](Self::blocking) do. The data path, from the
/// [`Encryptor`](crate::Encryptor) and the [`Decryptor`] on, does no I/O.
///
/// # Security
///
/// The handle decides what a reader accepts, the stored bytes never do. It accepts the modes whose keys the builder was
/// given and the KMS keys that the builder allows, narrowed by [`expecting`](Self::expecting).
#[derive(Clone)]
pub struct Sse {
    shared: Arc<SseConfig>,
    requester: Requester,
    /// An object must meet all of these.
    expected: Vec<Expected>,
}

impl Sse {
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
        if target.upload_id.is_some() {
            self.check_parts()?;
        } else if self.shared.container.is_some() && envelope.state() == EnvelopeState::Multipart {
            return Err(Unexpected::Container.into());
        }
        match (target.upload_id.is_some(), envelope.state()) {
            (true, EnvelopeState::Object | EnvelopeState::Multipart) => return Err(Unexpected::State.into()),
            (false, EnvelopeState::Upload) => return Err(Error::UploadNotComplete),
            _ => {}
        }
        self.key_sources(target, &UNRECORDED).check_name(envelope.mode())
    }

    /// Refuses multipart uploads in a container, which holds objects of one message.
    fn check_parts(&self) -> Result<()> {
        if self.shared.container.is_some() { Err(Misuse::PartsInContainer.into()) } else { Ok(()) }
    }

    /// Refuses an envelope that no reader of this handle could open. No key is requested.
    pub(crate) fn accepts(&self, object: &ObjectName, upload_id: Option<&[u8]>, envelope: &Envelope) -> Result<()> {
        self.check(Target { object, upload_id }, envelope, None)
    }

    /// Reads the stored keyring again if the mode uses it, so that the call sees rotations by other processes.
    async fn refresh_keyring(&self, mode: ModeId) -> Result<()> {
        match (mode, &self.shared.keyring) {
            (ModeId::SseS3 | ModeId::DsseKms, Some(keyring)) => keyring.refresh().await,
            _ => Ok(()),
        }
    }

    /// Refuses a mode that the handle or `expected`, the expectations of this call, do not accept.
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

    /// Returns the sources of the keys of an object or upload. `answers` gets what the KMS answers.
    fn key_sources<'a>(&'a self, target: Target<'a>, answers: &'a KeyAnswers) -> KeySources<'a> {
        KeySources {
            keyring: self.shared.keyring.as_ref(),
            kms: self.shared.kms.as_ref(),
            kms_keys: &self.shared.kms_keys,
            bucket_keys: &self.shared.bucket_keys,
            target,
            requester: &self.requester,
            answers,
        }
    }

    /// Unwraps the data key of an object, or in DSSE-KMS that of its outer layer, and drops it.
    #[cfg(feature = "testing")]
    pub(crate) async fn unwrap_alone(&self, object: &ObjectName, envelope: &Envelope) -> Result<()> {
        self.unlock(Target::object(object), envelope, Unlock::Server, false, &UNRECORDED).await.map(drop)
    }

    /// Unwraps the data keys of an object or upload: of both layers, or of the outer layer alone.
    async fn unlock(
        &self,
        target: Target<'_>,
        envelope: &Envelope,
        unlock: Unlock<'_>,
        both_layers: bool,
        answers: &KeyAnswers,
    ) -> Result<EachLayer<LayerSecret>> {
        let binding = target.binding()?;
        self.check(target, envelope, Some(unlock))?;
        let layers = envelope.layers(both_layers).zip(self.shared.cryptos(envelope.mode())?);
        self.key_sources(target, answers).unwrap(layers, unlock.customer_key(), &binding).await
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
