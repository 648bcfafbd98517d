// Floor 6. May use floors 0 to 5, and no other module of floor 6.
//! [`EmbeddedKms`], a key management service in one sealed file of this process (feature `embedded-kms`), and its
//! types.
//!
//! For another KMS implement [`KeyProvider`](crate::KeyProvider).

#[cfg(feature = "embedded-kms")]
mod embedded;
pub(crate) mod wrapped_kek;

#[cfg(feature = "embedded-kms")]
pub use embedded::{
    DEFAULT_ALIAS, EmbeddedKms, EmbeddedKmsBuilder, KeyAdmin, KeyInfo, KeyOrigin, KeyPolicy, KeyState, KeyVersion,
    Maintained, Maintenance, NewKey, Permission, Quota,
};
