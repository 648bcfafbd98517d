// Floor 0, a noun: any module may use it.
//! The key types [`MasterKey`], [`CustomerKey`], [`KeyEncryptionKey`] and [`DataKey`]: 32 bytes on the heap, wiped on
//! drop, redacted in `Debug`.
//!
//! Their `generate` constructors are in `crypto::random`.

use std::ops::{Deref, DerefMut};

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::error::{CustomerKeyError, Misuse, Result};

/// The length of every key, in bytes.
pub(crate) const KEY_LEN: usize = 32;

/// Overwrites secret or unauthenticated bytes with zeros.
///
/// PERF: one `memset` and a barrier; `Zeroize` of a slice writes byte by byte, 6 µs for a chunk.
pub(crate) fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// Secret bytes that are wiped on drop.
///
/// PERF: `Zeroizing` of an array writes byte by byte, 23 ns for 64 bytes; a key derivation has three of them.
pub(crate) struct Wiped<const N: usize>([u8; N]);

impl<const N: usize> Wiped<N> {
    /// Creates zero bytes, to fill in place.
    pub(crate) fn zeros() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Deref for Wiped<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Wiped<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Wiped<N> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Implements `Debug` for types that hold secrets or bytes derived from secrets. It shows only the type's name.
macro_rules! redacted {
    ($($name:ident),* $(,)?) => {$(
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    )*};
}

pub(crate) use redacted;

/// 32 secret bytes that are not all zero. The newtypes below name their purposes.
pub(crate) struct Secret(Box<Wiped<KEY_LEN>>);

impl Secret {
    /// Creates a key that `fill` writes in place, so that the stack holds no copy.
    ///
    /// # Errors
    ///
    /// Returns the error of `fill`, or `all_zero` if `fill` left 32 zero bytes and so did not fill the buffer.
    pub(crate) fn filled_by<E>(
        fill: impl FnOnce(&mut [u8; KEY_LEN]) -> Result<(), E>,
        all_zero: impl FnOnce() -> E,
    ) -> Result<Self, E> {
        let mut bytes = Box::new(Wiped::zeros());
        fill(&mut bytes)?;
        // SECURITY: constant time. The result reveals only whether all bytes are zero.
        let any = bytes.iter().fold(0, |any, byte| any | byte);
        if any.ct_eq(&0).into() { Err(all_zero()) } else { Ok(Self(bytes)) }
    }

    /// Copies the bytes and wipes `source`.
    ///
    /// # Errors
    ///
    /// Returns `all_zero` if all bytes are zero.
    pub(crate) fn from_bytes<E>(source: &mut [u8; KEY_LEN], all_zero: impl FnOnce() -> E) -> Result<Self, E> {
        let take = |bytes: &mut [u8; KEY_LEN]| {
            bytes.copy_from_slice(source);
            wipe(source);
            Ok(())
        };
        Self::filled_by(take, all_zero)
    }

    /// Copies the key into another allocation, which is also wiped on drop.
    fn duplicate(&self) -> Self {
        let mut bytes = Box::new(Wiped::zeros());
        bytes.copy_from_slice(self.expose());
        Self(bytes)
    }

    /// Returns the bytes of the key.
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
        /// The key lives in one heap allocation that is wiped on drop. The type has no `Clone`, no comparison and no
        /// serialisation; its `Debug` is redacted. A key is never all zero.
        pub struct $name(Secret);

        impl $name {
            /// Copies 32 bytes and wipes the source array.
            ///
            /// # Errors
            ///
            /// Returns an error if all bytes are zero: the array was never filled, or an earlier call wiped it.
            pub fn from_bytes(bytes: &mut [u8; 32]) -> Result<Self> {
                Secret::from_bytes(bytes, || $all_zero.into()).map(Self)
            }

            /// Copies 32 bytes from a slice and wipes the slice, even if its length is wrong.
            ///
            /// # Errors
            ///
            /// Returns an error if the slice is not exactly 32 bytes long or all its bytes are zero.
            pub fn from_slice(bytes: &mut [u8]) -> Result<Self> {
                match <&mut [u8; KEY_LEN]>::try_from(&mut *bytes) {
                    Ok(bytes) => Self::from_bytes(bytes),
                    Err(_) => {
                        bytes.zeroize();
                        Err($wrong_length.into())
                    }
                }
            }

            /// Returns the 32 bytes of the key. No other method exposes them.
            pub fn expose_secret(&self) -> &[u8; 32] {
                self.0.expose()
            }

            pub(crate) fn from_secret(secret: Secret) -> Self {
                Self(secret)
            }
        }

        redacted!($name);
    )*};
}

secrets! {
    /// One version of a keyring's master key. It wraps the data keys of SSE-S3 and of the outer layer of DSSE-KMS.
    MasterKey, Misuse::KeyLength, Misuse::AllZeroKey;

    /// The key that an SSE-C client sends with each request: 32 uniformly random bytes.
    ///
    /// Do not use a passphrase as a customer key: the stored envelope lets an attacker test guesses offline, as with
    /// any encryption.
    CustomerKey, CustomerKeyError::WrongLength, CustomerKeyError::AllZero;

    /// The key-encryption key that a [`KeyProvider`](crate::KeyProvider) generates or unwraps.
    KeyEncryptionKey, Misuse::KeyLength, Misuse::AllZeroKey;

    /// The random key of one object. Only [`hazmat`](crate::hazmat) accepts one from the caller.
    DataKey, Misuse::KeyLength, Misuse::AllZeroKey;
}

impl KeyEncryptionKey {
    /// Copies the key from its heap allocation into another one, which is also wiped on drop. No copy is on the stack.
    ///
    /// A provider that gives one key to several callers, such as a cache, needs it: the type has no `Clone`, so that
    /// each copy is visible in the code.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    pub(crate) fn into_secret(self) -> Secret {
        self.0
    }
}

impl DataKey {
    /// Copies the key into another allocation, which is also wiped on drop.
    pub(crate) fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }
}
