//! `ValueSealer` and `SealedValue`: small values that must not lie in the clear beside an object, and receipts.

use std::fmt;

use zeroize::Zeroizing;

use super::message::SALT_LEN;
use super::object_keys::{LayerSecret, ObjectKeys};
use crate::crypto::{OneShot, Prk, TAG_LEN, label};
use crate::error::{Error, Limit, Misuse, Result};
use crate::secret::redacted;

/// The most bytes of a value before it is sealed.
const MAX_LEN: usize = 65_535;
/// What a sealed value begins with.
const VERSION: u8 = 1;
/// How much longer a value is once one layer is sealed: version, salt and tag.
const OVERHEAD: usize = 1 + SALT_LEN + TAG_LEN;
/// Names that are the library's own begin with this.
const RESERVED: &str = "atrest/";

/// A small value, sealed under an object's data key: 41 bytes longer than the value, in DSSE-KMS 82. Safe to store
/// anywhere.
///
/// For what is made from the plaintext and kept beside it, such as its MD5 or a checksum: in the clear they would give
/// the plaintext's secrets away. It is a type of its own so that a sealed value is never taken for a plain one; only
/// [`ValueSealer::open`] makes one of the other.
///
/// Spec: manual, format, "Sealed values".
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SealedValue(Vec<u8>);

impl SealedValue {
    /// A sealed value as it was read from a store: any bytes; opening it tells.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({} bytes)", self.0.len())
    }
}

/// Seals and opens small values that belong to one object, part or upload, under its data keys; a cheap handle.
///
/// `values()` of an [`Encryptor`](crate::Encryptor), a [`Decryptor`](crate::Decryptor), an
/// [`Upload`](crate::multipart::Upload) or a [`PartReceipt`](crate::multipart::PartReceipt) gives it. What the
/// encryptor of an object sealed the object's decryptor opens; what the encryptor of a part sealed the receipt opens,
/// and later the [decryptor of the part](crate::Decryptor::part_decryptor). An upload has values of its own while it is
/// under way: for the object that it becomes, seal them again with that object's decryptor.
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
/// Copies that are made by rewrap share their values: put the object's name into one that may differ between them. An
/// older value of the same name can be put back unnoticed.
#[derive(Clone)]
pub struct ValueSealer {
    keys: ObjectKeys,
    /// The salt of the message that the values describe: the inner layer's; zeros where they describe none.
    of: [u8; SALT_LEN],
}

impl ValueSealer {
    pub(super) fn new(keys: ObjectKeys, of: [u8; SALT_LEN]) -> Self {
        Self { keys, of }
    }

    /// Fresh public bytes from the handle's generator, for an ETag that says nothing of the plaintext.
    #[cfg(feature = "s3")]
    pub(crate) fn random_digits(&self) -> Result<[u8; 16]> {
        self.keys.random()
    }

    /// Seals a value of at most 65,535 bytes under a name of 1 to 255 bytes.
    ///
    /// # Errors
    ///
    /// [`Misuse::ValueName`]; [`Limit::Value`]; [`Error::Random`].
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
    /// [`Error::Inauthentic`]: it was changed, or belongs to something else or to another name; [`Misuse::ValueName`].
    pub fn open(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
        check_name(name)?;
        self.open_reserved(name, sealed)
    }

    /// Seals a value under a name of the library's own.
    pub(crate) fn seal_reserved(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
        let salts = self.keys.fresh_salts()?;
        let layers = self.keys.each_layer().as_ref().zip(salts);
        let mut sealed = value.to_vec();
        for (layer, salt) in layers.iter().rev() {
            sealed = self.seal_layer(layer, name, salt, &Zeroizing::new(sealed));
        }
        Ok(SealedValue(sealed))
    }

    /// Opens a value that has a name of the library's own.
    pub(crate) fn open_reserved(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
        let layers = self.keys.each_layer();
        // Before anything is allocated for it.
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

    /// Derives key and nonce of one value; no other value has them, because the salt is fresh.
    fn one_shot(&self, layer: &LayerSecret, name: &str, salt: &[u8; SALT_LEN]) -> OneShot {
        // A name is at most 255 bytes: `check_name` has checked the caller's, and the library's own are short.
        let name_len = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
        let prk = Prk::from_key(layer.crypto, layer.data_key.expose_secret());
        OneShot::derive(&prk, label::VALUE, &[&self.of, &name_len, name.as_bytes(), salt])
    }
}

redacted!(ValueSealer);

fn check_name(name: &str) -> Result<()> {
    let reserved = name.starts_with(RESERVED);
    if (1..=255).contains(&name.len()) && !reserved { Ok(()) } else { Err(Misuse::ValueName.into()) }
}
