// Floor 5. May use floors 0 to 4, and no other module of floor 5.
//! Whose keys wrap: the four modes.

mod dsse_kms;
mod kms_keys;
mod layer;
mod sse_c;
mod sse_kms;
mod sse_s3;

pub use dsse_kms::DsseKms;
pub use kms_keys::KmsKeys;
pub use sse_c::SseC;
pub use sse_kms::SseKms;
pub use sse_s3::SseS3;

pub(crate) use layer::{Kek, LayerKey, unwrap, wrap};

use std::sync::Arc;

use crate::envelope::{Envelope, ModeId};
use crate::error::{CustomerKeyError, Error, Misuse, Result, Unexpected};
use crate::geometry::EachLayer;
use crate::keys::{EncryptionContext, KeyProvider, Keyring};
use crate::object::{ObjectName, Requester};
use crate::secret::CustomerKey;
use crate::stream::object_keys::ObjectKeys;

/// How an object is to be encrypted, with exactly what that takes: [`SseS3`], [`SseKms`], [`DsseKms`], [`SseC`], or
/// [`AnyMode`] for one that is chosen at run time.
///
/// Sealed: there are these and no others.
#[expect(private_bounds, reason = "outsiders can neither implement it nor call its inner method")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an encryption mode",
    label = "give `SseS3`, `SseKms::new(key_id)`, `DsseKms::new(key_id)`, `SseC::new(customer_key)` or an `AnyMode`"
)]
pub trait Mode: sealed::Sealed {}

mod sealed {
    /// What only the library calls.
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
    /// Which of the four it is.
    pub fn id(&self) -> ModeId {
        match self {
            Self::SseS3(_) => ModeId::SseS3,
            Self::SseKms(_) => ModeId::SseKms,
            Self::DsseKms(_) => ModeId::DsseKms,
            Self::SseC(_) => ModeId::SseC,
        }
    }

    /// The KMS key as it was named and the caller's pairs, where the mode has them.
    pub(crate) fn kms_key(&self) -> Option<(&str, &EncryptionContext)> {
        let mode = match self {
            Self::SseKms(mode) => mode,
            Self::DsseKms(mode) => mode.inner(),
            Self::SseS3(_) | Self::SseC(_) => return None,
        };
        Some((mode.key_id(), mode.pairs()))
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

/// The mode as a value, whatever type it came as.
pub(crate) fn any(mode: impl Mode) -> AnyMode {
    sealed::Sealed::into_any(mode)
}

/// Who can be asked for keys, about which object, and on whose behalf.
pub(crate) struct Authorities<'a> {
    pub(crate) keyring: Option<&'a Keyring>,
    pub(crate) kms: Option<&'a Arc<dyn KeyProvider>>,
    pub(crate) kms_keys: &'a KmsKeys,
    pub(crate) object: &'a ObjectName,
    pub(crate) requester: &'a Requester,
}

/// The keys that an object is wrapped under: one, or in DSSE-KMS two.
pub(crate) type WritingKeys<'a> = EachLayer<LayerKey<'a>>;

impl<'a> Authorities<'a> {
    /// Whether the object can be named to those whom the mode asks, before anyone is asked.
    pub(crate) fn check_name(&self, mode: ModeId) -> Result<()> {
        let named_by_arn = matches!(mode, ModeId::SseKms | ModeId::DsseKms);
        if named_by_arn && !sse_kms::has_arn(self.object) { Err(Misuse::NameNotAnArn.into()) } else { Ok(()) }
    }

