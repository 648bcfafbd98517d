//! [`StoredEtag`], the ETag that a store keeps, and [`ListedEtag`], an entry of a listing.

use std::fmt;
use std::num::NonZeroU32;

use pollster::block_on;

use super::Etag;
use crate::envelope::{Envelope, ModeId};
use crate::error::{EnvelopeError, Error, PartError, Result, Unexpected};
use crate::object::ObjectName;
use crate::s3::sealing::PlaintextMd5;
use crate::sse::{Blocking, ListedValue, Sse};
use crate::stream::{SealedValue, ValueSealer};

/// The first stored byte.
const VERSION: u8 = 1;
const UNSEALED: u8 = 0;
const SEALED: u8 = 1;
/// The name of a sealed ETag.
const NAME: &str = "s3/etag";

/// An ETag as a store keeps it: sealed if it is made from the plaintext of an encrypted object, otherwise unsealed.
///
/// A writer creates it at the end of a write, together with the ETag to answer, from the encryptor's values. A listing
/// opens many at once with the keyring alone, by [`Sse::open_etags`]: that calls no key provider, derives no body key
/// and emits no event of a read object.
///
/// The stored bytes, [`to_bytes`](Self::to_bytes), have exactly one encoding:
///
/// | bytes | field |
/// |---|---|
/// | 1 | version, 1 |
/// | 1 | 0 unsealed, 1 sealed |
/// | 20, unsealed | the 16 bytes of the digits, and the number of parts as a big-endian `u32`, 0 if there are none |
/// | the rest, sealed | the same 20 bytes as a [`SealedValue`] under the name `s3/etag`: 61 bytes, in DSSE-KMS 102 |
///
/// # Examples
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::s3::{PlaintextMd5, StoredEtag};
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// let object = atrest::ObjectName::new("photos", "2026/cat.jpg")?;
/// let (envelope, encryptor) = sse.blocking().encryptor(&object, atrest::SseS3)?;
/// // The service computed the MD5 of b"meow" while it encrypted.
/// let md5 = PlaintextMd5::new(0x4a4be40c96ac6314e91d93f38043a634_u128.to_be_bytes());
/// let (etag, stored) = StoredEtag::of_write(&envelope, &encryptor.values(), Some(md5))?;
/// assert_eq!(etag.to_client_string(), "4a4be40c96ac6314e91d93f38043a634");
/// let bytes = stored.to_bytes(); // store these beside the envelope
///
/// let stored = StoredEtag::from_bytes(&bytes)?;
/// assert_eq!(sse.blocking().open_etag(&object, &envelope, &stored)?, etag);
/// # Ok(()) }
/// ```
///
/// # Security
///
/// An attacker who writes the store can restore an older ETag of the same object, and can change an unsealed ETag.
///
/// Spec: manual, format, "Sealed values".
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct StoredEtag(Kept);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kept {
    Unsealed(Etag),
    Sealed(SealedValue),
}

impl StoredEtag {
    /// Creates the ETag to answer and the ETag to store for an encrypted object that was written in one piece. In
    /// SSE-S3 it is the MD5, stored sealed; in the other modes it is random, stored unsealed.
    ///
    /// `values` comes from the object's encryptor. [`Etag::needs_md5`] tells beforehand whether to compute the MD5. An
    /// MD5 that is not needed is ignored.
    ///
    /// # Errors
    ///
    /// - [`Misuse::EtagWithoutMd5`](crate::error::Misuse::EtagWithoutMd5): the object is SSE-S3, and there is no MD5.
    /// - [`Error::Random`]: the random generator failed.
    pub fn of_write(envelope: &Envelope, values: &ValueSealer, md5: Option<PlaintextMd5>) -> Result<(Etag, Self)> {
        let etag = Etag::of_encrypted(envelope, values, md5)?;
        Ok((etag, Self::of(etag, envelope, values)?))
    }

    /// Creates the ETag to answer and the ETag to store for a completed upload, from the ETags of the parts, which are
    /// the labels of their receipts.
    ///
    /// `envelope` and `values` are those of the [completed upload](crate::multipart::CompletedUpload).
    ///
    /// # Errors
    ///
    /// - [`PartError::None`]: there are no parts or over 65,536, or one of the ETags is not a part's.
    /// - [`Error::Random`]: the random generator failed.
    pub fn of_upload(
        envelope: &Envelope,
        values: &ValueSealer,
        parts: impl IntoIterator<Item = Etag>,
    ) -> Result<(Etag, Self)> {
        let etag = Etag::of_parts(parts).ok_or(PartError::None)?;
        Ok((etag, Self::of(etag, envelope, values)?))
    }

