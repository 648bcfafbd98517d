//! Random bytes, from the operating system or from a generator of the caller's.

use std::fmt;
use std::sync::Arc;

use getrandom::SysRng;
pub(crate) use rand_core::TryCryptoRng;
use zeroize::Zeroize;

use crate::error::{Cause, Error, Result};
use crate::secret::{CustomerKey, DataKey, KeyEncryptionKey, MasterKey, Secret};

/// Makes a random generator for each operation that needs one, and draws from it once.
#[derive(Clone)]
pub(crate) struct Generator(Arc<Draw>);

/// Fills a buffer, wholly, or fails.
type Draw = dyn Fn(&mut [u8]) -> Result<()> + Send + Sync;

impl Generator {
    /// From a factory of generators: each draw makes one, so that none is shared between threads or locked.
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
    /// The generator failed; there is no weaker draw in its place.
    pub(crate) fn fill(&self, buffer: &mut [u8]) -> Result<()> {
        (self.0)(buffer)
    }

    /// Fresh public bytes, such as a salt.
    pub(crate) fn bytes<const N: usize>(&self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// A fresh key.
    pub(crate) fn secret(&self) -> Result<Secret> {
        Secret::filled_by(|bytes| self.fill(bytes), all_zero)
    }
}

/// The generator drew a key of zeros: it does not work.
pub(crate) fn all_zero() -> Error {
    Error::Random(Cause::new(AllZero))
}

#[derive(Debug, thiserror::Error)]
#[error("the random generator gave nothing but zeros")]
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
            /// A fresh key from the operating system's randomness.
            ///
            /// # Errors
            ///
            /// [`Error::Random`]: the operating system gave none.
            pub fn generate() -> Result<Self> {
                Generator::default().secret().map(Self::from_secret)
            }
        }
    )*};
}

generated! { MasterKey CustomerKey KeyEncryptionKey DataKey }
