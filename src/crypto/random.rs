//! [`Generator`]: random bytes from the operating system or from a generator of the caller; and the `generate`
//! constructors of the key types.

use std::fmt;
use std::sync::Arc;

use getrandom::SysRng;
pub(crate) use rand_core::TryCryptoRng;
use zeroize::Zeroize;

use crate::error::{Cause, Error, Result};
use crate::secret::{CustomerKey, DataKey, KeyEncryptionKey, MasterKey, Secret};

/// A factory of random generators. Each operation makes one generator and draws from it once.
#[derive(Clone)]
pub(crate) struct Generator(Arc<Draw>);

/// Fills the whole buffer or fails.
type Draw = dyn Fn(&mut [u8]) -> Result<()> + Send + Sync;

impl Generator {
    /// Creates a `Generator` from a factory. Each draw makes its own generator, so that no generator is shared between
    /// threads or locked.
    pub(crate) fn new<R>(factory: impl Fn() -> R + Send + Sync + 'static) -> Self
    where
        R: TryCryptoRng,
        R::Error: Send + Sync + 'static,
    {
        Self(Arc::new(move |buffer| {
            factory().try_fill_bytes(buffer).map_err(|error| {
                buffer.zeroize();
                Error::Random(Cause::new(error))
            })
        }))
    }

    /// Fills the whole buffer.
    ///
    /// # Errors
    ///
    /// Returns an error if the generator failed. No weaker source replaces it.
    pub(crate) fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        (self.0)(buffer)
    }

    /// Draws fresh public bytes, such as a salt.
    pub(crate) fn bytes<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// Draws a fresh key.
    pub(crate) fn secret(&self) -> Result<Secret> {
        Secret::filled_by(|bytes| self.fill(bytes), all_zero)
    }
}

/// Returns the error for a generator that drew a key of zeros and so does not work.
pub(crate) fn all_zero() -> Error {
    Error::Random(Cause::new(AllZero))
}

#[derive(Debug, thiserror::Error)]
#[error("the random generator returned only zeros")]
struct AllZero;

impl Default for Generator {
    fn default() -> Self {
        Self::new(|| SysRng)
    }
}

impl fmt::Debug for Generator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Generator(..)")
    }
}

macro_rules! generated {
    ($($name:ident)*) => {$(
        impl $name {
            /// Draws a fresh key from the operating system's random generator.
            ///
            /// # Errors
            ///
            /// Returns [`Error::Random`] if the operating system's generator failed.
            pub fn generate() -> Result<Self> {
                Generator::default().secret().map(Self::from_secret)
            }
        }
    )*};
}

generated! { MasterKey CustomerKey KeyEncryptionKey DataKey }