    /// Creates the ETag of an unencrypted object. Never use it for an encrypted object.
    pub fn of_unencrypted(etag: Etag) -> Self {
        Self(Kept::Unsealed(etag))
    }

    /// Creates the ETag from a value that was sealed under the name `s3/etag` and stored without the first two bytes.
    pub fn from_sealed_value(sealed: SealedValue) -> Self {
        Self(Kept::Sealed(sealed))
    }

    /// Returns the ETag to store after a rewrap of the object: an unsealed ETag is sealed if the object is now SSE-S3,
    /// and a sealed ETag stays as it is. `envelope` is the new envelope, and `values` comes from the object's
    /// decryptor.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Random`] if the random generator fails.
    pub fn after_rewrap(&self, envelope: &Envelope, values: &ValueSealer) -> Result<Self> {
        match &self.0 {
            Kept::Unsealed(etag) => Self::of(*etag, envelope, values),
            Kept::Sealed(_) => Ok(self.clone()),
        }
    }

    fn of(etag: Etag, envelope: &Envelope, values: &ValueSealer) -> Result<Self> {
        if !Etag::needs_md5(Some(envelope.mode())) {
            return Ok(Self(Kept::Unsealed(etag)));
        }
        values.seal(NAME, &payload(etag)).map(|sealed| Self(Kept::Sealed(sealed)))
    }

    /// Opens the ETag of an unlocked object in any mode. [`Sse::open_etag`] needs no decryptor, but opens sealed ETags
    /// only for SSE-S3.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the ETag was changed, belongs to another object, or is unsealed and the object
    /// is SSE-S3.
    pub fn open(&self, envelope: &Envelope, values: &ValueSealer) -> Result<Etag> {
        match &self.0 {
            Kept::Unsealed(etag) => unsealed(*etag, Some(envelope)),
            Kept::Sealed(sealed) => from_payload(&values.open(NAME, sealed)?),
        }
    }

    /// Returns the ETag of an unencrypted object.
    ///
    /// # Errors
    ///
    /// Returns [`Unexpected::Mode`] if the ETag is sealed: its object is encrypted.
    pub fn open_unencrypted(&self) -> Result<Etag> {
        match &self.0 {
            Kept::Unsealed(etag) => Ok(*etag),
            Kept::Sealed(_) => Err(Unexpected::Mode.into()),
        }
    }

    /// Encodes the ETag: 22 bytes unsealed, 63 sealed, in DSSE-KMS 104.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Kept::Unsealed(etag) => [&[VERSION, UNSEALED][..], &payload(*etag)].concat(),
            Kept::Sealed(sealed) => [&[VERSION, SEALED][..], sealed.as_bytes()].concat(),
        }
    }

    /// Decodes the bytes of [`to_bytes`](Self::to_bytes). A sealed ETag is authenticated when it is opened.
    ///
    /// # Errors
    ///
    /// - [`EnvelopeError::UnsupportedVersion`]: a newer release wrote the bytes.
    /// - [`Error::Truncated`]: there are fewer than two bytes.
    /// - [`Error::Inauthentic`]: no release wrote the bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let ([version, kind], rest) = bytes.split_first_chunk().ok_or(Error::Truncated)?;
        match (*version, *kind) {
            (VERSION, UNSEALED) => from_payload(rest).map(|etag| Self(Kept::Unsealed(etag))),
            (VERSION, SEALED) => Ok(Self(Kept::Sealed(SealedValue::from_bytes(rest)))),
            (VERSION, _) => Err(Error::Inauthentic),
            (version, _) => Err(EnvelopeError::UnsupportedVersion(version).into()),
        }
    }
}

/// Omits the digits, because they may be the MD5 of the plaintext.
impl fmt::Debug for StoredEtag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredEtag").field("sealed", &matches!(self.0, Kept::Sealed(_))).finish_non_exhaustive()
    }
}

fn payload(etag: Etag) -> [u8; 20] {
    let mut payload = [0; 20];
    let (digits, parts) = payload.split_at_mut(etag.digits.len());
    digits.copy_from_slice(&etag.digits);
    parts.copy_from_slice(&etag.parts().unwrap_or(0).to_be_bytes());
    payload
}

fn from_payload(payload: &[u8]) -> Result<Etag> {
    let (digits, parts) = payload.split_first_chunk().ok_or(Error::Inauthentic)?;
    let parts = parts.try_into().map_err(|_| Error::Inauthentic)?;
    Ok(Etag { digits: *digits, parts: NonZeroU32::new(u32::from_be_bytes(parts)) })
}

