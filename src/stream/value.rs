//! Small sealed values: what must not lie in the clear beside an object, and receipts.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::message::{DataKeys, LayerSecret, SALT_LEN};
use crate::crypto::{AeadKey, Generator, NONCE_LEN, Prk, TAG_LEN, label};
use crate::error::{Error, Limit, Misuse, Result};
use crate::secret::KEY_LEN;

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
/// [`open_value`](crate::Decryptor::open_value) makes one of the other.
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

/// Seals and opens values of one object under its data keys.
#[derive(Clone)]
pub(crate) struct Values {
    keys: Arc<DataKeys>,
    /// The salt of the message that the values describe: the inner layer's; zeros where there is none.
    of: [u8; SALT_LEN],
    generator: Generator,
}

impl Values {
    /// Of the message with this salt.
    pub(crate) fn new(keys: Arc<DataKeys>, of: [u8; SALT_LEN], generator: Generator) -> Self {
        Self { keys, of, generator }
    }

    /// Of another message under the same data keys.
    pub(crate) fn of(&self, of: [u8; SALT_LEN]) -> Self {
        Self { of, ..self.clone() }
    }

    pub(crate) fn keys(&self) -> &Arc<DataKeys> {
        &self.keys
    }

    /// Fresh public bytes from the handle's generator.
    #[cfg(feature = "s3")]
    pub(crate) fn random_digits(&self) -> Result<[u8; 16]> {
        self.generator.bytes()
    }

    /// Seals a value of the caller's.
    pub(crate) fn seal(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
        check_name(name)?;
        if value.len() > MAX_LEN {
            return Err(Limit::Value.into());
        }
        self.seal_reserved(name, value)
    }

    /// Opens a value of the caller's.
    pub(crate) fn open(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
        check_name(name)?;
        self.open_reserved(name, sealed)
    }

    /// Seals a value under a name of the library's own.
    //= manual/format.md#sealed-values
    pub(crate) fn seal_reserved(&self, name: &str, value: &[u8]) -> Result<SealedValue> {
        // One draw for both layers: a call to the operating system costs as much as three derivations.
        let mut drawn = [[0; SALT_LEN]; 2];
        let keys: &DataKeys = &self.keys;
        self.generator.fill(drawn[..keys.iter().count()].as_flattened_mut())?;
        let mut salts = drawn.iter();
        let layers = keys.as_ref().map(|layer| (layer, salts.next().expect("a salt for each layer")));
        let mut sealed = value.to_vec();
        for (layer, salt) in layers.iter().rev() {
            sealed = self.seal_layer(layer, name, salt, &Zeroizing::new(sealed));
        }
        Ok(SealedValue(sealed))
    }

    /// Opens a value that has a name of the library's own.
    pub(crate) fn open_reserved(&self, name: &str, sealed: &SealedValue) -> Result<Vec<u8>> {
        let layers = self.keys.iter().count();
        // Before anything is allocated for it.
        if sealed.0.len() > MAX_LEN + layers * OVERHEAD {
            return Err(Error::Inauthentic);
        }
        let mut opened = sealed.0.clone();
        for layer in self.keys.iter() {
            opened = self.open_layer(layer, name, &opened)?;
        }
        Ok(opened)
    }

    fn seal_layer(&self, layer: &LayerSecret, name: &str, salt: &[u8; SALT_LEN], value: &[u8]) -> Vec<u8> {
        let (key, nonce) = self.key_of(layer, name, salt);
        let mut sealed = vec![VERSION; OVERHEAD + value.len()];
        sealed[1..1 + SALT_LEN].copy_from_slice(salt);
        key.seal(&nonce, value, &mut sealed[1 + SALT_LEN..]);
        sealed
    }

    fn open_layer(&self, layer: &LayerSecret, name: &str, sealed: &[u8]) -> Result<Vec<u8>> {
        let (version, rest) = sealed.split_first().ok_or(Error::Inauthentic)?;
        let (salt, body) = rest.split_first_chunk::<SALT_LEN>().ok_or(Error::Inauthentic)?;
        if *version != VERSION || body.len() < TAG_LEN {
            return Err(Error::Inauthentic);
        }
        let (key, nonce) = self.key_of(layer, name, salt);
        let mut value = vec![0; body.len() - TAG_LEN];
        key.open(&nonce, body, &mut value)?;
        Ok(value)
    }

    /// One key and one nonce for this value: the salt is fresh.
    fn key_of(&self, layer: &LayerSecret, name: &str, salt: &[u8; SALT_LEN]) -> (AeadKey, [u8; NONCE_LEN]) {
        // A name is at most 255 bytes: `check_name` saw to it, and the library's own are short.
        let name_len = u16::try_from(name.len()).unwrap_or(u16::MAX).to_be_bytes();
        let mut okm = Zeroizing::new([0; KEY_LEN + NONCE_LEN]);
        let prk = Prk::from_key(layer.crypto, layer.data_key.expose_secret());
        prk.expand(label::VALUE, &[&self.of, &name_len, name.as_bytes(), salt], &mut *okm);
        let (key, nonce) = okm.split_first_chunk::<KEY_LEN>().expect("the key comes first");
        (AeadKey::new(layer.crypto, key), nonce.try_into().expect("then the nonce"))
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Values(..)")
    }
}

fn check_name(name: &str) -> Result<()> {
    let ours = name.starts_with(RESERVED);
    if (1..=255).contains(&name.len()) && !ours { Ok(()) } else { Err(Misuse::ValueName.into()) }
}

/// The methods by which users seal and open values, on whatever has [`Values`] of its own.
macro_rules! value_methods {
    ($values:ident, $whose:literal) => {
        #[doc = concat!("Seals a small value that belongs to ", $whose, ", such as a checksum of its plaintext: at most 65,535 bytes, under a name of 1 to 255 bytes.")]
        ///
        /// # Errors
        ///
        /// [`Misuse::ValueName`](crate::error::Misuse::ValueName); [`Limit::Value`](crate::error::Limit::Value); [`Error::Random`](crate::Error::Random).
        ///
        /// # Security
        ///
        /// Copies that are made by rewrap share it: a value that may differ between them has the object's name in it.
        /// An older one of the same name can be put back unnoticed.
        pub fn seal_value(&self, name: &str, value: &[u8]) -> crate::error::Result<$crate::stream::SealedValue> {
            self.$values.seal(name, value)
        }

        #[doc = concat!("Opens a value that was sealed for ", $whose, " under this name.")]
        ///
        /// # Errors
        ///
        /// [`Error::Inauthentic`](crate::Error::Inauthentic): it was changed, or belongs to something else or to another name;
        /// [`Misuse::ValueName`](crate::error::Misuse::ValueName).
        pub fn open_value(&self, name: &str, sealed: &$crate::stream::SealedValue) -> crate::error::Result<Vec<u8>> {
            self.$values.open(name, sealed)
        }

        /// Fresh digits for an ETag that says nothing of the plaintext.
        #[cfg(feature = "s3")]
        pub(crate) fn random_digits(&self) -> crate::error::Result<[u8; 16]> {
            self.$values.random_digits()
        }
    };
}
pub(crate) use value_methods;
