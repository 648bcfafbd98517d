//! Keys: 32 bytes on the heap, wiped when dropped, shown by no `Debug`.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::error::{CustomerKeyError, Error, Misuse, Result};

/// The length of every key, in bytes.
pub(crate) const KEY_LEN: usize = 32;

/// Wipes bytes that were secret or never authenticated.
///
/// PERF: one `memset` and a barrier; `Zeroize` of a slice writes byte by byte, 6 µs for a chunk.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// 32 secret bytes; the newtypes below say what they are for.
pub(crate) struct Secret(Box<Zeroizing<[u8; KEY_LEN]>>);

impl Secret {
    /// 32 zero bytes to be filled in place, so that no copy is left on the stack.
    pub(crate) fn filled_by<E>(fill: impl FnOnce(&mut [u8; KEY_LEN]) -> Result<(), E>) -> Result<Self, E> {
        let mut bytes = Box::new(Zeroizing::new([0; KEY_LEN]));
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Takes the bytes and wipes where they came from.
    pub(crate) fn from_bytes(source: &mut [u8; KEY_LEN]) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; KEY_LEN]));
        bytes.copy_from_slice(source);
        source.zeroize();
        Self(bytes)
    }

    /// The bytes.
    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident, $wrong_length:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Security
        ///
        /// Lives in one heap allocation that is wiped when it is dropped. It has no `Clone`, no comparison and no
        /// serialisation, and its `Debug` shows nothing of it.
        pub struct $name(Secret);

        impl $name {
            /// Takes 32 bytes and wipes the array they came from.
            pub fn from_bytes(bytes: &mut [u8; 32]) -> Self {
                Self(Secret::from_bytes(bytes))
            }

            /// Takes a slice and wipes it, whether or not it was of the right length.
            ///
            /// # Errors
            ///
            /// The slice is not exactly 32 bytes.
            pub fn from_slice(bytes: &mut [u8]) -> Result<Self> {
                let taken = <&mut [u8; KEY_LEN]>::try_from(&mut *bytes).map(Self::from_bytes);
                taken.map_err(|_| {
                    bytes.zeroize();
                    Error::from($wrong_length)
                })
            }

            /// The 32 bytes themselves: the only way out.
            pub fn expose_secret(&self) -> &[u8; 32] {
                self.0.expose()
            }

            pub(crate) fn from_secret(secret: Secret) -> Self {
                Self(secret)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

secrets! {
    /// A version of a keyring's master key: wraps the data keys of SSE-S3 and of the outer layer of DSSE-KMS.
    MasterKey, Misuse::KeyLength;

    /// The key that a client of SSE-C brings with each request; 32 uniformly random bytes.
    ///
    /// A passphrase is no customer key: like any encryption, the stored envelope lets a key that can be guessed be
    /// guessed offline.
    CustomerKey, CustomerKeyError::WrongLength;

    /// The key-encryption key that a [`KeyProvider`](crate::KeyProvider) generates or unwraps.
    KeyEncryptionKey, Misuse::KeyLength;

    /// The random key of one object; only [`hazmat`](crate::hazmat) takes one from outside.
    DataKey, Misuse::KeyLength;
}

impl KeyEncryptionKey {
    pub(crate) fn into_secret(self) -> Secret {
        self.0
    }
}

impl DataKey {
    /// Another allocation of the same key, wiped like the first.
    pub(crate) fn duplicate(&self) -> Self {
        let copied = Secret::filled_by(|bytes| {
            bytes.copy_from_slice(self.expose_secret());
            Ok::<_, std::convert::Infallible>(())
        });
        match copied {
            Ok(secret) => Self(secret),
            Err(never) => match never {},
        }
    }
}