    /// The keys to wrap a new object under, or an old one as something else.
    pub(crate) async fn writing<'m>(&self, mode: &'m AnyMode) -> Result<WritingKeys<'m>> {
        self.check_name(mode.id())?;
        let (outer, inner) = match mode {
            AnyMode::SseS3(_) => (sse_s3::writing(self.keyring()?).await?, None),
            AnyMode::SseKms(mode) => (mode.writing(self, false).await?, None),
            AnyMode::DsseKms(mode) => {
                let inner = mode.inner().writing(self, false).await?;
                (dsse_kms::outer(self.keyring()?).await?, Some(inner))
            }
            AnyMode::SseC(mode) => (sse_c::writing(mode.key()), None),
        };
        Ok(WritingKeys { outer, inner })
    }

    /// The keys to wrap the same envelope under anew; of DSSE-KMS the outer layer's, or those of both.
    pub(crate) async fn rewriting<'k>(
        &self,
        envelope: &Envelope,
        customer_key: Option<&'k CustomerKey>,
        both_layers: bool,
    ) -> Result<WritingKeys<'k>> {
        let inner = match envelope.inner().filter(|_| both_layers) {
            Some(inner) => Some(sse_kms::rewriting(self, inner).await?),
            None => None,
        };
        let outer = match envelope.mode() {
            ModeId::SseS3 => sse_s3::writing(self.keyring()?).await?,
            ModeId::SseKms => sse_kms::rewriting(self, envelope).await?,
            ModeId::DsseKms => dsse_kms::outer(self.keyring()?).await?,
            ModeId::SseC => sse_c::writing(customer_key.ok_or(CustomerKeyError::Required)?),
        };
        Ok(WritingKeys { outer, inner })
    }

    /// The keys to wrap a completed object under: the KMS key-encryption key of its upload's envelope stays, and SSE-S3
    /// and the outer layer of DSSE-KMS go under the primary. A KMS is asked to unwrap, never to generate.
    ///
    /// # Errors
    ///
    /// As [`reading`](Self::reading). Inauthentic: the KMS gave another key than the one that the upload is wrapped
    /// under.
    pub(crate) async fn completing<'k>(
        &self,
        envelope: &Envelope,
        upload_id: &[u8],
        data_keys: &ObjectKeys,
        customer_key: Option<&'k CustomerKey>,
    ) -> Result<WritingKeys<'k>> {
        let name = self.object.upload_context(upload_id)?;
        let layers = data_keys.each_layer();
        let keep = async |layer: &Envelope, crypto| {
            let key = sse_kms::keeping(self, layer).await?;
            // What the object is wrapped under is what the upload is, or the object could not be read.
            unwrap(layer, crypto, &key.kek, &name)?;
            Ok::<_, Error>(key)
        };
        let inner = match envelope.inner().zip(layers.inner.as_ref()) {
            Some((inner, secret)) => Some(keep(inner, secret.crypto).await?),
            None => None,
        };
        let outer = match envelope.mode() {
            ModeId::SseS3 => sse_s3::writing(self.keyring()?).await?,
            ModeId::SseKms => keep(envelope, layers.outer.crypto).await?,
            ModeId::DsseKms => dsse_kms::outer(self.keyring()?).await?,
            ModeId::SseC => sse_c::writing(customer_key.ok_or(CustomerKeyError::Required)?),
        };
        Ok(WritingKeys { outer, inner })
    }

    /// The key that an envelope's own layer was wrapped under; of DSSE-KMS the outer one.
    pub(crate) async fn reading<'k>(
        &self,
        envelope: &Envelope,
        customer_key: Option<&'k CustomerKey>,
    ) -> Result<Kek<'k>> {
        match envelope.mode() {
            ModeId::SseS3 | ModeId::DsseKms => sse_s3::reading(self.keyring()?, envelope).await,
            ModeId::SseKms => sse_kms::reading(self, envelope).await,
            ModeId::SseC => customer_key.map(Kek::Customer).ok_or(CustomerKeyError::Required.into()),
        }
    }

    /// The builder's keyring. Without one, the mode is not accepted here.
    fn keyring(&self) -> Result<&'a Keyring> {
        self.keyring.ok_or(Unexpected::Mode.into())
    }

    fn kms(&self) -> Result<Arc<dyn KeyProvider>> {
        self.kms.cloned().ok_or(Unexpected::Mode.into())
    }
}
