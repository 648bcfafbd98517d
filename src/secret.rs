//! Keys: 32 bytes on the heap, wiped when dropped, shown by no `Debug`.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{CustomerKeyError, Misuse, Result};

/// The length of every key, in bytes.
pub(crate) const KEY_LEN: usize = 32;

/// Wipes bytes that were secret or never authenticated.
///
/// PERF: one `memset` and a barrier; `Zeroize` of a slice writes byte by byte, 6 µs for a chunk.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// 32 secret bytes that are not all zero; the newtypes below say what they are for.
pub(crate) struct Secret(Box<Zeroizing<[u8; KEY_LEN]>>);

impl Secret {
    /// Fills a key in place, so that no copy is left on the stack.
    ///
    /// # Errors
    ///
    /// What `fill` says; `all_zero` where it left 32 zero bytes, which are a buffer that was never filled and no key.
    pub(crate) fn filled_by<E>(
        fill: impl FnOnce(&mut [u8; KEY_LEN]) -> Result<(), E>,
        all_zero: impl FnOnce() -> E,
    ) -> Result<Self, E> {
        let mut bytes = Box::new(Zeroizing::new([0; KEY_LEN]));
        fill(&mut bytes)?;
        // SECURITY: in constant time; the comparison tells whether all bytes are zero, and nothing about others.
        if bytes.ct_eq(&[0; KEY_LEN]).into() { Err(all_zero()) } else { Ok(Self(bytes)) }
    }

    /// Takes the bytes and wipes where they came from.
    ///
    /// # Errors
    ///
    /// `all_zero` where all bytes are zero.
    pub(crate) fn from_bytes<E>(source: &mut [u8; KEY_LEN], all_zero: impl FnOnce() -> E) -> Result<Self, E> {
        let take = |bytes: &mut [u8; KEY_LEN]| {
            bytes.copy_from_slice(source);
            source.zeroize();
            Ok(())
        };
        Self::filled_by(take, all_zero)
    }

    /// Another allocation of the same key, wiped like the first.
    fn duplicate(&self) -> Self {
        let mut bytes = Box::new(Zeroizing::new([0; KEY_LEN]));
        bytes.copy_from_slice(self.expose());
        Self(bytes)
    }

    /// The bytes.
    pub(crate) fn expose(&self) -> &[u8; KEY_LEN] {
        &self.0
    }
}

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident, $wrong_length:expr, $all_zero:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Security
        ///
        /// Lives in one heap allocation that is wiped when it is dropped. It has no `Clone`, no comparison and no
        /// serialisation, and its `Debug` shows nothing of it. It is never all zero.
        pub struct $name(Secret);

        impl $name {
            /// Takes 32 bytes and wipes the array they came from.
            ///
            /// # Errors
            ///
            /// All bytes are zero: the array was never filled, or a key was taken from it before.
            pub fn from_bytes(bytes: &mut [u8; 32]) -> Result<Self> {
                Secret::from_bytes(bytes, || $all_zero.into()).map(Self)
            }

            /// Takes a slice and wipes it, whether or not it was of the right length.
            ///
            /// # Errors
            ///
            /// The slice is not exactly 32 bytes, or all its bytes are zero.
            pub fn from_slice(bytes: &mut [u8]) -> Result<Self> {
                match <&mut [u8; KEY_LEN]>::try_from(&mut *bytes) {
                    Ok(bytes) => Self::from_bytes(bytes),
                    Err(_) => {
                        bytes.zeroize();
                        Err($wrong_length.into())
                    }
                }
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
    MasterKey, Misuse::KeyLength, Misuse::AllZeroKey;

    /// The key that a client of SSE-C brings with each request; 32 uniformly random bytes.
    ///
    /// A passphrase is no customer key: like any encryption, the stored envelope lets a key that can be guessed be
    /// guessed offline.
    CustomerKey, CustomerKeyError::WrongLength, CustomerKeyError::AllZero;

    /// The key-encryption key that a [`KeyProvider`](crate::KeyProvider) generates or unwraps.
    KeyEncryptionKey, Misuse::KeyLength, Misuse::AllZeroKey;

    /// The random key of one object; only [`hazmat`](crate::hazmat) takes one from outside.
    DataKey, Misuse::KeyLength, Misuse::AllZeroKey;
}

impl KeyEncryptionKey {
    pub(crate) fn into_secret(self) -> Secret {
        self.0
    }
}

impl DataKey {
    /// Another allocation of the same key, wiped like the first.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }
}
