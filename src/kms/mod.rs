//! [`EmbeddedKms`], a key management service in one sealed file of this process (feature `embedded-kms`), and its
//! types.
//!
//! For another KMS implement [`KeyProvider`](crate::KeyProvider).
//!
//! Floor 6. Uses the audit trail, the keys and everything below.

#[cfg(feature = "embedded-kms")]
mod embedded;
pub(crate) mod wrapped_kek;

#[cfg(feature = "embedded-kms")]
pub use embedded::{
    DEFAULT_ALIAS, EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin, KeyInfo, KeyOrigin, KeyPolicy, KeyState, KeyVersion,
    Maintained, Maintenance, NewKey, Permission, Quota,
};
