//! [`Access`] and [`Unlock`], the keys and expectations with which a reader opens an object.

use std::fmt;
use std::sync::Arc;

use super::Expected;
use crate::secret::CustomerKey;

/// The keys with which a reader unlocks an object.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Unlock<'a> {
    /// The service's own keyring and KMS: for SSE-S3, SSE-KMS and DSSE-KMS.
    Server,
    /// The customer key: for SSE-C.
    CustomerKey(&'a CustomerKey),
    /// The service's own keys or a customer key, and the expectations that the object must meet.
    Access(&'a Access),
}

impl<'a> Unlock<'a> {
    pub(super) fn customer_key(self) -> Option<&'a CustomerKey> {
        match self {
            Self::Server => None,
            Self::CustomerKey(key) => Some(key),
            Self::Access(access) => access.customer_key.as_deref(),
        }
    }

    pub(super) fn expected(self) -> Option<&'a Expected> {
        match self {
            Self::Server | Self::CustomerKey(_) => None,
            Self::Access(access) => Some(&access.expected),
        }
    }
}

/// An owned [`Unlock`]: the expectations that an object must meet, and the customer key for SSE-C.
///
/// The decisions of `s3` return one. Pass [`unlock`](Self::unlock) to the calls of [`Sse`](crate::Sse):
/// they apply the expectations. `Debug` shows no key.
///
/// ```
/// # fn main() -> atrest::Result<()> {
/// use atrest::{Access, Expected, Keyring, ModeId, ObjectName, Sse, SseS3};
///
/// let sse = Sse::builder().keyring(Keyring::generate()?).build()?.blocking();
/// let object = ObjectName::new("photos", "cat.jpg")?;
/// let stored = sse.encrypt(&object, SseS3, b"meow")?;
/// let access = Access::new(Expected::new().with_modes([ModeId::SseS3]));
/// assert_eq!(sse.decrypt(&object, &stored, access.unlock())?, b"meow");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Access {
    expected: Expected,
    customer_key: Option<Arc<CustomerKey>>,
}

impl Access {
    /// Creates an access with the service's own keys and these expectations.
    pub fn new(expected: Expected) -> Self {
        Self { expected, customer_key: None }
    }

    /// Returns the same access with a customer key instead of the service's own keys.
    #[must_use]
    pub fn with_customer_key(self, key: impl Into<Arc<CustomerKey>>) -> Self {
        Self { customer_key: Some(key.into()), ..self }
    }

    /// Returns the expectations that the object must meet.
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// Returns the argument for [`Sse::decryptor`](crate::Sse::decryptor) and the other calls that unlock an object. It
    /// contains the expectations.
    pub fn unlock(&self) -> Unlock<'_> {
        Unlock::Access(self)
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("expected", &self.expected)
            .field("customer_key", &self.customer_key.is_some())
            .finish()
    }
}
