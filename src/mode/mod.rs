// Floor 5. May use floors 0 to 4, and no other module of floor 5.
//! The four modes as types: [`SseS3`], [`SseKms`], [`DsseKms`], [`SseC`], and [`AnyMode`] over them; [`KeySources`],
//! which gets the keys of a mode. The mode of a stored object is a [`ModeId`].

mod dsse_kms;
mod kms_keys;
mod layer;
mod sse_c;
mod sse_kms;
mod sse_s3;
mod target;

pub use dsse_kms::DsseKms;
pub use kms_keys::KmsKeys;
pub use sse_c::SseC;
pub use sse_kms::SseKms;
pub use sse_s3::SseS3;

pub(crate) use layer::LayerKey;
pub(crate) use target::Target;

use layer::Kek;

use std::sync::Arc;

use crate::crypto::Crypto;
use crate::envelope::{Envelope, KekScope, KeyRef, ModeId};
use crate::error::{CustomerKeyError, Error, Misuse, Result, Unexpected};
use crate::geometry::EachLayer;
use crate::keys::{BucketKeyCache, EncryptionContext, KeyAnswers, KeyProvider, Keyring};
use crate::object::Requester;
use crate::secret::{CustomerKey, DataKey};
use crate::stream::object_keys::{LayerSecret, ObjectKeys};

/// A mode of encryption with exactly its parameters: [`SseS3`], [`SseKms`], [`DsseKms`], [`SseC`], or [`AnyMode`] for a
/// mode that is chosen at run time.
///
/// The trait is sealed: no other type implements it.
#[expect(private_bounds, reason = "outsiders can neither implement it nor call its inner method")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an encryption mode",
    label = "give `SseS3`, `SseKms::new(key_id)`, `DsseKms::new(key_id)`, `SseC::new(customer_key)` or an `AnyMode`"
)]
pub trait Mode: sealed::Sealed {}

mod sealed {
    /// The method that only the library calls.
    pub(crate) trait Sealed: Send {
        fn into_any(self) -> super::AnyMode;
    }
}

/// A mode that is chosen at run time.
///
/// ```
/// use atrest::{AnyMode, SseKms, SseS3};
/// let mode: AnyMode = match "aws:kms" {
///     "AES256" => SseS3.into(),
///     "aws:kms" => SseKms::new("alias/app").into(),
///     _ => unreachable!(),
/// };
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AnyMode {
    /// See [`SseS3`].
    SseS3(SseS3),
    /// See [`SseKms`].
    SseKms(SseKms),
    /// See [`DsseKms`].
    DsseKms(DsseKms),
    /// See [`SseC`].
    SseC(SseC),
}

impl AnyMode {
    /// Returns the mode without its parameters.
    pub fn id(&self) -> ModeId {
        match self {
            Self::SseS3(_) => ModeId::SseS3,
            Self::SseKms(_) => ModeId::SseKms,
            Self::DsseKms(_) => ModeId::DsseKms,
            Self::SseC(_) => ModeId::SseC,
        }
    }

    /// Returns the KMS key as the caller named it and the caller's pairs, if the mode has them.
    pub(crate) fn kms_key(&self) -> Option<(&str, &EncryptionContext)> {
        let mode = match self {
            Self::SseKms(mode) => mode,
            Self::DsseKms(mode) => mode.inner(),
            Self::SseS3(_) | Self::SseC(_) => return None,
        };
        Some((mode.key_id(), &**mode.pairs()))
    }
}

macro_rules! modes {
    ($($mode:ident)*) => {$(
        impl Mode for $mode {}

        impl sealed::Sealed for $mode {
            fn into_any(self) -> AnyMode {
                AnyMode::$mode(self)
            }
        }

        impl From<$mode> for AnyMode {
            fn from(mode: $mode) -> Self {
                Self::$mode(mode)
            }
        }
    )*};
}

modes! { SseS3 SseKms DsseKms SseC }

impl Mode for AnyMode {}

