//! [`ValueSealer`] and [`SealedValue`]: small values that are stored sealed beside an object, and receipts.

use std::fmt;

use zeroize::Zeroizing;

use super::message::SALT_LEN;
use super::object_keys::{LayerSecret, ObjectKeys};
use crate::crypto::{OneShot, TAG_LEN, label};
use crate::error::{Error, Limit, Misuse, Result};
use crate::secret::redacted;

/// The maximum length of a value before it is sealed, in bytes.
const MAX_LEN: usize = 65_535;
/// The first byte of a sealed value.
const VERSION: u8 = 1;
/// The bytes that sealing one layer adds: version, salt and tag.
const OVERHEAD: usize = 1 + SALT_LEN + TAG_LEN;
/// The prefix of names that the library reserves.
const RESERVED: &str = "atrest/";

/// A small value, sealed under an object's data key: 41 bytes longer than the value, in DSSE-KMS 82. Safe to store
/// anywhere.
///
/// It is for values that are made from the plaintext and kept beside it, such as an MD5 or a checksum: unencrypted,
/// they would reveal the plaintext. The type is distinct, so that a sealed value is never taken for a plain one; only
/// [`ValueSealer::open`] opens it.
///
/// Spec: manual, format, "Sealed values".
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SealedValue(Vec<u8>);

impl SealedValue {
    /// Creates a sealed value from stored bytes; accepts any bytes, which are checked when the value is opened.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Returns the bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({} bytes)", self.0.len())
    }
}

/// Seals and opens small values of one object, part or upload under its data keys; cheap to clone.
///
/// `values()` of an [`Encryptor`](crate::Encryptor), a [`Decryptor`](crate::Decryptor), an
/// [`Upload`](crate::multipart::Upload) or a [`PartReceipt`](crate::multipart::PartReceipt) returns it. The object's
/// decryptor opens values sealed by the object's encryptor. The receipt opens values sealed by the part's encryptor;
/// later the [decryptor of the part](crate::Decryptor::part_decryptor) opens them. An upload in progress has its own
/// values: seal them again with the decryptor of the completed object.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// # let sse = atrest::Sse::builder().keyring(atrest::Keyring::generate()?).build()?;
/// # let object = atrest::ObjectName::unbound();
/// # let stored = sse.blocking().encrypt(&object, atrest::SseS3, b"meow")?;
/// let sse = sse.blocking();
/// let decryptor = sse.decryptor(&object, &stored.envelope, atrest::Unlock::Server)?;
/// let sealed = decryptor.values().seal("crc32", &[1, 2, 3, 4])?; // store it with the object
/// assert_eq!(decryptor.values().open("crc32", &sealed)?, [1, 2, 3, 4]);
/// # Ok(()) }
/// ```
///
/// # Security
///
/// Copies made by rewrap share their values: include the object's name in a value that may differ between copies. An
/// attacker can restore an older value of the same name undetected.
#[derive(Clone)]
pub struct ValueSealer {
    keys: ObjectKeys,
    /// The salt of the message that the values describe (in DSSE-KMS the inner message); zeros if they describe none.
    of: [u8; SALT_LEN],
}

impl ValueSealer {
    pub(super) fn new(keys: ObjectKeys, of: [u8; SALT_LEN]) -> Self {
        Self { keys, of }
    }

    /// Returns random public bytes for an ETag that reveals nothing of the plaintext.
    #[cfg(feature = "s3")]
    pub(crate) fn random_digits(&self) -> Result<[u8; 16]> {
        self.keys.random()
    }

    /// Seals a value of at most 65,535 bytes under a name of 1 to 255 bytes.
    ///
    /// # Errors
    ///
    /// Returns [`Misuse::ValueName`] if the name has another length or is reserved, [`Limit::Value`] if the value is
    /// too long, and [`Error::Random`] if the random generator fails.
    pub fn seal(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
        check_name(name)?;
        if value.len() > MAX_LEN {
            return Err(Limit::Value.into());
        }
        self.seal_reserved(name, value)
    }

    /// Opens a value that was sealed under this name.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Inauthentic`] if the value was changed, or belongs to another object or name, and
    /// [`Misuse::ValueName`] if the name is not valid.
    pub fn open(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
        check_name(name)?;
        self.open_reserved(name, sealed)
    }

    /// Seals a value under a reserved name.
    pub(crate) fn seal_reserved(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
        let salts = self.keys.fresh_salts()?;
        let layers = self.keys.each_layer().as_ref().zip(salts);
        let mut sealed = value.to_vec();
        for (layer, salt) in layers.iter().rev() {
            sealed = self.seal_layer(layer, name, salt, &Zeroizing::new(sealed));
        }
        Ok(SealedValue(sealed))
    }

    /// Opens a value that has a reserved name.
    pub(crate) fn open_reserved(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
        let layers = self.keys.each_layer();
        // Checked before the allocation.
        if sealed.0.len() > MAX_LEN + layers.iter().count() * OVERHEAD {
            return Err(Error::Inauthentic);
        }
        layers.iter().try_fold(sealed.0.clone(), |opened, layer| self.open_layer(layer, name, &opened))
    }

    fn seal_layer(&self, layer: &LayerSecret, name: &str, salt: &[u8; SALT_LEN], value: &[u8]) -> Vec<u8> {
        let mut sealed = vec![VERSION; OVERHEAD + value.len()];
        sealed[1..1 + SALT_LEN].copy_from_slice(salt);
        self.one_shot(layer, name, salt).seal(value, &mut sealed[1 + SALT_LEN..]);
        sealed
    }

    fn open_layer(&self, layer: &LayerSecret, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let (version, rest) = sealed.split_first().ok_or(Error::Inauthentic)?;
        let (salt, body) = rest.split_first_chunk::<SALT_LEN>().ok_or(Error::Inauthentic)?;
        if *version != VERSION || body.len() < TAG_LEN {
            return Err(Error::Inauthentic);
        }
        let mut value = vec![0; body.len() - TAG_LEN];
        self.one_shot(layer, name, salt).open(body, &mut value)?;
        Ok(value)
    }

    /// Derives the key and nonce of one value; they are unique because the salt is fresh.
    fn one_shot(&self, layer: &LayerSecret, name: &str, salt: &[u8; SALT_LEN]) -> OneShot {
        // A name is at most 255 bytes: `check_name` checks the caller's names, and reserved names are short.
        let name_len = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
        OneShot::derive(layer.prk(), label::VALUE, &[&self.of, &name_len, name.as_bytes(), salt])
    }
}

redacted!(ValueSealer);

fn check_name(name: &str) -> Result<()> {
    let reserved = name.starts_with(RESERVED);
    if (1..=255).contains(&name.len()) && !reserved { Ok(()) } else { Err(Misuse::ValueName.into()) }
}