/// Checks an unsealed ETag against the mode of its object.
fn unsealed(etag: Etag, envelope: Option<&Envelope>) -> Result<Etag> {
    // SECURITY: ETags of SSE-S3 are always sealed, so an attacker put this one into the store.
    match envelope.map(Envelope::mode) {
        Some(ModeId::SseS3) => Err(Error::Inauthentic),
        None | Some(ModeId::SseKms | ModeId::DsseKms | ModeId::SseC) => Ok(etag),
    }
}

/// One object of a listing: its name, its envelope if it is encrypted, and its stored ETag.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "every field has to be said: one left out would be another object")]
pub struct ListedEtag<'a> {
    /// The object that the ETag is stored beside.
    pub object: &'a ObjectName,
    /// The object's envelope; `None` if the object is unencrypted.
    pub envelope: Option<&'a Envelope>,
    /// The stored ETag.
    pub stored: &'a StoredEtag,
}

impl Sse {
    /// Opens the ETags of a listing. The results have the order of `listed`.
    ///
    /// Unsealed ETags need no key. Sealed ETags are opened with the keyring alone, and only for SSE-S3 objects. An
    /// entry that cannot be opened has its own error, and a listing leaves its ETag out:
    ///
    /// - [`Error::Inauthentic`]: the envelope is damaged.
    /// - [`Error::KeyProvider`]: the keyring does not have the version, or has disabled it.
    /// - [`Unexpected::Mode`]: the object was SSE-S3 before a rewrap to another mode, and its ETag is still sealed.
    ///   Open it with [`StoredEtag::open`] and the object's decryptor.
    ///
    /// The audit trail records no read of the objects. A trail with
    /// [`with_listings`](crate::audit::AuditTrail::with_listings) gets one event with the count.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Audit`] if the trail wants listings and cannot be written.
    ///
    /// # Performance
    ///
    /// Each sealed ETag costs one unwrap of a data key and one opened value, together about 1.4 times the unwrap. The
    /// stored keyring is read at most once, if an entry names a version that is unknown or disabled.
    pub async fn open_etags(&self, listed: &[ListedEtag<'_>]) -> Result<Vec<Result<Etag>>> {
        let sealed: Vec<ListedValue<'_>> = listed.iter().filter_map(ListedEtag::value).collect();
        let mut opened = self.open_values(NAME, &sealed).await.into_iter();
        let etags: Vec<Result<Etag>> = listed
            .iter()
            .map(|entry| match (&entry.stored.0, entry.envelope) {
                (Kept::Unsealed(etag), envelope) => unsealed(*etag, envelope),
                (Kept::Sealed(_), None) => Err(Unexpected::Mode.into()),
                (Kept::Sealed(_), Some(_)) => {
                    opened.next().ok_or(Error::Inauthentic)?.and_then(|opened| from_payload(&opened))
                }
            })
            .collect();
        self.record_listing(etags.len(), etags.iter().filter(|etag| etag.is_err()).count()).await?;
        Ok(etags)
    }

    /// Opens the ETag of one object that is not read, for example for HEAD: with the keyring alone, and without an
    /// audit event.
    ///
    /// # Errors
    ///
    /// Returns the errors of an entry of [`open_etags`](Self::open_etags).
    pub async fn open_etag(&self, object: &ObjectName, envelope: &Envelope, stored: &StoredEtag) -> Result<Etag> {
        match &stored.0 {
            Kept::Unsealed(etag) => unsealed(*etag, Some(envelope)),
            Kept::Sealed(sealed) => {
                let opened = self.open_values(NAME, &[ListedValue { object, envelope, sealed }]).await;
                from_payload(&opened.into_iter().next().ok_or(Error::Inauthentic)??)
            }
        }
    }
}

#[expect(clippy::missing_errors_doc, reason = "the errors are those of the call of Sse with the same name")]
impl Blocking {
    /// Calls [`Sse::open_etags`].
    pub fn open_etags(&self, listed: &[ListedEtag<'_>]) -> Result<Vec<Result<Etag>>> {
        block_on(self.sse().open_etags(listed))
    }

    /// Calls [`Sse::open_etag`].
    pub fn open_etag(&self, object: &ObjectName, envelope: &Envelope, stored: &StoredEtag) -> Result<Etag> {
        block_on(self.sse().open_etag(object, envelope, stored))
    }
}

impl<'a> ListedEtag<'a> {
    /// Returns the sealed value of the entry, if it has one.
    fn value(&self) -> Option<ListedValue<'a>> {
        match (&self.stored.0, self.envelope) {
            (Kept::Sealed(sealed), Some(envelope)) => Some(ListedValue { object: self.object, envelope, sealed }),
            (Kept::Sealed(_), None) | (Kept::Unsealed(_), _) => None,
        }
    }
}