impl sealed::Sealed for AnyMode {
    fn into_any(self) -> AnyMode {
        self
    }
}

/// Converts a mode of any type to a value.
pub(crate) fn any(mode: impl Mode) -> AnyMode {
    sealed::Sealed::into_any(mode)
}

/// The sources of key-encryption keys for one object or upload, and the requester.
///
/// PERF: the futures that wait for a KMS or for a stored keyring are boxed. Every caller's future holds the futures of
/// all modes, and each layer of calls moves them.
pub(crate) struct KeySources<'a> {
    pub(crate) keyring: Option<&'a Keyring>,
    pub(crate) kms: Option<&'a Arc<dyn KeyProvider>>,
    pub(crate) kms_keys: &'a KmsKeys,
    pub(crate) bucket_keys: &'a BucketKeyCache,
    pub(crate) target: Target<'a>,
    pub(crate) requester: &'a Requester,
    /// What the KMS answers, for the audit event.
    pub(crate) answers: &'a KeyAnswers,
}

impl<'a> KeySources<'a> {
    /// Checks, without calling a key source, that the sources of the mode can name the object.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::NameNotAnArn`] if the object's name does not form an ARN.
    pub(crate) fn check_name(&self, mode: ModeId) -> Result<()> {
        let named_by_arn = matches!(mode, ModeId::SseKms | ModeId::DsseKms);
        let is_nameable = !named_by_arn || sse_kms::has_arn(self.target.object);
        if is_nameable { Ok(()) } else { Err(Misuse::NameNotAnArn.into()) }
    }

    /// Gets the keys to wrap a new object under, or an old object under another mode, name or key.
    pub(crate) async fn writing<'m>(&self, mode: &'m AnyMode) -> Result<EachLayer<LayerKey<'m>>> {
        self.check_name(mode.id())?;
        match mode {
            AnyMode::SseS3(_) => Ok(EachLayer::one(self.primary().await?)),
            AnyMode::SseKms(mode) => Ok(EachLayer::one(self.generated_for(mode, self.scope_of(mode)).await?)),
            AnyMode::DsseKms(mode) => {
                let inner = Some(self.generated_for(mode.inner(), KekScope::InnerLayer).await?);
                Ok(EachLayer { outer: self.primary().await?, inner })
            }
            AnyMode::SseC(mode) => Ok(EachLayer::one(sse_c::layer_key(mode.key()))),
        }
    }

    /// Gets the keys to wrap these layers of an object again, for the same object under the same key.
    pub(crate) async fn rewriting<'k>(
        &self,
        layers: EachLayer<&Envelope>,
        customer_key: Option<&'k CustomerKey>,
    ) -> Result<EachLayer<LayerKey<'k>>> {
        let rewriting = async |layer: &Envelope| match &layer.header().key {
            KeyRef::Keyring { .. } => self.primary().await,
            KeyRef::Kms { id, context, scope, .. } => self.generated_again(id, context, *scope).await,
            KeyRef::Customer => customer_layer_key(customer_key),
        };
        let inner = match layers.inner {
            Some(inner) => Some(rewriting(inner).await?),
            None => None,
        };
        Ok(EachLayer { outer: rewriting(layers.outer).await?, inner })
    }

    /// Gets the keys to wrap a completed object under, for an upload with this envelope. The primary wraps SSE-S3 and
    /// the outer layer of DSSE-KMS. The key-encryption key of a KMS stays: the KMS unwraps it and generates none.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`unwrap`](Self::unwrap), and [`Error::Inauthentic`] if the KMS returned another key than
    /// the one that the upload is wrapped under.
    pub(crate) async fn completing<'k>(
        &self,
        upload: &Envelope,
        data_keys: &ObjectKeys,
        customer_key: Option<&'k CustomerKey>,
    ) -> Result<EachLayer<LayerKey<'k>>> {
        let binding = self.target.binding()?;
        let completing = async |layer: &Envelope, crypto| match &layer.header().key {
            KeyRef::Keyring { .. } => self.primary().await,
            key @ KeyRef::Kms { .. } => {
                let kek = self.kek(layer, None).await?;
                // An object under another key than its upload could not be read.
                self.data_key(layer, crypto, &kek, &binding)?;
                Ok(LayerKey { kek, key: key.clone() })
            }
            KeyRef::Customer => customer_layer_key(customer_key),
        };
        let layers = upload.each_layer().zip(data_keys.each_layer().as_ref().map(|layer| layer.crypto));
        let inner = match layers.inner {
            Some((inner, crypto)) => Some(completing(inner, crypto).await?),
            None => None,
        };
        Ok(EachLayer { outer: completing(layers.outer.0, layers.outer.1).await?, inner })
    }

    /// Unwraps the data keys of these layers, from the outer one inward.
    ///
    /// # Errors
    ///
    /// - [`Unexpected`] if the builder has no source for the mode.
    /// - [`CustomerKeyError::Required`] if an SSE-C object has no customer key, and the errors of [`Envelope::unwrap`].
    /// - [`Error::KeyProvider`] if the source did not return the key.
    pub(crate) async fn unwrap(
        &self,
        layers: EachLayer<(&Envelope, Crypto)>,
        customer_key: Option<&CustomerKey>,
        binding: &[u8],
    ) -> Result<EachLayer<LayerSecret>> {
        let unwrapped = async |(layer, crypto): (&Envelope, Crypto)| {
            let kek = self.kek(layer, customer_key).await?;
            self.data_key(layer, crypto, &kek, binding).map(|data_key| LayerSecret::new(crypto, data_key))
        };
        let outer = unwrapped(layers.outer).await?;
        let inner = match layers.inner {
            Some(layer) => Some(unwrapped(layer).await?),
            None => None,
        };
        Ok(EachLayer { outer, inner })
    }

    /// Gets the key-encryption key that an envelope's own layer was wrapped under.
    async fn kek<'k>(&self, layer: &Envelope, customer_key: Option<&'k CustomerKey>) -> Result<Kek<'k>> {
        match &layer.header().key {
            KeyRef::Keyring { id, version } => {
                let keyring = self.keyring()?;
                if !keyring.is(Some(id)) {
                    return Err(Unexpected::KeyringId.into());
                }
                keyring.unwrapping_key(*version).await.map(Kek::Master)
            }
            KeyRef::Kms { id, wrapped_kek, context, scope } => {
                Box::pin(self.unwrapped_kek(id, wrapped_kek, context, *scope)).await
            }
            KeyRef::Customer => customer_key.map(Kek::Customer).ok_or(CustomerKeyError::Required.into()),
        }
    }

    /// Unwraps the data key of an envelope's own layer. The cache learns whether a bucket key could do it.
    fn data_key(&self, layer: &Envelope, crypto: Crypto, kek: &Kek<'_>, binding: &[u8]) -> Result<DataKey> {
        let unwrapped = layer.unwrap(crypto, kek.expose(), binding);
        if let Kek::Bucket(key) = kek {
            match &unwrapped {
                Ok(_) => key.prove(),
                Err(Error::Inauthentic) => self.bucket_keys.doubt(key),
                Err(_) => {}
            }
        }
        unwrapped
    }

    async fn primary(&self) -> Result<LayerKey<'static>> {
        sse_s3::primary(self.keyring()?).await
    }

    /// Returns the builder's keyring, or an error that the mode is not accepted.
    fn keyring(&self) -> Result<&'a Keyring> {
        self.keyring.ok_or(Unexpected::Mode.into())
    }

    /// Returns the builder's KMS, or an error that the mode is not accepted.
    fn kms(&self) -> Result<Arc<dyn KeyProvider>> {
        self.kms.cloned().ok_or(Unexpected::Mode.into())
    }
}

fn customer_layer_key(key: Option<&CustomerKey>) -> Result<LayerKey<'_>> {
    key.map(sse_c::layer_key).ok_or(CustomerKeyError::Required.into())
}
